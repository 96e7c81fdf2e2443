//! Places for values in one block of memory: first fit, the largest value first (Pisarchyk and Lee 2020, "Efficient
//! Memory Management for Deep Neural Net Inference", greedy by size).
//!
//! Invariant: two values that are alive at the same step never overlap, and each begins on a cache line.

use std::ops::Range;

/// Floats of a cache line.
const LINE: usize = 16;

/// How long a value is, and from which step to which it is needed (both inclusive).
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// Floats.
    pub len: usize,
    /// The step that writes it.
    pub first: usize,
    /// The last step that reads it.
    pub last: usize,
}

/// The place of every value, and the floats of the whole arena.
pub fn place(values: &[Lifetime]) -> (Vec<Range<usize>>, usize) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(values[i].len));
    let mut places = vec![0..0; values.len()];
    let mut total = 0;
    for (done, &i) in order.iter().enumerate() {
        let value = values[i];
        let alive = |other: &Lifetime| other.first <= value.last && value.first <= other.last;
        let mut taken: Vec<Range<usize>> =
            order[..done].iter().filter(|&&j| alive(&values[j])).map(|&j| places[j].clone()).collect();
        taken.sort_by_key(|range| range.start);
        let mut start = 0;
        for range in taken {
            if start + value.len <= range.start {
                break;
            }
            start = start.max(range.end.next_multiple_of(LINE));
        }
        places[i] = start..start + value.len;
        total = total.max(places[i].end);
    }
    (places, total.next_multiple_of(LINE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Rng;

    fn chain(lens: &[usize]) -> Vec<Lifetime> {
        lens.iter().enumerate().map(|(i, &len)| Lifetime { len, first: i, last: i + 1 }).collect()
    }

    #[test]
    fn a_chain_needs_its_largest_neighbours() {
        let lens = [32, 64, 16, 48, 160, 16];
        let (_, total) = place(&chain(&lens));
        let most = lens.windows(2).map(|pair| pair[0] + pair[1]).max().unwrap();
        assert_eq!(total, most);
    }

    #[test]
    fn what_is_alive_together_lies_apart() {
        let mut rng = Rng::new(11);
        for _ in 0..200 {
            let values: Vec<Lifetime> = (0..12)
                .map(|first| {
                    let (len, life) = (1 + rng.below(100) as usize, 1 + rng.below(4) as usize);
                    Lifetime { len, first, last: first + life }
                })
                .collect();
            let (places, total) = place(&values);
            for (i, a) in values.iter().enumerate() {
                assert!(places[i].len() == a.len && places[i].end <= total && places[i].start % LINE == 0);
                for (j, b) in values.iter().enumerate().skip(i + 1) {
                    let together = a.first <= b.last && b.first <= a.last;
                    let apart = places[i].end <= places[j].start || places[j].end <= places[i].start;
                    assert!(!together || apart, "{a:?} at {:?}, {b:?} at {:?}", places[i], places[j]);
                }
            }
        }
    }
}
