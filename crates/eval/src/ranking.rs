//! Samples in the order of their scores: the one walk that ROC, precision-recall, thresholds and net benefit share.
//!
//! Sorting is done once; a bootstrap draw is then a linear walk with other weights. Invariant: samples of equal score
//! are never split, so every statistic treats ties as ties and none depends on the order of the input.

/// Scores sorted from high to low with their labels.
#[derive(Clone, Debug)]
pub struct Ranking {
    items: Vec<Scored>,
}

#[derive(Clone, Copy, Debug)]
struct Scored {
    score: f64,
    sample: usize,
    positive: bool,
}

/// What is called positive when the threshold stands at `score`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cut {
    /// The threshold: a score that occurs; samples with this score or more are called positive.
    pub score: f64,
    /// Weight of the positives among them: true positives.
    pub positives: f64,
    /// Weight of the negatives among them: false positives.
    pub negatives: f64,
}

impl Ranking {
    /// Ranks `scores` (finite, one a sample) with `positive` saying which samples are.
    pub fn new(scores: &[f64], positive: &[bool]) -> Self {
        let mut items: Vec<Scored> = scores
            .iter()
            .zip(positive)
            .enumerate()
            .map(|(sample, (&score, &positive))| Scored { score, sample, positive })
            .collect();
        items.sort_by(|a, b| b.score.total_cmp(&a.score));
        Self { items }
    }

    /// The same, with sample `i` called `number(i)` where weights are asked for.
    pub fn renumbered(mut self, number: impl Fn(usize) -> usize) -> Self {
        self.items.iter_mut().for_each(|item| item.sample = number(item.sample));
        self
    }

    /// The cuts at every distinct score, from the highest down, each sample counted once.
    pub fn cuts(&self) -> impl Iterator<Item = Cut> {
        self.weighted_cuts(|_| 1.0)
    }

    /// The cuts at every distinct score, from the highest down, with a weight for each sample.
    pub fn weighted_cuts(&self, weight: impl Fn(usize) -> f64) -> impl Iterator<Item = Cut> {
        self.ties().scan(Cut::default(), move |cut, ties| {
            cut.score = ties[0].score;
            for item in ties {
                *(if item.positive { &mut cut.positives } else { &mut cut.negatives }) += weight(item.sample);
            }
            Some(*cut)
        })
    }

    /// For each sample, in the order of the input, the share of the other class that it is on the right side of, ties
    /// counted one half: the structural components of DeLong et al. (1988), whose mean over either class is the AUROC.
    /// One pass over the sorted scores takes the place of the midranks of Sun and Xu (2014). Not a number if the other
    /// class is empty.
    pub fn placements(&self) -> Vec<f64> {
        let total = self.cuts().last().unwrap_or_default();
        let mut last = Cut::default();
        let mut placements = vec![0.0; self.items.len()];
        for (ties, cut) in self.ties().zip(self.cuts()) {
            let negatives_above = f64::midpoint(last.negatives, cut.negatives);
            let positives_above = f64::midpoint(last.positives, cut.positives);
            for item in ties {
                placements[item.sample] = if item.positive {
                    1.0 - negatives_above / total.negatives
                } else {
                    positives_above / total.positives
                };
            }
            last = cut;
        }
        placements
    }

    /// Runs of equal scores, from the highest down.
    fn ties(&self) -> impl Iterator<Item = &[Scored]> {
        self.items.chunk_by(|a, b| a.score == b.score)
    }
}
