//! What a file says about itself apart from its pixels: format, compression, metadata. None of it is anatomy, so none
//! of it may tell the class.

use serde::Serialize;

/// The container of an image, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG File Interchange Format, or EXIF.
    Jpeg,
    /// Digital Imaging and Communications in Medicine, in whatever way its pixels are encoded.
    Dicom,
}

/// Facts of the container.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Container {
    /// The format.
    pub format: Format,
    /// Mean of the first JPEG quantisation table (1: hardly compressed); 0 for other formats.
    pub quantisation: f64,
    /// Bytes that are neither pixels nor needed to decode them: text, EXIF, colour profiles.
    pub metadata_bytes: usize,
}

impl Container {
    /// Reads the structure of a file; what is damaged counts as far as it can be followed.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Self { format: Format::Png, quantisation: 0.0, metadata_bytes: png_metadata(bytes) }
        } else if bytes.starts_with(&[0xff, 0xd8]) {
            let (quantisation, metadata_bytes) = jpeg_facts(bytes);
            Self { format: Format::Jpeg, quantisation, metadata_bytes }
        } else {
            // The only other format that the decoder reads, with or without its preamble.
            Self { format: Format::Dicom, quantisation: 0.0, metadata_bytes: 0 }
        }
    }
}

/// Bytes of ancillary chunks (PNG specification, 5.4: bit 5 of a chunk's first letter), without transparency.
fn png_metadata(bytes: &[u8]) -> usize {
    let (mut at, mut sum) = (8, 0);
    while let Some(&[a, b, c, d, ref kind @ ..]) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if kind[0].is_ascii_lowercase() && kind != b"tRNS" {
            sum += length;
        }
        at = at.saturating_add(length).saturating_add(12);
    }
    sum
}

/// Mean of the first quantisation table, and bytes of application and comment segments, up to the first scan
/// (ITU-T T.81, B.2).
fn jpeg_facts(bytes: &[u8]) -> (f64, usize) {
    let (mut at, mut table, mut metadata) = (2, 0.0, 0);
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let content = bytes.get(at + 4..at + 2 + length).unwrap_or_default();
        match marker {
            0xda => break,
            0xdb if table == 0.0 => table = mean_of_table(content),
            // APP0 is JFIF's own header.
            0xe1..=0xef | 0xfe => metadata += content.len(),
            _ => {}
        }
        at += 2 + length;
    }
    (table, metadata)
}

fn mean_of_table(content: &[u8]) -> f64 {
    let Some((&kind, values)) = content.split_first() else { return 0.0 };
    let sum: u32 = if kind >> 4 == 0 {
        values.iter().take(64).map(|&v| u32::from(v)).sum()
    } else {
        values.chunks_exact(2).take(64).map(|v| u32::from(u16::from_be_bytes([v[0], v[1]]))).sum()
    };
    f64::from(sum) / 64.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
    use image::{GrayImage, ImageEncoder};

    #[test]
    fn compression_and_metadata_are_read() {
        let picture = GrayImage::from_fn(16, 16, |x, y| image::Luma([(x * 16 + y) as u8]));
        let jpeg = |quality| {
            let mut bytes = vec![];
            JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&picture).unwrap();
            Container::of(&bytes)
        };
        let (fine, coarse) = (jpeg(95), jpeg(30));
        assert_eq!((fine.format, fine.metadata_bytes), (Format::Jpeg, 0));
        assert!(1.0 < fine.quantisation && 3.0 * fine.quantisation < coarse.quantisation);

        let mut plain = vec![];
        PngEncoder::new(&mut plain).write_image(&picture, 16, 16, image::ExtendedColorType::L8).unwrap();
        assert_eq!(Container::of(&plain).metadata_bytes, 0);
        // A text chunk before the end chunk (12 bytes).
        let mut text = plain[..plain.len() - 12].to_vec();
        text.extend([&[0, 0, 0, 5][..], b"tEXtside\0", &[0; 4], &plain[plain.len() - 12..]].concat());
        let found = Container::of(&text);
        assert_eq!((found.format, found.metadata_bytes), (Format::Png, 5));
        assert_eq!(Container::of(&text[..40]).metadata_bytes, 0, "cut off inside a chunk");
    }
}
