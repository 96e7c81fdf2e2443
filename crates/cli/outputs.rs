//! Files that a command was asked to write: never over what it reads, and over what is there only if this program wrote
//! it before, as the same kind of thing, so that a command can be typed again. Looked at before the work begins.
//!
//! Invariant: what [`OutputFile::check`] refuses is not touched.

use crate::failure::Failure;
use data::Dataset;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use workflow::check_no_input;

/// What a file is to be, by which an earlier one is known.
pub enum FileKind {
    /// The page of an audit.
    AuditPage,
    /// The report of a run or an evaluation.
    ReportPage,
    /// A manifest, or another table, with these columns among its own.
    Table(Vec<String>),
    /// A model of this program, or one that it exported.
    Weights,
    /// A model as ONNX.
    Onnx,
}

/// A file to be written.
#[must_use]
pub struct OutputFile<'a> {
    path: &'a Path,
    replaces: bool,
}

/// `--force`, where a command writes files.
#[derive(clap::Args)]
pub struct Force {
    /// Replace files that this program did not write
    #[arg(long)]
    pub force: bool,
}

impl<'a> OutputFile<'a> {
    /// That `path`, which `option` names, may be written. `is_input` says whether it is read by the same command.
    pub fn check(
        option: &str,
        path: &'a Path,
        kind: &FileKind,
        is_input: impl FnOnce(&Path) -> bool,
        force: bool,
    ) -> Result<Self, Failure> {
        let shown = path.display();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(failed!("{option} {shown}: expected the folder {}, found none", folder.display()));
        }
        if path.is_dir() {
            return Err(failed!("{option} {shown}: expected a file, found a folder"));
        }
        // Into a device or a pipe it is written; to look what is in there would wait for ever.
        if !path.is_file() {
            return Ok(Self { path, replaces: false });
        }
        check_no_input(path, is_input).map_err(|reason| usage!("{option} {reason}"))?;
        if force || kind.is(path) {
            return Ok(Self { path, replaces: true });
        }
        Err(failed!(
            "{option} {shown}: a file is there that is not {} of this program; name another, or replace it with --force",
            kind.words()
        ))
    }

    /// The same where `option` may be left away.
    pub fn check_if_given(
        option: &str,
        path: &'a Option<PathBuf>,
        kind: &FileKind,
        is_input: impl FnOnce(&Path) -> bool,
        force: bool,
    ) -> Result<Option<Self>, Failure> {
        path.as_deref().map(|path| Self::check(option, path, kind, is_input, force)).transpose()
    }

    /// Has it written, and says that it was.
    pub fn write<E>(self, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
        write(self.path)?;
        note!("{} {}", self.done(), self.path.display());
        Ok(())
    }

    /// The same where what was found must not be lost with the file: a failure is reported at once. Whether it was written.
    pub fn try_write<E>(self, write: impl FnOnce(&Path) -> Result<(), E>) -> bool
    where
        Failure: From<E>,
    {
        let failure = self.write(write).err().map(Failure::from);
        failure.map(Failure::report).is_none()
    }

    /// The word for what was done.
    pub fn done(&self) -> &'static str {
        if self.replaces { "replaced" } else { "wrote" }
    }
}

/// That no two of these options name one file: the second would be written over the first.
pub fn check_distinct(outputs: &[(&str, Option<&PathBuf>)]) -> Result<(), Failure> {
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        folder.canonicalize().ok().map(|folder| (folder, path.file_name().map(ToOwned::to_owned)))
    };
    let named: Vec<_> = outputs.iter().filter_map(|&(option, path)| Some((option, path?))).collect();
    for (at, (option, path)) in named.iter().enumerate() {
        for (other, earlier) in &named[..at] {
            if place(path).is_some_and(|place_of| place(earlier) == Some(place_of)) {
                return Err(usage!(
                    "{option} {}: expected another file than that of {other}",
                    path.display()
                ));
            }
        }
    }
    Ok(())
}

impl FileKind {
    /// A table of the images of `dataset` with what says what they show, and these columns.
    pub fn manifest<'a>(dataset: &Dataset, columns: impl IntoIterator<Item = &'a str>) -> Self {
        let label = || vec!["label".to_owned()];
        let labels = if dataset.has_findings() { dataset.classes.clone() } else { label() };
        let columns = columns.into_iter().map(str::to_owned);
        Self::Table(std::iter::once("path".to_owned()).chain(labels).chain(columns).collect())
    }

    /// A table of predictions for them.
    pub fn predictions(dataset: &Dataset, classes: &[String]) -> Self {
        let predicted = (!dataset.has_findings()).then(|| "predicted".to_owned());
        let columns: Vec<String> =
            predicted.into_iter().chain(classes.iter().map(|class| format!("p_{class}"))).collect();
        Self::manifest(dataset, columns.iter().map(String::as_str))
    }

    fn words(&self) -> &'static str {
        match self {
            Self::AuditPage => "an audit",
            Self::ReportPage => "a report",
            Self::Table(_) => "a table with these columns",
            Self::Weights | Self::Onnx => "an exported or imported model",
        }
    }

    /// Whether the file at `path` is one of these, from this program.
    fn is(&self, path: &Path) -> bool {
        match self {
            Self::AuditPage => is_page(path, |title| title.starts_with("Audit of ")),
            Self::ReportPage => is_page(path, |title| title.ends_with(": Vertebra report")),
            Self::Table(columns) => has_columns(path, columns).unwrap_or(false),
            Self::Weights => !is_of_run(path) && has_header(path).unwrap_or(false),
            Self::Onnx => head(path, 256).is_some_and(|head| contains(&head, b"vertebra")),
        }
    }
}

fn is_page(path: &Path, title: impl FnOnce(&str) -> bool) -> bool {
    let page = std::fs::read_to_string(path).unwrap_or_default();
    let found = page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    // Every page of this program ends so.
    found.is_some_and(|found| title(found.0)) && page.contains("<footer><p>Made by ")
}

/// Whether a CSV file has all of `columns`; an empty file has none.
fn has_columns(path: &Path, columns: &[String]) -> Option<bool> {
    let mut table = csv::Reader::from_reader(File::open(path).ok()?.take(1 << 20));
    let header = table.headers().ok()?;
    Some(columns.iter().all(|column| header.iter().any(|name| name == column)))
}

/// Whether a safetensors file says in its header that this program wrote it.
fn has_header(path: &Path) -> Option<bool> {
    let start = head(path, 8)?;
    let length = u64::from_le_bytes(start.try_into().ok()?).min(16 << 20);
    Some(contains(&head(path, 8 + length)?, b"\"vertebra\""))
}

/// A trained model in its run folder is a run's, whatever else it is.
fn is_of_run(path: &Path) -> bool {
    path.parent().is_some_and(|folder| train::RunFolder(folder).config().is_file())
}

fn head(path: &Path, bytes: u64) -> Option<Vec<u8>> {
    let mut head = vec![];
    File::open(path).ok()?.take(bytes).read_to_end(&mut head).ok()?;
    Some(head)
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn check(path: &Path, kind: &FileKind, force: bool) -> Result<bool, String> {
        let checked = OutputFile::check("--out", path, kind, |path| path.ends_with("input.csv"), force);
        checked.map(|output| output.replaces).map_err(|failure| match failure {
            Failure::Usage(message) | Failure::Failed(message) => message,
            _ => "another failure".into(),
        })
    }

    #[test]
    fn what_is_there_is_replaced_only_if_it_is_of_the_same_kind() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let table = || FileKind::Table(["path", "label", "split"].map(String::from).to_vec());
        assert_eq!(check(&at("new.csv"), &table(), false), Ok(false));
        for (name, text, kind, is) in [
            ("a.csv", "path,label,split,group\n", table(), true),
            ("quoted.csv", "path,label,\"site, ward\",split\n", table(), true),
            ("b.csv", "path,label\n", table(), false),
            ("c.csv", "", table(), false),
            ("notes.csv", "split,label,path of nothing\n", table(), false),
            ("a.html", "<title>Audit of x</title><footer><p>Made by vertebra 1", FileKind::AuditPage, true),
            ("b.html", "<title>Audit of x</title>", FileKind::AuditPage, false),
            (
                "c.html",
                "<title>run: Vertebra report</title><footer><p>Made by vertebra 1",
                FileKind::AuditPage,
                false,
            ),
            (
                "d.html",
                "<title>run: Vertebra report</title><footer><p>Made by vertebra 1",
                FileKind::ReportPage,
                true,
            ),
            (
                "a.safetensors",
                "\u{20}\0\0\0\0\0\0\0{\"__metadata__\":{\"vertebra\":\"1\"}}",
                FileKind::Weights,
                true,
            ),
            (
                "b.safetensors",
                "\u{20}\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"pt\"}}",
                FileKind::Weights,
                false,
            ),
            ("c.safetensors", "x", FileKind::Weights, false),
            ("a.onnx", "..vertebra..", FileKind::Onnx, true),
            ("b.onnx", "..pytorch..", FileKind::Onnx, false),
        ] {
            fs::write(at(name), text).unwrap();
            let found = check(&at(name), &kind, false);
            assert_eq!(found.is_ok(), is, "{name}: {found:?}");
            assert!(is || found.unwrap_err().contains("--force"), "{name}");
            assert_eq!(check(&at(name), &kind, true), Ok(true), "{name}");
        }
        // A model in a run folder is never taken for an export.
        fs::write(at("config.toml"), "").unwrap();
        assert!(check(&at("a.safetensors"), &FileKind::Weights, false).is_err());
    }

    #[test]
    fn an_input_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input.csv");
        fs::write(&path, "path,label\n").unwrap();
        let kind = FileKind::Table(vec!["path".into()]);
        for force in [false, true] {
            assert!(check(&path, &kind, force).unwrap_err().contains("another file"), "{force}");
        }
        assert!(check(folder.path(), &kind, true).unwrap_err().contains("found a folder"));
        assert!(
            check(&folder.path().join("none/x.csv"), &kind, true)
                .unwrap_err()
                .contains("expected the folder")
        );
    }
}
