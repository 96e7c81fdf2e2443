//! BestFew neighbours among many descriptors without comparing all pairs: an inverted file.
//!
//! Vectors are grouped around about sqrt(n) centres (spherical k-means); a query scans the groups of its nearest
//! centres. The cost of n queries is of the order n sqrt(n) with a small factor; a neighbour in a group that is not
//! scanned is missed.

use crate::whiten::{DIMS, Vector, cosine, vector};
use engine::par;

/// Groups that a query scans.
const PROBES: usize = 8;
/// Rounds of k-means.
const ROUNDS: usize = 5;

/// Vectors in groups.
pub(crate) struct Index {
    centres: Vec<Vector>,
    /// For each group the numbers of its vectors and the vectors.
    groups: Vec<Vec<(u32, Vector)>>,
}

/// A vector found and its cosine with the query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbour {
    pub number: usize,
    pub cosine: f32,
}

impl Index {
    /// Groups `vectors`.
    pub fn new(vectors: &[Vector]) -> Self {
        const SAMPLE: usize = 32;
        let count = ((vectors.len() as f64).sqrt() as usize).max(1);
        let stride = vectors.len().div_ceil(count * SAMPLE).max(1);
        let sample: Vec<&Vector> = vectors.iter().step_by(stride).collect();
        let mut centres: Vec<Vector> =
            (0..count.min(sample.len())).map(|i| *sample[i * sample.len() / count]).collect();
        for _ in 0..ROUNDS {
            let nearest = par::map(sample.len(), |i| nearest(&centres, sample[i]));
            let mut sums = vec![[0.0; DIMS]; centres.len()];
            for (vector, &group) in sample.iter().zip(&nearest) {
                sums[group].iter_mut().zip(*vector).for_each(|(s, &v)| *s += f32::from(v));
            }
            for (centre, sum) in centres.iter_mut().zip(sums) {
                // An empty group keeps its centre.
                if sum.iter().any(|&v| v != 0.0) {
                    *centre = vector(sum);
                }
            }
        }
        let mut groups = vec![Vec::new(); centres.len()];
        let nearest = par::map(vectors.len(), |i| nearest(&centres, &vectors[i]));
        for (number, (vector, group)) in vectors.iter().zip(nearest).enumerate() {
            groups[group].push((number as u32, *vector));
        }
        Self { centres, groups }
    }

    /// The `count` nearest vectors whose number `wanted` accepts, nearest first.
    pub fn nearest(&self, query: &Vector, count: usize, wanted: impl Fn(usize) -> bool) -> Vec<Neighbour> {
        let mut order = BestFew::new(PROBES);
        for (number, centre) in self.centres.iter().enumerate() {
            order.offer(Neighbour { number, cosine: cosine(query, centre) });
        }
        let mut found = BestFew::new(count);
        for group in order.0 {
            for &(number, ref vector) in &self.groups[group.number] {
                let number = number as usize;
                let cosine = cosine(query, vector);
                if cosine > found.worst() && wanted(number) {
                    found.offer(Neighbour { number, cosine });
                }
            }
        }
        found.0
    }
}

fn nearest(centres: &[Vector], vector: &Vector) -> usize {
    let cosines = centres.iter().map(|c| cosine(c, vector)).enumerate();
    cosines.fold((0, f32::MIN), |best, next| if next.1 > best.1 { next } else { best }).0
}

/// The nearest few so far, nearest first.
struct BestFew(Vec<Neighbour>, usize);

impl BestFew {
    fn new(count: usize) -> Self {
        Self(Vec::with_capacity(count + 1), count)
    }

    fn worst(&self) -> f32 {
        if self.0.len() < self.1 { f32::MIN } else { self.0[self.1 - 1].cosine }
    }

    fn offer(&mut self, next: Neighbour) {
        if next.cosine > self.worst() {
            let place = self.0.partition_point(|n| n.cosine >= next.cosine);
            self.0.insert(place, next);
            self.0.truncate(self.1);
        }
    }
}
