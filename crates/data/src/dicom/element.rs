//! DICOM data elements (PS3.5 section 7) as slices of the file that holds them.
//!
//! dicom-parser was measured first: it makes a buffer of the length that an element claims before it reads, so that a file
//! of 268 bytes took 1 GiB. Here nothing is copied. Invariant: every value lies inside the bytes that were given, so a
//! length that is a lie is an error and never an allocation; each byte is visited once, however sequences are nested.

use std::fmt;

/// Group and element number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Tag(pub u16, pub u16);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "({:04x},{:04x})", self.0, self.1)
    }
}

const ITEM: Tag = Tag(0xfffe, 0xe000);
const ITEM_END: Tag = Tag(0xfffe, 0xe00d);
const SEQUENCE_END: Tag = Tag(0xfffe, 0xe0dd);
const UNDEFINED: u32 = u32::MAX;
/// Nested deeper than any real object, and shallow enough for a thread's stack.
const MAX_DEPTH: usize = 32;

/// How elements are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Encoding {
    /// Whether each element names its value representation.
    pub explicit: bool,
    /// The order of bytes.
    pub big_endian: bool,
}

impl Encoding {
    pub const IMPLICIT: Self = Self { explicit: false, big_endian: false };
    pub const EXPLICIT: Self = Self { explicit: true, big_endian: false };
    pub const BIG_ENDIAN: Self = Self { explicit: true, big_endian: true };

    pub fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

/// One data element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub tag: Tag,
    /// Two capital letters, where the file gives them.
    pub vr: Option<[u8; 2]>,
    /// The value without a closing delimiter.
    pub value: &'a [u8],
    /// Whether the length was undefined: a sequence, or pixel data in fragments.
    pub undefined: bool,
    pub encoding: Encoding,
}

/// Reads elements one by one.
pub(super) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    encoding: Encoding,
    depth: usize,
}

impl<'a> Elements<'a> {
    pub fn new(bytes: &'a [u8], at: usize, encoding: Encoding) -> Self {
        Self { bytes, at, encoding, depth: 0 }
    }

    /// Where the next element begins.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The tag of the next element.
    pub fn peek(&self) -> Option<Tag> {
        let bytes = self.bytes.get(self.at..self.at.checked_add(4)?)?;
        let number = |i: usize| self.encoding.u16([bytes[i], bytes[i + 1]]);
        Some(Tag(number(0), number(2)))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let Some(&bytes) = self.bytes[self.at..].first_chunk::<N>() else {
            return Err("truncated: the file ends inside a data element".into());
        };
        self.at += N;
        Ok(bytes)
    }

    fn tag(&mut self) -> Result<Tag, String> {
        let [a, b, c, d] = self.take()?;
        Ok(Tag(self.encoding.u16([a, b]), self.encoding.u16([c, d])))
    }

    fn length(&mut self) -> Result<u32, String> {
        let bytes = self.take()?;
        Ok(self.encoding.u32(bytes))
    }

    fn slice(&mut self, tag: Tag, length: u32) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let value = rest.get(..length as usize).ok_or_else(|| {
            format!("truncated: expected {length} bytes in element {tag}, found {}", rest.len())
        })?;
        self.at += value.len();
        Ok(value)
    }

    fn read(&mut self) -> Result<Element<'a>, String> {
        let (tag, mut encoding) = (self.tag()?, self.encoding);
        let (mut vr, start) = (None, self.at);
        let mut length = 0;
        if encoding.explicit && tag.0 != ITEM.0 {
            let letters = self.take::<2>()?;
            if letters.iter().all(u8::is_ascii_uppercase) {
                vr = Some(letters);
                if is_long(letters) {
                    self.take::<2>()?;
                    length = self.length()?;
                } else {
                    let bytes = self.take()?;
                    length = u32::from(encoding.u16(bytes));
                }
            }
        }
        if vr.is_none() {
            self.at = start;
            length = self.length()?;
        }
        if length != UNDEFINED {
            let value = self.slice(tag, length)?;
            return Ok(Element { tag, vr, value, undefined: false, encoding });
        }
        if vr == Some(*b"UN") {
            encoding = Encoding::IMPLICIT; // PS3.5 section 6.2.2, note 4.
        }
        let mut inner = Self { encoding, ..*self };
        let start = inner.at;
        let end = inner.skip_sequence()?;
        self.at = inner.at;
        Ok(Element { tag, vr, value: &self.bytes[start..end], undefined: true, encoding })
    }

    /// Goes behind a sequence of undefined length; where its last item ended.
    fn skip_sequence(&mut self) -> Result<usize, String> {
        if self.depth >= MAX_DEPTH {
            return Err(format!("expected sequences nested at most {MAX_DEPTH} deep, found more"));
        }
        loop {
            let end = self.at;
            if end == self.bytes.len() {
                return Ok(end); // Some writers leave the last delimiter out.
            }
            match (self.tag()?, self.length()?) {
                (SEQUENCE_END, _) => return Ok(end),
                (ITEM, UNDEFINED) => {
                    let mut inner = Self { depth: self.depth + 1, ..*self };
                    while inner.peek() != Some(ITEM_END) {
                        inner.read()?;
                    }
                    self.at = inner.at + 8;
                    if self.at > self.bytes.len() {
                        return Err("truncated: the file ends inside a data element".into());
                    }
                }
                (ITEM, length) => drop(self.slice(ITEM, length)?),
                (tag, _) => return Err(format!("damaged: expected an item of a sequence, found {tag}")),
            }
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, String>;

    /// The next element; none at the end, and after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() || self.depth > 0 && self.peek() == Some(ITEM_END) {
            return None;
        }
        let element = self.read();
        if element.is_err() {
            self.at = self.bytes.len();
        }
        Some(element)
    }
}

/// Whether the length of such an element has four bytes (PS3.5 table 7.1-1).
fn is_long(vr: [u8; 2]) -> bool {
    const LONG: [&[u8; 2]; 13] =
        [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];
    LONG.contains(&&vr)
}

impl<'a> Element<'a> {
    /// The elements of the first item of a sequence.
    pub fn first_item(&self) -> Option<Elements<'a>> {
        let mut items = Elements { bytes: self.value, at: 0, encoding: self.encoding, depth: 1 };
        let (tag, length) = (items.tag().ok()?, items.length().ok()?);
        if tag != ITEM {
            return None;
        }
        if length != UNDEFINED {
            items.bytes = self.value.get(..items.at.checked_add(length as usize)?)?;
        }
        Some(items)
    }

    /// The fragments of encapsulated pixel data (PS3.5 annex A.4), after the offset table that comes first.
    pub fn fragments(&self) -> Result<Vec<&'a [u8]>, String> {
        let mut items = Elements::new(self.value, 0, Encoding::EXPLICIT);
        let mut fragments = Vec::new();
        while items.at < self.value.len() {
            match (items.tag()?, items.length()?) {
                (ITEM, length) => fragments.push(items.slice(ITEM, length)?),
                (tag, _) => return Err(format!("damaged: expected a fragment of the image, found {tag}")),
            }
        }
        match fragments.len() {
            0 | 1 => Err("truncated: expected compressed pixel data, found none".into()),
            _ => Ok(fragments.split_off(1)),
        }
    }

    /// A text without its padding; none if it is empty or not ASCII.
    pub fn text(&self) -> Option<&'a str> {
        let text = std::str::from_utf8(self.value).ok().filter(|text| text.is_ascii())?;
        Some(text.trim_matches(['\0', ' '])).filter(|text| !text.is_empty())
    }

    /// Values of 16 bits.
    pub fn words(&self) -> impl Iterator<Item = u16> {
        self.value.chunks_exact(2).map(|pair| self.encoding.u16([pair[0], pair[1]]))
    }
}
