//! A CSV manifest as a data set: columns `path,label[,split][,group]` in any order, paths relative to the manifest. Other
//! columns (sex, age, scanner, hospital) are kept by name, so that results can be told apart by them.
//!
//! Manifests come from spreadsheets and from other systems: what [`crate::table`] reads is read, and a path is tried as it
//! is given, then with its backslashes as slashes. Labels stay text, `01` too.
//!
//! Invariant: reading what [`crate::write_manifest()`] wrote gives the same samples, wherever the two manifests lie, also
//! where a file's name is no text.

use std::path::Path;

use crate::Error;
use crate::findings;
use crate::labels::Labelling;
use crate::locate::{Named, locate, shortened};
use crate::sample::{Listing, Sample};
use crate::split_names::{one_name_each, taken_as};
use crate::table::{Record, Table, at_line, every_column_once};

/// Where the columns with a meaning are.
struct Columns {
    path: usize,
    label: usize,
    split: Option<usize>,
    group: Option<usize>,
    extra: Vec<usize>,
}

impl Columns {
    fn find(header: &[String]) -> Result<Self, String> {
        let at = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
        let need = |name: &str| {
            at(name).ok_or_else(|| {
                format!("expected a column \"{name}\", found {}", shortened(&header.join(", ")))
            })
        };
        let (path, label, split, group) = (need("path")?, need("label")?, at("split"), at("group"));
        every_column_once(header)?;
        let known = [Some(path), Some(label), split, group];
        let extra = (0..header.len()).filter(|&i| !known.contains(&Some(i))).collect();
        Ok(Self { path, label, split, group, extra })
    }
}

/// Reads a manifest. With `missing`, a path that is no file is a sample of 0 bytes, and whoever reads it learns the reason.
pub(crate) fn read(source: &Path, missing: bool, labelling: &Labelling) -> Result<Listing, Error> {
    if let Some(labels) = &labelling.labels {
        return findings::read(source, missing, labels, labelling);
    }
    let table = Table::read(source, &["path", "label"])?;
    let columns = Columns::find(&table.header)
        .map_err(|reason| Error::dataset(source, format!("{reason}{}", findings::offer(&table.header))))?;
    let folder = source.parent().unwrap_or(Path::new(""));

    let mut samples: Vec<(String, Sample)> = Vec::new();
    let mut named = Named::default();
    let (mut splits, mut backslashes) = (Vec::new(), 0);
    for record in &table.rows {
        let refuse = |reason: String| at_line(source, record.line, reason);
        let (class, sample) = row(record, &columns, folder, missing).map_err(refuse)?;
        let as_given = record.cells[columns.path].contains(&b'\\');
        backslashes += usize::from(as_given && !sample.name.contains('\\'));
        if samples.first().is_some_and(|(_, first)| first.split.is_some() != sample.split.is_some()) {
            return Err(refuse("expected a split in every row or in none, found both".into()));
        }
        let first = named.first(&sample.path, record.line);
        if first != record.line {
            return Err(refuse(format!(
                "expected every path once, found {} in line {first} too",
                sample.name
            )));
        }
        if let Some(name) = columns.split.and_then(|at| record.text(at).ok())
            && !splits.contains(&name)
        {
            splits.push(name);
        }
        samples.push((class, sample));
    }
    if samples.is_empty() {
        return Err(Error::dataset(source, "expected a row for every image, found only the header"));
    }
    one_name_each(splits.iter().copied())
        .map_err(|reason| Error::dataset(source, format!("column \"split\": {reason}")))?;
    let mut notes: Vec<String> = taken_as(splits.into_iter()).into_iter().collect();
    if backslashes > 0 {
        notes.push(format!("backslashes are read as slashes in the paths of {backslashes} rows"));
    }
    notes.extend(table.nameless_note());
    let columns = columns.extra.iter().map(|&i| table.header[i].clone()).collect();
    Ok(Listing { samples, columns, notes, ..Listing::default() })
}

/// The class and the sample of a row.
fn row(record: &Record, columns: &Columns, folder: &Path, missing: bool) -> Result<(String, Sample), String> {
    let cell = |column: usize| record.text(column);
    let class = match cell(columns.label)? {
        "" => return Err("expected a label, found an empty field".into()),
        several if several.contains('|') => {
            let found = shortened(several);
            return Err(format!(
                "expected one class an image, found \"{found}\": several findings? train --labels all reads each of them (or \
                 --labels NAME,NAME some)"
            ));
        }
        label => label.to_owned(),
    };
    let sample = Sample {
        split: record.given(columns.split)?.map(str::parse).transpose()?,
        group: record.given(columns.group)?.map(String::from),
        extra: columns.extra.iter().map(|&i| cell(i).map(String::from)).collect::<Result<_, _>>()?,
        ..locate(&record.cells[columns.path], folder, missing)?
    };
    Ok((class, sample))
}
