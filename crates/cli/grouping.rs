//! `--group-by`: what belongs together, from a column, DICOM files or names, and what of it is only assumed.

use crate::failure::{Failure, note};
use data::{Dataset, GroupBy};
use std::collections::BTreeSet;

/// Groups `dataset`, and says which images stand alone. `tolerant`: a file that cannot be read stands alone too.
pub fn group_by(dataset: &mut Dataset, by: &GroupBy, tolerant: bool) -> Result<(), Failure> {
    match tolerant {
        true => dataset.group_readable_by(by)?,
        false => dataset.group_by(by)?,
    }
    say_alone(dataset);
    Ok(())
}

/// What to type where groups are wanted and none are known: what columns and names offer, with the option `option`, at
/// the end of the command line `line`.
pub fn advice(dataset: &Dataset, option: &str, line: &str) -> String {
    let offered = audit::quick_hints(dataset);
    let mut lines: Vec<String> = offered
        .iter()
        .map(|hint| {
            format!(
                "  {} makes {} groups: {line} {option} {}",
                hint.words(),
                hint.groups,
                data::quote(&hint.by)
            )
        })
        .collect();
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

/// How many groups `members` lie in, and how many of them have none: nobody knows whether those are independent.
pub fn counted(dataset: &Dataset, members: &[usize]) -> String {
    let groups: BTreeSet<&String> =
        members.iter().filter_map(|&i| dataset.samples[i].group.as_ref()).collect();
    let alone = members.iter().filter(|&&i| dataset.samples[i].group.is_none()).count();
    let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    match alone {
        0 => counted(groups.len(), "group"),
        _ => format!("{} and {} without a group", counted(groups.len(), "group"), counted(alone, "image")),
    }
}

/// Says how many images have no group, if others have one.
pub fn say_alone(dataset: &Dataset) {
    if let [first, ..] = dataset.alone()[..] {
        let (alone, images) = (dataset.alone().len(), dataset.samples.len());
        let most = if 2 * alone > images { "warning: " } else { "" };
        let name = &dataset.samples[first].name;
        note(format_args!(
            "{most}{alone} of {images} images have no group, for example {name}: each stands alone"
        ));
    }
}
