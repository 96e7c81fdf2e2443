//! The operating point of a model of findings: a threshold of each, and a slope and an intercept.

use crate::failure::Failure;
use crate::figures::with_interval;
use data::Dataset;
use eval::ThresholdRule;
use model::{Metadata, StoredFinding, StoredThreshold, list_names};
use serde_json::{Map, Value, json};
use std::io;
use train::{LabelledPredictions, Predictions};

/// Images with a finding, or without it, below which a slope and an intercept are doubted: ten for each of the two numbers
/// (Peduzzi et al. 1996, "A simulation study of the number of events per variable in logistic regression analysis").
const FEW: usize = 20;

/// The numbers of the findings that are asked for: `named`, or all.
pub fn which(metadata: &Metadata, named: &[String]) -> Result<Vec<usize>, Failure> {
    if !metadata.has_findings() {
        return match named.first() {
            Some(name) => Err(usage!("--finding {name}: expected a model of findings, found one of classes")),
            None => Ok(vec![]),
        };
    }
    let find = |name: &String| {
        let at = metadata.classes.iter().position(|known| known.eq_ignore_ascii_case(name));
        let known = || usage!("--finding: expected one of {}, found {name}", list_names(&metadata.classes));
        at.ok_or_else(known)
    };
    match named.is_empty() {
        true => Ok((0..metadata.classes.len()).collect()),
        false => {
            let mut found = named.iter().map(find).collect::<Result<Vec<_>, _>>()?;
            found.sort_unstable();
            found.dedup();
            Ok(found)
        }
    }
}

/// Makes the probabilities of these findings what the network says.
pub fn without_slopes(metadata: &mut Metadata, which: &[usize]) {
    if metadata.has_findings() {
        metadata.findings.resize(metadata.classes.len(), StoredFinding::PLAIN);
    }
    for &at in which {
        (metadata.findings[at].slope, metadata.findings[at].intercept) = (1.0, 0.0);
    }
}

/// The findings with another slope or intercept than before.
pub fn moved(before: &Metadata, now: &Metadata) -> Vec<usize> {
    (0..now.findings.len()).filter(|&at| slope(before, at) != slope(now, at)).collect()
}

/// Keeps where the thresholds, or the slopes, of the findings `set` come from, under `key`. Where they are not all, that
/// names them, and what was known of the others stays in it as `before`.
pub fn keep_origin(
    origins: &mut Map<String, Value>,
    key: &str,
    origin: &Value,
    before: &Metadata,
    set: &[usize],
) {
    if set.is_empty() {
        return;
    }
    let mut origin = origin.clone();
    if set.len() < before.classes.len() {
        origin["findings"] = set.iter().map(|&at| before.classes[at].as_str()).collect();
        if let Some(earlier) = origins.remove(key) {
            origin["before"] = earlier;
        }
    }
    origins.insert(key.into(), origin);
}

fn slope(metadata: &Metadata, at: usize) -> [f32; 2] {
    let of = metadata.finding(at);
    [of.slope, of.intercept]
}

/// Fits slope and intercept of the findings `which` to `raw`, which were made without; what predictions are then.
pub fn fit_slopes(
    metadata: &mut Metadata,
    raw: &Predictions,
    dataset: &Dataset,
    which: &[usize],
    before: &Metadata,
    warnings: &mut Vec<String>,
) -> Result<Predictions, Failure> {
    let stored: Vec<StoredFinding> = (0..before.classes.len()).map(|at| before.finding(at).clone()).collect();
    let (moved, fitted) = train::fit_slopes(metadata, raw, dataset, which, &stored)?;
    let evaluation = LabelledPredictions::new(before, raw, dataset)?;
    for &at in which {
        let name = &before.classes[at];
        let (known, _) = evaluation.known(at);
        let (with, without) = (known.positives(), known.is.len() - known.positives());
        if !fitted.contains(&at) {
            warnings.push(format!(
                "{name}: no slope and intercept fit these images ({with} with it, {without} without), so they stay as they \
                 were"
            ));
        } else if with.min(without) < FEW {
            warnings.push(format!(
                "{name}: slope and intercept rest on {with} images with it and {without} without, and fewer than {FEW} of either are few"
            ));
        }
    }
    Ok(moved)
}

/// Chooses a threshold of each of the findings `which`, by `rule`; `place` as in [`LabelledPredictions::choose`]. One that has
/// none by the rule stays whole as it was in `before`: its threshold means nothing at another slope. Those that have one.
///
/// # Errors
/// If none can be chosen.
pub fn choose(
    metadata: &mut Metadata,
    before: &Metadata,
    evaluation: &LabelledPredictions,
    which: &[usize],
    rule: ThresholdRule,
    [split, place]: [&str; 2],
    warnings: &mut Vec<String>,
) -> Result<Vec<usize>, Failure> {
    let (mut chosen, mut reasons) = (vec![], vec![]);
    for &at in which {
        match evaluation.choose_finding(at, rule, split, place) {
            Ok(threshold) => {
                warnings.extend(train::doubts(&threshold));
                train::set_finding_threshold(metadata, threshold);
                chosen.push(at);
            }
            Err(reason) => {
                if let Some(of) = metadata.findings.get_mut(at) {
                    *of = before.finding(at).clone();
                }
                reasons.push(format!("{}: {reason}", metadata.classes[at]));
            }
        }
    }
    if chosen.is_empty() {
        let rule = String::from(rule);
        return Err(failed!("--rule {rule}: no finding has a threshold: {}", reasons.join("; ")));
    }
    warnings.extend(reasons.into_iter().map(|reason| format!("{reason}; it stays as it was")));
    Ok(chosen)
}

/// For `--json`: each of the findings `which`.
pub fn in_json(before: &Metadata, now: &Metadata, which: &[usize]) -> Vec<Value> {
    let one = |&at: &usize| {
        let (is, was) = (now.finding(at), before.finding(at));
        let threshold = is.threshold.as_ref();
        json!({
            "finding": now.classes[at],
            "threshold": threshold.map(|threshold| threshold.value),
            "threshold_rule": threshold.map(|threshold| &threshold.rule),
            "threshold_evidence": threshold.and_then(|threshold| threshold.evidence.as_ref()),
            "threshold_before": was.threshold,
            "slope": is.slope,
            "intercept": is.intercept,
            "slope_before": was.slope,
            "intercept_before": was.intercept,
        })
    };
    which.iter().map(one).collect()
}

/// For people: every finding whose threshold is another than before, and what it reaches.
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
    say!("  (exact 95 % intervals{by_group}, on the {split} images of which a finding is known)")?;
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
