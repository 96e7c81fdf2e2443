//! From a file's bytes to samples: PNG and JPEG, 8 and 16 bit, gray, RGB, palette, alpha, turned as EXIF says; and DICOM,
//! whose reader is the crate [`dicom`].
//!
//! The content decides the format, never the extension, because radiographs arrive under every name. Size is checked in
//! the header, before anything is allocated for it, and a decoder that panics is an error of its file: one bad file must
//! not end a run over ten thousand. Alpha is dropped, as Pillow's `convert("L")` and `convert("RGB")` do.

use std::fs::File;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::codecs::{jpeg::JpegDecoder, png::PngDecoder};
use image::{DynamicImage, ImageDecoder, ImageError, Limits};

use model::{MAX_PIXELS, Picture, Window};

use crate::Error;
use crate::content::Content;

/// Larger files are refused before they are read.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Decodes the file at `path`.
pub fn decode(path: &Path) -> Result<Picture, Error> {
    decode_noted(path).map(|(picture, _)| picture)
}

/// The same, with what was assumed, or not applied: a sentence each, as for [`crate::Remarks`].
pub fn decode_noted(path: &Path) -> Result<(Picture, Vec<String>), Error> {
    decode_through(path, None)
}

/// The same through the window of a model, `model::Preprocessing::window`, if it has one: colour is then an error. Of
/// a DICOM file the window comes before the file's own; gray of 8 bits is taken as it is.
pub fn decode_through(path: &Path, window: Option<Window>) -> Result<(Picture, Vec<String>), Error> {
    decode_bytes_through(&path.display().to_string(), &read_file(path)?, window)
}

/// The file's content, if it is of a size that is read.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let too_large = |found: String| {
        let reason = format!("expected a file of at most {MAX_FILE_BYTES} bytes, found {found}");
        Err(Error::Image { name: path.display().to_string(), reason })
    };
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let size = file.metadata().map_err(|e| Error::io(path, e))?.len();
    if size > MAX_FILE_BYTES {
        return too_large(size.to_string());
    }
    // A device or a pipe has no size, and may have no end.
    let mut content = Vec::with_capacity(size as usize);
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(|e| Error::io(path, e))?;
    if content.len() as u64 > MAX_FILE_BYTES { too_large("more".into()) } else { Ok(content) }
}

/// Decodes a file's content; `name` is what errors call it.
pub fn decode_bytes(name: &str, bytes: &[u8]) -> Result<Picture, Error> {
    decode_bytes_noted(name, bytes).map(|(picture, _)| picture)
}

/// The same, with the notes of [`decode_noted`].
pub fn decode_bytes_noted(name: &str, bytes: &[u8]) -> Result<(Picture, Vec<String>), Error> {
    decode_bytes_through(name, bytes, None)
}

/// The same through a window, as [`decode_through`].
pub fn decode_bytes_through(
    name: &str,
    bytes: &[u8],
    window: Option<Window>,
) -> Result<(Picture, Vec<String>), Error> {
    let plain = |picture: Picture| laid_through(picture, window);
    let decode = || match Content::of(bytes) {
        Content::Png => {
            PngDecoder::with_limits(Cursor::new(bytes), limits()).map_err(explain).and_then(read).map(plain)
        }
        Content::Jpeg if !jpeg_is_complete(bytes) => {
            Err("truncated: the JPEG ends before its end marker".into())
        }
        Content::Jpeg => JpegDecoder::new(Cursor::new(bytes)).map_err(explain).and_then(read).map(plain),
        Content::Dicom => dicom::picture_through(bytes, window),
        other => Err(format!("expected a PNG, JPEG or DICOM image, found {}", other.describe())),
    };
    guarded(name, || {
        let (picture, mut notes) = decode()?;
        if let Some(found) = picture.samples.iter().find(|v| !v.is_finite()) {
            return Err(format!("expected gray levels or colours that are finite, found {found}"));
        }
        if let Some(window) = window {
            notes.extend(check_seen(&picture, window)?);
        }
        Ok((picture, notes))
    })
}

/// A picture that a program has, as it is seen through a model's window, and what is to be said of that.
///
/// # Errors
/// Colour, which a window is not for.
pub fn seen_through(picture: Picture, window: Option<Window>) -> Result<(Picture, Vec<String>), String> {
    let (picture, mut notes) = laid_through(picture, window);
    if let Some(window) = window {
        notes.extend(check_seen(&picture, window)?);
    }
    Ok((picture, notes))
}

/// The same before it is known whether it is colour.
fn laid_through(picture: Picture, window: Option<Window>) -> (Picture, Vec<String>) {
    match window {
        Some(_) if picture.shown => {
            let note = if picture.bits == 8 { TAKEN_AS_IT_IS } else { TAKEN_AS_THEY_ARE };
            (picture, vec![note.to_owned()])
        }
        Some(window) => (picture.through(window), vec![]),
        None => (picture, vec![]),
    }
}

/// What is said of a picture that no window is for.
const TAKEN_AS_IT_IS: &str = "8 bits: taken as it is, not through the model's window";
const TAKEN_AS_THEY_ARE: &str =
    "samples from black to white: taken as they are, not through the model's window";

/// That the picture is one that a window is for; a note if nothing is seen of it.
fn check_seen(picture: &Picture, window: Window) -> Result<Option<String>, String> {
    if picture.channels == 3 {
        return Err(format!("expected a gray image, which the window {window} is for, found colour"));
    }
    let all = |level| picture.bits > 8 && picture.samples.iter().all(|&v| v == level);
    let note = || format!("nothing can be seen through the window {window}: all is black, or all white");
    Ok((all(0.0) || all(255.0)).then(note))
}

/// Runs a decoder; one that panics is an error of the file `name`.
pub(crate) fn guarded<T>(name: &str, decoder: impl FnOnce() -> Result<T, String>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(decoder))
        .unwrap_or_else(|_| Err("damaged: the decoder could not go on".into()))
        .map_err(|reason| Error::Image { name: name.into(), reason })
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_PIXELS * 8);
    limits
}

fn explain(error: ImageError) -> String {
    match error {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            "truncated: the file ends inside the image".into()
        }
        ImageError::Limits(_) => format!("larger than {} megapixels", MAX_PIXELS / 1_000_000),
        other => other.to_string(),
    }
}

fn read(mut decoder: impl ImageDecoder) -> Result<Picture, String> {
    let (width, height) = decoder.dimensions();
    if !(1..=MAX_PIXELS).contains(&(u64::from(width) * u64::from(height))) {
        let limit = MAX_PIXELS / 1_000_000;
        return Err(format!(
            "expected one pixel or more and at most {limit} megapixels, found {width} x {height}"
        ));
    }
    decoder.set_limits(limits()).map_err(explain)?;
    let orientation = decoder.orientation().map_err(explain)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(explain)?;
    image.apply_orientation(orientation);

    let byte = |v: u8| f32::from(v);
    let word = |v: u16| f32::from(v) / 257.0;
    let (bits, channels, samples) = match &image {
        DynamicImage::ImageLuma8(i) => (8, 1, keep(i, 1, 1, byte)),
        DynamicImage::ImageLumaA8(i) => (8, 1, keep(i, 1, 2, byte)),
        DynamicImage::ImageRgb8(i) => (8, 3, keep(i, 3, 3, byte)),
        DynamicImage::ImageRgba8(i) => (8, 3, keep(i, 3, 4, byte)),
        DynamicImage::ImageLuma16(i) => (16, 1, keep(i, 1, 1, word)),
        DynamicImage::ImageLumaA16(i) => (16, 1, keep(i, 1, 2, word)),
        DynamicImage::ImageRgb16(i) => (16, 3, keep(i, 3, 3, word)),
        DynamicImage::ImageRgba16(i) => (16, 3, keep(i, 3, 4, word)),
        other => return Err(format!("expected 8 or 16 bit gray or RGB, found {:?}", other.color())),
    };
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(Picture { width, height, channels, bits, shown: bits == 8, samples })
}

/// The first `kept` of every `stored` values.
fn keep<T: Copy>(raw: &[T], kept: usize, stored: usize, value: impl Fn(T) -> f32) -> Vec<f32> {
    let mut samples = Vec::with_capacity(raw.len() / stored * kept);
    for pixel in raw.chunks_exact(stored) {
        samples.extend(pixel[..kept].iter().map(|&v| value(v)));
    }
    samples
}

/// Whether a JPEG reaches its end marker. The decoder fills what is missing with gray, which training must never see.
/// Segments are skipped by their length (an EXIF thumbnail has an end marker of its own); in entropy-coded data only
/// `ff00` and restart markers may follow an `ff`, so any other marker ends the scan.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[first, marker]) = bytes.get(at..at + 2) {
        match (first, marker) {
            (0xff, 0xd9) => return true,
            (0xff, 0x00 | 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, 0xff) => at += 1,
            (0xff, _) => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
            _ => at += 1,
        }
    }
    false
}
