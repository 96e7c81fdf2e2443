//! What a file is, by its first bytes. The name says what somebody called it, and radiographs arrive under every name.

/// As much of a file as [`Content::of`] needs to see.
pub(crate) const HEAD_BYTES: usize = dicom::SNIFFED_BYTES;

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Png,
    Jpeg,
    Dicom,
    /// An image, or a volume, in a format that is not decoded here.
    Foreign(&'static str),
    /// A file of a known kind that is no image.
    File(&'static str),
    Text,
    Empty,
    Unknown,
}

/// How images in other formats begin.
const FOREIGN: [(&[u8], &str); 16] = [
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"NRRD000", "NRRD"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"8BPS", "Photoshop"),
    (b"qoif", "QOI"),
    (b"v/1\x01", "OpenEXR"),
    (b"\x93NUMPY", "NumPy"),
    (b"ObjectType = Image", "MetaImage"),
    (b"NDims = ", "MetaImage"),
];

/// How other files begin.
const FILES: [(&[u8], &str); 8] = [
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"%PDF-", "PDF"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Microsoft Office"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"\x7fELF", "ELF"),
];

impl Content {
    /// What a file that begins with `bytes` is. Of a longer one, [`HEAD_BYTES`] suffice.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let begins = |magic: &[u8]| bytes.starts_with(magic);
        let listed =
            |list: &[(&[u8], &'static str)]| list.iter().find(|(magic, _)| begins(magic)).map(|m| m.1);
        if bytes.is_empty() {
            Self::Empty
        } else if begins(b"\x89PNG\r\n\x1a\n") {
            Self::Png
        } else if begins(b"\xff\xd8\xff") {
            Self::Jpeg
        } else if dicom::is_dicom(bytes) {
            // Before the others: the preamble of a DICOM file may make it a TIFF as well.
            Self::Dicom
        } else if let Some(name) = listed(&FOREIGN).or_else(|| foreign_by_fields(bytes)) {
            Self::Foreign(name)
        } else if let Some(name) = listed(&FILES) {
            Self::File(name)
        } else if is_text(bytes) {
            Self::Text
        } else {
            Self::Unknown
        }
    }

    /// Whether it can be decoded here.
    pub(crate) fn is_image(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Dicom)
    }

    /// What was found, after the word "found".
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Png => "a PNG image".into(),
            Self::Jpeg => "a JPEG image".into(),
            Self::Dicom => "a DICOM file".into(),
            Self::Foreign(name) | Self::File(name) => format!("a {name} file"),
            Self::Text => "text".into(),
            Self::Empty => "an empty file (0 bytes)".into(),
            Self::Unknown => "unknown bytes".into(),
        }
    }
}

/// Formats whose mark does not stand at the beginning, or is too short to be one alone.
fn foreign_by_fields(bytes: &[u8]) -> Option<&'static str> {
    let at = |from: usize, mark: &[u8]| bytes.get(from..from + mark.len()) == Some(mark);
    if at(0, b"BM") && matches!(bytes.get(14..18), Some([12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])) {
        Some("BMP")
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        Some("WebP")
    } else if [&b"n+1\0"[..], b"ni1\0"].iter().any(|mark| at(344, mark))
        || [&b"n+2\0"[..], b"ni2\0"].iter().any(|mark| at(4, mark))
    {
        Some("NIfTI")
    } else if at(4, b"ftyp") && [&b"heic"[..], b"heix", b"mif1", b"msf1"].iter().any(|mark| at(8, mark)) {
        Some("HEIC")
    } else if at(4, b"ftyp") && [&b"avif"[..], b"avis"].iter().any(|mark| at(8, mark)) {
        Some("AVIF")
    } else if matches!(bytes, [b'P', b'1'..=b'6', b' ' | b'\n' | b'\r' | b'\t', b'#' | b'0'..=b'9', ..]) {
        Some("PNM")
    } else {
        None
    }
}

/// UTF-8 without control characters; what the end of a head cut off does not count.
fn is_text(bytes: &[u8]) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    text.chars().take(256).all(|c| !c.is_control() || c.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_known_whatever_the_name() {
        let mut nifti = vec![0; 352];
        nifti[344..348].copy_from_slice(b"n+1\0");
        let mut dicom = vec![0; 128];
        dicom[..4].copy_from_slice(b"II*\0");
        dicom.extend(b"DICM\x02\0\0\0UL\x04\0");
        let mut bmp = b"BM\x36\x10\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        bmp.resize(54, 1);
        for (bytes, want) in [
            (&b""[..], Content::Empty),
            (b"\x89PNG\r\n\x1a\n\0\0", Content::Png),
            (b"\xff\xd8\xff\xe0", Content::Jpeg),
            (&dicom, Content::Dicom),
            (b"II*\0\x08\0\0\0", Content::Foreign("TIFF")),
            (b"GIF89a\x01\0", Content::Foreign("GIF")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Content::Foreign("WebP")),
            (&bmp, Content::Foreign("BMP")),
            (&nifti, Content::Foreign("NIfTI")),
            (b"P5\n4 4\n255\n", Content::Foreign("PNM")),
            (b"PK\x03\x04\x14\0", Content::File("ZIP")),
            (b"BMI,age\n22,50\n", Content::Text),
            (b"P1 was scanned twice\n", Content::Text),
            ("Größe: 3 µm".as_bytes(), Content::Text),
            (&"é".as_bytes()[..1], Content::Text),
            (b"\x01\x02\x03", Content::Unknown),
        ] {
            assert_eq!(Content::of(bytes), want, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
