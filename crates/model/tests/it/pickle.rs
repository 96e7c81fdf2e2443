//! What `torch.save` writes, made operation by operation.

use model::Array;
use std::io::{Cursor, Write};
use zip::write::{SimpleFileOptions, ZipWriter};

/// A pickle, operation by operation.
#[derive(Clone, Default)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn text(self, text: &str) -> Self {
        let len = (text.len() as u32).to_le_bytes();
        self.raw(b"X").raw(&len).raw(text.as_bytes())
    }

    pub fn int(self, value: i32) -> Self {
        self.raw(b"J").raw(&value.to_le_bytes())
    }

    pub fn ints(self, values: &[usize]) -> Self {
        values.iter().fold(self.raw(b"("), |pickle, &value| pickle.int(value as i32)).raw(b"t")
    }

    pub fn name(self, name: &str) -> Self {
        let (module, name) = name.rsplit_once('.').unwrap();
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    pub fn ordered_dict(self) -> Self {
        self.name("collections.OrderedDict").raw(b")R")
    }

    pub fn tensor(self, storage: &str, (key, len): (&str, usize), shape: &[usize], stride: &[usize]) -> Self {
        let storage = self.name("torch._utils._rebuild_tensor_v2").raw(b"((").text("storage").name(storage);
        let view = storage.text(key).text("cpu").int(len as i32).raw(b"tQ").int(0).ints(shape).ints(stride);
        view.raw(b"\x89").ordered_dict().raw(b"tR")
    }

    /// The entries of a state dict, storage `k` for the k-th.
    pub fn entries(self, tensors: &[(String, Array)]) -> Self {
        let each = |pickle: Self, (key, (name, array)): (usize, &(String, Array))| {
            let stride = |at: usize| array.shape()[at + 1..].iter().product();
            let stride: Vec<usize> = (0..array.shape().len()).map(stride).collect();
            let storage = (&*key.to_string(), array.data().len());
            pickle.text(name).tensor("torch.FloatStorage", storage, array.shape(), &stride)
        };
        let counter = |pickle: Self| {
            pickle.text("bn.num_batches_tracked").tensor("torch.LongStorage", ("n", 1), &[], &[])
        };
        // What PyTorch sets on its dicts, `_metadata`, is there too.
        let dict = counter(tensors.iter().enumerate().fold(self.ordered_dict().raw(b"("), each)).raw(b"u");
        dict.raw(b"}").text("_metadata").ordered_dict().raw(b"sb")
    }
}

pub fn start() -> Pickle {
    Pickle::default().raw(b"\x80\x02")
}

pub fn zipped(pickle: Pickle, storages: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut add = |name: &str, data: &[u8]| {
        zip.start_file(name, options).unwrap();
        zip.write_all(data).unwrap();
    };
    add("archive/data.pkl", &pickle.raw(b".").0);
    add("archive/byteorder", b"little");
    for (key, data) in storages {
        add(&format!("archive/data/{key}"), data);
    }
    zip.finish().unwrap().into_inner()
}

pub fn bytes_of(array: &Array) -> Vec<u8> {
    array.data().iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub fn storages(tensors: &[(String, Array)]) -> Vec<(String, Vec<u8>)> {
    let each = tensors.iter().enumerate().map(|(key, (_, array))| (key.to_string(), bytes_of(array)));
    each.chain([("n".to_owned(), vec![0; 8])]).collect()
}
