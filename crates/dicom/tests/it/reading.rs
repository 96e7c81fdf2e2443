//! DICOM files: what pydicom, GDCM and their codecs decode, and files made here for what those do not cover.

use std::path::Path;

use crate::common::Writer;
use crate::tags::{EXPLICIT, PATIENT, PIXELS, STUDY};
use data::{Dataset, GroupBy};
use dicom::Stored;
use md5::{Digest, Md5};

/// The MD5 of the stored values as they would lie in an uncompressed file.
fn md5(stored: &Stored) -> String {
    let mut hash = Md5::new();
    for &value in &stored.values {
        match stored.allocated {
            8 => hash.update([value as u8]),
            _ => hash.update((value as u16).to_le_bytes()),
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<Stored, String> {
    dicom::read(&std::fs::read(path).unwrap())
}

/// Every file of the shared collection: lossless ones bit for bit, lossy ones (baseline and extended JPEG, JPEG 2000) by
/// their smallest, largest and mean value, others refused.
#[test]
fn files_decode_as_elsewhere_or_are_refused() {
    let Some(folder) = crate::shared("data/dicom") else { return };
    let mut table = csv::Reader::from_path(folder.join("expected.csv")).unwrap();
    let header = table.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let mut failures = Vec::new();
    for row in table.records() {
        let row = row.unwrap();
        let cell = |name: &str| &row[at(name)];
        let number = |name: &str| cell(name).parse::<f64>().unwrap();
        let single = matches!(cell("NumberOfFrames"), "" | "1");
        let image =
            cell("decode_error").is_empty() && single && !["RTDOSE", "SEG"].contains(&cell("Modality"));
        let stored = match (read(&folder.join(cell("path"))), image) {
            (Ok(stored), true) => stored,
            (Err(_), false) => continue,
            (Ok(_), false) => {
                failures.push(format!("{}: read", cell("path")));
                continue;
            }
            (Err(reason), true) => {
                failures.push(format!("{}: {reason}", cell("path")));
                continue;
            }
        };
        if md5(&stored) == cell("pixel_md5_le") {
            continue;
        }
        let lossy =
            ["1.2.4.50", "1.2.4.51", "1.2.4.91"].iter().any(|&uid| cell("TransferSyntax").contains(uid));
        let values = stored.values.iter().map(|&value| f64::from(value));
        let (min, max) = (values.clone().fold(f64::MAX, f64::min), values.clone().fold(f64::MIN, f64::max));
        let mean = values.sum::<f64>() / stored.values.len() as f64;
        let range = number("max") - number("min");
        let off = [(min, "min", 0.02), (max, "max", 0.02), (mean, "mean", 0.0005)]
            .map(|(found, name, part)| (found - number(name)).abs() > part * range);
        if !lossy || off.contains(&true) {
            failures.push(format!("{}: {min} {max} {mean}", cell("path")));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The same radiograph and scans, lossy and not: the root of the mean squared difference, as part of the range of values.
#[test]
fn lossy_files_are_close_to_their_originals() {
    let Some(folder) = crate::shared("data/dicom/nema") else { return };
    for (lossy, original, part) in [
        ("JPLY/RG3_JPLY.dcm", "REF/RG3_UNC.dcm", 0.003),
        ("JPLY/MR1_JPLY.dcm", "REF/MR1_UNC.dcm", 0.02),
        ("J2KI/RG3_J2KI.dcm", "REF/RG3_UNC.dcm", 0.003),
        ("J2KI/US1_J2KI.dcm", "REF/US1_UNC.dcm", 0.03),
    ] {
        let (lossy_values, original) =
            (read(&folder.join(lossy)).unwrap(), read(&folder.join(original)).unwrap());
        let values = || lossy_values.values.iter().zip(&original.values);
        let squares: f64 = values().map(|(a, b)| f64::from(a - b).powi(2)).sum();
        let range = f64::from(original.values.iter().max().unwrap() - original.values.iter().min().unwrap());
        let rms = (squares / original.values.len() as f64).sqrt() / range;
        assert!(rms < part, "{lossy}: {rms}");
    }
}

fn sample(path: &Path, patient: &str, study: &str) {
    let mut file = Writer::new(EXPLICIT);
    // The head of a file is read first; here the element of interest lies behind it.
    file.raw(0x0009_1010, b"UN", &vec![0; 100_000]);
    file.text(PATIENT, b"LO", patient).text(STUDY, b"UI", study);
    file.image("MONOCHROME2", [1, 2], [8, 8], 0).raw(PIXELS, b"OB", &[1, 2]);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, file.bytes()).unwrap();
}

/// Files with an extension, without one and named by a UID are found; patients and studies are known by a hash alone.
#[test]
fn patients_and_studies_are_groups() {
    let folder = tempfile::tempdir().unwrap();
    for (name, patient, study) in [
        ("normal/1.dcm", "Doe 1 ", "1.2.3"),
        ("normal/noextension", "Doe 2", "1.2.4"),
        ("fracture/1.2.840.5", "Doe 1", "1.2.5"),
        ("fracture/2.DICOM", "Doe 3", "1.2.6"),
    ] {
        sample(&folder.path().join(name), patient, study);
    }
    std::fs::write(folder.path().join("normal/README"), "not an image").unwrap();
    std::fs::copy(folder.path().join("normal/1.dcm"), folder.path().join("normal/DICOMDIR")).unwrap();
    let mut dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!((dataset.samples.len(), dataset.passed_over.files), (4, 2));
    dataset.group_by(&"PatientID".parse::<GroupBy>().unwrap()).unwrap();
    let groups: Vec<_> = dataset.samples.iter().map(|sample| sample.group.clone().unwrap()).collect();
    // `printf 'Doe 1' | sha256sum`, in order of name: fracture/1.2.840.5, fracture/2.DICOM, normal/1.dcm, ...
    assert_eq!(groups[0], "e8c77130e33d81c5");
    assert_eq!(groups[0], groups[2]);
    assert!(groups[1] != groups[0] && groups[3] != groups[0] && groups[1] != groups[3]);
    dataset.group_by(&"StudyInstanceUID".parse::<GroupBy>().unwrap()).unwrap();
    assert_ne!(dataset.samples[0].group, dataset.samples[2].group);

    sample(&folder.path().join("normal/3.dcm"), " ", "1.2.7");
    let mut dataset = Dataset::open(folder.path()).unwrap();
    let by = GroupBy::Column("PatientID".into());
    dataset.group_by(&by).unwrap();
    let alone: Vec<&str> = dataset.alone().into_iter().map(|i| &*dataset.samples[i].name).collect();
    assert_eq!(alone, ["normal/3.dcm"], "what lacks the element stands alone");
    dataset.samples.retain(|sample| sample.name == "normal/3.dcm");
    let error = dataset.group_by(&by).unwrap_err().to_string();
    assert!(error.contains("expected DICOM files with PatientID, found none among 1"), "{error}");
}
