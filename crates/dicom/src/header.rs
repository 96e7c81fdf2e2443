//! What a file says of its image, checked before a pixel is read.
//!
//! Invariant of a [`Header`]: one frame of at most [`MAX_PIXELS`] pixels, 1 or 3 samples each, of 1 to 32 stored bits, inside
//! of the allocated ones.
//!
//! What a file leaves out is taken as the standard's only sensible value, and said in [`Header::notes`].

use crate::attributes::Attributes;
use crate::element::Tag;
use crate::photometric::Photometric;
use crate::syntax::{not_an_image, not_an_image_by_modality};
use crate::tags::{
    BITS_ALLOCATED, BITS_STORED, COLUMNS, DOUBLE_PIXELS, FLOAT_PIXELS, FRAMES, HIGH_BIT, MODALITY, PALETTE,
    PHOTOMETRIC, PIXELS, PLANAR, ROWS, SAMPLES_PER_PIXEL, SEGMENTED_PALETTE, SIGNED,
};
use model::MAX_PIXELS;

/// The image as described.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub rows: usize,
    pub columns: usize,
    pub samples: usize,
    pub photometric: Photometric,
    /// Whether the samples lie in planes, one after the other.
    pub planar: bool,
    pub allocated: u32,
    pub stored: u32,
    pub high: u32,
    pub signed: bool,
    /// What was assumed or passed over, a sentence each.
    pub notes: Vec<String>,
}

impl Header {
    pub fn read(attributes: &Attributes) -> Result<Self, String> {
        let frames = frames(attributes);
        let kind = not_an_image(attributes.class());
        if let Some(name) = kind {
            return Err(format!("expected a single image, found {name}"));
        }
        if attributes.get(FLOAT_PIXELS).or(attributes.get(DOUBLE_PIXELS)).is_some() {
            return Err("expected pixels of 1 to 32 bits, found floating-point pixel data".into());
        }
        if attributes.has(PIXELS) && attributes.get(PIXELS).is_none() {
            return Err("truncated: expected pixels, found pixel data of 0 bytes".into());
        }
        if attributes.get(PIXELS).is_none() {
            let class = attributes.class();
            let more = match not_an_image_by_modality(attributes.code(MODALITY).unwrap_or_default()) {
                Some(name) if class.is_empty() => format!(" ({name}, by its modality)"),
                _ if class.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !class.is_empty() => {
                    format!(" (SOP class {class})")
                }
                _ => String::new(),
            };
            return Err(format!("expected an image, found a DICOM object without pixel data{more}"));
        }
        let mut notes = Vec::new();
        let frames = frames.unwrap_or_else(|| {
            notes.push("Number of Frames is no number: taken as 1".into());
            1
        });
        if frames != 1 {
            return Err(format!("expected a single image, found {frames} frames (a multi-frame object)"));
        }
        let photometric = Self::photometric(attributes, &mut notes)?;
        let samples = if photometric.is_single() { 1 } else { 3 };
        let mut assume = |tag: Tag, name: &str, value: u32, why: &str| match attributes.word(tag) {
            Some(found) => u32::from(found),
            None => {
                notes.push(format!("{name} is missing: taken as {value}{why}"));
                value
            }
        };
        let allocated = attributes.need(BITS_ALLOCATED, "Bits Allocated")?.into();
        if !(1..=32).contains(&allocated) {
            return Err(format!("expected 1 to 32 bits allocated, found {allocated}"));
        }
        let samples = assume(SAMPLES_PER_PIXEL, "Samples per Pixel", samples, "") as usize;
        let bits = attributes.word(HIGH_BIT).map_or(allocated, |high| (u32::from(high) + 1).min(allocated));
        let stored = assume(BITS_STORED, "Bits Stored", bits, "");
        if stored == 0 || stored > allocated {
            return Err(format!("expected stored bits inside the {allocated} allocated, found {stored}"));
        }
        let lowest = stored - 1;
        let high = match attributes.word(HIGH_BIT).map(u32::from) {
            Some(high) if high >= allocated || high < lowest => {
                notes.push(format!(
                    "High Bit {high} does not fit {stored} bits of {allocated}: taken as {lowest}"
                ));
                lowest
            }
            Some(high) => high,
            None => {
                notes.push(format!("High Bit is missing: taken as Bits Stored - 1, {lowest}"));
                lowest
            }
        };
        if attributes.word(SIGNED).is_none() {
            notes.push("Pixel Representation is missing: values are taken as unsigned".into());
        }
        let header = Self {
            rows: attributes.need(ROWS, "Rows")?.into(),
            columns: attributes.need(COLUMNS, "Columns")?.into(),
            samples,
            photometric,
            planar: attributes.word(PLANAR) == Some(1),
            allocated,
            stored,
            high,
            signed: attributes.word(SIGNED) == Some(1),
            notes,
        };
        if attributes.get(SEGMENTED_PALETTE).is_some() && attributes.get(PALETTE[0].1).is_none() {
            return Err("expected a plain palette, found a segmented one".into());
        }
        header.check()?;
        Ok(header)
    }

    /// The photometric interpretation; where the file has none, by its samples and its palette.
    fn photometric(attributes: &Attributes, notes: &mut Vec<String>) -> Result<Photometric, String> {
        let Some(text) = attributes.text(PHOTOMETRIC) else {
            let palette = PALETTE.iter().all(|&(descriptor, _)| attributes.get(descriptor).is_some());
            let assumed = match attributes.word(SAMPLES_PER_PIXEL) {
                Some(3) => Photometric::Rgb,
                _ if palette => Photometric::Palette,
                _ => Photometric::Monochrome2,
            };
            notes.push(format!("Photometric Interpretation is missing: taken as {}", assumed.name()));
            return Ok(assumed);
        };
        let Some(found) = Photometric::named(text) else {
            let known = Photometric::NAMES.map(|(name, _)| name).join(", ");
            let name = attributes.code(PHOTOMETRIC).unwrap_or("a text that is no code");
            return Err(format!("expected a photometric interpretation of {known}, found {name}"));
        };
        if text != found.name() {
            notes.push(format!(
                "Photometric Interpretation is not written as the standard does: taken as {}",
                found.name()
            ));
        }
        Ok(found)
    }

    fn check(&self) -> Result<(), String> {
        let Self { rows, columns, samples, photometric, allocated, .. } = *self;
        if !(1..=MAX_PIXELS).contains(&(rows as u64 * columns as u64)) {
            let limit = MAX_PIXELS / 1_000_000;
            return Err(format!(
                "expected one pixel or more and at most {limit} megapixels, found {columns} x {rows}"
            ));
        }
        let expected = if photometric.is_single() { 1 } else { 3 };
        if samples != expected {
            let name = photometric.name();
            return Err(format!("expected {expected} samples per pixel for {name}, found {samples}"));
        }
        let whole = matches!(allocated, 8 | 16) || allocated == 32 && photometric == Photometric::Rgb;
        if samples > 1 && !whole {
            let name = photometric.name();
            return Err(format!("expected 8 or 16 bits allocated for {name}, found {allocated}"));
        }
        Ok(())
    }

    /// A stored value as the number that it is: 32 unsigned bits do not fit an `i32`, whose bits they are.
    pub fn number(&self, value: i32) -> i64 {
        if self.stored == 32 && !self.signed { i64::from(value as u32) } else { value.into() }
    }

    /// The smallest and the largest value that the stored bits can hold.
    pub fn limits(&self) -> [i64; 2] {
        let all = 1i64 << self.stored;
        if self.signed { [-all / 2, all / 2 - 1] } else { [0, all - 1] }
    }

    /// The smallest and the largest of stored values.
    pub fn extremes(&self, values: &[i32]) -> [i64; 2] {
        let numbers = || values.iter().map(|&value| self.number(value));
        [numbers().min().unwrap_or_default(), numbers().max().unwrap_or_default()]
    }

    /// Pixels of the image.
    pub fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// Samples of the image.
    pub fn len(&self) -> usize {
        self.pixels() * self.samples
    }
}

/// Number of frames: 1 where nothing is said, or less; none if what is said begins with no number.
pub(crate) fn frames(attributes: &Attributes) -> Option<u32> {
    let Some(text) = attributes.text(FRAMES) else { return Some(1) };
    let text = text.trim_start_matches('+');
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if text.starts_with('-') { Some(1) } else { text[..end].parse::<u32>().ok().map(|frames| frames.max(1)) }
}
