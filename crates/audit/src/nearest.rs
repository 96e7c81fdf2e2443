//! The nearest neighbour on small thumbnails: a classifier that understands nothing and remembers everything. What it
//! scores on a split is what remembering is worth there.
//!
//! One pass over all pairs tells who is the nearest of each class, among the images that a rule admits. Distances are exact
//! integers, so the answer does not depend on the order of the work.

use engine::par;

/// Queries whose thumbnails stay in the first cache while all others pass by.
const BLOCK: usize = 16;

/// The nearest admitted image of each class: its squared distance and number.
pub type PerClass = Vec<Option<(u32, usize)>>;

/// Which images may answer which.
type Rule<'a> = &'a (dyn Fn(usize, usize) -> bool + Sync);

/// Thumbnails with their classes.
pub struct Gallery<'a> {
    /// Thumbnails of equal length, at most 2^16 bytes; none for an image that could not be read.
    pub thumbnails: Vec<Option<&'a [u8]>>,
    /// Classes.
    pub labels: &'a [usize],
    /// The number of classes.
    pub classes: usize,
}

impl Gallery<'_> {
    /// For each query (a number of an image) the nearest image of each class that `rule` admits: it says whether a query, its
    /// first argument, may be answered by another image, its second.
    pub fn nearest(&self, queries: &[usize], rule: Rule) -> Vec<PerClass> {
        let blocks: Vec<&[usize]> = queries.chunks(BLOCK).collect();
        par::run(blocks, |block| self.block(block, rule)).into_iter().flatten().collect()
    }

    fn block(&self, queries: &[usize], rule: Rule) -> Vec<PerClass> {
        let mut best = vec![vec![None; self.classes]; queries.len()];
        for (other, thumbnail) in self.thumbnails.iter().enumerate() {
            let Some(thumbnail) = thumbnail else { continue };
            for (&query, best) in queries.iter().zip(&mut best) {
                let Some(asked) = self.thumbnails[query].filter(|_| query != other) else { continue };
                let distance = squared_distance(asked, thumbnail);
                let best: &mut Option<(u32, usize)> = &mut best[self.labels[other]];
                if best.is_none_or(|(nearest, _)| distance < nearest) && rule(query, other) {
                    *best = Some((distance, other));
                }
            }
        }
        best
    }
}

/// Sixteen-bit differences, so that the compiler uses the instruction that multiplies and adds pairs of them.
fn squared_distance(a: &[u8], b: &[u8]) -> u32 {
    let square = |(&a, &b): (&u8, &u8)| {
        let difference = i16::from(a) - i16::from(b);
        i32::from(difference) * i32::from(difference)
    };
    let part = |(a, b): (&[u8], &[u8])| a.iter().zip(b).map(square).sum::<i32>() as u32;
    // A part cannot overflow: 2^15 * 255^2 < 2^31.
    a.chunks(1 << 15).zip(b.chunks(1 << 15)).map(part).sum()
}

/// The nearest image of any class; the first of equals.
pub fn winner(per_class: &PerClass) -> Option<usize> {
    per_class.iter().flatten().min().map(|&(_, other)| other)
}

/// How likely each class is: in proportion to one over the distance to its nearest image. The nearest class has the
/// largest share, and equal pixels decide alone.
pub fn probabilities(per_class: &PerClass) -> Option<Vec<f64>> {
    per_class.iter().flatten().next()?;
    let equal = per_class.iter().flatten().any(|&(distance, _)| distance == 0);
    let weight = |found: &Option<(u32, usize)>| match found {
        Some((0, _)) => 1.0,
        Some((distance, _)) if !equal => 1.0 / f64::from(*distance).sqrt(),
        _ => 0.0,
    };
    let weights: Vec<f64> = per_class.iter().map(weight).collect();
    let sum: f64 = weights.iter().sum();
    Some(weights.into_iter().map(|weight| weight / sum).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Rng;

    #[test]
    fn the_nearest_of_each_class_under_each_rule() {
        let mut rng = Rng::new(5);
        let thumbnails: Vec<Vec<u8>> =
            (0..40).map(|_| (0..100).map(|_| rng.below(256) as u8).collect()).collect();
        let labels: Vec<usize> = (0..40).map(|i| i % 3).collect();
        let mut shown: Vec<Option<&[u8]>> = thumbnails.iter().map(|t| Some(&t[..])).collect();
        shown[7] = None;
        let gallery = Gallery { thumbnails: shown, labels: &labels, classes: 3 };
        let queries: Vec<usize> = (0..40).filter(|&i| i != 7).collect();
        let far = |a: usize, b: usize| a.abs_diff(b) > 10;
        for (rule, admits) in [&|_, _| true, &far as Rule].into_iter().enumerate() {
            for (&query, per_class) in queries.iter().zip(&gallery.nearest(&queries, admits)) {
                for (class, nearest) in per_class.iter().enumerate() {
                    let distance = |other: &usize| -> u32 {
                        let pairs = thumbnails[query].iter().zip(&thumbnails[*other]);
                        pairs.map(|(&a, &b)| u32::from(a.abs_diff(b)).pow(2)).sum()
                    };
                    let admitted = (0..40).filter(|&o| {
                        o != 7 && o != query && labels[o] == class && (rule == 0 || far(query, o))
                    });
                    let want = admitted.min_by_key(|other| distance(other));
                    assert_eq!(*nearest, want.map(|other| (distance(&other), other)));
                }
            }
        }
    }

    #[test]
    fn the_nearest_class_is_the_most_probable() {
        assert_eq!(probabilities(&vec![None, None]), None);
        assert_eq!(probabilities(&vec![Some((4, 1)), None]), Some(vec![1.0, 0.0]));
        assert_eq!(probabilities(&vec![Some((0, 1)), Some((9, 2))]), Some(vec![1.0, 0.0]));
        assert_eq!(probabilities(&vec![Some((9, 1)), Some((1, 2))]), Some(vec![0.25, 0.75]));
        assert_eq!(winner(&vec![Some((9, 1)), Some((1, 2))]), Some(2));
    }
}
