//! How well the words of a column tell a class, however many words there are.
//!
//! The score of an image is the share of the class among the images of its word in all other units, less the share among all
//! of those (target encoding, Micci-Barreca 2001, leaving out the unit): so neither its own label nor a word of one unit
//! alone says anything. Such scores are made of labels, so no interval for given scores holds: whether chance explains them
//! is asked of labels that are exchanged among units (a permutation test, Phipson and Smyth 2010), and scored anew.

use std::collections::{BTreeMap, BTreeSet};

use eval::delong::DeLong;

use super::chance::{is_no_chance, least_p};
use super::{BOUND, Question, Shortcut, ShortcutKind, best_rule};

/// A column of words, or of a tag of files.
pub(super) struct Words<'a> {
    pub feature: &'a str,
    pub kind: ShortcutKind,
    /// Of all images that can be read.
    pub values: &'a [String],
    pub units: &'a [usize],
    /// Of the test, and of the interval of other features.
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
        let candidates = match question.classes.len() {
            2 => vec![question.positive],
            classes => (0..classes).collect(),
        };
        let encoding = Encoding::new(&words, &units);
        let of_class = |class| self.of_class(question, class, &words, &units, &encoding);
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
        encoding: &Encoding,
    ) -> Option<Shortcut> {
        let is: Vec<bool> = question.labels.iter().map(|&label| label == class).collect();
        let scores = encoding.scores(&is);
        if scores.iter().all(|score| *score == scores[0]) {
            return None;
        }
        let estimate = DeLong::new(&scores, &is, Some(units))?.estimate(eval::summary::LEVEL);
        let tells = estimate.auroc >= BOUND;
        let too_few = tells && least_p(&is, units) > 1.0 - self.level;
        // Of several classes the best is taken, so each has its share of the level.
        let tested = if question.classes.len() == 2 { 1.0 } else { question.classes.len() as f64 };
        let tells_again = |is: &[bool]| eval::auroc(&encoding.scores(is), is);
        let no_chance =
            || is_no_chance(&is, &encoding.unit, estimate.auroc, (1.0 - self.level) / tested, &tells_again);
        let (threshold, rule_accuracy, majority_accuracy) = best_rule(&scores, &is);
        Some(Shortcut {
            feature: format!("{}, {}", self.feature, telling(words, &is)),
            kind: self.kind,
            finding: question.finding.clone(),
            higher_in: question.classes[class].clone(),
            auroc: estimate.auroc,
            auroc_ci: estimate.interval,
            threshold,
            rule_accuracy,
            majority_accuracy,
            flagged: tells && !too_few && no_chance(),
            too_few,
            has_rule: false,
        })
    }
}

/// The words and units of images, each by its number.
struct Encoding {
    word: Vec<usize>,
    unit: Vec<usize>,
    /// A word in a unit.
    both: Vec<usize>,
}

impl Encoding {
    fn new(words: &[&str], units: &[usize]) -> Self {
        let both: Vec<(&str, usize)> = words.iter().copied().zip(units.iter().copied()).collect();
        Self { word: numbers(words), unit: numbers(units), both: numbers(&both) }
    }

    /// The score of each image: see the head of this file.
    fn scores(&self, is: &[bool]) -> Vec<f64> {
        let counted = |numbers: &[usize]| {
            let mut counts = vec![Counts::default(); numbers.len()];
            numbers.iter().zip(is).for_each(|(&number, &is)| counts[number].add(is));
            counts
        };
        let (words, units, both) = (counted(&self.word), counted(&self.unit), counted(&self.both));
        let mut all = Counts::default();
        is.iter().for_each(|&is| all.add(is));
        let score = |i: usize| {
            let before = all.without(units[self.unit[i]]).share(0.5);
            words[self.word[i]].without(both[self.both[i]]).share(before) - before
        };
        (0..is.len()).map(score).collect()
    }
}

/// Each of the things by a number, equal ones by the same, below how many there are.
fn numbers<T: Ord + Copy>(things: &[T]) -> Vec<usize> {
    let mut known: BTreeMap<T, usize> = BTreeMap::new();
    let mut number = |thing: &T| {
        let next = known.len();
        *known.entry(*thing).or_insert(next)
    };
    things.iter().map(&mut number).collect()
}

/// The words that are mostly of the class, and those that are mostly not, some of each: what a person looks for.
fn telling(words: &[&str], is: &[bool]) -> String {
    const SOME: usize = 3;
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    words.iter().zip(is).for_each(|(word, &is)| counts.entry(word).or_default().add(is));
    let mut order: Vec<(&str, f64)> = counts.iter().map(|(word, of)| (*word, of.share(0.5))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let some = |of: &mut dyn Iterator<Item = &(&str, f64)>| {
        let named = of.filter(|(word, _)| !word.is_empty()).take(SOME).map(|(word, _)| format!("\"{word}\""));
        named.collect::<Vec<_>>().join(", ")
    };
    let (most, least) = (some(&mut order.iter()), some(&mut order.iter().rev()));
    format!("its value (most in {most}; least in {least})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Rng;

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
            assert!(found.feature.starts_with("site, its value (most in \"site "), "{}", found.feature);
        }
    }

    /// Few of one class, single images and groups of five: at most one in a hundred is flagged, where a plain feature is as often.
    #[test]
    fn words_that_say_nothing_tell_nothing() {
        for (n, words, share, per_unit) in [
            (50, 12, 10, 1),
            (120, 12, 10, 1),
            (120, 12, 50, 1),
            (250, 12, 10, 5),
            (300, 40, 5, 1),
            (600, 24, 20, 5),
        ] {
            let flagged = (0..400).filter(|&seed| {
                let mut rng = Rng::derive(&[seed, n as u64, words]);
                let of_unit: Vec<(u64, bool)> =
                    (0..n / per_unit + 1).map(|_| (rng.below(words), rng.below(100) < share)).collect();
                let values: Vec<String> = (0..n).map(|i| format!("x{}", of_unit[i / per_unit].0)).collect();
                let units: Vec<usize> = (0..n).map(|i| i / per_unit).collect();
                let labels = (0..n).map(|i| usize::from(of_unit[i / per_unit].1)).collect();
                let found = Words {
                    feature: "x",
                    kind: ShortcutKind::Column,
                    values: &values,
                    units: &units,
                    level: 0.998,
                };
                let question = Question {
                    finding: None,
                    classes: vec!["a".into(), "b".into()],
                    positive: 1,
                    at: (0..n).collect(),
                    labels,
                };
                found.tell(&question).is_some_and(|found| found.flagged)
            });
            let flagged = flagged.count();
            assert!(
                flagged <= 4,
                "{flagged} of 400: {n} images, {words} words, {share} %, {per_unit} a unit"
            );
        }
        // A word for each patient is no word of a class, nor is one for all but a few.
        assert!(told(|i| format!("p{}", i / 4), |i| i / 120, 4).is_none());
        let found = told(|i| if i % 80 == 0 { format!("x{i}") } else { "same".into() }, |i| i % 2, 1);
        assert!(found.is_none_or(|found| !found.flagged), "nearly one word");
    }

    /// Rows in another order say the same.
    #[test]
    fn the_order_of_rows_is_without_influence() {
        let words = ["a", "b", "a", "c", "b", "c", "a", "c"];
        let is = [true, false, true, false, true, false, false, true];
        let forward = Encoding::new(&words, &[0, 0, 1, 1, 2, 3, 4, 5]).scores(&is);
        let words: Vec<&str> = words.into_iter().rev().collect();
        let mut backward = Encoding::new(&words, &[5, 4, 3, 2, 1, 1, 0, 0])
            .scores(&is.into_iter().rev().collect::<Vec<_>>());
        backward.reverse();
        assert_eq!(forward, backward);
    }
}
