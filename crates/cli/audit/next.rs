//! What to type after an audit.

use crate::labels::{typed, typed_of_written};
use crate::shell::{place, program, quote};
use audit::{Audit, GroupOrigin};
use data::{GroupBy, Labelling};
use std::path::Path;

/// What an audit was asked, as far as the next command repeats it.
pub struct Asked<'a> {
    /// The data set.
    pub data: &'a Path,
    /// How its groups were given.
    pub group_by: Option<&'a GroupBy>,
    /// How its labels were read.
    pub labelling: &'a Labelling,
    /// Where a manifest with the sources or the series as groups was written, and which.
    pub written: Option<(&'a Path, audit::Unit)>,
}

/// The lines, each with the exact command.
pub fn next(found: &Audit, asked: &Asked) -> Vec<String> {
    if found.images == found.unreadable.len() {
        return vec![];
    }
    let labels = typed_of_written(asked.labelling, &found.classes);
    let (program, data) = (program(), place(asked.data) + &typed(asked.labelling));
    let option = |by: &str| format!(" --group-by {}", quote(by));
    let given = asked.group_by.map(|by| option(&by.to_string())).unwrap_or_default();
    let seen = found.window.map_or(String::new(), |window| format!(" --window {window}"));
    let has_split = found.parts.len() > 1;
    if let Some((written, unit)) = asked.written {
        let written = place(written);
        let what = if unit == audit::Unit::Series { "look-alikes" } else { "copies" };
        return vec![format!(
            "next: {program} split {written}{labels} --out split.csv   ({what} stay together)"
        )];
    }
    // What is given is what belongs together; what was seen in names or offered may be.
    let groups = found.groups.as_ref().filter(|groups| groups.by.is_some());
    let known = groups.filter(|groups| groups.origin == GroupOrigin::Given);
    let named = groups.filter(|groups| groups.origin == GroupOrigin::Names);
    let offered = named.and_then(|groups| groups.by.as_deref());
    let offered = offered.or_else(|| found.hints.first().map(|hint| hint.by.as_str()));
    let split = |by: &str| format!("{program} split {data} --by {} --out split.csv", quote(by));
    // Series hold the copies too.
    if found.findings.iter().any(audit::Finding::fails_strict) && found.look_alikes.across_splits > 0
        || (!has_split && found.look_alikes.clusters > 0)
    {
        let given = match (known, offered) {
            (None, Some(by)) => option(by),
            _ => given,
        };
        return vec![
            format!("next: {program} audit {data}{seen}{given} --write-groups grouped.csv"),
            format!(
                "then: {program} split grouped.csv{labels} --out split.csv   (look-alikes stay together)"
            ),
        ];
    }
    match (known, offered) {
        (Some(groups), _) if groups.across_splits > 0 || !has_split => {
            vec![format!("next: {}", split(groups.by.as_deref().unwrap_or("group")))]
        }
        (None, Some(by)) => vec![format!("next, if '{by}' says what belongs together: {}", split(by))],
        (None, None) => vec![
            format!(
                "next, if a column or the names say what belongs together: {program} split {data} --by COLUMN|PATTERN --out split.csv"
            ),
            format!("next, if every image is a patient's only one: {program} train {data}{seen}"),
        ],
        _ => vec![format!("next: {program} train {data}{seen}{given}")],
    }
}
