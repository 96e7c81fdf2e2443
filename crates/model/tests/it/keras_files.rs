//! Variables as Keras writes them to HDF5, and damaged files of that kind.

use crate::keras::{archive, around, file, group, named, numbered, values, whole};
use hdf5_pure::FileBuilder;
use model::{Array, ForeignFile};

fn file_of(bytes: &[u8]) -> Result<ForeignFile, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.h5");
    std::fs::write(&path, bytes).unwrap();
    ForeignFile::read(&path).map_err(|error| error.to_string())
}

fn read(bytes: &[u8]) -> Result<Vec<(String, Array)>, String> {
    file_of(bytes).map(|file| file.tensors)
}

fn array(shape: &[usize]) -> Array {
    Array::new(shape.to_vec(), values(shape.iter().product())).unwrap()
}

#[test]
fn variables_are_read_under_their_names() {
    assert_eq!(read(&named()).unwrap(), [("conv1/conv1/kernel:0".to_owned(), array(&[3, 3, 1, 4]))]);
    let mut found = read(&numbered()).unwrap();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("layers/batch_normalization/gamma", array(&[4])),
        ("layers/batch_normalization/moving_mean", array(&[4])),
        ("layers/conv2d/bias", array(&[4])),
        ("layers/conv2d/kernel", array(&[3, 3, 1, 4])),
    ];
    assert_eq!(found, expected.map(|(name, array)| (name.to_owned(), array)));
}

#[test]
fn a_keras_archive_is_the_file_inside() {
    let archive = archive();
    assert_eq!(read(&archive).unwrap(), read(&numbered()).unwrap());
    assert_eq!(file_of(&archive).unwrap().hints.image_size, Some([96, 64]));
}

/// A whole model (`model.save("m.h5")`): its description is an attribute, and so is the order of its layers.
#[test]
fn a_whole_model_tells_its_size_and_order() {
    let file = file_of(&whole()).unwrap();
    assert_eq!(file.hints.image_size, Some([160, 160]));
    let names: Vec<&str> = file.tensors.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["stem/stem/kernel:0", "stem/stem/bias:0", "a/a/kernel:0", "a/a/bias:0"];
    assert_eq!(names, expected.map(|name| format!("model_weights/{name}")));
}

#[test]
fn counters_of_a_model_are_no_weights() {
    let mut layer = FileBuilder::new().create_group("vars");
    layer.create_dataset("0").with_i64_data(&[7]).with_shape(&[1]);
    let seeds = around("seed_generator", layer);
    let conv = around("conv2d", group("vars", &[("0", &[3, 3, 1, 4])]));
    let file = file_of(&file(vec![seeds, conv])).unwrap();
    assert_eq!(file.tensors.len(), 1);
    assert!(file.hints.notes[0].contains("seed_generator"), "{:?}", file.hints.notes);
}

#[test]
fn values_that_are_no_weights_are_refused() {
    let mut integers = FileBuilder::new().create_group("conv1");
    integers.create_dataset("kernel").with_i32_data(&[1, 2]).with_shape(&[2]);
    let message = read(&file(vec![integers])).unwrap_err();
    assert!(
        message.contains("weights.h5") && message.contains("conv1/kernel: expected floating"),
        "{message}"
    );
    let mut odd = FileBuilder::new().create_group("conv1");
    odd.create_dataset("kernel").with_f32_data(&[1.0, f32::NAN]).with_shape(&[2]);
    assert!(read(&file(vec![odd])).unwrap_err().contains("NaN at element 1"));
    let deep = (0..20).fold(group("end", &[]), |inner, _| around("deep", inner));
    assert!(read(&file(vec![deep])).unwrap_err().contains("12 deep"));
}

#[test]
fn damaged_files_never_panic() {
    for file in [named(), numbered()] {
        for len in (0..file.len()).step_by(7) {
            let _ = read(&file[..len]);
        }
        let mut seed = 1u64;
        for _ in 0..3000 {
            let mut broken = file.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (seed >> 33) as usize % broken.len();
                broken[at] = (seed >> 24) as u8;
            }
            let _ = read(&broken);
        }
    }
}
