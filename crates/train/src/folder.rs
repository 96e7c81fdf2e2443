//! The files of a run folder and of a cross-validation's, by name: whoever reads or writes one asks here where it is.

use std::path::{Path, PathBuf};

use crate::Config;
use crate::documents::read_text;

/// The folder of a run, or of a cross-validation.
#[derive(Clone, Copy, Debug)]
pub struct RunFolder<'a>(
    /// Where it is.
    pub &'a Path,
);

macro_rules! files {
    ($($(#[doc = $doc:literal])* $name:ident: $file:expr;)*) => {
        impl RunFolder<'_> {
    /// How many folds it has the manifests of.
    pub fn folds(&self) -> usize {
        (1..).take_while(|&fold| self.manifest(fold).exists()).count()
    }

            $($(#[doc = $doc])* pub fn $name(&self) -> PathBuf { self.0.join($file) })*
        }
    };
}

files! {
    /// The settings: [`crate::Config`].
    config: "config.toml";
    /// The model.
    best: model::BEST;
    /// The checkpoint.
    last: "last.safetensors";
    /// A line for each step.
    steps: "steps.csv";
    /// A line for each epoch.
    epochs: "epochs.csv";
    /// The range test that found the learning rate, a line for each step of it.
    lr_range: "lr-range.csv";
    /// The model's predictions, which say that the run is finished.
    predictions: "predictions.csv";
    /// The images that were left out.
    unreadable: "unreadable.csv";
    /// How often the test images were looked at: [`crate::Openings`].
    openings: "test-openings.json";
    /// Its lock is held while those change; their own would go when they are replaced.
    openings_lock: ".test-openings.lock";
    /// Its lock is that of the folder: [`crate::RunLock`].
    lock: ".lock";
    /// What a quick audit found in the data.
    audit: "audit.json";
    /// The report, a page for a browser.
    report: "report.html";
    /// The model card.
    card: "model-card.md";
    /// What the folds of a cross-validation were drawn from.
    drawn: "folds.json";
    /// The result of a cross-validation.
    result: "cross-validation.json";
}

impl RunFolder<'_> {
    /// The manifest of a fold, counted from 1.
    pub fn manifest(&self, fold: usize) -> PathBuf {
        self.0.join(format!("fold-{fold}.csv"))
    }

    /// The run folder of a fold, counted from 1.
    pub fn fold(&self, fold: usize) -> PathBuf {
        self.0.join(format!("fold-{fold}"))
    }

    /// Whether a run lives here that has something to lose: a model, or a step.
    pub(crate) fn is_taken(&self) -> bool {
        // What cannot be read may be just that.
        self.best().exists() || read_text(&self.steps()).map_or(true, |steps| steps.lines().count() > 1)
    }
}

/// Whether `folder` holds a cross-validation, finished or not.
pub fn is_cross_validation(folder: &Path) -> bool {
    RunFolder(folder).manifest(1).exists()
}

/// Whether `folder` holds a run or a cross-validation that can go on, and that no other may take the place of.
pub fn has_begun(folder: &Path) -> bool {
    RunFolder(folder).is_taken() || is_cross_validation(folder)
}

/// Whether the folder has the settings of its folds; earlier versions wrote them only into the runs.
pub(crate) fn is_drawn_here(out: &Path) -> bool {
    RunFolder(out).config().exists()
}

/// The cross-validation of which `config` describes the run of a fold: such a run lies beside its manifest, and the
/// settings beside both. A user's own `fold-1.csv` makes none.
pub(crate) fn cross_validation_of(config: &Config) -> Option<&Path> {
    let folds = config.out.parent()?;
    let fold = config.out.file_name()?.to_str()?.strip_prefix("fold-")?.parse().ok()?;
    let same = |a: &Path, b: &Path| {
        a == b || (a.canonicalize().ok().zip(b.canonicalize().ok())).is_some_and(|(a, b)| a == b)
    };
    (is_drawn_here(folds) && same(&config.data, &RunFolder(folds).manifest(fold))).then_some(folds)
}

/// What is said of a folder with a run that would be overwritten.
pub(crate) const TAKEN: &str =
    "holds a run already, which is not overwritten; add --resume to go on with it, or choose another --out";

/// Where a run on `data` goes if nobody says it: the first free `runs/NAME`, `runs/NAME-2`, ...
pub fn new_run(data: &Path) -> PathBuf {
    let other = if data.as_os_str().is_empty() { "phantom" } else { "run" };
    let name = data.file_stem().and_then(|stem| stem.to_str()).unwrap_or(other);
    let numbered =
        |n: usize| Path::new("runs").join(if n == 1 { name.into() } else { format!("{name}-{n}") });
    (1..).map(numbered).find(|path| !path.exists()).expect("some number is free")
}
