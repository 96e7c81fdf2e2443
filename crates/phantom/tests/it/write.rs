//! The set on disk: what is where, what the tables say, and what is never overwritten.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::render_all;
use phantom::{Error, PhantomConfig, is_complete, write};

fn small() -> PhantomConfig {
    PhantomConfig { patients: 16, views: 2, image_size: 64, seed: 3 }
}

/// The rows of a table as maps from column to field.
fn table(path: &Path) -> Vec<HashMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().collect::<Result<_, _>>().unwrap()
}

#[test]
fn images_and_tables_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let calls = AtomicUsize::new(0);
    let count = |_done: usize, total: usize| {
        assert_eq!(total, 32);
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let summary = write(&small(), folder.path(), Some(&count)).unwrap();
    assert_eq!((summary.images, calls.into_inner()), (32, 32));
    assert!(is_complete(&small(), folder.path()));
    assert!(!is_complete(&PhantomConfig { seed: 4, ..small() }, folder.path()));
    assert_eq!(summary.counts, [[12, 12], [2, 2], [2, 2]]);
    let manifest = table(&folder.path().join("manifest.csv"));
    let truth_path = folder.path().join("truth.csv");
    let truth = table(&truth_path);
    let rendered = render_all(&small());
    assert_eq!((manifest.len(), truth.len()), (32, 16));
    let mut truth = truth.iter();
    for (row, radiograph) in manifest.iter().zip(&rendered) {
        let (split, class) = (radiograph.split, radiograph.class());
        assert_eq!(row["path"], format!("{split}/{class}/{}", radiograph.file_name()));
        assert_eq!((&*row["label"], &*row["split"]), (class, split));
        assert_eq!(row["group"], format!("p{:04}", radiograph.patient));
        let image = image::open(folder.path().join(&row["path"])).unwrap();
        assert_eq!(image.into_luma8().into_raw(), radiograph.pixels);
        if let Some(finding) = radiograph.fracture {
            let line = truth.next().unwrap();
            assert_eq!((&line["path"], &*line["level"]), (&row["path"], finding.level));
            assert_eq!(line["kind"], finding.kind.to_string());
            let edges = ["x0", "y0", "x1", "y1"].map(|edge| line[edge].parse::<usize>().unwrap());
            let bbox = finding.bbox;
            assert_eq!(edges, [bbox.x0, bbox.y0, bbox.x1, bbox.y1]);
        }
    }
    fs::remove_file(truth_path).unwrap();
    assert!(!is_complete(&small(), folder.path()), "a set without its truth is unfinished");
}

#[test]
fn a_foreign_folder_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    let error = write(&small(), folder.path(), None).unwrap_err();
    assert!(matches!(error, Error::Foreign(_)));
    assert!(error.to_string().contains(&folder.path().display().to_string()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_earlier_set_is_replaced_without_leftovers() {
    let folder = tempfile::tempdir().unwrap();
    write(&small(), folder.path(), None).unwrap();
    let note = folder.path().join("train/normal/my-note.txt");
    fs::write(&note, "mine").unwrap();
    write(&PhantomConfig { patients: 3, views: 1, ..small() }, folder.path(), None).unwrap();
    let found: usize = ["train", "val", "test"]
        .iter()
        .flat_map(|split| ["fracture", "normal"].map(|class| folder.path().join(split).join(class)))
        .map(|path| {
            fs::read_dir(path)
                .unwrap()
                .filter(|e| e.as_ref().unwrap().path().extension().unwrap() == "png")
                .count()
        })
        .sum();
    assert_eq!(found, 3);
    assert!(note.exists(), "a file that the phantom did not write was deleted");
}

#[test]
fn impossible_configurations_name_the_number() {
    let folder = tempfile::tempdir().unwrap();
    let error = write(&PhantomConfig { patients: 0, ..small() }, folder.path(), None).unwrap_err();
    assert_eq!(error.to_string(), "patients: expected 1 to 1000000, found 0");
    assert!(write(&PhantomConfig { image_size: 8, ..small() }, folder.path(), None).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
