//! Latency of one image and throughput of a batch, on one and on two threads, and the time of every step; the weights
//! are random.
//!
//! `cargo run --release -p infer --example latency -- [mobilenet-v1] [WIDTH] [SIZE]`

use engine::{Rng, par};
use infer::Plan;
use kernels::Level;
use model::{Architecture, Array, Network, Role, Weights};
use std::time::{Duration, Instant};

const BATCH: usize = 32;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "mobilenet-v1".into());
    let width = arguments.next().map_or(Ok(1.0), |width| width.parse())?;
    let size = arguments.next().map_or(Ok(224), |size| size.parse())?;
    let architecture = Architecture {
        width,
        image_size: [size, size],
        channels: 3,
        classes: 1000,
        ..Architecture::named(&name)?
    };
    let network = architecture.network()?;
    let weights = random_weights(&network);
    let level = Level::from_env()?;
    let gflop = 2e-9 * network.multiply_adds() as f64;
    println!("{name} {width} {size}x{size}, {gflop:.3} GFLOP, {}", level.name());
    for threads in [2, 1] {
        par::with_threads(threads, || measure(&network, &weights, level, threads, gflop))?;
    }
    Ok(())
}

fn measure(
    network: &Network,
    weights: &Weights,
    level: Level,
    threads: usize,
    gflop: f64,
) -> Result<(), infer::Error> {
    let images = vec![0.1; BATCH * network.image_size[0] * network.image_size[1] * network.channels];
    let mut logits = vec![0.0; BATCH * network.classes];

    let mut plan = Plan::of(network, weights, level, 1)?;
    let (image, one) = (&images[..plan.image_len()], &mut logits[..network.classes]);
    let mut seconds = times(Duration::from_secs(2), || plan.run(image, one));
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| 1e3 * seconds[(share * (seconds.len() - 1) as f64) as usize];
    let (p50, p90, min) = (at(0.5), at(0.9), at(0.0));
    println!(
        "{threads} threads, batch 1: p50 {p50:.2} ms, p90 {p90:.2}, min {min:.2}, {:.0} GFLOP/s",
        gflop / min * 1e3
    );

    let steps = plan.layers().to_vec();
    let mut best = vec![Duration::MAX; steps.len()];
    for _ in 0..100 {
        let mut times = vec![Duration::ZERO; steps.len()];
        plan.run_profiled(image, one, &mut times);
        best.iter_mut().zip(times).for_each(|(best, time)| *best = time.min(*best));
    }
    for (step, best) in steps.iter().zip(best) {
        let rate = 2.0 * step.multiply_adds as f64 / best.as_nanos() as f64;
        println!(
            "  {:9.1} us {rate:6.0} GFLOP/s  {:?} -> {:?} {}",
            best.as_nanos() as f64 / 1e3,
            step.input,
            step.output,
            step.name
        );
    }

    let mut plan = Plan::of(network, weights, level, BATCH)?;
    let mut seconds = times(Duration::from_secs(3), || plan.run(&images, &mut logits));
    seconds.sort_by(f64::total_cmp);
    let rate = |seconds: f64| BATCH as f64 / seconds;
    let (p50, best) = (rate(seconds[seconds.len() / 2]), rate(seconds[0]));
    println!(
        "{threads} threads, batch {BATCH}: p50 {p50:.0} images/s, best {best:.0}, arena {} KiB",
        plan.bytes() >> 10
    );
    Ok(())
}

/// Seconds of every call within a time, after one call that is not counted.
fn times(limit: Duration, mut call: impl FnMut()) -> Vec<f64> {
    call();
    let begin = Instant::now();
    let mut seconds = Vec::new();
    while begin.elapsed() < limit {
        let start = Instant::now();
        call();
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds
}

/// Weights at which activations keep their size.
fn random_weights(network: &Network) -> Weights {
    let mut rng = Rng::new(1);
    let tensors = network.tensors().into_iter().map(|spec| {
        let fan_in: usize = spec.shape[1..].iter().product();
        let mut value = || match spec.role {
            Role::ConvWeight => rng.normal() as f32 * (2.0 / fan_in as f32).sqrt(),
            Role::Gamma | Role::Variance => 1.0,
            Role::Bias | Role::Beta | Role::Mean => 0.0,
        };
        let data = (0..spec.elements()).map(|_| value()).collect();
        (spec.name, Array::new(spec.shape, data).expect("as many values as the shape has"))
    });
    tensors.collect()
}
