//! State dicts as `torch.save` writes them, and hostile ones: refused by name, in little time and memory.

use crate::pickle::{Pickle, start, storages, zipped};
use crate::{model, weights};
use model::{Architecture, Array, ForeignFile, ImportOptions, Weights, import};
use std::io::Cursor;
use zip::write::ZipWriter;

fn read(bytes: &[u8]) -> Result<Vec<(String, Array)>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    std::fs::write(&path, bytes).unwrap();
    ForeignFile::read(&path).map(|file| file.tensors).map_err(|error| error.to_string())
}

fn refused(pickle: Pickle, reason: &str) {
    let message = read(&zipped(pickle, &[("0".into(), vec![0; 24])])).unwrap_err();
    assert!(message.contains("weights.pth") && message.contains(reason), "{message:?} lacks {reason:?}");
}

fn tensors(weights: &Weights) -> Vec<(String, Array)> {
    weights.iter().map(|(name, array)| (name.clone(), array.clone())).collect()
}

#[test]
fn a_state_dict_is_read_as_it_was_saved() {
    let ours =
        tensors(&weights(&Architecture { width: 0.25, ..Architecture::named("mobilenet-v2").unwrap() }));
    let file = zipped(start().entries(&ours), &storages(&ours));
    assert_eq!(read(&file).unwrap(), ours);
    let nested = start().raw(b"}(").text("epoch").int(3).text("state_dict").entries(&ours).raw(b"u");
    assert_eq!(read(&zipped(nested, &storages(&ours))).unwrap(), ours);
}

/// An object of a class that nobody here knows, with arguments and a state: what settings and schedules are.
fn object(pickle: Pickle, name: &str) -> Pickle {
    let made = pickle.name(name).raw(b")\x81").raw(b"}").text("lr").raw(b"G\x3f\x50\x62\x4d\xd2\xf1\xa9\xfc");
    made.raw(b"s").raw(b"b")
}

#[test]
fn what_a_checkpoint_holds_besides_is_passed_over() {
    let ours = tensors(&model("mobilenet-v2").weights);
    let with = |pickle: Pickle| pickle.raw(b"}(").text("epoch").int(3);
    let settings = object(with(start()).text("args"), "argparse.Namespace");
    let scalar = settings.text("metric").name("numpy.core.multiarray.scalar").raw(b"(C\x02ab").raw(b"tR");
    let optimizer = scalar.text("optimizer").raw(b"}").text("state").raw(b"}").raw(b"K\0");
    let moments = optimizer.raw(b"}").text("exp_avg").tensor("torch.FloatStorage", ("n", 1), &[1], &[1]);
    let file = moments.raw(b"sss").text("state_dict").entries(&ours).raw(b"u");
    assert_eq!(read(&zipped(file, &storages(&ours))).unwrap(), ours);
    // An object where a tensor should be is one too many.
    let file = object(start().raw(b"}").text("features.0.0.weight"), "mine.QuantisedTensor").raw(b"s");
    refused(file, "features.0.0.weight: expected a tensor, found the object mine.QuantisedTensor");
    // And a whole model is no state dict.
    refused(object(start(), "mine.Network"), "the object mine.Network");
}

#[test]
fn of_several_networks_the_average_is_taken_or_the_named_one() {
    let ours = tensors(&model("mobilenet-v2").weights);
    let average = &ours[..3];
    let both = start().raw(b"}(").text("state_dict").entries(&ours).text("state_dict_ema").entries(average);
    let file = both.raw(b"u");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.pth.tar");
    std::fs::write(&path, zipped(file, &storages(&ours))).unwrap();
    let taken = ForeignFile::read(&path).unwrap();
    assert_eq!(taken.tensors, average);
    let note = &taken.hints.notes[0];
    assert!(note.contains("taken: state_dict_ema") && note.contains("--key state_dict"), "{note}");
    let taken = ForeignFile::read_one(&path, Some("state_dict")).unwrap();
    assert_eq!(taken.tensors, ours);
    assert!(taken.hints.notes[0].contains("taken: state_dict, as --key says"), "{:?}", taken.hints.notes);
    let message = ForeignFile::read_one(&path, Some("teacher")).unwrap_err().to_string();
    assert!(message.contains("--key: expected the name of a part"), "{message}");
}

#[test]
fn data_parallel_adds_a_prefix() {
    let model = model("mobilenet-v2");
    let theirs: Vec<_> = tensors(&model.weights)
        .into_iter()
        .map(|(name, array)| ("module.".to_owned() + &name, array))
        .collect();
    let read = read(&zipped(start().entries(&theirs), &storages(&theirs))).unwrap();
    assert_eq!(import(read, &ImportOptions::default()).unwrap().weights, model.weights);
}

#[test]
fn files_from_before_pytorch_1_6_are_read() {
    let ours = tensors(&model("mobilenet-v1").weights);
    let magic = start().raw(b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.");
    let head = magic
        .raw(b"\x80\x02M\xe9\x03.")
        .raw(b"\x80\x02}.")
        .raw(b"\x80\x02")
        .entries(&ours)
        .raw(b".\x80\x02](");
    let storages = storages(&ours);
    let keys = storages.iter().fold(head, |pickle, (key, _)| pickle.text(key)).raw(b"e.");
    let file = storages.iter().fold(keys, |file, (key, data)| {
        let width = if key == "n" { 8 } else { 4 };
        file.raw(&((data.len() / width) as u64).to_le_bytes()).raw(data)
    });
    assert_eq!(read(&file.0).unwrap(), ours);
    for len in (0..file.0.len()).step_by(7919) {
        assert!(read(&file.0[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn objects_are_refused_by_name_and_nothing_runs() {
    for name in [
        "os.system",
        "builtins.eval",
        "torchvision.models.mobilenetv2.MobileNetV2",
        "numpy.core.multiarray.scalar",
    ] {
        refused(start().name(name).raw(b"(").text("touch /tmp/pwned").raw(b"tR"), name);
    }
    let stacked = start().text("posix").text("system").raw(b"\x93");
    refused(stacked, "posix.system");
    for operation in [b"i".as_slice(), b"o", b"\x82\x01", b"I1\n"] {
        refused(start().raw(b"(").raw(operation), "the operation");
    }
}

#[test]
fn broken_pickles_are_refused() {
    refused(start(), "an empty stack");
    refused(start().raw(b"t"), "no mark");
    refused(start().raw(b"\x86"), "a short stack");
    refused(start().raw(b"h\x05"), "a memo that was not written");
    refused(start().raw(b"X\xff\xff\xff\xff"), "its end");
    refused(start().raw(b"X\x01\0\0\0\xff"), "not UTF-8");
    refused(start().raw(b"]K\x01K\x02s"), "no dict");
    refused(start().raw(b"}K\x01a"), "no list");
    refused(start().int(1).raw(b"Q"), "no tuple");
    refused(start().int(1), "a dict of tensors");
    refused(start().raw(b"}").text("epoch").int(7).raw(b"s"), "epoch: expected a tensor, found a number");
    refused(start().raw(&vec![b'('; 2 << 20]), "more than 1 MiB");
}

fn one(tensor: impl Fn(Pickle) -> Pickle) -> Pickle {
    tensor(start().raw(b"}").text("w")).raw(b"s")
}

#[test]
fn views_beyond_their_storage_are_refused() {
    let float = "torch.FloatStorage";
    assert!(
        read(&zipped(one(|p| p.tensor(float, ("0", 6), &[2, 3], &[3, 1])), &[("0".into(), vec![0; 24])]))
            .is_ok()
    );
    refused(one(|p| p.tensor(float, ("0", 6), &[7], &[1])), "a view of the 6 values");
    refused(one(|p| p.tensor(float, ("0", 7), &[7], &[1])), "a view of the 7 values");
    refused(one(|p| p.tensor(float, ("0", 6), &[2], &[i32::MAX as usize])), "a view of the 6 values");
    refused(
        one(|p| p.tensor(float, ("0", 6), &[i32::MAX as usize; 4], &[0; 4])),
        "as many values as the file",
    );
    refused(one(|p| p.tensor(float, ("0", 6), &[100_000], &[0])), "as many values as the file");
    refused(one(|p| p.tensor(float, ("0", 6), &[1; 9], &[0; 9])), "without storage, shape or stride");
    refused(one(|p| p.tensor(float, ("0", 6), &[2], &[1, 1])), "without storage, shape or stride");
    refused(one(|p| p.tensor(float, ("1", 6), &[2], &[1])), "archive/data/1");
    let integers = start().raw(b"}").text("w.weight").tensor("torch.IntStorage", ("0", 6), &[2], &[1]);
    refused(integers.raw(b"s"), "w.weight: expected floating-point values");
    let nan: Vec<u8> = f32::NAN.to_le_bytes().repeat(6);
    let file = zipped(one(|p| p.tensor(float, ("0", 6), &[6], &[1])), &[("0".into(), nan)]);
    assert!(read(&file).unwrap_err().contains("w: expected finite values"));
}

#[test]
fn many_views_of_one_storage_are_refused() {
    let data = vec![0; 400_000];
    let mut pickle = start().raw(b"}(");
    for n in 0..1000 {
        pickle = pickle.text(&n.to_string()).tensor("torch.FloatStorage", ("0", 100_000), &[100_000], &[1]);
    }
    let message = read(&zipped(pickle.raw(b"u"), &[("0".into(), data)])).unwrap_err();
    assert!(message.contains("as many values as the file has bytes"), "{message}");
}

/// Structures whose unfolding would be endless or enormous cost what their bytes cost.
#[test]
fn cycles_and_memo_bombs_end() {
    let cycle = start().raw(b"}q\x00").text("state_dict").raw(b"h\x00s");
    refused(cycle, "dicts in dicts in dicts");
    let mut bomb = start().raw(b"]q\x00");
    for _ in 0..100_000 {
        bomb = bomb.raw(b"h\x00h\x00\x86q\x000");
    }
    refused(bomb, "a dict of tensors");
    // A tuple of very many, given to a function again and again.
    let mut calls =
        start().raw(b"(").raw(&b"K\x01".repeat(200_000)).raw(b"tq\x00").name("torch.Size").raw(b"q\x01");
    for _ in 0..50_000 {
        calls = calls.raw(b"h\x01h\x00R0");
    }
    refused(calls, "with 200000 arguments");
}

#[test]
fn damaged_files_never_panic() {
    let ours: Vec<_> = tensors(&model("mobilenet-v1").weights).into_iter().take(6).collect();
    let file = zipped(start().entries(&ours), &storages(&ours));
    for len in (0..file.len()).step_by(97) {
        assert!(read(&file[..len]).is_err(), "cut at {len}");
    }
    let mut seed = 1u64;
    for _ in 0..2000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut broken = file.clone();
        // The first half of the entries' bytes is the pickle's.
        let at = (seed >> 33) as usize % broken.len();
        broken[at] = (seed >> 24) as u8;
        let _ = read(&broken);
    }
}

#[test]
fn other_formats_are_named() {
    assert!(read(b"\x89HDF\r\n\x1a\n1234").unwrap_err().contains("HDF5"));
    assert!(read(b"\x80\x04}.").unwrap_err().contains("torch.save"));
    // A safetensors file whose header has 0x180 bytes.
    let header = format!("{:<384}", r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#);
    let file = [&384u64.to_le_bytes()[..], header.as_bytes(), &1f32.to_le_bytes()].concat();
    assert_eq!(read(&file).unwrap(), [("w".to_owned(), Array::new([1], vec![1.0]).unwrap())]);
    assert!(read(b"").unwrap_err().contains("ends early"));
    let empty = ZipWriter::new(Cursor::new(vec![])).finish().unwrap().into_inner();
    let _ = read(&empty).unwrap_err();
}
