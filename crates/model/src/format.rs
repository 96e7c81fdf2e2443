//! What a file is that is no model of ours: told by its content, with the commands that make weights of it.
//!
//! It is asked only after a file could not be read as what it should be, so it may look at the file at leisure. Names
//! decide nothing where the content has a mark; raw values have none, so there it is what lies beside the file.

use crate::Error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of the beginning that are looked at.
const START: u64 = 64 * 1024;

/// What something is, and what to do with it. `FILE` stands for its path.
type Known = (&'static str, &'static str);

const IMPORT: &str = "Make a model of it first:\n  vertebra import FILE --out model.safetensors";
const TORCHSCRIPT: &str = "In Python:\n  import torch\n  \
    torch.save(torch.jit.load(\"FILE\", \"cpu\").state_dict(), \"weights.pth\")\n\
    Then: vertebra import weights.pth --out model.safetensors";
const TORCH_EXPORT: &str = "In Python:\n  import torch\n  \
    torch.save(torch.export.load(\"FILE\").state_dict, \"weights.pth\")\n\
    Then: vertebra import weights.pth --out model.safetensors";
const ONNX: &str =
    "ONNX is written (export --to onnx), not read. Import the weights that it was made of; or, in Python:
  import onnx, onnx.numpy_helper as h; from safetensors.numpy import save_file
  g = onnx.load(\"FILE\").graph; t = {i.name: h.to_array(i).copy() for i in g.initializer}
  P = {\"Conv\": [\"weight\", \"bias\"], \"Gemm\": [\"weight\", \"bias\"],
       \"BatchNormalization\": [\"weight\", \"bias\", \"running_mean\", \"running_var\"]}
  save_file({f\"{k}.{p}\": t[i] for k, n in enumerate(g.node) if n.op_type in P
             for p, i in zip(P[n.op_type], n.input[1:])}, \"weights.safetensors\")
Then: vertebra import weights.safetensors --out model.safetensors";
const TFLITE: &str = "It holds no batch norms, and often integers. Import what it was converted from:\n  \
    vertebra import WEIGHTS.h5 --out model.safetensors";
const SAVED_MODEL: &str = "In Python:\n  import tensorflow as tf; from safetensors.numpy import save_file\n  \
    variables = tf.saved_model.load(\"FILE\").variables\n  \
    save_file({v.name: v.numpy() for v in variables}, \"weights.safetensors\")\n\
    Then: vertebra import weights.safetensors --out model.safetensors";
const FROZEN: &str = "Import the checkpoint that it was frozen from, or, in Python:\n  \
    import tensorflow as tf; from safetensors.numpy import save_file\n  \
    graph = tf.compat.v1.GraphDef.FromString(open(\"FILE\", \"rb\").read())\n  \
    save_file({n.name: tf.make_ndarray(n.attr[\"value\"].tensor) for n in graph.node\n             \
    if n.op == \"Const\" and n.attr[\"dtype\"].type == 1}, \"weights.safetensors\")\n\
    Then: vertebra import weights.safetensors --out model.safetensors";
const CHECKPOINT: &str = "In Python, PREFIX being the path without .index, .data or .meta:\n  \
    import tensorflow as tf; from safetensors.numpy import save_file\n  \
    r = tf.train.load_checkpoint(\"PREFIX\")\n  \
    names = r.get_variable_to_shape_map()\n  \
    save_file({n: r.get_tensor(n) for n in names\n             \
    if r.get_variable_to_dtype_map()[n] == tf.float32}, \"weights.safetensors\")\n\
    Then: vertebra import weights.safetensors --out model.safetensors";
const NPZ: &str = "In Python:\n  import numpy; from safetensors.numpy import save_file\n  \
    save_file(dict(numpy.load(\"FILE\")), \"weights.safetensors\")\n\
    Then: vertebra import weights.safetensors --out model.safetensors";
const NPY: &str =
    "It holds one array without a name. Save all of a network's, with their names, as safetensors.";
const GGUF: &str = "It is a format of language models. In Python, if it holds a MobileNet in f32:\n  \
    from gguf import GGUFReader; from safetensors.numpy import save_file\n  \
    save_file({t.name: t.data.copy() for t in GGUFReader(\"FILE\").tensors}, \"weights.safetensors\")\n\
    Then: vertebra import weights.safetensors --out model.safetensors";
const COREML: &str = "Its weights are often compressed. Import what it was converted from, a .pth or .h5:\n  \
    vertebra import WEIGHTS.pth --out model.safetensors";
const CONVERTED: &str = "Import the weights that it was converted from, a .pth, .h5, .keras or .safetensors:\n  \
    vertebra import WEIGHTS --out model.safetensors";
const TFJS: &str = "With the Python package tensorflowjs:\n  \
    tensorflowjs_converter --input_format tfjs_layers_model --output_format keras FILE weights.h5\n\
    Then: vertebra import weights.h5 --out model.safetensors";
const PICKLE: &str = "Save the weights alone. In PyTorch: torch.save(model.state_dict(), FILE)";
const UNPACK: &str = "Unpack it, and give what is inside.";
const ZIP_AGAIN: &str = "Zip the folder again without compression:\n  \
    (cd FILE/.. && zip -0r weights.pth \"$(basename FILE)\")\n\
    Then: vertebra import weights.pth --out model.safetensors";
const LFS: &str = "The weights themselves are elsewhere:\n  git lfs pull";
const AGAIN: &str = "Download the file itself; this is what the server showed instead.";
const NO_WEIGHTS: &str = "It holds no weights.";
const NOT_A_MODEL: &str = "Give the model first, then the images.";

/// What the file is, as an error that says what to do; none if it is unknown, or may well be safetensors.
pub(crate) fn recognise(path: &Path) -> Option<Error> {
    if path.is_dir() {
        return folder(path);
    }
    let mut file = File::open(path).ok()?;
    let len = file.metadata().ok().filter(|status| status.is_file())?.len();
    let mut start = Vec::new();
    file.by_ref().take(START).read_to_end(&mut start).ok()?;
    // Safetensors: the header's length, then the header, which is JSON.
    if start.get(8) == Some(&b'{') {
        return None;
    }
    if start.starts_with(b"PK")
        && let Ok(zip) = zip::ZipArchive::new(&file)
    {
        let names: Vec<String> = zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
        if let Some(error) = archive(&names, path) {
            return Some(error);
        }
    }
    let known = by_mark(&start)
        .or_else(|| by_text(&start))
        .or_else(|| by_end(&mut file, len))
        .or_else(|| by_fields(&mut file, &start, len))
        .or_else(|| beside(path));
    known.map(|known| told(known, path))
}

/// What an archive is whose names these are, if neither torch.save nor Keras wrote it.
pub(crate) fn archive(names: &[String], path: &Path) -> Option<Error> {
    let any = |test: fn(&str) -> bool| names.iter().any(|name| test(name));
    let known = if any(|name| name.ends_with("/constants.pkl") || name.ends_with("bytecode.pkl")) {
        ("a TorchScript program", TORCHSCRIPT)
    } else if any(|name| name.contains("serialized_exported_program") || name.contains("models/model.json")) {
        ("a program of torch.export", TORCH_EXPORT)
    } else if !names.is_empty() && names.iter().all(|name| name.ends_with(".npy")) {
        ("NumPy's .npz", NPZ)
    } else if any(|name| name.ends_with("saved_model.pb") || name.contains(".mlpackage/")) {
        ("a packed model", UNPACK)
    } else {
        return None;
    };
    Some(told(known, path))
}

fn told((what, advice): Known, path: &Path) -> Error {
    Error::Format(format!(
        "this is {what}, not a model of ours. {}",
        advice.replace("FILE", &path.display().to_string())
    ))
}

/// What a folder is that is no run.
fn folder(path: &Path) -> Option<Error> {
    let has = |name: &str| path.join(name).exists();
    let known = if has("saved_model.pb") {
        ("a TensorFlow SavedModel", SAVED_MODEL)
    } else if has("Manifest.json") && has("Data") {
        ("a Core ML package", COREML)
    } else if has("checkpoint") {
        ("a folder of TensorFlow checkpoints", CHECKPOINT)
    } else if has("model.json") {
        ("a TensorFlow.js model", TFJS)
    } else if has("data.pkl") && has("data") {
        ("an unpacked PyTorch file", ZIP_AGAIN)
    } else {
        return None;
    };
    Some(told(known, path))
}

/// Formats that begin with a mark of their own.
fn by_mark(start: &[u8]) -> Option<Known> {
    const MARKS: [(usize, &[u8], Known); 27] = [
        (0, b"PK\x03\x04", ("an archive of PyTorch or Keras", IMPORT)),
        (0, b"\x89HDF\r\n\x1a\n", ("an HDF5 file, as Keras writes", IMPORT)),
        (0, b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", ("a PyTorch file", IMPORT)),
        (4, b"TFL3", ("a TensorFlow Lite model (.tflite)", TFLITE)),
        (0, b"GGUF", ("a GGUF file", GGUF)),
        (0, b"lmgg", ("a GGML file", CONVERTED)),
        (0, b"tjgg", ("a GGML file", CONVERTED)),
        (0, b"\x93NUMPY", ("a NumPy array (.npy)", NPY)),
        (0, b"ftrt", ("a TensorRT engine", CONVERTED)),
        (0, b"7767517\n", ("an ncnn network", CONVERTED)),
        (0, b"MATLAB 5.0 MAT-file", ("a MATLAB file", CONVERTED)),
        (0, b"version https://git-lfs.github.com/spec", ("a pointer of Git LFS", LFS)),
        (0, b"\x1f\x8b", ("packed by gzip", UNPACK)),
        (0, b"BZh", ("packed by bzip2", UNPACK)),
        (0, b"\xfd7zXZ\0", ("packed by xz", UNPACK)),
        (0, b"\x28\xb5\x2f\xfd", ("packed by Zstandard", UNPACK)),
        (0, b"7z\xbc\xaf\x27\x1c", ("a 7z archive", UNPACK)),
        (0, b"Rar!\x1a\x07", ("a RAR archive", UNPACK)),
        (257, b"ustar", ("a tar archive", UNPACK)),
        (0, b"\x89PNG\r\n\x1a\n", ("an image (PNG)", NOT_A_MODEL)),
        (0, b"\xff\xd8\xff", ("an image (JPEG)", NOT_A_MODEL)),
        (128, b"DICM", ("an image (DICOM)", NOT_A_MODEL)),
        (0, b"II*\0", ("an image (TIFF)", NOT_A_MODEL)),
        (0, b"MM\0*", ("an image (TIFF)", NOT_A_MODEL)),
        (0, b"%PDF-", ("a PDF document", NO_WEIGHTS)),
        (0, b"\x7fELF", ("a program", NO_WEIGHTS)),
        (0, b"MZ", ("a program", NO_WEIGHTS)),
    ];
    let has =
        |(at, mark, _): &&(usize, &[u8], Known)| start.get(*at..).is_some_and(|rest| rest.starts_with(mark));
    let found = MARKS.iter().find(has).map(|(.., known)| *known);
    // A pickle: its protocol, then an operation that can begin a value.
    let pickled = matches!(start, [0x80, 2..=5, operation, ..] if b"\x95}](cX\x8c\x8a".contains(operation));
    found.or(pickled.then_some(("a pickle that torch.save did not write", PICKLE)))
}

/// Formats that are text.
fn by_text(start: &[u8]) -> Option<Known> {
    let text = match str::from_utf8(start) {
        Ok(text) => text,
        // The beginning of a longer file may end within a character.
        Err(error) if error.valid_up_to() + 4 > start.len() => {
            str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return None,
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let is_odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c');
    if text.is_empty() || text.contains(is_odd) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    Some(match () {
        () if text.contains("<net ") && text.contains("<layer") => ("an OpenVINO network (.xml)", CONVERTED),
        () if lower.starts_with("<!doctype html") || lower.starts_with("<html") => ("a web page", AGAIN),
        () if text.starts_with("model_checkpoint_path:") => ("TensorFlow's list of checkpoints", CHECKPOINT),
        () if text.contains("weightsManifest") => ("a TensorFlow.js model", TFJS),
        () if text.starts_with(['{', '[']) && text.contains("\"class_name\"") => {
            ("the description of a Keras network, without its weights", CONVERTED)
        }
        () if text.starts_with("node {") || text.starts_with("ir_version:") => ("a graph as text", CONVERTED),
        () => ("a text", NO_WEIGHTS),
    })
}

/// TensorFlow's tables of a checkpoint: LevelDB's mark is at their end.
fn by_end(file: &mut File, len: u64) -> Option<Known> {
    let mut end = [0; 8];
    file.seek(SeekFrom::Start(len.checked_sub(8)?)).ok()?;
    file.read_exact(&mut end).ok()?;
    (u64::from_le_bytes(end) == 0xdb47_7524_8b80_fb57).then_some(("a TensorFlow checkpoint", CHECKPOINT))
}

/// Formats of Protocol Buffers, which have no mark: their first fields tell them apart.
fn by_fields(file: &mut File, start: &[u8], len: u64) -> Option<Known> {
    let fields = fields(file, len)?;
    let has = |number: u64, kind: u64| fields.contains(&(number, kind));
    // ONNX: the version of the format, then the producer, the graph (7) and the operators' versions (8).
    if has(7, 2) && (has(8, 2) || has(1, 0)) {
        return Some(("an ONNX model", ONNX));
    }
    if has(1, 0) && has(2, 2) {
        // Core ML: a version, a description, and one of the kinds of model from 200 on.
        let coreml = fields.iter().any(|field| field.0 >= 200);
        return Some(if coreml {
            ("a Core ML model", COREML)
        } else {
            ("a TensorFlow SavedModel", SAVED_MODEL)
        });
    }
    if has(1, 2) && has(100, 2) {
        return Some(("a Caffe model", CONVERTED));
    }
    // A frozen graph is its nodes, each of which begins with its name; TensorFlow's operators are named by words.
    let words: [&[u8]; 4] = [b"Placeholder", b"Const", b"Conv2D", b"MetaGraph"];
    let tensorflow = words.iter().any(|word| start.windows(word.len()).any(|bytes| bytes == *word));
    (has(1, 2) && tensorflow).then(|| {
        if has(2, 2) && fields.iter().filter(|field| field.0 == 1).count() == 1 {
            ("the graph of a TensorFlow checkpoint (.meta)", CHECKPOINT)
        } else {
            ("a frozen TensorFlow graph (.pb)", FROZEN)
        }
    })
}

/// Number and wire type of the first fields of a file that is one message of Protocol Buffers, and nothing else.
fn fields(file: &mut File, len: u64) -> Option<Vec<(u64, u64)>> {
    const ENOUGH: usize = 4096;
    let mut fields = Vec::new();
    let mut at = 0;
    while at < len && fields.len() < ENOUGH {
        file.seek(SeekFrom::Start(at)).ok()?;
        let mut head = Vec::new();
        file.by_ref().take(20).read_to_end(&mut head).ok()?;
        let (key, used) = varint(&head)?;
        let rest = &head[used..];
        let value = match key & 7 {
            0 => varint(rest)?.1 as u64,
            1 => 8,
            2 => {
                let (bytes, used) = varint(rest)?;
                bytes.checked_add(used as u64)?
            }
            5 => 4,
            _ => return None,
        };
        at = at.checked_add(used as u64)?.checked_add(value)?;
        if key >> 3 == 0 || key >> 3 > 4096 {
            return None;
        }
        fields.push((key >> 3, key & 7));
    }
    (at == len || fields.len() == ENOUGH).then_some(fields)
}

/// Seven bits a byte, the lowest first: the number, and the bytes it takes.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let len = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
    let value = bytes[..len].iter().rev().fold(0u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, len))
}

/// Raw values have no mark; what describes them lies beside them.
fn beside(path: &Path) -> Option<Known> {
    let name = path.file_name()?.to_str()?;
    // Its first element says what it is.
    let mut xml = vec![];
    let _ = File::open(path.with_extension("xml")).and_then(|file| file.take(START).read_to_end(&mut xml));
    if xml.windows(5).any(|bytes| bytes == b"<net ") {
        return Some(("the values of an OpenVINO network (.bin)", CONVERTED));
    }
    let (prefix, _) = name.split_once(".data-")?;
    let index = path.with_file_name(format!("{prefix}.index"));
    index.exists().then_some(("the values of a TensorFlow checkpoint", CHECKPOINT))
}
