//! JPEG-LS (ITU-T T.87, ISO/IEC 14495-1), lossless and near-lossless, all three ways to interleave components.
//!
//! There is no decoder in pure Rust, so this is one: the markers here, the modelling in [`model`].

mod model;

use crate::decoded::Decoded;
use crate::header::Header;
use crate::markers::{marker, scan_header, segment};
use model::{Coding, Decoder, Interleave};

const ENDS_EARLY: &str = "truncated: the JPEG-LS code ends before its image";

/// The coding parameters of an LSE segment (section C.2.4.1.1); 0: the default.
#[derive(Clone, Copy, Default)]
struct Preset {
    top: i32,
    thresholds: [i32; 3],
    reset: i32,
}

pub(super) fn decode(header: &Header, code: &[u8]) -> Result<Decoded, String> {
    if !code.starts_with(&[0xff, 0xd8]) {
        return Err("expected JPEG-LS code, found other bytes".into());
    }
    let (mut at, mut preset, mut restart) = (2, Preset::default(), 0);
    let mut precision = None;
    let mut ids = Vec::new();
    let mut values = Vec::new();
    let mut read = [false; 3];
    while read[..header.samples].contains(&false) {
        let (marker, behind) = marker(code, at).ok_or(ENDS_EARLY)?;
        if marker == 0xd9 {
            return Err(ENDS_EARLY.into());
        }
        let (segment, end) = segment(code, behind, "JPEG-LS", marker)?;
        at = end;
        match marker {
            0xf7 => {
                precision = Some(frame(header, segment, &mut ids)?);
                values.resize(header.len(), 0);
            }
            0xf8 => preset.read(segment)?,
            0xdd => restart = segment.iter().fold(0, |sum: usize, &byte| sum << 8 | usize::from(byte)),
            // Hewlett-Packard's colour transforms, which DICOM does not know.
            0xe8 if segment.starts_with(b"mrfx") && segment.get(4) != Some(&0) => {
                return Err("expected JPEG-LS without a colour transform, found one".into());
            }
            0xda => {
                let precision = precision.ok_or("damaged: a JPEG-LS scan without a frame")?;
                let (first, count, near, interleave) = scan(segment, &ids)?;
                if restart > 0 {
                    return Err("expected JPEG-LS without restart markers, found them".into());
                }
                if read[first..first + count].contains(&true) {
                    return Err("expected one JPEG-LS scan of each component, found more".into());
                }
                let coding = preset.coding(precision, near)?;
                let size = (header.rows, header.columns);
                let mut decoder = Decoder::new(coding, &code[at..], size, count, interleave);
                at += decoder.decode(&mut values[first..], header.samples)?;
                read[first..first + count].fill(true);
            }
            _ => {}
        }
    }
    Ok(Decoded { values, ybr: None })
}

/// SOF55: the precision, and the components' names.
fn frame(header: &Header, segment: &[u8], ids: &mut Vec<u8>) -> Result<u32, String> {
    let Some((&[precision, r1, r0, c1, c0, count], parts)) = segment.split_first_chunk::<6>() else {
        return Err("damaged: the JPEG-LS frame header is not complete".into());
    };
    let [rows, columns] = [[r1, r0], [c1, c0]].map(|bytes| usize::from(u16::from_be_bytes(bytes)));
    if (rows, columns) != (header.rows, header.columns) {
        let Header { rows: r, columns: c, .. } = header;
        return Err(format!("expected JPEG-LS code of {c} x {r} pixels, found {columns} x {rows}"));
    }
    if usize::from(count) != header.samples || parts.len() != 3 * header.samples {
        return Err(format!("expected {} JPEG-LS components, found {count}", header.samples));
    }
    if !(2..=16).contains(&precision) || parts.chunks_exact(3).any(|part| part[1] != 0x11) {
        return Err("expected full JPEG-LS components of 2 to 16 bits, found others".into());
    }
    *ids = parts.chunks_exact(3).map(|part| part[0]).collect();
    Ok(precision.into())
}

/// SOS: the first component, how many, the allowed error and the way they are interleaved.
fn scan(segment: &[u8], ids: &[u8]) -> Result<(usize, usize, i32, Interleave), String> {
    let (parts, [near, interleave, _]) = scan_header(segment, "JPEG-LS")?;
    let count = parts.len() / 2;
    if parts.chunks_exact(2).any(|part| part[1] != 0) {
        return Err("expected JPEG-LS without mapping tables, found one".into());
    }
    let first = ids.iter().position(|&id| Some(id) == parts.first().copied());
    let first = first.ok_or("damaged: a JPEG-LS scan of an unknown component")?;
    let all = parts.chunks_exact(2).map(|part| part[0]).eq(ids.iter().copied());
    let (first, interleave) = match (interleave, count) {
        (_, 1) => (first, Interleave::None),
        (1, _) if all => (0, Interleave::Line),
        (2, _) if all => (0, Interleave::Sample),
        _ => {
            return Err(
                "expected JPEG-LS scans of one component or of all in their order, found others".into()
            );
        }
    };
    Ok((first, count, near.into(), interleave))
}

impl Preset {
    fn read(&mut self, segment: &[u8]) -> Result<(), String> {
        let (1, Some(values)) = (segment.first().copied().unwrap_or(0), segment.get(1..11)) else {
            return Err(
                "expected coding parameters in the JPEG-LS code, found a table or an extension".into()
            );
        };
        let number = |i: usize| i32::from(u16::from_be_bytes([values[2 * i], values[2 * i + 1]]));
        *self = Self { top: number(0), thresholds: [number(1), number(2), number(3)], reset: number(4) };
        Ok(())
    }

    /// The parameters with their defaults (section C.2.4.1.1).
    fn coding(self, precision: u32, near: i32) -> Result<Coding, String> {
        let all = (1 << precision) - 1;
        let top = if self.top == 0 { all } else { self.top };
        if top > all || near > 255.min(top / 2) {
            return Err(format!(
                "damaged: JPEG-LS values to {top} of {precision} bits, and an error of {near}"
            ));
        }
        let clamp = |value: i32, low: i32| if value > top || value < low { low } else { value };
        let defaults = if top >= 128 {
            let factor = (top.min(4095) + 128) >> 8;
            [factor + 2 + 3 * near, 4 * factor + 3 + 5 * near, 17 * factor + 4 + 7 * near]
        } else {
            let factor = 256 / (top + 1);
            [2.max(3 / factor + 3 * near), 3.max(7 / factor + 5 * near), 4.max(21 / factor + 7 * near)]
        };
        let mut thresholds = self.thresholds;
        let mut low = near + 1;
        for (threshold, default) in thresholds.iter_mut().zip(defaults) {
            if *threshold == 0 {
                *threshold = clamp(default, low);
            }
            if *threshold < low || *threshold > top {
                return Err("damaged: JPEG-LS thresholds that do not rise".into());
            }
            low = *threshold;
        }
        let reset = if self.reset == 0 { 64 } else { self.reset };
        if !(3..=255.max(top)).contains(&reset) {
            return Err(format!("expected a JPEG-LS reset of 3 or more, found {reset}"));
        }
        Ok(Coding { top, near, thresholds, reset })
    }
}
