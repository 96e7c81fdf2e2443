//! Files of other formats, under any name: each is called by its name, with what to do, wherever a model is opened.

use model::{ForeignFile, Model};
use protobuf::Message;
use std::fs;
use std::io::{Cursor, Write};
use zip::write::{SimpleFileOptions, ZipWriter};

fn zipped(names: &[&str]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for name in names {
        zip.start_file(*name, stored).unwrap();
        zip.write_all(b"\x80\x02}.").unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn padded(start: &[u8]) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.resize(4000, 0x5a);
    bytes
}

/// A message of one operator, as both TensorFlow and ONNX name them.
fn node(name: &str, operator: &str) -> Message {
    Message::default().text(1, name).text(2, operator)
}

#[test]
fn formats_are_named_by_their_content() {
    let nodes =
        Message::default().message(1, &node("input", "Placeholder")).message(1, &node("conv", "Conv2D"));
    let onnx =
        Message::default().int(1, 8).text(2, "pytorch").message(7, &nodes).message(8, &Message::default());
    // What PyTorch wrote first has the graph's fields after others, and strings in between.
    let long = Message::default().int(1, 8).text(2, &"x".repeat(100_000)).message(7, &nodes);
    let coreml =
        Message::default().int(1, 4).message(2, &Message::default()).message(500, &Message::default());
    let saved = Message::default().int(1, 1).message(2, &Message::default().text(1, "serve"));
    let meta = Message::default().message(1, &Message::default().text(1, "MetaGraph")).message(2, &nodes);
    let caffe = Message::default().text(1, "net").message(100, &Message::default());
    let table = [&[7; 100][..], &0xdb47_7524_8b80_fb57u64.to_le_bytes()].concat();
    let cases: Vec<(Vec<u8>, &str, &str)> = vec![
        (padded(b"\x1c\0\0\0TFL3"), "TensorFlow Lite", "vertebra import"),
        (onnx.into_bytes(), "ONNX model", "onnx.load"),
        (long.into_bytes(), "ONNX model", "onnx.load"),
        (coreml.into_bytes(), "Core ML", "vertebra import"),
        (saved.into_bytes(), "SavedModel", "tf.saved_model.load"),
        (nodes.into_bytes(), "frozen TensorFlow graph", "GraphDef"),
        (meta.into_bytes(), "graph of a TensorFlow checkpoint", "load_checkpoint"),
        (caffe.into_bytes(), "Caffe", "vertebra import"),
        (table, "TensorFlow checkpoint", "load_checkpoint"),
        (padded(b"GGUF\x03"), "GGUF", "GGUFReader"),
        (padded(b"\x93NUMPY\x01\0"), "NumPy array", "safetensors"),
        (padded(b"\x1f\x8b\x08"), "gzip", "Unpack"),
        (padded(b"\x89PNG\r\n\x1a\n"), "image (PNG)", "the model first"),
        (padded(b"\xff\xd8\xff\xe0"), "image (JPEG)", "the model first"),
        (
            b"<?xml version=\"1.0\"?>\n<net name=\"m\"><layers><layer/></layers></net>".to_vec(),
            "OpenVINO",
            "import",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n".to_vec(), "Git LFS", "git lfs pull"),
        (b"<!DOCTYPE html><html><body>Not found".to_vec(), "web page", "Download"),
        (
            br#" {"modelTopology": {}, "weightsManifest": []}"#.to_vec(),
            "TensorFlow.js",
            "tensorflowjs_converter",
        ),
        (b"path,label\na.png,yes\n".to_vec(), "a text", "no weights"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for (bytes, name, advice) in cases {
        fs::write(&path, &bytes).unwrap();
        for message in
            [Model::read(&path).unwrap_err().to_string(), ForeignFile::read(&path).unwrap_err().to_string()]
        {
            assert!(message.contains(name) && message.contains(advice), "{name}: {message}");
            assert!(message.contains("model.safetensors") && !message.contains("would take"), "{message}");
        }
    }
}

#[test]
fn what_import_reads_is_sent_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    for bytes in [zipped(&["archive/data.pkl"]), padded(b"\x89HDF\r\n\x1a\n")] {
        fs::write(&path, bytes).unwrap();
        let message = Model::read(&path).unwrap_err().to_string();
        assert!(message.contains(&format!("vertebra import {}", path.display())), "{message}");
    }
}

#[test]
fn archives_that_torch_save_did_not_write_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pt");
    for (names, name, advice) in [
        (&["net/data.pkl", "net/constants.pkl", "net/code/x.py"][..], "TorchScript", "torch.jit.load"),
        (&["a/version", "a/models/model.json"], "torch.export", "torch.export.load"),
        (&["serialized_exported_program.json"], "torch.export", "torch.export.load"),
        (&["conv1.weight.npy", "conv1.bias.npy"], "NumPy's .npz", "numpy.load"),
        (&["m/saved_model.pb"], "packed", "Unpack"),
    ] {
        fs::write(&path, zipped(names)).unwrap();
        for message in
            [ForeignFile::read(&path).unwrap_err().to_string(), Model::read(&path).unwrap_err().to_string()]
        {
            assert!(message.contains(name) && message.contains(advice), "{message}");
        }
    }
}

#[test]
fn folders_and_values_without_a_mark_are_known_by_what_is_beside() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let read = |name: &str| Model::read(folder.path().join(name)).unwrap_err().to_string();
    let values = [0.5f32; 64].map(f32::to_le_bytes).concat();
    for name in ["net.bin", "model.ckpt.data-00000-of-00001"] {
        write(name, &values);
        assert!(read(name).contains("not a safetensors file"), "{}", read(name));
    }
    write("net.xml", b"<?xml version=\"1.0\"?><net name=\"n\"><layers></layers></net>");
    assert!(read("net.bin").contains("OpenVINO"), "{}", read("net.bin"));
    write("model.ckpt.index", b"");
    let message = read("model.ckpt.data-00000-of-00001");
    assert!(message.contains("TensorFlow checkpoint"), "{message}");
    write("saved_model.pb", b"");
    for message in [read("."), ForeignFile::read(folder.path()).unwrap_err().to_string()] {
        assert!(message.contains("SavedModel"), "{message}");
    }
}
