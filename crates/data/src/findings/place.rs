//! Where the findings of a table are: a column for each, one column with lists of them, or a row for each box.

use std::collections::BTreeSet;

use super::cell::{Votes, code, is_nothing, listed, word};
use super::columns::{Columns, column};
use crate::labels::Labels;
use crate::locate::shortened;
use crate::split_names::quoted;
use crate::table::{Record, Table};

/// Columns with lists of findings.
const LISTS: [&str; 4] = ["finding labels", "findings", "labels", "label"];
/// What may stand between the findings of a list.
const BETWEEN: [char; 3] = ['|', ';', ','];
/// Column of what a box is around, that of who drew it, and others of such a table: VinDr-CXR's.
const BOX: &str = "class_name";
const READER: &str = "rad_id";
const OF_BOXES: [&str; 5] = ["class_id", "x_min", "y_min", "x_max", "y_max"];

/// The findings of a table and where it has them.
pub(super) struct Place {
    /// Those that are read, in the order of the model's outputs.
    pub names: Vec<String>,
    /// All that its column of names has; empty where each has its own.
    pub all: BTreeSet<String>,
    pub form: Form,
}

pub(super) enum Form {
    /// A column for each; none: nothing is known of it.
    Columns(Vec<Option<usize>>),
    /// Their names in the lists of this column, with this between them.
    Lists(usize, char),
    /// The name of one in this column, in a row a box; and who drew it.
    Boxes(usize, Option<usize>),
}

/// What a row says.
pub(super) enum Said<'a> {
    /// Of each finding.
    Votes(Vec<Votes>),
    /// That a reader drew a box, around a finding by its number or around something else.
    Box { reader: &'a str, around: Option<usize> },
}

impl Place {
    pub fn find(table: &Table, columns: &Columns, wanted: &Labels, may_lack: bool) -> Result<Self, String> {
        let header = &table.header;
        let of_boxes = OF_BOXES[1..].iter().all(|name| column(header, &[name]).is_some());
        if let Some(boxes) = column(header, &[BOX]).filter(|_| of_boxes) {
            let all: BTreeSet<String> =
                table.rows.iter().map(|row| lossy(row, boxes)).filter(|name| !name.is_empty()).collect();
            let names = named(wanted, &all, may_lack, &header[boxes])?;
            return Ok(Self { names, all, form: Form::Boxes(boxes, column(header, &[READER])) });
        }
        let list = column(header, &LISTS);
        let own = match wanted {
            // A model of a list's findings is asked about the list, whatever columns there are beside it.
            Labels::Names(names) if may_lack && list.is_some_and(|at| lists_more(table, at, names)) => None,
            Labels::Names(names) => of_names(names, header, may_lack, list.is_some())?,
            Labels::All if list.is_some_and(|at| has_lists(table, at)) => None,
            Labels::All => coded(table, columns),
        };
        if let Some((names, at)) = own {
            return Ok(Self { names, all: BTreeSet::new(), form: Form::Columns(at) });
        }
        let Some(list) = list else {
            return Err(format!(
                "--labels: expected columns that hold only 1, 0, -1 or nothing, or a column {} with lists, found {}",
                quoted(LISTS),
                shortened(&header.join(", "))
            ));
        };
        let (all, between) = all_listed(table, list);
        let names = named(wanted, &all, may_lack, &header[list])?;
        Ok(Self { names, all, form: Form::Lists(list, between) })
    }

    /// Whether a column is called as one of the findings is.
    pub fn is_named(&self, column: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(column))
    }

    /// The columns that say something else of an image, without those that are called as a finding of a list is, which no
    /// manifest could have beside it.
    pub fn rest(&self, header: &[String], columns: &Columns) -> Vec<usize> {
        let of_boxes = |at: usize| OF_BOXES.iter().any(|name| header[at].eq_ignore_ascii_case(name));
        let is_ours = |at: usize| match &self.form {
            Form::Columns(columns) => columns.contains(&Some(at)),
            Form::Lists(column, _) => at == *column,
            Form::Boxes(column, reader) => at == *column || Some(at) == *reader || of_boxes(at),
        };
        columns.others.iter().copied().filter(|&at| !is_ours(at) && !self.is_named(&header[at])).collect()
    }

    /// What a row says.
    pub fn said<'a>(&self, record: &'a Record, header: &[String]) -> Result<Said<'a>, String> {
        match &self.form {
            Form::Columns(columns) => {
                let vote = |at: &Option<usize>| at.map_or(Ok([0; 3]), |at| vote(record, at, &header[at]));
                columns.iter().map(vote).collect::<Result<_, _>>().map(Said::Votes)
            }
            Form::Boxes(column, reader) => {
                let name = record.text(*column)?;
                let reader = reader.map(|at| record.text(at)).transpose()?.unwrap_or_default();
                Ok(Said::Box { reader, around: self.names.iter().position(|known| known == name) })
            }
            Form::Lists(at, between) => {
                let there = listed(record.text(*at)?, *between);
                let vote = |name: &String| match (there.is_empty(), there.contains(name)) {
                    (true, _) => [0; 3],
                    (_, true) => [1, 0, 0],
                    (_, false) => [0, 1, 0],
                };
                Ok(Said::Votes(self.names.iter().map(vote).collect()))
            }
        }
    }
}

/// All findings that the lists of a column name, and what stands between them.
fn all_listed(table: &Table, at: usize) -> (BTreeSet<String>, char) {
    let has = |between: &char| table.rows.iter().any(|row| row.cells[at].contains(&(*between as u8)));
    let between = BETWEEN.into_iter().find(has).unwrap_or(BETWEEN[0]);
    (table.rows.iter().flat_map(|row| listed(&lossy(row, at), between)).collect(), between)
}

/// Whether the lists of a column have more of the findings `names` than there are columns of such names.
fn lists_more(table: &Table, at: usize, names: &[String]) -> bool {
    let (all, _) = all_listed(table, at);
    let columns = names.iter().filter(|name| column(&table.header, &[name]).is_some()).count();
    names.iter().filter(|name| all.contains(*name)).count() > columns
}

/// What a row says in the column of a finding.
fn vote(record: &Record, at: usize, name: &str) -> Result<Votes, String> {
    let cell = record.text(at)?;
    code(cell).or_else(|| word(cell)).ok_or_else(|| {
        let found = shortened(cell);
        format!("{name}: expected 1, 0, -1 (uncertain) or nothing (not known), found \"{found}\"")
    })
}

/// The names of findings with a column each, and the columns.
type Own = (Vec<String>, Vec<Option<usize>>);

/// The columns of the findings `names`; none, if they may be in lists.
fn of_names(names: &[String], header: &[String], may_lack: bool, lists: bool) -> Result<Option<Own>, String> {
    let at: Vec<Option<usize>> = names.iter().map(|name| column(header, &[name])).collect();
    let missing: Vec<&String> =
        names.iter().zip(&at).filter(|(_, at)| at.is_none()).map(|(name, _)| name).collect();
    let any = missing.len() < names.len();
    if missing.is_empty() || (may_lack && any) {
        return Ok(Some((names.to_vec(), at)));
    }
    if any || !lists {
        let found = shortened(&header.join(", "));
        return Err(format!("expected columns {} of findings, found {found}", quoted(missing)));
    }
    Ok(None)
}

/// The columns that hold only numbers of findings, or nothing; none, if there is no such column.
fn coded(table: &Table, columns: &Columns) -> Option<Own> {
    let is_coded = |&at: &usize| {
        let cells = || table.rows.iter().map(|row| lossy(row, at));
        Some(at) != columns.group
            && cells().all(|cell| code(&cell).is_some())
            && cells().any(|cell| cell.parse::<f64>().is_ok())
    };
    let coded: Vec<usize> = columns.others.iter().copied().filter(is_coded).collect();
    let names = coded.iter().map(|&at| table.header[at].clone()).collect();
    (!coded.is_empty()).then(|| (names, coded.into_iter().map(Some).collect()))
}

/// Whether a column has lists, by its name or by what is in it.
fn has_lists(table: &Table, at: usize) -> bool {
    let is_list = |row: &Record| row.cells[at].contains(&b'|') || row.cells[at].starts_with(b"[");
    table.header[at].eq_ignore_ascii_case(LISTS[0]) || table.rows.iter().any(is_list)
}

/// The findings that are wanted, of `all` that the column `name` has.
fn named(wanted: &Labels, all: &BTreeSet<String>, may_lack: bool, name: &str) -> Result<Vec<String>, String> {
    let names = match wanted {
        Labels::Names(names) => names.clone(),
        Labels::All => all.iter().filter(|name| !is_nothing(name)).cloned().collect(),
    };
    let unknown: Vec<&String> = names.iter().filter(|name| !all.contains(*name)).collect();
    if names.is_empty() || !(unknown.is_empty() || may_lack && unknown.len() < names.len()) {
        let expected = if names.is_empty() { "a finding".to_owned() } else { quoted(unknown) };
        return Err(format!("--labels: expected {expected} in column \"{name}\", found {}", quoted(all)));
    }
    Ok(names)
}

/// A cell to look at, before it is known whether it must be text.
pub(super) fn lossy(row: &Record, at: usize) -> String {
    String::from_utf8_lossy(&row.cells[at]).trim().to_owned()
}
