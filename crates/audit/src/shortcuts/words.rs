//! How well the words of a column tell a class, however many words there are.
//!
//! The score of an image is the share of the class among the images of its word in other units, less the share among all of
//! those: the images are dealt into five parts by unit, and each part is scored by the others, so that neither its own label
//! nor a word of one unit alone says anything (target encoding with cross-fitting; Micci-Barreca 2001).

use std::collections::{BTreeMap, BTreeSet};

use engine::Rng;
use eval::delong::DeLong;

use super::{BOUND, Question, Shortcut, ShortcutKind, best_rule, least_p};

/// Names the random stream that deals units.
const STREAM: u64 = u64::from_be_bytes(*b"words of");

/// Parts into which units are dealt.
const PARTS: usize = 5;

/// A column of words, or of a tag of files.
pub(super) struct Words<'a> {
    pub feature: &'a str,
    pub kind: ShortcutKind,
    /// Of all images that can be read.
    pub values: &'a [String],
    pub units: &'a [usize],
    /// Of the interval that must exclude 0.5.
    pub level: f64,
}

/// Images, and those of them that are of the class.
#[derive(Clone, Copy, Default)]
struct Counts([f64; 2]);

impl Counts {
    fn add(&mut self, is: bool) {
        self.0[0] += 1.0;
        self.0[1] += f64::from(u8::from(is));
    }

    fn without(self, part: Self) -> Self {
        Self([self.0[0] - part.0[0], self.0[1] - part.0[1]])
    }

    /// The share of the class, as if there were one image more, of the share `before`.
    fn share(self, before: f64) -> f64 {
        (self.0[1] + before) / (self.0[0] + 1.0)
    }
}

impl Words<'_> {
    /// For the class that they tell best; of two classes for the positive one. Nothing where they tell none, or are fewer than
    /// three: of two, one says all.
    pub fn tell(&self, question: &Question) -> Option<Shortcut> {
        let words: Vec<&str> = question.at.iter().map(|&at| self.values[at].trim()).collect();
        let units: Vec<usize> = question.at.iter().map(|&at| self.units[at]).collect();
        if words.iter().collect::<BTreeSet<_>>().len() < 3 {
            return None;
        }
        // By chance: in their order words may come round as parts do.
        let part = |&unit: &usize| Rng::derive(&[STREAM, unit as u64]).below(PARTS as u64) as usize;
        let part_of: Vec<usize> = units.iter().map(part).collect();
        let candidates = match question.classes.len() {
            2 => vec![question.positive],
            classes => (0..classes).collect(),
        };
        let of_class = |class| self.of_class(question, class, &words, &units, &part_of);
        // Below one half they tell nothing: such scores are no measure that could be read the other way round.
        let found = candidates.into_iter().filter_map(of_class).filter(|found| found.auroc > 0.5);
        found.max_by(|a, b| a.auroc.total_cmp(&b.auroc))
    }

    fn of_class(
        &self,
        question: &Question,
        class: usize,
        words: &[&str],
        units: &[usize],
        part_of: &[usize],
    ) -> Option<Shortcut> {
        let is: Vec<bool> = question.labels.iter().map(|&label| label == class).collect();
        let scores = scores(words, &is, part_of);
        if scores.iter().all(|score| *score == scores[0]) {
            return None;
        }
        let delong = DeLong::new(&scores, &is, Some(units))?;
        let estimate = delong.estimate(eval::summary::LEVEL);
        let too_few = estimate.auroc >= BOUND && least_p(&is, units) > 1.0 - self.level;
        let certain = delong.estimate(self.level).interval.low > 0.5;
        let (threshold, rule_accuracy, majority_accuracy) = best_rule(&scores, &is);
        Some(Shortcut {
            feature: format!("{}, its value", self.feature),
            kind: self.kind,
            finding: question.finding.clone(),
            higher_in: question.classes[class].clone(),
            auroc: estimate.auroc,
            auroc_ci: estimate.interval,
            threshold,
            rule_accuracy,
            majority_accuracy,
            flagged: estimate.auroc >= BOUND && certain && !too_few,
            too_few,
        })
    }
}

/// The score of each image: see the head of this file.
fn scores(words: &[&str], is: &[bool], part_of: &[usize]) -> Vec<f64> {
    let mut all = [Counts::default(); PARTS + 1];
    let mut of_word: BTreeMap<&str, [Counts; PARTS + 1]> = BTreeMap::new();
    for ((word, &is), &part) in words.iter().zip(is).zip(part_of) {
        let counts = of_word.entry(word).or_default();
        // Of the part, and of all.
        for at in [part, PARTS] {
            all[at].add(is);
            counts[at].add(is);
        }
    }
    let score = |(word, &part): (&&str, &usize)| {
        let before = all[PARTS].without(all[part]).share(0.5);
        let counts = &of_word[word];
        counts[PARTS].without(counts[part]).share(before) - before
    };
    words.iter().zip(part_of).map(score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(
        value: impl Fn(usize) -> String,
        class: impl Fn(usize) -> usize,
        per_unit: usize,
    ) -> Option<Shortcut> {
        let n = 240;
        let values: Vec<String> = (0..n).map(value).collect();
        let units: Vec<usize> = (0..n).map(|i| i / per_unit).collect();
        let words = Words {
            feature: "site",
            kind: ShortcutKind::Column,
            values: &values,
            units: &units,
            level: 0.998,
        };
        words.tell(&Question {
            finding: None,
            classes: vec!["a".into(), "b".into()],
            positive: 1,
            at: (0..n).collect(),
            labels: (0..n).map(class).collect(),
        })
    }

    #[test]
    fn many_words_that_each_are_of_one_class_tell_it() {
        for sites in [6, 24, 40] {
            let found =
                told(|i| format!("site {}", i % sites), |i| usize::from(i % sites >= sites / 2), 1).unwrap();
            assert!(found.flagged && found.auroc > 0.99, "{sites}: {found:?}");
            assert_eq!(found.feature, "site, its value");
        }
    }

    #[test]
    fn words_that_say_nothing_tell_nothing() {
        for seed in 0..20 {
            let mut rng = Rng::new(seed);
            let words: Vec<usize> = (0..240).map(|_| rng.below(12) as usize).collect();
            let classes: Vec<usize> = (0..240).map(|_| rng.below(2) as usize).collect();
            let found = told(|i| format!("{}", words[i]) + "x", |i| classes[i], 1);
            assert!(found.is_none_or(|found| !found.flagged && found.auroc < 0.7), "{seed}");
        }
        // A word for each patient is no word of a class, nor is one for all but a few.
        assert!(told(|i| format!("p{}", i / 4), |i| i / 120, 4).is_none());
        let found = told(|i| if i % 80 == 0 { format!("x{i}") } else { "same".into() }, |i| i % 2, 1);
        assert!(found.is_none_or(|found| !found.flagged), "nearly one word");
    }
}
