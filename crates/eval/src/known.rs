//! The images of which a finding is known: in no figure is any other.

/// Those images of a finding, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Their numbers.
    pub images: Vec<usize>,
    /// Whether each has it.
    pub is: Vec<bool>,
}

impl Known {
    /// Of the finding `at` of `count`, where `truth: [n, count]` says of each image whether it has it; none where that
    /// is not known.
    pub fn of(truth: &[Option<bool>], at: usize, count: usize) -> Self {
        Self::among(&mut truth.iter().skip(at).step_by(count).copied())
    }

    /// The same of a finding alone, with one entry an image.
    pub fn among(truth: &mut dyn Iterator<Item = Option<bool>>) -> Self {
        let (images, is) = truth.enumerate().filter_map(|(image, is)| Some((image, is?))).unzip();
        Self { images, is }
    }

    /// What these images have of `all`, which has one value an image.
    pub fn pick<T: Clone>(&self, all: &[T]) -> Vec<T> {
        self.images.iter().map(|&image| all[image].clone()).collect()
    }

    /// What these images have of the finding `at` in `probabilities: [n, count]`.
    pub fn scores(&self, probabilities: &[f64], at: usize, count: usize) -> Vec<f64> {
        self.images.iter().map(|&image| probabilities[image * count + at]).collect()
    }

    /// As classes: 0 without it, 1 with it.
    pub fn labels(&self) -> Vec<usize> {
        self.is.iter().map(|&is| usize::from(is)).collect()
    }

    /// How many have it.
    pub fn positives(&self) -> usize {
        self.is.iter().filter(|&&is| is).count()
    }
}

/// Probabilities of being there as those of two classes, `[n, 2]`.
pub fn as_two_classes(scores: &[f64]) -> Vec<f64> {
    scores.iter().flat_map(|&p| [1.0 - p, p]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        let truth = [Some(true), None, None, Some(false), Some(false), None];
        let first = Known::of(&truth, 0, 2);
        assert_eq!((&first.images[..], &first.is[..]), (&[0, 2][..], &[true, false][..]));
        assert_eq!(first.scores(&[0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 0, 2), [0.0, 0.4]);
        assert_eq!((first.labels(), first.positives(), first.pick(&[7, 8, 9])), (vec![1, 0], 1, vec![7, 9]));
        assert_eq!(Known::of(&truth, 1, 2), Known { images: vec![1], is: vec![false] });
        assert_eq!(as_two_classes(&[0.25]), [0.75, 0.25]);
    }
}
