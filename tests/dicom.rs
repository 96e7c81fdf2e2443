//! DICOM through the program: trained on, judged and predicted like any image, patients kept together and never named.

use crate::dicom_writer::Writer;
use crate::support::{train, vertebra};
use std::fs;
use std::path::Path;

const PATIENT: &str = "P4711X";

/// A 12-bit MONOCHROME1 image of 32 x 32 with a disc, or none, of the patient `number`, made with a scanner.
fn image(path: &Path, disc: bool, number: usize, scanner: &str) {
    let mut file = Writer::new("1.2.840.10008.1.2.1");
    file.text(0x0008_0016, b"UI", "1.2.840.10008.5.1.4.1.1.1").text(0x0008_0060, b"CS", "CR");
    file.text(0x0008_1090, b"LO", scanner);
    // Referenced Patient Sequence: names occur in sequences too.
    file.sequence(0x0008_1120, false, |item| {
        item.text(0x0010_0010, b"PN", "Doe^Jane");
    });
    file.text(0x0010_0010, b"PN", "Doe^Jane").text(0x0010_0020, b"LO", &format!("{PATIENT}{number}"));
    file.text(0x0020_000d, b"UI", &format!("1.2.{number}")).image("MONOCHROME1", [32, 32], [16, 12], 0);
    file.text(0x0028_1050, b"DS", "2048").text(0x0028_1051, b"DS", "4096");
    let inside =
        |i: usize| disc && (i / 32).abs_diff(14 + number % 5).pow(2) + (i % 32).abs_diff(16).pow(2) < 40;
    let values: Vec<u16> = (0..1024).map(|i| if inside(i) { 300 } else { 3800 - (i % 7) as u16 }).collect();
    file.words(0x7fe0_0010, b"OW", &values);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, file.bytes()).unwrap();
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn dicom_is_trained_on_and_predicted_without_a_patient_named() {
    let folder = tempfile::tempdir().unwrap();
    // Two images a patient, as a CD has them: without an extension.
    for i in 0..40 {
        let class = ["disc", "empty"][i % 2];
        image(&folder.path().join(format!("data/{class}/I{i:04}")), i % 2 == 0, i / 4, "Alpha");
    }
    let trained = train(folder.path(), "data", "run", &["--epochs", "2", "--group-by", "PatientID"]).ok();
    let evaluated = vertebra(folder.path(), &["evaluate", "run", "data", "--json"]).ok();
    let report = evaluated.json();
    assert!(report["groups"].as_u64().unwrap() < report["images"].as_u64().unwrap(), "{report}");

    let audited = vertebra(folder.path(), &["audit", "data", "--group-by", "PatientID", "--json"]);
    assert_eq!(audited.json()["images"], 40, "{}", audited.stderr);

    fs::write(folder.path().join("data/disc/broken.dcm"), "no image").unwrap();
    let predicted = vertebra(folder.path(), &["predict", "run", "data", "--format", "jsonl"]);
    assert_eq!((predicted.status, predicted.stdout.lines().count()), (Some(1), 41), "{}", predicted.stderr);
    let inspected = vertebra(folder.path(), &["inspect", "data/disc/I0000", "--json"]).ok();
    let found = inspected.json();
    assert_eq!((&found["modality"], &found["inverted"]), (&"CR".into(), &true.into()));
    assert_eq!(found["voi"]["center"], 2048.0);
    assert_eq!(found["transfer_syntax_name"], "Explicit VR Little Endian");
    let plain = vertebra(folder.path(), &["inspect", "data/disc/I0000"]).ok();
    assert!(plain.stdout.contains("window 2048 width 4096, LINEAR"), "{}", plain.stdout);

    let said = [trained, evaluated, audited, predicted, inspected, plain]
        .map(|ended| ended.stdout + &ended.stderr)
        .concat();
    let written = files(&folder.path().join("run")).into_iter().map(|path| fs::read(path).unwrap());
    for text in written.chain([said.into_bytes()]) {
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains(PATIENT) && !text.contains("Jane"), "a patient is named");
    }
}

#[test]
fn what_is_refused_is_described_as_far_as_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Writer::new("1.2.840.10008.1.2.4.102");
    file.text(0x0008_0060, b"CS", "US").text(0x0028_0008, b"IS", "30");
    file.image("MONOCHROME2", [8, 8], [8, 8], 0).fragment(&[0; 8]);
    fs::write(folder.path().join("loop.dcm"), file.bytes()).unwrap();
    let ended = vertebra(folder.path(), &["inspect", "loop.dcm", "--json"]);
    assert_eq!(ended.status, Some(1));
    let found = ended.json();
    assert_eq!((&found["frames"], &found["modality"]), (&30.into(), &"US".into()));
    assert_eq!(found["error"], "expected a single image, found 30 frames (a multi-frame object)");
    assert!(ended.stderr.contains("loop.dcm: expected a single image"), "{}", ended.stderr);
}

#[test]
fn an_audit_sees_patients_on_both_sides_and_scanners_unasked() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..40 {
        let (split, disc) = (["train", "train", "train", "test"][i % 4], i / 4 % 2 == 0);
        let class = if disc { "disc" } else { "empty" };
        let scanner = if disc { "Alpha" } else { "Beta" };
        image(&folder.path().join(format!("data/{split}/{class}/I{i:04}")), disc, i / 4, scanner);
    }
    let audited = vertebra(folder.path(), &["audit", "data", "--html", "audit.html", "--json"]);
    let found = audited.json();
    let hint = &found["hints"][0];
    assert_eq!((&hint["by"], &hint["place"]), (&"PatientID".into(), &"dicom".into()));
    assert_eq!((&hint["groups"], &hint["across_splits"]), (&10.into(), &10.into()));
    let verdict = found["verdict"].to_string();
    assert!(verdict.contains("10 of 10 groups, if PatientID of the DICOM files"), "{verdict}");
    let model = "DICOM ManufacturerModelName is \"Beta\"";
    let shortcuts = found["shortcuts"].as_array().unwrap();
    let model = shortcuts.iter().find(|found| found["feature"] == model).unwrap();
    assert_eq!((&model["auroc"], &model["higher_in"]), (&1.0.into(), &"empty".into()));
    let page = fs::read_to_string(folder.path().join("audit.html")).unwrap();
    assert!(page.contains("--group-by &#39;PatientID&#39;"));
    for text in [&audited.stdout, &page] {
        assert!(!text.contains(PATIENT) && !text.contains("Doe^Jane"), "a patient is named");
    }
}

/// A file that does not tell its patient stands alone, whichever command groups.
#[test]
fn patients_that_some_files_do_not_tell_are_groups_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..24 {
        let (split, disc) = (["train", "train", "val", "test"][i % 4], i / 4 % 2 == 0);
        let class = if disc { "disc" } else { "empty" };
        image(&folder.path().join(format!("data/{split}/{class}/I{i:04}.dcm")), disc, i, "Alpha");
    }
    image::GrayImage::new(32, 32).save(folder.path().join("data/train/disc/none.png")).unwrap();
    let by = ["audit", "data", "--group-by", "PatientID"];
    for ended in [
        vertebra(folder.path(), &by),
        vertebra(folder.path(), &["split", "data", "--by", "PatientID", "--out", "split.csv"]),
        train(folder.path(), "data", "run", &["--group-by", "PatientID", "--epochs", "1"]),
    ] {
        let said = ended.ok().stderr;
        assert!(said.contains("1 of 25 images have no group, for example train/disc/none.png"), "{said}");
    }
}

/// What was computed, assumed or not applied is said, for people and for machines; a file without a preamble is DICOM too.
#[test]
fn inspect_says_what_was_assumed_and_what_was_not_applied() {
    let folder = tempfile::tempdir().unwrap();
    let inspect = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).unwrap();
        let json = vertebra(folder.path(), &["inspect", name, "--json"]).ok().json();
        (json, vertebra(folder.path(), &["inspect", name]).ok().stdout)
    };
    let mut angiography = Writer::new("1.2.840.10008.1.2.1");
    angiography.text(0x0008_0016, b"UI", "1.2.840.10008.5.1.4.1.1.12.1").text(0x0008_0060, b"CS", "XA");
    angiography.sequence(0x0028_3000, true, |item| {
        item.words(0x0028_3002, b"US", &[2, 0, 16]).words(0x0028_3006, b"OW", &[0, 9]);
    });
    angiography.image("MONOCHROME2", [1, 2], [16, 12], 0).words(0x7fe0_0010, b"OW", &[3, 9]);
    let (json, text) = inspect("xa.dcm", &angiography.bytes());
    assert_eq!(json["modality_transform"]["kind"], "identity");
    assert!(json["notes"][0].as_str().unwrap().contains("the Modality LUT is not applied"), "{json}");
    assert!(text.contains("note             the Modality LUT is not applied"), "{text}");
    assert!(text.contains("3 to 9, computed: no window in the file"), "{text}");

    let windowed = |width: &str| {
        let mut file = Writer::new("1.2.840.10008.1.2.1");
        file.text(0x0028_1050, b"DS", "0.4").text(0x0028_1051, b"DS", width);
        file.text(0x0028_1052, b"DS", "0").text(0x0028_1053, b"DS", "0.0002");
        file.image("MONOCHROME2", [1, 2], [16, 12], 0).words(0x7fe0_0010, b"OW", &[1250, 2750]);
        file.bytes()
    };
    let (json, text) = inspect("narrow.dcm", &windowed("0.3"));
    assert_eq!((&json["voi"]["width"], &json["voi"]["function"]), (&0.3.into(), &"LINEAR_EXACT".into()));
    assert!(text.contains("window 0.4 width 0.3, LINEAR_EXACT"), "{text}");
    assert!(text.contains("note             a LINEAR window has a width of 1 or more, found 0.3"), "{text}");
    let (json, text) = inspect("none.dcm", &windowed("0"));
    assert_eq!((&json["voi"]["kind"], &json["voi_unusable"]), (&"range".into(), &true.into()));
    assert!(text.contains("computed: no window to use in the file"), "{text}");
    assert!(!text.contains("no window in the file"), "{text}");

    let mut minimal = Writer::bare(true, false);
    minimal.text(0x0002_0010, b"UI", "1.2.840.10008.1.2.1").text(
        0x0008_0016,
        b"UI",
        "1.2.840.10008.5.1.4.1.1.1.1",
    );
    minimal.text(0x0028_0004, b"CS", "monochrome2").words(0x0028_0010, b"US", &[1]);
    minimal.words(0x0028_0011, b"US", &[2]).words(0x0028_0100, b"US", &[8]).words(0x0028_0101, b"US", &[8]);
    let (json, text) = inspect("minimal", &minimal.raw(0x7fe0_0010, b"OB", &[7, 9]).bytes());
    assert_eq!((&json["format"], &json["values"]["max"]), (&"dicom".into(), &9.into()));
    for note in [
        "Samples per Pixel is missing",
        "High Bit is missing: taken as Bits Stored - 1, 7",
        "taken as MONOCHROME2",
    ] {
        assert!(text.contains(note), "{text}");
    }
}

/// What `inspect` says of one file, training and prediction say of many: a line a kind, however often a file is read.
#[test]
fn what_was_assumed_of_many_files_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, windows: &str, seed: usize| {
        let mut file = Writer::new("1.2.840.10008.1.2.1");
        file.text(0x0008_0060, b"CS", "CR");
        if !windows.is_empty() {
            file.text(0x0028_1050, b"DS", windows).text(0x0028_1051, b"DS", windows);
        }
        let values: Vec<u16> = (0..1024).map(|i| ((i * 37 + seed * 101) % 4000) as u16).collect();
        file.image("MONOCHROME2", [32, 32], [16, 12], 0).words(0x7fe0_0010, b"OW", &values);
        let path = folder.path().join("data").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.bytes()).unwrap();
    };
    // In training, validation and test; the first of each class in training has two windows, or one.
    for (split, images) in [("train", 10), ("val", 4), ("test", 4)] {
        for i in 0..images {
            let windows = match (split, i) {
                ("train", 0) => "2000\\3000",
                ("train", 1) => "2048",
                _ => "",
            };
            make(&format!("{split}/{}/{i}.dcm", ["disc", "empty"][i % 2]), windows, i);
        }
    }
    let computed = "no window in the file: shown from the smallest value to the largest";
    let said = |stderr: &str, count: &str, words: &str| {
        let lines = stderr.lines().filter(|line| line.starts_with(count) && line.contains(words));
        assert_eq!(lines.count(), 1, "{count} {words}: {stderr}");
    };
    // Two epochs, the second from memory or, without any, from the files again.
    for (out, more) in [("kept", &["--cache", "64"][..]), ("again", &["--cache", "0"])] {
        let ended = train(folder.path(), "data", out, &[&["--epochs", "2"], more].concat()).ok();
        said(&ended.stderr, "12 files (for example ", computed);
        said(&ended.stderr, "4 files (for example ", computed);
        said(&ended.stderr, "1 file (", "window 1 of 2 is used");
    }
    for args in [&["evaluate", "kept", "data"][..], &["compare", "kept", "again", "data"]] {
        let ended = vertebra(folder.path(), args).ok();
        said(&ended.stderr, "4 files (for example data/test/disc/0.dcm", computed);
    }
    // Shorter than an epoch: of what was read.
    let ended = train(folder.path(), "data", "short", &["--max-steps", "1"]).ok();
    assert_eq!(ended.stderr.matches(computed).count(), 2, "training and test: {}", ended.stderr);

    let ended = vertebra(folder.path(), &["predict", "kept", "data", "--format", "jsonl"]).ok();
    said(&ended.stderr, "16 files (for example data/test/disc/0.dcm", computed);
    said(&ended.stderr, "1 file (data/train/disc/0.dcm)", "window 1 of 2 is used");
    let ended = vertebra(folder.path(), &["predict", "kept", "data/train/empty/1.dcm"]).ok();
    assert!(!ended.stderr.contains("window"), "{}", ended.stderr);
}
