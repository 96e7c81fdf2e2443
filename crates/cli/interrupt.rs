//! Ctrl-C, or termination: the first one asks a run to save and to stop. Without a run, or the second time, the program
//! ends at once and leaves nothing half-drawn on the terminal.

use crate::failure::note;
use crate::progress::clear;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

/// The flag of the run that goes on; none if there is none.
static RUN: Mutex<Option<Arc<AtomicBool>>> = Mutex::new(None);
static WATCHED: Once = Once::new();

/// The flag that the first Ctrl-C sets from now on.
pub fn stop_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    *RUN.lock().unwrap_or_else(PoisonError::into_inner) = Some(flag.clone());
    watch();
    flag
}

/// Ends the program tidily from now on.
pub fn watch() {
    WATCHED.call_once(|| {
        if ctrlc::set_handler(interrupted).is_err() {
            note("warning: Ctrl-C cannot be caught here; a stopped run goes on from its last checkpoint");
        }
    });
}

fn interrupted() {
    let flag = RUN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match flag {
        Some(flag) if !flag.swap(true, Ordering::Relaxed) => {
            note("stopping after this step, to save; once more ends at once (the last checkpoint stays)");
        }
        _ => {
            clear();
            std::process::exit(130);
        }
    }
}
