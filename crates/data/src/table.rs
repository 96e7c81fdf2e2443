//! A table in a text file, as spreadsheets write it: what separates its fields, in what encoding, and at which line of
//! the file each row begins.
//!
//! Fields are separated by commas, semicolons, tabs or bars: by whichever makes a header with the wanted columns, or by what
//! a line `sep=;` says. The text is UTF-8, with or without a mark, or UTF-16 (the "Unicode text" of spreadsheets). Lines end
//! as on any system. Rows without any value, and columns without a name, are passed over.
//!
//! Invariant: cells hold the bytes of the file, because a path need not be text; [`text`] says where one is not.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use crate::Error;
use crate::content::Content;
use crate::decode::read_file;
use crate::missing::is_missing;

/// What may separate fields.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A table with named columns.
pub struct Table {
    /// The names, without space around them.
    pub header: Vec<String>,
    /// The rows below it that have a value.
    pub rows: Vec<Record>,
    /// Columns with values that were passed over, as they have no name.
    pub nameless: usize,
}

/// A row that has a value.
pub struct Record {
    /// Where it begins, counted as an editor does, from 1.
    pub line: usize,
    /// As many as the header has.
    pub cells: Vec<Vec<u8>>,
}

impl Record {
    /// A cell as text, without space around it.
    ///
    /// # Errors
    /// What is no UTF-8, and what to do.
    pub fn text(&self, column: usize) -> Result<&str, String> {
        text(&self.cells[column])
    }

    /// The text of a cell that may be missing, or of a column that may.
    pub(crate) fn given(&self, column: Option<usize>) -> Result<Option<&str>, String> {
        let text = column.map(|at| self.text(at)).transpose()?;
        Ok(text.filter(|text| !text.is_empty() && !is_missing(text)))
    }
}

impl Table {
    /// Reads the file at `path`, which should have the columns `wanted` (whoever needs them asks whether it has).
    ///
    /// # Errors
    /// A file that is no table, or a row that has not the fields of the header, by its line.
    pub fn read(path: &Path, wanted: &[&str]) -> Result<Self, Error> {
        let refuse = |reason: String| Error::dataset(path, reason);
        let bytes = read_file(path)?;
        let content = decoded(&bytes).map_err(refuse)?;
        let (said, start) = separator_line(&content);
        let body = &content[start..];
        let separator = said.unwrap_or_else(|| separator(body, wanted));
        let mut lines = LineCounter { content: &content, at: 0, line: 1 };
        let mut records = records(body, separator);
        let mut next = move || -> Result<Option<Record>, Error> {
            for record in records.by_ref() {
                let record = record.map_err(|error| refuse(error.to_string()))?;
                let line = lines.of(start + record.position().map_or(0, |position| position.byte() as usize));
                if record.iter().any(|cell| !is_blank(cell)) {
                    return Ok(Some(Record { line, cells: record.iter().map(<[u8]>::to_vec).collect() }));
                }
            }
            Ok(None)
        };
        let Some(first) = next()? else {
            return Err(refuse(format!(
                "expected a table with the columns {}, found no line",
                wanted.join(", ")
            )));
        };
        let names = |cell: &Vec<u8>| {
            text(cell).map(str::to_owned).map_err(|reason| at_line(path, first.line, reason))
        };
        let names: Vec<String> = first.cells.iter().map(names).collect::<Result<_, _>>()?;
        let named: Vec<usize> = (0..names.len()).filter(|&i| !names[i].is_empty()).collect();
        let mut nameless = vec![false; names.len()];
        let mut rows = Vec::new();
        while let Some(Record { line, mut cells }) = next()? {
            if cells[names.len().min(cells.len())..].iter().any(|cell| !is_blank(cell))
                || named.last().is_some_and(|&last| last >= cells.len())
            {
                let (expected, found) = (names.len(), cells.len());
                let reason = format!(
                    "expected {expected} fields, as the header has, found {found} (a field with a separator in it needs \
                     quotes)"
                );
                return Err(at_line(path, line, reason));
            }
            let swallowed = swallowed_rows(&cells, separator, names.len());
            if swallowed > 0 {
                let reason = format!(
                    "expected a row, found a quoted cell that goes over {swallowed} more lines that look like rows: a \
                     quote may lack its end (a quote within a quoted cell is written twice)"
                );
                return Err(at_line(path, line, reason));
            }
            for (i, cell) in cells.iter().enumerate().take(names.len()) {
                nameless[i] |= names[i].is_empty() && !is_blank(cell);
            }
            let cells = named.iter().map(|&i| std::mem::take(&mut cells[i])).collect();
            rows.push(Record { line, cells });
        }
        let header = named.iter().map(|&i| names[i].clone()).collect();
        Ok(Self { header, rows, nameless: nameless.into_iter().filter(|&it| it).count() })
    }

    /// What to say of columns that were passed over.
    pub(crate) fn nameless_note(&self) -> Option<String> {
        (self.nameless > 0).then(|| format!("columns without a name are not read: {}", self.nameless))
    }
}

/// How many lines of the cells of a row look like rows: they have its fields, and where it names a file, they name one of
/// that kind too. The lines of a report in a cell have commas, but no file in that place.
fn swallowed_rows(cells: &[Vec<u8>], separator: u8, columns: usize) -> usize {
    let named = cells.iter().take(columns).enumerate().find_map(|(at, cell)| Some((at, ending(cell)?)));
    let Some((at, ending_of_row)) = named else { return 0 };
    let is_row = |line: &&[u8]| {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == separator).collect();
        fields.len() >= columns.max(2) && ending(fields[at]).is_some_and(|found| found == ending_of_row)
    };
    cells.iter().flat_map(|cell| cell.split(|&byte| byte == b'\n').skip(1)).filter(is_row).count()
}

/// The ending of what looks like the name of a file, in small letters.
fn ending(cell: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(cell).ok()?.trim().trim_matches('"');
    let (stem, ending) = text.rsplit_once('.')?;
    let is_ending =
        (2..=5).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_ending && !stem.is_empty() && !text.contains('\n')).then(|| ending.to_ascii_lowercase())
}

/// An error of a line of the table at `path`.
pub(crate) fn at_line(path: &Path, line: usize, reason: impl std::fmt::Display) -> Error {
    Error::dataset(path, format!("line {line}: {reason}"))
}

/// A cell as text, without space around it.
///
/// # Errors
/// What is no UTF-8, and what to do.
fn text(cell: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(cell).map(str::trim).map_err(|error| {
        let (at, shown) = (error.valid_up_to(), String::from_utf8_lossy(cell));
        let byte = cell[at];
        format!(
            "expected UTF-8 text, found the byte 0x{byte:02X} in \"{shown}\"; save the table as \"CSV UTF-8\""
        )
    })
}

fn is_blank(cell: &[u8]) -> bool {
    std::str::from_utf8(cell).is_ok_and(|text| text.trim().is_empty())
}

fn records(body: &[u8], separator: u8) -> csv::ByteRecordsIntoIter<&[u8]> {
    let reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(body);
    reader.into_byte_records()
}

/// The file's text as UTF-8, without its mark.
fn decoded(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let in_pairs = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        let text =
            String::from_utf16(&units).map_err(|error| format!("expected UTF-16 text, found a {error}"));
        text.map(|text| Cow::Owned(text.into_bytes()))
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => in_pairs(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => in_pairs(rest, u16::from_be_bytes)?,
        [1..=255, 0, 1..=255, 0, ..] if !Content::of(bytes).is_image() => {
            in_pairs(bytes, u16::from_le_bytes)?
        }
        [0, 1..=255, 0, 1..=255, ..] if !Content::of(bytes).is_image() => {
            in_pairs(bytes, u16::from_be_bytes)?
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
        _ => Cow::Borrowed(bytes),
    };
    match Content::of(&text[..text.len().min(crate::content::HEAD_BYTES)]) {
        Content::Empty | Content::Text => {}
        // Text in the encoding of some old system; which cell it is in, whoever reads the cell says.
        Content::Unknown if !text.contains(&0) => {}
        Content::File("ZIP" | "Microsoft Office") => {
            return Err("expected a folder or a CSV manifest, found a ZIP file or an Excel workbook; save the sheet as \
                        \"CSV UTF-8\", or unpack the archive"
                .into());
        }
        other => return Err(format!("expected a folder or a CSV manifest, found {}", other.describe())),
    }
    // The end mark of old systems.
    let end = text.len() - usize::from(text.ends_with(b"\x1a"));
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    })
}

/// What a first line `sep=;` says, and where the table begins.
fn separator_line(content: &[u8]) -> (Option<u8>, usize) {
    let end = content.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(content.len());
    let line = content[..end].trim_ascii_end();
    let line = line.strip_prefix(b"\"").map_or(line, |inner| inner.strip_suffix(b"\"").unwrap_or(inner));
    match line {
        // A tab is space at the end of the line.
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'='] => (Some(b'\t'), end),
        &[b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] => (Some(separator), end),
        _ => (None, 0),
    }
}

/// The separator whose header has the wanted columns; if none has, the one that makes the most columns.
fn separator(body: &[u8], wanted: &[&str]) -> u8 {
    let header = |separator: u8| -> Vec<String> {
        let first = records(body, separator)
            .map_while(Result::ok)
            .find(|record: &ByteRecord| record.iter().any(|cell| !is_blank(cell)));
        let names = first.unwrap_or_default();
        names.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect()
    };
    let quality = |separator: &u8| {
        let names = header(*separator);
        let found =
            wanted.iter().filter(|want| names.iter().any(|name| name.eq_ignore_ascii_case(want))).count();
        (found, names.len().max(1))
    };
    // The first of equals.
    SEPARATORS.into_iter().rev().max_by_key(quality).unwrap_or(b',')
}

/// Counts lines up to a place that only moves forward.
struct LineCounter<'a> {
    content: &'a [u8],
    at: usize,
    line: usize,
}

impl LineCounter<'_> {
    /// The line of the record whose separator from the one before may still lie at byte `at`.
    fn of(&mut self, at: usize) -> usize {
        let breaks = self.content[at..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
        self.line += line_breaks(self.content, self.at..at + breaks);
        self.at = at + breaks;
        self.line
    }
}

/// LF, CR and LF, or CR alone, as on old systems.
fn line_breaks(content: &[u8], range: Range<usize>) -> usize {
    let end = content.len();
    range
        .filter(|&i| {
            content[i] == b'\n' || (content[i] == b'\r' && (i + 1 == end || content[i + 1] != b'\n'))
        })
        .count()
}

/// That no two columns have one name.
pub(crate) fn every_column_once(header: &[String]) -> Result<(), String> {
    let before =
        |(i, name): &(usize, &String)| header[..*i].iter().any(|known| known.eq_ignore_ascii_case(name));
    match header.iter().enumerate().find(before) {
        Some((_, twice)) => Err(format!("expected every column once, found \"{twice}\" twice")),
        None => Ok(()),
    }
}
