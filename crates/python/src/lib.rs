//! The native half of the Python package `vertebra`: objects of Python become what the library's crates take, and
//! back. Nothing is computed here, and nothing is said to anybody: names, documentation and tables are in
//! `python/vertebra`.
//!
//! The interpreter is free (the GIL released) while the library works; a signal is looked for between its steps.
#![forbid(unsafe_code)]

mod calibrate;
mod compare;
mod data;
mod error;
mod evaluate;
mod export;
mod images;
mod model;
mod ranks;
mod train;

use pyo3::prelude::*;

#[pymodule(name = "_vertebra")]
mod vertebra {
    #[pymodule_export]
    use super::calibrate::calibrate;
    #[pymodule_export]
    use super::compare::compare;
    #[pymodule_export]
    use super::data::{audit, split};
    #[pymodule_export]
    use super::error::panics;
    #[pymodule_export]
    use super::evaluate::{Shown, evaluate};
    #[pymodule_export]
    use super::export::{export_onnx, import_weights};
    #[pymodule_export]
    use super::model::Core;
    #[pymodule_export]
    use super::train::{Folds, defaults, has_begun, is_cross_validation, train, train_fold};
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        engine::par::note_process();
        error::note_panics();
        // The command line says this before any work.
        let wrong = kernels::Level::from_env().err().or(kernels::Caches::from_env().err());
        if let Some(reason) = wrong {
            return Err(error::Error::new_err(reason));
        }
        module.add("Error", module.py().get_type::<error::Error>())?;
        module.add("Unreadable", module.py().get_type::<error::Unreadable>())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
