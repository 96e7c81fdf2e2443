//! How pictures are described, so that others like them are found: descriptors of their discs, as a sample of the set
//! suggests.

use std::borrow::Cow;

use crate::SIDE;
use crate::detail::{Band, blur, detail, halve};
use crate::disc::{Blobs, Disc, FIRST_BLOB, Sampling, discs};
use crate::lines::remove_lines;
use crate::maps::Maps;
use crate::thumbnail::Thumbnail;
use crate::void::{fill, halve_shown};
use crate::whiten::{Vector, Whitening};

/// The band of the coarser maps.
const COARSE: Band = Band { inner: 0.7, outer: 2.5, floor: 4.0 };
/// The band, at full size, in which the whole picture is described: the finest that survives being resampled.
const DESCRIBED: Band = Band { inner: 0.7, outer: 2.0, floor: 2.0 };
/// The band of the finest map: grain and exact edges, what copies share and neighbouring slices do not.
const FINE: Band = Band { inner: 0.3, outer: 0.8, floor: 1.0 };

/// The blobs on which two pictures may agree, of a picture at half the size: many, so that enough are in both.
const POINTS: Blobs = Blobs { scales: 7, sigma: 1.2, reach: 4.0, inside: 0.5, most: 64 };
// Sets of them are the bits of one number (`consensus`).
const _: () = assert!(POINTS.most <= u64::BITS as usize);

/// How the pictures of a set are described.
pub(crate) struct Describer {
    pub coarse: Sampling,
    fine: Sampling,
    small: Sampling,
    points: Whitening,
    /// For large discs and for those of blobs, which differ in other ways.
    discs: [Whitening; 2],
    whole: Whitening,
}

/// A picture as it is looked for: what describes it.
pub(crate) struct Descriptors {
    /// The whole, parts of it, then blobs from [`FIRST_BLOB`] on.
    pub discs: Vec<Disc>,
    /// The descriptor of each disc.
    pub vectors: Vec<Vector>,
    /// Blobs on which a picture may agree with another, with their descriptors.
    pub points: Vec<(Disc, Vector)>,
    /// The descriptor of the whole in fine detail.
    pub whole: Vector,
    /// The logarithm of how strong the finest detail is beside coarser: sharpening and noise raise it, blur and strong
    /// compression lower it, a turn, a mirror, a crop or gamma hardly change it.
    pub roughness: f32,
}

/// A picture before its description.
pub(crate) struct Raw {
    maps: Maps<'static>,
    discs: Vec<Disc>,
    disc_spectra: Vec<Vec<f32>>,
    points: Vec<(Disc, Vec<f32>)>,
    whole: Vec<f32>,
    roughness: f32,
}

impl Describer {
    /// Learned from a sample of the set's thumbnails; and these before their description.
    pub fn learn(sample: &[&Thumbnail]) -> (Self, Vec<Raw>) {
        let (coarse, fine, small) = (Sampling::coarse(), Sampling::fine(), Sampling::small());
        let raw = engine::par::map(sample.len(), |i| Raw::new(sample[i], [&coarse, &fine, &small]));
        let parts = |of: fn(&[Vec<f32>]) -> &[Vec<f32>]| {
            let of_all = raw.iter().flat_map(|r| of(&r.disc_spectra).iter().map(Vec::as_slice));
            Whitening::fit(&of_all.collect::<Vec<_>>())
        };
        let discs = [parts(|discs| &discs[..FIRST_BLOB]), parts(|discs| &discs[FIRST_BLOB..])];
        let points: Vec<&[f32]> =
            raw.iter().flat_map(|r| r.points.iter().map(|point| &point.1[..])).collect();
        let points = Whitening::fit(&points);
        let whole: Vec<&[f32]> = raw.iter().map(|r| r.whole.as_slice()).collect();
        let whole = Whitening::fit(&whole);
        (Self { coarse, fine, small, points, discs, whole }, raw)
    }

    /// Describes a thumbnail, of which [`Describer::learn`] may have given what comes before; and its maps,
    /// [`Maps::BYTES`].
    pub fn describe(&self, thumbnail: &Thumbnail, known: Option<Raw>) -> (Descriptors, Vec<u8>) {
        let raw = known.unwrap_or_else(|| Raw::new(thumbnail, [&self.coarse, &self.fine, &self.small]));
        let Raw { maps, discs, disc_spectra, points, whole, roughness } = raw;
        let vector = |(i, raw): (usize, &Vec<f32>)| self.discs[usize::from(i >= FIRST_BLOB)].apply(raw);
        let vectors = disc_spectra.iter().enumerate().map(vector).collect();
        let points = points.into_iter().map(|(disc, raw)| (disc, self.points.apply(&raw))).collect();
        let whole = self.whole.apply(&whole);
        (Descriptors { discs, vectors, points, whole, roughness }, maps.0.into_owned())
    }
}

impl Raw {
    fn new(thumbnail: &Thumbnail, [coarse, fine, small]: [&Sampling; 3]) -> Self {
        let shown = {
            let full = thumbnail.shown();
            let half = halve_shown(&full, SIDE);
            let quarter = halve_shown(&half, SIDE / 2);
            let eighth = halve_shown(&quarter, SIDE / 4);
            [full, half, quarter, eighth]
        };
        let mut full: Vec<f32> = thumbnail.pixels.iter().map(|&v| f32::from(v)).collect();
        fill(&mut full, &shown[0], SIDE);
        remove_lines(&mut full, &shown[0]);
        let half = halve(&full, SIDE);
        let quarter = halve(&half, SIDE / 2);
        let eighth = halve(&quarter, SIDE / 4);
        let mut bytes = Vec::with_capacity(Maps::BYTES);
        bytes.extend(detail(&full, SIDE, &FINE, &shown[0]));
        for (level, gray) in [&half, &quarter, &eighth].into_iter().enumerate() {
            bytes.extend(detail(gray, SIDE >> (level + 1), &COARSE, &shown[level + 1]));
        }
        bytes.extend(detail(&full, SIDE, &DESCRIBED, &shown[0]));
        let maps = Maps(Cow::Owned(bytes));
        let discs = discs(&quarter, SIDE / 4, thumbnail.aspect(), &|x, y| shown[2][y * (SIDE / 4) + x]);
        let disc_spectra = discs.iter().map(|disc| coarse.magnitudes(&maps.spectrum(coarse, disc))).collect();
        let points = POINTS.of(&half, SIDE / 2, &|x, y| shown[1][y * (SIDE / 2) + x]);
        let described = |disc: Disc| (disc, small.magnitudes(&small.spectrum(&disc, maps.level(1))));
        let points = points.into_iter().map(described).collect();
        let whole = fine.magnitudes(&fine.spectrum(&Disc::WHOLE, maps.level(Maps::DETAIL)));
        Self { maps, discs, disc_spectra, points, whole, roughness: roughness(&full) }
    }
}

/// See [`Descriptors::roughness`].
fn roughness(full: &[f32]) -> f32 {
    let levels = [0.8, 2.0].map(|sigma| blur(full, SIDE, sigma));
    let strength = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() + 1.0;
    (strength(full, &levels[0]) / strength(&levels[0], &levels[1])).ln()
}
