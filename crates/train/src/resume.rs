//! Whether a run can go on with other settings than it began with.

use crate::{Config, Error, LearningRate, RunFolder};
use nn::Decay;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Settings that may differ from run to run without changing what is learned.
const WITHOUT_EFFECT: [&str; 5] = ["data", "out", "threads", "cache_mib", "tensorboard"];

impl Config {
    /// The settings that shape the result, for the model's provenance: no paths, no speed. Of a file of first weights,
    /// the name and the contents are told.
    pub fn provenance(&self) -> serde_json::Value {
        let told = Self { data: PathBuf::new(), out: PathBuf::new(), init: None, ..self.clone() };
        let mut value = serde_json::to_value(told).expect("plain values have a JSON form");
        if let Some(settings) = value.as_object_mut() {
            settings.retain(|name, _| !WITHOUT_EFFECT.contains(&name.as_str()));
            settings["init"] = self.init.as_deref().map(init_origin).into();
        }
        value
    }

    /// Whether the learning rate of this run was found by a range test.
    fn has_found_rate(&self) -> bool {
        RunFolder(&self.out).lr_range().exists()
    }

    /// Whether the first weights of `wanted` are those of this run: the same file, or one that holds the same.
    fn has_init_of(&self, wanted: &Self) -> bool {
        match (&self.init, &wanted.init) {
            (Some(before), Some(after)) if before != after => {
                let checkpoint = RunFolder(&self.out).last();
                let noted = model::Model::read(&checkpoint)
                    .ok()
                    .and_then(|model| model.metadata.provenance.config["init"].as_str().map(str::to_owned));
                let digest = |origin: &str| origin.split_once(DIGEST).map(|(_, digest)| digest.to_owned());
                let before = noted.as_deref().and_then(digest).or_else(|| digest(&init_origin(before)));
                before.is_some() && before == digest(&init_origin(after))
            }
            (before, after) => before.is_some() == after.is_some(),
        }
    }

    /// Whether a run with these settings can go on with `wanted`: all that shapes the result must be the same, except
    /// that a run may be prolonged.
    pub fn check_resume(&self, wanted: &Self) -> Result<(), Error> {
        let longer = wanted.epochs >= self.epochs
            && (self.schedule == Decay::Constant || wanted.epochs == self.epochs);
        if !longer {
            let expected = match self.schedule {
                Decay::Constant => format!("{} or more to resume this run", self.epochs),
                Decay::Cosine => format!("{} to resume this run, whose cosine ends there", self.epochs),
                Decay::OneCycle => format!("{} to resume this run, whose cycle ends there", self.epochs),
            };
            return Err(Error::config("epochs", expected, wanted.epochs));
        }
        let [mut before, mut after] = [self, wanted].map(Self::provenance);
        for settings in [&mut before, &mut after] {
            settings["epochs"].take();
            settings["max_steps"].take();
        }
        // Of both: what is none may be written by neither.
        let names = [&before, &after].into_iter().flat_map(|of| of.as_object().into_iter().flatten());
        for (name, _) in names {
            let same = match name.as_str() {
                "init" => self.has_init_of(wanted),
                "lr" => wanted.lr == self.lr || wanted.lr == LearningRate::Auto && self.has_found_rate(),
                _ => after[name] == before[name],
            };
            if !same {
                return Err(self.other_setting(&name.replace('_', "-"), &before[name], &after[name]));
            }
        }
        Ok(())
    }

    /// That the run in `out` has another value of a setting than was asked for.
    pub(crate) fn other_setting(&self, option: &str, have: impl Display, found: impl Display) -> Error {
        let reason = format!(
            "this run has {option} {have}, found {found}: resume without the option, or start a new run with another \
             --out"
        );
        Error::run(&self.out, reason)
    }
}

/// What stands before the digest in [`init_origin`].
const DIGEST: &str = " (SHA-256 ";

/// What first weights are called where no path may stand: `imagenet.safetensors (SHA-256 0123456789abcdef)`.
fn init_origin(path: &Path) -> String {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let file = if path.is_dir() { RunFolder(path).best() } else { path.to_path_buf() };
    match data::file_digest(&file) {
        Ok(digest) => format!("{name}{DIGEST}{})", data::hexadecimal(&digest[..8])),
        Err(_) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_with_its_own_settings_only() {
        let run = Config { data: "data".into(), ..Config::default() };
        let refused = |wanted: Config| run.check_resume(&wanted).unwrap_err().to_string();
        assert!(
            refused(Config { lr: LearningRate::Fixed(0.1), ..run.clone() })
                .contains("this run has lr 0.002, found 0.1")
        );
        assert!(refused(Config { init: Some("a".into()), ..run.clone() }).contains("init"));
        assert!(refused(Config { batch_size: 8, ..run.clone() }).contains("batch-size 32, found 8"));
        let other = Config { positive: Some("normal".into()), ..run.clone() };
        assert!(refused(other).contains("positive null, found \"normal\""));
        // What the run was not given is not given to what is left of it.
        let window = Some("40,400".parse().unwrap());
        let seen = refused(Config { window, ..run.clone() });
        assert!(seen.contains("this run has window null, found \"40,400\""), "{seen}");
        let labels = Some("all".parse().unwrap());
        assert!(refused(Config { labels, ..run.clone() }).contains("labels null, found \"all\""));
        assert!(refused(Config { epochs: 29, ..run.clone() }).contains("30 or more"));
        // Whether these are the data of the run, their contents say.
        let harmless = Config {
            data: "other".into(),
            epochs: 60,
            max_steps: Some(3),
            threads: 1,
            cache_mib: 0,
            tensorboard: true,
            ..run.clone()
        };
        run.check_resume(&harmless).unwrap();

        let cosine = Config { schedule: Decay::Cosine, ..run.clone() };
        let longer = Config { epochs: 60, ..cosine.clone() };
        assert!(cosine.check_resume(&longer).unwrap_err().to_string().contains("whose cosine ends there"));
    }

    #[test]
    fn provenance_has_no_paths() {
        let folder = tempfile::tempdir().unwrap();
        let init = folder.path().join("first.safetensors");
        std::fs::write(&init, "abc").unwrap();
        let config = Config {
            data: "/home/patient".into(),
            out: "/home/run".into(),
            init: Some(init),
            ..Config::default()
        };
        let told = config.provenance().to_string();
        assert!(!told.contains("/home") && !told.contains(folder.path().to_str().unwrap()), "{told}");
        // `printf abc | sha256sum`
        assert_eq!(config.provenance()["init"], "first.safetensors (SHA-256 ba7816bf8f01cfea)");
    }

    #[test]
    fn first_weights_are_known_by_what_they_hold() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Config { init: Some(path), freeze: true, ..Config::default() }
        };
        let run = file("first", "weights");
        run.check_resume(&run).unwrap();
        run.check_resume(&file("moved", "weights")).unwrap();
        let message = run.check_resume(&file("other", "values")).unwrap_err().to_string();
        assert!(message.contains("this run has init \"first (SHA-256 "), "{message}");
        assert!(run.check_resume(&Config { init: None, ..run.clone() }).is_err());
        // A file that is gone is not needed: the checkpoint has what became of it.
        std::fs::remove_file(run.init.as_ref().unwrap()).unwrap();
        run.check_resume(&run).unwrap();
    }
}
