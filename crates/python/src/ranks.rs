//! The other processes of a training run, as an object of Python reaches them: over MPI, or whatever it knows.

use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use train::Ranks;

/// An object with `rank`, `size`, `sum(array)`, which changes a `float32` array in place, and `share(bytes)`.
pub(crate) struct PythonRanks {
    object: Py<PyAny>,
    rank: usize,
    count: usize,
}

impl PythonRanks {
    pub(crate) fn new(object: &Bound<PyAny>) -> PyResult<Self> {
        let number = |name: &str| object.getattr(name)?.extract::<usize>();
        Ok(Self { rank: number("rank")?, count: number("size")?, object: object.clone().unbind() })
    }
}

impl Ranks for PythonRanks {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn sum(&mut self, values: Vec<f32>) -> Result<Vec<f32>, String> {
        let sum = |py: Python| {
            let array = values.into_pyarray(py);
            self.object.call_method1(py, "sum", (&array,))?;
            Ok(array.to_vec()?)
        };
        Python::attach(sum).map_err(|error: PyErr| error.to_string())
    }

    fn share(&mut self, content: Vec<u8>) -> Result<Vec<u8>, String> {
        let share = |py: Python| {
            let given = PyBytes::new(py, &content);
            self.object.call_method1(py, "share", (given,))?.extract::<Vec<u8>>(py)
        };
        Python::attach(share).map_err(|error: PyErr| error.to_string())
    }
}
