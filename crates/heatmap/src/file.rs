//! An overlay as a PNG file that says which picture it shows, so that a later run replaces its own files and no other.

use image::RgbImage;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Keywords of the PNG specification, section 11.3.3.
const SOFTWARE: &str = "Software";
const SOURCE: &str = "Source";
const PROGRAM: &str = "vertebra";

/// The file of an overlay of the picture `source`.
///
/// # Errors
/// When it cannot be encoded.
pub fn overlay_file(canvas: &RgbImage, source: &str) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, canvas.width(), canvas.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.add_text_chunk(SOFTWARE.into(), PROGRAM.into())?;
    encoder.add_itxt_chunk(SOURCE.into(), source.into())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(canvas)?;
    writer.finish()?;
    Ok(bytes)
}

/// Which picture an overlay that this program wrote shows; `None` of any other file.
pub fn overlay_source(path: &Path) -> Option<String> {
    let reader = png::Decoder::new(BufReader::new(File::open(path).ok()?)).read_info().ok()?;
    let info = reader.info();
    let is_ours =
        info.uncompressed_latin1_text.iter().any(|text| text.keyword == SOFTWARE && text.text == PROGRAM);
    let source = info.utf8_text.iter().find(|text| text.keyword == SOURCE)?;
    source.get_text().ok().filter(|_| is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_says_what_it_shows_and_another_picture_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, other) = (folder.path().join("ours.png"), folder.path().join("other.png"));
        let canvas = RgbImage::from_pixel(3, 2, image::Rgb([7, 8, 9]));
        std::fs::write(&ours, overlay_file(&canvas, "scans/Müller 1.png").unwrap()).unwrap();
        assert_eq!(overlay_source(&ours).as_deref(), Some("scans/Müller 1.png"));
        assert_eq!(image::open(&ours).unwrap().to_rgb8(), canvas);
        canvas.save(&other).unwrap();
        assert_eq!(overlay_source(&other), None);
        assert_eq!(overlay_source(&folder.path().join("none.png")), None);
    }
}
