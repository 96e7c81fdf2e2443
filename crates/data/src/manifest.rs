//! A CSV manifest as a data set: columns `path,label[,split][,group]` in any order, paths relative to the manifest. Other
//! columns (sex, age, scanner, hospital) are kept by name, so that results can be told apart by them.
//!
//! Manifests come from spreadsheets and from other systems: what [`crate::table`] reads is read, and a path is tried as it
//! is given, then with its backslashes as slashes. Labels stay text, `01` too.
//!
//! Invariant: reading what [`write_manifest`] wrote gives the same samples, wherever the two manifests lie, also where a
//! file's name is no text.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::Error;
use crate::dataset::{Dataset, Read, Row, Sample};
use crate::passed::PassedOver;
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
pub(crate) fn read(source: &Path, missing: bool) -> Result<Dataset, Error> {
    let table = Table::read(source, &["path", "label"])?;
    let columns = Columns::find(&table.header).map_err(|reason| Error::dataset(source, reason))?;
    let folder = source.parent().unwrap_or(Path::new(""));

    let mut rows: Vec<Row> = Vec::new();
    let mut seen: HashMap<PathBuf, usize> = HashMap::new();
    let (mut splits, mut backslashes) = (Vec::new(), 0);
    for record in &table.rows {
        let refuse = |reason: String| at_line(source, record.line, reason);
        let row = row(record, &columns, folder, missing).map_err(refuse)?;
        let as_given = record.cells[columns.path].contains(&b'\\');
        backslashes += usize::from(as_given && !row.name.contains('\\'));
        if rows.first().is_some_and(|first| first.split.is_some() != row.split.is_some()) {
            return Err(refuse("expected a split in every row or in none, found both".into()));
        }
        if let Some(first) = seen.insert(row.path.clone(), record.line) {
            return Err(refuse(format!("expected every path once, found {} in line {first} too", row.name)));
        }
        if let Some(name) = columns.split.and_then(|at| record.text(at).ok())
            && !splits.contains(&name)
        {
            splits.push(name);
        }
        rows.push(row);
    }
    if rows.is_empty() {
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
    Dataset::build(source, Read { rows, columns, passed_over: PassedOver::default(), notes })
}

fn row(record: &Record, columns: &Columns, folder: &Path, missing: bool) -> Result<Row, String> {
    let cell = |column: usize| record.text(column);
    let optional = |column: Option<usize>| -> Result<Option<&str>, String> {
        Ok(column.map(cell).transpose()?.filter(|text| !text.is_empty()))
    };
    let class = match cell(columns.label)? {
        "" => return Err("expected a label, found an empty field".into()),
        label => label.to_owned(),
    };
    let Place { path, name, bytes } = locate(&record.cells[columns.path], folder, missing)?;
    Ok(Row {
        path,
        name,
        class,
        split: optional(columns.split)?.map(str::parse).transpose()?,
        group: optional(columns.group)?.map(String::from),
        bytes,
        extra: columns.extra.iter().map(|&i| cell(i).map(String::from)).collect::<Result<_, _>>()?,
    })
}

/// A file that a manifest names.
struct Place {
    path: PathBuf,
    name: String,
    bytes: u64,
}

/// Finds the file that `cell` names: as it stands there, without the space around it, or with slashes for backslashes.
fn locate(cell: &[u8], folder: &Path, missing: bool) -> Result<Place, String> {
    let trimmed = cell.trim_ascii();
    if trimmed.is_empty() {
        return Err("expected a path, found an empty field".into());
    }
    let slashes: Vec<u8> = trimmed.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect();
    let mut ways = vec![cell, trimmed, &slashes];
    ways.dedup();
    let mut reason = String::new();
    for way in &ways {
        let path = folder.join(os_string(way));
        let name = String::from_utf8_lossy(way).into_owned();
        let name = if cfg!(windows) { name.replace('\\', "/") } else { name };
        match std::fs::metadata(&path) {
            Ok(found) if found.is_file() => return Ok(Place { path, name, bytes: found.len() }),
            Ok(_) if reason.is_empty() => reason = "expected a file, found a folder".into(),
            Err(error) if reason.is_empty() => reason = error.to_string(),
            _ => {}
        }
    }
    let last = ways.last().copied().unwrap_or(trimmed);
    if missing {
        let name = String::from_utf8_lossy(last).into_owned();
        return Ok(Place { path: folder.join(os_string(last)), name, bytes: 0 });
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

/// Bytes as a path: on Unix any bytes are one.
fn os_string(bytes: &[u8]) -> OsString {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec());
    #[cfg(not(unix))]
    return OsString::from(String::from_utf8_lossy(bytes).into_owned());
}

/// A path as bytes, which [`os_string`] makes a path again.
fn bytes_of(path: &Path) -> Vec<u8> {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
    #[cfg(not(unix))]
    return path.to_string_lossy().into_owned().into_bytes();
}

/// Writes `dataset` as a manifest: `path,label`, `split` and `group` if any sample has one, and its other columns. Paths
/// are relative to the new manifest if the files lie below its folder, else absolute. Links in a data set stay links.
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
    let root = if dataset.source.is_dir() { Some(&*dataset.source) } else { dataset.source.parent() };
    let root = root.unwrap_or(Path::new(""));
    let here = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    let absolute_root = here.canonicalize().map_err(|e| Error::io(here, e))?;
    let row = |sample: &Sample| {
        let found = whole(&sample.path, root, &absolute_root)?;
        let mut row = vec![
            bytes_of(found.strip_prefix(&folder).unwrap_or(&found)),
            dataset.classes[sample.label].clone().into_bytes(),
        ];
        let more = has_split.then(|| sample.split.map_or(String::new(), |split| split.to_string()));
        let more = more.into_iter().chain(has_group.then(|| sample.group.clone().unwrap_or_default()));
        row.extend(more.chain(sample.extra.iter().cloned()).map(String::into_bytes));
        Ok(row)
    };
    let rows: Vec<Vec<Vec<u8>>> = samples.iter().map(row).collect::<Result<_, Error>>()?;
    let write = |file: &mut dyn std::io::Write| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(&header)?;
        rows.iter().try_for_each(|row| table.write_record(row))?;
        table.flush()
    };
    model::write_atomic(path, |file| write(file)).map_err(|error| Error::dataset(path, error.to_string()))
}

/// The absolute path of a sample: `root`, resolved, and the way from there as it is.
fn whole(path: &Path, root: &Path, absolute_root: &Path) -> Result<PathBuf, Error> {
    let inside = path.strip_prefix(root).ok().filter(|inside| !inside.is_absolute());
    match inside {
        Some(inside) if !inside.components().any(|part| part == Component::ParentDir) => {
            Ok(absolute_root.join(inside.components().collect::<PathBuf>()))
        }
        // A file that is not there has no folder to resolve.
        _ => path.canonicalize().or_else(|_| std::path::absolute(path)).map_err(|e| Error::io(path, e)),
    }
}
