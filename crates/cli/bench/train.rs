//! `vertebra bench train`: whole training steps, and where their time goes.

use super::{NetworkArgs, Speed, billions, peak_rss_mib};
use crate::failure::Failure;
use crate::terminal;
use autograd::Timing;
use bench::Seconds;
use engine::{Rng, Tensor};
use kernels::Level;
use nn::{Algorithm, Learner, Loss};
use serde_json::{Value, json};
use std::io;
use std::time::Instant;
use train::Trainer;

/// Measure training steps on random images
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra bench train
  vertebra bench train --profile
  vertebra bench train --width 0.25 --image-size 128 --steps 50 --json
  vertebra bench train --image-size 320x256 --batch-size 8

A step is forward, backward and the update by Adam. gflops counts multiply-adds twice, and the backward pass as two
forward passes. peak_rss_mib is of the whole process (null where the system does not tell). The profile counts for each
layer the multiply-adds that it does, and the bytes of its tensors, each once a pass: GB/s are those at least.")]
pub struct Args {
    #[command(flatten)]
    network: NetworkArgs,
    /// Images a step
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch_size: u32,
    /// Steps that are timed, after two that are not
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Show the time of each layer, forward and backward
    #[arg(long)]
    profile: bool,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

/// Steps that warm up caches, buffers and branch predictors.
const WARM_UP: u32 = 2;

pub fn run(args: &Args) -> Result<(), Failure> {
    let architecture = args.network.architecture()?;
    let spec = architecture.network().map_err(Failure::usage)?;
    let (batch, level) = (args.batch_size as usize, Level::current());
    train::check_memory(&spec, batch).map_err(Failure::usage)?;
    let ([height, width], mut rng) = (spec.image_size, Rng::new(0));
    let mut images = Tensor::zeros([batch, height, width, spec.channels]);
    images.data_mut().fill_with(|| rng.range(-1.0, 1.0) as f32);
    let labels: Vec<usize> = (0..batch).map(|_| rng.below(spec.classes as u64) as usize).collect();
    let forward = 2.0 * spec.multiply_adds() as f64 * batch as f64;
    let loss = Loss::plain(spec.classes);
    let mut trainer = Trainer::new(Learner::new(spec, 0), Algorithm::ADAM, loss, level, 0);

    let (mut times, mut timings) = (vec![], vec![]);
    for step in 0..WARM_UP + args.steps {
        let begun = Instant::now();
        let (_, ops) = trainer.timed_step(images.clone(), &labels, 1e-4);
        if step >= WARM_UP {
            times.push(begun.elapsed().as_secs_f64());
            add(&mut timings, ops);
        }
    }
    let total: f64 = times.iter().sum();
    let rows = if args.profile { rows(trainer.network.spec(), batch, &timings, total) } else { vec![] };
    let times = Seconds::of(times);
    let (architecture, times, flops) = (&architecture, &times, 3.0 * forward);
    let speed = Speed { architecture, level, batch, times, flops, peak_rss_mib: peak_rss_mib() };
    if args.json {
        let mut document = speed.to_json();
        document["steps"] = json!(args.steps);
        if args.profile {
            document["profile"] = rows.iter().map(|row| row.to_json(args.steps, total)).collect();
        }
        return Ok(terminal::json(&document)?);
    }
    speed.print_heading()?;
    say!("  images/s  {:.1}", speed.images_per_second())?;
    let [median, min] = [times.median(), times.min()].map(|seconds| seconds * 1e3);
    say!("  step      {median:.1} ms median, {min:.1} ms min of {}", args.steps)?;
    say!("  GFLOP/s   {:.1}", speed.gflops())?;
    say!("  memory    {} MiB at most", speed.peak_memory())?;
    if args.profile {
        let heads = ["layer", "op", "output", "forward ms", "backward ms", "GFLOP/s", "GB/s", "share"];
        let [layer, op, output, forward, backward, rate, bandwidth, share] = heads;
        say!(
            "\n{layer:<24} {op:<20} {output:>16} {forward:>10} {backward:>11} \
             {rate:>8} {bandwidth:>6} {share:>6}"
        )?;
        rows.iter().try_for_each(|row| row.print(args.steps, total))?;
    }
    Ok(())
}

/// Adds the times of one step to those of the steps before, op by op.
fn add(total: &mut Vec<Timing>, step: Vec<Timing>) {
    if total.is_empty() {
        *total = step;
        return;
    }
    for (total, op) in total.iter_mut().zip(step) {
        total.forward += op.forward;
        total.backward += op.backward;
    }
}

/// One layer: its convolution with what follows it, over all steps.
struct LayerRow {
    layer: String,
    op: &'static str,
    /// Of one image.
    output: String,
    /// Seconds.
    forward: f64,
    backward: f64,
    /// Of one step, both passes.
    flops: f64,
    bytes: f64,
}

/// The layers of a network from the times of its ops, which follow the network's order, and what remains of `total`
/// seconds.
fn rows(network: &model::Network, batch: usize, timings: &[Timing], total: f64) -> Vec<LayerRow> {
    let mut convs = network.layers().enumerate();
    let mut rows: Vec<LayerRow> = vec![];
    for timing in timings {
        let (forward, backward) = (timing.forward.as_secs_f64(), timing.backward.as_secs_f64());
        let mut row = LayerRow {
            layer: timing.op.into(),
            op: timing.op,
            output: timing.shape[1..].iter().map(ToString::to_string).collect::<Vec<_>>().join("x"),
            forward,
            backward,
            flops: 0.0,
            bytes: 0.0,
        };
        match timing.op {
            "conv" | "depthwise" | "pointwise" => {
                let Some((i, (conv, size))) = convs.next() else { continue };
                let [out_h, out_w] = conv.output_size(size);
                let pixels = batch * out_h * out_w;
                let weights: usize = conv.weight_shape().iter().product();
                let (x, y) = (batch * size[0] * size[1] * conv.inputs, pixels * conv.outputs);
                // The input of the network wants no gradient.
                let (products, floats) =
                    if i == 0 { (2, 2 * x + 3 * y) } else { (3, 3 * x + 3 * y + weights) };
                row.layer = conv.name.clone();
                row.flops = (2 * products * pixels * weights) as f64;
                row.bytes = ((floats + 2 * weights) * size_of::<f32>()) as f64;
            }
            "dense" => {
                row.layer = network.classifier.clone();
                row.flops = (6 * batch * network.features * network.classes) as f64;
            }
            "global_average_pool" => {
                let [h, w] = network.feature_size();
                row.bytes = (3 * batch * h * w * network.features * size_of::<f32>()) as f64;
            }
            "dropout" | "cross_entropy" => {}
            // A norm, an activation, the addition of a residual: part of the layer before.
            _ => {
                if let Some(last) = rows.last_mut() {
                    last.forward += forward;
                    last.backward += backward;
                    continue;
                }
            }
        }
        rows.push(row);
    }
    let known: f64 = rows.iter().map(|row| row.forward + row.backward).sum();
    rows.push(LayerRow {
        layer: "update and the rest".into(),
        op: "adam",
        output: String::new(),
        forward: 0.0,
        backward: (total - known).max(0.0),
        flops: 0.0,
        bytes: 0.0,
    });
    rows
}

impl LayerRow {
    fn seconds(&self) -> f64 {
        self.forward + self.backward
    }

    fn print(&self, steps: u32, total: f64) -> io::Result<()> {
        let Self { layer, op, output, .. } = self;
        let (ms, seconds) = (1e3 / f64::from(steps), self.seconds() / f64::from(steps));
        let [forward, backward] = [self.forward * ms, self.backward * ms];
        let [rate, bandwidth] = [self.flops, self.bytes].map(|work| billions(work, seconds));
        let share = 100.0 * self.seconds() / total;
        say!(
            "{layer:<24} {op:<20} {output:>16} {forward:>10.3} {backward:>11.3} \
             {rate:>8} {bandwidth:>6} {share:>5.1}%"
        )
    }

    fn to_json(&self, steps: u32, total: f64) -> Value {
        let steps = f64::from(steps);
        let rate = |work: f64| (work > 0.0).then(|| work * steps / self.seconds() / 1e9);
        json!({
            "layer": self.layer,
            "op": self.op,
            "shape": self.output,
            "forward_ms": self.forward / steps * 1e3,
            "backward_ms": self.backward / steps * 1e3,
            "gflops": rate(self.flops),
            "gb_per_s": rate(self.bytes),
            "share": self.seconds() / total,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_op_counts_in_the_row_of_its_layer() {
        for name in model::NAMES {
            let architecture = model::Architecture {
                width: 0.25,
                image_size: [32; 2],
                ..model::Architecture::named(name).unwrap()
            };
            let spec = architecture.network().unwrap();
            let layers: Vec<String> = spec.layers().map(|(conv, _)| conv.name.clone()).collect();
            let network = Learner::new(spec, 0);
            let mut trainer = Trainer::new(network, Algorithm::ADAM, Loss::plain(2), Level::Portable, 0);
            let (_, mut timings) = trainer.timed_step(Tensor::full([2, 32, 32, 1], 0.5), &[0, 1], 1e-3);
            for timing in &mut timings {
                (timing.forward, timing.backward) = (Duration::from_secs(1), Duration::from_secs(2));
            }
            let total = 3.0 * timings.len() as f64 + 5.0;
            let rows = rows(trainer.network.spec(), 2, &timings, total);
            assert!(
                (rows.iter().map(LayerRow::seconds).sum::<f64>() - total).abs() < 1e-9,
                "{name}: time is lost"
            );
            let convs = rows.iter().filter(|row| ["conv", "depthwise", "pointwise"].contains(&row.op));
            assert_eq!(convs.map(|row| row.layer.clone()).collect::<Vec<_>>(), layers);
            let stem = &rows[0];
            let multiply_adds = trainer.network.spec().multiply_adds() as f64;
            let flops: f64 = rows.iter().map(|row| row.flops).sum();
            assert!((flops - (2.0 * 6.0 * multiply_adds - stem.flops / 2.0)).abs() < 1.0, "{name}: {flops}");
        }
    }
}
