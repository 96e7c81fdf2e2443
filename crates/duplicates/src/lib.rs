//! Copies and look-alikes, found from the pixels alone.
//!
//! Invariant: the answer depends on the thumbnails and their order only, never on file names, labels or the number of
//! threads.

#![forbid(unsafe_code)]

mod agreement;
mod alignment;
mod bend;
mod beside;
mod boxes;
mod cluster;
mod complete;
mod consensus;
mod convex;
mod decide;
mod describe;
mod detail;
mod disc;
mod filter;
mod flip;
mod forest;
mod index;
mod judge;
mod laid;
mod lines;
mod maps;
mod records;
mod refine;
mod search;
mod sorted;
mod sources;
mod thumbnail;
mod tree;
mod twin;
mod verify;
mod void;
mod weak;
mod whiten;

use std::collections::HashMap;
use std::ops::ControlFlow;

use alignment::Alignment;
use cluster::Clusters;
use complete::complete;
use decide::Traits;
use describe::{Describer, Descriptors};
use engine::par;
use maps::Maps;
use records::Records;
use search::{candidates, compare};

pub use forest::Forest;
pub use records::Error;
pub use thumbnail::Thumbnail;
pub use void::inside_even_edges;

/// The side of the square thumbnails that [`find`] compares, in pixels: neighbouring slices of one volume differ from
/// copies in the finest detail only, which half this size does not show.
pub const SIDE: usize = 224;

/// Copies and look-alikes among gray pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Similar {
    /// For each image the number of its source picture, from 0 in the order of first members. An image without copies
    /// is its own source.
    pub source: Vec<usize>,
    /// The same with all sources joined of which the pictures do not tell whether they are one: as few as there may be.
    pub perhaps: Vec<usize>,
    /// For each image the number of its series, a union of sources that are perhaps one or seem to come from one
    /// patient or volume; numbered as the sources are.
    pub series: Vec<usize>,
    /// The pairs that joined sources, with their evidence.
    pub links: Vec<Link>,
    /// Whether the search was stopped before its end: there may be more copies.
    pub stopped: bool,
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
    /// Whether `b` is a negative: black for white.
    pub negative: bool,
}

impl Link {
    fn new(a: usize, b: usize, correlation: f32, alignment: &Alignment) -> Self {
        Self {
            a,
            b,
            correlation,
            rotation_degrees: alignment.rotation_degrees(),
            scale: 1.0 / alignment.scale(),
            mirrored: alignment.mirrored(),
            negative: alignment.negative,
        }
    }
}

/// Finds which of `images` pictures show the same. `look(i)`, which is called once for each from any thread, gives
/// image `i`, or `None` if it cannot be read (then it is alone), and whatever else the caller wants to know of it,
/// which is handed back in order. `progress` hears, after all of these calls, for how many images the search is over,
/// and says whether it is to go on; if not, the answer is made of what was compared.
///
/// Some 20 kB are kept of each picture in memory, and 117 kB of the first two thousand; of the others in a temporary
/// file.
///
/// # Errors
/// If that file cannot be written or read.
pub fn find<T: Send>(
    images: usize,
    look: &(dyn Fn(usize) -> (T, Option<Thumbnail>) + Sync),
    progress: &dyn Fn(usize) -> ControlFlow<()>,
) -> Result<(Vec<T>, Similar), Error> {
    let (seen, Described { describer, pictures, maps, distinct }) = Described::new(images, look)?;
    let candidates = candidates(&pictures);
    /// The share of the time that the first comparisons take, more or less.
    const FIRST: f64 = 0.6;
    let done = |share: f64| progress((share * images as f64) as usize);
    let compared = |pictures: usize| done(FIRST * pictures as f64 / distinct.first.len().max(1) as f64);
    let mut verified = compare(&maps, &pictures, &candidates, &describer, &compared)?;
    drop(candidates);
    let roughness: Vec<f32> = pictures.iter().map(|p| p.roughness).collect();
    drop(pictures);
    let repeated = distinct.repeated();
    let known = Traits { roughness: &roughness, repeated: &repeated };
    complete(&maps, known, &mut verified, &|share| done(FIRST + (1.0 - FIRST) * share))?;
    let stopped = done(1.0).is_break();
    let copies = decide::copies(&verified, known);
    let nearness = decide::nearness(&copies, &verified);
    let perhaps = decide::perhaps(copies.clone(), nearness, &verified, known);
    let alike = decide::series(perhaps.clone(), nearness, &verified);

    let Distinct { first, place, equal: mut links, .. } = distinct;
    let joined = verified.iter().filter(|v| copies.root(v.a) == copies.root(v.b));
    links.extend(joined.map(|v| Link::new(first[v.a], first[v.b], v.fine, &v.alignment)));
    let numbers = |clusters: &Clusters| number(&place, clusters);
    let [source, perhaps, series] = [&copies, &perhaps, &alike].map(numbers);
    Ok((seen, Similar { source, perhaps, series, links, stopped }))
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
#[derive(Default)]
struct Distinct {
    /// The first image of each.
    first: Vec<usize>,
    /// For each image the number of its picture.
    place: Vec<Option<usize>>,
    /// From the first of equal images to each other one.
    equal: Vec<Link>,
    known: HashMap<[u8; 32], usize>,
}

impl Distinct {
    /// Whether there are several images of each picture.
    fn repeated(&self) -> Vec<bool> {
        let mut count = vec![0; self.first.len()];
        self.place.iter().flatten().for_each(|&i| count[i] += 1);
        count.into_iter().map(|count| count > 1).collect()
    }

    /// Takes the next image, which has so many pixels hashed; whether it is a new picture.
    fn add(&mut self, pixels: Option<[u8; 32]>) -> bool {
        let (b, new) = (self.place.len(), self.first.len());
        let place = pixels.map(|hash| *self.known.entry(hash).or_insert(new));
        self.place.push(place);
        match place {
            Some(place) if place == new => self.first.push(b),
            Some(place) => self.equal.push(Link::new(self.first[place], b, 1.0, &Alignment::IDENTITY)),
            None => {}
        }
        self.first.len() > new
    }
}

/// All pictures, described as a sample of them suggests.
struct Described {
    describer: Describer,
    pictures: Vec<Descriptors>,
    maps: Records,
    distinct: Distinct,
}

impl Described {
    /// With what else was seen of each.
    fn new<T: Send>(
        images: usize,
        look: &(dyn Fn(usize) -> (T, Option<Thumbnail>) + Sync),
    ) -> Result<(Vec<T>, Self), Error> {
        const SAMPLE: usize = 1024;
        const BLOCK: usize = 128;
        let step = images.div_ceil(SAMPLE).max(1);
        let (sampled, sample): (Vec<T>, Vec<_>) =
            par::map(images.div_ceil(step), |i| look(i * step)).into_iter().unzip();
        let (describer, raw) = Describer::learn(&sample.iter().flatten().collect::<Vec<_>>());
        let mut raw = raw.into_iter();
        let (maps, distinct) = (Records::new(Maps::BYTES), Distinct::default());
        let mut all = Self { describer, pictures: vec![], maps, distinct };
        let (mut seen, mut sampled) = (Vec::with_capacity(images), sampled.into_iter());
        for from in (0..images).step_by(BLOCK) {
            let is_known = |&i: &usize| i % step == 0 && sample[i / step].is_some();
            let block = from..images.min(from + BLOCK);
            let block = block.map(|i| (i, Some(i).filter(is_known).and_then(|_| raw.next()))).collect();
            let described = par::run(block, |(i, raw)| {
                let (other, read) = if i % step == 0 { (None, None) } else { Some(look(i)).unzip() };
                let thumbnail = if i % step == 0 { &sample[i / step] } else { &read.flatten() };
                (other, thumbnail.as_ref().map(|t| (t.hash(), all.describer.describe(t, raw))))
            });
            for (other, described) in described {
                seen.extend(other.or_else(|| sampled.next()));
                let (hash, described) = described.unzip();
                if all.distinct.add(hash)
                    && let Some((picture, maps)) = described
                {
                    all.pictures.push(picture);
                    all.maps.push(&maps)?;
                }
            }
        }
        Ok((seen, all))
    }
}
