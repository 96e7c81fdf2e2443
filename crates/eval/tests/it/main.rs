//! The statistics against other implementations, at their ends, and over simulated studies.

mod coverage;
mod edges;
mod findings;
mod intervals;
mod reference;
mod summary;
mod thresholds;

use std::sync::RwLock;

/// Read by what keeps all processors busy for long, written by what measures its own time.
static PROCESSORS: RwLock<()> = RwLock::new(());
