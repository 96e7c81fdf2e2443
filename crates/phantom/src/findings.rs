//! Radiographs with several findings, each drawn by itself: every kind of fracture is there or not, whatever the others
//! are, and a share of the labels is left blank, as in tables where nobody said.

use std::path::Path;

use engine::Rng;

use crate::injury::Injury;
use crate::write::{self, Error, Made, Tables};
use crate::{Fracture, FractureKind, PhantomConfig, RandomStream, expose, roster};

/// The most findings: the kinds of fracture.
pub const MAX_FINDINGS: usize = FractureKind::ALL.len();
/// How often each is there.
const PREVALENCE: f64 = 0.25;

/// What set with findings to make.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingsConfig {
    /// Patients, views, size and seed.
    pub set: PhantomConfig,
    /// The first so many of [`FractureKind::ALL`], at most [`MAX_FINDINGS`].
    pub findings: usize,
    /// The share of labels that is left blank, 0 to 1.
    pub blank: f64,
}

/// What is said of a finding in a radiograph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Which one.
    pub kind: FractureKind,
    /// Whether the patient has it; where it can be seen, with [`Labelled::fracture`].
    pub is: bool,
    /// Whether the table says so.
    pub known: bool,
    /// What it changed in the picture.
    pub fracture: Option<Fracture>,
}

/// A simulated radiograph with findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingsRadiograph {
    /// `[size, size]` 8-bit gray, row by row; bone is bright.
    pub pixels: Vec<u8>,
    /// The patient's split, one of [`crate::SPLITS`].
    pub split: &'static str,
    /// Each of the findings.
    pub findings: Vec<Labelled>,
}

/// The radiograph of a patient in a view, both counted from 0. A pure function of its arguments; which findings are
/// there depends on neither their number nor the share that is blank.
pub fn render_findings(config: &FindingsConfig, patient: usize, view: usize) -> FindingsRadiograph {
    let FindingsConfig { set, findings, blank } = config;
    let injuries = injuries(config, patient);
    let (pixels, fractures) = expose(set, patient, view, &injuries);
    let mut unsaid = Rng::derive(&[set.seed, patient as u64, RandomStream::Blank as u64, view as u64]);
    let label = |&kind: &FractureKind| {
        let place = injuries.iter().position(|injury| injury.kind == kind);
        let known = unsaid.uniform() >= *blank;
        Labelled { kind, is: place.is_some(), known, fracture: place.and_then(|place| fractures[place]) }
    };
    let findings = FractureKind::ALL[..*findings].iter().map(label).collect();
    FindingsRadiograph { pixels, split: roster::assign(set.seed, patient).0, findings }
}

/// What a patient has, each drawn from streams of its own.
fn injuries(FindingsConfig { set, findings, .. }: &FindingsConfig, patient: usize) -> Vec<Injury> {
    let drawn = |(at, &kind): (usize, &FractureKind)| {
        let stream = |name: RandomStream| Rng::derive(&[set.seed, patient as u64, name as u64, at as u64]);
        let is = stream(RandomStream::Findings).uniform() < PREVALENCE;
        is.then(|| Injury::draw(kind, &mut stream(RandomStream::Injury)))
    };
    // A body breaks once, so those that break one have a vertebra each.
    let apart = |injury: Injury| match injury.kind {
        FractureKind::WedgeCompression => Injury { level: 4, ..injury },
        FractureKind::Teardrop => Injury { level: 5, ..injury },
        _ => injury,
    };
    FractureKind::ALL[..*findings].iter().enumerate().filter_map(drawn).map(apart).collect()
}

/// The picture of the same patient without `kind`.
#[cfg(test)]
pub(crate) fn render_without(
    config: &FindingsConfig,
    patient: usize,
    view: usize,
    kind: FractureKind,
) -> Vec<u8> {
    let mut injuries = injuries(config, patient);
    injuries.retain(|injury| injury.kind != kind);
    expose(&config.set, patient, view, &injuries).0
}

/// Renders the set and writes it to `out`, replacing an earlier phantom set there: `OUT/{split}/NAME.png`,
/// `manifest.csv` with a column a finding (1, 0, or blank) and `truth.csv` with the box of every finding that is there,
/// said or not. `progress` as in [`crate::write()`]; of the counts, the first of two is that of images with a finding.
///
/// # Errors
/// As of [`crate::write()`].
pub fn write_findings(
    config: &FindingsConfig,
    out: &Path,
    progress: Option<&(dyn Fn(usize, usize) + Sync)>,
) -> Result<Made, Error> {
    let FindingsConfig { set, findings, blank } = config;
    if !(1..=MAX_FINDINGS).contains(findings) {
        return Err(Error::PhantomConfig { name: "findings", expected: "1 to 5", found: *findings });
    }
    let more = format!("findings {findings}, blank {blank}, ");
    let kinds = &FractureKind::ALL[..*findings];
    let names: Vec<String> = kinds.iter().map(FractureKind::to_string).collect();
    let header = ["path", "split", "group"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let tables = Tables { header, truth: vec!["path", "finding", "level", "x0", "y0", "x1", "y1"], more };
    write::write_set(set, out, &tables, progress, &|patient, view| {
        let FindingsRadiograph { pixels, split, findings } = render_findings(config, patient, view);
        let digit = |of: &Labelled| match (of.known, of.is) {
            (false, _) => String::new(),
            (_, is) => u8::from(is).to_string(),
        };
        write::Rendered {
            pixels,
            split,
            folder: String::new(),
            has_finding: findings.iter().any(|of| of.is),
            labels: findings.iter().map(digit).collect(),
            fractures: findings.iter().filter_map(|of| of.fracture).collect(),
        }
    })
}
