//! Decoded images kept for the next epoch, up to a limit that is said.
//!
//! First come, first kept: an epoch visits every image once, and under that order any policy that evicts would evict what
//! is needed soonest. Whole gray levels, which is what an 8-bit file of the model's size has, are kept as bytes; anything
//! else as f32. Both are exact, so a cached image gives the same bits as a decoded one.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An image of the model's size, in `0..=255`.
pub(crate) enum Pixels {
    Bytes(Box<[u8]>),
    Floats(Box<[f32]>),
}

impl Pixels {
    pub(crate) fn new(values: Vec<f32>) -> Self {
        if values.iter().all(|&v| f32::from(v as u8) == v) {
            Pixels::Bytes(values.iter().map(|&v| v as u8).collect())
        } else {
            Pixels::Floats(values.into())
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Pixels::Bytes(values) => values.len(),
            Pixels::Floats(values) => size_of_val(&values[..]),
        }
    }
}

pub(crate) struct Cache {
    slots: Vec<OnceLock<Pixels>>,
    used: AtomicUsize,
    limit: usize,
}

impl Cache {
    pub(crate) fn new(images: usize, limit: usize) -> Self {
        let slots = std::iter::repeat_with(OnceLock::new).take(images).collect();
        Self { slots, used: AtomicUsize::new(0), limit }
    }

    pub(crate) fn get(&self, i: usize) -> Option<&Pixels> {
        self.slots[i].get()
    }

    /// Keeps `pixels` if there is room, else hands them back.
    pub(crate) fn put(&self, i: usize, pixels: Pixels) -> Result<(), Pixels> {
        let bytes = pixels.bytes();
        let room = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        if self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            return Err(pixels);
        }
        self.slots[i].set(pixels).inspect_err(|_| {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        })
    }

    pub(crate) fn usage(&self) -> CacheUsage {
        CacheUsage {
            cached: self.slots.iter().filter(|slot| slot.get().is_some()).count(),
            images: self.slots.len(),
            bytes: self.used.load(Ordering::Relaxed),
            limit: self.limit,
        }
    }
}

/// What a loader keeps of its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheUsage {
    /// Images that are kept.
    pub cached: usize,
    /// Images that there are.
    pub images: usize,
    /// Bytes that they take.
    pub bytes: usize,
    /// Bytes that they may take.
    pub limit: usize,
}

impl fmt::Display for CacheUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes as f64 / (1 << 20) as f64;
        let (bytes, limit) = (mib(self.bytes), mib(self.limit));
        write!(f, "{} of {} images in {bytes:.0} MiB of at most {limit:.0} MiB", self.cached, self.images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_gray_levels_are_bytes_and_nothing_else_is() {
        assert!(matches!(Pixels::new(vec![0.0, 255.0, 7.0]), Pixels::Bytes(_)));
        for odd in [0.5, -1.0, 256.0, f32::NAN] {
            assert!(matches!(Pixels::new(vec![1.0, odd]), Pixels::Floats(_)), "{odd}");
        }
    }

    #[test]
    fn the_limit_holds() {
        let cache = Cache::new(4, 10);
        assert!(cache.put(0, Pixels::new(vec![1.0; 6])).is_ok());
        assert!(cache.put(1, Pixels::new(vec![0.5])).is_ok());
        assert!(cache.put(2, Pixels::new(vec![1.0])).is_err());
        assert!(cache.get(2).is_none() && cache.get(1).is_some());
        assert_eq!(cache.usage(), CacheUsage { cached: 2, images: 4, bytes: 10, limit: 10 });
    }
}
