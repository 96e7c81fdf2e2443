//! The machine's limits, measured when they are first asked for, in the process that is compared with them.
//!
//! Invariant: a limit is the best of many short runs, because whatever else the machine does can only lower it.

use engine::par;
use kernels::{Buffer, Level, limits};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

/// Runs that a limit is the best of.
const RUNS: usize = 15;
/// Seconds that a run is to take.
const RUN: f64 = 4e-3;
/// The largest memory that is swept: far beyond any cache.
const MOST_BYTES: usize = 256 << 20;
/// The smallest, for each thread.
const LEAST_BYTES: usize = 16 << 10;

/// What all threads of the pool can do together.
#[derive(Debug, Default)]
pub struct Limits {
    peaks: BTreeMap<Level, f64>,
    /// Of reading and of copying.
    bandwidths: BTreeMap<usize, [f64; 2]>,
}

impl Limits {
    /// Nothing measured yet. Whoever asks does so on the same threads each time.
    pub fn new() -> Self {
        Self::default()
    }

    /// Floating-point operations a second at `level`.
    pub fn peak(&mut self, level: Level) -> f64 {
        *self.peaks.entry(level).or_insert_with(|| {
            let threads = par::threads();
            let work =
                |rounds: usize| par::map(threads, |_| limits::multiply_adds(level, rounds)).iter().sum();
            best(|rounds| work(1000 * rounds))
        })
    }

    /// Bytes a second of a sweep that reads as many bytes again and again: of the memory that holds them.
    pub fn reading(&mut self, bytes: usize) -> f64 {
        self.sweeps(bytes)[0]
    }

    /// The same of a sweep that copies one half to the other, which counts both ways: through the caches or past them,
    /// whichever is faster.
    pub fn copying(&mut self, bytes: usize) -> f64 {
        self.sweeps(bytes)[1]
    }

    fn sweeps(&mut self, bytes: usize) -> [f64; 2] {
        let threads = par::threads();
        // Powers of two, so that halves of a part begin on a cache line.
        let most = 1 << (MOST_BYTES / threads).ilog2();
        let part = (bytes / threads).next_power_of_two().clamp(LEAST_BYTES, most);
        *self.bandwidths.entry(part).or_insert_with(|| {
            let level = Level::best();
            let floats = part / size_of::<f32>();
            let mut parts: Vec<Buffer> = (0..threads).map(|_| Buffer::zeros(floats)).collect();
            let mut sweep = |run: &(dyn Fn(&mut Buffer) + Sync)| {
                best(|rounds| {
                    par::chunks_mut(&mut parts, 1, |_, part| (0..rounds).for_each(|_| run(&mut part[0])));
                    rounds * threads * part
                })
            };
            let copy = |part: &mut Buffer, streamed| {
                let (x, y) = part.split_at_mut(floats / 2);
                limits::copy(level, x, y, streamed);
                black_box(y);
            };
            let read = sweep(&|part| _ = black_box(limits::read(level, black_box(part))));
            [read, sweep(&|part| copy(part, false)).max(sweep(&|part| copy(part, true)))]
        })
    }
}

/// The best rate of `run(rounds)`, which returns the work that it did.
fn best(mut run: impl FnMut(usize) -> usize) -> f64 {
    best_of(|rounds| {
        let start = Instant::now();
        let work = run(rounds) as f64;
        (work, start.elapsed().as_secs_f64())
    })
}

/// The best rate of `timed(rounds)`, which returns the work that it did and the seconds that it took.
fn best_of(mut timed: impl FnMut(usize) -> (f64, f64)) -> f64 {
    timed(1);
    let rounds = (RUN / timed(1).1.max(1e-9)).clamp(1.0, 1e6) as usize;
    (0..RUNS).map(|_| timed(rounds)).fold(0.0, |best, (work, seconds)| (work / seconds).max(best))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_run_counts_whatever_else_the_machine_does() {
        // A unit of work takes a microsecond; the first run of all takes a second more, others up to three times as long.
        let mut runs = 0;
        let rate = best_of(|rounds| {
            runs += 1;
            let disturbed = [3.0, 1.5, 1.0, 2.0][runs % 4];
            let first = if runs == 1 { 1.0 } else { 0.0 };
            (rounds as f64, rounds as f64 * 1e-6 * disturbed + first)
        });
        assert_eq!(runs, 2 + RUNS);
        assert!((rate - 1e6).abs() < 1.0, "{rate}");
    }

    #[test]
    fn limits_are_measured_once() {
        let mut measured = Limits::new();
        let peak = measured.peak(Level::Portable);
        assert!(peak > 0.0 && peak.is_finite(), "{peak}");
        assert_eq!(measured.peak(Level::Portable), peak);
        let of = |measured: &mut Limits, bytes| [measured.reading(bytes), measured.copying(bytes)];
        let cached = of(&mut measured, 64 << 10);
        assert!(cached.iter().all(|&rate| rate > 0.0 && rate.is_finite()), "{cached:?}");
        assert_eq!(of(&mut measured, 60 << 10), cached, "sizes are rounded to powers of two");
    }
}
