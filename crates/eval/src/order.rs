//! Which comes first: by numbers that things have.

/// Sorts indices by a number that each has, the smallest first; equals stay as they are. Sorting is some kilobytes of code
/// for every type and closure: here are those of all lists for people.
pub fn sort_by_number(indices: &mut [usize], number: &dyn Fn(usize) -> f64) {
    indices.sort_by(|&a, &b| number(a).total_cmp(&number(b)));
}

/// The class of the largest of one sample's probabilities; the first of equals.
pub fn argmax(probabilities: &[f64]) -> usize {
    (1..probabilities.len()).fold(0, |best, i| if probabilities[i] > probabilities[best] { i } else { best })
}
