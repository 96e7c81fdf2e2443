//! Copies and look-alikes, found from the pixels alone.
//!
//! Invariant: the answer depends on the thumbnails only, never on file names, labels or the number of threads.

mod align;
mod cluster;
mod complete;
mod decide;
mod detail;
mod index;
mod picture;
mod search;
mod verify;
mod view;
mod whiten;

use std::collections::HashMap;

use cluster::Clusters;
use complete::complete;
use picture::{Description, Picture};
use search::{candidates, compare};
use tensor::par;

/// The side of the square thumbnails that [`find`] compares, in pixels: neighbouring slices of one volume differ from
/// copies in the finest detail only, which half this size does not show.
pub const SIDE: usize = 224;

/// Copies and look-alikes among gray pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Similar {
    /// For each image the number of its source picture, from 0 in the order of first members. An image without copies
    /// is its own source.
    pub source: Vec<usize>,
    /// For each image the number of its series, a union of sources that seem to come from one patient or volume;
    /// numbered as the sources are.
    pub series: Vec<usize>,
    /// The pairs that joined sources, with their evidence.
    pub links: Vec<Link>,
}

/// Two images that are copies of one picture, and how the second maps onto the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// The number of the first image.
    pub a: usize,
    /// The number of the second image, larger than `a`.
    pub b: usize,
    /// Correlation of the fine detail where both overlap after alignment, in `-1..=1`; 1 for equal pixels.
    pub correlation: f32,
    /// Counter-clockwise turn that brings `b` onto `a`, in `-180..=180`.
    pub rotation_degrees: f32,
    /// How much `b` is enlarged to lie on `a`.
    pub scale: f32,
    /// Whether `b` must be mirrored (left to right, before the turn).
    pub mirrored: bool,
}

/// Finds which of the thumbnails show one picture. `thumbnails[i]` is image `i`, [`SIDE`] x [`SIDE`] gray pixels in rows,
/// or `None` if it could not be read (then it is alone). `progress` hears how many images are done, up to their number.
pub fn find(thumbnails: &[Option<Vec<u8>>], progress: &dyn Fn(usize)) -> Similar {
    let Distinct { images, pixels, place, equal } = Distinct::new(thumbnails);
    let (description, pictures) =
        describe(&pixels, &|done| progress(done * thumbnails.len() / pixels.len() / 2));
    let candidates = candidates(&pictures);
    let mut verified = compare(&pixels, &pictures, &candidates, &description);
    complete(&pixels, &pictures, &mut verified);
    let roughness: Vec<f32> = pictures.iter().map(|p| p.roughness).collect();
    let copies = decide::copies(&verified, &roughness);
    let alike = decide::series(copies.clone(), &verified);

    let mut links = equal;
    links.extend(verified.iter().filter(|v| copies.root(v.a) == copies.root(v.b)).map(|v| Link {
        a: images[v.a],
        b: images[v.b],
        correlation: v.fine,
        rotation_degrees: v.placement.rotation_degrees(),
        scale: 1.0 / v.placement.scale(),
        mirrored: v.placement.mirrored(),
    }));
    let numbers = |clusters: &Clusters| number(&place, clusters);
    progress(thumbnails.len());
    Similar { source: numbers(&copies), series: numbers(&alike), links }
}

/// The number of each image's cluster, from 0 in the order of first members; `place` as in [`Distinct`].
fn number(place: &[Option<usize>], clusters: &Clusters) -> Vec<usize> {
    let mut known = HashMap::new();
    let mut next = 0;
    let number = |place: &Option<usize>| {
        let new = next;
        let number = place.map_or(new, |i| *known.entry(clusters.root(i)).or_insert(new));
        next += usize::from(number == new);
        number
    };
    place.iter().map(number).collect()
}

/// The readable pictures, equal ones once.
struct Distinct<'a> {
    /// The first image of each.
    images: Vec<usize>,
    pixels: Vec<&'a [u8]>,
    /// For each image the place of its pixels in `pixels`.
    place: Vec<Option<usize>>,
    /// From the first of equal images to each other one.
    equal: Vec<Link>,
}

impl<'a> Distinct<'a> {
    fn new(thumbnails: &'a [Option<Vec<u8>>]) -> Self {
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        let mut distinct =
            Self { images: Vec::new(), pixels: Vec::new(), place: Vec::new(), equal: Vec::new() };
        for (b, thumbnail) in thumbnails.iter().enumerate() {
            let place = thumbnail.as_deref().map(|pixels| {
                let new = distinct.pixels.len();
                let place = *known.entry(pixels).or_insert(new);
                if place == new {
                    distinct.images.push(b);
                    distinct.pixels.push(pixels);
                } else {
                    let a = distinct.images[place];
                    let link =
                        Link { a, b, correlation: 1.0, rotation_degrees: 0.0, scale: 1.0, mirrored: false };
                    distinct.equal.push(link);
                }
                place
            });
            distinct.place.push(place);
        }
        distinct
    }
}

/// The pictures, described as a sample of them suggests.
fn describe(pixels: &[&[u8]], progress: &dyn Fn(usize)) -> (Description, Vec<Picture>) {
    const SAMPLE: usize = 1024;
    const BLOCK: usize = 128;
    let sample: Vec<&[u8]> = pixels.iter().step_by(pixels.len().div_ceil(SAMPLE).max(1)).copied().collect();
    let description = Description::learn(&sample);
    let mut pictures = Vec::with_capacity(pixels.len());
    for block in pixels.chunks(BLOCK) {
        pictures.extend(par::map(block.len(), |i| description.picture(block[i])));
        progress(pictures.len());
    }
    (description, pictures)
}

#[cfg(test)]
mod tests;
