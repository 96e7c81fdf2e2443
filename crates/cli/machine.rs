//! What a figure of speed was measured on, so that it can be compared with another one.

use engine::par;
use kernels::{Caches, Level};
use serde::Serialize;
use std::fmt;

/// The machine, as far as it decides how fast kernels are.
#[derive(Serialize)]
pub struct Machine {
    /// The program's.
    version: &'static str,
    /// As the system names it; else the architecture.
    cpu: String,
    /// The instruction set in use.
    level: &'static str,
    /// Bytes that blocks are cut for.
    caches: Sizes,
    threads: usize,
}

#[derive(Serialize)]
struct Sizes {
    l1: usize,
    l2: usize,
    l3: usize,
}

impl Machine {
    pub fn this() -> Self {
        let Caches { l1, l2, l3 } = Caches::current();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            cpu: cpu_name().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            level: Level::current().name(),
            caches: Sizes { l1, l2, l3 },
            threads: par::threads(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { version, cpu, level, threads, .. } = self;
        write!(f, "{cpu}, {level}, {}, {threads} threads; vertebra {version}", Caches::current())
    }
}

/// Of the first processor, where Linux tells.
fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
