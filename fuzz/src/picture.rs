//! All that is asked of a DICOM file.

use crate::common::Writer;
use std::panic::{self, catch_unwind};

/// The decoder of JPEG 2000, whose panics are caught where files are decoded (`data::decode`).
const CAUGHT: &str = "hayro";

/// libFuzzer ends at any panic; those of [`CAUGHT`] shall be errors of their file, as they are in the program.
pub fn pass_over_panics_of_libraries() {
    let end = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|place| place.file().contains(CAUGHT)) {
            end(panic);
        }
    }));
}

/// Reads a file in every way that there is.
pub fn read(bytes: &[u8]) -> Result<(), String> {
    let caught = |what: fn(&[u8]) -> Result<(), String>| {
        catch_unwind(|| what(bytes)).unwrap_or_else(|_| Err("the decoder of JPEG 2000 panicked".into()))
    };
    dicom::is_dicom(bytes);
    dicom::identifiers(bytes);
    dicom::technique(bytes);
    let _ = caught(|bytes| dicom::describe(bytes).map(drop));
    caught(|bytes| {
        let (picture, _) = dicom::picture(bytes)?;
        assert_eq!(picture.samples.len(), picture.width * picture.height * picture.channels);
        Ok(())
    })
}

/// Of a JPEG's frame header: precision, `[rows, columns]`, components. The frame is the first segment of one of the
/// `markers`.
fn frame(code: &[u8], markers: &[u8]) -> Option<(u8, [u16; 2], u8)> {
    let at = code.windows(2).position(|pair| pair[0] == 0xff && markers.contains(&pair[1]))?;
    let &[precision, r1, r0, c1, c0, components] = code.get(at + 4..)?.first_chunk()?;
    Some((precision, [[r1, r0], [c1, c0]].map(u16::from_be_bytes), components))
}

/// Decodes `code` as the pixels of a DICOM file, which says of them what the code says itself, so that the decoder is
/// reached.
pub fn decode(syntax: &str, markers: &[u8], code: &[u8]) -> Result<(), String> {
    let (precision, size, components) = frame(code, markers).ok_or("no frame header")?;
    let (allocated, photometric) =
        (if precision > 8 { 16 } else { 8 }, if components == 1 { "MONOCHROME2" } else { "YBR_FULL" });
    let mut file = Writer::new(syntax);
    let bits = [allocated, u16::from(precision.clamp(1, 16))];
    let file = file.image(photometric, size, bits, 0).fragment(code).bytes();
    let (picture, _) = dicom::picture(&file)?;
    assert_eq!([picture.height, picture.width], size.map(usize::from));
    Ok(())
}
