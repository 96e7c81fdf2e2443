//! Whole training steps of MobileNetV1, batch 32, at the sizes that other programs are measured at, on one thread and on
//! all. `cargo bench --bench train_step [-- FILTER]`; a minute.

use criterion::{Criterion, SamplingMode, Throughput};
use engine::{Rng, Tensor, par};
use kernels::Level;
use model::Architecture;
use nn::{Algorithm, Learner, Loss};
use std::time::Duration;
use train::Trainer;

const BATCH: usize = 32;

fn main() {
    let all = par::threads();
    for threads in if all > 1 { vec![1, all] } else { vec![1] } {
        par::with_threads(threads, || {
            let mut criterion = Criterion::default()
                .without_plots()
                .sample_size(10)
                .warm_up_time(Duration::from_millis(500))
                .measurement_time(Duration::from_secs(3))
                .configure_from_args();
            for size in [128, 224] {
                bench(&mut criterion, size, threads);
            }
            criterion.final_summary();
        });
    }
}

fn bench(criterion: &mut Criterion, size: usize, threads: usize) {
    let mut rng = Rng::new(0);
    let mut images = Tensor::zeros([BATCH, size, size, 1]);
    images.data_mut().fill_with(|| rng.range(-1.0, 1.0) as f32);
    let labels: Vec<usize> = (0..BATCH).map(|i| i % 2).collect();
    let mut group = criterion.benchmark_group("train_step");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(BATCH as u64));
    for level in Level::available() {
        let mut trainer = None;
        group.bench_function(format!("{}/v1_{size}/b{BATCH}/t{threads}", level.name()), |bencher| {
            let trainer = trainer.get_or_insert_with(|| {
                let named = Architecture::named("mobilenet-v1").expect("it has a table");
                let network = Architecture { image_size: [size; 2], ..named }.network();
                let network = Learner::new(network.expect("the size is allowed"), 0);
                Trainer::new(network, Algorithm::ADAM, Loss::plain(2), level, 0)
            });
            bencher.iter(|| trainer.step(images.clone(), &labels, 1e-4));
        });
    }
    group.finish();
}
