//! Who is in which split, and who has which fracture.
//!
//! Patients come in blocks of 16: a block is shuffled, its first twelve are for training, two for validation and two
//! for testing, and every other one has a fracture; the kinds take turns. So every split has the same mix of
//! classes and kinds, and a larger set contains every smaller one of the same seed unchanged.

use engine::Rng;

use crate::{FractureKind, SPLITS};

const BLOCK: usize = 16;
/// The order in which kinds take turns. Its length shares no divisor with the fractures of a
/// block, so every place in a block, and with it every split, sees each kind in turn.
const TURNS: [FractureKind; 11] = {
    use FractureKind::{
        FacetSubluxation as Facet, Odontoid, SpinousProcess as Process, Teardrop, WedgeCompression as Wedge,
    };
    [Wedge, Odontoid, Teardrop, Process, Facet, Teardrop, Odontoid, Wedge, Process, Facet, Teardrop]
};
/// What the stream of a block is derived from, next to the seed: patients' own streams begin with the patient.
const STREAM: u64 = 0x726f_7374_6572;

/// The split of `patient`, and the fracture if there is one.
pub(crate) fn assign(seed: u64, patient: usize) -> (&'static str, Option<FractureKind>) {
    let mut places: [usize; BLOCK] = std::array::from_fn(|i| i);
    Rng::derive(&[seed, STREAM, (patient / BLOCK) as u64]).shuffle(&mut places);
    let place = places[patient % BLOCK];
    let split = match place {
        0..12 => SPLITS[0],
        12..14 => SPLITS[1],
        _ => SPLITS[2],
    };
    let turn = patient / BLOCK * (BLOCK / 2) + place / 2;
    (split, place.is_multiple_of(2).then(|| TURNS[turn % TURNS.len()]))
}
