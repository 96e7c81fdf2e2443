//! Everything that a run depends on, as one plain value: what the command line makes, what `config.toml` in the run
//! folder holds, and what a resumed run is compared with.

use crate::places::{self, Places};
use crate::{Error, RunFolder, paths};
use data::GroupBy;
use eval::ThresholdRule;
use model::{Architecture, Fit};
use nn::{Algorithm, Decay};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The update rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum), value(rename_all = "lower"))]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam; weight decay is an L2 penalty.
    Adam,
    /// Adam with decoupled weight decay.
    AdamW,
    /// Stochastic gradient descent with momentum; weight decay is an L2 penalty.
    Sgd,
}

/// How the learning rate goes on after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// It stays.
    Constant,
    /// It falls to zero along half a cosine, at the end of the last epoch.
    Cosine,
}

/// What a class counts in the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// Every image counts alike.
    None,
    /// Every class counts alike: an image weighs `images / (classes * images of its class)`.
    Balanced,
}

/// A training run: each field is a setting of `config.toml` and, with dashes, an option of `vertebra train`, whose help
/// is what stands above it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder or CSV manifest; without it, and none in --config, simulated radiographs are made and used
    #[serde(with = "paths")]
    pub data: PathBuf,
    /// Run folder [default: runs/NAME, a new one]
    #[cfg_attr(feature = "cli", arg(long, value_name = "DIR"))]
    #[serde(with = "paths")]
    pub out: PathBuf,
    /// What must not be divided between splits: a column, a pattern of the file name such as 'person*_', or PatientID or
    /// StudyInstanceUID of DICOM files
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN|PATTERN"))]
    pub group_by: Option<GroupBy>,
    /// mobilenet-v1 or mobilenet-v2
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME"))]
    pub arch: String,
    /// Width multiplier
    #[cfg_attr(feature = "cli", arg(long))]
    pub width: f32,
    /// Side of the square input in pixels
    #[cfg_attr(feature = "cli", arg(long, value_name = "PIXELS"))]
    pub image_size: usize,
    /// 1 (gray) or 3 (colour)
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub channels: usize,
    /// How images of another shape are fitted
    #[cfg_attr(feature = "cli", arg(long))]
    pub fit: Fit,
    /// Images a step
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub batch_size: usize,
    /// Update rule
    #[cfg_attr(feature = "cli", arg(long))]
    pub optimizer: OptimizerKind,
    /// Adam's decay of the first moment
    #[cfg_attr(feature = "cli", arg(long))]
    pub beta1: f64,
    /// Adam's decay of the second moment
    #[cfg_attr(feature = "cli", arg(long))]
    pub beta2: f64,
    /// Adam's epsilon
    #[cfg_attr(feature = "cli", arg(long))]
    pub epsilon: f64,
    /// Momentum of sgd
    #[cfg_attr(feature = "cli", arg(long))]
    pub momentum: f64,
    /// Weight decay: L2 for adam and sgd, decoupled for adamw; biases and norms have none
    #[cfg_attr(feature = "cli", arg(long, value_name = "X"))]
    pub weight_decay: f64,
    /// Learning rate
    #[cfg_attr(feature = "cli", arg(long))]
    pub lr: f64,
    /// What the learning rate does after the warm-up
    #[cfg_attr(feature = "cli", arg(long))]
    pub schedule: ScheduleKind,
    /// Epochs over which the learning rate rises
    #[cfg_attr(feature = "cli", arg(long, value_name = "EPOCHS"))]
    pub warmup: f64,
    /// Epochs at most
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub epochs: u64,
    /// Epochs without a better validation loss before stopping; 0 never stops early
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub patience: u64,
    /// Steps at most; 0 writes the initial weights
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub max_steps: Option<u64>,
    /// Everything random follows from it
    #[cfg_attr(feature = "cli", arg(long))]
    pub seed: u64,
    /// Decay of the moving average of the weights that is validated and kept; 0 keeps the weights themselves
    #[cfg_attr(feature = "cli", arg(long, value_name = "DECAY"))]
    pub average: f64,
    /// Model file or run folder whose weights are the first ones
    #[cfg_attr(feature = "cli", arg(long, value_name = "MODEL"))]
    #[serde(default, with = "paths::option")]
    pub init: Option<PathBuf>,
    /// Train only the classifier (with --init)
    #[cfg_attr(feature = "cli", arg(long))]
    pub freeze: bool,
    /// With --freeze: train everything after this many epochs
    #[cfg_attr(feature = "cli", arg(long, value_name = "EPOCHS"))]
    pub unfreeze_after: Option<u64>,
    /// Learning rate of the classifier, on the same schedule [default: that of --lr]
    #[cfg_attr(feature = "cli", arg(long, value_name = "LR"))]
    pub head_lr: Option<f64>,
    /// Show training images as they are
    #[cfg_attr(feature = "cli", arg(long = "no-augment"))]
    pub augment: bool,
    /// Augmentation also exchanges left and right
    #[cfg_attr(feature = "cli", arg(long, conflicts_with = "augment"))]
    pub flip: bool,
    /// The same order in every epoch
    #[cfg_attr(feature = "cli", arg(long = "no-shuffle"))]
    pub shuffle: bool,
    /// Probability of dropping a pooled feature [default: the architecture's]
    #[cfg_attr(feature = "cli", arg(long, value_name = "P"))]
    pub dropout: Option<f32>,
    /// Label smoothing
    #[cfg_attr(feature = "cli", arg(long, value_name = "P"))]
    pub label_smoothing: f32,
    /// What a class counts in the loss
    #[cfg_attr(feature = "cli", arg(long))]
    pub class_weights: ClassWeights,
    /// How the decision threshold is chosen on the validation split (two classes)
    #[cfg_attr(feature = "cli", arg(long, value_name = "youden|sensitivity:S"))]
    #[serde(default)]
    pub threshold_rule: ThresholdRule,
    /// Leave out images that cannot be read: counted, and listed in the run folder
    #[cfg_attr(feature = "cli", arg(long))]
    #[serde(default)]
    pub skip_unreadable: bool,
    /// With --skip-unreadable: the share that may be left out
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    #[serde(default = "max_unreadable")]
    pub max_unreadable: f64,
    /// The positive class (two classes) [default: the one whose name is no negation]
    #[cfg_attr(feature = "cli", arg(long, value_name = "CLASS"))]
    pub positive: Option<String>,
    /// Threads; 0 is one a core
    #[cfg_attr(feature = "cli", arg(skip))]
    pub threads: usize,
    /// Memory for decoded images, in MiB
    #[cfg_attr(feature = "cli", arg(long = "cache", value_name = "MIB"))]
    pub cache_mib: usize,
    /// Also write the curves for TensorBoard (events.out.tfevents.* in the run folder)
    #[cfg_attr(feature = "cli", arg(long))]
    #[serde(default)]
    pub tensorboard: bool,
}

impl Default for Config {
    /// The defaults of `vertebra train DATA`.
    fn default() -> Self {
        Self {
            data: PathBuf::new(),
            out: PathBuf::new(),
            group_by: None,
            arch: "mobilenet-v1".into(),
            width: 1.0,
            image_size: 224,
            channels: 1,
            fit: Fit::Stretch,
            batch_size: 32,
            optimizer: OptimizerKind::Adam,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-7,
            momentum: 0.0,
            weight_decay: 0.0,
            lr: 0.002,
            schedule: ScheduleKind::Constant,
            warmup: 0.0,
            epochs: 30,
            patience: 5,
            max_steps: None,
            seed: 0,
            average: 0.99,
            init: None,
            freeze: false,
            unfreeze_after: None,
            head_lr: None,
            augment: true,
            flip: false,
            shuffle: true,
            dropout: None,
            label_smoothing: 0.0,
            class_weights: ClassWeights::None,
            threshold_rule: ThresholdRule::default(),
            skip_unreadable: false,
            max_unreadable: MAX_UNREADABLE,
            positive: None,
            threads: 0,
            cache_mib: 1024,
            tensorboard: false,
        }
    }
}

/// The share of unreadable images that a data set may have where they are left out: more are no accident.
pub const MAX_UNREADABLE: f64 = 0.01;

/// For settings that were written before there was such a share.
fn max_unreadable() -> f64 {
    MAX_UNREADABLE
}

/// Settings that may differ from run to run without changing what is learned.
const WITHOUT_EFFECT: [&str; 5] = ["data", "out", "threads", "cache_mib", "tensorboard"];
const MAX_BATCH: usize = 4096;
/// More threads than any machine that this runs on has cores.
pub const MAX_THREADS: usize = 1024;

impl Config {
    /// That every setting is one a run can have; the error names the option.
    pub fn check(&self) -> Result<(), Error> {
        let share = "in [0, 1)";
        let positive = "a finite number above 0";
        let not_negative = "a finite number, 0 or more";
        let of_one = |x: f64| (0.0..1.0).contains(&x);
        let above = |x: f64| x > 0.0 && x.is_finite();
        let from_zero = |x: f64| x >= 0.0 && x.is_finite();
        let rules: [(bool, &'static str, &str, &dyn Display); 16] = [
            ((1..=MAX_BATCH).contains(&self.batch_size), "batch-size", "1 to 4096 images", &self.batch_size),
            (above(self.lr), "lr", positive, &self.lr),
            (self.head_lr.is_none_or(above), "head-lr", positive, &self.head_lr.unwrap_or_default()),
            (of_one(self.beta1), "beta1", share, &self.beta1),
            (of_one(self.beta2), "beta2", share, &self.beta2),
            (above(self.epsilon), "epsilon", positive, &self.epsilon),
            (of_one(self.momentum), "momentum", share, &self.momentum),
            (from_zero(self.weight_decay), "weight-decay", not_negative, &self.weight_decay),
            (from_zero(self.warmup), "warmup", not_negative, &self.warmup),
            (of_one(self.label_smoothing.into()), "label-smoothing", share, &self.label_smoothing),
            (of_one(self.average), "average", share, &self.average),
            (
                (0.0..=1.0).contains(&self.max_unreadable),
                "max-unreadable",
                "a share from 0 to 1",
                &self.max_unreadable,
            ),
            (
                self.skip_unreadable || self.max_unreadable == MAX_UNREADABLE,
                "max-unreadable",
                "--skip-unreadable beside it",
                &self.max_unreadable,
            ),
            (self.threads <= MAX_THREADS, "threads", "at most 1024", &self.threads),
            (self.epochs >= 1, "epochs", "1 or more", &self.epochs),
            // The largest integer that TOML holds.
            (i64::try_from(self.seed).is_ok(), "seed", "a number below 2^63", &self.seed),
        ];
        if let Some((_, field, expected, found)) = rules.into_iter().find(|rule| !rule.0) {
            return Err(Error::config(field, expected, found));
        }
        if self.freeze && self.init.is_none() {
            let found = "none: a frozen network with random weights cannot learn";
            return Err(Error::config("freeze", "a file of weights in --init", found));
        }
        if let Some(epochs) = self.unfreeze_after.filter(|_| !self.freeze) {
            return Err(Error::config("unfreeze-after", "--freeze beside it", epochs));
        }
        self.architecture(2)?.network()?;
        Ok(())
    }

    /// The architecture for `classes` classes, from its published defaults.
    pub fn architecture(&self, classes: usize) -> Result<Architecture, Error> {
        let named = Architecture::named(&self.arch)?;
        Ok(Architecture {
            width: self.width,
            image_size: [self.image_size; 2],
            channels: self.channels,
            classes,
            dropout: self.dropout.unwrap_or(named.dropout),
            ..named
        })
    }

    /// The update rule with its constants.
    pub fn algorithm(&self) -> Algorithm {
        let &Self { beta1, beta2, epsilon, momentum, weight_decay, .. } = self;
        match self.optimizer {
            OptimizerKind::Adam => Algorithm::Adam { beta1, beta2, epsilon, l2: weight_decay, decay: 0.0 },
            OptimizerKind::AdamW => Algorithm::Adam { beta1, beta2, epsilon, l2: 0.0, decay: weight_decay },
            OptimizerKind::Sgd => Algorithm::Sgd { momentum, l2: weight_decay },
        }
    }

    /// The learning rates of a run with `batches` steps an epoch. `max_steps` only cuts it short, so that a run can be
    /// prolonged.
    pub fn rates(&self, batches: u64) -> nn::Schedule {
        nn::Schedule {
            base: self.lr,
            decay: match self.schedule {
                ScheduleKind::Constant => Decay::Constant,
                ScheduleKind::Cosine => Decay::Cosine,
            },
            warmup_steps: (self.warmup * batches as f64).round() as u64,
            total_steps: self.epochs * batches,
        }
    }

    /// The settings of the run in `folder`.
    pub fn of_run(folder: &Path) -> Result<Self, Error> {
        let path = RunFolder(folder).config();
        if !path.exists() {
            let reason = "holds no run to resume; check --out, or leave --resume away to start one";
            return Err(Error::run(folder, reason));
        }
        Ok(Self { out: folder.to_path_buf(), ..Self::read(&path, None)? })
    }

    /// The settings in the file at `path`, with its paths as they are to be found from the working directory: see
    /// `crate::places`. What it does not say is as in `base`; without one, it has to say everything.
    pub fn read(path: &Path, base: Option<&Self>) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let text = std::fs::read_to_string(path).map_err(|error| Error::run(path, error.to_string()))?;
        // The lines that show where are indented, as all lines of a message behind its first.
        let lines = |error: toml::de::Error| error.to_string().trim_end().replace('\n', "\n  ");
        let broken = |error| Error::run(path, format!("not a run's settings: {}", lines(error)));
        let (settings, from_folder) = places::split(&text);
        let said: toml::Table = toml::from_str(settings).map_err(broken)?;
        let mut unsaid = base.map(Self::table).unwrap_or_default();
        // No setting is a table, and what came behind one would be in it.
        let has_table = said.values().any(toml::Value::is_table);
        unsaid.retain(|name, _| !has_table && !said.contains_key(name));
        // Behind the text, whose lines an error may name.
        let mut config: Self = toml::from_str(&format!("{settings}\n{unsaid}")).map_err(broken)?;
        let from_folder: Places = toml::from_str(from_folder).map_err(broken)?;
        let origin = places::origin(folder, &config.out);
        let find = |path: PathBuf, seen: Option<PathBuf>| {
            places::find(&path, folder, seen.as_deref(), origin.as_deref())
        };
        // No data is no path.
        if !config.data.as_os_str().is_empty() {
            config.data = find(config.data, from_folder.data);
        }
        config.init = config.init.map(|init| find(init, from_folder.init));
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
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
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
                format!("expected paths that are UTF-8, which is all that this file can hold: {error}"),
            )
        };
        let settings = toml::to_string(&stored).map_err(written)?;
        let old = std::fs::read_to_string(path).unwrap_or_default();
        let with_remarks = places::with_remarks(places::split(&old).0, &settings);
        let is_right = toml::from_str::<Self>(&with_remarks).is_ok_and(|read| read == stored);
        let settings = if is_right { with_remarks } else { settings };
        let text = places::join(&settings, &toml::to_string(&from_folder).map_err(written)?);
        Ok(model::write_atomic(path, |file| std::io::Write::write_all(file, text.as_bytes()))?)
    }

    /// Writes `config.toml` in the run folder.
    pub fn save(&self) -> Result<(), Error> {
        self.write(&RunFolder(&self.out).config())
    }

    /// The settings that shape the result, for the model's provenance: no paths, no speed. Of a file of first weights, the
    /// name and the contents are told.
    pub fn provenance(&self) -> serde_json::Value {
        let told = Self { data: PathBuf::new(), out: PathBuf::new(), init: None, ..self.clone() };
        let mut value = serde_json::to_value(told).expect("plain values have a JSON form");
        if let Some(settings) = value.as_object_mut() {
            settings.retain(|name, _| !WITHOUT_EFFECT.contains(&name.as_str()));
            settings["init"] = self.init.as_deref().map(init_origin).into();
        }
        value
    }

    /// The options of `vertebra train` that ask for these settings, in the words of a command line; those that are the
    /// default are left out, and so are DATA and `--out`.
    pub fn options(&self) -> Vec<String> {
        let [told, default] = [self, &Self::default()].map(|config| {
            Self { data: PathBuf::new(), out: PathBuf::new(), init: None, ..config.clone() }.table()
        });
        let init = self.init.iter().flat_map(|init| ["--init".to_owned(), init.display().to_string()]);
        let mut words: Vec<String> = init.collect();
        for (name, value) in told.into_iter().filter(|(name, value)| default.get(name) != Some(value)) {
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
            && (self.schedule == ScheduleKind::Constant || wanted.epochs == self.epochs);
        if !longer {
            let expected = match self.schedule {
                ScheduleKind::Constant => format!("{} or more to resume this run", self.epochs),
                ScheduleKind::Cosine => {
                    format!("{} to resume this run, whose cosine ends there", self.epochs)
                }
            };
            return Err(Error::config("epochs", expected, wanted.epochs));
        }
        let [mut before, mut after] = [self, wanted].map(Self::provenance);
        for settings in [&mut before, &mut after] {
            settings["epochs"].take();
            settings["max_steps"].take();
        }
        let settings = before.as_object().into_iter().flatten();
        for (name, value) in settings {
            let same = if name == "init" { self.has_init_of(wanted) } else { after[name] == *value };
            if !same {
                return Err(self.other_setting(&name.replace('_', "-"), value, &after[name]));
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
    fn settings_are_read_as_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let odd = Config {
            out: folder.path().into(),
            width: 0.35,
            lr: 1e-4 / 3.0,
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
            ..Config::default()
        };
        for config in [odd, Config { out: folder.path().into(), ..Config::default() }] {
            config.check().unwrap();
            config.write(&RunFolder(folder.path()).config()).unwrap();
            assert_eq!(Config::of_run(folder.path()).unwrap(), config);
        }
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
    fn a_run_goes_on_with_its_own_settings_only() {
        let run = Config { data: "data".into(), ..Config::default() };
        let refused = |wanted: Config| run.check_resume(&wanted).unwrap_err().to_string();
        assert!(refused(Config { lr: 0.1, ..run.clone() }).contains("this run has lr 0.002, found 0.1"));
        assert!(refused(Config { init: Some("a".into()), ..run.clone() }).contains("init"));
        assert!(refused(Config { batch_size: 8, ..run.clone() }).contains("batch-size 32, found 8"));
        let other = Config { positive: Some("normal".into()), ..run.clone() };
        assert!(refused(other).contains("positive null, found \"normal\""));
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

        let cosine = Config { schedule: ScheduleKind::Cosine, ..run.clone() };
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

    #[test]
    fn options_ask_for_the_settings() {
        let config = Config {
            data: "data".into(),
            image_size: 32,
            lr: 1e-4,
            group_by: Some("person*_".parse().unwrap()),
            optimizer: OptimizerKind::AdamW,
            threshold_rule: ThresholdRule::Sensitivity(0.95),
            augment: false,
            freeze: true,
            init: Some("a/b".into()),
            max_steps: Some(7),
            ..Config::default()
        };
        let mut words = config.options().join(" ");
        for option in [
            "--image-size 32",
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
