//! Ctrl-C, or termination: the first one asks a run to save and to stop. Without a run, or the second time, the program
//! ends at once and leaves nothing half-drawn on the terminal.
//!
//! The exit status tells who asked. A run that its user stopped did not do what it was asked (1); one that a system
//! ended reports the signal as shells do (128 and its number: 143 for SIGTERM), which is what schedulers look for.

use crate::terminal::{clear, note};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

/// The flag of the work that goes on, and what is said when it is set; none if there is none.
static RUN: Mutex<Option<(Arc<AtomicBool>, &'static str)>> = Mutex::new(None);
static WATCHED: Once = Once::new();
/// The status of a run that was stopped.
static STATUS: AtomicU8 = AtomicU8::new(1);

/// The number of the signal of Ctrl-C.
const INTERRUPT: u8 = 2;

/// The flag that the first Ctrl-C sets from now on, with a word on what then happens.
pub fn stop_flag(said: &'static str) -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    *RUN.lock().unwrap_or_else(PoisonError::into_inner) = Some((flag.clone(), said));
    watch();
    flag
}

/// Has another word said by the next Ctrl-C, where a stop means something else from now on.
pub fn say_instead(said: &'static str) {
    if let Some(run) = &mut *RUN.lock().unwrap_or_else(PoisonError::into_inner) {
        run.1 = said;
    }
}

/// Ends the program tidily from now on.
pub fn watch() {
    WATCHED.call_once(|| {
        if !listen() {
            note!("warning: Ctrl-C cannot be caught here; a stopped run goes on from its last checkpoint");
        }
    });
}

/// The exit status of a run that the flag stopped.
pub fn status() -> u8 {
    STATUS.load(Ordering::Relaxed)
}

/// Has [`interrupted`] called with the number of every signal that ends programs; false if it cannot be.
#[cfg(unix)]
fn listen() -> bool {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    // What whoever started the program had ignored (`nohup`) stays ignored.
    let heard = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|&signal| ignored() >> (signal - 1) & 1 == 0);
    let Ok(mut signals) = signal_hook::iterator::Signals::new(heard) else { return false };
    let heed = move || signals.forever().for_each(|signal| interrupted(signal as u8));
    std::thread::Builder::new().name("signals".into()).spawn(heed).is_ok()
}

/// The signals that are ignored, a bit each; none where the system does not tell.
#[cfg(unix)]
fn ignored() -> u64 {
    let about = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = about.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(not(unix))]
fn listen() -> bool {
    ctrlc::set_handler(|| interrupted(INTERRUPT)).is_ok()
}

fn interrupted(signal: u8) {
    let flag = RUN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match flag {
        Some((flag, said)) if !flag.load(Ordering::Relaxed) => {
            if signal != INTERRUPT {
                STATUS.store(128 + signal, Ordering::Relaxed);
            }
            flag.store(true, Ordering::Relaxed);
            note(said);
        }
        _ => {
            clear();
            std::process::exit(128 + i32::from(signal));
        }
    }
}
