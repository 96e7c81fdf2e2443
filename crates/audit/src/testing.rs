//! Small data sets for tests.

use data::{Dataset, Sample, Split};

/// A data set of rows (name, class, split, group), whose files do not exist.
pub fn dataset(rows: &[(&str, &str, Option<Split>, Option<&str>)]) -> Dataset {
    let mut classes: Vec<String> = rows.iter().map(|row| row.1.to_owned()).collect();
    classes.sort();
    classes.dedup();
    let sample = |&(name, class, split, group): &(&str, &str, Option<Split>, Option<&str>)| Sample {
        path: name.into(),
        name: name.into(),
        label: classes.iter().position(|known| known == class).unwrap(),
        findings: vec![],
        unsure: vec![],
        split,
        group: group.map(str::to_owned),
        bytes: 1,
        extra: vec![],
        unreadable: None,
    };
    let samples = rows.iter().map(sample).collect();
    Dataset {
        source: "set".into(),
        classes,
        columns: vec![],
        samples,
        passed_over: Default::default(),
        notes: vec![],
    }
}
