//! Scans of the lossless process (T.81 annex H): each sample from its neighbours, plus a coded difference.

use super::frame::Frame;
use super::scan::{Scan, Tables, table};
use crate::bits::{Bits, Stuffing};

/// Decodes a scan from the start of `code`; the bytes that it takes.
pub(super) fn scan(frame: &mut Frame, scan: &Scan, tables: &Tables, code: &[u8]) -> Result<usize, String> {
    let predictor = scan.predictor;
    if !(1..=7).contains(&predictor) || scan.low >= frame.precision {
        return Err(format!("expected a lossless JPEG predictor of 1 to 7, found {predictor}"));
    }
    let mut parts = Vec::new();
    for part in &scan.parts {
        parts.push((part.component, table(&tables.dc, part.dc)?));
    }
    let columns = frame.columns;
    let first = 1 << (frame.precision - scan.low - 1);
    let (mut bits, mut start) = (Bits::new(code, Stuffing::Byte), 0);
    // The row that a restart, or the scan, began with: there only the left neighbour counts (section H.1.2.1).
    let mut top = 0;
    let mut since = 0;
    for row in 0..frame.rows {
        for column in 0..columns {
            if tables.restart > 0 && since == tables.restart {
                start += bits.restart()?;
                (top, since) = (row, 0);
            }
            since += 1;
            for &(component, huffman) in &parts {
                let plane = &mut frame.components[component].plane;
                let at = row * columns + column;
                let guess = match (row == top, column, since) {
                    (true, _, 1) => first,
                    (true, ..) => i32::from(plane[at - 1]),
                    (false, 0, _) => i32::from(plane[at - columns]),
                    _ => {
                        let [left, above, corner] =
                            [at - 1, at - columns, at - columns - 1].map(|i| i32::from(plane[i]));
                        predict(predictor, left, above, corner)
                    }
                };
                let difference = match huffman.symbol(&mut bits)? {
                    16 => 1 << 15,
                    size @ 0..=15 => bits.signed(size.into())?,
                    _ => return Err("damaged: a JPEG difference of more than 16 bits".into()),
                };
                plane[at] = (guess + difference) as u16; // Modulo 2^16 (section H.1.2.1).
            }
        }
    }
    for (component, _) in parts {
        let component = &mut frame.components[component];
        component.plane.iter_mut().for_each(|value| *value <<= scan.low);
        component.decoded = true;
    }
    Ok(start + bits.end())
}

/// Table H.1.
fn predict(predictor: u8, left: i32, above: i32, corner: i32) -> i32 {
    match predictor {
        1 => left,
        2 => above,
        3 => corner,
        4 => left + above - corner,
        5 => left + ((above - corner) >> 1),
        6 => above + ((left - corner) >> 1),
        _ => (left + above) >> 1,
    }
}
