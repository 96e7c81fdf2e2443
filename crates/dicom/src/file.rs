//! A DICOM file: its meta information, its syntax, and where its data set begins.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::attributes::Attributes;
use crate::element::{Elements, Encoding, Tag, is_vr};
use crate::syntax::Syntax;
use crate::tags::{PIXELS, WANTED};

/// More is not inflated, whatever a file claims.
const MAX_INFLATED_BYTES: u64 = 1 << 30;

const MEDIA_SOP_CLASS: Tag = Tag(0x0002, 0x0002);
const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);

/// A file's syntax and where its data set is.
pub(crate) struct DicomFile<'a> {
    /// Empty where the file does not say.
    pub syntax_uid: String,
    pub syntax: Syntax,
    /// Of the file meta information; empty where that does not say.
    media_class: String,
    content: Cow<'a, [u8]>,
    start: usize,
}

impl<'a> DicomFile<'a> {
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
    pub fn attributes(&self) -> Result<Attributes<'_>, String> {
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
        Ok(Attributes::new(found, &self.media_class))
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
