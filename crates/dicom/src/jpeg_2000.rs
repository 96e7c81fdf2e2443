//! JPEG 2000 (ISO/IEC 15444-1) by hayro-jpeg2000, which forbids unsafe code and returns components at their full depth.
//!
//! What its decoder makes room for depends on numbers of the code: tiles, precincts, code blocks. They are read here first,
//! from every COD and COC segment, and a code whose numbers are out of all proportion to its image is refused.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use crate::decoded::Decoded;
use crate::header::Header;

/// The largest number of tiles that a tile-part can name (Isot has 16 bits).
const MAX_TILES: u64 = 65_535;
/// Exponents of the smallest side of a precinct, and of the least number of pixels in one.
const MIN_PRECINCT: (u8, u8) = (3, 8);

pub(crate) fn decode(header: &Header, code: &[u8]) -> Result<Decoded, String> {
    let code = codestream(code)?;
    let components = check(header, code)?;
    let settings = DecodeSettings { resolve_palette_indices: false, strict: false, target_resolution: None };
    let explain = |error| format!("damaged JPEG 2000 code: {error}");
    let image = Image::new(code, &settings).map_err(explain)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(explain)?;
    let mut values = vec![0; header.len()];
    let planes = decoded.components();
    if planes.len() != header.samples || planes.iter().any(|plane| plane.samples().len() < header.pixels()) {
        return Err(format!("expected {} JPEG 2000 components, found {}", header.samples, planes.len()));
    }
    for (sample, (plane, component)) in planes.iter().zip(components).enumerate() {
        let top = ((1u32 << component.precision) - 1) as f32;
        // The decoder shifts signed components as if they were not.
        let middle = if component.signed { 1 << (component.precision - 1) } else { 0 };
        for (value, &found) in values[sample..].iter_mut().step_by(header.samples).zip(plane.samples()) {
            *value = found.round().clamp(0.0, top) as i32 - middle;
        }
    }
    Ok(Decoded { values, ybr: None })
}

/// The code itself, where a file (JP2) is wrapped around it.
fn codestream(bytes: &[u8]) -> Result<&[u8], String> {
    if !bytes.starts_with(&[0, 0, 0, 12, b'j', b'P']) {
        return Ok(bytes);
    }
    let mut rest = bytes;
    while let Some((&[a, b, c, d, k0, k1, k2, k3], content)) = rest.split_first_chunk::<8>() {
        let size = u32::from_be_bytes([a, b, c, d]) as usize;
        if [k0, k1, k2, k3] == *b"jp2c" {
            return Ok(content);
        }
        match rest.get(size..) {
            Some(next) if size >= 8 => rest = next,
            _ => break,
        }
    }
    Err("damaged: expected JPEG 2000 code in the JP2 file, found none".into())
}

/// The bits of a component.
struct Depth {
    precision: u8,
    signed: bool,
}

/// Reads the sizes that the decoder will make room for; the components.
fn check(header: &Header, code: &[u8]) -> Result<Vec<Depth>, String> {
    let mut components = Vec::new();
    // Where the data of a tile-part ends, once its header says so; and the code, without what pads it.
    let (mut at, mut end) = (2, None);
    let used = code.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    if !code.starts_with(&[0xff, 0x4f]) {
        return Err("expected JPEG 2000 code, found other bytes".into());
    }
    // Segments of the main header, then of each tile-part's, whose data is skipped.
    while let Some(&[0xff, marker, high, low]) = code.get(at..).and_then(|rest| rest.first_chunk()) {
        match marker {
            0xd9 => break,
            0x93 => {
                // Forward only: a part that ends before its data would be read again and again.
                at = end
                    .take()
                    .filter(|&end| end > at)
                    .ok_or("damaged: a JPEG 2000 tile ends before its data")?;
                continue;
            }
            _ => {}
        }
        let short = || format!("truncated: JPEG 2000 segment ff{marker:02x} is not complete");
        let length = usize::from(u16::from_be_bytes([high, low]));
        let segment = code.get(at + 4..at + 2 + length).ok_or_else(short)?;
        match marker {
            0x51 => components = size(header, segment).ok_or_else(short)??,
            0x52 => coding_style(segment.get(5..).ok_or_else(short)?, segment[0])?,
            0x53 => {
                // The index of a component has one byte, or two from 257 components on.
                let (&style, rest) = segment.get(1..).and_then(<[u8]>::split_first).ok_or_else(short)?;
                coding_style(rest, style)?;
            }
            0x90 => {
                let size = segment.get(2..6).and_then(<[u8]>::first_chunk).ok_or_else(short)?;
                // The decoder would fill what is missing; a last tile-part without a length reaches to the end marker.
                end = Some(match u32::from_be_bytes(*size) as usize {
                    0 if code[..used].ends_with(&[0xff, 0xd9]) => code.len(),
                    size if size >= 14 && size <= code.len() - at => at + size,
                    _ => return Err("truncated: a JPEG 2000 tile is not complete".into()),
                });
            }
            _ => {}
        }
        at += 2 + length;
    }
    if components.is_empty() {
        Err("expected the size of the JPEG 2000 image, found none".into())
    } else {
        Ok(components)
    }
}

/// SIZ (section A.5.1): none if it is cut short.
fn size(header: &Header, segment: &[u8]) -> Option<Result<Vec<Depth>, String>> {
    let number = |i: usize| -> Option<u64> {
        Some(u32::from_be_bytes(*segment.get(2 + 4 * i..)?.first_chunk()?).into())
    };
    let (width, height, left, top) = (number(0)?, number(1)?, number(2)?, number(3)?);
    let (tile_width, tile_height) = (number(4)?.max(1), number(5)?.max(1));
    let found = (height.saturating_sub(top), width.saturating_sub(left));
    if found != (header.rows as u64, header.columns as u64) {
        let (rows, columns) = (header.rows, header.columns);
        return Some(Err(format!(
            "expected JPEG 2000 code of {columns} x {rows} pixels, found {} x {}",
            found.1, found.0
        )));
    }
    let tiles = width.div_ceil(tile_width) * height.div_ceil(tile_height);
    if tiles > MAX_TILES || tiles > 64 + header.pixels() as u64 / 256 {
        return Some(Err(format!("expected tiles of a reasonable size, found {tiles} of them")));
    }
    let parts = segment.get(36..)?.chunks_exact(3);
    if parts.len() != header.samples {
        return Some(Err(format!("expected {} JPEG 2000 components, found {}", header.samples, parts.len())));
    }
    let mut components = Vec::new();
    for part in parts {
        let component = Depth { precision: (part[0] & 0x7f) + 1, signed: part[0] & 0x80 != 0 };
        if component.precision > 16 || part[1..] != [1, 1] {
            return Some(Err("expected full JPEG 2000 components of at most 16 bits, found others".into()));
        }
        components.push(component);
    }
    Some(Ok(components))
}

/// The part that COD and COC share (section A.6.1): decomposition levels, code blocks, precincts.
fn coding_style(parameters: &[u8], style: u8) -> Result<(), String> {
    let precincts = if style & 1 == 1 { parameters.get(5..).unwrap_or_default() } else { &[] };
    let small = |&both: &u8| {
        let (x, y) = (both & 15, both >> 4);
        x.min(y) < MIN_PRECINCT.0 || x + y < MIN_PRECINCT.1
    };
    if precincts.iter().any(small) {
        return Err("expected JPEG 2000 precincts of 256 pixels or more, found smaller ones".into());
    }
    Ok(())
}
