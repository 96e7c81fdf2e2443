//! `vertebra selftest`: whether this machine computes what the machine that released the program did.
//!
//! A tiny network predicts and learns for one step, at every instruction set that the machine has. The numbers are
//! compared with stored ones (levels differ in the order of their sums, so within a tolerance), and between one thread and
//! many (bit for bit). Rounding grows on its way back through the norms, so the gradient of the first convolution, which
//! is where every error of the backward pass ends, has a wide tolerance, and those of the last layers a narrow one.

use crate::failure::Failure;
use kernels::Level;
use model::{Architecture, Metadata, Model, Preprocessing};
use nn::{Algorithm, Loss, Network};
use serde_json::json;
use std::io::{self, Write};
use tensor::{Rng, Tensor, par};
use train::{Classifier, Trainer};

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

/// At the portable level: the loss, and how far a step moves some weights (name, L2 norm, tolerance).
const LOSS: f64 = 0.615_532_3;
const CHANGES: [(&str, f64, f64); 4] = [
    ("classifier.weight", 0.012_974_13, TOLERANCE),
    ("blocks.12.pointwise.weight", 0.020_284_35, TOLERANCE),
    ("blocks.11.depthwise.weight", 0.051_669_5, 10.0 * TOLERANCE),
    ("conv1.weight", 3.2, 0.25),
];
/// Log-probabilities of class 1 for the first four images, before the step.
const PREDICTIONS: [f64; 4] = [-0.563_354_4, -0.384_892_1, -0.773_655_3, -0.528_045_7];
/// Relative: far above what the order of sums changes, far below what any defect would.
const TOLERANCE: f64 = 1e-3;

const IMAGES: usize = 8;
const SIZE: usize = 64;

struct Check {
    name: String,
    passed: bool,
    detail: String,
}

/// What the tiny network comes to.
#[derive(PartialEq)]
struct Numbers {
    loss: f64,
    changes: Vec<f64>,
    predictions: Vec<f64>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let checks = checks()?;
    let passed = checks.iter().all(|check| check.passed);
    let mut out = io::stdout().lock();
    if args.json {
        let list =
            |check: &Check| json!({ "check": check.name, "passed": check.passed, "detail": check.detail });
        let document = json!({ "passed": passed, "checks": checks.iter().map(list).collect::<Vec<_>>() });
        serde_json::to_writer_pretty(&mut out, &document)?;
        writeln!(out)?;
    } else {
        for Check { name, passed, detail } in &checks {
            let word = if *passed { "OK" } else { "FAIL" };
            writeln!(out, "{word:<5} {name:<34} {detail}")?;
        }
    }
    if passed { Ok(()) } else { Err(Failure::Reported) }
}

fn checks() -> Result<Vec<Check>, Failure> {
    let mut checks = vec![];
    for level in Level::available() {
        let name = level.name();
        let many = par::threads().max(2);
        let one_thread = par::with_threads(1, || numbers(level))?;
        let threads = par::with_threads(many, || numbers(level))?;
        let predictions =
            one_thread.predictions.iter().zip(PREDICTIONS).map(|(&found, want)| (found, want, TOLERANCE));
        checks.push(near(format!("{name}: prediction"), predictions));
        let changes =
            one_thread.changes.iter().zip(CHANGES).map(|(&found, (_, want, allowed))| (found, want, allowed));
        checks.push(near(format!("{name}: training"), changes.chain([(one_thread.loss, LOSS, TOLERANCE)])));
        checks.push(Check {
            name: format!("{name}: 1 and {many} threads"),
            passed: one_thread == threads,
            detail: "the same bits".into(),
        });
    }
    Ok(checks)
}

/// Compares triples of (found, expected, relative tolerance).
fn near(name: String, numbers: impl Iterator<Item = (f64, f64, f64)>) -> Check {
    let numbers: Vec<_> = numbers.collect();
    let part =
        |&(found, expected, allowed): &(f64, f64, f64)| ((found - expected) / expected).abs() / allowed;
    // NaN is the largest error, not none.
    let worst =
        numbers.iter().map(part).fold(0.0, |worst: f64, part| if part <= worst { worst } else { part });
    let passed = worst < 1.0;
    let mut detail = format!("{:.0} % of the tolerance", 100.0 * worst);
    if !passed {
        detail += &format!("; (found, expected, tolerance): {numbers:?}");
    }
    Check { name, passed, detail }
}

fn numbers(level: Level) -> Result<Numbers, Failure> {
    let named = Architecture::named("mobilenet-v1")?;
    let architecture = Architecture { width: 0.25, image_size: [SIZE; 2], dropout: 0.1, ..named };
    let mut rng = Rng::new(1);
    let phases: Vec<f32> = (0..IMAGES).map(|_| rng.range(0.0, 6.0) as f32).collect();
    let labels: Vec<usize> = (0..IMAGES).map(|i| i % 2).collect();
    // Smooth waves, as images have, steeper in the second class.
    let pixels = |i: usize| {
        let (image, y, x) = (i / (SIZE * SIZE), i / SIZE % SIZE, i % SIZE);
        let (phase, steepness) = (phases[image], 0.15 + 0.1 * labels[image] as f32);
        ((x as f32 * steepness + phase).sin() + (y as f32 * 0.11 - phase).cos()) / 2.0
    };
    let pixels: Vec<f32> = (0..IMAGES * SIZE * SIZE).map(pixels).collect();
    let images = Tensor::from_slice([IMAGES, SIZE, SIZE, 1], &pixels);
    let algorithm = Algorithm::Sgd { momentum: 0.0, l2: 1e-4 };
    let network = Network::new(architecture.network()?, 1);
    let mut trainer = Trainer::new(network, algorithm, Loss::plain(2), level, 1);
    // A step at rate 0 gives the norms their running statistics, and moves nothing else.
    trainer.step(images.clone(), &labels, 0.0);
    let before = trainer.network.weights();
    let loss = trainer.step(images, &labels, 0.01).into();
    let after = trainer.network.weights();
    let change = |(name, ..): (&str, f64, f64)| {
        let pairs = before[name].data().iter().zip(after[name].data());
        pairs.map(|(a, b)| f64::from(b - a).powi(2)).sum::<f64>().sqrt()
    };
    let changes = CHANGES.into_iter().map(change).collect();

    let classes = vec!["even".to_owned(), "steep".to_owned()];
    let metadata = Metadata::new(architecture, classes, Preprocessing::new(1, [SIZE; 2]));
    let bytes = Model::new(metadata, before)?.to_tensor_file()?.to_bytes();
    let mut classifier = Classifier::at_level(&Model::from_bytes(&bytes)?, level)?;
    let rows = classifier.log_probabilities(&pixels);
    Ok(Numbers { loss, changes, predictions: rows.chunks_exact(2).take(4).map(|row| row[1]).collect() })
}
