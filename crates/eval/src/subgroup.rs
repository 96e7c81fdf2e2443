//! The same evaluation in parts of the samples: by sex, age, scanner, hospital, or whatever else is known of them.
//!
//! A model that is right on average can be wrong for some. Intervals of a small part are wide, and that is what they
//! are to say; there is no test for a difference, because with many parts some would differ by chance.

use crate::input::{InputError, Scored};
use crate::interval::Interval;
use crate::summary::Summary;
use serde::Serialize;
use std::collections::BTreeMap;

/// A column of numbers with more values than this is divided at its quartiles.
const MOST_VALUES: usize = 10;

/// What is known of a part. Fields are those of [`Summary`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names of the summary's fields")]
pub struct Subgroup {
    /// The column that divides.
    pub column: String,
    /// Its value here, a range such as `41 to 58`, or `not given`.
    pub value: String,
    pub images: usize,
    pub groups: Option<usize>,
    /// Samples of the positive class; `None` with more than two classes.
    pub positives: Option<usize>,
    pub accuracy: Option<f64>,
    pub accuracy_ci: Option<Interval>,
    pub sensitivity: Option<f64>,
    pub sensitivity_ci: Option<Interval>,
    pub specificity: Option<f64>,
    pub specificity_ci: Option<Interval>,
    pub auroc: Option<f64>,
    pub auroc_ci: Option<Interval>,
    pub brier: f64,
}

/// Evaluates the samples of `input` by `values`, the value of `column` for each of them.
pub fn subgroups(input: &Scored, column: &str, values: &[String]) -> Result<Vec<Subgroup>, InputError> {
    let parts = parts(values).into_iter();
    parts.map(|(value, members)| evaluate(input, column, value, &members)).collect()
}

fn evaluate(input: &Scored, column: &str, value: String, members: &[usize]) -> Result<Subgroup, InputError> {
    let classes = input.classes.len();
    let labels: Vec<usize> = members.iter().map(|&i| input.labels[i]).collect();
    let row = |&i: &usize| &input.probabilities[i * classes..][..classes];
    let probabilities: Vec<f64> = members.iter().flat_map(row).copied().collect();
    let groups: Option<Vec<usize>> = input.groups.map(|groups| members.iter().map(|&i| groups[i]).collect());
    let part = Scored {
        labels: &labels,
        probabilities: &probabilities,
        groups: groups.as_deref(),
        draws: 0,
        ..input.clone()
    };
    let summary = Summary::new(&part)?;
    let positives = labels.iter().filter(|&&label| label == input.positive).count();
    Ok(Subgroup {
        column: column.to_owned(),
        value,
        images: summary.images,
        groups: summary.groups,
        positives: (classes == 2).then_some(positives),
        accuracy: summary.accuracy,
        accuracy_ci: summary.accuracy_ci,
        sensitivity: summary.sensitivity,
        sensitivity_ci: summary.sensitivity_ci,
        specificity: summary.specificity,
        specificity_ci: summary.specificity_ci,
        auroc: summary.auroc,
        auroc_ci: summary.auroc_ci,
        brier: summary.brier,
    })
}

/// The samples of each value, in order: numbers by size, other values by name, `not given` last.
fn parts(values: &[String]) -> Vec<(String, Vec<usize>)> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, value) in values.iter().enumerate() {
        members.entry(value.trim()).or_default().push(i);
    }
    let missing = members.remove("").map(|samples| ("not given".to_owned(), samples));
    let finite = |text: &str| text.parse::<f64>().ok().filter(|x| x.is_finite());
    let numbers: Option<Vec<f64>> = members.keys().map(|text| finite(text)).collect();
    let mut parts: Vec<(String, Vec<usize>)> = match numbers {
        Some(numbers) => {
            let parts = by_number(numbers.into_iter().zip(members));
            if parts.len() > MOST_VALUES {
                quartiles(parts)
            } else {
                parts.into_iter().map(|(_, (value, samples))| (value.to_owned(), samples)).collect()
            }
        }
        None => members.into_iter().map(|(value, samples)| (value.to_owned(), samples)).collect(),
    };
    parts.extend(missing);
    parts
}

/// A value as it is written, and its samples.
type Part<'a> = (&'a str, Vec<usize>);

/// Numbers in order, each once: `1` and `1.0` are one, written as the shorter is.
fn by_number<'a>(parts: impl Iterator<Item = (f64, Part<'a>)>) -> Vec<(f64, Part<'a>)> {
    // -0 is 0.
    let mut parts: Vec<_> = parts.map(|(number, part)| (number + 0.0, part)).collect();
    parts.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.0.len().cmp(&b.1.0.len())));
    parts.dedup_by(|next, first| {
        let same = next.0 == first.0;
        if same {
            first.1.1.append(&mut next.1.1);
            first.1.1.sort_unstable();
        }
        same
    });
    parts
}

/// Four parts of about the same number of samples, of `values` in order; those of one value stay together.
fn quartiles(values: Vec<(f64, Part)>) -> Vec<(String, Vec<usize>)> {
    let total: usize = values.iter().map(|(_, (_, samples))| samples.len()).sum();
    let mut before = 0;
    let mut quarters: [Vec<(f64, Vec<usize>)>; 4] = Default::default();
    for (value, (_, samples)) in values {
        // By the middle sample of the value, which is below `total`.
        let quarter = 4 * (before + samples.len() / 2) / total;
        before += samples.len();
        quarters[quarter].push((value, samples));
    }
    let join = |quarter: Vec<(f64, Vec<usize>)>| {
        let (low, high) = (quarter.first()?.0, quarter.last()?.0);
        let name = if low == high { low.to_string() } else { format!("{low} to {high}") };
        Some((name, quarter.into_iter().flat_map(|(_, samples)| samples).collect()))
    };
    quarters.into_iter().filter_map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::parts;

    fn names(values: &[&str]) -> Vec<(String, usize)> {
        let values: Vec<String> = values.iter().map(|&value| value.into()).collect();
        parts(&values).into_iter().map(|(name, samples)| (name, samples.len())).collect()
    }

    #[test]
    fn values_are_parts_in_their_order() {
        let part = |name: &str, samples| (name.to_owned(), samples);
        assert_eq!(names(&["m", "f", "", " m"]), [part("f", 1), part("m", 2), part("not given", 1)]);
        assert_eq!(names(&["10", "9", "9"]), [part("9", 2), part("10", 1)]);
        assert_eq!(names(&["1.0", "0", "1", "-0.0", "1"]), [part("0", 2), part("1", 3)]);
    }

    #[test]
    fn many_numbers_are_divided_at_quartiles() {
        let ages: Vec<String> = (0..40).map(|i| (20 + i).to_string()).chain([String::new()]).collect();
        let found = names(&ages.iter().map(String::as_str).collect::<Vec<_>>());
        let part = |name: &str, samples| (name.to_owned(), samples);
        let want = [part("20 to 29", 10), part("30 to 39", 10), part("40 to 49", 10), part("50 to 59", 10)];
        assert_eq!(found[..4], want);
        assert_eq!(found[4], part("not given", 1));
    }
}
