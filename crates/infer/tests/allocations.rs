//! After a plan is made, running it allocates nothing; and its figures of memory are what it takes.

mod common;

use common::{random_images, random_weights};
use engine::par;
use infer::Plan;
use kernels::Level;
use model::Architecture;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, counted over all threads.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test, because the counter is the process's.
#[test]
fn nothing_is_allocated_after_the_plan_is_made() {
    // A new pool each time, so that its threads have no working memory yet.
    for threads in [1, 2, 3] {
        for name in model::NAMES {
            let architecture =
                Architecture { width: 0.25, image_size: [64, 64], ..Architecture::named(name).unwrap() };
            let network = architecture.network().unwrap();
            let weights = random_weights(&network, 1);
            const BATCH: usize = 4;
            let images = random_images(&network, BATCH, 2);
            let mut logits = vec![0.0; BATCH * network.classes];
            par::with_threads(threads, || {
                let scratch_before = kernels::scratch::bytes();
                let mut plan = Plan::of(&network, &weights, Level::best(), BATCH).unwrap();
                let promised = plan.scratch_bytes(threads);
                let mut run = |n: usize| {
                    plan.run(&images[..n * plan.image_len()], &mut logits[..n * network.classes]);
                };
                run(1);
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                for _ in 0..20 {
                    (1..=BATCH).for_each(&mut run);
                }
                let after = ALLOCATIONS.load(Ordering::Relaxed);
                assert_eq!(after - before, 0, "{name} on {threads} threads");
                let scratch = kernels::scratch::bytes() - scratch_before;
                assert_eq!(scratch, promised, "{name} on {threads} threads");
            });
        }
    }
}
