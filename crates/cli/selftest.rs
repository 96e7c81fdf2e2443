//! `vertebra selftest`: whether this machine computes what the machine that released the program did.
//!
//! Tiny networks predict and learn for one step, at every instruction set that the machine has, and the numbers are
//! compared with stored ones: of inference layer by layer, so that a failure names the layer. Levels differ in the
//! order of their sums, so within a tolerance; one thread and many are compared bit for bit. Rounding grows on its way
//! back through the norms, so the gradient of the first convolution, which is where every error of the backward pass
//! ends, has a wide tolerance, and those of the last layers a narrow one.

mod golden;
#[cfg(test)]
#[path = "../infer/tests/plan/reference.rs"]
mod reference;
mod training;

use crate::failure::Failure;
use crate::machine::Machine;
use crate::terminal;
use engine::par;
use kernels::Level;
use serde::Serialize;
use serde_json::json;

/// Check that this machine computes the right numbers
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra selftest
  vertebra selftest --json

Takes a second. The exit status is 1 if any check fails; then please report the output.")]
pub struct Args {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Check {
    #[serde(rename = "check")]
    name: String,
    passed: bool,
    detail: String,
}

/// A number, and what it should be.
struct Number {
    /// The layer or tensor that it speaks of.
    name: String,
    found: f64,
    expected: f64,
    /// How far off it may be.
    tolerance: f64,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let checks = checks()?;
    let passed = checks.iter().all(|check| check.passed);
    if args.json {
        terminal::json(&json!({ "passed": passed, "machine": Machine::this(), "checks": checks }))?;
    } else {
        for Check { name, passed, detail } in &checks {
            let word = if *passed { "OK" } else { "FAIL" };
            say!("{word:<5} {name:<34} {detail}")?;
        }
        note!("{}", Machine::this());
    }
    if passed { Ok(()) } else { Err(Failure::Reported) }
}

fn checks() -> Result<Vec<Check>, Failure> {
    let many = par::threads().max(2);
    let mut checks = vec![];
    for level in Level::available() {
        let name = level.name();
        let numbers = |threads| -> Result<[Vec<Number>; 2], Failure> {
            par::with_threads(threads, || Ok([golden::numbers(level)?, training::numbers(level)?]))
        };
        let ([inference, training], threads) = (numbers(1)?, numbers(many)?);
        let same_bits = inference.iter().chain(&training).zip(threads.iter().flatten());
        let different: Vec<&str> = same_bits
            .filter(|(one, many)| one.found.to_bits() != many.found.to_bits())
            .map(|(one, _)| one.name.as_str())
            .collect();
        checks.push(near(format!("{name}: inference"), &inference));
        checks.push(near(format!("{name}: training"), &training));
        checks.push(Check {
            name: format!("{name}: 1 and {many} threads"),
            passed: different.is_empty(),
            detail: match different[..] {
                [] => "the same bits".into(),
                _ => format!("other bits at {}", different.join(", ")),
            },
        });
    }
    Ok(checks)
}

/// That every number is within its tolerance; else the first that is not, which is nearest to the cause.
fn near(name: String, numbers: &[Number]) -> Check {
    let error = |number: &Number| (number.found - number.expected).abs() / number.tolerance;
    let failed = numbers.iter().find(|number| error(number).is_nan() || error(number) >= 1.0);
    let detail = match failed {
        Some(Number { name, found, expected, tolerance }) => {
            format!("{name}: expected {expected} within {tolerance:.1e}, found {found}")
        }
        None => {
            let worst = numbers.iter().map(error).fold(0.0, f64::max);
            format!("{:.0} % of the tolerance", 100.0 * worst)
        }
    };
    Check { name, passed: failed.is_none(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wrong_number_is_named() {
        let number = |name: &str, found| Number { name: name.into(), found, expected: 2.0, tolerance: 0.1 };
        let check = |numbers: &[Number]| near("portable: inference".into(), numbers);
        assert!(check(&[number("a", 2.05), number("b", 1.95)]).passed);
        for wrong in [2.2, f64::NAN, f64::INFINITY, -2.0] {
            let failed = check(&[number("a", 2.0), number("b", wrong), number("c", 9.0)]);
            assert!(!failed.passed && failed.detail.starts_with("b: expected 2 within"), "{}", failed.detail);
        }
    }
}
