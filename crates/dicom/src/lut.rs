//! Tables of a DICOM file: modality, values of interest, palettes (PS3.3 sections C.11.1, C.11.2 and C.7.6.3.1.5).

use crate::attributes::Attributes;
use crate::element::{Element, Tag};
use crate::tags::VOI_LUT;

const DESCRIPTOR: Tag = Tag(0x0028, 0x3002);
const DATA: Tag = Tag(0x0028, 0x3006);

/// A table; values below or above what it covers take its first or last entry.
pub(crate) struct Lut {
    first: i32,
    bits: u16,
    entries: Vec<u16>,
}

impl Lut {
    /// The table of a sequence's first item. An item that is empty, or whose elements are, means no table: `notes` says so.
    /// `negative`: inputs may be below zero.
    pub fn in_sequence(
        attributes: &Attributes,
        sequence: Tag,
        negative: bool,
        notes: &mut Vec<String>,
    ) -> Option<Self> {
        let name = if sequence == VOI_LUT { "VOI LUT" } else { "Modality LUT" };
        let (mut descriptor, mut data) = (None, None);
        let item = attributes.get(sequence)?.first_item();
        for element in item.into_iter().flatten().map_while(Result::ok) {
            match element.tag {
                DESCRIPTOR => descriptor = Some(element).filter(|element| !element.value.is_empty()),
                DATA => data = Some(element).filter(|element| !element.value.is_empty()),
                _ => {}
            }
        }
        let table = match (descriptor, data) {
            (Some(descriptor), Some(data)) => Self::new(&descriptor, &data, negative, name, notes),
            (None, _) => Err(format!("expected a descriptor in the {name}, found none")),
            (_, None) => Err(format!("expected data in the {name}, found none")),
        };
        table.map_err(|reason| notes.push(format!("the {name} Sequence is not applied: {reason}"))).ok()
    }

    /// A table by its descriptor (length, first input, bits of an entry) and its data. A table that is shorter than it says
    /// is used as far as it goes.
    pub fn new(
        descriptor: &Element,
        data: &Element,
        negative: bool,
        name: &str,
        notes: &mut Vec<String>,
    ) -> Result<Self, String> {
        let words: Vec<u16> = descriptor.words().take(3).collect();
        let &[length, first, mut bits] = &words[..] else {
            return Err(format!("expected three numbers that describe the {name}, found {}", words.len()));
        };
        let length = if length == 0 { 65_536 } else { usize::from(length) };
        let first = match descriptor.vr {
            Some([b'S', b'S']) => i32::from(first as i16),
            _ if negative => i32::from(first as i16),
            _ => i32::from(first),
        };
        // Entries of 8 bits lie two in a word, the first in its low byte, or in words of their own.
        let size = data.value.len();
        let packed = if bits <= 8 { size < 2 * length } else { size == length.next_multiple_of(2) };
        let entries: Vec<u16> = if packed {
            let swap = usize::from(data.encoding.big_endian && data.vr != Some(*b"OB"));
            let byte = |i: usize| data.value.get(i ^ swap).copied().map(u16::from);
            (0..length).map_while(byte).collect()
        } else {
            data.words().take(length).collect()
        };
        if entries.is_empty() {
            return Err(format!("expected {length} entries in the {name}, found none"));
        }
        if entries.len() < length {
            notes.push(format!(
                "the {name} says {length} entries and has {}: used as far as it goes",
                entries.len()
            ));
        }
        let most = entries.iter().copied().max().unwrap_or(0);
        let needed = 16 - most.leading_zeros() as u16;
        let stated = bits;
        if packed && bits > 8 {
            bits = 8;
        } else if !(1..=16).contains(&bits) {
            bits = 16;
        } else if needed > bits {
            bits = needed;
        }
        if bits != stated {
            notes.push(format!(
                "the {name} says {stated} bits an entry: its entries are taken as {bits} bits"
            ));
        }
        Ok(Self { first, bits, entries })
    }

    pub fn get(&self, value: i64) -> u16 {
        // What a steep rescale leads to may be as large as a number can be.
        let index = value.saturating_sub(self.first.into()).clamp(0, self.entries.len() as i64 - 1);
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
