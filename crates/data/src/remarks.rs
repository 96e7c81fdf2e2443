//! What the reader of files assumed, or did not apply, over many files: one line a kind, so that nobody reads it a thousand
//! times. `vertebra inspect` says the same of one file.
//!
//! Invariant: what is kept, and the words of it, depend on the files and not on the order in which threads read them; it is
//! no more for a million files than for a few, because a remark is a fixed sentence but for its numbers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most kinds that are told.
const LINES: usize = 3;

/// Remarks of the files that were read; a handle that threads share.
#[derive(Clone, Debug, Default)]
pub struct Remarks(Arc<Mutex<BTreeMap<String, Kind>>>);

/// Remarks that differ in numbers only.
#[derive(Clone, Debug)]
struct Kind {
    files: usize,
    /// The file whose name comes first, and what was said of it.
    first: (String, String),
}

impl Remarks {
    /// Keeps what was said of the file `name`, which must not have been kept before.
    pub fn add(&self, name: &str, notes: Vec<String>) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for note in notes {
            let found = (name.to_owned(), note);
            match kinds.get_mut(&without_numbers(&found.1)) {
                Some(kind) => {
                    kind.files += 1;
                    if found < kind.first {
                        kind.first = found;
                    }
                }
                None => drop(kinds.insert(without_numbers(&found.1), Kind { files: 1, first: found })),
            }
        }
    }

    /// A line for each of the most frequent kinds, and how many more there are; none if nothing was said.
    pub fn lines(&self) -> Vec<String> {
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kinds: Vec<&Kind> = kinds.values().collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.files));
        let line = |Kind { files, first: (name, note) }: &&Kind| match files {
            1 => format!("1 file ({name}): {note}"),
            files => format!("{files} files (for example {name}): {note}"),
        };
        let mut lines: Vec<String> = kinds.iter().take(LINES).map(line).collect();
        if kinds.len() > LINES {
            let more = kinds.len() - LINES;
            let kinds = if more == 1 { "kind" } else { "kinds" };
            lines.push(format!("and remarks of {more} more {kinds}: `inspect FILE` has those of a file"));
        }
        lines
    }
}

/// A sentence with one sign for every number.
fn without_numbers(text: &str) -> String {
    let mut kind = String::with_capacity(text.len());
    for letter in text.chars() {
        let is_number = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | '-' | '#');
        match letter.is_ascii_digit() {
            true if kind.ends_with(is_number) => {
                kind.truncate(kind.trim_end_matches(is_number).len());
                kind.push('#');
            }
            true => kind.push('#'),
            false => kind.push(letter),
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_kind_whatever_the_order() {
        let said = [
            ("b.dcm", "window 1 of 3 is used"),
            ("a.dcm", "window 1 of 12 is used"),
            ("c.dcm", "High Bit is missing"),
            ("d.dcm", "a width of -0.5, taken as 1"),
            ("e.dcm", "a width of 25, taken as 1"),
            ("f.dcm", "another"),
        ];
        let mut lines = vec![];
        for turn in 0..said.len() {
            let remarks = Remarks::default();
            assert!(remarks.lines().is_empty());
            let mut said = said.to_vec();
            said.rotate_left(turn);
            said.iter().for_each(|(name, note)| remarks.add(name, vec![(*note).to_owned()]));
            lines.push(remarks.lines());
        }
        assert!(lines.iter().all(|other| *other == lines[0]), "{lines:#?}");
        assert!(
            lines[0].contains(&"2 files (for example a.dcm): window 1 of 12 is used".to_owned()),
            "{lines:?}"
        );
        assert!(lines[0].contains(&"1 file (c.dcm): High Bit is missing".to_owned()), "{lines:?}");
        assert!(lines[0].contains(&"2 files (for example d.dcm): a width of -0.5, taken as 1".to_owned()));
        assert_eq!(lines[0][3..], ["and remarks of 1 more kind: `inspect FILE` has those of a file"]);
    }
}
