//! Models from and for other programs.

use crate::error::{Error, argument, detached, raise};
use crate::model::Core;
use model::{ForeignFile, Hints, ImportOptions, Origin, Preprocessing, write_atomic};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use workflow::{check_no_input, is_same};

/// Writes a model as an ONNX file.
#[pyfunction]
pub fn export_onnx(py: Python, core: &Core, out: PathBuf) -> PyResult<()> {
    detached(py, || {
        let read = core.path.as_ref().and_then(|path| model::resolve(path).ok());
        not_over(&out, |out| read.is_some_and(|read| is_same(out, &read)))?;
        let bytes =
            onnx::to_bytes(&core.as_it_decides()).map_err(|error| Error::new_err(error.to_string()))?;
        write_atomic(&out, |file| file.write_all(&bytes)).map_err(raise)
    })
}

/// Makes a model file of another program's weights: where each property comes from, as JSON.
#[pyfunction]
pub fn import_weights(
    py: Python,
    file: PathBuf,
    out: PathBuf,
    naming: Option<String>,
    classes: Option<Vec<String>>,
    positive: Option<String>,
    padding: Option<String>,
    epsilon: Option<f32>,
    activation: Option<&str>,
    preprocessing: Option<String>,
    image_size: Option<[usize; 2]>,
    colours: Option<String>,
    key: Option<&str>,
) -> PyResult<String> {
    let activation =
        activation.map(str::parse).transpose().map_err(|reason| argument("activation", reason))?;
    if let Some(name) = preprocessing.as_deref().filter(|name| !Preprocessing::NAMES.contains(name)) {
        let expected = Preprocessing::NAMES.join(", ");
        return Err(argument("preprocessing", format!("expected one of {expected}, found {name}")));
    }
    let (naming, padding, colours) =
        (word("naming", naming)?, word("padding", padding)?, word("colours", colours)?);
    detached(py, || {
        not_over(&out, |out| is_same(out, &file))?;
        let asked = ImportOptions {
            naming,
            padding,
            told: None,
            hints: Hints::default(),
            colours,
            image_size,
            classes,
            epsilon,
            activation,
            preprocessing,
        };
        asked.check().map_err(|error| PyValueError::new_err(error.to_string()))?;
        let ForeignFile { tensors, told, hints } = ForeignFile::read_one(&file, key).map_err(raise)?;
        let options = ImportOptions { told, hints, ..asked };
        let imported =
            model::import_explained(tensors, &options).map_err(|error| raise(error.in_file(&file)))?;
        let origin = |origin: Origin| match origin {
            Origin::Given => "given",
            Origin::InFile => "in file",
            Origin::Assumed => "assumed",
        };
        let told = json!({
            "image_size": origin(imported.image_size),
            "padding": origin(imported.padding),
            "epsilon": origin(imported.epsilon),
            "activation": origin(imported.activation),
            "preprocessing": origin(imported.preprocessing),
            "colours": origin(imported.colours),
            "classes": origin(imported.classes),
        });
        let mut model = imported.model;
        if let Some(name) = &positive {
            predict::name_positive(&model.metadata.classes, name).map_err(raise)?;
            (model.metadata.positive, model.metadata.positive_was_set) = (Some(name.clone()), true);
        }
        model.write(&out).map_err(raise)?;
        Ok(told.to_string())
    })
}

/// That the file to write is none of those that are read.
pub(crate) fn not_over(out: &Path, is_input: impl FnOnce(&Path) -> bool) -> PyResult<()> {
    check_no_input(out, is_input).map_err(|reason| argument("out", reason))
}

/// A choice by its name.
fn word<T: DeserializeOwned>(name: &str, text: Option<String>) -> PyResult<Option<T>> {
    let parse = |text| serde_json::from_value(Value::String(text)).map_err(|reason| argument(name, reason));
    text.map(parse).transpose()
}
