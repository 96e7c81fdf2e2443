//! What is kept of a picture for comparing it: maps of its detail, its views and their descriptors.

use std::borrow::Cow;

use crate::SIDE;
use crate::detail::{Band, Map, blur, detail, halve};
use crate::thumbnail::Thumbnail;
use crate::view::{FIRST_BLOB, Sampling, Spectrum, View, views};
use crate::void::{fill, halve_shown};
use crate::whiten::{Vector, Whitening};

/// The band of the coarser maps.
const COARSE: Band = Band { inner: 0.7, outer: 2.5, floor: 4.0 };
/// The band, at full size, in which the whole picture is described: the finest that survives being resampled.
const DESCRIBED: Band = Band { inner: 0.7, outer: 2.0, floor: 2.0 };
/// The band of the finest map: grain and exact edges, what copies share and neighbouring slices do not.
const FINE: Band = Band { inner: 0.3, outer: 0.8, floor: 1.0 };

/// How the pictures of a set are described.
pub(crate) struct Description {
    pub coarse: Sampling,
    fine: Sampling,
    /// For large views and for those of blobs, which differ in other ways.
    views: [Whitening; 2],
    whole: Whitening,
}

/// A picture as it is looked for.
pub(crate) struct Picture {
    /// The whole, parts of it, then blobs from [`FIRST_BLOB`] on.
    pub views: Vec<View>,
    /// The descriptor of each view.
    pub vectors: Vec<Vector>,
    /// The descriptor of the whole in fine detail.
    pub whole: Vector,
    /// The logarithm of how strong the finest detail is beside coarser: sharpening and noise raise it, blur and strong
    /// compression lower it, a turn, a mirror, a crop or gamma hardly change it.
    pub roughness: f32,
}

/// The maps of a picture, by which it is compared: the finest detail at [`SIDE`], then coarser detail at a half, a quarter
/// and an eighth of it, then detail between the first two at full size.
pub(crate) struct Maps<'a>(Cow<'a, [u8]>);

impl<'a> Maps<'a> {
    /// The level of the map of [`SIDE`] pixels with the finest detail that survives being resampled.
    pub const DETAIL: usize = 4;

    /// Bytes of all maps.
    pub const BYTES: usize = Self::offset(5);

    /// From what [`Description::picture`] gave.
    pub fn new(bytes: Cow<'a, [u8]>) -> Self {
        Self(bytes)
    }

    /// The map whose side is [`SIDE`] halved `level` times; level 0 has the finest detail.
    pub fn level(&self, level: usize) -> Map<'_> {
        let side = SIDE >> (level % 4);
        let from = Self::offset(level);
        Map::new(side, &self.0[from..from + side * side])
    }

    const fn offset(level: usize) -> usize {
        let (mut sum, mut i) = (0, 0);
        while i < level {
            sum += (SIDE >> (i % 4)) * (SIDE >> (i % 4));
            i += 1;
        }
        sum
    }

    /// The rings of a view. Large views are read in the coarsest map, which forgives that the place of a crop is known only
    /// roughly; blobs where they still have some pixels from one ring to the next.
    pub fn spectrum(&self, sampling: &Sampling, view: &View) -> Spectrum {
        let level = if view.radius >= 0.3 { 3 } else { 1 };
        sampling.spectrum(view, self.level(level))
    }
}

/// A picture before its description.
struct Raw {
    maps: Maps<'static>,
    views: Vec<View>,
    view_spectra: Vec<Vec<f32>>,
    whole: Vec<f32>,
    roughness: f32,
}

impl Description {
    /// Learned from a sample of the set's thumbnails.
    pub fn learn(sample: &[&Thumbnail]) -> Self {
        let (coarse, fine) = (Sampling::coarse(), Sampling::fine());
        let raw = engine::par::map(sample.len(), |i| {
            let Raw { view_spectra, whole, .. } = Raw::new(sample[i], &coarse, &fine);
            (view_spectra, whole)
        });
        let parts = |of: fn(&[Vec<f32>]) -> &[Vec<f32>]| {
            Whitening::fit(&raw.iter().flat_map(|r| of(&r.0).iter().map(Vec::as_slice)).collect::<Vec<_>>())
        };
        let views = [parts(|views| &views[..FIRST_BLOB]), parts(|views| &views[FIRST_BLOB..])];
        let whole: Vec<&[f32]> = raw.iter().map(|r| r.1.as_slice()).collect();
        let whole = Whitening::fit(&whole);
        Self { coarse, fine, views, whole }
    }

    /// Describes a thumbnail; and its maps, [`Maps::BYTES`].
    pub fn picture(&self, thumbnail: &Thumbnail) -> (Picture, Vec<u8>) {
        let Raw { maps, views, view_spectra, whole, roughness } =
            Raw::new(thumbnail, &self.coarse, &self.fine);
        let vector = |(i, raw): (usize, &Vec<f32>)| self.views[usize::from(i >= FIRST_BLOB)].apply(raw);
        let vectors = view_spectra.iter().enumerate().map(vector).collect();
        (Picture { views, vectors, whole: self.whole.apply(&whole), roughness }, maps.0.into_owned())
    }
}

impl Raw {
    fn new(thumbnail: &Thumbnail, coarse: &Sampling, fine: &Sampling) -> Self {
        let shown = {
            let full = thumbnail.shown();
            let half = halve_shown(&full, SIDE);
            let quarter = halve_shown(&half, SIDE / 2);
            let eighth = halve_shown(&quarter, SIDE / 4);
            [full, half, quarter, eighth]
        };
        let mut full: Vec<f32> = thumbnail.pixels.iter().map(|&v| f32::from(v)).collect();
        fill(&mut full, &shown[0], SIDE);
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
        let views = views(&quarter, SIDE / 4, thumbnail.aspect(), &|x, y| shown[2][y * (SIDE / 4) + x]);
        let view_spectra = views.iter().map(|view| coarse.magnitudes(&maps.spectrum(coarse, view))).collect();
        let whole = fine.magnitudes(&fine.spectrum(&View::WHOLE, maps.level(Maps::DETAIL)));
        Self { maps, views, view_spectra, whole, roughness: roughness(&full) }
    }
}

/// See [`Picture::roughness`].
fn roughness(full: &[f32]) -> f32 {
    let levels = [0.8, 2.0].map(|sigma| blur(full, SIDE, sigma));
    let strength = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() + 1.0;
    (strength(full, &levels[0]) / strength(&levels[0], &levels[1])).ln()
}
