//! A data set as a CSV manifest, which [`crate::Dataset::open`] reads again.

use std::path::{Component, Path, PathBuf};

use crate::Error;
use crate::dataset::Dataset;
use crate::path_bytes::bytes_of_path;
use crate::sample::Sample;
use crate::table::every_column_once;

/// Writes `dataset` as a manifest: `path,label`, or `path` and a column a finding (1, 0, -1 where nobody was sure, nothing), `split` and `group`
/// if any sample has one, and its other columns. Paths are relative to the new manifest if the files lie below its
/// folder, else absolute. Links in a data set stay links.
pub fn write_manifest(path: &Path, dataset: &Dataset) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(|e| Error::io(folder, e))?;
    let samples = &dataset.samples;
    let has_split = samples.iter().any(|sample| sample.split.is_some());
    let has_group = samples.iter().any(|sample| sample.group.is_some());
    let mut header = vec!["path"];
    match dataset.has_findings() {
        true => header.extend(dataset.classes.iter().map(String::as_str)),
        false => header.push("label"),
    }
    header.extend(has_split.then_some("split"));
    header.extend(has_group.then_some("group"));
    header.extend(dataset.columns.iter().map(String::as_str));
    if dataset.has_findings() {
        // They were read from lists; a table has one column of a name.
        let names = header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        every_column_once(&names).map_err(|reason| {
            let how = "names of findings are columns of a manifest, whatever their capitals: write them alike, or name some with \
                       --labels";
            Error::dataset(path, format!("{reason}; {how}"))
        })?;
    }
    let root = if dataset.source.is_dir() { Some(&*dataset.source) } else { dataset.source.parent() };
    let root = root.unwrap_or(Path::new(""));
    let here = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    let absolute_root = here.canonicalize().map_err(|e| Error::io(here, e))?;
    let row = |sample: &Sample| {
        let found = whole(&sample.path, root, &absolute_root)?;
        let mut row = vec![bytes_of_path(found.strip_prefix(&folder).unwrap_or(&found))];
        match sample.findings.is_empty() {
            true => row.push(dataset.classes[sample.label].clone().into_bytes()),
            false => row.extend(sample.findings.iter().enumerate().map(|(at, is)| {
                let cell = match (sample.unsure.get(at), is) {
                    (Some(true), _) => "-1",
                    (_, Some(true)) => "1",
                    (_, Some(false)) => "0",
                    (_, None) => "",
                };
                cell.as_bytes().to_vec()
            })),
        }
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
