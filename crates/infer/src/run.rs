//! Running a plan.
//!
//! A batch is worked image by image, each thread on whole images in its own slot of the arena, so that activations
//! stay in the cache however large the batch is. Images that are fewer than the slots are worked one after another,
//! each by all threads. Both give the same bits, because no pixel's value depends on the tile it was computed in.

use crate::plan::Plan;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tensor::par;

impl Plan {
    /// The logits `[n, classes]` of `images: [n, h, w, c]`, already preprocessed, for `n` in `1..=max_batch`.
    /// Allocates nothing.
    ///
    /// # Panics
    /// When a length is not that of `n` images, or `n` is above the plan's batch.
    pub fn run(&mut self, images: &[f32], logits: &mut [f32]) {
        let n = self.check(images, logits);
        let slots = self.arena.len() / self.slot;
        let parallel = par::threads() > 1;
        let whole = if parallel && slots > 1 { n / slots * slots } else { 0 };
        let (images, last_images) = images.split_at(whole * self.image_len);
        let (logits, last_logits) = logits.split_at_mut(whole * self.classes);
        par::install(|| {
            if whole > 0 {
                let pairs = images.chunks_exact(self.image_len).zip(logits.chunks_exact_mut(self.classes));
                let queue = Mutex::new(pairs);
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                par::chunks_mut(&mut self.arena, self.slot, |_, arena| {
                    while let Some((image, logits)) = next() {
                        self.steps.iter().for_each(|step| step.run(image, arena, logits, false));
                    }
                });
            }
            let pairs =
                last_images.chunks_exact(self.image_len).zip(last_logits.chunks_exact_mut(self.classes));
            for (image, logits) in pairs {
                let arena = &mut self.arena[..self.slot];
                self.steps.iter().for_each(|step| step.run(image, arena, logits, parallel));
            }
        });
    }

    /// As [`Plan::run`], image after image, adding the time of each step to `times`, which has the length of
    /// [`Plan::layers`].
    ///
    /// # Panics
    /// As [`Plan::run`].
    pub fn run_profiled(&mut self, images: &[f32], logits: &mut [f32], times: &mut [Duration]) {
        self.check(images, logits);
        assert_eq!(times.len(), self.steps.len(), "times: one a step");
        let parallel = par::threads() > 1;
        par::install(|| {
            let pairs = images.chunks_exact(self.image_len).zip(logits.chunks_exact_mut(self.classes));
            for (image, logits) in pairs {
                for (step, time) in self.steps.iter().zip(&mut *times) {
                    let begin = Instant::now();
                    step.run(image, &mut self.arena[..self.slot], logits, parallel);
                    *time += begin.elapsed();
                }
            }
        });
    }

    /// The number of images.
    fn check(&self, images: &[f32], logits: &[f32]) -> usize {
        let n = logits.len() / self.classes;
        assert!((1..=self.max_batch).contains(&n), "batch: expected 1 to {}, found {n}", self.max_batch);
        assert_eq!(logits.len(), n * self.classes, "logits: expected [{n}, {}]", self.classes);
        assert_eq!(images.len(), n * self.image_len, "images: expected [{n}, {}]", self.image_len);
        n
    }
}
