//! The time of an evaluation of 10,000 scores of 2,500 groups with 2,000 bootstrap draws.
//!
//! `cargo run --release -p eval --example bootstrap_speed`

use engine::Rng;
use eval::{Scored, Summary, Threshold};
use std::time::Instant;

fn main() -> Result<(), eval::InputError> {
    const SCORES: usize = 10_000;
    const DRAWS: usize = 2_000;
    let mut rng = Rng::new(1);
    let labels: Vec<usize> = (0..SCORES).map(|i| i % 2).collect();
    let score = |&label: &usize| 1.0 / (1.0 + (-rng.normal() - 1.5 * label as f64 + 0.75).exp());
    let scores: Vec<f64> = labels.iter().map(score).collect();
    let input = Scored {
        split: "test",
        labels: &labels,
        probabilities: &scores.iter().flat_map(|&p| [1.0 - p, p]).collect::<Vec<_>>(),
        classes: &["normal".into(), "fracture".into()],
        groups: Some(&(0..SCORES).map(|i| i / 4).collect::<Vec<_>>()),
        positive: 1,
        threshold: Threshold::fixed(0.5),
        prevalence: Some(0.02),
        draws: DRAWS,
        seed: 0,
    };
    let begin = Instant::now();
    let summary = Summary::new(&input)?;
    let seconds = begin.elapsed().as_secs_f64();
    println!("{summary}\n{SCORES} scores, {DRAWS} draws, {} threads: {seconds:.2} s", engine::par::threads());
    Ok(())
}
