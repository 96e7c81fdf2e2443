//! Settings on a command line. The options are the fields of [`Config`] themselves, so each is written once, with its
//! default; those that were typed are laid over the settings of a run, of a file, or the defaults.

use crate::{Config, Error};
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use std::path::Path;
use toml::Value;

/// The settings that were typed, to be flattened into the arguments of a command.
pub struct Options(ArgMatches);

impl Options {
    /// Lays them over `config`.
    pub fn lay_over(&self, config: &mut Config) {
        config.update_from_arg_matches(&self.0).expect("what was typed has been parsed");
    }

    /// Whether the setting of this name was typed.
    pub fn has(&self, name: &str) -> bool {
        self.0.try_contains_id(name).unwrap_or(false)
    }

    /// The `error` of a setting; as one of `file`, if it was read there and not typed.
    pub fn blame(&self, error: Error, file: &Path) -> Error {
        let network = ["arch", "width", "image_size", "channels"];
        match error {
            Error::Config { field, expected, found } if !self.has(&field.replace('-', "_")) => {
                let key = field.replace('-', "_");
                Error::run(file, format!("{key}: expected {expected}, found {found}"))
            }
            Error::Model(error) if !network.iter().any(|name| self.has(name)) => error.in_file(file).into(),
            typed => typed,
        }
    }
}

impl FromArgMatches for Options {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(matches.clone()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0 = matches.clone();
        Ok(())
    }
}

impl clap::Args for Options {
    fn augment_args(command: Command) -> Command {
        let about = command.get_about().cloned().unwrap_or_default();
        let defaults = Config::default().table();
        let command = Config::augment_args_for_update(command).about(about);
        command.mut_args(|arg| match defaults.get(arg.get_id().as_str()) {
            Some(Value::Boolean(by_default)) => flag(arg, *by_default),
            Some(Value::String(path)) if path.is_empty() => arg,
            Some(Value::String(word)) => with_default(arg, word),
            Some(Value::Float(number)) => with_default(arg, format!("{number:?}").trim_end_matches(".0")),
            Some(other) => with_default(arg, &other.to_string()),
            None => arg,
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// A flag that says the opposite of the default; with `=false` it says the default, where a file says otherwise.
fn flag(arg: Arg, by_default: bool) -> Arg {
    let value = move |text: &str| text.parse::<bool>().map(|typed| typed != by_default);
    let arg = arg.action(ArgAction::Set).num_args(0..=1).require_equals(true).value_name("BOOL");
    arg.default_missing_value("true").value_parser(value)
}

fn with_default(arg: Arg, default: &str) -> Arg {
    let help = arg.get_help().cloned().unwrap_or_default();
    arg.help(format!("{help} [default: {default}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LearningRate;
    use clap::Args;

    fn typed(words: &[&str]) -> Result<Options, clap::Error> {
        let command = Options::augment_args(Command::new("train"));
        Options::from_arg_matches(&command.try_get_matches_from([&["train"], words].concat())?)
    }

    #[test]
    fn every_setting_is_an_option_that_tells_its_default() {
        let mut command = Options::augment_args(Command::new("train"));
        let help = command.render_help().to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        for (name, value) in Config::default().table() {
            let known = command.get_arguments().any(|arg| arg.get_id() == name.as_str());
            assert!(known || name == "threads", "{name}");
            if known && let Value::Integer(number) = value {
                assert!(help.contains(&format!("[default: {number}]")), "{name}: {help}");
            }
        }
        for default in ["[default: adam]", "[default: 1e-7]", "[default: 0.99]", "[default: mobilenet-v1]"] {
            assert!(help.contains(default), "{default}: {help}");
        }
    }

    #[test]
    fn what_is_typed_wins_and_nothing_else_changes() {
        let before = Config {
            freeze: true,
            augment: false,
            lr: LearningRate::Fixed(0.5),
            seed: 3,
            ..Config::default()
        };
        let laid = |words: &[&str]| {
            let mut config = before.clone();
            typed(words).unwrap().lay_over(&mut config);
            config
        };
        assert_eq!(laid(&[]), before);
        assert_eq!(laid(&["--freeze", "--no-augment"]), before);
        let other = Config { freeze: false, augment: true, lr: LearningRate::Fixed(0.002), ..before.clone() };
        assert_eq!(laid(&["--freeze=false", "--no-augment=false", "--lr", "0.002"]), other);
        let patient = Config { group_by: Some("p*_".parse().unwrap()), data: "d".into(), ..before.clone() };
        assert_eq!(laid(&["d", "--group-by", "p*_"]), patient);
        let seen = laid(&["--image-size", "320x256", "--window", "-600,1500"]);
        assert_eq!(<[usize; 2]>::from(seen.image_size), [320, 256]);
        assert_eq!(seen.window, Some(model::Window { center: -600.0, width: 1500.0 }));
        assert!(typed(&["--image-size", "320by256"]).is_err() && typed(&["--window", "40"]).is_err());
        assert!(typed(&["--group-by", "p*|q"]).is_err() && typed(&["--freeze=perhaps"]).is_err());
        // The words for a run ask for it.
        assert_eq!(
            typed(&other.options().iter().map(String::as_str).collect::<Vec<_>>())
                .map(|all| {
                    let mut config = Config::default();
                    all.lay_over(&mut config);
                    config
                })
                .unwrap(),
            other
        );
    }

    #[test]
    fn who_said_it_is_blamed() {
        let error = || Error::config("batch-size", "1 to 4096 images", 0);
        let told = typed(&[]).unwrap().blame(error(), Path::new("a.toml")).to_string();
        assert_eq!(told, "a.toml: batch_size: expected 1 to 4096 images, found 0");
        let told = typed(&["--batch-size", "0"]).unwrap().blame(error(), Path::new("a.toml")).to_string();
        assert_eq!(told, "--batch-size: expected 1 to 4096 images, found 0");
    }
}
