//! `vertebra bench compare`: two recorded benches, side by side.

use crate::failure::Failure;
use crate::terminal;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Compare two benches that --json recorded
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra bench kernels --json > a.json
  vertebra bench compare a.json b.json

Both are of the same bench: kernels, train or infer. B/A below 1 is faster. A difference counts (faster, slower) where the
slowest call of one took less time than the fastest of the other; else it may be noise, however large it looks. What two
runs do not have in common is counted. Machines change from minute to minute: run A, B, A, B and compare like with like.")]
pub struct Args {
    /// The first record
    a: PathBuf,
    /// The second record
    b: PathBuf,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

/// What is read of a record.
struct Record {
    /// What decides how fast it is, by name.
    setting: BTreeMap<String, Value>,
    /// Of a whole step there is one timing, of kernels one each.
    is_of_kernels: bool,
    timings: Vec<(String, Milliseconds)>,
}

/// Milliseconds: median, fastest, slowest.
#[derive(Clone, Copy, Serialize)]
struct Milliseconds {
    median: f64,
    min: f64,
    /// None in records of before it was kept.
    max: Option<f64>,
}

/// The same in both records.
#[derive(Serialize)]
struct Pair {
    name: String,
    a: Milliseconds,
    b: Milliseconds,
    /// B's median by A's.
    ratio: f64,
    verdict: &'static str,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Comparison {
    /// What the records say differently of machine, program and setting: A's words and B's.
    differences: BTreeMap<String, [Value; 2]>,
    pairs: Vec<Pair>,
    only_in_a: usize,
    only_in_b: usize,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let [a, b] = [read(&args.a)?, read(&args.b)?];
    if a.is_of_kernels != b.is_of_kernels {
        let [of_a, of_b] = [&a, &b].map(|record| if record.is_of_kernels { "kernels" } else { "a step" });
        let (a, b) = (args.a.display(), args.b.display());
        return Err(failed!("{a} is a bench of {of_a}, {b} of {of_b}: compare like with like"));
    }
    let comparison = Comparison::of(&a, &b);
    if comparison.pairs.is_empty() {
        let (a, b) = (args.a.display(), args.b.display());
        return Err(failed!("{a} and {b} have no kernel in common"));
    }
    if args.json { Ok(terminal::json(&comparison)?) } else { Ok(comparison.print()?) }
}

fn read(path: &Path) -> Result<Record, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| failed!("{shown}: cannot read it: {error}"))?;
    let record = serde_json::from_str(&text).map_err(|error| error.to_string());
    let record = record.and_then(|document| Record::of(&document));
    let expected = "expected what 'vertebra bench kernels|train|infer --json' prints";
    record.map_err(|found| failed!("{shown}: {expected}, found {found}"))
}

impl Record {
    /// Of a document, or what is wrong with it.
    fn of(document: &Value) -> Result<Self, String> {
        let milliseconds = |of: &Value, prefix: &str| {
            let number = |name: &str| of.get(format!("{prefix}{name}")).and_then(Value::as_f64);
            let missing = || format!("no number {prefix}ms_median and {prefix}ms_min");
            let (median, min) = number("ms_median").zip(number("ms_min")).ok_or_else(missing)?;
            Ok::<_, String>(Milliseconds { median, min, max: number("ms_max") })
        };
        let mut setting = BTreeMap::new();
        if let Some(Value::Object(machine)) = document.get("machine") {
            setting.extend(machine.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        for name in ["arch", "batch_size", "image_size", "threads", "level"] {
            setting.extend(document.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        let kernels = document.get("kernels").and_then(Value::as_array);
        let timings = match kernels {
            Some(kernels) => {
                let named = |of: &Value| {
                    let name = of.get("name").and_then(Value::as_str).ok_or("a kernel without a name")?;
                    Ok((name.to_owned(), milliseconds(of, "")?))
                };
                kernels.iter().map(named).collect::<Result<_, String>>()?
            }
            None => vec![("step".to_owned(), milliseconds(document, "step_")?)],
        };
        Ok(Self { setting, is_of_kernels: kernels.is_some(), timings })
    }
}

impl Comparison {
    fn of(a: &Record, b: &Record) -> Self {
        let (of_a, of_b) = (&a.setting, &b.setting);
        let names = of_a.keys().chain(of_b.keys()).filter(|name| *name != "date");
        let value = |of: &BTreeMap<String, Value>, name: &String| of.get(name).cloned().unwrap_or_default();
        let differences = names
            .map(|name| (name.clone(), [value(of_a, name), value(of_b, name)]))
            .filter(|(_, [a, b])| a != b)
            .collect();
        let mut second = BTreeMap::from_iter(b.timings.iter().cloned());
        let pair = |(name, a): &(String, Milliseconds)| {
            let b = second.remove(name)?;
            let (name, a) = (name.clone(), *a);
            Some(Pair { name, a, b, ratio: b.median / a.median, verdict: verdict(a, b) })
        };
        let pairs: Vec<Pair> = a.timings.iter().filter_map(pair).collect();
        Self { differences, only_in_a: a.timings.len() - pairs.len(), only_in_b: second.len(), pairs }
    }

    fn print(&self) -> io::Result<()> {
        for (name, [a, b]) in &self.differences {
            say!("{name}: {a} in A, {b} in B")?;
        }
        let width = self.pairs.iter().map(|pair| pair.name.len()).max().unwrap_or(0).max(6);
        say!("{:<width$} {:>10} {:>10} {:>7}", "", "A ms", "B ms", "B/A")?;
        for Pair { name, a, b, ratio, verdict } in &self.pairs {
            say!("{name:<width$} {:>10.3} {:>10.3} {ratio:>7.3}  {verdict}", a.median, b.median)?;
        }
        let sum = |of: fn(&Pair) -> f64| self.pairs.iter().map(of).sum::<f64>();
        let (a, b) = (sum(|pair| pair.a.median), sum(|pair| pair.b.median));
        if self.pairs.len() > 1 {
            say!("{:<width$} {a:>10.3} {b:>10.3} {:>7.3}", "sum", b / a)?;
        }
        match (self.only_in_a, self.only_in_b) {
            (0, 0) => Ok(()),
            (a, b) => say!("left out: {a} only in A, {b} only in B"),
        }
    }
}

/// What can be said of the difference; nothing where a record has no slowest call.
fn verdict(a: Milliseconds, b: Milliseconds) -> &'static str {
    match (a.max, b.max) {
        (Some(slowest), _) if b.min > slowest => "slower",
        (_, Some(slowest)) if a.min > slowest => "faster",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(kernels: &Value) -> Record {
        let machine = json!({"cpu": "X", "date": kernels.to_string()});
        let document =
            json!({"machine": machine, "arch": "v1", "batch_size": 1, "threads": 2, "kernels": kernels});
        Record::of(&document).unwrap()
    }

    #[test]
    fn only_spreads_apart_are_a_difference() {
        let timing = |name: &str, ms: [f64; 3]| json!({"name": name, "ms_min": ms[0], "ms_median": ms[1], "ms_max": ms[2]});
        let a = record(&json!([
            timing("same", [1.0, 2.0, 3.0]),
            timing("better", [4.0, 5.0, 6.0]),
            timing("worse", [1.0, 1.1, 1.2]),
            timing("gone", [1.0, 1.0, 1.0])
        ]));
        let b = record(&json!([
            timing("worse", [1.3, 1.4, 9.0]),
            timing("same", [2.5, 2.9, 3.0]),
            timing("better", [1.0, 2.0, 3.9])
        ]));
        let found = Comparison::of(&a, &b);
        let verdicts: Vec<_> = found.pairs.iter().map(|pair| (pair.name.as_str(), pair.verdict)).collect();
        assert_eq!(verdicts, [("same", ""), ("better", "faster"), ("worse", "slower")]);
        assert!((found.pairs[1].ratio - 0.4).abs() < 1e-12);
        assert_eq!((found.only_in_a, found.only_in_b), (1, 0));
        // Dates always differ.
        assert!(found.differences.is_empty());
    }
}
