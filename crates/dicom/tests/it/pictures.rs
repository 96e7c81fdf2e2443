//! What a DICOM file shows: modality transform, values of interest, inversion, colour; and what is refused.

use crate::common::Writer;
use crate::tags::{
    BIG_ENDIAN, CENTER, DESCRIPTOR, EXPLICIT, FRAMES, FUNCTION, IMPLICIT, INTERCEPT, ITEM, MODALITY,
    MODALITY_LUT, PADDING, PATIENT, PIXELS, PLANAR, SLOPE, SOP_CLASS, TABLE, VOI_LUT, WIDTH,
};
use data::decode_bytes;
use dicom::{ModalityTransform, Voi};
use model::Picture;

fn show(file: &Writer) -> Picture {
    decode_bytes("x", &file.bytes()).unwrap()
}

#[track_caller]
fn refuse(file: &Writer, reason: &str) {
    let error = decode_bytes("x", &file.bytes()).unwrap_err().to_string();
    assert!(error.starts_with("x: ") && error.contains(reason), "{error}");
}

/// One row of 16-bit values.
fn row(photometric: &str, values: &[u16], extra: impl Fn(&mut Writer)) -> Writer {
    let mut file = Writer::new(EXPLICIT);
    file.image(photometric, [1, values.len() as u16], [16, 16], 0);
    extra(&mut file);
    file.words(PIXELS, b"OW", values);
    file
}

#[track_caller]
fn assert_shades(picture: &Picture, want: &[f64]) {
    assert_eq!(picture.samples.len(), want.len());
    for (found, want) in picture.samples.iter().zip(want) {
        assert!((f64::from(*found) / 255.0 - want).abs() < 1e-5, "{:?} {want:?}", picture.samples);
    }
}

/// The formulas of PS3.3 section C.11.2.1, by hand.
#[test]
fn windows() {
    let values = [7, 8, 9, 10, 11, 12, 13];
    let window = |function: Option<&'static str>, width: &'static str| {
        move |file: &mut Writer| {
            file.text(CENTER, b"DS", "10\\99").text(WIDTH, b"DS", width);
            function.map(|function| file.text(FUNCTION, b"CS", function));
        }
    };
    let sigmoid = [0.0474259, 0.1192029, 0.2689414, 0.5, 0.7310586, 0.8807971, 0.9525741];
    for (function, width, want) in [
        (None, "5\\3", [0.0, 0.125, 0.375, 0.625, 0.875, 1.0, 1.0]),
        (Some("LINEAR"), "1", [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]),
        (Some("LINEAR_EXACT"), "5", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]),
        (Some("SIGMOID"), "4", sigmoid),
        (Some("LINEAR"), "0", [0.0, 1.0 / 6.0, 2.0 / 6.0, 0.5, 4.0 / 6.0, 5.0 / 6.0, 1.0]),
    ] {
        let picture = show(&row("MONOCHROME2", &values, window(function, width)));
        assert_eq!((picture.width, picture.height, picture.channels, picture.bits), (7, 1, 1, 16));
        assert_shades(&picture, &want);
        let inverted = show(&row("MONOCHROME1", &values, window(function, width)));
        assert_shades(&inverted, &want.map(|shade| 1.0 - shade));
    }
    // What the standard does not know is LINEAR, and capitals do not matter.
    for (function, like) in [("CUBIC", None), ("", None), ("linear_exact", Some("LINEAR_EXACT"))] {
        let found = show(&row("MONOCHROME2", &values, window(Some(function), "5")));
        assert_eq!(found, show(&row("MONOCHROME2", &values, window(like, "5"))), "{function}");
    }
}

#[test]
fn rescale_comes_before_the_window_and_padding_is_black() {
    let file = |photometric: &str, window: bool| {
        row(photometric, &[0, 5, 10, 20, 65_535], |file| {
            file.words(PADDING, b"US", &[65_535]);
            file.text(INTERCEPT, b"DS", "-10").text(SLOPE, b"DS", "2");
            if window {
                file.text(CENTER, b"DS", "10").text(WIDTH, b"DS", "40").text(FUNCTION, b"CS", "LINEAR_EXACT");
            }
        })
    };
    // -10, 0, 10 and 30 are measured.
    assert_shades(&show(&file("MONOCHROME2", true)), &[0.0, 0.25, 0.5, 1.0, 0.0]);
    assert_shades(&show(&file("MONOCHROME2", false)), &[0.0, 0.25, 0.5, 1.0, 0.0]);
    assert_shades(&show(&file("MONOCHROME1", false)), &[1.0, 0.75, 0.5, 0.0, 0.0]);
}

/// A modality table of 4 entries from 2 on, and a VOI table of 8 bits, which the window does not replace.
#[test]
fn tables() {
    for defined in [true, false] {
        let file = row("MONOCHROME2", &[0, 2, 3, 4, 5, 9], |file| {
            file.text(CENTER, b"DS", "1").text(WIDTH, b"DS", "1");
            file.sequence(MODALITY_LUT, defined, |item| {
                item.words(DESCRIPTOR, b"US", &[4, 2, 16]).words(TABLE, b"OW", &[100, 101, 103, 102]);
            });
            file.sequence(VOI_LUT, defined, |item| {
                item.words(DESCRIPTOR, b"US", &[3, 101, 8]).words(TABLE, b"OW", &[51, 102, 255]);
            });
        });
        let want = [51.0, 51.0, 51.0, 255.0, 102.0, 102.0].map(|level| level / 255.0);
        assert_shades(&show(&file), &want);
    }
}

/// Bits above the stored ones (overlays of old files) do not count, and the sign is that of the highest stored bit.
#[test]
fn stored_bits() {
    let file = |signed: u16, high: u16, values: &[u16]| {
        let mut file = Writer::new(EXPLICIT);
        file.image("MONOCHROME2", [1, values.len() as u16], [16, 12], signed);
        file.words(0x0028_0102, b"US", &[high]).words(PIXELS, b"OW", values);
        dicom::read(&file.bytes()).unwrap().values
    };
    assert_eq!(file(0, 11, &[0xf001, 0x0fff]), [1, 4095]);
    assert_eq!(file(1, 11, &[0xf001, 0x0fff, 0x0800]), [1, -1, -2048]);
    assert_eq!(file(1, 15, &[0x001f, 0xfff0]), [1, -1]);
}

#[test]
fn eight_bits_without_a_window_are_shown_as_they_are() {
    let mut file = Writer::new(EXPLICIT);
    file.image("MONOCHROME2", [1, 3], [8, 8], 0).raw(PIXELS, b"OB", &[10, 20, 200]);
    let picture = show(&file);
    assert_eq!((picture.bits, &picture.samples[..]), (8, &[10.0, 20.0, 200.0][..]));
    let mut file = Writer::new(EXPLICIT);
    file.image("MONOCHROME1", [1, 3], [8, 8], 0).raw(PIXELS, b"OB", &[10, 20, 200]);
    assert_eq!(show(&file).samples, [245.0, 235.0, 55.0]);
}

#[test]
fn colour() {
    let file = |photometric: &str, planar: u16, bytes: &[u8]| {
        let mut file = Writer::new(EXPLICIT);
        file.image(photometric, [1, 2], [8, 8], 0).words(PLANAR, b"US", &[planar]).raw(PIXELS, b"OB", bytes);
        show(&file)
    };
    let want = [255.0, 0.0, 0.0, 0.0, 128.0, 255.0];
    let picture = file("RGB", 0, &[255, 0, 0, 0, 128, 255]);
    assert_eq!((picture.channels, picture.bits, &picture.samples[..]), (3, 8, &want[..]));
    assert_eq!(file("RGB", 1, &[255, 0, 0, 128, 0, 255]).samples, want);
    // Pure red is (76.245, 84.97, 255.5) in YBR (PS3.3 section C.7.6.3.1.2).
    for value in file("YBR_FULL", 0, &[76, 85, 255, 76, 85, 255]).samples.chunks_exact(3) {
        assert!(value[0] >= 253.0 && value[1] <= 2.0 && value[2] <= 2.0, "{value:?}");
    }
    assert_eq!(
        file("YBR_FULL_422", 0, &[10, 200, 128, 128]).samples,
        [10.0, 10.0, 10.0, 200.0, 200.0, 200.0]
    );

    let mut file = Writer::new(EXPLICIT);
    file.image("PALETTE COLOR", [1, 4], [8, 8], 0);
    for (number, levels) in [[0, 0xffff], [0x8080, 0], [0, 0x0101]].iter().enumerate() {
        file.words(0x0028_1101 + number as u32, b"US", &[2, 7, 16]);
        file.words(0x0028_1201 + number as u32, b"OW", levels);
    }
    file.raw(PIXELS, b"OB", &[0, 7, 8, 9]);
    let (first, last) = ([0.0, 128.0, 0.0], [255.0, 0.0, 1.0]);
    assert_eq!(show(&file).samples, [first, first, last, last].concat());
}

/// The same image in every way to write elements, behind sequences that must be stepped over.
#[test]
fn encodings() {
    for syntax in [IMPLICIT, EXPLICIT, BIG_ENDIAN] {
        for defined in [true, false] {
            let mut file = Writer::new(syntax);
            file.text(MODALITY, b"CS", "DX");
            file.sequence(0x0008_1140, defined, |item| {
                item.text(0x0008_1150, b"UI", "1.2.3");
                item.sequence(0x0040_a170, !defined, |inner| {
                    // Not the image's rows.
                    inner.words(0x0028_0010, b"US", &[9]);
                });
            });
            file.text(0x0010_0010, b"PN", "Doe^Jane").image("MONOCHROME2", [2, 2], [16, 16], 1);
            file.words(PIXELS, b"OW", &[1, 2, 3, 0xffff]);
            let stored = dicom::read(&file.bytes()).unwrap();
            assert_eq!(
                (stored.rows, stored.columns, &stored.values[..]),
                (2, 2, &[1, 2, 3, -1][..]),
                "{syntax}"
            );
            let bare = &file.bytes()[132 + 8 + syntax.len().next_multiple_of(2)..];
            assert_eq!(dicom::read(bare).unwrap(), stored, "{syntax} without preamble and meta information");
        }
    }
    // Bytes of a big-endian file that are written as words.
    let mut file = Writer::new(BIG_ENDIAN);
    file.image("MONOCHROME2", [1, 3], [8, 8], 0).words(PIXELS, b"OW", &[0x0201, 0x0003]);
    assert_eq!(dicom::read(&file.bytes()).unwrap().values, [1, 2, 3]);
}

#[test]
fn deflated() {
    let mut file = Writer::new("1.2.840.10008.1.2.1.99");
    let head = file.bytes().len();
    file.image("MONOCHROME2", [1, 3], [8, 8], 0).raw(PIXELS, b"OB", &[10, 20, 30]);
    let bytes = file.bytes();
    // A stored block (RFC 1951 section 3.2.4).
    let length = (bytes.len() - head) as u16;
    let block = [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &bytes[head..]].concat();
    let whole = [&bytes[..head], &block].concat();
    assert_eq!(dicom::read(&whole).unwrap().values, [10, 20, 30]);
    let error = dicom::read(&whole[..whole.len() - 10]).unwrap_err();
    assert!(error.contains("cannot be inflated"), "{error}");
}

#[test]
fn what_is_no_single_image_is_refused_by_name() {
    let object = |class: &str, frames: &str| {
        let mut file = Writer::new(EXPLICIT);
        file.text(SOP_CLASS, b"UI", class).image("MONOCHROME2", [1, 2], [16, 16], 0);
        file.text(FRAMES, b"IS", frames).words(PIXELS, b"OW", &[1, 2]);
        file
    };
    refuse(&object("1.2.840.10008.5.1.4.1.1.6.1", "30"), "found 30 frames (a multi-frame object)");
    refuse(&object("1.2.840.10008.5.1.4.1.1.481.2", "1"), "found a radiotherapy dose");
    refuse(&object("1.2.840.10008.5.1.4.1.1.66.4", "1"), "found a segmentation");
    refuse(&object("1.2.840.10008.5.1.4.1.1.2.1", "1"), "found an enhanced CT (multi-frame) object");
    refuse(
        Writer::new(EXPLICIT).text(SOP_CLASS, b"UI", "1.2.840.10008.5.1.4.1.1.88.11"),
        "a structured report",
    );
    refuse(Writer::new(EXPLICIT).text(MODALITY, b"CS", "CR"), "without pixel data");

    let coded = |syntax: &str| {
        let mut file = Writer::new(syntax);
        file.image("MONOCHROME2", [1, 2], [8, 8], 0).fragment(&[0; 8]);
        file
    };
    for (uid, name) in [
        ("1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000 (1.2.840.10008.1.2.4.203)"),
        ("1.2.840.10008.1.2.4.110", "JPEG XL Lossless"),
        ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile"),
        ("1.2.3.4", "unknown (1.2.3.4)"),
    ] {
        refuse(&coded(uid), &format!("no decoder for the transfer syntax {name}"));
    }
    for (syntax, reason) in
        [("4.50", "expected JPEG code"), ("4.80", "JPEG-LS"), ("4.90", "JPEG 2000"), ("5", "RLE")]
    {
        refuse(&coded(&format!("1.2.840.10008.1.2.{syntax}")), reason);
    }

    let image = |photometric: &str, size: [u16; 2], bits: [u16; 2]| {
        let mut file = Writer::new(EXPLICIT);
        file.image(photometric, size, bits, 0).words(PIXELS, b"OW", &[1, 2]);
        file
    };
    refuse(&image("MONOCHROME2", [2, 2], [16, 16]), "truncated: expected 8 bytes of pixel data, found 4");
    refuse(&image("MONOCHROME2", [65_535, 65_535], [16, 16]), "at most 100 megapixels, found 65535 x 65535");
    refuse(&image("MONOCHROME2", [0, 2], [16, 16]), "found 2 x 0");
    refuse(&image("MONOCHROME2", [1, 1], [64, 64]), "expected 1 to 32 bits allocated, found 64");
    refuse(&image("YBR_FULL", [1, 1], [32, 32]), "expected 8 or 16 bits allocated for YBR_FULL, found 32");
    refuse(&image("MONOCHROME2", [1, 1], [8, 12]), "stored bits inside the 8 allocated");
    refuse(&image("YBR_PARTIAL_420", [1, 1], [8, 8]), "found YBR_PARTIAL_420");
}

#[test]
fn lengths_that_lie_are_errors() {
    let mut file = Writer::new(EXPLICIT);
    file.head(0x0008_1140, b"SQ", 0xffff_fff0);
    refuse(&file, "truncated: expected 4294967280 bytes in element (0008,1140), found 0");
    let mut deep = Writer::new(EXPLICIT);
    for _ in 0..100 {
        deep.head(0x0008_1140, b"SQ", u32::MAX);
        deep.head(ITEM, b"  ", u32::MAX);
    }
    refuse(&deep, "nested at most 32 deep");
}

#[test]
fn a_description_says_how_and_not_who() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let mut file = Writer::new(EXPLICIT);
    file.text(MODALITY, b"CS", "DX").text(0x0010_0010, b"PN", "Doe^Jane").text(PATIENT, b"LO", "4711");
    file.image("MONOCHROME1", [1, 2], [16, 12], 0).text(CENTER, b"DS", "5").text(WIDTH, b"DS", "10");
    file.words(PIXELS, b"OW", &[3, 9]);
    std::fs::write(&path, file.bytes()).unwrap();
    let description = data::describe(&path).unwrap();
    let text = format!("{description:?}");
    assert!(!text.contains("Doe") && !text.contains("4711"), "{text}");
    assert_eq!((&description.modality[..], description.frames), ("DX", Some(1)));
    let image = description.image.unwrap();
    assert_eq!((image.values, image.modality_transform), ([3, 9], Some(ModalityTransform::Identity)));
    assert!(matches!(image.voi, Some(Voi::Window { center: 5.0, width: 10.0, .. })));
}
