//! From pixel data to stored values: unpacking, or the decoder of the transfer syntax.
//!
//! A decoder hands over the samples as the code has them; here they get what the header says: their bits and their sign.

use super::element::Element;
use super::header::{Header, Photometric};
use super::syntax::Codec;
use super::{colour, jpeg, jpeg_2000, jpeg_ls, rle};

/// Above this many pixels, code must be at least 1/200 of its image: of what is smaller than that, nothing was recorded, and
/// a file of a kilobyte must not claim a gigabyte.
const FREE_PIXELS: usize = 4 << 20;

/// What a decoder found.
pub(super) struct Decoded {
    /// `[rows, columns, samples]`.
    pub values: Vec<i32>,
    /// Luma and chroma where the code says so itself.
    pub ybr: Option<bool>,
}

/// The stored values of the image, `[rows, columns, samples]`; luma and chroma as RGB.
pub(super) fn read(header: &Header, codec: Codec, pixels: &Element) -> Result<Vec<i32>, String> {
    let decode: fn(&Header, &[u8]) -> Result<Decoded, String> = match codec {
        Codec::Native => return native(header, pixels),
        Codec::Rle => rle::decode,
        Codec::Jpeg => jpeg::decode,
        Codec::JpegLs => jpeg_ls::decode,
        Codec::Jpeg2000 => jpeg_2000::decode,
    };
    if !pixels.undefined {
        return Err("expected compressed pixel data in fragments, found plain bytes".into());
    }
    // One frame: however many fragments there are, they are pieces of it (PS3.5 annex A.4).
    let code = pixels.fragments()?.concat();
    if header.pixels() > FREE_PIXELS && header.len() / 200 > code.len() {
        let (columns, rows) = (header.columns, header.rows);
        return Err(format!("damaged: {} bytes of code cannot hold {columns} x {rows} pixels", code.len()));
    }
    let Decoded { mut values, ybr } = decode(header, &code)?;
    values.iter_mut().for_each(|value| *value = stored(header, *value, 0));
    let ybr = ybr.unwrap_or(matches!(header.photometric, Photometric::YbrFull | Photometric::YbrFull422));
    Ok(if ybr { colour::to_rgb(header, &values) } else { values })
}

/// The stored bits of `raw`, which begin `shift` bits up, with their sign.
fn stored(header: &Header, raw: i32, shift: u32) -> i32 {
    let unused = 32 - header.stored;
    let top = ((raw as u32) >> shift) << unused;
    if header.signed { top as i32 >> unused } else { (top >> unused) as i32 }
}

fn native(header: &Header, pixels: &Element) -> Result<Vec<i32>, String> {
    if pixels.undefined {
        return Err("expected plain pixel data, found fragments".into());
    }
    let subsampled = header.photometric == Photometric::YbrFull422;
    let count = if subsampled { header.pixels() * 2 } else { header.len() };
    let size = header.allocated as usize / 8;
    let Some(bytes) = pixels.value.get(..count * size) else {
        let (expected, found) = (count * size, pixels.value.len());
        return Err(format!("truncated: expected {expected} bytes of pixel data, found {found}"));
    };
    let shift = header.high + 1 - header.stored;
    let value = |raw: u16| stored(header, raw.into(), shift);
    let values: Vec<i32> = if size == 2 {
        pixels.words().take(count).map(value).collect()
    } else if pixels.encoding.big_endian && pixels.vr == Some(*b"OW") {
        // Bytes in words: the first of each pair is the high one.
        let byte = |i: usize| pixels.value.get(i ^ 1).copied().unwrap_or_default();
        (0..count).map(|i| value(byte(i).into())).collect()
    } else {
        bytes.iter().map(|&byte| value(byte.into())).collect()
    };
    if subsampled {
        return Ok(colour::to_rgb(header, &spread_422(header, &values)?));
    }
    let values = if header.planar && header.samples > 1 { interleave(header, &values) } else { values };
    Ok(if header.photometric == Photometric::YbrFull { colour::to_rgb(header, &values) } else { values })
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
