//! Numbers and words of a column, or of a tag of files, as features.

use std::collections::BTreeSet;

use super::flag;

/// Values of a manifest's column or of metadata, at most, to look at one by one.
const MAX_VALUES: usize = 20;

/// The features of texts, an empty one for each image that has none: numbers are one, of the images that have one, and
/// another is whether there is one; a few words are one each.
pub(super) fn texts(name: &str, values: &[&str]) -> Vec<(String, Vec<Option<f64>>)> {
    let comma = has_comma(values);
    let numbers: Vec<Option<f64>> = values.iter().map(|value| number(value.trim(), comma)).collect();
    let given = numbers.iter().flatten().count();
    if !has_words(values) && given > 0 {
        if given == values.len() {
            return vec![(name.to_owned(), numbers)];
        }
        let is_not = numbers.iter().map(|number| Some(flag(number.is_none()))).collect();
        let some = format!("{name} (of the {given} images that have it)");
        return vec![(some, numbers), (format!("{name} is not given"), is_not)];
    }
    let mut distinct: Vec<&str> = values.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    if distinct.len() > MAX_VALUES {
        return vec![];
    }
    // Of two, one says all.
    distinct.reverse();
    distinct.truncate(if distinct.len() == 2 { 1 } else { MAX_VALUES });
    let one = |value: &str| {
        let words = if value.is_empty() { "is not given".to_owned() } else { format!("is \"{value}\"") };
        (format!("{name} {words}"), values.iter().map(|v| Some(flag(*v == value))).collect())
    };
    distinct.into_iter().map(one).collect()
}

/// Whether commas divide the whole from the rest in a column, as some countries write it; where three digits follow every comma
/// they may divide thousands, and what has them is no number.
fn has_comma(values: &[&str]) -> bool {
    let rests = values.iter().filter_map(|value| Some(value.trim().split_once(',')?.1));
    rests.into_iter().any(|rest| rest.len() != 3)
}

fn number(text: &str, has_comma: bool) -> Option<f64> {
    let plain = match text.split_once(',') {
        Some((whole, rest))
            if has_comma && !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            &format!("{whole}.{rest}")
        }
        _ => text,
    };
    plain.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Whether some of the values are given and no numbers.
pub(super) fn has_words(values: &[&str]) -> bool {
    let is_given = |value: &str| !value.is_empty() && !data::is_missing(value);
    let comma = has_comma(values);
    values.iter().map(|value| value.trim()).any(|value| is_given(value) && number(value, comma).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_of_numbers_are_told_from_those_of_thousands() {
        let numbers = |values: &[&str]| -> Vec<Option<f64>> {
            values.iter().map(|value| number(value, has_comma(values))).collect()
        };
        assert_eq!(numbers(&["61,5", "7", "8,25"]), [Some(61.5), Some(7.0), Some(8.25)]);
        assert_eq!(numbers(&["999", "1,000", "1,250"]), [Some(999.0), None, None]);
        assert_eq!(numbers(&["a,b", "1.5"]), [None, Some(1.5)]);
        assert!(has_words(&["1", "nan", "x"]) && !has_words(&["1", "nan", "", "2,5"]));
    }
}
