//! From pixel data to stored values: unpacking, or the decoder of the transfer syntax.
//!
//! A decoder hands over the samples as the code has them; here they get what the header says: their bits and their sign.

use std::borrow::Cow;

use crate::decoded::Decoded;
use crate::element::Element;
use crate::header::Header;
use crate::photometric::Photometric;
use crate::syntax::Codec;
use crate::{colour, jpeg, jpeg_2000, jpeg_ls, rle};

/// Above this many pixels, code must be at least 1/200 of its image: of what is smaller than that, nothing was recorded, and
/// a file of a kilobyte must not claim a gigabyte.
const FREE_PIXELS: usize = 4 << 20;

/// The stored values of the image, `[rows, columns, samples]`; luma and chroma as RGB.
pub(crate) fn read(header: &Header, codec: Codec, pixels: &Element) -> Result<Vec<i32>, String> {
    let decode: fn(&Header, &[u8]) -> Result<Decoded, String> = match codec {
        Codec::Native => return native(header, pixels),
        Codec::Rle => rle::decode,
        Codec::Jpeg => jpeg::decode,
        Codec::JpegLs => jpeg_ls::decode,
        Codec::Jpeg2000 => jpeg_2000::decode,
    };
    if header.stored > 16 && codec != Codec::Rle {
        return Err(format!("expected at most 16 stored bits in compressed pixels, found {}", header.stored));
    }
    let code = match pixels.has_fragments() {
        true => content(pixels)?,
        // A syntax that was changed without its pixels.
        false if pixels.value.len() == native_size(header).next_multiple_of(2) => {
            return native(header, pixels);
        }
        false => Cow::Borrowed(pixels.value),
    };
    if header.pixels() > FREE_PIXELS && header.len() / 200 > code.len() {
        let (columns, rows) = (header.columns, header.rows);
        return Err(format!("damaged: {} bytes of code cannot hold {columns} x {rows} pixels", code.len()));
    }
    let Decoded { mut values, ybr } = decode(header, &code)?;
    values.iter_mut().for_each(|value| *value = stored(header, *value as u32, 0));
    let ybr = ybr.unwrap_or(matches!(header.photometric, Photometric::YbrFull | Photometric::YbrFull422));
    Ok(if ybr { colour::to_rgb(header, &values) } else { values })
}

/// What fragments hold. One frame: however many there are, they are pieces of it (PS3.5 annex A.4). The first is the offset
/// table, which one frame does not need; where there is one alone, its writer had none.
fn content<'a>(pixels: &Element<'a>) -> Result<Cow<'a, [u8]>, String> {
    let fragments = pixels.fragments()?;
    let pieces = if fragments.len() > 1 { &fragments[1..] } else { &fragments[..] };
    match pieces {
        [] | [[]] => Err("truncated: expected pixel data in fragments, found none".into()),
        [one] => Ok(Cow::Borrowed(one)),
        pieces => Ok(Cow::Owned(pieces.concat())),
    }
}

/// The stored bits of `raw`, which begin `shift` bits up, with their sign.
fn stored(header: &Header, raw: u32, shift: u32) -> i32 {
    let unused = 32 - header.stored;
    let top = (raw >> shift) << unused;
    if header.signed { top as i32 >> unused } else { (top >> unused) as i32 }
}

/// Bytes of uncompressed pixels.
fn native_size(header: &Header) -> usize {
    (header.len() * header.allocated as usize).div_ceil(8)
}

fn native(header: &Header, pixels: &Element) -> Result<Vec<i32>, String> {
    let whole = match pixels.has_fragments() && pixels.undefined {
        true => content(pixels)?,
        false => Cow::Borrowed(pixels.value),
    };
    // Files say that their chroma is that of every other column while they have all of it, as decoders leave it behind.
    let subsampled = header.photometric == Photometric::YbrFull422 && whole.len() < native_size(header);
    let size =
        if subsampled { header.pixels() * 2 * header.allocated as usize / 8 } else { native_size(header) };
    // Where the length was made odd by a byte, that byte is 0.
    let mut padded = Vec::new();
    let bytes = match whole.get(..size) {
        Some(bytes) => bytes,
        None if whole.len() + 1 == size && size > 1 => {
            padded.extend_from_slice(&whole);
            padded.push(0);
            &padded
        }
        None => {
            let found = whole.len();
            return Err(format!("truncated: expected {size} bytes of pixel data, found {found}"));
        }
    };
    let shift = header.high + 1 - header.stored;
    let value = |raw: u32| stored(header, raw, shift);
    let big_endian = pixels.encoding.big_endian;
    let values: Vec<i32> = match header.allocated {
        16 => {
            let word = |pair: &[u8]| value(pixels.encoding.u16([pair[0], pair[1]]).into());
            bytes.chunks_exact(2).map(word).collect()
        }
        8 if !(big_endian && pixels.vr == Some(*b"OW")) => {
            bytes.iter().map(|&byte| value(byte.into())).collect()
        }
        32 if big_endian => {
            let double = |four: &[u8]| value(four.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)));
            bytes.chunks_exact(4).map(double).collect()
        }
        // Of any other number of bits, values lie one after the other, the lowest bit first (PS3.5 section 8.1.1 and annex
        // D); bytes in words of a big-endian file have changed places.
        bits => {
            let swap = usize::from(big_endian && pixels.vr == Some(*b"OW"));
            let byte = |i: usize| u64::from(whole.get(i ^ swap).copied().unwrap_or_default());
            let (bits, count) = (bits as usize, header.len() * size / native_size(header));
            let raw = |i: usize| {
                let first = i * bits / 8;
                let window = (0..5).fold(0, |sum, k| sum | byte(first + k) << (8 * k));
                (window >> (i * bits % 8) & ((1 << bits) - 1)) as u32
            };
            (0..count).map(|i| value(raw(i))).collect()
        }
    };
    if subsampled {
        return Ok(colour::to_rgb(header, &spread_422(header, &values)?));
    }
    let values = if header.planar && header.samples > 1 { interleave(header, &values) } else { values };
    let ybr = matches!(header.photometric, Photometric::YbrFull | Photometric::YbrFull422);
    Ok(if ybr { colour::to_rgb(header, &values) } else { values })
}

/// `[samples, pixels]` to `[pixels, samples]`.
fn interleave(header: &Header, planes: &[i32]) -> Vec<i32> {
    let pixels = header.pixels();
    (0..pixels).flat_map(|i| (0..header.samples).map(move |s| planes[s * pixels + i])).collect()
}

/// Y1 Y2 Cb Cr of two neighbours to one Y Cb Cr each.
fn spread_422(header: &Header, values: &[i32]) -> Result<Vec<i32>, String> {
    if header.columns % 2 == 1 {
        return Err(format!("expected an even number of columns in YBR_FULL_422, found {}", header.columns));
    }
    let pair = |p: &[i32]| [p[0], p[2], p[3], p[1], p[2], p[3]];
    Ok(values.chunks_exact(4).flat_map(pair).collect())
}
