//! What is kept of a picture for comparing it: maps of its detail, its views and their descriptors.

use super::SIDE;
use super::detail::{Band, Map, blur, halve};
use super::view::{Sampling, Spectrum, View, views};
use super::whiten::{Vector, Whitening};

/// The band of the coarser maps.
const COARSE: Band = Band { inner: 0.7, outer: 2.5, floor: 4.0 };
/// The band, at full size, in which the whole picture is described: the finest that survives being resampled.
const DESCRIBED: Band = Band { inner: 0.7, outer: 2.0, floor: 2.0 };
/// The band of the finest map: grain and exact edges, what copies share and neighbouring slices do not.
const FINE: Band = Band { inner: 0.3, outer: 0.8, floor: 1.0 };

/// How the pictures of a set are described.
pub(super) struct Description {
    pub coarse: Sampling,
    fine: Sampling,
    views: Whitening,
    whole: Whitening,
}

/// A picture as it is compared.
pub(super) struct Picture {
    /// Detail at a half, a quarter and an eighth of [`SIDE`].
    pub maps: [Map; 3],
    /// The whole, then blobs.
    pub views: Vec<View>,
    /// The descriptor of each view.
    pub vectors: Vec<Vector>,
    /// The descriptor of the whole in fine detail.
    pub whole: Vector,
    /// The logarithm of how strong the finest detail is beside coarser: sharpening and noise raise it, blur and strong
    /// compression lower it, a turn, a mirror, a crop or gamma hardly change it.
    pub roughness: f32,
}

/// A picture before its description.
struct Raw {
    maps: [Map; 3],
    views: Vec<View>,
    view_spectra: Vec<Vec<f32>>,
    whole: Vec<f32>,
    roughness: f32,
}

impl Description {
    /// Learned from a sample of the set's thumbnails.
    pub fn learn(sample: &[&[u8]]) -> Self {
        let (coarse, fine) = (Sampling::coarse(), Sampling::fine());
        let raw = tensor::par::map(sample.len(), |i| {
            let Raw { view_spectra, whole, .. } = Raw::new(sample[i], &coarse, &fine);
            (view_spectra, whole)
        });
        let views: Vec<&[f32]> = raw.iter().flat_map(|r| r.0.iter().map(Vec::as_slice)).collect();
        let whole: Vec<&[f32]> = raw.iter().map(|r| r.1.as_slice()).collect();
        let (views, whole) = (Whitening::fit(&views), Whitening::fit(&whole));
        Self { coarse, fine, views, whole }
    }

    /// Describes a thumbnail.
    pub fn picture(&self, thumbnail: &[u8]) -> Picture {
        let Raw { maps, views, view_spectra, whole, roughness } =
            Raw::new(thumbnail, &self.coarse, &self.fine);
        let vectors = view_spectra.iter().map(|raw| self.views.apply(raw)).collect();
        Picture { maps, views, vectors, whole: self.whole.apply(&whole), roughness }
    }

    /// The rings of one view of a picture.
    pub fn spectrum(&self, picture: &Picture, view: usize) -> Spectrum {
        spectrum(&self.coarse, &picture.maps, &picture.views[view])
    }
}

impl Raw {
    fn new(thumbnail: &[u8], coarse: &Sampling, fine: &Sampling) -> Self {
        let full = gray(thumbnail);
        let half = halve(&full, SIDE);
        let quarter = halve(&half, SIDE / 2);
        let eighth = halve(&quarter, SIDE / 4);
        let maps = [(&half, SIDE / 2), (&quarter, SIDE / 4), (&eighth, SIDE / 8)]
            .map(|(gray, side)| Map::new(gray, side, &COARSE));
        let views = views(&quarter, SIDE / 4);
        let view_spectra =
            views.iter().map(|view| coarse.magnitudes(&spectrum(coarse, &maps, view))).collect();
        let whole = fine.magnitudes(&fine.spectrum(&View::WHOLE, &Map::new(&full, SIDE, &DESCRIBED)));
        Self { maps, views, view_spectra, whole, roughness: roughness(&full) }
    }
}

/// The rings of a view in the coarsest of `maps` (finest first) that still has some pixels from one ring to the next.
fn spectrum(sampling: &Sampling, maps: &[Map; 3], view: &View) -> Spectrum {
    let half_suffices = view.radius * maps[1].side as f32 >= 16.0;
    sampling.spectrum(view, if half_suffices { &maps[1] } else { &maps[0] })
}

/// See [`Picture::roughness`].
fn roughness(full: &[f32]) -> f32 {
    let levels = [0.8, 2.0].map(|sigma| blur(full, SIDE, sigma));
    let strength = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() + 1.0;
    (strength(full, &levels[0]) / strength(&levels[0], &levels[1])).ln()
}

/// The finest map of a thumbnail; not kept, for it is as large as the thumbnail.
pub(super) fn finest(thumbnail: &[u8]) -> Map {
    Map::new(&gray(thumbnail), SIDE, &FINE)
}

fn gray(thumbnail: &[u8]) -> Vec<f32> {
    assert_eq!(thumbnail.len(), SIDE * SIDE, "similar: a thumbnail has {SIDE} x {SIDE} pixels");
    thumbnail.iter().map(|&v| f32::from(v)).collect()
}
