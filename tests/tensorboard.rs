//! `train --tensorboard`: the event files of a run and of its continuation, read back by a reader that shares nothing with
//! the writer. Frames are those of TensorFlow's record_writer.h, fields those of its event.proto and summary.proto.

use crate::support::{train, vertebra, workspace};
use std::fs;
use std::path::Path;

/// CRC-32C bit by bit (RFC 3720, appendix B.4).
fn crc32c(bytes: &[u8]) -> u32 {
    let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| u32::from(byte >> bit & 1)));
    !bits.fold(!0, |crc, bit| crc >> 1 ^ if (crc ^ bit) & 1 == 1 { 0x82f6_3b78 } else { 0 })
}

/// The first `n` of `bytes`, which then begin after them.
fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (head, tail) = bytes.split_at(n);
    *bytes = tail;
    head
}

/// The records of a file, with every checksum checked.
fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    fn checked<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
        let data = take(bytes, n);
        let stored = u32::from_le_bytes(take(bytes, 4).try_into().unwrap());
        assert_eq!(stored.wrapping_sub(0xa282_ead8).rotate_left(15), crc32c(data));
        data
    }
    let mut found = vec![];
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(checked(&mut bytes, 8).try_into().unwrap());
        found.push(checked(&mut bytes, length as usize));
    }
    found
}

#[derive(Debug, PartialEq)]
enum Value<'a> {
    Int(u64),
    Double(f64),
    Bytes(&'a [u8]),
    Float(f32),
}

/// The fields of a protobuf message.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let length = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        take(bytes, length).iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
    }
    let mut found = vec![];
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => Value::Int(varint(&mut bytes)),
            1 => Value::Double(f64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let length = varint(&mut bytes) as usize;
                Value::Bytes(take(&mut bytes, length))
            }
            5 => Value::Float(f32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap())),
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, value));
    }
    found
}

/// What an event tells: its step, and a word for the version, the start of a session, or each scalar.
#[derive(Debug, Default, PartialEq)]
struct Told {
    step: u64,
    words: Vec<String>,
    scalars: Vec<(String, f32)>,
}

impl Told {
    fn of(record: &[u8]) -> Self {
        let mut told = Self::default();
        for field in fields(record) {
            match field {
                (1, Value::Double(time)) => assert!(time > 1e9, "seconds since 1970"),
                (2, Value::Int(step)) => told.step = step,
                (3, Value::Bytes(version)) => told.words.push(String::from_utf8(version.to_vec()).unwrap()),
                (5, Value::Bytes(summary)) => {
                    told.scalars = fields(summary).into_iter().map(scalar).collect()
                }
                (7, Value::Bytes(log)) => {
                    assert_eq!(fields(log), [(1, Value::Int(1))], "SessionLog.START");
                    told.words.push("start".into());
                }
                other => panic!("{other:?}"),
            }
        }
        told
    }
}

fn scalar((field, value): (u64, Value<'_>)) -> (String, f32) {
    let (1, Value::Bytes(value)) = (field, value) else { panic!("not a Summary.Value") };
    let [(1, Value::Bytes(tag)), (2, Value::Float(value))] = fields(value)[..] else {
        panic!("not a scalar")
    };
    (str::from_utf8(tag).unwrap().to_owned(), value)
}

/// The event files of a run, oldest first, each as what its records tell.
fn event_files(run: &Path) -> Vec<Vec<Told>> {
    let names = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let is_events = |path: &std::path::PathBuf| path.to_string_lossy().contains("events.out.tfevents.");
    let mut paths: Vec<_> = names.filter(is_events).collect();
    paths.sort();
    paths.iter().map(|path| records(&fs::read(path).unwrap()).into_iter().map(Told::of).collect()).collect()
}

#[test]
fn the_event_files_of_a_run_hold_its_curves() {
    let folder = workspace();
    let run = folder.path().join("run");
    // 25 images are three steps of eight and nine; the run stops within its second epoch, and goes on.
    train(folder.path(), "data", "run", &["--epochs", "2", "--max-steps", "4", "--tensorboard"]).ok();
    vertebra(folder.path(), &["train", "--resume", "--out", "run"]).ok();
    let [first, second] = &event_files(&run)[..] else { panic!("expected two event files") };
    assert_eq!((first[0].step, &first[0].words[..]), (0, &["brain.Event:2".to_owned()][..]));
    assert_eq!((second[1].step, &second[1].words[..]), (5, &["start".to_owned()][..]));

    let all: Vec<(u64, &str, f32)> = (first.iter().chain(second))
        .flat_map(|told| told.scalars.iter().map(|(tag, value)| (told.step, tag.as_str(), *value)))
        .collect();
    let of = |tag: &str| -> Vec<(u64, f32)> {
        all.iter().filter(|scalar| scalar.1 == tag).map(|&(step, _, value)| (step, value)).collect()
    };
    // The same figures as in the run's own tables.
    let table = |name: &str, column: &str| -> Vec<f32> {
        let text = fs::read_to_string(run.join(name)).unwrap();
        let at = text.lines().next().unwrap().split(',').position(|found| found == column).unwrap();
        text.lines().skip(1).map(|line| line.split(',').nth(at).unwrap().parse().unwrap()).collect()
    };
    let steps: Vec<u64> = of("train/loss").iter().map(|scalar| scalar.0).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
    for (tag, name, column) in [
        ("train/loss", "steps.csv", "loss"),
        ("train/learning_rate", "steps.csv", "lr"),
        ("val/loss", "epochs.csv", "val_loss"),
        ("val/accuracy", "epochs.csv", "val_accuracy"),
        ("val/auroc", "epochs.csv", "val_auroc"),
    ] {
        let (found, expected) = (of(tag), table(name, column));
        let close =
            |(found, expected): (&(u64, f32), &f32)| (found.1 - expected).abs() <= 1e-5 * expected.abs();
        let same = found.len() == expected.len() && found.iter().zip(&expected).all(close);
        assert!(same, "{tag}: {found:?}, {name} says {expected:?}");
    }
    assert_eq!(of("val/loss").iter().map(|scalar| scalar.0).collect::<Vec<_>>(), [3, 6]);
    for tag in ["test/accuracy", "test/auroc", "test/sensitivity", "test/specificity"] {
        assert!(
            of(tag).iter().all(|&(_, value)| (0.0..=1.0).contains(&value)) && !of(tag).is_empty(),
            "{tag}"
        );
    }
    assert!(of("train/images_per_second").iter().all(|&(_, speed)| speed > 0.0));
}
