//! The pass over the files: every image is read and decoded once, in parallel, and only small facts of it are kept:
//! hashes, statistics, thumbnails. The search for copies looks at the images in the same pass.
//!
//! Invariant: the facts of an image depend on its bytes alone. A file that cannot be read is a result like any other.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use data::{Dataset, Sample, decode_bytes_through};
use duplicates::{Similar, Thumbnail};
use model::{Picture, Preprocessing, Window, pixels, resize};
use sha2::{Digest, Sha256};

use crate::file::{Container, ContainerFacts};
use crate::hints::Identifiers;
use crate::tags::{NamedValue, tags};

/// Side of the thumbnails that the nearest neighbour compares.
pub const SMALL: usize = 32;
/// Side of the thumbnails that the logistic regression reads.
pub const TINY: usize = 8;
/// Outer share of a side that is looked through for text and markers.
const OUTER: f64 = 0.2;
/// Share of a side that is its rim.
const RIM: f64 = 0.02;
/// A step between two neighbouring pixels, in gray levels of 255, that no anatomy makes: drawn, not exposed.
const ABRUPT: f32 = 100.0;

/// A SHA-256.
pub type Hash = [u8; 32];

/// What is kept of an image.
#[derive(Clone, Debug)]
pub struct Facts {
    /// SHA-256 of the file.
    pub file: Hash,
    /// SHA-256 of size and pixels; R = G = B counts as gray.
    pub pixels: Hash,
    /// The container.
    pub container: ContainerFacts,
    /// What its metadata say.
    pub tags: Vec<NamedValue>,
    /// Pseudonyms of [`dicom::IDENTIFIERS`].
    pub identifiers: Identifiers,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bits a sample.
    pub bits: u8,
    /// Samples a pixel.
    pub channels: usize,
    /// Size of the file.
    pub bytes: usize,
    /// Statistics of the pixels.
    pub statistics: PixelStatistics,
    /// Gray thumbnail, `[SMALL, SMALL]`.
    pub small: Vec<u8>,
    /// Gray thumbnail, `[TINY, TINY]`, in `0..=255`.
    pub tiny: Vec<f32>,
}

/// Statistics of the pixels, in gray levels of 255, or shares of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PixelStatistics {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub contrast: f64,
    /// Mean difference between horizontal neighbours.
    pub detail: f64,
    /// Share of black pixels.
    pub black: f64,
    /// Share of white pixels.
    pub white: f64,
    /// Mean of the rim.
    pub rim: f64,
    /// Means of the corners: top left, top right, bottom left, bottom right.
    pub corners: [f64; 4],
    /// Share of the image in even rows and columns at its edges: a frame.
    pub frame: f64,
    /// Share of abrupt steps in the outer part: burned-in text and markers. Top left, top right, bottom left, bottom right.
    pub text: [f64; 4],
    /// Share of pixels that are not gray.
    pub colour: f64,
}

/// Reads every image of `dataset`, through `window` if there is one: the facts of each, or why there are none, and the
/// copies among them. `progress` hears from any thread how many images are read, `compared` for how many the search for
/// copies is over; what they answer stops the work.
///
/// # Errors
/// If the search cannot keep what it needs, or if it was stopped before all images were read.
pub fn scan(
    dataset: &Dataset,
    window: Option<Window>,
    progress: &(dyn Fn(usize) -> ControlFlow<()> + Sync),
    compared: &dyn Fn(usize) -> ControlFlow<()>,
) -> Result<(Vec<Result<Facts, String>>, Similar), data::Error> {
    let done = AtomicUsize::new(0);
    let images = dataset.samples.len();
    let stopped = AtomicBool::new(false);
    let look = |i: usize| {
        if stopped.load(Ordering::Relaxed) {
            return (None, None);
        }
        let (facts, thumbnail) = read(&dataset.samples[i], window)
            .map_or_else(|reason| (Err(reason), None), |(facts, thumbnail)| (Ok(facts), Some(thumbnail)));
        if progress(done.fetch_add(1, Ordering::Relaxed) + 1).is_break() {
            stopped.store(true, Ordering::Relaxed);
        }
        (Some(facts), thumbnail)
    };
    let (facts, similar) = duplicates::find(images, &look, compared)
        .map_err(|duplicates::Error { path, source }| data::Error::Io { path, source })?;
    let facts: Vec<_> = facts.into_iter().flatten().collect();
    if facts.len() < images {
        let bad = facts.iter().filter(|facts| facts.is_err()).count();
        let read = facts.len();
        let done =
            format!("{read} of {images} files were read ({bad} of them cannot be), and none compared yet");
        return Err(data::Error::Stopped(done));
    }
    Ok((facts, similar))
}

/// The thumbnail of an image, as [`duplicates::find`] saw it.
pub fn thumbnail(sample: &Sample, window: Option<Window>) -> Option<Thumbnail> {
    read(sample, window).ok().map(|(_, thumbnail)| thumbnail)
}

fn read(sample: &Sample, window: Option<Window>) -> Result<(Facts, Thumbnail), String> {
    let bytes = read_file(&sample.path)?;
    let (picture, _) = decode_bytes_through(&sample.name, &bytes, window).map_err(|error| error.reason())?;
    Ok(of_picture(&bytes, &picture))
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let found = std::fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "expected a file, found none".to_owned(),
        _ => error.to_string(),
    })?;
    if !found.is_file() {
        return Err("expected a file, found a folder".into());
    }
    data::read_file(path).map_err(|error| error.reason())
}

/// The facts of a decoded file, and its thumbnail for [`duplicates::find`].
fn of_picture(bytes: &[u8], picture: &Picture) -> (Facts, Thumbnail) {
    let (width, height) = (picture.width, picture.height);
    let gray = pixels(picture, &Preprocessing::new(1, [height, width]));
    let thumbnail = |side| resize(&gray, (height, width), (side, side), 1);
    let coloured = colour(picture);
    let container = ContainerFacts::of(bytes);
    let identifiers = match container.container {
        Container::Dicom => dicom::identifiers(bytes),
        _ => [None, None],
    };
    let facts = Facts {
        file: Sha256::digest(bytes).into(),
        pixels: pixel_hash(picture, &gray, coloured > 0.0),
        container,
        tags: tags(bytes),
        identifiers,
        width,
        height,
        bits: picture.bits,
        channels: picture.channels,
        bytes: bytes.len(),
        statistics: PixelStatistics { colour: coloured, ..statistics(&gray, width) },
        small: to_bytes(&thumbnail(SMALL)),
        tiny: thumbnail(TINY),
    };
    (facts, Thumbnail::new(&gray, (height, width)))
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().map(|v| v.round() as u8).collect()
}

/// A hash of what is seen, whatever the container: the size and 16-bit samples, which hold 8-bit ones exactly.
fn pixel_hash(picture: &Picture, gray: &[f32], coloured: bool) -> Hash {
    let samples = if coloured { &picture.samples[..] } else { gray };
    let mut hash = Sha256::new();
    hash.update([picture.width, picture.height, samples.len()].map(|n| (n as u64).to_le_bytes()).concat());
    let mut buffer = Vec::with_capacity(8192);
    for part in samples.chunks(4096) {
        buffer.clear();
        buffer.extend(part.iter().flat_map(|v| ((v * 257.0).round() as u16).to_le_bytes()));
        hash.update(&buffer);
    }
    hash.finalize().into()
}

/// The share of pixels whose channels differ by more than JPEG's rounding.
fn colour(picture: &Picture) -> f64 {
    if picture.channels == 1 {
        return 0.0;
    }
    let differs = |rgb: &&[f32]| {
        let (low, high) = rgb.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
        high - low > 4.0
    };
    let coloured = picture.samples.chunks_exact(3).filter(differs).count();
    3.0 * coloured as f64 / picture.samples.len() as f64
}

/// Statistics of `gray: [height, width]`.
fn statistics(gray: &[f32], width: usize) -> PixelStatistics {
    let height = gray.len() / width;
    let count = gray.len() as f64;
    let share = |condition: fn(f32) -> bool| gray.iter().filter(|&&v| condition(v)).count() as f64 / count;
    let (sum, squares) = gray.iter().map(|&v| f64::from(v)).fold((0.0, 0.0), |(s, q), v| (s + v, q + v * v));
    let mean = sum / count;
    let (rim_x, rim_y) = (outer(width, RIM), outer(height, RIM));
    let (wide_x, wide_y) = (outer(width, OUTER), outer(height, OUTER));
    let (corner_x, corner_y) = (outer(width, 0.125), outer(height, 0.125));

    let (mut rim, mut steps, mut text) = (Mean::default(), 0.0, [Mean::default(); 4]);
    let mut corners = [Mean::default(); 4];
    for (y, row) in gray.chunks_exact(width).enumerate() {
        let near = |at: usize, side: usize, margin: usize| at < margin || at >= side - margin;
        let outside = near(y, height, wide_y);
        let inside_rim = near(y, height, rim_y);
        for (x, pair) in row.windows(2).enumerate() {
            let step = (pair[1] - pair[0]).abs();
            steps += f64::from(step);
            if outside || near(x, width, wide_x) {
                let quarter = 2 * usize::from(2 * y >= height) + usize::from(2 * x >= width);
                text[quarter].add(f32::from(u8::from(step >= ABRUPT)));
            }
        }
        let rim_of_row = if inside_rim { [row, &[]] } else { [&row[..rim_x], &row[width - rim_x..]] };
        rim_of_row.into_iter().flatten().for_each(|&v| rim.add(v));
        if near(y, height, corner_y) {
            let bottom = 2 * usize::from(y >= corner_y);
            row[..corner_x].iter().for_each(|&v| corners[bottom].add(v));
            row[width - corner_x..].iter().for_each(|&v| corners[bottom + 1].add(v));
        }
    }
    PixelStatistics {
        mean,
        contrast: (squares / count - mean * mean).max(0.0).sqrt(),
        detail: steps / ((width - 1) * height).max(1) as f64,
        black: share(|v| v <= 4.0),
        white: share(|v| v >= 251.0),
        rim: rim.value(),
        corners: corners.map(Mean::value),
        frame: frame(gray, width),
        text: text.map(Mean::value),
        colour: 0.0,
    }
}

/// At least one pixel, and no more than there are.
fn outer(side: usize, share: f64) -> usize {
    ((side as f64 * share).round() as usize).clamp(1, side)
}

#[derive(Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.sum += f64::from(value);
        self.count += 1.0;
    }

    fn value(self) -> f64 {
        self.sum / self.count.max(1.0)
    }
}

/// The share of the image in rows and columns at its edges that have one gray level.
fn frame(gray: &[f32], width: usize) -> f64 {
    let size = (gray.len() / width, width);
    let inside = duplicates::inside_even_edges(gray, size, |low, high| high - low <= 4.0);
    inside.map_or(1.0, |[_, _, columns, rows]| 1.0 - (columns * rows) as f64 / gray.len() as f64)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use data::decode_bytes;
    use image::ImageEncoder;
    use image::codecs::png::PngEncoder;

    /// The facts of a picture that lies in no file.
    pub fn facts(picture: &Picture) -> Facts {
        of_picture(b"", picture).0
    }

    fn picture(width: usize, height: usize, value: impl Fn(usize, usize) -> u8) -> Picture {
        let samples = (0..width * height).map(|i| f32::from(value(i % width, i / width))).collect();
        Picture { width, height, channels: 1, bits: 8, shown: true, samples }
    }

    #[test]
    fn statistics_say_what_a_picture_looks_like() {
        let framed = picture(100, 50, |x, y| match (x, y) {
            (0..10, _) | (_, 0..5) => 0,
            (90.., 45..) => 255,
            _ => 100 + ((x * 7 + y * 3) % 9) as u8,
        });
        let found = of_picture(b"", &framed).0.statistics;
        assert!((found.frame - (1.0 - 0.9 * 0.9)).abs() < 1e-9, "{found:?}");
        assert!(found.corners[0] < 10.0);
        assert!(
            found.corners[3] > 200.0 && found.text[3] > 0.0 && found.text[1] == 0.0 && found.colour == 0.0
        );
        assert!((found.white - 50.0 / 5000.0).abs() < 1e-9);
        let even = of_picture(b"", &picture(3, 1, |_, _| 7)).0.statistics;
        assert_eq!((even.mean, even.contrast, even.rim, even.frame), (7.0, 0.0, 7.0, 1.0));
        of_picture(b"", &picture(1, 1, |_, _| 9));
        for stripes in [picture(8, 6, |x, _| (x % 2 * 255) as u8), picture(8, 6, |_, y| (y % 2 * 255) as u8)]
        {
            assert_eq!(of_picture(b"", &stripes).0.statistics.frame, 1.0, "even lines all over");
        }
    }

    #[test]
    fn equal_pixels_have_equal_hashes_whatever_holds_them() {
        let gray: Vec<u8> = (0..64 * 48).map(|i| (i % 251) as u8).collect();
        let rgb: Vec<u8> = gray.iter().flat_map(|&v| [v; 3]).collect();
        let encode = |samples: &[u8], colour| {
            let mut bytes = vec![];
            PngEncoder::new(&mut bytes).write_image(samples, 64, 48, colour).unwrap();
            of_picture(&bytes, &decode_bytes("", &bytes).unwrap()).0
        };
        let (a, b) =
            (encode(&gray, image::ExtendedColorType::L8), encode(&rgb, image::ExtendedColorType::Rgb8));
        assert_eq!(a.pixels, b.pixels);
        assert_ne!(a.file, b.file);
        let red: Vec<u8> = gray.iter().flat_map(|&v| [v, 0, 0]).collect();
        let c = encode(&red, image::ExtendedColorType::Rgb8);
        assert!(c.pixels != a.pixels && c.statistics.colour > 0.9);
    }
}
