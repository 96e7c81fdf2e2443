//! The order of things by a number that each has. One sort serves all: every type that is sorted by itself makes the
//! program some kilobytes larger.

/// Places of `keys`, the greatest first (as `f32::total_cmp` has it), and of equal ones the first.
pub fn descending(keys: impl Iterator<Item = f32>) -> Vec<usize> {
    in_order(keys.map(|key| !rank(key)).collect())
}

/// The same, the least first.
pub fn ascending(keys: impl Iterator<Item = f32>) -> Vec<usize> {
    in_order(keys.map(rank).collect())
}

/// A number that grows as `key` does.
fn rank(key: f32) -> u32 {
    let bits = key.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn in_order(ranks: Vec<u32>) -> Vec<usize> {
    let mut keyed: Vec<u64> =
        ranks.into_iter().zip(0..).map(|(rank, at): (u32, u64)| u64::from(rank) << 32 | at).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|key| key as u32 as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_a_stable_sort() {
        let keys =
            [0.5, -1.0, f32::NAN, 0.0, 0.5, -0.0, f32::NEG_INFINITY, 3e-45, -3e-45, 0.5, f32::INFINITY];
        let mut wanted: Vec<usize> = (0..keys.len()).collect();
        wanted.sort_by(|&i, &j| keys[i].total_cmp(&keys[j]));
        assert_eq!(ascending(keys.into_iter()), wanted);
        wanted.sort_by(|&i, &j| keys[j].total_cmp(&keys[i]).then(i.cmp(&j)));
        assert_eq!(descending(keys.into_iter()), wanted);
        assert!(descending([].into_iter()).is_empty());
    }
}
