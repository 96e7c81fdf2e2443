//! Everything that a run depends on, as one plain value: what the command line makes, what `config.toml` in the run
//! folder holds (`config_file`), and what a resumed run is compared with (`resume`).

use crate::trouble::Cure;
use crate::{Error, LearningRate, paths};
use data::{GroupBy, Labelling, Labels, Readers, Uncertain};
use eval::ThresholdRule;
use model::{Architecture, ImageSize, ResizeMode, Window};
use nn::{Algorithm, Decay};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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

/// What a class counts in the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// Every image counts alike.
    None,
    /// Every class counts alike: an image weighs `images / (classes * images of its class)`. The presence and the
    /// absence of a finding are two classes.
    Balanced,
}

/// By what the best epoch is chosen, and training stopped early, on the validation split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum BestBy {
    /// The lowest loss, without weights of classes.
    #[default]
    Loss,
    /// The highest AUROC; of more than two classes, or of findings, the mean. Where there is none, the loss.
    Auroc,
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
    /// What must not be divided between splits: a column, a pattern of the file name such as 'person*_', or PatientID
    /// or StudyInstanceUID of DICOM files
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN|PATTERN"))]
    pub group_by: Option<GroupBy>,
    /// Several findings an image: all, or their names with commas between; columns of 1, 0, -1 (uncertain) and nothing
    /// (not known), or names in a column of lists
    #[cfg_attr(feature = "cli", arg(long, value_name = "all|NAMES"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// With --labels: what -1 counts as, ignore, positive or negative
    #[cfg_attr(feature = "cli", arg(long, value_name = "HOW"))]
    #[serde(default)]
    pub uncertain: Uncertain,
    /// With --labels: where several readers judged an image, a finding is there if most say so (majority), or one (any)
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHO"))]
    #[serde(default)]
    pub readers: Readers,
    /// mobilenet-v1 or mobilenet-v2
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME"))]
    pub arch: String,
    /// Width multiplier
    #[cfg_attr(feature = "cli", arg(long))]
    pub width: f32,
    /// Side of a square input in pixels, or height x width, such as 320x256
    #[cfg_attr(feature = "cli", arg(long, value_name = "PIXELS|HxW"))]
    pub image_size: ImageSize,
    /// 1 (gray) or 3 (colour)
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub channels: usize,
    /// How images of another shape are fitted
    #[cfg_attr(feature = "cli", arg(long))]
    pub fit: ResizeMode,
    /// Window of gray images of more than 8 bits: what is seen from black to white, in Hounsfield units of a CT or
    /// stored values of a PNG; it comes before a DICOM file's own
    #[cfg_attr(feature = "cli", arg(long, value_name = "CENTER,WIDTH", allow_hyphen_values = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Images a step; the last of an epoch has what is left
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub batch_size: usize,
    /// Processes that share each batch: see [`Ranks`](crate::Ranks)
    #[cfg_attr(feature = "cli", arg(skip))]
    #[serde(default = "alone", skip_serializing_if = "is_alone")]
    pub ranks: usize,
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
    /// Learning rate; auto finds one by a range test of at most 100 steps and writes it into config.toml
    #[cfg_attr(feature = "cli", arg(long, value_name = "LR|auto"))]
    pub lr: LearningRate,
    /// What the learning rate does after the warm-up; one-cycle has a warm-up of its own
    #[cfg_attr(feature = "cli", arg(long))]
    pub schedule: Decay,
    /// Epochs over which the learning rate rises
    #[cfg_attr(feature = "cli", arg(long, value_name = "EPOCHS"))]
    pub warmup: f64,
    /// Epochs at most
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub epochs: u64,
    /// Epochs without a better validation loss (or what --best-by says) before stopping; 0 never stops early
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub patience: u64,
    /// What the best epoch is best by
    #[cfg_attr(feature = "cli", arg(long))]
    #[serde(default)]
    pub best_by: BestBy,
    /// Steps at most; 0 writes the initial weights
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub max_steps: Option<u64>,
    /// Everything random follows from it
    #[cfg_attr(feature = "cli", arg(long))]
    pub seed: u64,
    /// Decay of the moving average of the weights that is validated and kept; 0 keeps the weights themselves
    #[cfg_attr(feature = "cli", arg(long, value_name = "DECAY"))]
    pub average: f64,
    /// Model file or run folder whose weights are the first ones; builtin: those that come with the program
    /// (MobileNetV1 of width 0.5, trained on generated pictures)
    #[cfg_attr(feature = "cli", arg(long, value_name = "MODEL"))]
    #[serde(default, with = "paths::option")]
    pub init: Option<PathBuf>,
    /// Train only the classifier (with --init)
    #[cfg_attr(feature = "cli", arg(long))]
    pub freeze: bool,
    /// With --freeze: train everything after this many epochs, from which on --patience counts
    #[cfg_attr(feature = "cli", arg(long, value_name = "EPOCHS"))]
    pub unfreeze_after: Option<u64>,
    /// With --freeze: views of an image of which the features are computed, once: the image as it is, and augmented
    /// ones; 0 augments anew in every epoch
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    #[serde(default)]
    pub frozen_views: u64,
    /// Learning rate of the classifier, on the same schedule [default: that of --lr]
    #[cfg_attr(feature = "cli", arg(long, value_name = "LR"))]
    pub head_lr: Option<f64>,
    /// Show training images as they are
    #[cfg_attr(feature = "cli", arg(long = "no-augment"))]
    pub augment: bool,
    /// Augmentation also exchanges left and right
    #[cfg_attr(feature = "cli", arg(long))]
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
    /// How the decision threshold is chosen on the validation split (two classes): youden, sensitivity:S,
    /// specificity:S, ppv:P, cost:FN=10,FP=1 or value:T
    #[cfg_attr(feature = "cli", arg(long, value_name = "RULE"))]
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
            labels: None,
            uncertain: Uncertain::Ignore,
            readers: Readers::Majority,
            arch: "mobilenet-v1".into(),
            width: 1.0,
            image_size: 224.into(),
            channels: 1,
            fit: ResizeMode::Stretch,
            window: None,
            batch_size: 32,
            ranks: alone(),
            optimizer: OptimizerKind::Adam,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-7,
            momentum: 0.0,
            weight_decay: 0.0,
            lr: LearningRate::Fixed(0.002),
            schedule: Decay::Constant,
            warmup: 0.0,
            epochs: 30,
            patience: 5,
            best_by: BestBy::Loss,
            max_steps: None,
            seed: 0,
            average: 0.99,
            init: None,
            freeze: false,
            unfreeze_after: None,
            frozen_views: FROZEN_VIEWS,
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

/// The views of an image of which a frozen body computes the features: the image as it is.
pub(crate) const FROZEN_VIEWS: u64 = 1;

/// For settings that were written before there was such a share.
fn max_unreadable() -> f64 {
    MAX_UNREADABLE
}

/// For settings that do not say it.
fn alone() -> usize {
    1
}

fn is_alone(ranks: &usize) -> bool {
    *ranks == alone()
}

/// More threads than any machine that this runs on has cores.
pub const MAX_THREADS: usize = 1024;

impl Config {
    /// Whether the body is frozen to the end, so that no norm trains.
    pub(crate) fn stays_frozen(&self) -> bool {
        self.freeze && self.unfreeze_after.is_none()
    }

    /// Images of a batch that one of several ranks has at least, where there are as many: norms that train take the
    /// statistics of a shard, and in a last feature map of 1x1 one image has no variance.
    pub(crate) fn least_shard(&self) -> usize {
        if self.stays_frozen() { 1 } else { 2 }
    }

    /// The same of a whole batch, with last feature maps of this `size`.
    pub(crate) fn least_batch(&self, size: [usize; 2]) -> usize {
        if size == [1, 1] { self.least_shard() } else { 1 }
    }

    /// What may help where the loss explodes in `epoch`, counted from 1.
    pub(crate) fn cure(&self, epoch: u64) -> Cure {
        let is_frozen = self.freeze && self.unfreeze_after.is_none_or(|after| epoch <= after);
        let option = if is_frozen && self.head_lr.is_some() { "--head-lr" } else { "--lr" };
        Cure { option, warmup: self.schedule != Decay::OneCycle }
    }

    /// How the labels of the data are read.
    pub fn labelling(&self) -> Labelling {
        let &Self { uncertain, readers, .. } = self;
        Labelling { labels: self.labels.clone(), uncertain, readers, may_lack: false }
    }

    /// The architecture for `classes` classes, from its published defaults.
    pub fn architecture(&self, classes: usize) -> Result<Architecture, Error> {
        let named = Architecture::named(&self.arch)?;
        Ok(Architecture {
            width: self.width,
            image_size: self.image_size.into(),
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
    /// prolonged. A rate that is yet to be found is 0.
    pub fn rates(&self, batches: u64) -> nn::Schedule {
        nn::Schedule {
            base: self.lr.fixed().unwrap_or_default(),
            decay: self.schedule,
            warmup_steps: (self.warmup * batches as f64).round() as u64,
            total_steps: self.epochs.saturating_mul(batches),
        }
    }
}
