//! The loader: the same batches for any thread count, cache and entry; every image once; errors that name the file.

use std::time::Duration;

use data::{Augment, Batch, Dataset, Loader, LoaderOptions, Shard, decode};
use image::{GrayImage, ImageBuffer, Luma};
use model::{Preprocessing, preprocess};
use tempfile::TempDir;

/// 23 images of two classes: most of the model's 16 x 16, some larger, one with 16 bits.
fn set() -> (TempDir, Dataset) {
    let root = tempfile::tempdir().unwrap();
    for i in 0..23u32 {
        let folder = root.path().join(["a", "b"][i as usize % 2]);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{i}.png"));
        let side = if i % 5 == 0 { 40 } else { 16 };
        let value = |x: u32, y: u32| x * 11 + y * 7 + i * 9;
        match i {
            7 => ImageBuffer::from_fn(16, 16, |x, y| Luma([(value(x, y) * 300) as u16])).save(path).unwrap(),
            _ => GrayImage::from_fn(side, side, |x, y| Luma([value(x, y) as u8])).save(path).unwrap(),
        }
    }
    let dataset = Dataset::open(root.path()).unwrap();
    (root, dataset)
}

const PART: std::ops::Range<usize> = 1..22;

fn loader(dataset: &Dataset, change: impl Fn(&mut LoaderOptions)) -> Loader {
    let mut options = LoaderOptions::training(4, 3);
    change(&mut options);
    let part: Vec<usize> = PART.collect();
    Loader::new(dataset, &part, &Preprocessing::new(1, [16, 16]), options)
}

fn read(loader: &Loader, epoch: u64, first: usize) -> Vec<Batch> {
    let batch = |batch: Result<Batch, _>| Batch { waited: Duration::ZERO, ..batch.unwrap() };
    loader.batches(epoch, first).map(batch).collect()
}

/// 21 images in batches of four leave one, which goes with the four before it if a batch has two at least.
#[test]
fn what_is_left_is_no_batch_if_it_is_too_few() {
    let (_root, dataset) = set();
    let lengths = |batches: &[Batch]| batches.iter().map(|batch| batch.indices.len()).collect::<Vec<_>>();
    let with = |least_batch: usize, shard: Shard| {
        loader(&dataset, |options| (options.least_batch, options.shard) = (least_batch, shard))
    };
    let (plain, joined) = (with(1, Shard::WHOLE), with(2, Shard::WHOLE));
    let (one, two) = (read(&plain, 1, 0), read(&joined, 1, 0));
    assert_eq!((lengths(&one), lengths(&two)), (vec![4, 4, 4, 4, 4, 1], vec![4, 4, 4, 4, 5]));
    assert_eq!((plain.batches_per_epoch(), joined.batches_per_epoch()), (6, 5));
    let order =
        |batches: &[Batch]| batches.iter().flat_map(|batch| batch.indices.clone()).collect::<Vec<_>>();
    assert_eq!(order(&one), order(&two));
    assert_eq!(read(&joined, 1, 4), two[4..]);
    let rows = std::sync::Arc::new((0..21).map(|i| i as f32).collect::<Vec<_>>());
    let of_rows: Vec<Batch> = joined.batches_of(&rows, 1, 0).collect();
    assert!(of_rows.iter().zip(&two).all(|(rows, images)| rows.indices == images.indices));
    assert_eq!(of_rows[4].images.len(), 5);
    // Two processes share it.
    let shards: Vec<Vec<usize>> =
        (0..2).map(|rank| lengths(&read(&with(2, Shard { rank, ranks: 2, least: 2 }), 1, 0))).collect();
    assert_eq!(shards, [[2, 2, 2, 2, 3], [2, 2, 2, 2, 2]]);
    // What is all there is, is a batch.
    assert_eq!(lengths(&read(&loader(&dataset, |o| (o.batch_size, o.least_batch) = (30, 22)), 1, 0)), [21]);
}

#[test]
fn threads_cache_and_entry_change_nothing() {
    let (_root, dataset) = set();
    let plain = loader(&dataset, |options| (options.workers, options.cache_bytes) = (1, 0));
    let want: Vec<_> = (0..3).map(|epoch| read(&plain, epoch, 0)).collect();
    assert_eq!(plain.cache_usage().cached, 0);
    for (workers, ahead, cache_bytes) in [(1, 1, 1 << 20), (3, 4, 0), (2, 2, 3000)] {
        let loader = loader(&dataset, |options| {
            (options.workers, options.ahead, options.cache_bytes) = (workers, ahead, cache_bytes);
        });
        for (epoch, want) in want.iter().enumerate() {
            assert_eq!(&read(&loader, epoch as u64, 0), want, "epoch {epoch}");
        }
        let usage = loader.cache_usage();
        assert!(usage.bytes <= cache_bytes && (usage.cached == PART.len()) == (cache_bytes == 1 << 20));
        assert_eq!(read(&loader, 1, 4), want[1][4..], "a resumed epoch goes on as it was");
        assert!(read(&loader, 1, 6).is_empty());
    }
}

#[test]
fn every_image_comes_once_an_epoch_in_a_new_order() {
    let (_root, dataset) = set();
    let loader = loader(&dataset, |_| ());
    assert_eq!((loader.images(), loader.batches_per_epoch()), (21, 6));
    let indices =
        |epoch| -> Vec<usize> { read(&loader, epoch, 0).into_iter().flat_map(|b| b.indices).collect() };
    let (first, second) = (indices(0), indices(1));
    assert_ne!(first, second);
    for mut order in [first, second] {
        order.sort_unstable();
        assert_eq!(order, PART.collect::<Vec<_>>());
    }
    for batch in read(&loader, 0, 0) {
        let labels: Vec<usize> = batch.indices.iter().map(|&i| dataset.samples[i].label).collect();
        assert_eq!(batch.labels, labels);
    }
}

#[test]
fn in_order_is_what_preprocessing_gives() {
    let (_root, dataset) = set();
    let prep = Preprocessing::new(1, [16, 16]);
    let loader = loader(&dataset, |options| *options = LoaderOptions::in_order(5));
    let batches = read(&loader, 0, 0);
    assert_eq!(batches.iter().map(|b| b.labels.len()).collect::<Vec<_>>(), [5, 5, 5, 5, 1]);
    let indices: Vec<usize> = batches.iter().flat_map(|b| b.indices.clone()).collect();
    assert_eq!(indices, PART.collect::<Vec<_>>());
    let images: Vec<f32> = batches.into_iter().flat_map(|b| b.images).collect();
    let want = PART.flat_map(|i| preprocess(&decode(&dataset.samples[i].path).unwrap(), &prep));
    assert_eq!(images, want.collect::<Vec<_>>());
}

#[test]
fn augmentation_differs_by_epoch_and_sample() {
    let (_root, dataset) = set();
    let images = |epoch, augment: Option<Augment>| {
        let loader =
            loader(&dataset, |options| (options.shuffle, options.augment) = (false, augment.clone()));
        read(&loader, epoch, 0).swap_remove(0).images
    };
    let augment = || Some(Augment::default());
    assert_eq!(images(0, augment()), images(0, augment()));
    assert_ne!(images(0, augment()), images(1, augment()));
    assert_ne!(images(0, augment()), images(0, None));
    assert_eq!(images(0, None), images(1, None));
}

#[test]
fn shards_are_the_batch_in_its_order() {
    let (_root, dataset) = set();
    // The last batch has a single image, so that some shards have none.
    let whole = read(&loader(&dataset, |_| {}), 1, 2);
    for (ranks, least) in [(1, 1), (2, 1), (3, 1), (2, 2), (3, 2)] {
        let shards = (0..ranks).map(|rank| {
            let loader = loader(&dataset, |options| options.shard = Shard { rank, ranks, least });
            assert_eq!(loader.batches_per_epoch(), 6);
            read(&loader, 1, 2)
        });
        let shards: Vec<_> = shards.collect();
        for (number, whole) in whole.iter().enumerate() {
            let mut joined = Batch { images: vec![], labels: vec![], indices: vec![], ..whole.clone() };
            for shard in shards.iter().map(|batches| &batches[number]) {
                assert_eq!((shard.before, shard.whole), (joined.labels.len(), whole.labels.len()));
                let images = shard.labels.len();
                assert!(images == 0 || images >= least.min(whole.labels.len()), "{ranks} ranks, {least}");
                joined.images.extend(&shard.images);
                joined.labels.extend(&shard.labels);
                joined.indices.extend(&shard.indices);
            }
            assert_eq!(&joined, whole, "{ranks} ranks, {least}");
        }
    }
}

#[test]
fn recycled_buffers_are_used_and_leave_no_trace() {
    let (_root, dataset) = set();
    let loader = loader(&dataset, |options| (options.workers, options.ahead) = (1, 1));
    let want = read(&loader, 2, 0);
    loader.recycle(Batch { images: vec![f32::NAN; 4096], ..want[0].clone() });
    let got = read(&loader, 2, 0);
    assert_eq!(got, want);
    assert!(got[0].images.capacity() >= 4096);
}

#[test]
fn a_bad_file_ends_the_epoch_and_is_named() {
    let (_root, dataset) = set();
    std::fs::write(&dataset.samples[9].path, "not an image").unwrap();
    let loader = loader(&dataset, |options| options.shuffle = false);
    let results: Vec<_> = loader.batches(0, 0).collect();
    assert_eq!(results.len(), 3, "two good batches, then the error");
    let error = results[2].as_ref().unwrap_err().to_string();
    let name = dataset.samples[9].path.display().to_string();
    assert!(error.contains(&name) && error.contains("found text"), "{error}");
}

/// Rows that stand for images come in the order of the images themselves, whatever the epoch and the entry.
#[test]
fn rows_come_in_the_place_of_their_images() {
    let (_root, dataset) = set();
    let loader = loader(&dataset, |options| options.augment = None);
    let rows: Vec<f32> = PART.flat_map(|index| [index as f32, -(index as f32)]).collect();
    let rows = std::sync::Arc::new(rows);
    for (epoch, first) in [(0, 0), (1, 0), (1, 3)] {
        let found: Vec<Batch> = loader.batches_of(&rows, epoch, first).collect();
        let images = read(&loader, epoch, first);
        assert_eq!(found.len(), images.len());
        for (found, image) in found.iter().zip(&images) {
            assert_eq!((&found.labels, &found.indices), (&image.labels, &image.indices));
            let want: Vec<f32> = image.indices.iter().flat_map(|&i| [i as f32, -(i as f32)]).collect();
            assert_eq!(found.images, want);
        }
    }
}
