//! What words in names and columns say of what they name: a patient, or a kind of image.

/// Words for what is not to be divided.
const TELLING: &str = "\
    patient person subject participant individual case study exam series volume accession specimen \
    animal mrn pid source sub subj pat pt";

/// Words for kinds of images: a number behind them counts no patients.
const CATEGORIES: &str = "age year fold label class grade score batch epoch part split size kvp";

/// Whether a word of `name` says what belongs together: `PatientID`, `patient_id` and `patients` do, `example` does not.
pub fn is_telling(name: &str) -> bool {
    let is = |found: &String, word: &str| {
        found == word || found.strip_suffix('s') == Some(word) || (word.len() > 4 && found.starts_with(word))
    };
    words(name).iter().any(|found| TELLING.split(' ').any(|word| is(found, word)))
}

/// Whether the last word of `name` names a kind of image.
pub fn is_category(name: &str) -> bool {
    let words = words(name);
    words
        .iter()
        .rev()
        .find(|word| !word.is_empty())
        .is_some_and(|last| CATEGORIES.split(' ').any(|word| word == last))
}

/// The words of a name, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        if !letter.is_alphabetic() || (before.is_lowercase() && letter.is_uppercase()) {
            words.push(String::new());
        }
        if letter.is_alphabetic() {
            words.last_mut().expect("there is one").extend(letter.to_lowercase());
        }
        before = letter;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_words() {
        for (name, is) in [
            ("PatientID", true),
            ("patientid", true),
            ("CASE_NO", true),
            ("cases", true),
            ("person*_|IM-*-", true),
            ("sub-", true),
            ("example", false),
            ("lowercase", false),
            ("sex", false),
            ("subtle", false),
            ("pattern", false),
        ] {
            assert_eq!(is_telling(name), is, "{name}");
        }
        for (name, is) in
            [("age", true), ("x_Fold-", true), ("image", false), ("fold_scan", false), ("", false)]
        {
            assert_eq!(is_category(name), is, "{name}");
        }
    }
}
