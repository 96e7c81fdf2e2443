//! A model in the hands of C: opened, asked what it is, closed.

use crate::error::{Refusal, VertebraStatus, call};
use model::{Model, Preprocessing};
use predict::Predictor;
use std::ffi::{CStr, CString, c_char};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A model that is ready to predict, with threads of its own.
pub struct VertebraModel {
    /// One call at a time; the others wait.
    predictor: Mutex<Predictor>,
    /// What is needed of it while another call has it.
    names: Vec<CString>,
    pub(crate) prep: Preprocessing,
    shape: VertebraShape,
    positive: Option<usize>,
    /// From which probability on each class is called; NaN: the largest decides.
    thresholds: Vec<f64>,
    has_findings: bool,
}

/// What the network reads, after the model's own preprocessing.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VertebraShape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 (gray) or 3 (red, green, blue).
    pub channels: usize,
}

impl VertebraModel {
    fn new(model: Model, threads: usize) -> Result<Self, Refusal> {
        let predictor = Predictor::with_threads(model, threads).map_err(Refusal::failed)?;
        let metadata = predictor.metadata();
        let name = |name: &String| CString::new(name.replace('\0', "\u{fffd}")).unwrap_or_default();
        let (names, prep) = (metadata.classes.iter().map(name).collect(), &metadata.preprocessing);
        let mut thresholds = predictor.thresholds().to_vec();
        thresholds.resize(metadata.classes.len(), f64::NAN);
        let mut positive = None;
        if let Some(decision) = predictor.decision() {
            let class = decision.positive.class;
            (positive, thresholds[class]) = (Some(class), decision.threshold.value);
        }
        Ok(Self {
            names,
            shape: VertebraShape { height: prep.height, width: prep.width, channels: prep.channels },
            positive,
            thresholds,
            has_findings: metadata.has_findings(),
            prep: prep.clone(),
            predictor: Mutex::new(predictor),
        })
    }

    /// How many classes, or findings, there are.
    pub(crate) fn classes(&self) -> usize {
        self.names.len()
    }

    /// The predictor, when no other call has it. A call that panicked left it as good as before: it holds no answer.
    pub(crate) fn predictor(&self) -> MutexGuard<'_, Predictor> {
        self.predictor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The model behind a pointer of C.
///
/// # Safety
/// `model` is null, or from `vertebra_open` or `vertebra_open_memory` and not closed.
pub(crate) unsafe fn known<'a>(model: *const VertebraModel) -> Result<&'a VertebraModel, Refusal> {
    // SAFETY: as the caller promises, it points to a model, of which there are only shared references until it is
    // closed.
    unsafe { model.as_ref() }.ok_or_else(|| Refusal::null("model"))
}

/// The bytes, or other samples, behind a pointer of C.
///
/// # Safety
/// `first` is null, or the first of `count` initialised values that nobody writes to while the slice is used.
pub(crate) unsafe fn slice<'a, T>(name: &str, first: *const T, count: usize) -> Result<&'a [T], Refusal> {
    if first.is_null() {
        return Err(Refusal::null(name));
    }
    if !first.is_aligned() {
        return Err(Refusal::argument(
            name,
            format!("a multiple of {}", align_of::<T>()),
            format!("{first:?}"),
        ));
    }
    if count.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Refusal::argument(name, "fewer values than memory can hold", count));
    }
    // SAFETY: it is neither null nor misaligned, the size is one that memory can have, and the rest is the caller's
    // promise.
    Ok(unsafe { std::slice::from_raw_parts(first, count) })
}

/// The version of this library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn vertebra_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Opens the model at `path`, a file or a run folder, whose best model is taken. It works on `threads` threads of its
/// own; 0 means one a core. `*model` is to be given to vertebra_close(); it is NULL where this fails.
///
/// # Safety
/// `path` is a text that ends with a null, and `model` is a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_open(
    path: *const c_char,
    threads: usize,
    model: *mut *mut VertebraModel,
) -> VertebraStatus {
    let read = || {
        if path.is_null() {
            return Err(Refusal::null("path"));
        }
        // SAFETY: it is not null, and a text that ends with a null, as the caller promises.
        let path = path_of(unsafe { CStr::from_ptr(path) })?;
        Model::read(path).map_err(Refusal::failed)
    };
    // SAFETY: the same promise on `model`.
    unsafe { open(read, threads, model) }
}

/// The same from the `length` bytes of a model file, which are not needed any more when this returns.
///
/// # Safety
/// `bytes` are `length` bytes, and `model` is a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_open_memory(
    bytes: *const u8,
    length: usize,
    threads: usize,
    model: *mut *mut VertebraModel,
) -> VertebraStatus {
    let read = || {
        // SAFETY: they are `length` bytes, as the caller promises.
        let bytes = unsafe { slice("bytes", bytes, length) }?;
        Model::from_bytes(bytes).map_err(Refusal::failed)
    };
    // SAFETY: the same promise on `model`.
    unsafe { open(read, threads, model) }
}

/// Puts the model that `read` gives into `place`.
///
/// # Safety
/// `place` is null or a place for a pointer.
unsafe fn open(
    read: impl FnOnce() -> Result<Model, Refusal>,
    threads: usize,
    place: *mut *mut VertebraModel,
) -> VertebraStatus {
    call(|| {
        if place.is_null() {
            return Err(Refusal::null("model"));
        }
        // SAFETY: it is not null, and a place for a pointer, as the caller promises.
        unsafe { place.write(ptr::null_mut()) };
        let model = VertebraModel::new(read()?, threads)?;
        // SAFETY: as before.
        unsafe { place.write(Box::into_raw(Box::new(model))) };
        Ok(())
    })
}

#[cfg(unix)]
fn path_of(text: &CStr) -> Result<PathBuf, Refusal> {
    use std::os::unix::ffi::OsStrExt;
    Ok(Path::new(std::ffi::OsStr::from_bytes(text.to_bytes())).to_owned())
}

#[cfg(not(unix))]
fn path_of(text: &CStr) -> Result<PathBuf, Refusal> {
    let text = text.to_str().map_err(|error| Refusal::argument("path", "UTF-8", error))?;
    Ok(Path::new(text).to_owned())
}

/// Closes a model and ends its threads. NULL is nothing to close.
///
/// # Safety
/// `model` is NULL, or was opened and is not used any more, by no thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_close(model: *mut VertebraModel) {
    call(|| {
        if !model.is_null() {
            // SAFETY: it is from `Box::into_raw` in `open`, and the caller gives it up.
            drop(unsafe { Box::from_raw(model) });
        }
        Ok(())
    });
}

/// How many classes, or findings, the model has; 0 for NULL.
///
/// # Safety
/// `model` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_classes(model: *const VertebraModel) -> usize {
    // SAFETY: the same promise.
    unsafe { known(model) }.map_or(0, VertebraModel::classes)
}

/// The name of a class, or finding, counted from 0, in UTF-8, for as long as the model is open; NULL if there is none.
///
/// # Safety
/// `model` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_class_name(model: *const VertebraModel, at: usize) -> *const c_char {
    // SAFETY: the same promise.
    let model = unsafe { known(model) };
    model.ok().and_then(|model| model.names.get(at)).map_or(ptr::null(), |name| name.as_ptr())
}

/// Whether an image has several findings, each there or not, instead of one class.
///
/// # Safety
/// `model` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_has_findings(model: *const VertebraModel) -> bool {
    // SAFETY: the same promise.
    unsafe { known(model) }.is_ok_and(|model| model.has_findings)
}

/// What the network reads. Images may have any size: they are resized as the model was trained. All 0 for NULL.
///
/// # Safety
/// `model` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_input(model: *const VertebraModel) -> VertebraShape {
    let none = VertebraShape { height: 0, width: 0, channels: 0 };
    // SAFETY: the same promise.
    unsafe { known(model) }.map_or(none, |model| model.shape)
}

/// The number of the positive class of two; SIZE_MAX where there is none: with more classes, and with findings.
///
/// # Safety
/// `model` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_positive(model: *const VertebraModel) -> usize {
    // SAFETY: the same promise.
    unsafe { known(model) }.ok().and_then(|model| model.positive).unwrap_or(usize::MAX)
}

/// From which probability on the positive class of two, or a finding, is called; NaN for other classes.
///
/// # Safety
/// `model` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_threshold(model: *const VertebraModel, at: usize) -> f64 {
    // SAFETY: the same promise.
    unsafe { known(model) }.ok().and_then(|model| model.thresholds.get(at).copied()).unwrap_or(f64::NAN)
}
