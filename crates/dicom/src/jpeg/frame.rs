//! The frame of a JPEG (T.81 annex B.2.2): its components, their sampling, and their planes.

use crate::header::Header;

/// How the samples of a frame are coded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Sequential,
    Lossless,
}

pub(super) struct Component {
    pub id: u8,
    /// Sampling factors, horizontal and vertical.
    pub h: usize,
    pub v: usize,
    /// Index of its quantization table.
    pub table: usize,
    /// Samples of a row of `plane`: whole blocks in the DCT process.
    pub stride: usize,
    pub plane: Vec<u16>,
    pub decoded: bool,
}

pub(super) struct Frame {
    pub process: Process,
    pub precision: u32,
    pub rows: usize,
    pub columns: usize,
    /// The largest sampling factors.
    pub h: usize,
    pub v: usize,
    pub components: Vec<Component>,
}

pub(super) fn number(segment: &[u8], at: usize) -> Result<usize, String> {
    match segment.get(at..at + 2) {
        Some(&[high, low]) => Ok(usize::from(u16::from_be_bytes([high, low]))),
        _ => Err("truncated: a JPEG segment is not complete".into()),
    }
}

impl Frame {
    pub(super) fn new(header: &Header, process: Process, segment: &[u8]) -> Result<Self, String> {
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
    pub(super) fn interleave(&self) -> Vec<i32> {
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
