//! Hostile DICOM files: whatever the bytes are, reading ends with an image or an error, never with a panic of this program
//! and never with an allocation out of proportion.
//!
//! A mutation fuzzer in plain Rust. Its corpus is made from code: a small sound file of every encoding, and the shared
//! collection's small files where that is present. Each round takes one and changes bits, lengths and pieces of it. Round n
//! of a seed is the same on every machine. For a longer search:
//!
//! `VERTEBRA_FUZZ_SECONDS=600 VERTEBRA_FUZZ_SEED=7 cargo test --release -p dicom --test hostile -- --nocapture`

mod common;
#[path = "common/corpus.rs"]
mod corpus;
#[path = "../../../tests/shared.rs"]
mod shared;

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use data::decode_bytes;
use engine::Rng;
use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder};
use shared::shared;

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
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Below 4 megapixels of 3 samples nothing is asked of the size of the code; each is at most an `i32`, with some room for
/// what a decoder keeps beside it. Larger images need code of 1/200 of their samples, which no file here has.
const LARGEST_ALLOCATION: usize = 96 << 20;

/// A colour image of 17 x 17, as an encoder writes it.
fn jpeg() -> Vec<u8> {
    let mut code = Vec::new();
    let pixels: Vec<u8> = (0..17 * 17 * 3).map(|i| (i * i % 251) as u8).collect();
    JpegEncoder::new(&mut code).write_image(&pixels, 17, 17, ExtendedColorType::Rgb8).unwrap();
    code
}

/// Small files of the shared collection.
fn collected() -> Vec<Vec<u8>> {
    let Some(folder) = shared("data/dicom/pydicom") else { return vec![] };
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).filter(|bytes| bytes.len() < 20_000).collect()
}

/// Numbers that lengths, sizes and counts are replaced with.
const NUMBERS: [u32; 14] = [
    0,
    1,
    2,
    7,
    0x7f,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    u32::MAX,
];

/// A changed copy of `file`.
fn mutate(file: &[u8], rng: &mut Rng) -> Vec<u8> {
    let below = |rng: &mut Rng, n: usize| rng.below(n.max(1) as u64) as usize;
    let mut file = file.to_vec();
    for _ in 0..1 + below(rng, 4) {
        let preamble = if file.get(128..132) == Some(b"DICM") { 132 } else { 0 };
        let at = preamble + below(rng, file.len() - preamble);
        match below(rng, 8) {
            0 => file.truncate(at.max(1)),
            1 => drop(file.drain(at..(at + below(rng, 16)).min(file.len()))),
            2 => {
                let piece = file[at..(at + below(rng, 64)).min(file.len())].to_vec();
                let to = preamble + below(rng, file.len() - preamble);
                file.splice(to..to, piece);
            }
            kind @ 3..=5 => {
                let (number, size) = (NUMBERS[below(rng, NUMBERS.len())], [1, 2, 4][kind - 3]);
                let bytes = if below(rng, 2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
                file.iter_mut().skip(at).zip(&bytes[..size]).for_each(|(to, &byte)| *to = byte);
            }
            6 => file[at] ^= 1 << below(rng, 8),
            _ => file[at] = below(rng, 256) as u8,
        }
        if file.len() <= preamble {
            break;
        }
    }
    file
}

/// Where the last panic was.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

#[test]
fn no_file_panics_or_allocates_wildly() {
    let mut corpus = corpus::corpus(&jpeg(), 17);
    for (i, file) in corpus.iter().enumerate() {
        dicom::read(file).unwrap_or_else(|reason| panic!("file {i} of the corpus: {reason}"));
    }
    corpus.extend(collected());
    let seconds = env::var("VERTEBRA_FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    let seed = env::var("VERTEBRA_FUZZ_SEED").map_or(1, |text| text.parse().unwrap());
    let started = Instant::now();
    std::panic::set_hook(Box::new(|panic| {
        *PANIC.lock().unwrap() = Some(panic.location().map_or("?".into(), |place| place.to_string()));
    }));
    let (mut rounds, mut read, mut foreign, mut failure) = (0, 0, 0, None);
    let mut slowest = Duration::ZERO;
    while failure.is_none()
        && seconds.map_or(rounds < 20_000, |limit| started.elapsed() < Duration::from_secs(limit))
    {
        let mut rng = Rng::derive(&[seed, rounds]);
        let file = mutate(&corpus[rng.below(corpus.len() as u64) as usize], &mut rng);
        LARGEST.store(0, Ordering::Relaxed);
        let begun = Instant::now();
        let result = catch_unwind(|| decode_bytes("x", &file));
        slowest = slowest.max(begun.elapsed());
        let largest = LARGEST.load(Ordering::Relaxed);
        // A panic of the JPEG 2000 decoder is caught where files are decoded; one of this program is a defect.
        if let Some(place) = PANIC.lock().unwrap().take() {
            if place.starts_with("crates/") { failure = Some(place) } else { foreign += 1 }
        }
        match result {
            Err(_) => failure = failure.or(Some("a panic that was not caught".into())),
            Ok(Ok(_)) => read += 1,
            Ok(Err(_)) => {}
        }
        if largest > LARGEST_ALLOCATION {
            failure = Some(format!("an allocation of {largest} bytes"));
        }
        rounds += 1;
    }
    drop(std::panic::take_hook());
    println!(
        "{rounds} files, {read} of them read, {foreign} panics caught of the JPEG 2000 decoder, slowest {slowest:?}"
    );
    assert_eq!(failure, None, "round {} of seed {seed}", rounds - 1);
    assert!(read > rounds / 50 && read < rounds, "{read} of {rounds}");
}
