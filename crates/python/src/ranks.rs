//! The other processes of a training run, as an object of Python reaches them: over MPI, or whatever it knows.

use crate::error::argument;
use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use train::Ranks;

/// Numbers of which an array is kept for the next sum of as many: a gradient, and no flags.
const MANY: usize = 1 << 12;

/// An object with `rank`, `size`, `sum(array)`, which changes a `float32` array in place, and `share(bytes)`.
pub(crate) struct PythonRanks {
    object: Py<PyAny>,
    rank: usize,
    count: usize,
    /// What was summed last, where Python sees it: its pages are there already.
    array: Option<Py<PyArray1<f32>>>,
}

impl PythonRanks {
    pub(crate) fn new(object: &Bound<PyAny>) -> PyResult<Self> {
        let number = |name: &str| object.getattr(name)?.extract::<usize>();
        let (rank, count) = (number("rank")?, number("size")?);
        if rank >= count {
            let found = format!("rank {rank} of {count}");
            return Err(argument(
                "ranks",
                format!("expected a rank from 0 that is below their size, found {found}"),
            ));
        }
        Ok(Self { rank, count, object: object.clone().unbind(), array: None })
    }

    /// Tells the others that this one cannot go on.
    pub(crate) fn give_up(&mut self, py: Python, error: &PyErr) {
        let reason = error.value(py).to_string();
        py.detach(|| train::give_up(self, &reason));
    }
}

impl Ranks for PythonRanks {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn sum(&mut self, values: &mut [f32]) -> Result<(), String> {
        let sum = |py: Python| -> PyResult<()> {
            let kept = self.array.take().map(|array| array.into_bound(py));
            let array = match kept.filter(|array| array.len() == values.len()) {
                Some(array) => {
                    array.try_readwrite()?.as_slice_mut()?.copy_from_slice(values);
                    array
                }
                None => values.to_vec().into_pyarray(py),
            };
            self.object.call_method1(py, "sum", (&array,))?;
            {
                let summed = array.try_readonly()?;
                let summed = summed.as_slice()?;
                if summed.len() != values.len() {
                    let found = summed.len();
                    return Err(argument("sum", format!("expected {} numbers, found {found}", values.len())));
                }
                values.copy_from_slice(summed);
            }
            self.array = (values.len() >= MANY).then(|| array.unbind());
            Ok(())
        };
        Python::attach(sum).map_err(|error| error.to_string())
    }

    fn share(&mut self, content: Vec<u8>) -> Result<Vec<u8>, String> {
        let share = |py: Python| -> PyResult<Vec<u8>> {
            let given = PyBytes::new(py, &content);
            let told = self.object.call_method1(py, "share", (given,))?.into_bound(py);
            let found = || argument("share", format!("expected bytes, found {}", told.get_type()));
            Ok(told.cast::<PyBytes>().map_err(|_| found())?.as_bytes().to_vec())
        };
        Python::attach(share).map_err(|error| error.to_string())
    }
}
