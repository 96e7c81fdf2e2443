//! Images of Python as inputs of the library. What an object is, `python/vertebra/_images.py` has found out: here are
//! paths, bytes, and arrays of four types with their shape.

use crate::error::Error;
use data::Input;
use model::{Picture, Window};
use numpy::{PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::path::PathBuf;

/// An image that was given.
pub(crate) enum Given<'py> {
    /// A file, a folder or a pattern.
    Path(PathBuf),
    /// The content of a file, under a name.
    Bytes(PathBuf, Vec<u8>),
    /// Samples, under a name.
    Array(PathBuf, Array<'py>),
    /// What is no image, under a name, and why.
    Wrong(PathBuf, String),
}

/// Samples `[height, width, channels]` that stay where Python has them.
pub(crate) struct Array<'py> {
    samples: Samples<'py>,
    size: [usize; 2],
    channels: usize,
}

enum Samples<'py> {
    U8(PyReadonlyArrayDyn<'py, u8>),
    U16(PyReadonlyArrayDyn<'py, u16>),
    F32(PyReadonlyArrayDyn<'py, f32>),
    /// With what is white; NaN where that is for the model's window to say.
    F64(PyReadonlyArrayDyn<'py, f64>, f64),
}

/// The same without Python, to be read while the interpreter is free.
pub(crate) struct Borrowed<'a> {
    samples: Slice<'a>,
    size: [usize; 2],
    channels: usize,
}

enum Slice<'a> {
    U8(&'a [u8]),
    U16(&'a [u16]),
    F32(&'a [f32]),
    F64(&'a [f64], f64),
}

const NO_WHITE: &str = "an array of these integers does not say which value is white: give white=255, white=65535 or \
                        what it is (only gray for a model with a window needs none)";

impl<'py> Given<'py> {
    /// From a kind, a name and a value: `("path", path, None)`, `("bytes", name, bytes)`, `("array", name, (array,
    /// white))` or `("wrong", name, reason)`.
    pub(crate) fn new(kind: &str, name: PathBuf, value: &Bound<'py, PyAny>) -> PyResult<Self> {
        Ok(match kind {
            "path" => Self::Path(name),
            "bytes" => Self::Bytes(name, value.cast::<PyBytes>()?.as_bytes().to_vec()),
            "array" => {
                let (array, white) = value.extract()?;
                Self::Array(name, Array::new(array, white)?)
            }
            _ => Self::Wrong(name, value.extract()?),
        })
    }

    /// Whether it is samples, and nothing for the library's reader of files.
    pub(crate) fn is_array(&self) -> bool {
        matches!(self, Self::Array(..))
    }

    /// What it is for the library's reader of files; none for samples.
    pub(crate) fn input(&self) -> Option<Input> {
        match self {
            Self::Path(path) => Some(Input::File(path.clone())),
            Self::Bytes(name, bytes) => Some(Input::Bytes(name.clone(), bytes.clone())),
            Self::Wrong(name, reason) => Some(Input::Failed(name.clone(), reason.clone())),
            Self::Array(..) => None,
        }
    }

    /// The picture by itself, for a model with this window.
    pub(crate) fn picture(&self, window: Option<Window>) -> Result<Picture, String> {
        self.noted(window).map(|(picture, _)| picture)
    }

    fn noted(&self, window: Option<Window>) -> Result<(Picture, Vec<String>), String> {
        match (self, self.input()) {
            (Self::Array(_, array), _) => array.borrow().map_err(|error| error.to_string())?.picture(window),
            (_, Some(input)) => workflow::picture(&input, window),
            (_, None) => Err("expected an image".into()),
        }
    }

    pub(crate) fn name(&self) -> &PathBuf {
        match self {
            Self::Path(name) | Self::Bytes(name, _) | Self::Array(name, _) | Self::Wrong(name, _) => name,
        }
    }
}

impl<'py> Array<'py> {
    fn new(array: Bound<'py, PyUntypedArray>, white: f64) -> PyResult<Self> {
        let (size, channels) = match *array.shape() {
            [height, width] => ([height, width], 1),
            [height, width, channels] => ([height, width], channels),
            ref other => {
                return Err(Error::new_err(format!("expected two or three axes, found {}", other.len())));
            }
        };
        let any = array.as_any();
        let samples = if let Ok(array) = any.extract() {
            Samples::U8(array)
        } else if let Ok(array) = any.extract() {
            Samples::U16(array)
        } else if let Ok(array) = any.extract() {
            Samples::F32(array)
        } else {
            Samples::F64(any.extract()?, white)
        };
        Ok(Self { samples, size, channels })
    }

    /// The samples where they lie.
    ///
    /// # Errors
    /// Where they do not lie side by side.
    pub(crate) fn borrow(&self) -> PyResult<Borrowed<'_>> {
        let samples = match &self.samples {
            Samples::U8(array) => Slice::U8(array.as_slice()?),
            Samples::U16(array) => Slice::U16(array.as_slice()?),
            Samples::F32(array) => Slice::F32(array.as_slice()?),
            Samples::F64(array, white) => Slice::F64(array.as_slice()?, *white),
        };
        Ok(Borrowed { samples, size: self.size, channels: self.channels })
    }
}

impl Borrowed<'_> {
    /// The picture as a model with this window sees it, and what is to be said of that.
    pub(crate) fn picture(&self, window: Option<Window>) -> Result<(Picture, Vec<String>), String> {
        let Self { ref samples, size, channels } = *self;
        let picture = match *samples {
            Slice::F64(samples, white) if white.is_nan() => match window {
                Some(window) if channels == 1 => {
                    let values: Vec<f32> = samples.iter().map(|&value| value as f32).collect();
                    let picture = Picture::from_values(&values, size, window);
                    return picture.map(|picture| (picture, vec![])).map_err(|error| error.to_string());
                }
                _ => return Err(NO_WHITE.into()),
            },
            Slice::U8(samples) => Picture::from_u8(samples, size, channels),
            Slice::U16(samples) => Picture::from_u16(samples, size, channels),
            Slice::F32(samples) => Picture::from_f32(samples, size, channels),
            Slice::F64(samples, white) => Picture::from_f64(samples, size, channels, white),
        };
        data::seen_through(picture.map_err(|error| error.to_string())?, window)
    }
}
