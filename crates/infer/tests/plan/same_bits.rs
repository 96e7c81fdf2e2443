//! The bits of an image's logits do not depend on the batch, its place in it, or the number of threads.

use crate::common::{random_images, random_weights};
use engine::par;
use infer::Plan;
use kernels::{Caches, Level};
use model::{Architecture, Network, Weights};

#[test]
fn any_batch_and_any_number_of_threads_give_the_same_bits() {
    for name in model::NAMES {
        let architecture = Architecture {
            width: 0.5,
            image_size: [96, 75],
            channels: 3,
            classes: 150,
            ..Architecture::named(name).unwrap()
        };
        let network = architecture.network().unwrap();
        let weights = random_weights(&network, 5);
        const BATCH: usize = 5;
        let images = random_images(&network, BATCH, 6);
        for level in Level::available() {
            let run = |threads: usize, batch: usize| {
                par::with_threads(threads, || {
                    let mut plan = Plan::of(&network, &weights, level, batch).unwrap();
                    let mut logits = vec![f32::NAN; BATCH * network.classes];
                    let images = images.chunks(batch * plan.image_len());
                    for (images, logits) in images.zip(logits.chunks_mut(batch * network.classes)) {
                        plan.run(images, logits);
                    }
                    logits.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
                })
            };
            let want = run(1, 1);
            for (threads, batch) in [(1, BATCH), (2, 1), (2, BATCH), (3, 2), (4, BATCH), (7, 1)] {
                assert_eq!(run(threads, batch), want, "{name} {} {threads} {batch}", level.name());
            }
        }
    }
}

/// The names of the steps of a plan on so many threads, and the bits of the logits of an image.
fn steps_and_bits(
    network: &Network,
    weights: &Weights,
    image: &[f32],
    level: Level,
    threads: usize,
) -> (Vec<String>, Vec<u32>) {
    par::with_threads(threads, || {
        let mut plan = Plan::of(network, weights, level, 1).unwrap();
        let mut logits = vec![f32::NAN; network.classes];
        plan.run(image, &mut logits);
        let steps = plan.layers().iter().map(|step| step.name.clone()).collect();
        (steps, logits.into_iter().map(f32::to_bits).collect())
    })
}

/// Few threads run the first blocks as one chain, many would compute too much of it twice and run them one by one.
#[test]
fn blocks_that_run_together_give_the_same_bits() {
    // As wide as this CPU's L2 asks for: what the first blocks hand on must not fit it.
    let l2 = Caches::current().l2 as f32 / (1 << 20) as f32;
    let architecture = Architecture {
        width: 0.5 * l2.max(1.0),
        image_size: [320, 256],
        channels: 3,
        ..Architecture::named("mobilenet-v1").unwrap()
    };
    let network = architecture.network().unwrap();
    let weights = random_weights(&network, 5);
    let image = random_images(&network, 1, 6);
    for level in Level::available() {
        let run = |threads: usize| steps_and_bits(&network, &weights, &image, level, threads);
        let (steps, want) = run(32);
        assert_eq!(steps[0], "conv1");
        for threads in [1, 2, 3] {
            let (steps, found) = run(threads);
            assert!(steps[0].starts_with("conv1.."), "{threads} threads begin with {}", steps[0]);
            assert_eq!(found, want, "{} {threads}", level.name());
        }
    }
}

/// Blocks with many weights, whose rows do not go round evenly among the threads, are run convolution by convolution: what
/// such a block adds then comes from some steps before its last one.
#[test]
fn blocks_in_parts_give_the_same_bits() {
    // Wide enough for any L2: the blocks at the end must not stay in it.
    let l2 = Caches::current().l2 as f32 / (1 << 20) as f32;
    let architecture = Architecture {
        width: l2.max(1.0),
        image_size: [96, 64],
        channels: 3,
        ..Architecture::named("mobilenet-v2").unwrap()
    };
    let network = architecture.network().unwrap();
    let weights = random_weights(&network, 5);
    let image = random_images(&network, 1, 6);
    for level in Level::available() {
        let run = |threads: usize| steps_and_bits(&network, &weights, &image, level, threads);
        let (whole, want) = run(1);
        // The last blocks have three rows.
        for threads in [2, 4, 7] {
            let (steps, found) = run(threads);
            let (steps, whole) = (steps.len(), whole.len());
            assert!(steps >= whole + 6, "{threads} threads: {steps} steps, one thread: {whole}");
            assert_eq!(found, want, "{} {threads}", level.name());
        }
    }
}

#[test]
fn a_profiled_run_gives_the_same_bits_and_a_time_for_each_step() {
    let network = Architecture::named("mobilenet-v2").unwrap().network().unwrap();
    let weights = random_weights(&network, 5);
    let image = random_images(&network, 1, 6);
    let mut plan = Plan::of(&network, &weights, Level::best(), 1).unwrap();
    let (mut plain, mut profiled) = ([0.0; 2], [0.0; 2]);
    let mut times = vec![Default::default(); plan.layers().len()];
    plan.run(&image, &mut plain);
    plan.run_profiled(&image, &mut profiled, &mut times);
    assert_eq!(plain, profiled);
    assert!(times.iter().all(|time| !time.is_zero()));
}

/// Features and then the classifier alone: the bits of both together, of any batch and any number of threads.
#[test]
fn a_network_in_two_parts_gives_the_same_bits() {
    for name in model::NAMES {
        let named = Architecture::named(name).unwrap();
        let architecture = Architecture { width: 0.35, image_size: [64, 48], classes: 3, ..named };
        let network = architecture.network().unwrap();
        let weights = random_weights(&network, 5);
        let head =
            Network { blocks: vec![], image_size: [1; 2], channels: network.features, ..network.clone() };
        let of_head =
            head.tensors().into_iter().map(|spec| (spec.name.clone(), weights[&*spec.name].clone()));
        let of_head: Weights = of_head.collect();
        let images = random_images(&network, 5, 6);
        for level in Level::available() {
            let run = |mut plan: Plan, images: &[f32], n: usize| {
                let mut out = vec![f32::NAN; n * plan.classes()];
                let images = images.chunks(2 * plan.image_len());
                let outs = out.chunks_mut(2 * plan.classes());
                images.zip(outs).for_each(|(images, out)| plan.run(images, out));
                out
            };
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let want =
                par::with_threads(1, || run(Plan::of(&network, &weights, level, 2).unwrap(), &images, 5));
            let want = bits(want);
            for threads in [1, 2, 3] {
                let found = par::with_threads(threads, || {
                    let features = run(Plan::pooled(&network, &weights, level, 2).unwrap(), &images, 5);
                    assert_eq!(features.len(), 5 * network.features);
                    run(Plan::of(&head, &of_head, level, 2).unwrap(), &features, 5)
                });
                assert_eq!(bits(found), want, "{name} {} {threads}", level.name());
            }
        }
    }
}
