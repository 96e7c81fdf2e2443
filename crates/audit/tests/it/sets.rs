//! Findings on small sets with known faults, made on the spot.

use crate::audit_of;
use audit::{Audit, GroupOrigin, Separation, Severity};
use data::{Dataset, Split};
use engine::Rng;
use image::{GrayImage, Luma};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::TempDir;

/// Slices of a volume: smooth shades of its own that change along the volume in a way of its own, and small discs that no
/// other slice has. The label is the half of the volume, so neighbours in a volume share it, and nothing that one volume
/// teaches holds in another.
fn slice(volume: u64, z: usize) -> GrayImage {
    let mut rng = Rng::new(volume);
    let mut wave = || [rng.range(-0.1, 0.1), rng.range(-0.1, 0.1), rng.range(0.0, 6.3)];
    let (base, along): ([_; 4], [_; 4]) = (std::array::from_fn(|_| wave()), std::array::from_fn(|_| wave()));
    let mut rng = Rng::derive(&[volume, z as u64]);
    let discs: Vec<[f64; 4]> = (0..60)
        .map(|_| [rng.range(0.0, 96.0), rng.range(0.0, 96.0), rng.range(2.0, 6.0), rng.range(-40.0, 40.0)])
        .collect();
    GrayImage::from_fn(96, 96, |column, row| {
        let (x, y) = (f64::from(column), f64::from(row));
        let shade =
            |waves: &[[f64; 3]]| waves.iter().map(|w| (w[0] * x + w[1] * y + w[2]).sin()).sum::<f64>();
        let inside = discs.iter().filter(|disc| (x - disc[0]).hypot(y - disc[1]) < disc[2]);
        let discs: f64 = inside.map(|disc| disc[3]).sum();
        let value = 128.0 + 20.0 * shade(&base) + 2.0 * z as f64 * shade(&along) + discs;
        Luma([value.clamp(0.0, 255.0) as u8])
    })
}

/// Six volumes of twenty slices, named as published sets name them; `split_of` says what a slice is used for.
fn volumes(split_of: impl Fn(u64, usize) -> &'static str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for volume in 0..6 {
        for z in 0..20 {
            let class = if z < 10 { "fracture" } else { "normal" };
            let place = folder.path().join(split_of(volume, z)).join(class);
            fs::create_dir_all(&place).unwrap();
            slice(volume, z).save(place.join(format!("CT1V{volume} ({z}).png"))).unwrap();
        }
    }
    folder
}

fn run(folder: &Path) -> Audit {
    audit_of(&Dataset::open(folder).unwrap(), None, &|_, _| ControlFlow::Continue(())).unwrap()
}

fn kinds(audit: &Audit, severity: Severity) -> Vec<&str> {
    audit.findings.iter().filter(|found| found.severity == severity).map(|found| found.kind).collect()
}

#[test]
fn slices_of_one_volume_on_both_sides_are_seen_through() {
    let folder = volumes(|_, z| if z % 5 == 2 { "test" } else { "train" });
    let found = run(folder.path());
    let groups = found.groups.as_ref().unwrap();
    assert_eq!((groups.origin, groups.by.as_deref(), groups.count), (GroupOrigin::Names, Some("CT1V* ("), 6));
    assert_eq!((groups.across_splits, groups.single_class), (6, 0));
    let pattern = &found.name_patterns[0];
    assert!(pattern.credible && pattern.nearest_in_group.unwrap() > 0.9);
    assert!((pattern.nearest_in_group_by_chance.unwrap() - 19.0 / 119.0).abs() < 1e-9);
    assert!(kinds(&found, Severity::Warning).contains(&"groups-suggested"));
    assert!(!found.leaks, "nobody said that the names are groups");

    let nearest = |evaluation| found.baselines.iter().find(|b| b.evaluation == evaluation).unwrap();
    let (given, apart) = (nearest(Separation::GivenSplit), nearest(Separation::GroupsHeldOut));
    assert!(given.accuracy.unwrap() > 0.95 && apart.accuracy.unwrap() < 0.8, "{:?} {:?}", given, apart);
    assert_eq!((given.images, apart.images, apart.by_group.len()), (24, 120, 6));
    assert_eq!(apart.majority_accuracy, 0.5);
    let slices = found.shortcuts.iter().find(|found| found.feature == "number 2 in the file name").unwrap();
    assert_eq!((slices.auroc, &slices.higher_in[..], slices.flagged), (1.0, "normal", true));
    assert_eq!(
        found.verdict[0],
        "120 files are as many different pictures from 6 groups, as file names suggest."
    );
    assert!(
        found.verdict[1].contains(", not surely better than guessing, with those groups"),
        "{:?}",
        found.verdict
    );
    assert_eq!(
        found.verdict.last().unwrap(),
        "A score on this split says nothing about \"fracture\".",
        "{:?}",
        found.verdict
    );
}

/// Nobody knows the class of a group that is held out, so guessing is to name one class for all groups, each of which
/// has one class here.
#[test]
fn guessing_is_what_one_could_do_beforehand() {
    let folder = tempfile::tempdir().unwrap();
    for volume in 0..6 {
        for z in 0..20 {
            let class = if volume % 2 == 0 { "fracture" } else { "normal" };
            let place = folder.path().join(if z % 5 == 2 { "test" } else { "train" }).join(class);
            fs::create_dir_all(&place).unwrap();
            let mut image = slice(volume, z);
            let side = if class == "normal" { 0..30 } else { 66..96 };
            side.for_each(|x| (0..96).for_each(|y| image.put_pixel(x, y, Luma([255]))));
            image.save(place.join(format!("CT1V{volume} ({z}).png"))).unwrap();
        }
    }
    let mut dataset = Dataset::open(folder.path()).unwrap();
    let by = "CT1V* (".parse().unwrap();
    dataset.group_by(&by).unwrap();
    let found = audit_of(&dataset, Some(&by), &|_, _| ControlFlow::Continue(())).unwrap();
    let (remembering, worth) = (&found.verdict[1], found.verdict.last().unwrap());
    assert!(remembering.contains("(guessing the larger class: 50.0 %)"), "{remembering}");
    assert!(!remembering.contains("better than guessing") && worth.contains("leaks"), "{:?}", found.verdict);
}

/// What is stopped tells what was found until then, and that there may be more.
#[test]
fn a_search_that_is_stopped_says_so() {
    let folder = volumes(|_, z| if z % 5 == 2 { "test" } else { "train" });
    let dataset = Dataset::open(folder.path()).unwrap();
    let until = |last: audit::AuditStage, most: usize| {
        audit_of(&dataset, None, &|stage, done| {
            if stage == last && done >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    let found = until(audit::AuditStage::Compare, 0).unwrap();
    assert!(found.stopped && found.verdict[1].contains("was stopped"), "{:?}", found.verdict);
    assert_eq!((found.images, found.unreadable.len()), (120, 0));
    let error = until(audit::AuditStage::Read, 1).unwrap_err().to_string();
    assert!(error.starts_with("stopped: ") && error.contains(" of 120 files were read"), "{error}");
    assert!(!until(audit::AuditStage::Score, 0).unwrap().stopped, "the baselines come after the search");
}

#[test]
fn given_groups_that_cross_the_split_are_a_leak() {
    let folder = volumes(|_, z| if z % 5 == 2 { "test" } else { "train" });
    let mut dataset = Dataset::open(folder.path()).unwrap();
    dataset.group_by(&"CT1V* (".parse().unwrap()).unwrap();
    let found =
        audit_of(&dataset, Some(&"CT1V* (".parse().unwrap()), &|_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(found.groups.as_ref().unwrap().origin, GroupOrigin::Given);
    assert!(found.leaks && kinds(&found, Severity::Leak) == ["groups-across-splits"]);
    assert!(kinds(&found, Severity::Warning).contains(&"few-groups"));
    let quick = audit::quick(&dataset, None);
    assert!(quick.leaks && quick.verdict[0].contains("6 of 6 groups"), "{:?}", quick.verdict);
    // Groups that cross nothing, and names that say that others would.
    dataset.group_by(&"*".parse().unwrap()).unwrap();
    let quick = audit::quick(&dataset, None);
    assert!(!quick.leaks && quick.groups.is_some() && quick.needs_warning(), "{quick:?}");
}

#[test]
fn whole_volumes_apart_do_not_leak() {
    let folder = volumes(|volume, _| ["train", "train", "train", "train", "val", "test"][volume as usize]);
    let mut dataset = Dataset::open(folder.path()).unwrap();
    dataset.group_by(&"CT1V* (".parse().unwrap()).unwrap();
    let found =
        audit_of(&dataset, Some(&"CT1V* (".parse().unwrap()), &|_, _| ControlFlow::Continue(())).unwrap();
    assert!(!found.leaks && kinds(&found, Severity::Leak).is_empty());
    assert_eq!(found.groups.as_ref().unwrap().across_splits, 0);
    assert_eq!(
        found.parts.iter().map(|part| part.groups).collect::<Vec<_>>(),
        [Some(6), Some(4), Some(1), Some(1)]
    );
    let quick = audit::quick(&dataset, None);
    assert_eq!(quick.verdict, ["no group and no identical file lies on both sides of the split"]);
    assert!(!quick.needs_warning());
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = volumes(|volume, _| ["train", "test"][volume as usize % 2]);
    let with = |threads| engine::par::with_threads(threads, || run(folder.path()));
    assert_eq!(with(1), with(3));
}

#[test]
fn odd_sets_are_audited_too() {
    let folder = tempfile::tempdir().unwrap();
    for (path, side) in [("a/1.png", 1), ("a/2.png", 3), ("b/1.png", 200), ("c/1.png", 2), ("c/x.png", 5)] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        GrayImage::from_pixel(side, 2, Luma([9])).save(path).unwrap();
    }
    fs::write(folder.path().join("b/2.png"), "").unwrap();
    let found = run(folder.path());
    assert_eq!((found.images, found.unreadable.len(), &found.parts[0].per_class[..]), (6, 1, &[2, 2, 2][..]));
    assert!(found.unreadable[0].reason.contains("an empty file"), "{:?}", found.unreadable);
    assert!(kinds(&found, Severity::Warning).contains(&"unreadable"));
    serde_json::to_string(&found).unwrap();

    for name in ["a", "b", "c"] {
        for entry in fs::read_dir(folder.path().join(name)).unwrap() {
            fs::write(entry.unwrap().path(), "no image").unwrap();
        }
    }
    let nothing = run(folder.path());
    assert_eq!((nothing.unreadable.len(), nothing.sources, nothing.baselines.len()), (6, 0, 0));
}

#[test]
fn missing_classes_and_unequal_sizes_are_mentioned() {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 0;
    for (place, images) in [("train/a", 20), ("train/b", 4), ("test/a", 3)] {
        fs::create_dir_all(folder.path().join(place)).unwrap();
        for i in 0..images {
            seed += 1;
            slice(1000 + seed, 0).save(folder.path().join(place).join(format!("{i}.png"))).unwrap();
        }
    }
    let found = run(folder.path());
    assert_eq!(kinds(&found, Severity::Note), ["imbalance"]);
    for kind in ["groups-unknown", "class-missing"] {
        assert!(kinds(&found, Severity::Warning).contains(&kind), "{kind}");
    }
    assert!(found.parts.iter().any(|part| part.split == Split::Test.to_string() && part.per_class == [3, 0]));
}
