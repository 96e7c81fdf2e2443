//! Every kind of file that is read, and every kind of damage that is refused.

use std::io::Cursor;
use std::path::PathBuf;

use data::{decode, decode_bytes};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Pixel, Rgb, Rgba};
use model::{Picture, Preprocessing, pixels, preprocess};

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A 3 x 2 PNG of the pixels 0, 1, ... as `pixel` makes them.
fn png<P: Pixel>(pixel: impl Fn(u32) -> P) -> Vec<u8>
where
    DynamicImage: From<ImageBuffer<P, Vec<P::Subpixel>>>,
{
    encode(&ImageBuffer::from_fn(3, 2, |x, y| pixel(y * 3 + x)).into(), ImageFormat::Png)
}

fn gray(picture: &Picture) -> Vec<f32> {
    pixels(picture, &Preprocessing::new(1, [picture.height, picture.width]))
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[track_caller]
fn assert_refused(bytes: &[u8], reason: &str) {
    let error = decode_bytes("x.png", bytes).unwrap_err().to_string();
    assert!(error.starts_with("x.png: ") && error.contains(reason), "{error}");
}

#[test]
fn eight_bit_pngs_keep_their_values() {
    let files: [(usize, Vec<u8>); 4] = [
        (1, png(|i| Luma([40 * i as u8]))),
        (1, png(|i| LumaA([40 * i as u8, 9 * i as u8]))),
        (3, png(|i| Rgb([40 * i as u8; 3]))),
        (3, png(|i| Rgba([40 * i as u8, 40 * i as u8, 40 * i as u8, 7]))),
    ];
    for (channels, bytes) in files {
        let picture = decode_bytes("x", &bytes).unwrap();
        assert_eq!((picture.width, picture.height, picture.channels, picture.bits), (3, 2, channels, 8));
        assert_eq!(gray(&picture), [0.0, 40.0, 80.0, 120.0, 160.0, 200.0]);
    }
}

#[test]
fn sixteen_bit_pngs_are_scaled_to_255() {
    let value = |i: u32| (13_107 * i) as u16;
    let files: [Vec<u8>; 4] = [
        png(|i| Luma([value(i)])),
        png(|i| LumaA([value(i), 3])),
        png(|i| Rgb([value(i); 3])),
        png(|i| Rgba([value(i), value(i), value(i), 3])),
    ];
    for bytes in files {
        let picture = decode_bytes("x", &bytes).unwrap();
        assert_eq!(picture.bits, 16);
        assert_eq!(gray(&picture), [0.0, 51.0, 102.0, 153.0, 204.0, 255.0]);
    }
    let odd = decode_bytes("x", &png(|i| Rgb([(i * 9_999 + 7) as u16; 3]))).unwrap();
    let want: Vec<f32> = (0..6).map(|i| (i * 9_999 + 7) as f32 / 257.0).collect();
    assert_eq!(gray(&odd), want, "R = G = B is exactly that value");
}

/// Files that Pillow 13.0.0 wrote and what its `convert("L")` gives.
#[test]
fn palette_and_one_bit_pngs_equal_pillow() {
    let palette = "89504e470d0a1a0a0000000d4948445200000003000000020203000000e01a8e890000000c504c5445000000ff00000080000a\
                   141e1476e4af0000000c49444154789c639060780200013000fd56cd1c730000000049454e44ae426082";
    let transparent = "89504e470d0a1a0a0000000d4948445200000003000000020203000000e01a8e890000000c504c5445000000ff000000\
                       80000a141e1476e4af0000000474524e530080ffffec806fe50000000c49444154789c639060780200013000fd56cd1c\
                       730000000049454e44ae426082";
    for file in [palette, transparent] {
        let picture = decode_bytes("x", &unhex(file)).unwrap();
        assert_eq!(picture.samples[3..9], [255.0, 0.0, 0.0, 0.0, 128.0, 0.0]);
        assert_eq!(gray(&picture), [0.0, 76.0, 75.0, 18.0, 75.0, 76.0]);
    }
    let bits = "89504e470d0a1a0a0000000d4948445200000005000000020100000000b8112bf00000000c49444154789c6358c0600000021400\
                d1f94f043c0000000049454e44ae426082";
    let want = [1, 0, 1, 0, 0, 0, 0, 1, 1, 0].map(|bit| 255.0 * bit as f32);
    assert_eq!(decode_bytes("x", &unhex(bits)).unwrap().samples, want);
}

/// A smooth picture without symmetry, which JPEG keeps to about one gray level.
fn gradient() -> DynamicImage {
    let mut image = image::GrayImage::from_fn(24, 16, |x, y| Luma([(20 + 5 * x + 6 * y) as u8]));
    image.put_pixel(0, 0, Luma([30]));
    image.into()
}

fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut tiff = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut out = vec![0xff, 0xd8, 0xff, 0xe1, 0, tiff.len() as u8 + 2];
    out.extend(&tiff);
    out.extend(&jpeg[2..]);
    out
}

#[test]
fn exif_orientation_is_applied() {
    let jpeg = encode(&gradient(), ImageFormat::Jpeg);
    let stored = decode_bytes("x", &jpeg).unwrap();
    let (w, h) = (stored.width, stored.height);
    assert_eq!((w, h, stored.channels), (24, 16, 1));
    // Where pixel (x, y) of the upright picture lies in the stored one (EXIF 2.32, tag 0x0112).
    let source = |orientation: u8, x: usize, y: usize| match orientation {
        1 => (x, y),
        2 => (w - 1 - x, y),
        3 => (w - 1 - x, h - 1 - y),
        4 => (x, h - 1 - y),
        5 => (y, x),
        6 => (y, h - 1 - x),
        7 => (w - 1 - y, h - 1 - x),
        _ => (w - 1 - y, x),
    };
    for orientation in 1..=8 {
        let upright = decode_bytes("x", &with_orientation(&jpeg, orientation)).unwrap();
        let size = if orientation < 5 { (w, h) } else { (h, w) };
        assert_eq!((upright.width, upright.height), size, "orientation {orientation}");
        for (i, value) in upright.samples.iter().enumerate() {
            let (x, y) = source(orientation, i % upright.width, i / upright.width);
            assert_eq!(*value, stored.samples[y * w + x], "orientation {orientation}, sample {i}");
        }
    }
}

#[test]
fn jpeg_colour_is_close_to_what_was_written() {
    let image = image::RgbImage::from_fn(16, 16, |x, _| Rgb([200, 100 + x as u8, 50]));
    let picture = decode_bytes("x", &encode(&image.clone().into(), ImageFormat::Jpeg)).unwrap();
    assert_eq!(picture.channels, 3);
    let worst = picture.samples.iter().zip(image.as_raw()).map(|(a, &b)| (a - f32::from(b)).abs());
    assert!(worst.fold(0.0, f32::max) < 6.0);
}

#[test]
fn damage_is_refused_with_a_reason() {
    assert_refused(b"", "expected a PNG, JPEG or DICOM image, found an empty file");
    assert_refused(b"patient,label\n1,normal\n", "expected a PNG, JPEG or DICOM image, found text");
    assert_refused(&[0, 1, 2, 3], "found unknown bytes");
    assert_refused(b"GIF89a", "found a GIF file");
    assert_refused(b"\xff\xd8\xff", "truncated");

    let noisy = |x: u32, y: u32| Luma([(x * x * 31 + y * 77 + x * y) as u8]);
    let image: DynamicImage = image::GrayImage::from_fn(64, 64, noisy).into();
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let bytes = encode(&image, format);
        for keep in [12, 30, bytes.len() / 2, bytes.len() - 20] {
            assert!(decode_bytes("x", &bytes[..keep]).is_err(), "{format:?} cut to {keep} bytes");
        }
        assert_refused(&bytes[..bytes.len() / 2], "truncated");
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x55;
            let _ = decode_bytes("x", &bad); // An error or a picture, never a panic.
        }
    }
}

/// A PNG that is nothing but a header, and a JPEG whose frame header was rewritten.
#[test]
fn huge_headers_are_refused_before_anything_is_allocated() {
    let mut huge = png(|_| Luma([0u8]));
    huge[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let crc = crc32(&huge[12..29]).to_be_bytes();
    huge[29..33].copy_from_slice(&crc);
    assert_refused(&huge, "at most 100 megapixels, found 30000 x 30000");

    let mut jpeg = encode(&gradient(), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
    assert_refused(&jpeg, "at most 100 megapixels, found 30000 x 30000");
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        let step = |c: u32| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 };
        (0..8).fold(crc ^ u32::from(byte), |c, _| step(c))
    })
}

#[test]
fn files_are_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.png");
    assert!(decode(&missing).unwrap_err().to_string().contains("missing.png"));
    let text: PathBuf = folder.path().join("note.png");
    std::fs::write(&text, "no image").unwrap();
    let error = decode(&text).unwrap_err().to_string();
    assert!(error.contains("note.png: expected a PNG, JPEG or DICOM image, found text"), "{error}");
}

#[test]
fn preprocessing_is_channels_then_size_then_scale() {
    let picture =
        Picture { width: 1, height: 1, channels: 3, bits: 8, shown: true, samples: vec![255.0, 0.0, 0.0] };
    assert_eq!(preprocess(&picture, &Preprocessing::new(1, [1, 1])), [76.0 * (1.0 / 127.5) - 1.0]);
    let gray = Picture { channels: 1, samples: vec![255.0], ..picture };
    assert_eq!(preprocess(&gray, &Preprocessing::new(3, [1, 1])), [1.0; 3]);
}
