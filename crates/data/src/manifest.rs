//! A CSV manifest as a data set: columns `path,label[,split][,group]` in any order, paths relative to the manifest. Other
//! columns (sex, age, scanner, hospital) are kept by name, so that results can be told apart by them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::Error;
use crate::dataset::{Dataset, Row};

/// Where the columns with a meaning are.
struct Columns {
    path: usize,
    label: usize,
    split: Option<usize>,
    group: Option<usize>,
    extra: Vec<usize>,
}

impl Columns {
    fn find(header: &StringRecord) -> Result<Self, String> {
        let at = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
        let found = header.iter().collect::<Vec<_>>().join(", ");
        let need =
            |name: &str| at(name).ok_or_else(|| format!("expected a column \"{name}\", found {found}"));
        let (path, label, split, group) = (need("path")?, need("label")?, at("split"), at("group"));
        if let Some(twice) = header.iter().enumerate().find(|&(i, name)| at(name) != Some(i)) {
            return Err(format!("expected every column once, found \"{}\" twice", twice.1));
        }
        let known = [Some(path), Some(label), split, group];
        let extra = (0..header.len()).filter(|&i| !known.contains(&Some(i))).collect();
        Ok(Self { path, label, split, group, extra })
    }
}

pub(crate) fn read(source: &Path) -> Result<Dataset, Error> {
    let file = std::fs::File::open(source).map_err(|e| Error::io(source, e))?;
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
    let header = reader.headers().map_err(|e| Error::dataset(source, e.to_string()))?.clone();
    let columns = Columns::find(&header).map_err(|reason| Error::dataset(source, reason))?;
    let folder = source.parent().unwrap_or(Path::new(""));

    let mut rows: Vec<Row> = Vec::new();
    let mut seen: HashMap<PathBuf, u64> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(|e| Error::dataset(source, e.to_string()))?;
        let line = record.position().map_or(0, |position| position.line());
        let at_line = |reason: String| Error::dataset(source, format!("line {line}: {reason}"));
        let row = row(&record, &columns, folder).map_err(at_line)?;
        if rows.first().is_some_and(|first| first.split.is_some() != row.split.is_some()) {
            return Err(at_line("expected a split in every row or in none, found both".into()));
        }
        if let Some(first) = seen.insert(row.path.clone(), line) {
            return Err(at_line(format!("expected every path once, found {} in line {first} too", row.name)));
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(Error::dataset(source, "expected a row for every image, found only the header"));
    }
    let extra = columns.extra.iter().map(|&i| header[i].to_string()).collect();
    Dataset::build(source, rows, extra, 0)
}

fn row(record: &StringRecord, columns: &Columns, folder: &Path) -> Result<Row, String> {
    let filled = |name: &str, column: usize| match &record[column] {
        "" => Err(format!("expected a {name}, found an empty field")),
        text => Ok(text),
    };
    let optional = |column: Option<usize>| column.map(|i| &record[i]).filter(|text| !text.is_empty());
    let name = filled("path", columns.path)?;
    let path = folder.join(name);
    let found = std::fs::metadata(&path).map_err(|e| format!("{name}: {e}"))?;
    if !found.is_file() {
        return Err(format!("{name}: expected a file, found a folder"));
    }
    Ok(Row {
        path,
        name: name.replace('\\', "/"),
        class: filled("label", columns.label)?.into(),
        split: optional(columns.split).map(str::parse).transpose()?,
        group: optional(columns.group).map(String::from),
        bytes: found.len(),
        extra: columns.extra.iter().map(|&i| record[i].to_string()).collect(),
    })
}
