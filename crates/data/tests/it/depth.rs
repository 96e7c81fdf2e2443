//! Images of 16 bits, and the window of a model: what a file stores reaches the network, in training as in prediction.

use data::{Augment, Dataset, Loader, LoaderOptions, Remarks, decode_through};
use image::{ImageBuffer, Luma, Rgb};
use model::{Preprocessing, ResizeMode, Window, preprocess};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// Nothing changes, but images go through the augmentation.
const NOTHING: Augment = Augment {
    rotation_degrees: 0.0,
    shift: 0.0,
    zoom: 0.0,
    contrast: 0.0,
    brightness: 0.0,
    noise: 0.0,
    flip: false,
};

/// Eight images of 48 x 64 in two classes, whose values all lie within three levels of 8 bits.
fn set() -> (TempDir, Dataset) {
    let root = tempfile::tempdir().unwrap();
    for i in 0..8u32 {
        let path = root.path().join(["a", "b"][i as usize % 2]);
        std::fs::create_dir_all(&path).unwrap();
        let value = |x: u32, y: u32| 30_000 + (x * 7 + y * 13 + i * 31) % 700;
        let image = ImageBuffer::from_fn(64, 48, |x, y| Luma([value(x, y) as u16]));
        image.save(path.join(format!("{i}.png"))).unwrap();
    }
    let dataset = Dataset::open(root.path()).unwrap();
    (root, dataset)
}

fn read(dataset: &Dataset, prep: &Preprocessing, options: LoaderOptions) -> Vec<f32> {
    let loader = Loader::new(dataset, &dataset.all(), prep, LoaderOptions { shuffle: false, ..options });
    let images = |epoch| -> Vec<f32> { loader.batches(epoch, 0).flat_map(|b| b.unwrap().images).collect() };
    let first = images(0);
    assert_eq!(images(1), first, "the second epoch may come from the cache");
    first
}

#[test]
fn every_bit_reaches_training_and_prediction_alike() {
    let (_root, dataset) = set();
    let sizes =
        [([48, 64], ResizeMode::Stretch), ([32, 24], ResizeMode::Stretch), ([40, 56], ResizeMode::Pad)];
    for window in [None, Some(Window { center: 30_350.0, width: 700.0 })] {
        for (size, fit) in sizes {
            let prep = Preprocessing { fit, window, ..Preprocessing::new(1, size) };
            let picture = |path: &Path| decode_through(path, window).unwrap().0;
            let predicted: Vec<f32> =
                dataset.samples.iter().flat_map(|s| preprocess(&picture(&s.path), &prep)).collect();
            assert_eq!(read(&dataset, &prep, LoaderOptions::in_order(3)), predicted);
            for cache_bytes in [0, 1 << 20] {
                for augment in [None, Some(NOTHING)] {
                    let options = LoaderOptions { cache_bytes, augment, ..LoaderOptions::training(3, 1) };
                    assert_eq!(read(&dataset, &prep, options), predicted, "{size:?} {fit:?} {window:?}");
                }
            }
            // Rounded to 8 bits, an image without a window would have no more than four values.
            let distinct: BTreeSet<u32> =
                predicted[..size[0] * size[1]].iter().map(|v| v.to_bits()).collect();
            assert!(distinct.len() > 300, "{size:?} {window:?}: {} values", distinct.len());
            let spread = |values: &[f32]| {
                let shown = values.iter().filter(|&&v| v > -1.0).copied();
                shown.clone().fold(f32::MIN, f32::max) - shown.fold(f32::MAX, f32::min)
            };
            let wide = spread(&predicted) > 1.0;
            assert_eq!(wide, window.is_some(), "{size:?}: {}", spread(&predicted));
        }
    }
}

/// Of bytes and colour, and where nothing is seen: a line each, or an error that names the file.
#[test]
fn a_window_says_what_it_is_not_for() {
    let root = tempfile::tempdir().unwrap();
    let save = |name: &str, image: image::DynamicImage| {
        let path = root.path().join(name);
        image.save(&path).unwrap();
        path
    };
    let window = Window { center: 40.0, width: 400.0 };
    let bytes = save("bytes.png", ImageBuffer::from_fn(4, 4, |x, _| Luma([x as u8 * 60])).into());
    let (picture, notes) = decode_through(&bytes, Some(window)).unwrap();
    assert_eq!(picture.samples[..4], [0.0, 60.0, 120.0, 180.0]);
    assert_eq!(notes, ["8 bits: taken as it is, not through the model's window"]);

    for colour in [
        save("colour.png", ImageBuffer::from_pixel(4, 4, Rgb([1_u8; 3])).into()),
        save("deep.png", ImageBuffer::from_pixel(4, 4, Rgb([1_u16, 2, 3])).into()),
    ] {
        let error = decode_through(&colour, Some(window)).unwrap_err().to_string();
        assert!(error.starts_with(&colour.display().to_string()), "{error}");
        assert!(
            error.ends_with("expected a gray image, which the window 40,400 is for, found colour"),
            "{error}"
        );
    }

    let offset = |x: u32, _| Luma([33_000 + x as u16]);
    let wrong = save("wrong.png", ImageBuffer::from_fn(4, 4, offset).into());
    let (_, notes) = decode_through(&wrong, Some(window)).unwrap();
    assert!(notes.len() == 1 && notes[0].starts_with("nothing can be seen through the window 40,400"));
    assert!(decode_through(&wrong, Some(Window { center: 33_000.0, width: 9.0 })).unwrap().1.is_empty());
    assert!(decode_through(&wrong, None).unwrap().1.is_empty());
}

/// The remarks of a run are those of its window.
#[test]
fn the_loader_tells_of_bytes() {
    let (root, mut dataset) = set();
    let path = root.path().join("a/0.png");
    ImageBuffer::from_fn(64, 48, |x, _| Luma([x as u8])).save(&path).unwrap();
    let window = Window { center: 30_350.0, width: 700.0 };
    let prep = Preprocessing { window: Some(window), ..Preprocessing::new(1, [48, 64]) };
    let remarks = Remarks::default();
    let options = LoaderOptions::in_order(3);
    let loader = Loader::new(&dataset, &dataset.all(), &prep, options.clone()).with_remarks(&remarks);
    assert!(loader.batches(0, 0).all(|batch| batch.is_ok()));
    let said = remarks.lines();
    assert!(said.len() == 1 && said[0].starts_with("1 file (") && said[0].contains("8 bits"), "{said:?}");

    ImageBuffer::from_pixel(64, 48, Rgb([9_u8; 3])).save(&path).unwrap();
    let loader = Loader::new(&dataset, &dataset.all(), &prep, options);
    let error = loader.batches(0, 0).find_map(|batch| batch.err()).expect("colour is refused").to_string();
    assert!(error.contains("0.png") && error.contains("found colour"), "{error}");
    let all = dataset.all();
    dataset.leave_out_unreadable(&all, 0.5, Some(window), &AtomicBool::new(false), &mut |_| ()).unwrap();
    let left = dataset.unreadable();
    assert!(left.len() == 1 && left[0].1.contains("found colour"), "{left:?}");
}
