//! What a file says of its image, checked before a pixel is read.
//!
//! Only the elements listed in [`WANTED`] are kept, so nothing that names a patient is in memory by name, let alone in a
//! message. Invariant of a [`Header`]: one frame of at most [`MAX_PIXELS`] pixels, 1 or 3 samples each, of 1 to 32 stored
//! bits, inside of the allocated ones.
//!
//! What a file leaves out is taken as the standard's only sensible value, and said in [`Header::notes`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::element::{Element, Elements, Encoding, Tag, is_vr};
use crate::syntax::{Syntax, not_an_image, not_an_image_by_modality};
use model::MAX_PIXELS;

/// More is not inflated, whatever a file claims.
const MAX_INFLATED_BYTES: u64 = 1 << 30;

pub(crate) const SOP_CLASS: Tag = Tag(0x0008, 0x0016);
pub(crate) const MODALITY: Tag = Tag(0x0008, 0x0060);
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
pub(crate) const PADDING_VALUE: Tag = Tag(0x0028, 0x0120);
pub(crate) const PADDING_LIMIT: Tag = Tag(0x0028, 0x0121);
pub(crate) const WINDOW_CENTER: Tag = Tag(0x0028, 0x1050);
pub(crate) const WINDOW_WIDTH: Tag = Tag(0x0028, 0x1051);
pub(crate) const RESCALE_INTERCEPT: Tag = Tag(0x0028, 0x1052);
pub(crate) const RESCALE_SLOPE: Tag = Tag(0x0028, 0x1053);
pub(crate) const VOI_FUNCTION: Tag = Tag(0x0028, 0x1056);
/// Descriptors and data of the palette's red, green and blue.
pub(crate) const PALETTE: [(Tag, Tag); 3] = [
    (Tag(0x0028, 0x1101), Tag(0x0028, 0x1201)),
    (Tag(0x0028, 0x1102), Tag(0x0028, 0x1202)),
    (Tag(0x0028, 0x1103), Tag(0x0028, 0x1203)),
];
const SEGMENTED_PALETTE: Tag = Tag(0x0028, 0x1221);
pub(crate) const MODALITY_LUT: Tag = Tag(0x0028, 0x3000);
pub(crate) const VOI_LUT: Tag = Tag(0x0028, 0x3010);
const FLOAT_PIXELS: Tag = Tag(0x7fe0, 0x0008);
const DOUBLE_PIXELS: Tag = Tag(0x7fe0, 0x0009);
pub(crate) const PIXELS: Tag = Tag(0x7fe0, 0x0010);
pub(crate) const LUT_SHAPE: Tag = Tag(0x2050, 0x0020);
const MEDIA_SOP_CLASS: Tag = Tag(0x0002, 0x0002);
const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);

/// What an image is made from.
const WANTED: [Tag; 32] = [
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
    LUT_SHAPE,
    FLOAT_PIXELS,
    DOUBLE_PIXELS,
    PIXELS,
];

/// A file's syntax and where its data set is.
pub(crate) struct File<'a> {
    /// Empty where the file does not say.
    pub syntax_uid: String,
    pub syntax: Syntax,
    /// Of the file meta information; empty where that does not say.
    media_class: String,
    content: Cow<'a, [u8]>,
    start: usize,
}

impl<'a> File<'a> {
    /// Reads the file meta information (PS3.10 section 7) and inflates what is deflated. A file without that information
    /// begins with its data set, in an encoding that its first element shows; where a file names one encoding and is
    /// written in another, the first element counts.
    pub fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let at = beginning(bytes);
        // The command of a message that was stored with its data set (PS3.7 section 6.3) is implicit little endian.
        let mut command = Elements::new(bytes, at, Encoding::IMPLICIT);
        while command.peek().is_some_and(|tag| tag.0 == 0x0000) {
            command.next().transpose()?;
        }
        let mut meta = Elements::new(bytes, command.position(), Encoding::EXPLICIT);
        let (mut uid, mut media_class) = (None, None);
        while meta.peek().is_some_and(|tag| tag.0 == 0x0002) {
            let Some(element) = meta.next().transpose()? else { break };
            let is_uid = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            match element.tag {
                TRANSFER_SYNTAX => uid = element.text().filter(is_uid).map(String::from),
                MEDIA_SOP_CLASS => media_class = element.text().filter(is_uid).map(String::from),
                _ => {}
            }
        }
        let start = meta.position();
        let mut syntax = match &uid {
            Some(uid) => Syntax::of(uid),
            None => guess(&bytes[start..])?,
        };
        let (syntax_uid, media_class) = (uid.unwrap_or_default(), media_class.unwrap_or_default());
        let (content, start) = match syntax.deflated {
            true => (Cow::Owned(inflate(&bytes[start..])?), 0),
            false => (Cow::Borrowed(bytes), start),
        };
        if let Some(found) = encoding(&content[start..]) {
            let named = syntax.encoding;
            // Letters that are no value representation may be a slip of one element.
            let explicit = found.explicit || named.explicit && named.big_endian == found.big_endian;
            syntax.encoding = Encoding { explicit, ..found };
        }
        Ok(Self { syntax_uid, syntax, media_class, content, start })
    }

    /// The elements of the data set, in order.
    pub fn elements(&self) -> Elements<'_> {
        Elements::new(&self.content, self.start, self.syntax.encoding)
    }

    /// The elements that an image is made from, wherever they are; of those that are there twice, the last before the
    /// pixels. What is damaged behind these is passed over.
    pub fn dataset(&self) -> Result<Dataset<'_>, String> {
        let mut found = BTreeMap::new();
        for element in self.elements() {
            let element = match element {
                Err(_) if found.contains_key(&PIXELS) => break,
                other => other?,
            };
            if !WANTED.contains(&element.tag) {
                continue;
            }
            if found.contains_key(&PIXELS) {
                found.entry(element.tag).or_insert(element);
            } else {
                found.insert(element.tag, element);
            }
        }
        Ok(Dataset { found, media_class: &self.media_class })
    }
}

/// Inflates a data set (PS3.5 annex A.5), with or without the head that gzip gives.
fn inflate(packed: &[u8]) -> Result<Vec<u8>, String> {
    let packed = match packed {
        [0x1f, 0x8b, 8, 0, _, _, _, _, _, _, rest @ ..] => rest,
        _ => packed,
    };
    let limit = (packed.len() as u64 * 200 + (64 << 20)).min(MAX_INFLATED_BYTES) as usize;
    miniz_oxide::inflate::decompress_to_vec_with_limit(packed, limit)
        .map_err(|error| format!("damaged: the deflated data set cannot be inflated ({error})"))
}

/// Where a file's elements begin: behind a preamble and `DICM`, behind either of them, or at once.
fn beginning(bytes: &[u8]) -> usize {
    match bytes {
        _ if bytes.get(128..132) == Some(b"DICM") => 132,
        [b'D', b'I', b'C', b'M', ..] => 4,
        _ if begins_at_once(bytes) => 0,
        _ if bytes.get(128..).is_some_and(begins_at_once) => 128,
        _ => 0,
    }
}

/// Whether bytes are those of a DICOM file: a preamble and `DICM`, or elements without them. A head of the file will do.
pub(crate) fn is_dicom(bytes: &[u8]) -> bool {
    beginning(bytes) > 0 || begins_at_once(bytes)
}

/// Whether bytes begin with elements: two with a value representation, or three without, from group 0000 to 0028, in
/// rising order, of even lengths, the first of them texts. No other kind of file does.
fn begins_at_once(bytes: &[u8]) -> bool {
    let encoding = match bytes {
        [0x02, 0x00, ..] => Encoding::EXPLICIT,
        [0x00, 0x00, 0x00, 0x00, 4, 0, 0, 0, ..] => Encoding::IMPLICIT,
        _ => match guess(bytes) {
            Ok(syntax) => syntax.encoding,
            Err(_) => return false,
        },
    };
    let mut elements = Elements::new(bytes, 0, encoding);
    let (mut last, mut evidence) = (None, 0);
    while evidence < 6 {
        let at = elements.position();
        let Some(tag) = elements.peek() else { break };
        if last.is_some_and(|last| tag <= last) || tag.0 > 0x0028 && last.is_none() {
            return false;
        }
        last = Some(tag);
        let named = bytes.get(at + 4..at + 6).is_some_and(|pair| is_vr([pair[0], pair[1]]));
        // A head may end inside of a value; without a value representation, nothing speaks for such an element.
        let whole = match elements.next() {
            Some(Ok(element)) => {
                if !named && element.value.len() % 2 == 1 {
                    return false;
                }
                let is_text = matches!(tag, Tag(0x0008, 1..=0x1000) | Tag(0x0010, 1..));
                if !named && is_text && !element.value.iter().all(|&b| b == 0 || (b' '..=b'~').contains(&b)) {
                    return false;
                }
                true
            }
            _ => false,
        };
        evidence += match (named, whole) {
            (true, _) => 3,
            (false, true) if tag.1 != 0 => 2,
            (false, _) => 0,
        };
        if !whole {
            break;
        }
    }
    evidence >= 6
}

/// The encoding of a data set that begins with these bytes: by the order of bytes its group is below 0800, and letters
/// follow the first tag where value representations are written. None where this says nothing.
fn encoding(start: &[u8]) -> Option<Encoding> {
    let order = if start.starts_with(&[0xff, 0xfe]) { Encoding::BIG_ENDIAN } else { Encoding::EXPLICIT };
    let mut elements = Elements::new(start, 0, order);
    elements.skip_strays();
    let start = &start[elements.position()..];
    let explicit = start.get(4..6).is_some_and(|pair| is_vr([pair[0], pair[1]]));
    match *start {
        [low, 0..=7, ..] if low > 0 => Some(Encoding { explicit, big_endian: false }),
        [0..=7, high, ..] if high > 0 && explicit => Some(Encoding::BIG_ENDIAN),
        _ => None,
    }
}

/// The syntax of a data set that no file meta information describes.
fn guess(start: &[u8]) -> Result<Syntax, String> {
    match encoding(start) {
        Some(Encoding::BIG_ENDIAN) => Ok(Syntax::of("1.2.840.10008.1.2.2")),
        Some(Encoding::EXPLICIT) => Ok(Syntax::of("1.2.840.10008.1.2.1")),
        Some(Encoding::IMPLICIT) => Ok(Syntax::of("1.2.840.10008.1.2")),
        _ if start.is_empty() => Err("expected a DICOM data set, found nothing".into()),
        _ => Err("expected a DICOM data set, found unknown bytes".into()),
    }
}

/// Elements by their tag.
pub(crate) struct Dataset<'a> {
    found: BTreeMap<Tag, Element<'a>>,
    media_class: &'a str,
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

    /// UID of the kind of object; where the data set does not say, of the file meta information.
    pub fn class(&self) -> &'a str {
        self.text(SOP_CLASS).unwrap_or(self.media_class)
    }

    /// The first value as a number; none if it is none.
    pub fn decimal(&self, tag: Tag) -> Option<f64> {
        self.get(tag)?.number()
    }

    /// The first 16-bit number, whatever it is written as.
    pub fn word(&self, tag: Tag) -> Option<u16> {
        let element = self.get(tag)?;
        match element.vr.as_ref() {
            Some(b"IS" | b"DS" | b"UL" | b"SL") => {
                element.number().filter(|n| (0.0..=65_535.0).contains(n)).map(|n| n as u16)
            }
            _ => element.words().next(),
        }
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

    /// By a file's text: the first of its values, in capitals or not, with spaces, underscores or none.
    fn named(text: &str) -> Option<Self> {
        let bare = |text: &str| {
            let kept = text.bytes().filter(|byte| !matches!(byte, b' ' | b'_' | 0));
            kept.map(|byte| byte.to_ascii_uppercase()).collect::<Vec<_>>()
        };
        let first = bare(text.split('\\').next().unwrap_or_default());
        Self::NAMES.iter().find(|(name, _)| bare(name) == first).map(|&(_, value)| value)
    }

    /// As the standard writes it.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, value)| *value == self).map_or("", |(name, _)| name)
    }

    /// Whether a pixel has one sample.
    pub(crate) fn is_single(self) -> bool {
        matches!(self, Self::Monochrome1 | Self::Monochrome2 | Self::Palette)
    }
}

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
    pub fn read(dataset: &Dataset) -> Result<Self, String> {
        let frames = frames(dataset);
        let kind = not_an_image(dataset.class());
        if let Some(name) = kind {
            return Err(format!("expected a single image, found {name}"));
        }
        if dataset.get(FLOAT_PIXELS).or(dataset.get(DOUBLE_PIXELS)).is_some() {
            return Err("expected pixels of 1 to 32 bits, found floating-point pixel data".into());
        }
        if dataset.found.contains_key(&PIXELS) && dataset.get(PIXELS).is_none() {
            return Err("truncated: expected pixels, found pixel data of 0 bytes".into());
        }
        if dataset.get(PIXELS).is_none() {
            let class = dataset.class();
            let more = match not_an_image_by_modality(dataset.code(MODALITY).unwrap_or_default()) {
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
        let photometric = Self::photometric(dataset, &mut notes)?;
        let samples = if photometric.is_single() { 1 } else { 3 };
        let mut assume = |tag: Tag, name: &str, value: u32, why: &str| match dataset.word(tag) {
            Some(found) => u32::from(found),
            None => {
                notes.push(format!("{name} is missing: taken as {value}{why}"));
                value
            }
        };
        let allocated = dataset.need(BITS_ALLOCATED, "Bits Allocated")?.into();
        if !(1..=32).contains(&allocated) {
            return Err(format!("expected 1 to 32 bits allocated, found {allocated}"));
        }
        let samples = assume(SAMPLES_PER_PIXEL, "Samples per Pixel", samples, "") as usize;
        let bits = dataset.word(HIGH_BIT).map_or(allocated, |high| (u32::from(high) + 1).min(allocated));
        let stored = assume(BITS_STORED, "Bits Stored", bits, "");
        if stored == 0 || stored > allocated {
            return Err(format!("expected stored bits inside the {allocated} allocated, found {stored}"));
        }
        let lowest = stored - 1;
        let high = match dataset.word(HIGH_BIT).map(u32::from) {
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
        if dataset.word(SIGNED).is_none() {
            notes.push("Pixel Representation is missing: values are taken as unsigned".into());
        }
        let header = Self {
            rows: dataset.need(ROWS, "Rows")?.into(),
            columns: dataset.need(COLUMNS, "Columns")?.into(),
            samples,
            photometric,
            planar: dataset.word(PLANAR) == Some(1),
            allocated,
            stored,
            high,
            signed: dataset.word(SIGNED) == Some(1),
            notes,
        };
        if dataset.get(SEGMENTED_PALETTE).is_some() && dataset.get(PALETTE[0].1).is_none() {
            return Err("expected a plain palette, found a segmented one".into());
        }
        header.check()?;
        Ok(header)
    }

    /// The photometric interpretation; where the file has none, by its samples and its palette.
    fn photometric(dataset: &Dataset, notes: &mut Vec<String>) -> Result<Photometric, String> {
        let Some(text) = dataset.text(PHOTOMETRIC) else {
            let palette = PALETTE.iter().all(|&(descriptor, _)| dataset.get(descriptor).is_some());
            let assumed = match dataset.word(SAMPLES_PER_PIXEL) {
                Some(3) => Photometric::Rgb,
                _ if palette => Photometric::Palette,
                _ => Photometric::Monochrome2,
            };
            notes.push(format!("Photometric Interpretation is missing: taken as {}", assumed.name()));
            return Ok(assumed);
        };
        let Some(found) = Photometric::named(text) else {
            let known = Photometric::NAMES.map(|(name, _)| name).join(", ");
            let name = dataset.code(PHOTOMETRIC).unwrap_or("a text that is no code");
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
pub(crate) fn frames(dataset: &Dataset) -> Option<u32> {
    let Some(text) = dataset.text(FRAMES) else { return Some(1) };
    let text = text.trim_start_matches('+');
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if text.starts_with('-') { Some(1) } else { text[..end].parse::<u32>().ok().map(|frames| frames.max(1)) }
}
