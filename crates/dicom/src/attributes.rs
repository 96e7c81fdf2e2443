//! The attributes of a data set that an image is made from, by their tags.

use std::collections::BTreeMap;

use crate::element::{Element, Tag};
use crate::tags::SOP_CLASS;

/// Elements by their tag.
pub(crate) struct Attributes<'a> {
    found: BTreeMap<Tag, Element<'a>>,
    media_class: &'a str,
}

impl<'a> Attributes<'a> {
    pub fn new(found: BTreeMap<Tag, Element<'a>>, media_class: &'a str) -> Self {
        Self { found, media_class }
    }

    /// Whether the element is there, if only empty.
    pub fn has(&self, tag: Tag) -> bool {
        self.found.contains_key(&tag)
    }

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

    /// The same, or that it is missing.
    pub fn need(&self, tag: Tag, name: &str) -> Result<u16, String> {
        self.word(tag).ok_or_else(|| format!("expected {name} {tag}, found none"))
    }
}
