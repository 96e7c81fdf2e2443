//! DICOM's RLE (PS3.5 annex G): PackBits of byte planes, the high byte of every sample first.

use crate::decoded::Decoded;
use crate::header::Header;

/// A header has room for this many segments.
const MAX_SEGMENTS: usize = 15;

pub(crate) fn decode(header: &Header, code: &[u8]) -> Result<Decoded, String> {
    let number = |i: usize| -> Result<usize, String> {
        let bytes = code[4 * i..].first_chunk().ok_or("truncated: the RLE header is not complete")?;
        Ok(u32::from_le_bytes(*bytes) as usize)
    };
    if code.len() < 4 * (1 + MAX_SEGMENTS) {
        return Err("truncated: the RLE header is not complete".into());
    }
    let (found, bytes) = (number(0)?, header.allocated as usize / 8);
    if bytes == 0 || !header.allocated.is_multiple_of(8) {
        return Err(format!("expected RLE of whole bytes, found {} bits allocated", header.allocated));
    }
    let planes = header.samples * bytes;
    if found != planes {
        return Err(format!("expected {planes} RLE segments, found {found}"));
    }
    let mut values = vec![0; header.len()];
    for plane in 0..planes {
        let start = number(1 + plane)?;
        let end = if plane + 1 < planes { number(2 + plane)? } else { code.len() };
        let segment = code.get(start..end).ok_or("damaged: an RLE segment lies outside the image's code")?;
        let (sample, shift) = (plane / bytes, 8 * (bytes - 1 - plane % bytes));
        unpack(segment, values[sample..].iter_mut().step_by(header.samples), shift)?;
    }
    let shift = header.high + 1 - header.stored;
    values.iter_mut().for_each(|value| *value = (*value as u32 >> shift) as i32);
    Ok(Decoded { values, ybr: None })
}

/// Adds the bytes of a segment, `shift` bits up, to `values`.
fn unpack<'a>(
    segment: &[u8],
    mut values: impl ExactSizeIterator<Item = &'a mut i32>,
    shift: usize,
) -> Result<(), String> {
    let short = || "truncated: an RLE segment ends inside the image".to_string();
    let mut at = 0;
    while values.len() > 0 {
        let &count = segment.get(at).ok_or_else(short)?;
        at += 1;
        let n = usize::from(count);
        match count {
            0..=127 => {
                let literal = segment.get(at..at + n + 1).ok_or_else(short)?;
                values.by_ref().zip(literal).for_each(|(value, &byte)| *value |= i32::from(byte) << shift);
                at += n + 1;
            }
            128 => {}
            129..=255 => {
                let byte = i32::from(*segment.get(at).ok_or_else(short)?);
                values.by_ref().take(257 - n).for_each(|value| *value |= byte << shift);
                at += 1;
            }
        }
    }
    Ok(())
}
