//! Sets that give the class or the patient away, each in its own way, made on the spot: the verdict must name the way in
//! plain words, and must find nothing in a set that gives nothing away.

use crate::audit_of;
use audit::Audit;
use data::Dataset;
use engine::Rng;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::TempDir;

const SIDE: u32 = 80;
/// Images of each class; two thirds are for training.
const IMAGES: u64 = 15;
const PATIENTS: u64 = 10;

/// Discs anywhere, so that no two pictures have anything in common.
fn picture(seed: u64) -> GrayImage {
    let mut rng = Rng::new(seed);
    let side = f64::from(SIDE);
    let discs: Vec<[f64; 4]> = (0..30)
        .map(|_| [rng.range(0.0, side), rng.range(0.0, side), rng.range(3.0, 12.0), rng.range(-30.0, 30.0)])
        .collect();
    GrayImage::from_fn(SIDE, SIDE, |column, row| {
        let inside =
            |disc: &&[f64; 4]| (f64::from(column) - disc[0]).hypot(f64::from(row) - disc[1]) < disc[2];
        let sum: f64 = discs.iter().filter(inside).map(|disc| disc[3]).sum();
        Luma([(120.0 + sum + rng.range(-4.0, 4.0)).clamp(0.0, 255.0) as u8])
    })
}

/// A name that says nothing.
fn name(seed: u64) -> String {
    let mut rng = Rng::derive(&[seed, 1]);
    (0..8).map(|_| char::from(b'a' + rng.range(0.0, 26.0) as u8)).collect()
}

fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Cursor::new(vec![]);
    picture.into().write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn jpeg(picture: &GrayImage, quality: u8) -> Vec<u8> {
    let mut bytes = vec![];
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture).unwrap();
    bytes
}

/// A folder of images as `file` makes them from a picture and whether it is of the class "sick".
fn set(file: impl Fn(GrayImage, bool) -> Vec<u8>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..2 * IMAGES {
        let (class, split) = (["sick", "well"][i as usize % 2], if i % 6 < 4 { "train" } else { "test" });
        let place = folder.path().join(split).join(class);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(format!("{}.png", name(i))), file(picture(i), i % 2 == 0)).unwrap();
    }
    folder
}

fn audit(source: &Path) -> Audit {
    let dataset = Dataset::open_with_missing(source, &Default::default()).unwrap();
    audit_of(&dataset, None, &|_, _| ControlFlow::Continue(())).unwrap()
}

fn verdict(source: &Path) -> String {
    audit(source).verdict.join(" ")
}

/// `picture` with a square of `size` white pixels at a place.
fn with_mark(mut picture: GrayImage, [left, top]: [u32; 2], size: u32) -> GrayImage {
    for (x, y) in (0..size * size).map(|i| (left + i % size, top + i / size)) {
        picture.put_pixel(x, y, Luma([255]));
    }
    picture
}

#[test]
fn a_set_that_gives_nothing_away_is_not_accused() {
    let folder = set(|picture, _| png(picture));
    let found = audit(folder.path());
    let verdict = found.verdict.join(" ");
    assert!(verdict.contains("No leak and no shortcut was found"), "{verdict}");
    assert!(!found.leaks && found.hints.is_empty() && !verdict.contains("tells"), "{verdict}");
}

#[test]
fn what_tells_the_class_is_named() {
    type File = fn(GrayImage, bool) -> Vec<u8>;
    // Each case gives away what its words say, so that few sets are audited.
    let cases: [(&[&str], File); 7] = [
        (&["is JPEG"], |picture, sick| if sick { png(picture) } else { jpeg(&picture, 95) }),
        (&["width", "mean brightness"], |mut picture, sick| {
            picture
                .pixels_mut()
                .filter(|_| sick)
                .for_each(|pixel| pixel.0[0] = pixel.0[0].saturating_add(40));
            png(DynamicImage::from(picture).crop_imm(0, 0, if sick { SIDE - 6 } else { SIDE }, SIDE))
        }),
        (&["bits a sample", "even frame"], |mut picture, sick| {
            if !sick {
                return png(picture);
            }
            let edge = |i: u32| !(4..SIDE - 4).contains(&i);
            picture.enumerate_pixels_mut().filter(|(x, y, _)| edge(*x) || edge(*y)).for_each(|p| p.2.0 = [0]);
            png(DynamicImage::from(picture).to_luma16())
        }),
        (&["stored in colour", "text or marker, top left"], |picture, sick| {
            let marked = DynamicImage::from(with_mark(picture, if sick { [3, 3] } else { [70, 3] }, 6));
            if sick { png(marked.to_rgb8()) } else { png(marked) }
        }),
        (&["JPEG quantisation", "EXIF Model is \"B\""], |picture, sick| {
            // A directory of one entry, the model, as text in place (TIFF 6.0, section 2).
            let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x10\0\x02\0\0\0\x02?\0\0\0\0\0\0\0";
            let mut exif = exif.to_vec();
            let at = exif.iter().position(|&byte| byte == b'?').unwrap();
            exif[at] = if sick { b'A' } else { b'B' };
            let bytes = jpeg(&picture, if sick { 90 } else { 80 });
            [&bytes[..2], &[0xff, 0xe1, 0, exif.len() as u8 + 2], &exif, &bytes[2..]].concat()
        }),
        (&["PNG text Software is \"two\"", "text or marker"], |picture, sick| {
            let bytes = png(if sick { with_mark(picture, [40, 72], 5) } else { picture });
            let (start, end) = bytes.split_at(33); // Behind the header.
            let text = if sick { b"Software\0one" } else { b"Software\0two" };
            let chunk = [&[0, 0, 0, text.len() as u8][..], b"tEXt", text, &[0; 4]].concat();
            [start, &chunk, end].concat()
        }),
        (&["fine detail"], |picture, sick| {
            // One class was once a coarse JPEG.
            let coarse = image::load_from_memory(&jpeg(&picture, 30)).unwrap();
            png(if sick { coarse } else { picture.into() })
        }),
    ];
    for (words, file) in cases {
        let verdict = verdict(set(file).path());
        let is_named = |words: &&str| verdict.contains(words) && verdict.contains("tells the classes apart");
        assert!(words.iter().all(is_named), "{words:?}: {verdict}");
    }
}

#[test]
fn a_label_that_contradicts_itself_is_named() {
    let folder = set(|picture, _| png(picture));
    let from = folder.path().join("train/sick").join(format!("{}.png", name(0)));
    fs::copy(from, folder.path().join("train/well/other.png")).unwrap();
    let verdict = verdict(folder.path());
    assert!(
        verdict.contains("In more than one class: 1 set of copies, so some labels are wrong"),
        "{verdict}"
    );
}

/// Four unlike views of each of [`PATIENTS`] on both sides, each patient of one class.
fn patients(file: impl Fn(u64, u64) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = "path,label,split,Patient_No,age\n".to_owned();
    for i in 0..4 * PATIENTS {
        let (patient, view) = (i / 4, i % 4);
        let (class, split) =
            (["sick", "well"][patient as usize % 2], if view < 3 { "train" } else { "test" });
        let path = format!("{split}/{class}/{}.png", file(patient, view));
        fs::create_dir_all(folder.path().join(&path).parent().unwrap()).unwrap();
        fs::write(folder.path().join(&path), png(picture(i))).unwrap();
        manifest += &format!("{path},{class},{split},{patient},{}\n", 30 + (i * 7) % 40);
    }
    fs::write(folder.path().join("manifest.csv"), manifest).unwrap();
    folder
}

#[test]
fn patients_on_both_sides_are_named_where_names_or_columns_tell_them() {
    let folder = patients(|patient, view| format!("patient{patient:03}_view{view}"));
    let found = audit(folder.path());
    let words = "On both sides of the split: 10 of 10 groups, if 'patient*_view' in the file names is one";
    assert!(found.verdict.join(" ").contains(words), "{:?}", found.verdict);
    assert!(!found.leaks, "nobody said that it is what belongs together");
    assert!(found.verdict.last().unwrap().starts_with("Whether the split leaks depends on"));

    let folder = patients(|patient, view| format!("{patient:08}_{view:03}"));
    let verdict_of_numbers = verdict(folder.path());
    let words = "On both sides of the split: 10 of 10 groups, if '*_' in the file names is one";
    assert!(verdict_of_numbers.contains(words), "{verdict_of_numbers}");

    let folder = patients(|patient, view| name(100 * patient + view));
    let words = "On both sides of the split: 10 of 10 groups, if the column \"Patient_No\" is one";
    let verdict = verdict(&folder.path().join("manifest.csv"));
    assert!(verdict.contains(words), "{verdict}");
}

#[test]
fn files_that_are_not_there_are_named() {
    let folder = patients(|patient, view| name(100 * patient + view));
    fs::remove_file(folder.path().join(format!("train/sick/{}.png", name(1)))).unwrap();
    fs::write(folder.path().join(format!("train/sick/{}.png", name(2))), "text").unwrap();
    let found = audit(&folder.path().join("manifest.csv"));
    assert_eq!((found.images, found.sources, found.unreadable.len()), (40, 38, 2));
    assert!(found.verdict.join(" ").contains("2 files cannot be read"), "{:?}", found.verdict);
}
