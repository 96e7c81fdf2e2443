//! A CSV manifest as a data set: columns `path,label[,split][,group]` in any order, paths relative to the manifest. Other
//! columns (sex, age, scanner, hospital) are kept by name, so that results can be told apart by them.
//!
//! Manifests come from spreadsheets and from other systems: what [`crate::table`] reads is read, and a path is tried as it
//! is given, then with its backslashes as slashes. Labels stay text, `01` too.
//!
//! Invariant: reading what [`crate::write_manifest()`] wrote gives the same samples, wherever the two manifests lie, also
//! where a file's name is no text.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::path_bytes::path_of_bytes;
use crate::sample::{Listing, Sample};
use crate::split_names::{one_name_each, taken_as};
use crate::table::{Record, Table, at_line};

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
        if let Some(twice) = header.iter().enumerate().find(|&(i, name)| at(name) != Some(i)) {
            return Err(format!("expected every column once, found \"{}\" twice", twice.1));
        }
        let known = [Some(path), Some(label), split, group];
        let extra = (0..header.len()).filter(|&i| !known.contains(&Some(i))).collect();
        Ok(Self { path, label, split, group, extra })
    }
}

/// Reads a manifest. With `missing`, a path that is no file is a sample of 0 bytes, and whoever reads it learns the reason.
pub(crate) fn read(source: &Path, missing: bool) -> Result<Listing, Error> {
    let table = Table::read(source, &["path", "label"])?;
    let columns = Columns::find(&table.header).map_err(|reason| Error::dataset(source, reason))?;
    let folder = source.parent().unwrap_or(Path::new(""));

    let mut samples: Vec<(String, Sample)> = Vec::new();
    let mut seen: HashMap<PathBuf, usize> = HashMap::new();
    let (mut splits, mut backslashes) = (Vec::new(), 0);
    for record in &table.rows {
        let refuse = |reason: String| at_line(source, record.line, reason);
        let (class, sample) = row(record, &columns, folder, missing).map_err(refuse)?;
        let as_given = record.cells[columns.path].contains(&b'\\');
        backslashes += usize::from(as_given && !sample.name.contains('\\'));
        if samples.first().is_some_and(|(_, first)| first.split.is_some() != sample.split.is_some()) {
            return Err(refuse("expected a split in every row or in none, found both".into()));
        }
        if let Some(first) = seen.insert(sample.path.clone(), record.line) {
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
    if table.nameless > 0 {
        notes.push(format!("columns without a name are not read: {}", table.nameless));
    }
    let columns = columns.extra.iter().map(|&i| table.header[i].clone()).collect();
    Ok(Listing { samples, columns, notes, ..Listing::default() })
}

/// The class and the sample of a row.
fn row(record: &Record, columns: &Columns, folder: &Path, missing: bool) -> Result<(String, Sample), String> {
    let cell = |column: usize| record.text(column);
    let optional = |column: Option<usize>| -> Result<Option<&str>, String> {
        Ok(column.map(cell).transpose()?.filter(|text| !text.is_empty()))
    };
    let class = match cell(columns.label)? {
        "" => return Err("expected a label, found an empty field".into()),
        label => label.to_owned(),
    };
    let sample = Sample {
        split: optional(columns.split)?.map(str::parse).transpose()?,
        group: optional(columns.group)?.map(String::from),
        extra: columns.extra.iter().map(|&i| cell(i).map(String::from)).collect::<Result<_, _>>()?,
        ..locate(&record.cells[columns.path], folder, missing)?
    };
    Ok((class, sample))
}

/// Finds the file that `cell` names: as it stands there, without the space around it, or with slashes for backslashes.
fn locate(cell: &[u8], folder: &Path, missing: bool) -> Result<Sample, String> {
    let trimmed = cell.trim_ascii();
    if trimmed.is_empty() {
        return Err("expected a path, found an empty field".into());
    }
    let slashes: Vec<u8> = trimmed.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect();
    let mut ways = vec![cell, trimmed, &slashes];
    ways.dedup();
    let mut reason = String::new();
    for way in &ways {
        let path = folder.join(path_of_bytes(way.to_vec()));
        let name = String::from_utf8_lossy(way).into_owned();
        let name = if cfg!(windows) { name.replace('\\', "/") } else { name };
        match std::fs::metadata(&path) {
            Ok(found) if found.is_file() => {
                return Ok(Sample { path, name, bytes: found.len(), ..Sample::default() });
            }
            Ok(_) if reason.is_empty() => reason = "expected a file, found a folder".into(),
            Err(error) if reason.is_empty() => reason = error.to_string(),
            _ => {}
        }
    }
    let last = ways.last().copied().unwrap_or(trimmed);
    if missing {
        let name = String::from_utf8_lossy(last).into_owned();
        return Ok(Sample { path: folder.join(path_of_bytes(last.to_vec())), name, ..Sample::default() });
    }
    let shown = shortened(&String::from_utf8_lossy(trimmed));
    let of_windows = matches!(trimmed, [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
        || trimmed.starts_with(b"\\\\");
    if of_windows && !cfg!(windows) {
        reason = "expected a path relative to the manifest, found one that only the Windows system which it comes from has"
            .into();
    } else if std::str::from_utf8(cell).is_err() {
        reason += "; the path is not in UTF-8: if it should be, save the table as \"CSV UTF-8\"";
    }
    Err(format!("{shown}: {reason}"))
}

/// A cell may be half a file where a quote is not closed.
fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
