//! What is said of a table with findings: how it was read, and with which option it is read otherwise.

use super::PATIENT_FOLDER;
use super::cell::{code, is_nothing};
use super::columns::Columns;
use super::place::{Form, Place, lossy};
use crate::labels::{Labelling, Readers, Uncertain, odd_names};
use crate::locate::shortened;
use crate::table::{Record, Table};

/// Which findings there are, and where they were found.
pub(super) fn of_place(place: &Place, header: &[String]) -> Vec<String> {
    let form = match &place.form {
        Form::Columns(_) => "a column each".to_owned(),
        Form::Lists(column, between) => {
            format!("lists in the column \"{}\", divided by {between}", header[*column])
        }
        Form::Boxes(column, reader) => {
            let by = if reader.is_some() { "box and reader" } else { "box, of one reader for all" };
            format!("in the column \"{}\", a row a {by}", header[*column])
        }
    };
    let names = model::list_names(&place.names);
    let read = format!("findings ({form}; --labels NAME,NAME takes others): {names}");
    let odd = odd_names(place.all.iter().filter(|name| !is_nothing(name)));
    [read].into_iter().chain(odd).collect()
}

/// Wanted findings that the table does not have, as one of another model's may not.
pub(super) fn lacking(place: &Place) -> Option<String> {
    let (lacking, what): (Vec<&String>, _) = match &place.form {
        Form::Columns(columns) => {
            let named = place.names.iter().zip(columns);
            (
                named.filter(|(_, at)| at.is_none()).map(|(name, _)| name).collect(),
                "no column of the table is called",
            )
        }
        _ => {
            let named = place.names.iter();
            (named.filter(|name| !place.all.contains(*name)).collect(), "no image of the table has")
        }
    };
    (!lacking.is_empty()).then(|| format!("{what} {}", model::list_names(&lacking)))
}

/// The columns `extra` that would be findings but for a few cells.
pub(super) fn left_out(table: &Table, columns: &Columns, extra: &[usize]) -> Vec<String> {
    let is_known = |cell: &str| code(cell).is_some_and(|votes| votes != [0; 3]);
    let left_out = |&at: &usize| {
        let known = table.rows.iter().filter(|row| is_known(&lossy(row, at))).count();
        let odd: Vec<&Record> = table.rows.iter().filter(|row| code(&lossy(row, at)).is_none()).collect();
        let first = odd.first().filter(|_| Some(at) != columns.group && known > odd.len())?;
        let (name, line, found) = (&table.header[at], first.line, lossy(first, at));
        Some(format!(
            "warning: the column \"{name}\" is left out: expected 1, 0, -1 or nothing, found \"{}\" in line {line} \
             (--labels NAME,NAME names those that must be read)",
            shortened(&found)
        ))
    };
    extra.iter().filter_map(left_out).collect()
}

/// Columns that are not kept, for they are called as findings of a list are.
pub(super) fn beside_lists(place: &Place, columns: &Columns, header: &[String]) -> Option<String> {
    let of_columns = matches!(place.form, Form::Columns(_));
    let others = columns.others.iter().map(|&at| &header[at]);
    let named: Vec<&String> = others.filter(|column| place.is_named(column)).collect();
    (!of_columns && !named.is_empty()).then(|| {
        let names = model::list_names(&named);
        format!("columns that are called as findings of the list are not read (--labels {names} reads them): {names}")
    })
}

/// What became of labels that nobody was sure of.
pub(super) fn of_unsure(unsure: usize, uncertain: Uncertain) -> Option<String> {
    let how = match uncertain {
        Uncertain::Ignore => "are left out".to_owned(),
        other => format!("count as {other}"),
    };
    (unsure > 0).then(|| format!("{unsure} uncertain labels {how} (--uncertain ignore|positive|negative)"))
}

/// What became of images that several readers judged.
pub(super) fn of_readers(several: usize, place: &Place, labelling: &Labelling) -> Option<String> {
    let how = match labelling.readers {
        Readers::Majority => "what most of them say, else it is uncertain (--readers any: one is enough)",
        Readers::Any => "a finding is there if one of them says so (--readers majority: if most do)",
    };
    let what = if matches!(place.form, Form::Boxes(..)) { "readers" } else { "rows, one a reader" };
    (several > 0).then(|| format!("{several} images have several {what}: {how}"))
}

/// Where groups come from, if not from a column of ours.
pub(super) fn of_groups(columns: &Columns, header: &[String], any: bool) -> Option<String> {
    match columns.group.map(|at| &header[at]) {
        Some(name) if name.eq_ignore_ascii_case("group") => None,
        Some(name) => Some(format!("groups: by the column \"{name}\" (another with --group-by)")),
        None => any.then(|| format!("groups: by {PATIENT_FOLDER} in the path (another with --group-by)")),
    }
}
