//! What a scan of a JPEG says of itself (T.81 annex B.2.3), and the tables that it is read by.

use super::frame::Frame;
use super::huffman::Huffman;
use crate::markers::scan_header;

/// A component's part in a scan.
pub(super) struct ScanPart {
    pub component: usize,
    pub dc: usize,
    pub ac: usize,
}

/// The parameters of a scan header.
pub(super) struct Scan {
    pub parts: Vec<ScanPart>,
    /// Lossless: which neighbours predict.
    pub predictor: u8,
    /// Lossless: the point transform.
    pub low: u32,
}

#[derive(Default)]
pub(super) struct Tables {
    pub quantization: [Option<[f32; 64]>; 4],
    pub dc: [Option<Huffman>; 4],
    pub ac: [Option<Huffman>; 4],
    /// MCUs between restart markers; 0: none.
    pub restart: usize,
}

impl Scan {
    pub(super) fn new(frame: &Frame, segment: &[u8]) -> Result<Self, String> {
        let (parts, [predictor, _, low]) = scan_header(segment, "JPEG")?;
        let mut found = Vec::new();
        for part in parts.chunks_exact(2) {
            let component = frame.components.iter().position(|component| component.id == part[0]);
            let component = component.ok_or("damaged: a JPEG scan of an unknown component")?;
            if frame.components[component].decoded {
                return Err("expected one JPEG scan of each component, found more".into());
            }
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
    pub(super) fn quantization(&mut self, mut segment: &[u8]) -> Result<(), String> {
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
    pub(super) fn huffman(&mut self, mut segment: &[u8]) -> Result<(), String> {
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
pub(super) fn table<T>(tables: &[Option<T>; 4], number: usize) -> Result<&T, String> {
    tables
        .get(number)
        .and_then(Option::as_ref)
        .ok_or_else(|| format!("damaged: JPEG table {number} is missing"))
}
