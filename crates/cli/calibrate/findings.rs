//! The operating point of a model of findings, for people.

use crate::figures::with_interval;
use model::{Metadata, StoredThreshold};
use std::io;
use workflow::{moved, slope};

/// Every finding whose threshold is another than before, and what it reaches.
pub fn print(before: &Metadata, now: &Metadata, split: &str) -> io::Result<()> {
    let changed: Vec<(&StoredThreshold, usize)> = (0..now.findings.len())
        .filter(|&at| now.finding(at).threshold != before.finding(at).threshold)
        .filter_map(|at| Some((now.finding(at).threshold.as_ref()?, at)))
        .collect();
    let Some((first, _)) = changed.first() else { return Ok(()) };
    let by_group =
        if first.evidence.as_ref().is_some_and(|found| found.by_group) { ", by group" } else { "" };
    say!("operating points, {}:", first.rule)?;
    let width = changed.iter().map(|(of, _)| of.positive.chars().count()).max().unwrap_or(0).max(7);
    let line = |cells: [&str; 7]| {
        let [name, with, without, from, was, sensitivity, specificity] = cells;
        say!(
            "  {name:<width$}  {with:>6}  {without:>7}  {from:>7}  {was:>7}  {sensitivity:<20}  {}",
            specificity.trim_end()
        )
    };
    line(["finding", "with", "without", "from p", "was", "sensitivity", "specificity"])?;
    for (of, at) in &changed {
        let Some(found) = &of.evidence else { continue };
        let was = before.finding(*at).threshold.as_ref().map_or(0.5, |threshold| threshold.value);
        let rate = |value, ends: Option<[f64; 2]>| {
            with_interval(value, ends.map(|[low, high]| eval::Interval { low, high }))
        };
        line([
            &of.positive,
            &found.positives.to_string(),
            &found.negatives.to_string(),
            &format!("{:.4}", of.value),
            &format!("{was:.4}"),
            &rate(found.sensitivity, found.sensitivity_ci),
            &rate(found.specificity, found.specificity_ci),
        ])?;
    }
    let images = if split == "all" { "images".to_owned() } else { format!("{split} images") };
    say!("  (exact 95 % intervals{by_group}, on the {images} of which a finding is known)")?;
    let in_words = |at: usize| {
        let [slope, intercept] = slope(now, at);
        format!("{} {slope:.3} and {intercept:+.3}", now.classes[at])
    };
    let moved: Vec<String> = moved(before, now).into_iter().map(in_words).collect();
    if moved.is_empty() {
        return Ok(());
    }
    say!("slopes and intercepts of the logits, {}: {}", now.temperature_origin(), moved.join(", "))
}
