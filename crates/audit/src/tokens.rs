//! A file name as text and numbers in turn: `person`, `7`, `_virus_`, `9`.

use std::collections::BTreeMap;

/// The file name without folders and extension.
pub fn stem(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

/// Text and the number after it; the number is empty at the end of a name.
pub struct NameToken<'a> {
    /// Without digits.
    pub text: &'a str,
    /// Digits.
    pub number: &'a str,
}

/// The tokens of a name.
pub fn tokens(name: &str) -> Vec<NameToken<'_>> {
    let mut rest = name;
    let mut found = vec![];
    while !rest.is_empty() {
        let number_at = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, after) = rest.split_at(number_at);
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        found.push(NameToken { text, number: &after[..end] });
        rest = &after[end..];
    }
    found
}

/// What `texts` begin with: of those with the same first letter their common beginning, in order; of an empty one nothing.
pub fn beginnings<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: BTreeMap<char, &str> = BTreeMap::new();
    for text in texts {
        let Some(first) = text.chars().next() else { continue };
        let known = found.entry(first).or_insert(text);
        let apart = known.char_indices().zip(text.chars()).find(|((_, a), b)| a != b);
        *known = &known[..apart.map_or(known.len().min(text.len()), |((at, _), _)| at)];
    }
    found.into_values().collect()
}
