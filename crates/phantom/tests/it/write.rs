//! The set on disk: what is where, what the tables say, and what is never overwritten.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::render_all;
use phantom::{Error, FindingsConfig, PhantomConfig, is_complete, render_findings, write, write_findings};

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

fn with_findings() -> FindingsConfig {
    FindingsConfig { set: PhantomConfig { patients: 48, ..small() }, findings: 5, blank: 0.3 }
}

#[test]
fn findings_are_said_where_they_are_known() {
    let folder = tempfile::tempdir().unwrap();
    write(&small(), folder.path(), None).unwrap();
    let made = write_findings(&with_findings(), folder.path(), None).unwrap();
    assert_eq!(made.images, 96);
    assert!(!folder.path().join("train/normal").exists(), "the earlier set is gone");
    assert!(!is_complete(&small(), folder.path()));
    let (manifest, truth) =
        (table(&folder.path().join("manifest.csv")), table(&folder.path().join("truth.csv")));
    let mut boxes = truth.iter();
    let (mut blank, mut there) = (0, 0);
    for (i, row) in manifest.iter().enumerate() {
        let radiograph = render_findings(&with_findings(), i / 2, i % 2);
        assert_eq!(row["path"], format!("{}/p{:04}-v{}.png", radiograph.split, i / 2, i % 2 + 1));
        let image = image::open(folder.path().join(&row["path"])).unwrap();
        assert_eq!(image.into_luma8().into_raw(), radiograph.pixels);
        assert_eq!(radiograph.findings.len(), 5);
        for of in radiograph.findings {
            let want = if of.known { ["0", "1"][usize::from(of.is)] } else { "" };
            assert_eq!(row[&of.kind.to_string()], want);
            assert_eq!(of.is, of.fracture.is_some(), "what is there changes the picture: {row:?}");
            (blank, there) = (blank + usize::from(!of.known), there + usize::from(of.is));
            if of.is {
                let line = boxes.next().unwrap();
                assert_eq!((&line["path"], &line["finding"]), (&row["path"], &of.kind.to_string()));
            }
        }
    }
    assert!(boxes.next().is_none());
    // 480 labels: three standard deviations around 30 % and, of 240 drawn a patient, around 25 %.
    assert!((114..=174).contains(&blank) && (80..=160).contains(&there), "{blank} {there}");
}

#[test]
fn a_finding_is_drawn_whatever_the_others_are() {
    let FindingsConfig { set, .. } = with_findings();
    let first = |findings, blank| {
        let config = FindingsConfig { set: PhantomConfig { image_size: 32, ..set.clone() }, findings, blank };
        let is = |patient| render_findings(&config, patient, 0).findings[0].is;
        (0..48).map(is).collect::<Vec<bool>>()
    };
    assert_eq!(first(1, 0.0), first(5, 0.9));
    let refused = FindingsConfig { findings: 6, ..with_findings() };
    let folder = tempfile::tempdir().unwrap();
    let error = write_findings(&refused, folder.path(), None).unwrap_err();
    assert_eq!(error.to_string(), "findings: expected 1 to 5, found 6");
}
