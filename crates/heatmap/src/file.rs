//! An overlay as a PNG file that says which picture it shows, so that a later run replaces its own files and no other. It says
//! so by a hash of the picture's place: paths can point to a person.

use image::RgbImage;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Keywords of the PNG specification, section 11.3.3.
const SOFTWARE: &str = "Software";
const SOURCE: &str = "Source";
const PROGRAM: &str = "vertebra";

/// A picture as the bytes of a PNG file.
///
/// # Errors
/// When it cannot be encoded.
pub fn png(canvas: &RgbImage) -> Result<Vec<u8>, png::EncodingError> {
    encode(canvas, [])
}

/// The file of an overlay of the `picture` that lies there, or is called so.
///
/// # Errors
/// When it cannot be encoded.
pub fn overlay_file(canvas: &RgbImage, picture: &Path) -> Result<Vec<u8>, png::EncodingError> {
    encode(canvas, [(SOFTWARE, PROGRAM), (SOURCE, &place_of(picture))])
}

fn encode<const N: usize>(
    canvas: &RgbImage,
    texts: [(&str, &str); N],
) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, canvas.width(), canvas.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    texts.into_iter().try_for_each(|(keyword, text)| encoder.add_text_chunk(keyword.into(), text.into()))?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(canvas)?;
    writer.finish()?;
    Ok(bytes)
}

/// Whether the file `overlay` shows `picture`; `None` if it is no overlay that this program wrote.
pub fn shows(overlay: &Path, picture: &Path) -> Option<bool> {
    let reader = png::Decoder::new(BufReader::new(File::open(overlay).ok()?)).read_info().ok()?;
    let text = |keyword: &str| {
        let texts = &reader.info().uncompressed_latin1_text;
        texts.iter().find(|text| text.keyword == keyword).map(|text| text.text.as_str())
    };
    let source = text(SOURCE).filter(|_| text(SOFTWARE) == Some(PROGRAM))?;
    Some(source == place_of(picture))
}

/// A hash of where a picture lies: 16 hexadecimal digits of SHA-256.
fn place_of(picture: &Path) -> String {
    let place = picture.canonicalize().unwrap_or_else(|_| picture.to_path_buf());
    data::hexadecimal(&Sha256::digest(place.as_os_str().as_encoded_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_says_what_it_shows_and_another_picture_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let [ours, other, absent] =
            ["ours.png", "other.png", "none.png"].map(|name| folder.path().join(name));
        let canvas = RgbImage::from_pixel(3, 2, image::Rgb([7, 8, 9]));
        std::fs::write(&ours, overlay_file(&canvas, Path::new("scans/Müller 1.png")).unwrap()).unwrap();
        let shown = |picture: &str| shows(&ours, Path::new(picture));
        assert_eq!([shown("scans/Müller 1.png"), shown("Müller 1.png")], [Some(true), Some(false)]);
        assert_eq!(image::open(&ours).unwrap().to_rgb8(), canvas);
        canvas.save(&other).unwrap();
        // One file by two names.
        std::fs::write(&ours, overlay_file(&canvas, &other).unwrap()).unwrap();
        assert_eq!(shows(&ours, &folder.path().join("./other.png")), Some(true));
        assert_eq!([shows(&other, &other), shows(&absent, &other)], [None, None]);
    }
}
