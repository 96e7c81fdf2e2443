//! A share of the inputs, for jobs that do not know of each other.

use std::str::FromStr;

/// Every `of`-th input, from the one at `at` on, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    at: usize,
    of: usize,
}

impl Default for Shard {
    /// All of them.
    fn default() -> Self {
        Self { at: 0, of: 1 }
    }
}

impl Shard {
    /// Its inputs. Neighbours go to different jobs, so that a folder of large images is shared evenly.
    pub fn of<T>(self, inputs: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        inputs.skip(self.at).step_by(self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((i, n)) if (1..=n).contains(&i) => Ok(Self { at: i - 1, of: n }),
            _ => Err(format!("expected I/N with I from 1 to N, found \"{text}\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_all_inputs_once() {
        for of in 1..5 {
            let shard = |at: usize| format!("{at}/{of}").parse::<Shard>().unwrap();
            let mut all: Vec<usize> = (1..=of).flat_map(|at| shard(at).of(0..10)).collect();
            all.sort();
            assert_eq!(all, (0..10).collect::<Vec<_>>());
        }
        assert_eq!("2/3".parse::<Shard>().unwrap().of(0..9).collect::<Vec<_>>(), [1, 4, 7]);
        for wrong in ["0/3", "4/3", "1/0", "1", "", "a/b", "-1/2", "1/2/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
