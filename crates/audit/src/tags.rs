//! What a file's metadata says, name by name: who wrote it, with what, how it is encoded. A scanner, a program or a way of
//! saving that only one class went through tells the class without a look at the picture.
//!
//! Invariant: a text that could hold anything (a comment, a caption) is given as a hash, so that no patient's name gets
//! into a report; what is damaged counts as far as it can be followed.

use data::hexadecimal;
use sha2::{Digest, Sha256};

use crate::file::{Container, chunks, segments};

/// A name with a value.
pub type NamedValue = (String, String);

/// EXIF's tags that are shown (TIFF 6.0 and EXIF 2.3): who made the picture, with what, and how it lies.
const EXIF: [(u16, &str); 6] = [
    (0x010f, "EXIF Make"),
    (0x0110, "EXIF Model"),
    (0x0112, "EXIF Orientation"),
    (0x011a, "EXIF XResolution"),
    (0x0131, "EXIF Software"),
    (0xa001, "EXIF ColorSpace"),
];
/// PNG's keywords whose texts are shown; of others the text is hashed.
const KEYWORDS: [&str; 2] = ["Software", "Source"];

/// The metadata of a PNG, JPEG or DICOM file.
pub fn tags(bytes: &[u8]) -> Vec<NamedValue> {
    match Container::of(bytes) {
        Container::Png => png(bytes),
        Container::Jpeg => jpeg(bytes),
        Container::Dicom => {
            let named = dicom::technique(bytes).into_iter();
            named.map(|(keyword, value)| (format!("DICOM {keyword}"), value)).collect()
        }
    }
}

/// Chunks up to the pixels, and the texts behind them (PNG specification, section 11).
fn png(bytes: &[u8]) -> Vec<NamedValue> {
    let mut found = vec![];
    for (kind, content) in chunks(bytes) {
        let length = content.len();
        let keyword = |content: &[u8]| {
            let end = content.iter().position(|&byte| byte == 0)?;
            Some((String::from_utf8_lossy(&content[..end]).into_owned(), end + 1))
        };
        match kind {
            b"IHDR" if length == 13 => {
                found.push(("PNG colour type".into(), content[9].to_string()));
                found.push(("PNG interlaced".into(), content[12].to_string()));
            }
            b"pHYs" if length == 9 => {
                let number =
                    |at: usize| content[at..at + 4].iter().fold(0u32, |n, &byte| n << 8 | u32::from(byte));
                let unit = if content[8] == 1 { " a metre" } else { "" };
                found.push(("PNG pixel density".into(), format!("{} x {}{unit}", number(0), number(4))));
            }
            b"gAMA" => found.push(("PNG gamma".into(), hexadecimal(content))),
            b"sRGB" => found.push(("PNG sRGB".into(), hexadecimal(content))),
            b"iCCP" => {
                found.extend(keyword(content).map(|(name, _)| ("PNG colour profile".to_owned(), name)));
            }
            b"eXIf" => found.extend(exif(content)),
            b"tEXt" | b"zTXt" | b"iTXt" => {
                if let Some((name, end)) = keyword(content) {
                    let plain = kind == b"tEXt" && KEYWORDS.contains(&name.as_str());
                    let text = &content[end..];
                    let value = if plain { String::from_utf8_lossy(text).into_owned() } else { hash(text) };
                    found.push((format!("PNG text {name}"), value));
                }
            }
            _ => {}
        }
    }
    found
}

/// Segments up to the first scan (ITU-T T.81, B.1.1.3; JFIF 1.02; EXIF 2.3, 4.5.4).
fn jpeg(bytes: &[u8]) -> Vec<NamedValue> {
    let mut found = vec![];
    for (marker, content) in segments(bytes) {
        match (marker, content) {
            (0xe0, [b'J', b'F', b'I', b'F', 0, _, _, unit, density @ ..]) if density.len() >= 4 => {
                let [x, y] = [0, 2].map(|at| u16::from_be_bytes([density[at], density[at + 1]]));
                let unit = ["", " an inch", " a centimetre"].get(usize::from(*unit)).unwrap_or(&"");
                found.push(("JPEG pixel density".into(), format!("{x} x {y}{unit}")));
            }
            (0xe1, [b'E', b'x', b'i', b'f', 0, 0, rest @ ..]) => found.extend(exif(rest)),
            (0xe2, [b'I', b'C', b'C', ..]) => found.push(("JPEG colour profile".into(), hash(content))),
            (0xed, _) => found.push(("JPEG Photoshop data".into(), "there".into())),
            (0xfe, _) => found.push(("JPEG comment".into(), hash(content))),
            // Frames of every process: all start-of-frame markers but those of tables, arithmetic and reserved ones.
            (0xc0..=0xcf, [_, _, _, _, _, components, rest @ ..])
                if ![0xc4, 0xc8, 0xcc].contains(&marker) =>
            {
                let process =
                    ["baseline", "extended", "progressive", "lossless"].get(usize::from(marker - 0xc0));
                found.push(("JPEG process".into(), (*process.unwrap_or(&"other")).into()));
                let each = rest.chunks_exact(3).take((*components).into());
                let sampling: Vec<String> =
                    each.map(|one| format!("{}x{}", one[1] >> 4, one[1] & 15)).collect();
                found.push(("JPEG sampling".into(), sampling.join(" ")));
            }
            _ => {}
        }
    }
    found
}

/// The first directory of EXIF data, which are a TIFF file.
fn exif(bytes: &[u8]) -> Vec<NamedValue> {
    let little = bytes.starts_with(b"II");
    let word = |at: usize| {
        let pair = [*bytes.get(at)?, *bytes.get(at + 1)?];
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let double = |at: usize| {
        let (first, second) = (u32::from(word(at)?), u32::from(word(at.checked_add(2)?)?));
        Some(if little { second << 16 | first } else { first << 16 | second } as usize)
    };
    let entry = |at: usize| {
        let (tag, kind, count) = (word(at)?, word(at + 2)?, double(at + 4)?);
        let (_, name) = EXIF.iter().find(|(known, _)| *known == tag)?;
        let value = match kind {
            2 => {
                let start = if count <= 4 { at + 8 } else { double(at + 8)? };
                let text = bytes.get(start..start.checked_add(count)?)?;
                String::from_utf8_lossy(text).trim_matches(['\0', ' ']).to_owned()
            }
            3 => word(at + 8)?.to_string(),
            4 => double(at + 8)?.to_string(),
            5 => {
                let start = double(at + 8)?;
                format!("{}/{}", double(start)?, double(start.checked_add(4)?)?)
            }
            _ => return None,
        };
        Some(((*name).to_owned(), value))
    };
    let Some((start, count)) = double(4).and_then(|start| Some((start, word(start)?))) else { return vec![] };
    (0..usize::from(count)).filter_map(|i| entry(start.checked_add(2 + 12 * i)?)).collect()
}

/// Enough to tell two texts apart.
fn hash(text: &[u8]) -> String {
    format!("a text of hash {}", hexadecimal(&Sha256::digest(text)[..4]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
    use image::{ExtendedColorType, GrayImage, ImageEncoder};

    fn value<'a>(tags: &'a [NamedValue], name: &str) -> Option<&'a str> {
        tags.iter().find(|tag| tag.0 == name).map(|tag| tag.1.as_str())
    }

    /// EXIF data with Make "Acme" and Model "X" (ASCII, the first not in place), as TIFF 6.0 lays them out.
    fn acme(little: bool) -> Vec<u8> {
        let word = |v: u16| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let double = |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let mut bytes = if little { b"II".to_vec() } else { b"MM".to_vec() };
        bytes.extend(word(42));
        bytes.extend(double(8));
        bytes.extend(word(2));
        for (tag, count, field) in [(0x010f, 5, double(38)), (0x0110, 2, *b"X\0\0\0")] {
            bytes.extend([&word(tag)[..], &word(2), &double(count), &field].concat());
        }
        bytes.extend(double(0));
        bytes.extend(b"Acme\0");
        bytes
    }

    #[test]
    fn a_png_says_what_wrote_it() {
        let mut plain = vec![];
        let picture = GrayImage::new(4, 4);
        PngEncoder::new(&mut plain).write_image(&picture, 4, 4, ExtendedColorType::L8).unwrap();
        let chunk = |kind: &[u8; 4], content: &[u8]| {
            [&(content.len() as u32).to_be_bytes()[..], kind, content, &[0; 4]].concat()
        };
        let end = plain.len() - 12;
        let added = [
            chunk(b"tEXt", b"Software\0tool 1"),
            chunk(b"tEXt", b"Comment\0Jane Doe"),
            chunk(b"eXIf", &acme(true)),
        ];
        let found = tags(&[&plain[..end], &added.concat(), &plain[end..]].concat());
        assert_eq!(value(&found, "PNG text Software"), Some("tool 1"));
        assert_eq!(value(&found, "PNG colour type"), Some("0"));
        assert_eq!((value(&found, "EXIF Make"), value(&found, "EXIF Model")), (Some("Acme"), Some("X")));
        let comment = value(&found, "PNG text Comment").unwrap();
        assert!(comment.contains("hash") && !comment.contains("Jane"), "{comment}");
    }

    #[test]
    fn a_jpeg_says_what_wrote_it() {
        let mut plain = vec![];
        JpegEncoder::new(&mut plain).encode_image(&GrayImage::new(16, 16)).unwrap();
        let exif = [&b"Exif\0\0"[..], &acme(false)].concat();
        let segment = [&[0xff, 0xe1][..], &(exif.len() as u16 + 2).to_be_bytes(), &exif].concat();
        let whole = [&plain[..2], &segment, &plain[2..]].concat();
        let found = tags(&whole);
        assert_eq!((value(&found, "EXIF Make"), value(&found, "EXIF Model")), (Some("Acme"), Some("X")));
        assert_eq!(
            (value(&found, "JPEG process"), value(&found, "JPEG sampling")),
            (Some("baseline"), Some("1x1"))
        );
        for end in 0..whole.len() {
            tags(&whole[..end]);
        }
    }
}
