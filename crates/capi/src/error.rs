//! How a call ends: a status, and a text that belongs to the thread that called.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::fmt::Display;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// How a call ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VertebraStatus {
    /// As it should.
    Ok = 0,
    /// A model, an image or the system is not as it must be.
    Failed = 1,
    /// An argument is not one that can be given: a null pointer, too little room, a class that is not there.
    Argument = 2,
    /// A fault of this library's. The model is as good as before.
    Fault = 3,
}

/// Why a call did not do what it was asked.
pub(crate) enum Refusal {
    Failed(String),
    Argument(String),
}

impl Refusal {
    pub(crate) fn failed(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }

    pub(crate) fn argument(name: &str, expected: impl Display, found: impl Display) -> Self {
        Self::Argument(format!("{name}: expected {expected}, found {found}"))
    }

    pub(crate) fn null(name: &str) -> Self {
        Self::argument(name, "a pointer", "NULL")
    }
}

thread_local! {
    /// What the last call on this thread that failed said.
    static LAST: RefCell<CString> = RefCell::default();
}

/// What the last call on this thread that failed said, in UTF-8: what was expected and what was found. Empty if none
/// failed. The text is there until another call on this thread fails.
#[unsafe(no_mangle)]
pub extern "C" fn vertebra_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Runs a call: its status is given, and what it says when it fails is kept.
pub(crate) fn call(f: impl FnOnce() -> Result<(), Refusal>) -> VertebraStatus {
    static QUIET: Once = Once::new();
    // A decoder that panics on a damaged image is an error like any other, and nothing is printed.
    QUIET.call_once(|| panic::set_hook(Box::new(|_| {})));
    let (status, text) = match panic::catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(())) => return VertebraStatus::Ok,
        Ok(Err(Refusal::Failed(text))) => (VertebraStatus::Failed, text),
        Ok(Err(Refusal::Argument(text))) => (VertebraStatus::Argument, text),
        Err(panic) => (VertebraStatus::Fault, format!("a fault of this library's: {}", said(&*panic))),
    };
    // A text ends at its first null.
    let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    let _ = LAST.try_with(|last| last.replace(text));
    status
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn last() -> String {
        // SAFETY: the text is that of this thread, and no call fails meanwhile.
        unsafe { CStr::from_ptr(vertebra_last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_is_a_status_and_errors_stay_on_their_thread() {
        assert_eq!(last(), "");
        assert_eq!(call(|| panic!("no {}", 7)), VertebraStatus::Fault);
        assert_eq!(last(), "a fault of this library's: no 7");
        assert_eq!(call(|| Err(Refusal::failed("a\0b"))), VertebraStatus::Failed);
        assert_eq!(last(), "a\u{fffd}b");
        assert_eq!(std::thread::spawn(last).join().unwrap(), "");
        assert_eq!(call(|| Ok(())), VertebraStatus::Ok);
        assert_eq!(last(), "a\u{fffd}b", "a call that succeeds leaves it");
    }
}
