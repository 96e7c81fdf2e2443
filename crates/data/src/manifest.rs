//! A CSV manifest as a data set: columns `path,label[,split][,group]` in any order, paths relative to the manifest. Other
//! columns (sex, age, scanner, hospital) are kept by name, so that results can be told apart by them.
//!
//! Invariant: reading what [`write_manifest`] wrote gives the same samples, wherever the two manifests lie.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::Error;
use crate::dataset::{Dataset, Row, Sample};

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

/// Reads a manifest. With `missing`, a path that is no file is a sample of 0 bytes, and whoever reads it learns the reason.
pub(crate) fn read(source: &Path, missing: bool) -> Result<Dataset, Error> {
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
        let row = row(&record, &columns, folder, missing).map_err(at_line)?;
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

fn row(record: &StringRecord, columns: &Columns, folder: &Path, missing: bool) -> Result<Row, String> {
    let filled = |name: &str, column: usize| match &record[column] {
        "" => Err(format!("expected a {name}, found an empty field")),
        text => Ok(text),
    };
    let optional = |column: Option<usize>| column.map(|i| &record[i]).filter(|text| !text.is_empty());
    let name = filled("path", columns.path)?;
    let path = folder.join(name);
    let found = std::fs::metadata(&path).map_err(|e| format!("{name}: {e}"));
    let bytes = match found {
        Ok(found) if found.is_file() => found.len(),
        _ if missing => 0,
        Ok(_) => return Err(format!("{name}: expected a file, found a folder")),
        Err(reason) => return Err(reason),
    };
    Ok(Row {
        path,
        name: name.replace('\\', "/"),
        class: filled("label", columns.label)?.into(),
        split: optional(columns.split).map(str::parse).transpose()?,
        group: optional(columns.group).map(String::from),
        bytes,
        extra: columns.extra.iter().map(|&i| record[i].to_string()).collect(),
    })
}

/// Writes `dataset` as a manifest: `path,label`, `split` and `group` if any sample has one, and its other columns. Paths
/// are relative to the new manifest if the files lie below its folder, else absolute.
pub fn write_manifest(path: &Path, dataset: &Dataset) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(|e| Error::io(folder, e))?;
    let samples = &dataset.samples;
    let has_split = samples.iter().any(|sample| sample.split.is_some());
    let has_group = samples.iter().any(|sample| sample.group.is_some());
    let mut header = vec!["path", "label"];
    header.extend(has_split.then_some("split"));
    header.extend(has_group.then_some("group"));
    header.extend(dataset.columns.iter().map(String::as_str));
    let row = |sample: &Sample| {
        let found = sample.path.canonicalize().map_err(|e| Error::io(&sample.path, e))?;
        let place = found.strip_prefix(&folder).unwrap_or(&found).to_string_lossy().into_owned();
        let mut row = vec![place, dataset.classes[sample.label].clone()];
        row.extend(has_split.then(|| sample.split.map_or(String::new(), |split| split.to_string())));
        row.extend(has_group.then(|| sample.group.clone().unwrap_or_default()));
        row.extend(sample.extra.iter().cloned());
        Ok(row)
    };
    let rows: Vec<Vec<String>> = samples.iter().map(row).collect::<Result<_, Error>>()?;
    let write = |file: &mut dyn std::io::Write| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(&header)?;
        rows.iter().try_for_each(|row| table.write_record(row))?;
        table.flush()
    };
    model::write_atomic(path, |file| write(file)).map_err(|error| Error::dataset(path, error.to_string()))
}
