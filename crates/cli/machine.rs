//! What a figure of speed was measured on, so that it can be compared with another one. The instruction set and the
//! threads are said beside the figure: a bench may choose them.

use kernels::Caches;
use serde::Serialize;
use std::fmt;

/// The machine and the program, as far as they decide how fast kernels are.
#[derive(Serialize)]
pub struct Machine {
    version: &'static str,
    /// The commit that the program was built from; empty where it was no Git checkout.
    commit: &'static str,
    /// When the figure was taken, in UTC.
    date: String,
    /// As the system names it; else the architecture.
    cpu: String,
    l1_bytes: usize,
    l2_bytes: usize,
    l3_bytes: usize,
}

impl Machine {
    pub fn this() -> Self {
        let Caches { l1, l2, l3 } = Caches::current();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: env!("VERTEBRA_COMMIT"),
            date: train::utc_now(),
            cpu: cpu_name().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            l1_bytes: l1,
            l2_bytes: l2,
            l3_bytes: l3,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let date = self.date.split('T').next().unwrap_or_default();
        let commit = if self.commit.is_empty() { "" } else { &format!(" ({})", self.commit) };
        write!(f, "{}, {}; vertebra {}{commit}, {date}", self.cpu, Caches::current(), self.version)
    }
}

/// Of the first processor, where Linux tells.
fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
