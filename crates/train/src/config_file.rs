//! Settings as text: `config.toml` of a run folder, and the words of a command line.

use crate::documents::{read_text, write_text};
use crate::places::{self, Places};
use crate::{Config, Error, RunFolder};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The text of a file of settings, of which nobody has a megabyte.
pub(crate) fn read_settings(path: &Path) -> Result<String, Error> {
    const MOST: u64 = 1 << 20;
    let read = || {
        let mut text = String::new();
        std::fs::File::open(path)?.take(MOST + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error: std::io::Error| Error::run(path, error.to_string()))?;
    match text.len() as u64 {
        ..=MOST => Ok(text),
        _ => Err(Error::run(path, "expected settings of a run, found more than a megabyte")),
    }
}

impl Config {
    /// The settings of the run in `folder`.
    pub fn of_run(folder: &Path) -> Result<Self, Error> {
        let path = RunFolder(folder).config();
        if !path.exists() {
            return Err(Error::run(folder, "holds no run to resume or to report on: it has no config.toml"));
        }
        Ok(Self { out: folder.to_path_buf(), ..Self::read(&path, None)? })
    }

    /// The settings in the file at `path`, with its paths as they are to be found from the working directory: see
    /// `crate::places`. What it does not say is as in `base`; without one, it has to say everything.
    pub fn read(path: &Path, base: Option<&Self>) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let text = read_settings(path)?;
        // The lines that show where are indented, as all lines of a message behind its first.
        let lines = |error: toml::de::Error| error.to_string().trim_end().replace('\n', "\n  ");
        let broken = |error| Error::run(path, format!("not a run's settings: {}", lines(error)));
        let (settings, from_folder) = places::split(&text);
        let said: toml::Table = toml::from_str(settings).map_err(broken)?;
        let mut unsaid = base.map(Self::table).unwrap_or_default();
        // No setting is a table, and what came behind one would be in it.
        let has_table = said.values().any(toml::Value::is_table);
        // A run of an earlier version had no such key, and computed all of every epoch.
        let is_earlier = |name: &str| name == "frozen_views" && said.contains_key("out");
        unsaid.retain(|name, _| !has_table && !said.contains_key(name) && !is_earlier(name));
        // Behind the text, whose lines an error may name.
        let mut config: Self = toml::from_str(&format!("{settings}\n{unsaid}")).map_err(broken)?;
        // Below as many lines as stand above it, for the one that an error names.
        let above = text[..text.len() - from_folder.len()].matches('\n').count();
        let from_folder: Places = toml::from_str(&("\n".repeat(above) + from_folder)).map_err(|error| {
            let reason = lines(error);
            Error::run(path, format!("not a run's settings (they belong above {}): {reason}", places::TABLE))
        })?;
        let origin = places::origin(folder, &config.out);
        let find = |path: PathBuf, seen: Option<PathBuf>| {
            places::find(&path, folder, seen.as_deref(), origin.as_deref())
        };
        // No data is no path.
        if !config.data.as_os_str().is_empty() {
            config.data = find(config.data, from_folder.data);
        }
        config.init = config.init.map(|init| match crate::builtin::is_builtin(&init) {
            true => init,
            false => find(init, from_folder.init),
        });
        Ok(config)
    }

    /// These settings with those of a JSON object laid over them, under the names of `config.toml`; `null` is none.
    ///
    /// # Errors
    /// A name that no setting has, or a value that is none for it. Whether a run can have them, [`Config::check`] says.
    pub fn with(&self, said: serde_json::Map<String, serde_json::Value>) -> Result<Self, Error> {
        let mut config = self.clone();
        for (name, value) in said {
            let mut all = serde_json::to_value(&config).expect("plain values have a JSON form");
            all[&name] = value;
            config = serde_json::from_value(all)
                .map_err(|error| Error::Setting { name, reason: error.to_string() })?;
        }
        Ok(config)
    }

    /// The settings by name, as `config.toml` holds them: what is none is not there.
    pub(crate) fn table(&self) -> toml::Table {
        // By way of the text, in which an f32 has as few digits as people would write.
        let text = toml::to_string(self).expect("plain values have a TOML form");
        toml::from_str(&text).expect("what was written can be read")
    }

    /// Writes `config.toml` at `path`, in the run folder; not where it says the same already, so that it
    /// stays as people left it; their remarks stay in any case.
    fn write(&self, path: &Path) -> Result<(), Error> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let before = path.exists().then(|| Self::of_run(folder)).and_then(Result::ok);
        if before.is_some_and(|before| before == Self { out: folder.to_path_buf(), ..self.clone() }) {
            return Ok(());
        }
        let stored = Self {
            data: places::absolute(&self.data),
            out: places::absolute(&self.out),
            init: self.init.as_deref().map(places::absolute),
            ..self.clone()
        };
        let from_folder = Places {
            data: places::relative(folder, &self.data),
            init: self.init.as_deref().and_then(|init| places::relative(folder, init)),
        };
        let written = |error: toml::ser::Error| {
            Error::run(
                path,
                format!("expected what TOML can hold, such as paths in UTF-8, found otherwise: {error}"),
            )
        };
        let settings = toml::to_string(&stored).map_err(written)?;
        let old = read_text(path)?;
        let with_remarks = places::with_remarks(places::split(&old).0, &settings);
        let is_right = toml::from_str::<Self>(&with_remarks).is_ok_and(|read| read == stored);
        let settings = if is_right { with_remarks } else { settings };
        let text = places::join(&settings, &toml::to_string(&from_folder).map_err(written)?);
        write_text(path, &text)
    }

    /// Writes `config.toml` in the run folder.
    pub fn save(&self) -> Result<(), Error> {
        self.write(&RunFolder(&self.out).config())
    }

    /// The options of `vertebra train` that ask for these settings, in the words of a command line; those that are the
    /// default are left out, and so are DATA and `--out`.
    pub fn options(&self) -> Vec<String> {
        let [told, default] = [self, &Self::default()].map(|config| {
            Self { data: PathBuf::new(), out: PathBuf::new(), init: None, ..config.clone() }.table()
        });
        let init = self.init.iter().flat_map(|init| ["--init".to_owned(), init.display().to_string()]);
        let mut words: Vec<String> = init.collect();
        for (name, value) in
            told.into_iter().filter(|(name, value)| name != "ranks" && default.get(name) != Some(value))
        {
            let option = name.replace('_', "-").replace("cache-mib", "cache");
            match value {
                toml::Value::Boolean(true) => words.push(format!("--{option}")),
                toml::Value::Boolean(false) => words.push(format!("--no-{option}")),
                toml::Value::String(text) => words.extend([format!("--{option}"), text]),
                other => words.extend([format!("--{option}"), other.to_string()]),
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LearningRate, OptimizerKind};
    use eval::ThresholdRule;

    #[test]
    fn settings_are_laid_over_by_name() {
        let with = |text: &str| Config::default().with(serde_json::from_str(text).unwrap());
        let found =
            with(r#"{"lr": 1, "width": 0.1, "schedule": "cosine", "max_steps": null, "out": "runs/a"}"#);
        let expected = Config {
            lr: LearningRate::Fixed(1.0),
            width: 0.1,
            schedule: crate::Decay::Cosine,
            out: "runs/a".into(),
            ..Config::default()
        };
        assert_eq!(found.unwrap(), expected);
        assert!(with(r#"{"rate": 1}"#).unwrap_err().to_string().starts_with("rate: unknown field `rate`"));
        assert!(with(r#"{"epochs": "many"}"#).unwrap_err().to_string().starts_with("epochs: invalid type"));
    }

    #[test]
    fn settings_are_read_as_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let odd = Config {
            out: folder.path().into(),
            width: 0.35,
            lr: LearningRate::Fixed(1e-4 / 3.0),
            max_steps: Some(7),
            seed: i64::MAX as u64,
            dropout: Some(0.1),
            group_by: Some("person*_|IM-*-".parse().unwrap()),
            init: Some("model.safetensors".into()),
            freeze: true,
            unfreeze_after: Some(2),
            head_lr: Some(0.1),
            optimizer: OptimizerKind::AdamW,
            threshold_rule: ThresholdRule::Sensitivity(0.95),
            positive: Some("no break".into()),
            image_size: [320, 256].into(),
            window: Some(model::Window { center: -600.0, width: 1500.5 }),
            ..Config::default()
        };
        for config in [odd, Config { out: folder.path().into(), ..Config::default() }] {
            config.check().unwrap();
            config.write(&RunFolder(folder.path()).config()).unwrap();
            assert_eq!(Config::of_run(folder.path()).unwrap(), config);
        }
    }

    /// A square is the number that it always was, so settings of before are read, and told as they were.
    #[test]
    fn a_square_is_a_number_and_what_is_none_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = RunFolder(folder.path()).config();
        let text = |config: Config| {
            config.write(&path).unwrap();
            std::fs::read_to_string(&path).unwrap()
        };
        let square = Config { out: folder.path().into(), ..Config::default() };
        let told = text(square.clone());
        assert!(told.contains("\nimage_size = 224\n") && !told.contains("window"), "{told}");
        let provenance = square.provenance();
        assert!(provenance["image_size"] == 224 && provenance.get("window").is_none(), "{provenance}");
        let tall = Config { image_size: [320, 256].into(), ..square.clone() };
        assert!(text(tall.clone()).contains("\nimage_size = \"320x256\"\n"));
        assert_eq!(tall.provenance()["image_size"], "320x256");
        let refused = square.check_resume(&tall).unwrap_err().to_string();
        assert!(refused.contains("this run has image-size 224, found \"320x256\""), "{refused}");

        std::fs::write(&path, "image_size = \"tall\"\n").unwrap();
        let error = Config::read(&path, Some(&Config::default())).unwrap_err().to_string();
        assert!(error.contains("height x width such as 320x256"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_no_text_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let odd: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(b"caf\xe9".to_vec());
        let [data, out, init] = ["a", "b", "c"].map(|place| Path::new(place).join(&odd));
        let config = Config { data, out, init: Some(init), ..Config::default() };
        config.write(&RunFolder(folder.path()).config()).unwrap();
        let found = Config::of_run(folder.path()).unwrap();
        assert_eq!(
            found,
            Config { out: folder.path().into(), ..config.clone() },
            "a run is where it is found"
        );
        config.check_resume(&config).unwrap();
    }

    #[test]
    fn options_ask_for_the_settings() {
        let config = Config {
            data: "data".into(),
            image_size: 32.into(),
            lr: LearningRate::Fixed(1e-4),
            group_by: Some("person*_".parse().unwrap()),
            optimizer: OptimizerKind::AdamW,
            threshold_rule: ThresholdRule::Sensitivity(0.95),
            augment: false,
            freeze: true,
            init: Some("a/b".into()),
            max_steps: Some(7),
            window: Some(model::Window { center: -600.0, width: 1500.0 }),
            ..Config::default()
        };
        let mut words = config.options().join(" ");
        for option in [
            "--image-size 32",
            "--window -600,1500",
            "--lr 0.0001",
            "--group-by person*_",
            "--optimizer adamw",
            "--threshold-rule sensitivity:0.95",
            "--no-augment",
            "--freeze",
            "--init a/b",
            "--max-steps 7",
        ] {
            assert!(words.contains(option), "{option}: {words}");
            words = words.replacen(option, "", 1);
        }
        assert_eq!(words.trim(), "");
        assert!(Config::default().options().is_empty());
    }
}
