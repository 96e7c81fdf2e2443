//! Safetensors: a model of this program, and tensors of others.

use crate::weights;
use model::{Architecture, Array, Metadata, Model, Preprocessing, TensorFile};

/// Tensors under names of several programs, with what programs write beside them.
pub fn seeds() -> Vec<Vec<u8>> {
    let array = |shape: &[usize]| Array::new(shape.to_vec(), vec![0.5; shape.iter().product()]).unwrap();
    let mut file = TensorFile::default();
    let tensors: [(&str, &[usize]); 5] = [
        ("features.0.0.weight", &[4, 1, 3, 3]),
        ("features.0.1.weight", &[4]),
        ("features.0.1.running_var", &[4]),
        ("classifier.1.weight", &[2, 4]),
        ("MobilenetV1/Conv2d_0/weights", &[3, 3, 1, 4]),
    ];
    for (name, shape) in tensors {
        file.tensors.insert(name, array(shape));
    }
    file.counters.insert("features.0.1.num_batches_tracked".into(), 7);
    let mut told = file.clone();
    let architecture = Architecture { width: 0.25, ..Architecture::named("mobilenet-v2").unwrap() };
    let preprocessing = Preprocessing::new(architecture.channels, architecture.image_size);
    let classes = vec!["normal".into(), "fracture".into()];
    let metadata = serde_json::to_string(&Metadata::new(architecture, classes, preprocessing)).unwrap();
    told.metadata.insert("vertebra".into(), metadata);
    let mut hub = file.clone();
    hub.metadata.insert("config".into(), r#"{"architecture": "mobilenetv2_100", "num_classes": 2}"#.into());
    let others = OTHERS.map(|(dtype, bytes)| raw(dtype, bytes)).to_vec();
    [vec![file.to_bytes(), told.to_bytes(), hub.to_bytes()], others].concat()
}

/// Types that are converted, and the bytes of two values of them.
const OTHERS: [(&str, &[u8]); 4] =
    [("F64", &[0; 16]), ("F16", &[0, 60, 0, 192]), ("BF16", &[128, 63, 0, 0]), ("U8", &[1, 2])];

fn raw(dtype: &str, values: &[u8]) -> Vec<u8> {
    let header = format!(r#"{{"w":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,{}]}}}}"#, values.len());
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), values].concat()
}

/// Reads it as a model, and as another program's.
pub fn run(bytes: &[u8]) -> Result<(), String> {
    let _ = Model::from_bytes(bytes);
    weights::import(bytes)
}
