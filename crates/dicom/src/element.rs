//! DICOM data elements (PS3.5 section 7) as slices of the file that holds them.
//!
//! dicom-parser was measured first: it makes a buffer of the length that an element claims before it reads, so that a file
//! of 268 bytes took 1 GiB. Here nothing is copied. Invariant: every value lies inside the bytes that were given, so a
//! length that is a lie is an error and never an allocation; each byte is visited once, however sequences are nested.
//!
//! What writers get wrong is read where it can mean one thing only: letters that are no value representation, or such
//! letters where the syntax has none, are read as the [`Form`] after which the next element begins; items and delimiters
//! outside of a sequence are stepped over.

use std::fmt;

/// Group and element number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Tag(pub u16, pub u16);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "({:04x},{:04x})", self.0, self.1)
    }
}

const ITEM: Tag = Tag(0xfffe, 0xe000);
const ITEM_END: Tag = Tag(0xfffe, 0xe00d);
const SEQUENCE_END: Tag = Tag(0xfffe, 0xe0dd);
const UNDEFINED: u32 = u32::MAX;
const PIXELS: Tag = Tag(0x7fe0, 0x0010);
/// Nested deeper than any real object, and shallow enough for a thread's stack.
const MAX_DEPTH: usize = 32;

/// How elements are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Encoding {
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
pub(crate) struct Element<'a> {
    pub tag: Tag,
    /// Two capital letters, where the file gives them.
    pub vr: Option<[u8; 2]>,
    /// The value without a closing delimiter.
    pub value: &'a [u8],
    /// Whether the length was undefined: a sequence, or pixel data in fragments.
    pub undefined: bool,
    pub encoding: Encoding,
}

/// What follows the tag of an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A length of four bytes.
    Implicit,
    /// Two letters and a length of two bytes.
    Short,
    /// Two letters, two zeros and a length of four bytes.
    Long,
}

/// Reads elements one by one.
pub(crate) struct Elements<'a> {
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
        let form = self.form(tag);
        let letters = self.letters(self.at);
        let vr = letters.filter(|letters| form != Form::Implicit && is_vr(*letters));
        let length = match form {
            Form::Implicit => self.length()?,
            Form::Short => {
                self.take::<2>()?;
                let bytes = self.take()?;
                u32::from(encoding.u16(bytes))
            }
            Form::Long => {
                self.take::<4>()?;
                self.length()?
            }
        };
        let is_pixels = tag == PIXELS && self.depth == 0;
        let rest = self.bytes.len() - self.at;
        let plain = is_pixels && length == UNDEFINED && self.peek() != Some(ITEM);
        if plain || is_pixels && length != UNDEFINED && length as usize > rest {
            // The image's size says how much of it is pixels, and whether it is enough.
            let value = &self.bytes[self.at..];
            self.at = self.bytes.len();
            return Ok(Element { tag, vr, value, undefined: false, encoding });
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
        let end = if is_pixels { inner.skip_fragments()? } else { inner.skip_sequence()? };
        self.at = inner.at;
        Ok(Element { tag, vr, value: &self.bytes[start..end], undefined: true, encoding })
    }

    /// The two bytes where a value representation would be.
    fn letters(&self, at: usize) -> Option<[u8; 2]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }

    /// The form of the element whose tag was read. Where the letters and the syntax contradict each other, it is the form
    /// after which most speaks for a next element.
    fn form(&self, tag: Tag) -> Form {
        let Some(letters) = self.letters(self.at).filter(|_| tag.0 != ITEM.0) else { return Form::Implicit };
        let named = if is_long(letters) { Form::Long } else { Form::Short };
        let candidates: &[Form] = match (self.encoding.explicit, is_vr(letters)) {
            (true, true) if named == Form::Short => return named,
            (true, true) if self.letters(self.at + 2) == Some([0, 0]) => return named,
            (true, true) => &[Form::Long, Form::Short],
            (false, false) => return Form::Implicit,
            (false, true) => &[Form::Implicit, named],
            (true, false) => &[Form::Implicit, Form::Long, Form::Short],
        };
        let best = candidates.iter().rev().max_by_key(|form| self.evidence(tag, **form));
        *best.unwrap_or(&Form::Implicit)
    }

    /// What speaks for an element of this form behind `tag`: 2 if the data end after it, or go on with a delimiter or a
    /// value representation; 1 if they go on with a higher tag and a length that fits; else 0.
    fn evidence(&self, tag: Tag, form: Form) -> u8 {
        let head = Self { at: self.at, ..*self };
        let length = |skip: usize| {
            let mut at = Self { at: head.at + skip, ..*self };
            at.length().ok()
        };
        let (size, length) = match form {
            Form::Implicit => (4, length(0)),
            Form::Short => (4, self.letters(self.at + 2).map(|pair| self.encoding.u16(pair).into())),
            Form::Long if self.letters(self.at + 2) != Some([0, 0]) => return 0,
            Form::Long => (8, length(4)),
        };
        let Some(length) = length else { return 0 };
        let start = self.at + size;
        if length == UNDEFINED {
            let next = Self { at: start, ..*self }.peek();
            return if matches!(next, Some(ITEM | SEQUENCE_END)) { 2 } else { 0 };
        }
        let next = Self { at: start.saturating_add(length as usize), ..*self };
        if next.at >= self.bytes.len() {
            return if next.at == self.bytes.len() { 2 } else { 0 };
        }
        let Some(following) = next.peek() else { return 0 };
        let fits = || {
            let mut length = Self { at: next.at + 4, ..*self };
            length.length().is_ok_and(|n| n == UNDEFINED || length.at + n as usize <= self.bytes.len())
        };
        match following {
            ITEM | ITEM_END | SEQUENCE_END => 2,
            _ if next.letters(next.at + 4).is_some_and(is_vr) => 2,
            _ if following > tag && fits() => 1,
            _ => 0,
        }
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
                    while !inner.at_item_end() {
                        inner.read()?;
                    }
                    self.at = inner.at;
                    if self.peek() == Some(ITEM_END) {
                        self.take::<8>()?;
                    }
                }
                (ITEM, length) => drop(self.slice(ITEM, length)?),
                (ITEM_END, _) => {} // Behind an item that had a length.
                (tag, _) => return Err(format!("damaged: expected an item of a sequence, found {tag}")),
            }
        }
    }

    /// Whether an item of undefined length ends here: by its delimiter, or by that of its sequence where its own is missing.
    fn at_item_end(&self) -> bool {
        matches!(self.peek(), Some(ITEM_END | SEQUENCE_END))
    }

    /// Goes behind the fragments of pixel data; where the last one ended. What follows need not be their delimiter, which
    /// some writers leave out.
    fn skip_fragments(&mut self) -> Result<usize, String> {
        while self.peek() == Some(ITEM) {
            self.tag()?;
            let length = self.length()?;
            self.slice(ITEM, length)?;
        }
        let end = self.at;
        if self.peek() == Some(SEQUENCE_END) {
            self.at = self.bytes.len().min(self.at + 8);
        }
        Ok(end)
    }

    /// Steps over items and delimiters that belong to no sequence.
    pub fn skip_strays(&mut self) {
        while let Some(tag @ Tag(0xfffe, _)) = self.peek() {
            self.at += 4;
            let length = self.length().map_or(0, |length| length as usize);
            let rest = self.bytes.len() - self.at;
            self.at += if tag == ITEM && length <= rest { length } else { 0 };
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, String>;

    /// The next element; none at the end, and after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.depth == 0 {
            self.skip_strays();
        }
        if self.at >= self.bytes.len() || self.depth > 0 && self.at_item_end() {
            return None;
        }
        let element = self.read();
        if element.is_err() {
            self.at = self.bytes.len();
        }
        Some(element)
    }
}

/// Whether two letters are a value representation (PS3.5 table 6.2-1).
pub(crate) fn is_vr(letters: [u8; 2]) -> bool {
    const SHORT: [&[u8; 2]; 21] = [
        b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH",
        b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
    ];
    is_long(letters) || SHORT.contains(&&letters)
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

    /// Whether pixel data begin with an item, as those in fragments do.
    pub fn has_fragments(&self) -> bool {
        Elements::new(self.value, 0, self.encoding).peek() == Some(ITEM)
    }

    /// The fragments of encapsulated pixel data (PS3.5 annex A.4), of which the first is the offset table.
    pub fn fragments(&self) -> Result<Vec<&'a [u8]>, String> {
        let mut items = Elements::new(self.value, 0, self.encoding);
        let mut fragments = Vec::new();
        while items.peek() == Some(ITEM) {
            items.tag()?;
            let length = items.length()?;
            fragments.push(items.slice(ITEM, length)?);
        }
        Ok(fragments)
    }

    /// A text without its padding; none if it is empty or not ASCII.
    pub fn text(&self) -> Option<&'a str> {
        let text = std::str::from_utf8(self.value).ok().filter(|text| text.is_ascii())?;
        Some(text.trim_matches(['\0', ' '])).filter(|text| !text.is_empty())
    }

    /// The first value as a number, by the value representation: binary, or a text; a decimal comma counts as a point.
    pub fn number(&self) -> Option<f64> {
        let (value, order) = (self.value, self.encoding.big_endian);
        let number = match self.vr.as_ref() {
            Some(b"FL") => {
                let bytes = *value.first_chunk()?;
                f64::from(if order { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) })
            }
            Some(b"FD") => {
                let bytes = *value.first_chunk()?;
                if order { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) }
            }
            Some(b"US") => self.words().next()?.into(),
            Some(b"SS") => (self.words().next()? as i16).into(),
            Some(b"UL") => self.encoding.u32(*value.first_chunk()?).into(),
            Some(b"SL") => (self.encoding.u32(*value.first_chunk()?) as i32).into(),
            _ => return self.text()?.split('\\').next().and_then(decimal),
        };
        number.is_finite().then_some(number)
    }

    /// Every value as a number, as [`Self::number`] gives the first; of binary ones the first alone.
    pub fn numbers(&self) -> Vec<Option<f64>> {
        match self.vr.as_ref() {
            Some(b"FL" | b"FD" | b"US" | b"SS" | b"UL" | b"SL") => vec![self.number()],
            _ => self.text().map_or(vec![], |text| text.split('\\').map(decimal).collect()),
        }
    }

    /// Values of 16 bits.
    pub fn words(&self) -> impl Iterator<Item = u16> {
        self.value.chunks_exact(2).map(|pair| self.encoding.u16([pair[0], pair[1]]))
    }
}

/// A decimal string (PS3.5 section 6.2) as a number.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim_matches(['\0', ' ']);
    text.parse()
        .or_else(|_| text.replacen(',', ".", 1).parse())
        .ok()
        .filter(|number: &f64| number.is_finite())
}
