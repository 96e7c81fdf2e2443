//! Hostile model files: whatever the bytes are, reading and planning end with a model or an error, never with a panic
//! and never with an allocation out of proportion to the file.
//!
//! A mutation fuzzer in plain Rust. Its corpus is made from code: small sound files of every kind. Each round takes one,
//! changes its header, its metadata document or its values in a few places (with numbers that overflow, sizes that do not
//! fit, texts cut and repeated), and repairs the length of the header, so that most changes reach the checks behind the
//! parser. Round n of a seed is the same on every machine. For a longer search:
//!
//! `VERTEBRA_FUZZ_SECONDS=600 VERTEBRA_FUZZ_SEED=7 cargo test --release -p infer --test hostile -- --nocapture`

mod common;

use common::{random_images, random_weights};
use engine::Rng;
use infer::Plan;
use kernels::Level;
use model::{Architecture, Metadata, Model, Preprocessing};
use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The system's allocator, which remembers the largest request.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // Not counted: the arena of the kernels reserves its slab so, once, and touches what it gives out.
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Bytes of a file of the corpus are some 50 thousand; its header's tables take a few times that.
const LARGEST_ALLOCATION: usize = 4 << 20;
/// What the kernels' arena may give out for the network of any such file: a sound one takes less than 1 MiB, and one whose
/// image was made larger up to the limit of a plan.
const LARGEST_PLAN: usize = (2 << 30) + (64 << 20);

/// Small sound files: both networks, plain and folded, in gray and in colour.
fn corpus() -> Vec<Vec<u8>> {
    let mut corpus = vec![];
    for name in model::NAMES {
        for (channels, folded) in [(1, false), (3, false), (1, true)] {
            let named = Architecture::named(name).unwrap();
            let architecture = Architecture { width: 0.04, image_size: [32; 2], channels, folded, ..named };
            let weights = random_weights(&architecture.network().unwrap(), 1);
            let classes = vec!["normal".into(), "fracture".into()];
            let metadata = Metadata::new(architecture, classes, Preprocessing::new(channels, [32; 2]));
            corpus.push(Model::new(metadata, weights).unwrap().to_tensor_file().unwrap().to_bytes());
        }
    }
    corpus
}

/// Texts that numbers and names are replaced with.
const TEXTS: [&str; 24] = [
    "0",
    "-1",
    "1e308",
    "1e-45",
    "4096",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999",
    "0.1",
    "null",
    "true",
    "\"\"",
    "[]",
    "{}",
    "[0]",
    "[4096,4096]",
    "[65536,65536,65536,65536]",
    "F64",
    "I64",
    "U8",
    "NaN",
    "\\u0000",
    "mobilenet-v2",
    "leaky-relu:0.5",
];

/// A changed copy of `file`.
fn mutate(file: &[u8], rng: &mut Rng) -> Vec<u8> {
    let below = |rng: &mut Rng, n: usize| rng.below(n.max(1) as u64) as usize;
    let size = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let (mut header, mut values) = (file[8..8 + size].to_vec(), file[8 + size..].to_vec());
    for _ in 0..1 + below(rng, 3) {
        let at = below(rng, header.len());
        match below(rng, 8) {
            // The metadata document is the first part of the header, and small: it is worth as much as the rest.
            0 | 1 => replace_number(&mut header, at.min(700), TEXTS[below(rng, TEXTS.len())]),
            2 => replace_number(&mut header, at, TEXTS[below(rng, TEXTS.len())]),
            3 => header[at] = below(rng, 256) as u8,
            4 => drop(header.drain(at..(at + below(rng, 40)).min(header.len()))),
            5 => {
                let piece = header[at..(at + below(rng, 200)).min(header.len())].to_vec();
                let to = below(rng, header.len());
                header.splice(to..to, piece);
            }
            6 => values.resize(below(rng, 2 * values.len()), 0xff),
            _ => {
                let at = below(rng, values.len());
                let odd = [f32::NAN, f32::INFINITY, -1.0, f32::MAX, 1e-45][below(rng, 5)];
                values.iter_mut().skip(at & !3).zip(odd.to_le_bytes()).for_each(|(v, b)| *v = b);
            }
        }
        if header.is_empty() {
            break;
        }
    }
    let size = match below(rng, 10) {
        0 => rng.next_u64() >> below(rng, 64),
        _ => header.len() as u64,
    };
    [&size.to_le_bytes()[..], &header, &values].concat()
}

/// Puts `text` in the place of the first number, or name, from `at` on.
fn replace_number(header: &mut Vec<u8>, at: usize, text: &str) {
    let begins = |&i: &usize| header[i].is_ascii_digit() || header[i] == b'"';
    let Some(start) = (at..header.len()).find(begins) else { return };
    let inside = |&&byte: &&u8| byte.is_ascii_alphanumeric() || byte == b'.';
    let len = header[start..].iter().take_while(inside).count().max(1);
    header.splice(start..start + len, text.bytes());
}

/// Reads and plans `file`, and runs the plan of a model that was accepted, once. Whether it was.
fn read_and_plan(file: &[u8]) -> bool {
    let Ok(model) = Model::from_bytes(file) else { return false };
    let Ok(mut plan) = Plan::new(&model, Level::best(), 1) else { return false };
    assert!(plan.bytes() + plan.scratch_bytes(1) <= LARGEST_PLAN, "a plan of {} bytes", plan.bytes());
    if plan.image_len() <= 64 * 64 * 3 {
        let (image, mut logits) = (random_images(&model.network().unwrap(), 1, 1), vec![0.0; plan.classes()]);
        plan.run(&image, &mut logits);
    }
    true
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: expected a number")))
}

#[test]
fn no_bytes_panic_or_allocate_without_measure() {
    let corpus = corpus();
    assert!(corpus.iter().all(|file| read_and_plan(file)), "the corpus is sound");
    let seed = setting("VERTEBRA_FUZZ_SEED").unwrap_or(1);
    let time = setting("VERTEBRA_FUZZ_SECONDS").map(Duration::from_secs);
    let (begun, mut round, mut accepted) = (Instant::now(), 0, 0);
    LARGEST.store(0, Ordering::Relaxed);
    while time.map_or(round < 1500, |time| begun.elapsed() < time) {
        let mut rng = Rng::derive(&[seed, round]);
        let file = mutate(&corpus[rng.below(corpus.len() as u64) as usize], &mut rng);
        let outcome = catch_unwind(|| read_and_plan(&file));
        let largest = LARGEST.load(Ordering::Relaxed);
        if outcome.is_err() || largest > LARGEST_ALLOCATION {
            let path =
                Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{seed}-{round}.safetensors"));
            fs::write(&path, &file).unwrap();
            panic!("seed {seed}, round {round}: {largest} bytes at most; kept as {}", path.display());
        }
        accepted += usize::from(outcome.unwrap());
        round += 1;
    }
    println!(
        "seed {seed}: {round} files, {accepted} accepted, {} bytes at most in one allocation",
        LARGEST.load(Ordering::Relaxed)
    );
    assert!(accepted > 0, "some changes, as of a weight, leave a model");
}
