//! `--group-by`: what belongs together, from a column, DICOM files or names, and what to type where nobody said it.

use crate::shell::quote;
use data::{Dataset, GroupBy};

/// Groups `dataset`. `tolerant`: a file that cannot be read stands alone.
pub fn group_by(dataset: &mut Dataset, by: &GroupBy, tolerant: bool) -> Result<(), data::Error> {
    match tolerant {
        true => dataset.group_readable_by(by),
        false => dataset.group_by(by),
    }
}

/// What to type where groups are wanted and none are known: what columns and names offer, with the option `option`, at
/// the end of the command line `line`.
pub fn advice(dataset: &Dataset, option: &str, line: &str) -> String {
    let mut lines: Vec<String> = vec![];
    for hint in audit::quick_hints(dataset) {
        let (words, groups, by) = (hint.words(), hint.groups, quote(&hint.by));
        lines.push(format!("  {words} makes {groups} groups: {line} {option} {by}"));
    }
    if lines.is_empty() {
        let (what, value) = match dataset.columns.is_empty() {
            true => ("", "PATTERN"),
            false => ("a column, or ", "COLUMN|PATTERN"),
        };
        lines.push(format!(
            "  name {what}a pattern of the file name such as 'person*_': {line} {option} {value}"
        ));
    }
    lines.push(format!("  if every image stands alone: {line} {option} '*'"));
    lines.join("\n")
}
