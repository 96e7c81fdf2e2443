//! Scans of the sequential DCT process (T.81 annexes A.3 and F), 8 and 12 bits.

use super::frame::{Component, Frame};
use super::huffman::Huffman;
use super::scan::{Scan, Tables, table};
use crate::bits::{Bits, Stuffing};

/// Where the coefficients of a block, in their coded order, lie in its 8 x 8 (figure A.6).
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A component's tables.
struct ComponentTables<'a> {
    component: usize,
    dc: &'a Huffman,
    ac: &'a Huffman,
    quantization: &'a [f32; 64],
}

/// Decodes a scan from the start of `code`; the bytes that it takes. The scan header's range of coefficients has one legal
/// value here and is not looked at: 12-bit files of common writers have another.
pub(super) fn scan(frame: &mut Frame, scan: &Scan, tables: &Tables, code: &[u8]) -> Result<usize, String> {
    let mut parts = Vec::new();
    for part in &scan.parts {
        let quantization = table(&tables.quantization, frame.components[part.component].table)?;
        let (dc, ac) = (table(&tables.dc, part.dc)?, table(&tables.ac, part.ac)?);
        parts.push(ComponentTables { component: part.component, dc, ac, quantization });
    }
    let basis = basis();
    let middle = (1 << (frame.precision - 1)) as f32;
    let top = ((1 << frame.precision) - 1) as f32;
    // Blocks of several components are interleaved in units; those of one follow each other (section A.2).
    let single = parts.len() == 1;
    let (across, down) = if single {
        let component = &frame.components[parts[0].component];
        (
            (frame.columns * component.h).div_ceil(8 * frame.h),
            (frame.rows * component.v).div_ceil(8 * frame.v),
        )
    } else {
        (frame.columns.div_ceil(8 * frame.h), frame.rows.div_ceil(8 * frame.v))
    };
    let (mut bits, mut before) = (Bits::new(code, Stuffing::Byte), [0; 4]);
    let mut start = 0;
    for unit in 0..across * down {
        if tables.restart > 0 && unit > 0 && unit % tables.restart == 0 {
            start += bits.restart()?;
            before = [0; 4];
        }
        for (part, last) in parts.iter().zip(&mut before) {
            let component = &mut frame.components[part.component];
            let (h, v) = if single { (1, 1) } else { (component.h, component.v) };
            for (y, x) in (0..v).flat_map(|y| (0..h).map(move |x| (y, x))) {
                let mut block = [0.0; 64];
                let flat = coefficients(&mut bits, part, last, &mut block)?;
                let at = [(unit / across * v + y) * 8, (unit % across * h + x) * 8];
                if flat {
                    block = [block[0] / 8.0; 64];
                } else {
                    inverse(&mut block, &basis);
                }
                store(component, at, &block, middle, top);
            }
        }
    }
    for part in &parts {
        frame.components[part.component].decoded = true;
    }
    Ok(start + bits.end())
}

/// Reads the coefficients of a block, dequantized; whether all but the first are zero.
fn coefficients(
    bits: &mut Bits,
    part: &ComponentTables,
    last: &mut i32,
    block: &mut [f32; 64],
) -> Result<bool, String> {
    let size = part.dc.symbol(bits)?;
    if size > 15 {
        return Err("damaged: a JPEG coefficient of more than 15 bits".into());
    }
    *last = last.wrapping_add(bits.signed(size.into())?);
    block[0] = *last as f32 * part.quantization[0];
    let (mut k, mut flat) = (1, true);
    while k < 64 {
        let symbol = part.ac.symbol(bits)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            if run < 15 {
                break;
            }
            k += 16;
            continue;
        }
        k += run;
        let Some(&place) = ZIGZAG.get(k) else {
            return Err("damaged: a JPEG block of more than 64 coefficients".into());
        };
        block[usize::from(place)] = bits.signed(size)? as f32 * part.quantization[k];
        flat = false;
        k += 1;
    }
    Ok(flat)
}

/// Row u: the cosine of frequency u at the 8 positions, times its weight (section A.3.3).
fn basis() -> [[f32; 8]; 8] {
    let mut basis = [[0.0; 8]; 8];
    for (u, row) in basis.iter_mut().enumerate() {
        let weight = if u == 0 { 0.125f64.sqrt() } else { 0.5 };
        for (x, value) in row.iter_mut().enumerate() {
            let angle = (2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0;
            *value = (weight * angle.cos()) as f32;
        }
    }
    basis
}

/// The inverse transform: down, then across.
fn inverse(block: &mut [f32; 64], basis: &[[f32; 8]; 8]) {
    let mut half = [0.0; 64];
    for (v, from) in block.chunks_exact(8).enumerate() {
        if from.iter().all(|&value| value == 0.0) {
            continue;
        }
        for (y, to) in half.chunks_exact_mut(8).enumerate() {
            for (to, from) in to.iter_mut().zip(from) {
                *to += basis[v][y] * from;
            }
        }
    }
    for (from, to) in half.chunks_exact(8).zip(block.chunks_exact_mut(8)) {
        to.fill(0.0);
        for (row, &from) in basis.iter().zip(from) {
            for (to, &value) in to.iter_mut().zip(row) {
                *to += value * from;
            }
        }
    }
}

fn store(component: &mut Component, [row, column]: [usize; 2], block: &[f32; 64], middle: f32, top: f32) {
    let lines = component.plane.chunks_exact_mut(component.stride).skip(row);
    for (line, values) in lines.zip(block.chunks_exact(8)) {
        for (to, &value) in line[column..].iter_mut().zip(values) {
            *to = (value + middle + 0.5).clamp(0.0, top) as u16;
        }
    }
}
