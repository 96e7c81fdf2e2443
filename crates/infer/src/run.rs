//! Running a plan.
//!
//! A batch is worked image by image, each thread on whole images in its own slot of the arena, so that activations
//! stay in the cache however large the batch is. Images that are fewer than the slots are worked one after another,
//! each by all threads. Both give the same bits, because no pixel's value depends on the tile it was computed in.

use crate::plan::Plan;
use engine::par;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

impl Plan {
    /// The logits `[n, classes]` of `images: [n, h, w, c]`, already preprocessed, for `n` in `1..=max_batch`.
    /// Allocates nothing.
    ///
    /// # Panics
    /// When a length is not that of `n` images, or `n` is above the plan's batch.
    pub fn run(&mut self, images: &[f32], logits: &mut [f32]) {
        self.check(images, logits);
        let images = images.chunks_exact(self.image_len);
        self.run_images(images, logits);
    }

    /// As [`Plan::run`], for images that lie apart, each `[h, w, c]`.
    ///
    /// # Panics
    /// As [`Plan::run`].
    pub fn run_each(&mut self, images: &[&[f32]], logits: &mut [f32]) {
        let n = self.batch(logits);
        assert_eq!(images.len(), n, "images: expected one for each row of logits");
        let fits = |image: &&[f32]| image.len() == self.image_len;
        assert!(images.iter().all(fits), "images: expected {} values in each", self.image_len);
        self.run_images(images.iter().copied(), logits);
    }

    fn run_images<'a>(&mut self, mut images: impl Iterator<Item = &'a [f32]> + Send, logits: &mut [f32]) {
        let (n, slots) = (logits.len() / self.classes, self.arena.len() / self.slot);
        let side_by_side = if slots > 1 { n / slots * slots } else { 0 };
        let (logits, last_logits) = logits.split_at_mut(side_by_side * self.classes);
        if side_by_side > 0 {
            let images = images.by_ref().take(side_by_side);
            par::install(|| self.run_side_by_side(images, logits));
        }
        if side_by_side < n {
            par::install_awake(|| self.run_in_turn(images, last_logits, |_, run| run()));
        }
    }

    /// As [`Plan::run`], image after image, adding the time of each step to `times`, which has the length of
    /// [`Plan::layers`].
    ///
    /// # Panics
    /// As [`Plan::run`].
    pub fn run_profiled(&mut self, images: &[f32], logits: &mut [f32], times: &mut [Duration]) {
        self.check(images, logits);
        assert_eq!(times.len(), self.steps.len(), "times: one a step");
        par::install_awake(|| {
            let images = images.chunks_exact(self.image_len);
            self.run_in_turn(images, logits, |step, run| {
                let begin = Instant::now();
                run();
                times[step] += begin.elapsed();
            });
        });
    }

    /// Each thread takes the next image and works it alone, in the slot that is its own.
    fn run_side_by_side<'a>(&mut self, images: impl Iterator<Item = &'a [f32]> + Send, logits: &mut [f32]) {
        let queue = Mutex::new(images.zip(logits.chunks_exact_mut(self.classes)));
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        par::chunks_mut(&mut self.arena, self.slot, |_, arena| {
            while let Some((image, logits)) = next() {
                self.steps.iter().for_each(|step| step.run(image, arena, logits, false));
            }
        });
    }

    /// All threads work one image after another; `around(i, run)` is to run step `i`.
    fn run_in_turn<'a>(
        &mut self,
        images: impl Iterator<Item = &'a [f32]>,
        logits: &mut [f32],
        mut around: impl FnMut(usize, &mut dyn FnMut()),
    ) {
        let parallel = par::threads() > 1;
        let arena = &mut self.arena[..self.slot];
        for (image, logits) in images.zip(logits.chunks_exact_mut(self.classes)) {
            for (i, step) in self.steps.iter().enumerate() {
                around(i, &mut || step.run(image, arena, logits, parallel));
            }
        }
    }

    fn check(&self, images: &[f32], logits: &[f32]) {
        let n = self.batch(logits);
        assert_eq!(images.len(), n * self.image_len, "images: expected [{n}, {}]", self.image_len);
    }

    /// The number of images.
    fn batch(&self, logits: &[f32]) -> usize {
        let n = logits.len() / self.classes;
        assert!((1..=self.max_batch).contains(&n), "batch: expected 1 to {}, found {n}", self.max_batch);
        assert_eq!(logits.len(), n * self.classes, "logits: expected [{n}, {}]", self.classes);
        n
    }
}
