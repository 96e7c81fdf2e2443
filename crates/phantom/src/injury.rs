//! Fractures: which kinds there are, where each occurs, and how severe one is.
//!
//! A fracture is drawn from its own stream and changes one vertebra of the finished anatomy (with a broken dens goes the
//! atlas) and the airway before it, so nothing else about a patient says whether there is one. Simplification: the neck
//! above does not follow (no kyphosis, no carried-along head), so that every changed pixel lies inside a small box.

use std::fmt;

use engine::Rng;

use crate::anatomy::C2;

/// The kinds of fracture. Morphology after Allen et al., Spine 7(1), 1982, and Anderson and D'Alonzo, JBJS 56(8), 1974.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FractureKind {
    /// The front of a body has collapsed by 40 to 60 %, its upper corner sheared off.
    WedgeCompression,
    /// A triangle broken off the lower front corner of a body and displaced.
    Teardrop,
    /// The dens broken at its base (type II) and displaced.
    Odontoid,
    /// The end of a spinous process broken off and dropped (clay-shoveler's fracture).
    SpinousProcess,
    /// A vertebra slipped forward and tilted, its facets perched on those below.
    FacetSubluxation,
}

impl FractureKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::WedgeCompression,
        Self::Teardrop,
        Self::Odontoid,
        Self::SpinousProcess,
        Self::FacetSubluxation,
    ];

    /// The levels (indices, ends included) at which the kind occurs.
    fn levels(self) -> [usize; 2] {
        match self {
            Self::WedgeCompression | Self::Teardrop | Self::FacetSubluxation => [4, 5],
            Self::Odontoid => [C2, C2],
            Self::SpinousProcess => [5, 5],
        }
    }
}

/// As in truth.csv.
impl fmt::Display for FractureKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::WedgeCompression => "wedge-compression",
            Self::Teardrop => "teardrop",
            Self::Odontoid => "odontoid",
            Self::SpinousProcess => "spinous-process",
            Self::FacetSubluxation => "facet-subluxation",
        })
    }
}

/// A fracture of one vertebra.
#[derive(Clone, Debug)]
pub(crate) struct Injury {
    pub kind: FractureKind,
    /// Index of the vertebra.
    pub level: usize,
    /// From 0, the mildest that counts, to 1.
    pub severity: f64,
    /// From 0 to 1: which way the fragment went.
    pub turn: f64,
}

impl Injury {
    /// The fracture of this kind that `rng` draws.
    pub fn draw(kind: FractureKind, rng: &mut Rng) -> Self {
        let [first, last] = kind.levels();
        let level = first + rng.below((last - first + 1) as u64) as usize;
        Self { kind, level, severity: rng.uniform(), turn: rng.uniform() }
    }

    /// How far bleeding in front of the spine pushes the airway, in millimetres.
    pub fn swelling(&self) -> f64 {
        match self.kind {
            FractureKind::SpinousProcess => 0.0,
            FractureKind::Odontoid => self.between(7.0, 11.0),
            _ => self.between(5.0, 9.0),
        }
    }

    /// A measure of the injury between its mildest and its most severe value.
    pub fn between(&self, mild: f64, severe: f64) -> f64 {
        mild + (severe - mild) * self.severity
    }
}
