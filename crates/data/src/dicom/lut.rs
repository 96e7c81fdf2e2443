//! Tables of a DICOM file: modality, values of interest, palettes (PS3.3 sections C.11.1, C.11.2 and C.7.6.3.1.5).

use super::element::{Element, Tag};
use super::header::Dataset;

const DESCRIPTOR: Tag = Tag(0x0028, 0x3002);
const DATA: Tag = Tag(0x0028, 0x3006);

/// A table; values below or above what it covers take its first or last entry.
pub(super) struct Lut {
    first: i32,
    bits: u16,
    entries: Vec<u16>,
}

impl Lut {
    /// The first table of a sequence; none if the sequence is absent. `negative`: inputs may be below zero.
    pub fn in_sequence(dataset: &Dataset, sequence: Tag, negative: bool) -> Result<Option<Self>, String> {
        let Some(element) = dataset.get(sequence) else { return Ok(None) };
        let Some(item) = element.first_item() else { return Ok(None) };
        let (mut descriptor, mut data) = (None, None);
        for element in item {
            let element = element?;
            match element.tag {
                DESCRIPTOR => descriptor = Some(element),
                DATA => data = Some(element),
                _ => {}
            }
        }
        let name = if sequence == super::header::VOI_LUT { "VOI" } else { "modality" };
        match (descriptor, data) {
            (Some(descriptor), Some(data)) => Self::new(&descriptor, &data, negative, name).map(Some),
            _ => Err(format!("expected a descriptor and data in the {name} table, found one or none")),
        }
    }

    /// A table by its descriptor (length, first input, bits of an entry) and its data.
    pub fn new(descriptor: &Element, data: &Element, negative: bool, name: &str) -> Result<Self, String> {
        let words: Vec<u16> = descriptor.words().take(3).collect();
        let &[length, first, bits] = &words[..] else {
            return Err(format!(
                "expected three numbers that describe the {name} table, found {}",
                words.len()
            ));
        };
        let length = if length == 0 { 65_536 } else { usize::from(length) };
        let first = match descriptor.vr {
            Some([b'S', b'S']) => i32::from(first as i16),
            _ if negative => i32::from(first as i16),
            _ => i32::from(first),
        };
        if !(1..=16).contains(&bits) {
            return Err(format!("expected a {name} table of 1 to 16 bits, found {bits}"));
        }
        // Entries of 8 bits lie two in a word, or in words of their own.
        let entries: Vec<u16> = if bits <= 8 && data.value.len() < 2 * length {
            data.value.iter().take(length).map(|&byte| byte.into()).collect()
        } else {
            data.words().take(length).collect()
        };
        if entries.len() < length {
            return Err(format!(
                "truncated: expected {length} entries in the {name} table, found {}",
                entries.len()
            ));
        }
        Ok(Self { first, bits, entries })
    }

    pub fn get(&self, value: i32) -> u16 {
        let index = value.saturating_sub(self.first).clamp(0, self.entries.len() as i32 - 1);
        self.entries[index as usize].min(self.top())
    }

    /// The largest entry that its bits allow.
    pub fn top(&self) -> u16 {
        u16::MAX >> (16 - self.bits)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
