//! From colour samples or palette indices to RGB (PS3.3 sections C.7.6.3.1.2 and C.7.6.3.1.5).

use crate::attributes::Attributes;
use crate::header::Header;
use crate::lut::Lut;
use crate::tags::PALETTE;

/// RGB of the header's bits from YBR_FULL of the same.
pub(crate) fn to_rgb(header: &Header, values: &[i32]) -> Vec<i32> {
    let (middle, top) = ((1u64 << (header.stored - 1)) as f64, ((1u64 << header.stored) - 1) as f64);
    let convert = |pixel: &[i32]| {
        let number = |i: usize| header.number(pixel[i]) as f64;
        let (y, cb, cr) = (number(0), number(1) - middle, number(2) - middle);
        // The weights of red and blue in luma are 0.299 and 0.114 (ITU-R BT.601).
        let green = y - 0.114 * 1.772 / 0.587 * cb - 0.299 * 1.402 / 0.587 * cr;
        [y + 1.402 * cr, green, y + 1.772 * cb]
            .map(|value| (value + 0.5).floor().clamp(0.0, top) as u32 as i32)
    };
    values.chunks_exact(3).flat_map(convert).collect()
}

/// RGB in `0..=255` from RGB of the header's bits: whole gray levels from 8 bits, else 16-bit levels over 257.
pub(crate) fn rgb(header: &Header, values: &[i32]) -> Vec<f32> {
    let top = f64::from(u32::MAX >> (32 - header.stored));
    let level = |&value: &i32| {
        let share = header.number(value) as f64 / top;
        if header.stored <= 8 {
            (share * 255.0).round() as f32
        } else {
            (share * 65_535.0).round() as f32 / 257.0
        }
    };
    values.iter().map(level).collect()
}

/// RGB in `0..=255` of palette indices, and the bits of an entry.
pub(crate) fn palette(
    attributes: &Attributes,
    values: &[i32],
    notes: &mut Vec<String>,
) -> Result<(Vec<f32>, u8), String> {
    let mut tables = Vec::new();
    for (descriptor, data) in PALETTE {
        let (Some(descriptor), Some(data)) = (attributes.get(descriptor), attributes.get(data)) else {
            return Err("expected red, green and blue of a palette, found not all of them".into());
        };
        tables.push(Lut::new(descriptor, data, false, "palette", notes)?);
    }
    let bits = if tables.iter().all(|table| table.top() <= 255) { 8 } else { 16 };
    let shade = |table: &Lut, value| {
        let (entry, top) = (f32::from(table.get(value)), f32::from(table.top()));
        if top == 65_535.0 { entry / 257.0 } else { (entry * 255.0 / top).round() }
    };
    let pixel = |&value: &i32| [0, 1, 2].map(|i| shade(&tables[i], value.into()));
    Ok((values.iter().flat_map(pixel).collect(), bits))
}
