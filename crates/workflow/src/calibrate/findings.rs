//! The operating point of a model of findings: a threshold of each, and a slope and an intercept.

use crate::Error;
use data::Dataset;
use eval::ThresholdRule;
use model::{Metadata, StoredFinding, list_names};
use serde_json::{Map, Value, json};
use train::{LabelledPredictions, Predictions};

/// Images with a finding, or without it, below which a slope and an intercept are doubted: ten for each of the two
/// numbers (Peduzzi et al. 1996, "A simulation study of the number of events per variable in logistic regression
/// analysis").
const FEW: usize = 20;

/// The numbers of the findings that are asked for: `named`, or all.
pub(super) fn which(metadata: &Metadata, named: &[String]) -> Result<Vec<usize>, Error> {
    if !metadata.has_findings() {
        return match named.first() {
            Some(name) => {
                Err(of_option(format!("expected a model of findings, to set {name}, found one of classes")))
            }
            None => Ok(vec![]),
        };
    }
    let find = |name: &String| {
        let at = metadata.classes.iter().position(|known| known.eq_ignore_ascii_case(name));
        let known = || of_option(format!("expected one of {}, found {name}", list_names(&metadata.classes)));
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

fn of_option(reason: String) -> Error {
    Error::Option { name: "finding", reason }
}

/// Makes the probabilities of these findings what the network says.
pub(super) fn without_slopes(metadata: &mut Metadata, which: &[usize]) {
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

/// Keeps where the thresholds, or the slopes, of the findings `set` come from, under `key`. Where they are not all,
/// that names them, and what was known of the others stays in it as `before`.
pub(super) fn keep_origin(
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

/// What moves the logit of a finding: its slope and its intercept.
pub fn slope(metadata: &Metadata, at: usize) -> [f32; 2] {
    let of = metadata.finding(at);
    [of.slope, of.intercept]
}

/// Fits slope and intercept of the findings `which` to `raw`, which were made without; what predictions are then.
pub(super) fn fit_slopes(
    metadata: &mut Metadata,
    raw: &Predictions,
    dataset: &Dataset,
    which: &[usize],
    before: &Metadata,
    warnings: &mut Vec<String>,
) -> Result<Predictions, Error> {
    let stored: Vec<StoredFinding> = (0..before.classes.len()).map(|at| before.finding(at).clone()).collect();
    let (moved, fitted) = train::fit_slopes(metadata, raw, dataset, which, &stored)?;
    let evaluation = LabelledPredictions::new(before, raw, dataset)?;
    for &at in which {
        let name = &before.classes[at];
        let (known, _) = evaluation.known(at);
        let (with, without) = (known.positives(), known.is.len() - known.positives());
        if !fitted.contains(&at) {
            warnings.push(format!(
                "{name}: no slope and intercept fit these images ({with} with it, {without} without), so they stay as \
                 they were"
            ));
        } else if with.min(without) < FEW {
            warnings.push(format!(
                "{name}: slope and intercept rest on {with} images with it and {without} without, and fewer than {FEW} \
                 of either are few"
            ));
        }
    }
    Ok(moved)
}

/// Chooses a threshold of each of the findings `which`, by `rule`; `place` as in [`LabelledPredictions::choose`]. One
/// that has none by the rule stays whole as it was in `before`: its threshold means nothing at another slope. Those
/// that have one.
///
/// # Errors
/// If none can be chosen.
pub(super) fn choose(
    metadata: &mut Metadata,
    before: &Metadata,
    evaluation: &LabelledPredictions,
    which: &[usize],
    rule: ThresholdRule,
    [split, place]: [&str; 2],
    warnings: &mut Vec<String>,
) -> Result<Vec<usize>, Error> {
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
        let reasons = reasons.join("; ");
        return Err(Error::Failed(format!("--rule {rule}: no finding has a threshold: {reasons}")));
    }
    warnings.extend(reasons.into_iter().map(|reason| format!("{reason}; it stays as it was")));
    Ok(chosen)
}

/// For `--json`: each of the findings `which`.
pub(super) fn in_json(before: &Metadata, now: &Metadata, which: &[usize]) -> Vec<Value> {
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
