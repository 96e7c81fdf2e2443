//! JPEG as DICOM uses it (ITU-T T.81): sequential DCT of 8 and 12 bits and lossless of 2 to 16, Huffman coded.
//!
//! jpeg-decoder and zune-jpeg were tried first: neither reads 12 bits. Here a component keeps its depth, and its colour is
//! what the DICOM header or the code's own marker says. Invariant: the frame has the header's
//! size before anything is allocated for it, and code that ends early is an error.

mod dct;
mod frame;
mod huffman;
mod lossless;
mod scan;

use crate::decoded::Decoded;
use crate::header::Header;
use crate::markers::{marker, segment};
use frame::{Frame, Process, number};
use scan::{Scan, Tables};

pub(super) fn decode(header: &Header, code: &[u8]) -> Result<Decoded, String> {
    if !code.starts_with(&[0xff, 0xd8]) {
        return Err("expected JPEG code, found other bytes".into());
    }
    let (mut tables, mut frame) = (Tables::default(), None::<Frame>);
    let (mut adobe, mut jfif) = (None, false);
    let mut at = 2;
    loop {
        let found = marker(code, at);
        let (marker, behind) = found.ok_or("truncated: the JPEG ends before its end marker")?;
        if marker == 0xd9 {
            break;
        }
        let (segment, end) = segment(code, behind, "JPEG", marker)?;
        at = end;
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
                at += match frame.process {
                    Process::Sequential => dct::scan(frame, &scan, &tables, &code[at..])?,
                    Process::Lossless => lossless::scan(frame, &scan, &tables, &code[at..])?,
                };
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
