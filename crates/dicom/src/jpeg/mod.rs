//! JPEG as DICOM uses it (ITU-T T.81): sequential DCT of 8 and 12 bits and lossless of 2 to 16, Huffman coded.
//!
//! jpeg-decoder and zune-jpeg were tried first: neither reads 12 bits. Here a component keeps its depth, and its colour is
//! what the DICOM header or the code's own marker says. Invariant: the frame has the header's
//! size before anything is allocated for it, and code that ends early is an error.

mod bits;
mod dct;
mod lossless;

use super::frame::Decoded;
use super::header::Header;
use bits::{Bits, Huffman};

/// How the samples of a frame are coded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Process {
    Sequential,
    Lossless,
}

struct Component {
    id: u8,
    /// Sampling factors, horizontal and vertical.
    h: usize,
    v: usize,
    /// Index of its quantization table.
    table: usize,
    /// Samples of a row of `plane`: whole blocks in the DCT process.
    stride: usize,
    plane: Vec<u16>,
    decoded: bool,
}

struct Frame {
    process: Process,
    precision: u32,
    rows: usize,
    columns: usize,
    /// The largest sampling factors.
    h: usize,
    v: usize,
    components: Vec<Component>,
}

/// A component's part in a scan.
struct ScanPart {
    component: usize,
    dc: usize,
    ac: usize,
}

/// The parameters of a scan header.
struct Scan {
    parts: Vec<ScanPart>,
    /// Lossless: which neighbours predict.
    predictor: u8,
    /// Lossless: the point transform.
    low: u32,
}

#[derive(Default)]
struct Tables {
    quantization: [Option<[f32; 64]>; 4],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    /// MCUs between restart markers; 0: none.
    restart: usize,
}

pub(super) fn decode(header: &Header, code: &[u8]) -> Result<Decoded, String> {
    if !code.starts_with(&[0xff, 0xd8]) {
        return Err("expected JPEG code, found other bytes".into());
    }
    let (mut tables, mut frame) = (Tables::default(), None::<Frame>);
    let (mut adobe, mut jfif) = (None, false);
    let mut at = 2;
    loop {
        // A marker may follow any number of fill bytes.
        while code.get(at..at + 2) == Some(&[0xff, 0xff]) {
            at += 1;
        }
        let Some(&[0xff, marker]) = code.get(at..).and_then(|rest| rest.first_chunk()) else {
            return Err("truncated: the JPEG ends before its end marker".into());
        };
        at += 2;
        if marker == 0xd9 {
            break;
        }
        let length = code.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u16::from_be_bytes(*b));
        let segment = code
            .get(at + 2..at + usize::from(length))
            .ok_or_else(|| format!("truncated: JPEG segment ff{marker:02x} is not complete"))?;
        at += usize::from(length);
        match marker {
            0xc0 | 0xc1 | 0xc3 => {
                let process = if marker == 0xc3 { Process::Lossless } else { Process::Sequential };
                if frame.replace(Frame::new(header, process, segment)?).is_some() {
                    return Err("expected one JPEG frame, found more".into());
                }
            }
            0xc4 => tables.huffman(segment)?,
            0xc2 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Err(format!(
                    "expected sequential or lossless JPEG in Huffman code, found the process of marker ff{marker:02x}"
                ));
            }
            0xda => {
                let frame = frame.as_mut().ok_or("damaged: a JPEG scan without a frame")?;
                let scan = Scan::new(frame, segment)?;
                let used = match frame.process {
                    Process::Sequential => dct::scan(frame, &scan, &tables, &code[at..])?,
                    Process::Lossless => lossless::scan(frame, &scan, &tables, &code[at..])?,
                };
                at += used;
                if frame.components.iter().all(|component| component.decoded) {
                    break;
                }
            }
            0xdb => tables.quantization(segment)?,
            0xdd => tables.restart = number(segment, 0)?,
            0xe0 => jfif |= segment.starts_with(b"JFIF\0"),
            0xee if segment.starts_with(b"Adobe") => adobe = segment.get(11).copied(),
            _ => {}
        }
    }
    let frame = frame.filter(|frame| frame.components.iter().all(|component| component.decoded));
    let frame = frame.ok_or("truncated: the JPEG ends before all its components")?;
    let ybr = match (header.samples, adobe) {
        (1, _) => None,
        (_, Some(transform)) => Some(transform != 0),
        (_, None) if jfif && frame.process == Process::Sequential => Some(true),
        // Components that are named red, green and blue, whatever the header says.
        (_, None) if frame.components.iter().map(|component| component.id).eq(*b"RGB") => Some(false),
        _ => None,
    };
    Ok(Decoded { values: frame.interleave(), ybr })
}

fn number(segment: &[u8], at: usize) -> Result<usize, String> {
    match segment.get(at..at + 2) {
        Some(&[high, low]) => Ok(usize::from(u16::from_be_bytes([high, low]))),
        _ => Err("truncated: a JPEG segment is not complete".into()),
    }
}

impl Frame {
    fn new(header: &Header, process: Process, segment: &[u8]) -> Result<Self, String> {
        let (&precision, parts) = match (segment.first(), segment.get(6..)) {
            (Some(precision), Some(parts)) if parts.len() == 3 * usize::from(segment[5]) => {
                (precision, parts)
            }
            _ => return Err("damaged: the JPEG frame header is not complete".into()),
        };
        let (rows, columns) = (number(segment, 1)?, number(segment, 3)?);
        if (rows, columns) != (header.rows, header.columns) {
            let Header { rows: r, columns: c, .. } = header;
            return Err(format!("expected a JPEG of {c} x {r} pixels, found {columns} x {rows}"));
        }
        if parts.len() != 3 * header.samples {
            return Err(format!("expected {} JPEG components, found {}", header.samples, parts.len() / 3));
        }
        let depths = match process {
            Process::Sequential => [8, 12].contains(&precision),
            Process::Lossless => (2..=16).contains(&precision),
        };
        if !depths {
            return Err(format!("expected a JPEG of 8 or 12 bits (lossless: 2 to 16), found {precision}"));
        }
        let sampling = |part: &[u8]| (usize::from(part[1] >> 4), usize::from(part[1] & 15));
        let all: Vec<_> = parts.chunks_exact(3).map(sampling).collect();
        let most = if process == Process::Lossless { 1 } else { 4 };
        if all.len() > 1 && all.iter().any(|&(h, v)| h == 0 || v == 0 || h > most || v > most) {
            return Err(
                "expected JPEG components sampled up to 4 times (lossless: once), found others".into()
            );
        }
        let (h, v) = all.iter().fold((1, 1), |(h, v), &(other_h, other_v)| (h.max(other_h), v.max(other_v)));
        if all.iter().any(|&(other_h, other_v)| all.len() > 1 && (h % other_h != 0 || v % other_v != 0)) {
            return Err("expected JPEG sampling factors that divide the largest, found others".into());
        }
        // The factors of a single component mean nothing (section A.2.2).
        let (h, v) = if all.len() == 1 { (1, 1) } else { (h, v) };
        let component = |part: &[u8]| {
            let (own_h, own_v) = if all.len() == 1 { (1, 1) } else { sampling(part) };
            let (stride, lines) = match process {
                Process::Lossless => (columns, rows),
                Process::Sequential => {
                    (8 * own_h * columns.div_ceil(8 * h), 8 * own_v * rows.div_ceil(8 * v))
                }
            };
            Component {
                id: part[0],
                h: own_h,
                v: own_v,
                table: usize::from(part[2]),
                stride,
                plane: vec![0; stride * lines],
                decoded: false,
            }
        };
        let components = parts.chunks_exact(3).map(component).collect();
        Ok(Self { process, precision: precision.into(), rows, columns, h, v, components })
    }

    /// `[rows, columns, components]`, with components that have fewer samples interpolated between the centres of theirs.
    fn interleave(&self) -> Vec<i32> {
        let count = self.components.len();
        let mut values = vec![0; self.rows * self.columns * count];
        for (c, component) in self.components.iter().enumerate() {
            let (x, y) = (self.h / component.h, self.v / component.v);
            let used = (self.rows.div_ceil(y), self.columns.div_ceil(x));
            for (row, out) in values.chunks_exact_mut(self.columns * count).enumerate() {
                let (top, bottom, down) = between(row, y, used.0);
                let line = |row: usize| &component.plane[row * component.stride..][..used.1];
                let (top, bottom) = (line(top), line(bottom));
                for (column, value) in out[c..].iter_mut().step_by(count).enumerate() {
                    if (x, y) == (1, 1) {
                        *value = top[column].into();
                        continue;
                    }
                    let (left, right, along) = between(column, x, used.1);
                    let mix =
                        |line: &[u16]| f32::from(line[left]) * (1.0 - along) + f32::from(line[right]) * along;
                    *value = (mix(top) * (1.0 - down) + mix(bottom) * down + 0.5) as i32;
                }
            }
        }
        values
    }
}

/// The samples on both sides of position `i`, where one sample covers `factor` positions, and the share of the second.
fn between(i: usize, factor: usize, samples: usize) -> (usize, usize, f32) {
    let at = (i as f32 + 0.5) / factor as f32 - 0.5;
    let first = at.floor().max(0.0) as usize;
    (first, (first + 1).min(samples - 1), (at - first as f32).max(0.0))
}

impl Scan {
    fn new(frame: &Frame, segment: &[u8]) -> Result<Self, String> {
        let count = segment.first().map_or(0, |&count| usize::from(count));
        let (Some(parts), Some(&[predictor, _, low])) =
            (segment.get(1..1 + 2 * count), segment.get(1 + 2 * count..).and_then(|rest| rest.first_chunk()))
        else {
            return Err("damaged: the JPEG scan header is not complete".into());
        };
        let mut found = Vec::new();
        for part in parts.chunks_exact(2) {
            let component = frame.components.iter().position(|component| component.id == part[0]);
            let component = component.ok_or("damaged: a JPEG scan of an unknown component")?;
            found.push(ScanPart { component, dc: (part[1] >> 4).into(), ac: (part[1] & 15).into() });
        }
        if found.is_empty() || found.len() > 1 && found.len() != frame.components.len() {
            return Err("expected JPEG scans of one component or of all, found another number".into());
        }
        Ok(Self { parts: found, predictor, low: u32::from(low & 15) })
    }
}

impl Tables {
    /// DQT (section B.2.4.1).
    fn quantization(&mut self, mut segment: &[u8]) -> Result<(), String> {
        while let Some((&kind, rest)) = segment.split_first() {
            let size = if kind >> 4 == 0 { 1 } else { 2 };
            let values = rest.get(..64 * size).ok_or("damaged: a JPEG quantization table is not complete")?;
            let slot = self.quantization.get_mut(usize::from(kind & 15));
            let slot = slot.ok_or("damaged: a JPEG quantization table of a number above 3")?;
            let mut table = [0.0; 64];
            for (value, bytes) in table.iter_mut().zip(values.chunks_exact(size)) {
                *value = bytes.iter().fold(0.0, |sum, &byte| sum * 256.0 + f32::from(byte));
            }
            *slot = Some(table);
            segment = &rest[64 * size..];
        }
        Ok(())
    }

    /// DHT (section B.2.4.2).
    fn huffman(&mut self, mut segment: &[u8]) -> Result<(), String> {
        while let Some((&kind, rest)) = segment.split_first() {
            let table = Huffman::new(rest)?;
            segment = &rest[16 + table.len()..];
            let class = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = class.get_mut(usize::from(kind & 15));
            *slot.ok_or("damaged: a JPEG Huffman table of a number above 3")? = Some(table);
        }
        Ok(())
    }
}

/// The tables that a scan needs, or which is missing.
fn table<T>(tables: &[Option<T>; 4], number: usize) -> Result<&T, String> {
    tables
        .get(number)
        .and_then(Option::as_ref)
        .ok_or_else(|| format!("damaged: JPEG table {number} is missing"))
}
