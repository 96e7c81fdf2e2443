//! What a file says about itself apart from its pixels: format, compression, metadata. None of it is anatomy, so none
//! of it may tell the class. What is damaged counts as far as it can be followed.

/// The container of an image, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Portable Network Graphics.
    Png,
    /// JPEG File Interchange Format, or EXIF.
    Jpeg,
    /// Digital Imaging and Communications in Medicine, in whatever way its pixels are encoded.
    Dicom,
}

impl Container {
    /// That of a file which the decoder reads.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Self::Png,
            [0xff, 0xd8, ..] => Self::Jpeg,
            // The only other format, with or without its preamble.
            _ => Self::Dicom,
        }
    }
}

/// Facts of the container.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContainerFacts {
    /// The format.
    pub container: Container,
    /// Mean of the first JPEG quantisation table (1: hardly compressed); 0 for other formats.
    pub quantisation: f64,
    /// Bytes that are neither pixels nor needed to decode them: text, EXIF, colour profiles.
    pub metadata_bytes: usize,
}

impl ContainerFacts {
    /// Reads the structure of a file.
    pub fn of(bytes: &[u8]) -> Self {
        let container = Container::of(bytes);
        let (mut quantisation, mut metadata_bytes) = (0.0, 0);
        match container {
            Container::Png => {
                // Ancillary chunks (PNG specification, 5.4: bit 5 of the first letter), without transparency.
                let ancillary =
                    chunks(bytes).filter(|(kind, _)| kind[0].is_ascii_lowercase() && *kind != b"tRNS");
                metadata_bytes = ancillary.map(|(_, content)| content.len()).sum();
            }
            Container::Jpeg => {
                for (marker, content) in segments(bytes) {
                    match marker {
                        0xdb if quantisation == 0.0 => quantisation = mean_of_table(content),
                        // Application and comment segments (ITU-T T.81, B.2); APP0 is JFIF's own header.
                        0xe1..=0xef | 0xfe => metadata_bytes += content.len(),
                        _ => {}
                    }
                }
            }
            Container::Dicom => {}
        }
        Self { container, quantisation, metadata_bytes }
    }
}

/// The chunks of a PNG file, kind and content (PNG specification, 5.3).
pub fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (&length, after) = rest.split_first_chunk()?;
        let (kind, after) = after.split_first_chunk()?;
        let (content, after) = after.split_at_checked(u32::from_be_bytes(length) as usize)?;
        // Behind the checksum.
        rest = after.get(4..).unwrap_or_default();
        Some((kind, content))
    })
}

/// The segments of a JPEG file up to its first scan, marker and content (ITU-T T.81, B.1.1.4).
pub fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let &[0xff, marker, high, low, ref after @ ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([high, low])).checked_sub(2)?;
        let (content, after) = after.split_at_checked(length)?;
        rest = after;
        (marker != 0xda).then_some((marker, content))
    })
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
            ContainerFacts::of(&bytes)
        };
        let (fine, coarse) = (jpeg(95), jpeg(30));
        assert_eq!((fine.container, fine.metadata_bytes), (Container::Jpeg, 0));
        assert!(1.0 < fine.quantisation && 3.0 * fine.quantisation < coarse.quantisation);

        let mut plain = vec![];
        PngEncoder::new(&mut plain).write_image(&picture, 16, 16, image::ExtendedColorType::L8).unwrap();
        assert_eq!(ContainerFacts::of(&plain).metadata_bytes, 0);
        // A text chunk before the end chunk (12 bytes).
        let mut text = plain[..plain.len() - 12].to_vec();
        text.extend([&[0, 0, 0, 5][..], b"tEXtside\0", &[0; 4], &plain[plain.len() - 12..]].concat());
        let found = ContainerFacts::of(&text);
        assert_eq!((found.container, found.metadata_bytes), (Container::Png, 5));
        assert_eq!(ContainerFacts::of(&text[..40]).metadata_bytes, 0, "cut off inside a chunk");
    }
}
