//! Inference by both networks at 224 x 224, one image and a batch of 32, on one thread and on all.
//! `cargo bench --bench infer [-- FILTER]`; a minute.

use criterion::{Criterion, SamplingMode, Throughput};
use engine::{Rng, par};
use infer::Plan;
use kernels::Level;
use model::Architecture;
use nn::Learner;
use std::time::Duration;

fn main() {
    let all = par::threads();
    for threads in if all > 1 { vec![1, all] } else { vec![1] } {
        par::with_threads(threads, || {
            let mut criterion = Criterion::default()
                .without_plots()
                .sample_size(20)
                .warm_up_time(Duration::from_millis(200))
                .measurement_time(Duration::from_secs(1))
                .configure_from_args();
            for name in model::NAMES {
                for batch in [1, 32] {
                    bench(&mut criterion, name, batch, threads);
                }
            }
            criterion.final_summary();
        });
    }
}

fn bench(criterion: &mut Criterion, name: &str, batch: usize, threads: usize) {
    let architecture = Architecture::named(name).expect("it has a table");
    let network = Learner::new(architecture.network().expect("it is as published"), 0);
    let mut rng = Rng::new(0);
    let image = network.spec().image_size.iter().product::<usize>() * network.spec().channels;
    let images: Vec<f32> = (0..batch * image).map(|_| rng.range(-1.0, 1.0) as f32).collect();
    let mut group = criterion.benchmark_group("infer");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(batch as u64));
    for level in Level::available() {
        let plan = Plan::of(network.spec(), &network.weights(), level, batch);
        let mut plan = plan.expect("the weights are those of the network");
        let mut logits = vec![0.0; batch * plan.classes()];
        group.bench_function(format!("{}/{name}/b{batch}/t{threads}", level.name()), |bencher| {
            bencher.iter(|| plan.run(&images, &mut logits));
        });
    }
    group.finish();
}
