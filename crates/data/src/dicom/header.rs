//! What a file says of its image, checked before a pixel is read.
//!
//! Only the elements listed in [`WANTED`] are kept, so nothing that names a patient is in memory by name, let alone in a
//! message. Invariant of a [`Header`]: one frame of at most [`MAX_PIXELS`] pixels, 1 or 3 samples each, of 1 to 16 stored
//! bits in 8 or 16 allocated ones.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::element::{Element, Elements, Encoding, Tag};
use super::syntax::{Syntax, not_an_image};
use crate::{MAX_FILE_BYTES, MAX_PIXELS};

pub(super) const SOP_CLASS: Tag = Tag(0x0008, 0x0016);
pub(super) const MODALITY: Tag = Tag(0x0008, 0x0060);
const SAMPLES_PER_PIXEL: Tag = Tag(0x0028, 0x0002);
const PHOTOMETRIC: Tag = Tag(0x0028, 0x0004);
const PLANAR: Tag = Tag(0x0028, 0x0006);
const FRAMES: Tag = Tag(0x0028, 0x0008);
const ROWS: Tag = Tag(0x0028, 0x0010);
const COLUMNS: Tag = Tag(0x0028, 0x0011);
const BITS_ALLOCATED: Tag = Tag(0x0028, 0x0100);
const BITS_STORED: Tag = Tag(0x0028, 0x0101);
const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
const SIGNED: Tag = Tag(0x0028, 0x0103);
pub(super) const PADDING_VALUE: Tag = Tag(0x0028, 0x0120);
pub(super) const PADDING_LIMIT: Tag = Tag(0x0028, 0x0121);
pub(super) const WINDOW_CENTER: Tag = Tag(0x0028, 0x1050);
pub(super) const WINDOW_WIDTH: Tag = Tag(0x0028, 0x1051);
pub(super) const RESCALE_INTERCEPT: Tag = Tag(0x0028, 0x1052);
pub(super) const RESCALE_SLOPE: Tag = Tag(0x0028, 0x1053);
pub(super) const VOI_FUNCTION: Tag = Tag(0x0028, 0x1056);
/// Descriptors and data of the palette's red, green and blue.
pub(super) const PALETTE: [(Tag, Tag); 3] = [
    (Tag(0x0028, 0x1101), Tag(0x0028, 0x1201)),
    (Tag(0x0028, 0x1102), Tag(0x0028, 0x1202)),
    (Tag(0x0028, 0x1103), Tag(0x0028, 0x1203)),
];
const SEGMENTED_PALETTE: Tag = Tag(0x0028, 0x1221);
pub(super) const MODALITY_LUT: Tag = Tag(0x0028, 0x3000);
pub(super) const VOI_LUT: Tag = Tag(0x0028, 0x3010);
const FLOAT_PIXELS: Tag = Tag(0x7fe0, 0x0008);
const DOUBLE_PIXELS: Tag = Tag(0x7fe0, 0x0009);
pub(super) const PIXELS: Tag = Tag(0x7fe0, 0x0010);
const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);

/// What an image is made from.
const WANTED: [Tag; 31] = [
    SOP_CLASS,
    MODALITY,
    SAMPLES_PER_PIXEL,
    PHOTOMETRIC,
    PLANAR,
    FRAMES,
    ROWS,
    COLUMNS,
    BITS_ALLOCATED,
    BITS_STORED,
    HIGH_BIT,
    SIGNED,
    PADDING_VALUE,
    PADDING_LIMIT,
    WINDOW_CENTER,
    WINDOW_WIDTH,
    RESCALE_INTERCEPT,
    RESCALE_SLOPE,
    VOI_FUNCTION,
    PALETTE[0].0,
    PALETTE[1].0,
    PALETTE[2].0,
    PALETTE[0].1,
    PALETTE[1].1,
    PALETTE[2].1,
    SEGMENTED_PALETTE,
    MODALITY_LUT,
    VOI_LUT,
    FLOAT_PIXELS,
    DOUBLE_PIXELS,
    PIXELS,
];

/// A file's syntax and where its data set is.
pub(super) struct File<'a> {
    /// Empty where the file does not say.
    pub syntax_uid: String,
    pub syntax: Syntax,
    content: Cow<'a, [u8]>,
    start: usize,
}

impl<'a> File<'a> {
    /// Reads the file meta information (PS3.10 section 7) and inflates what is deflated. A file without that information
    /// begins with its data set, in an encoding that its first element shows.
    pub fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let at = if bytes.get(128..132) == Some(b"DICM") { 132 } else { 0 };
        let mut meta = Elements::new(bytes, at, Encoding::EXPLICIT);
        let mut uid = None;
        while meta.peek().is_some_and(|tag| tag.0 == 0x0002) {
            let Some(element) = meta.next().transpose()? else { break };
            if element.tag == TRANSFER_SYNTAX {
                let is_uid = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                uid = element.text().filter(is_uid).map(String::from);
            }
        }
        let start = meta.position();
        let mut syntax = match &uid {
            Some(uid) => Syntax::of(uid),
            None => guess(&bytes[start..])?,
        };
        if !syntax.encoding.explicit && is_explicit(&bytes[start..]) {
            syntax.encoding = Encoding::EXPLICIT; // Some writers say one and write the other.
        }
        let syntax_uid = uid.unwrap_or_default();
        if !syntax.deflated {
            return Ok(Self { syntax_uid, syntax, content: Cow::Borrowed(bytes), start });
        }
        let packed = &bytes[start..];
        let limit = (packed.len() as u64 * 200 + (64 << 20)).min(MAX_FILE_BYTES) as usize;
        let content = miniz_oxide::inflate::decompress_to_vec_with_limit(packed, limit)
            .map_err(|error| format!("damaged: the deflated data set cannot be inflated ({error})"))?;
        Ok(Self { syntax_uid, syntax, content: Cow::Owned(content), start: 0 })
    }

    /// The elements of the data set, in order.
    pub fn elements(&self) -> Elements<'_> {
        Elements::new(&self.content, self.start, self.syntax.encoding)
    }

    /// The elements that an image is made from.
    pub fn dataset(&self) -> Result<Dataset<'_>, String> {
        let mut found = BTreeMap::new();
        for element in self.elements() {
            let element = element?;
            if WANTED.contains(&element.tag) {
                found.insert(element.tag, element);
            }
            if element.tag >= PIXELS {
                break;
            }
        }
        Ok(Dataset { found })
    }
}

/// Whether bytes begin with file meta information or identification (groups 0002 and 0008), without a preamble: three
/// elements in rising order, which no other file has.
pub(super) fn begins_data_set(bytes: &[u8]) -> bool {
    let encoding = match bytes {
        [0x02, 0x00, ..] => Encoding::EXPLICIT,
        _ => match guess(bytes) {
            Ok(syntax) => syntax.encoding,
            Err(_) => return false,
        },
    };
    let first: Vec<Tag> =
        Elements::new(bytes, 0, encoding).take(3).map_while(Result::ok).map(|element| element.tag).collect();
    first.len() == 3 && first.is_sorted() && first[0].0 <= 0x0008 && first[2].0 <= 0x0010
}

/// The encoding of a data set that begins with these bytes: its first group is 0008, and two capital letters follow the
/// first tag where value representations are written.
fn guess(start: &[u8]) -> Result<Syntax, String> {
    let explicit = is_explicit(start);
    match start.first_chunk() {
        Some([0x08, 0x00]) if explicit => Ok(Syntax::of("1.2.840.10008.1.2.1")),
        Some([0x08, 0x00]) => Ok(Syntax::of("1.2.840.10008.1.2")),
        Some([0x00, 0x08]) if explicit => Ok(Syntax::of("1.2.840.10008.1.2.2")),
        _ => Err("expected a DICOM data set, found unknown bytes".into()),
    }
}

fn is_explicit(start: &[u8]) -> bool {
    start.get(4..6).is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase))
}

/// Elements by their tag.
pub(super) struct Dataset<'a> {
    found: BTreeMap<Tag, Element<'a>>,
}

impl<'a> Dataset<'a> {
    pub fn get(&self, tag: Tag) -> Option<&Element<'a>> {
        self.found.get(&tag).filter(|element| !element.value.is_empty())
    }

    pub fn text(&self, tag: Tag) -> Option<&'a str> {
        self.get(tag)?.text()
    }

    /// A code string: at most 16 capitals, digits, spaces and underscores. Anything else could be anything, and is none.
    pub fn code(&self, tag: Tag) -> Option<&'a str> {
        let is_code = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_' || b == b' ';
        self.text(tag).filter(|text| text.len() <= 16 && text.bytes().all(is_code))
    }

    /// The first number of a decimal string; an error if it is none.
    pub fn decimal(&self, tag: Tag) -> Result<Option<f64>, String> {
        let Some(text) = self.text(tag) else { return Ok(None) };
        let first = text.split('\\').next().unwrap_or_default().trim();
        match first.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ if first.is_empty() => Ok(None),
            _ => Err(format!("expected a number in element {tag}, found a text that is none")),
        }
    }

    /// The first 16-bit number.
    pub fn word(&self, tag: Tag) -> Option<u16> {
        self.get(tag)?.words().next()
    }

    fn need(&self, tag: Tag, name: &str) -> Result<u16, String> {
        self.word(tag).ok_or_else(|| format!("expected {name} {tag}, found none"))
    }
}

/// Photometric interpretation (PS3.3 section C.7.6.3.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Photometric {
    /// The smallest value is white.
    Monochrome1,
    /// The smallest value is black.
    Monochrome2,
    /// Values are indices of a table of colours.
    Palette,
    /// Red, green, blue.
    Rgb,
    /// Luma and two chroma differences, full range.
    YbrFull,
    /// The same, the chroma at every other column.
    YbrFull422,
    /// JPEG 2000's irreversible transform, which its decoder undoes.
    YbrIct,
    /// JPEG 2000's reversible transform, which its decoder undoes.
    YbrRct,
}

impl Photometric {
    const NAMES: [(&str, Self); 8] = [
        ("MONOCHROME1", Self::Monochrome1),
        ("MONOCHROME2", Self::Monochrome2),
        ("PALETTE COLOR", Self::Palette),
        ("RGB", Self::Rgb),
        ("YBR_FULL", Self::YbrFull),
        ("YBR_FULL_422", Self::YbrFull422),
        ("YBR_ICT", Self::YbrIct),
        ("YBR_RCT", Self::YbrRct),
    ];

    /// As the standard writes it.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, value)| *value == self).map_or("", |(name, _)| name)
    }

    /// Whether a pixel has one sample.
    pub(super) fn is_single(self) -> bool {
        matches!(self, Self::Monochrome1 | Self::Monochrome2 | Self::Palette)
    }
}

/// The image as described.
#[derive(Clone, Debug)]
pub(super) struct Header {
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
}

impl Header {
    pub fn read(dataset: &Dataset) -> Result<Self, String> {
        let frames = frames(dataset)?;
        if let Some(name) = dataset.text(SOP_CLASS).and_then(not_an_image) {
            return Err(format!("expected a single image, found {name}"));
        }
        if dataset.get(FLOAT_PIXELS).or(dataset.get(DOUBLE_PIXELS)).is_some() {
            return Err("expected pixels of 8 to 16 bits, found floating-point pixel data".into());
        }
        if dataset.get(PIXELS).is_none() {
            return Err("expected an image, found a DICOM object without pixel data".into());
        }
        if frames != 1 {
            return Err(format!("expected a single image, found {frames} frames (a multi-frame object)"));
        }
        let name = dataset.code(PHOTOMETRIC).unwrap_or("none");
        let known = Photometric::NAMES.iter().find(|(known, _)| *known == name);
        let expected = || Photometric::NAMES.map(|(name, _)| name).join(", ");
        let &(_, photometric) = known.ok_or_else(|| {
            format!("expected a photometric interpretation of {}, found {name}", expected())
        })?;
        let header = Self {
            rows: dataset.need(ROWS, "Rows")?.into(),
            columns: dataset.need(COLUMNS, "Columns")?.into(),
            samples: dataset.need(SAMPLES_PER_PIXEL, "Samples per Pixel")?.into(),
            photometric,
            planar: dataset.word(PLANAR) == Some(1),
            allocated: dataset.need(BITS_ALLOCATED, "Bits Allocated")?.into(),
            stored: dataset.need(BITS_STORED, "Bits Stored")?.into(),
            high: dataset.need(HIGH_BIT, "High Bit")?.into(),
            signed: dataset.word(SIGNED) == Some(1),
        };
        if dataset.get(SEGMENTED_PALETTE).is_some() && dataset.get(PALETTE[0].1).is_none() {
            return Err("expected a plain palette, found a segmented one".into());
        }
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), String> {
        let Self { rows, columns, samples, photometric, allocated, stored, high, .. } = *self;
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
        if !matches!(allocated, 8 | 16) {
            return Err(format!("expected 8 or 16 bits allocated, found {allocated}"));
        }
        if stored == 0 || stored > allocated || high >= allocated || high + 1 < stored {
            return Err(format!(
                "expected stored bits inside the {allocated} allocated, found {stored} with high bit {high}"
            ));
        }
        Ok(())
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

/// Number of frames: 1 where nothing is said, or 0.
pub(super) fn frames(dataset: &Dataset) -> Result<u32, String> {
    let Some(text) = dataset.text(FRAMES) else { return Ok(1) };
    let frames = text.parse::<u32>().map(|frames| frames.max(1));
    frames.map_err(|_| format!("expected a number of frames in {FRAMES}, found a text that is none"))
}
