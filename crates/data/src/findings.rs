//! A manifest whose images have several findings: a column for each (1, 0, -1 where a reader was not sure, nothing where
//! nobody said), one column with the list of those that are there, or a row for each box that a reader drew around one.
//!
//! The tables of NIH ChestX-ray14, CheXpert, PadChest and VinDr-CXR are read as they were published: what their columns for
//! image and patient are called is known here. An image of a list column has, of the findings that it does not list, none;
//! "No Finding" is none of all. Several rows of one image are several readers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::group::group_from_name;
use crate::labels::{Labelling, Labels, Readers, Uncertain, odd_names};
use crate::locate::{ByName, shortened};
use crate::missing::is_missing;
use crate::sample::{Listing, Sample};
use crate::split_names::{one_name_each, quoted, taken_as};
use crate::table::{Record, Table, at_line, every_column_once};

/// Columns that name the image: ours, NIH's, PadChest's and VinDr's.
const PATHS: [&str; 4] = ["path", "image index", "imageid", "image_id"];
/// Columns that name the patient.
const PATIENTS: [&str; 4] = ["group", "patient id", "patientid", "patient_id"];
/// Columns with lists of findings.
const LISTS: [&str; 4] = ["finding labels", "findings", "labels", "label"];
/// What may stand between the findings of a list.
const BETWEEN: [char; 3] = ['|', ';', ','];
/// Column of what a box is around, that of who drew it, and others of such a table: VinDr-CXR's.
const BOX: &str = "class_name";
const READER: &str = "rad_id";
const OF_BOXES: [&str; 5] = ["class_id", "x_min", "y_min", "x_max", "y_max"];
/// How the absence of every finding is called, without spaces and in lower case.
const NOTHING: [&str; 3] = ["nofinding", "nofindings", "normal"];
/// CheXpert has the patient in the path.
const PATIENT_FOLDER: &str = "patient[0-9]*/";

/// The first of the columns `names` that the header has.
fn column(header: &[String], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| header.iter().position(|column| column.eq_ignore_ascii_case(name)))
}

/// What to say of a table that has no class an image, if it may have findings.
pub(crate) fn offer(header: &[String]) -> &'static str {
    match column(header, &PATHS).is_some() {
        true => {
            "; if an image has several findings, train --labels all reads them (or --labels NAME,NAME some)"
        }
        false => "",
    }
}

/// Where the findings are.
enum Source {
    /// A column for each; none: nothing is known of it.
    Columns(Vec<Option<usize>>),
    /// Their names in the lists of this column, with this between them.
    Lists(usize, char),
    /// The name of one in this column, in a row a box; and who drew it.
    Boxes(usize, Option<usize>),
}

/// What readers drew in an image: each with the findings, by number, that have a box of theirs.
type Drawn = BTreeMap<String, BTreeSet<usize>>;

/// What the rows of one image say of a finding: how many that it is there, that it is not, that one is not sure.
type Votes = [u32; 3];

/// Reads a manifest with the findings `wanted`.
pub(crate) fn read(
    source: &Path,
    missing: bool,
    wanted: &Labels,
    &Labelling { uncertain, readers: who, may_lack, .. }: &Labelling,
) -> Result<Listing, Error> {
    let refuse = |reason: String| Error::dataset(source, reason);
    let table = Table::read(source, &PATHS)?;
    let header = &table.header;
    every_column_once(header).map_err(refuse)?;
    let path = column(header, &PATHS).ok_or_else(|| {
        refuse(format!("expected a column {}, found {}", quoted(PATHS), shortened(&header.join(", "))))
    })?;
    let (group, split) = (column(header, &PATIENTS), column(header, &["split"]));
    let known = [Some(path), split, group.filter(|&at| header[at].eq_ignore_ascii_case("group"))];
    let others: Vec<usize> = (0..header.len()).filter(|&i| !known.contains(&Some(i))).collect();
    let (names, all, from) = findings(&table, wanted, may_lack, &others, group).map_err(refuse)?;
    check_table_names(&names).map_err(refuse)?;
    let extra: Vec<usize> = match &from {
        Source::Columns(columns) => others.into_iter().filter(|i| !columns.contains(&Some(*i))).collect(),
        Source::Lists(column, _) => others.into_iter().filter(|i| i != column).collect(),
        Source::Boxes(column, reader) => {
            let of_boxes = |i: usize| OF_BOXES.iter().any(|name| header[i].eq_ignore_ascii_case(name));
            others.into_iter().filter(|i| i != column && Some(*i) != *reader && !of_boxes(*i)).collect()
        }
    };

    let mut files = ByName::below(source.parent().unwrap_or(Path::new("")));
    let mut samples: Vec<(String, Sample)> = vec![];
    let mut votes: Vec<Vec<Votes>> = vec![];
    let mut drawn: Vec<Drawn> = vec![];
    let mut seen: HashMap<PathBuf, usize> = HashMap::new();
    let mut readers = BTreeSet::new();
    let mut splits: Vec<&str> = vec![];
    for record in &table.rows {
        let refuse = |reason: String| at_line(source, record.line, reason);
        let said = votes_of(record, &from, &names, header).map_err(refuse)?;
        let optional = |column: Option<usize>| -> Result<Option<&str>, String> {
            Ok(column
                .map(|at| record.text(at))
                .transpose()?
                .filter(|text| !text.is_empty() && !is_missing(text)))
        };
        let part = optional(split).map_err(refuse)?;
        let found_before = files.found;
        let mut made = || -> Result<Sample, String> {
            let sample = files.locate(&record.cells[path], missing)?;
            let patient = match group {
                Some(_) => optional(group)?.map(str::to_owned),
                None => group_from_name(&sample.name, PATIENT_FOLDER),
            };
            Ok(Sample {
                split: part.map(str::parse).transpose()?,
                group: patient,
                extra: extra.iter().map(|&i| record.text(i).map(str::to_owned)).collect::<Result<_, _>>()?,
                ..sample
            })
        };
        let sample = made().map_err(refuse)?;
        splits.extend(part.filter(|name| !splits.contains(name)));
        if samples.first().is_some_and(|(_, first)| first.split.is_some() != sample.split.is_some()) {
            return Err(refuse("expected a split in every row or in none, found both".into()));
        }
        let next = samples.len();
        let at = *seen.entry(sample.path.clone()).or_insert(next);
        let differs =
            |(_, first): &(String, Sample)| (first.split, &first.group) != (sample.split, &sample.group);
        if samples.get(at).is_some_and(differs) {
            return Err(refuse(
                "expected one split and one group in all rows of an image, found another".into(),
            ));
        }
        if at < next {
            // Images are counted, not rows.
            files.found = found_before;
        }
        if let Source::Boxes(column, reader) = from {
            drawn.resize_with(drawn.len().max(at + 1), Drawn::new);
            let name = record.text(column).map_err(refuse)?;
            let by = reader.map(|reader| record.text(reader)).transpose().map_err(refuse)?;
            drawn[at]
                .entry(by.unwrap_or_default().to_owned())
                .or_default()
                .extend(names.iter().position(|known| known == name));
        }
        match at < next {
            true if drawn.is_empty() => {
                readers.insert(at);
                for (all, one) in votes[at].iter_mut().zip(said) {
                    all.iter_mut().zip(one).for_each(|(all, one)| *all = all.saturating_add(one));
                }
            }
            true => {}
            false => {
                samples.push((String::new(), sample));
                votes.push(said);
            }
        }
    }
    if samples.is_empty() {
        return Err(refuse("expected a row for every image, found only the header".into()));
    }
    one_name_each(splits.iter().copied()).map_err(|reason| refuse(format!("column \"split\": {reason}")))?;

    for (at, drawn) in drawn.iter().enumerate() {
        // Who looked at an image and drew no box around a finding says that it is not there.
        let said = |finding: usize| drawn.values().filter(|named| named.contains(&finding)).count() as u32;
        let all = drawn.len() as u32;
        votes[at] = (0..names.len()).map(|finding| [said(finding), all - said(finding), 0]).collect();
        if all > 1 {
            readers.insert(at);
        }
    }
    let mut unsure = 0;
    for ((_, sample), votes) in samples.iter_mut().zip(&votes) {
        sample.findings = votes.iter().map(|votes| decided(votes, who, uncertain, &mut unsure)).collect();
    }
    let form = match &from {
        Source::Columns(_) => "a column each".to_owned(),
        Source::Lists(column, between) => {
            format!("lists in the column \"{}\", divided by {between}", header[*column])
        }
        Source::Boxes(column, reader) => {
            let by = if reader.is_some() { "box and reader" } else { "box, of one reader for all" };
            format!("in the column \"{}\", a row a {by}", header[*column])
        }
    };
    let mut notes =
        vec![format!("findings ({form}; --labels NAME,NAME takes others): {}", model::list_names(&names))];
    notes.extend(odd_names(all.iter().filter(|name| !is_nothing(name))));
    let left_out = |&at: &usize| {
        let is_known = |cell: &str| code(cell).is_some_and(|votes| votes != [0; 3]);
        let text = |row: &Record| String::from_utf8_lossy(&row.cells[at]).trim().to_owned();
        let known = table.rows.iter().filter(|row| is_known(&text(row))).count();
        let odd: Vec<&Record> = table.rows.iter().filter(|row| code(&text(row)).is_none()).collect();
        let first = odd.first().filter(|_| Some(at) != group && known > odd.len())?;
        let (name, line, found) = (&header[at], first.line, text(first));
        Some(format!(
            "warning: the column \"{name}\" is left out: expected 1, 0, -1 or nothing, found \"{}\" in line {line} \
             (--labels NAME,NAME names those that must be read)",
            shortened(&found)
        ))
    };
    if *wanted == Labels::All && matches!(from, Source::Columns(_)) {
        notes.extend(extra.iter().filter_map(left_out));
    }
    if unsure > 0 {
        let how = match uncertain {
            Uncertain::Ignore => "are left out".to_owned(),
            other => format!("count as {other}"),
        };
        notes.push(format!("{unsure} uncertain labels {how} (--uncertain ignore|positive|negative)"));
    }
    if !readers.is_empty() {
        let images = readers.len();
        let how = match who {
            Readers::Majority => "what most of them say, else it is uncertain (--readers any: one is enough)",
            Readers::Any => "a finding is there if one of them says so (--readers majority: if most do)",
        };
        let what = if drawn.is_empty() { "rows, one a reader" } else { "readers" };
        notes.push(format!("{images} images have several {what}: {how}"));
    }
    match group.map(|at| &header[at]) {
        Some(name) if name.eq_ignore_ascii_case("group") => {}
        Some(name) => notes.push(format!("groups: by the column \"{name}\" (another with --group-by)")),
        None if samples.iter().any(|(_, sample)| sample.group.is_some()) => {
            notes.push(format!("groups: by {PATIENT_FOLDER} in the path (another with --group-by)"));
        }
        None => {}
    }
    if files.found > 0 {
        notes.push(format!("{} images were found by their names below the folder of the table", files.found));
    }
    notes.extend(taken_as(splits.into_iter()));
    if table.nameless > 0 {
        notes.push(format!("columns without a name are not read: {}", table.nameless));
    }
    let columns = extra.iter().map(|&i| header[i].clone()).collect();
    Ok(Listing { samples, findings: Some(names), columns, notes, ..Listing::default() })
}

/// That the table of predictions, which has three columns a finding and one of paths, has no two columns of one name.
fn check_table_names(names: &[String]) -> Result<(), String> {
    let columns = |name: &String| ["p_", "called_", "spread_"].map(|before| format!("{before}{name}"));
    let clash = names.iter().find_map(|name| {
        let taken = |other: &&String| columns(name).contains(other) || *other == "path";
        names.iter().find(taken).map(|other| (name, other))
    });
    match clash {
        Some((name, other)) => Err(format!(
            "expected findings of which none is named as a column of the predictions is, found \"{other}\" beside \"{name}\": \
             rename it"
        )),
        None => Ok(()),
    }
}

/// What the votes of an image's readers say of a finding. Who is not sure votes as `uncertain` says, or, where that is
/// ignored, for neither; what most of them do not say is uncertain, and counted in `unsure`.
fn decided(
    &[yes, no, perhaps]: &Votes,
    who: Readers,
    uncertain: Uncertain,
    unsure: &mut usize,
) -> Option<bool> {
    let all = yes + no + perhaps;
    let (yes, no) = match uncertain.counts_as() {
        Some(true) => (yes + perhaps, no),
        Some(false) => (yes, no + perhaps),
        None => (yes, no),
    };
    let said = match who {
        _ if all == 0 => return None,
        Readers::Any if yes > 0 => Some(true),
        _ if 2 * yes > all => Some(true),
        _ if 2 * no > all => Some(false),
        _ => None,
    };
    // A tie, or a word of somebody who is not sure.
    *unsure += usize::from(said.is_none() || (perhaps > 0 && all == 1));
    said.or(uncertain.counts_as())
}

/// The names of the findings, all that a column has where they stand in one, and where they are, among the columns
/// `others`.
fn findings(
    table: &Table,
    wanted: &Labels,
    may_lack: bool,
    others: &[usize],
    group: Option<usize>,
) -> Result<(Vec<String>, BTreeSet<String>, Source), String> {
    let header = &table.header;
    let of_boxes = OF_BOXES[1..].iter().all(|name| column(header, &[name]).is_some());
    if let Some(boxes) = column(header, &[BOX]).filter(|_| of_boxes) {
        let name = |row: &Record| String::from_utf8_lossy(&row.cells[boxes]).trim().to_owned();
        let all: BTreeSet<String> = table.rows.iter().map(name).filter(|name| !name.is_empty()).collect();
        let names = named(wanted, &all, may_lack, &header[boxes])?;
        return Ok((names, all, Source::Boxes(boxes, column(header, &[READER]))));
    }
    if let Labels::Names(names) = wanted {
        let at: Vec<Option<usize>> = names.iter().map(|name| column(header, &[name])).collect();
        let missing: Vec<&String> =
            names.iter().zip(&at).filter(|(_, at)| at.is_none()).map(|(name, _)| name).collect();
        let any = missing.len() < names.len();
        if missing.is_empty() || (may_lack && any) {
            return Ok((names.clone(), BTreeSet::new(), Source::Columns(at)));
        }
        if any || column(header, &LISTS).is_none() {
            let found = shortened(&header.join(", "));
            return Err(format!("expected columns {} of findings, found {found}", quoted(missing)));
        }
    }
    let list = column(header, &LISTS);
    let text = |record: &Record, at: usize| String::from_utf8_lossy(&record.cells[at]).trim().to_owned();
    if *wanted == Labels::All {
        let is_list = |at: usize| {
            header[at].eq_ignore_ascii_case(LISTS[0])
                || table
                    .rows
                    .iter()
                    .any(|row| row.cells[at].contains(&b'|') || row.cells[at].starts_with(b"["))
        };
        let coded = |at: &usize| {
            let cells = || table.rows.iter().map(|row| text(row, *at));
            Some(*at) != group
                && cells().all(|cell| code(&cell).is_some())
                && cells().any(|cell| cell.parse::<f64>().is_ok())
        };
        if !list.is_some_and(is_list) {
            let columns: Vec<usize> = others.iter().copied().filter(coded).collect();
            if !columns.is_empty() {
                let names = columns.iter().map(|&i| header[i].clone()).collect();
                let columns = columns.into_iter().map(Some).collect();
                return Ok((names, BTreeSet::new(), Source::Columns(columns)));
            }
        }
    }
    let Some(list) = list else {
        return Err(format!(
            "--labels: expected columns that hold only 1, 0, -1 or nothing, or a column {} with lists, found {}",
            quoted(LISTS),
            shortened(&header.join(", "))
        ));
    };
    let has = |between: &char| table.rows.iter().any(|row| row.cells[list].contains(&(*between as u8)));
    let between = BETWEEN.into_iter().find(has).unwrap_or(BETWEEN[0]);
    let all: BTreeSet<String> = table.rows.iter().flat_map(|row| listed(&text(row, list), between)).collect();
    let names = named(wanted, &all, may_lack, &header[list])?;
    Ok((names, all, Source::Lists(list, between)))
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

/// What a row says of each finding.
fn votes_of(
    record: &Record,
    from: &Source,
    names: &[String],
    header: &[String],
) -> Result<Vec<Votes>, String> {
    match from {
        Source::Columns(columns) => columns
            .iter()
            .map(|&at| {
                let Some(at) = at else { return Ok([0; 3]) };
                let cell = record.text(at)?;
                code(cell).or_else(|| word(cell)).ok_or_else(|| {
                    let (name, found) = (&header[at], shortened(cell));
                    format!("{name}: expected 1, 0, -1 (uncertain) or nothing (not known), found \"{found}\"")
                })
            })
            .collect(),
        // All rows of an image say it together.
        Source::Boxes(..) => Ok(vec![[0; 3]; names.len()]),
        Source::Lists(at, between) => {
            let cell = record.text(*at)?;
            let there = listed(cell, *between);
            let vote = |name: &String| match (there.is_empty(), there.contains(name)) {
                (true, _) => [0; 3],
                (_, true) => [1, 0, 0],
                (_, false) => [0, 1, 0],
            };
            Ok(names.iter().map(vote).collect())
        }
    }
}

/// What a number in a column of a finding means; `1` and `1.0` are the same, `nan` and its like are nothing.
fn code(cell: &str) -> Option<Votes> {
    if cell.is_empty() || is_missing(cell) {
        return Some([0; 3]);
    }
    let number: f64 = cell.parse().ok()?;
    match number {
        1.0 => Some([1, 0, 0]),
        0.0 => Some([0, 1, 0]),
        -1.0 => Some([0, 0, 1]),
        nan if nan.is_nan() => Some([0; 3]),
        _ => None,
    }
}

/// The same of a word, in a column that was named.
fn word(cell: &str) -> Option<Votes> {
    match cell.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" => Some([1, 0, 0]),
        "no" | "n" | "false" => Some([0, 1, 0]),
        _ => None,
    }
}

/// The findings of a list: `a|b`, or as Python prints it, `['a', "b's"]`. Nothing lists nothing, which is not known.
fn listed(cell: &str, between: char) -> Vec<String> {
    let inner = cell.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let mut names: Vec<String> = vec![];
    match inner {
        // Of people, "None" means that nothing was found.
        None if is_missing(cell) && !cell.eq_ignore_ascii_case("none") => {}
        None => names.extend(cell.split(between).map(str::to_owned)),
        Some(inner) => {
            let mut rest = inner;
            while let Some(start) = rest.find(['\'', '"']) {
                let quote = if rest[start..].starts_with('"') { '"' } else { '\'' };
                let body = &rest[start + 1..];
                let end = body.find(quote).unwrap_or(body.len());
                names.push(body[..end].to_owned());
                rest = body.get(end + 1..).unwrap_or_default();
            }
        }
    }
    let mut names: Vec<String> =
        names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    names.dedup();
    names
}

/// Whether a name says that there is no finding.
fn is_nothing(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    NOTHING.contains(&plain.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_both_forms() {
        assert_eq!(listed("Effusion|No Finding ", '|'), ["Effusion", "No Finding"]);
        assert_eq!(listed("['a', \"b's\", ' c d']", '|'), ["a", "b's", "c d"]);
        assert_eq!(listed("['']", '|'), [""; 0]);
        assert_eq!((listed("", '|'), listed("nan", '|'), listed("N/A", '|')), (vec![], vec![], vec![]));
        assert_eq!(listed("None", '|'), ["None"]);
        assert!(is_nothing("No Finding") && is_nothing("No_findings") && !is_nothing("Finding"));
    }

    #[test]
    fn cells_are_read_as_numbers_and_words() {
        for (cell, want) in [("1", [1, 0, 0]), ("0.0", [0, 1, 0]), ("-1.0", [0, 0, 1])] {
            assert_eq!(code(cell), Some(want), "{cell}");
        }
        for cell in ["", "nan", "NaN", "NA", "N/A", "null", "None"] {
            assert_eq!(code(cell), Some([0; 3]), "{cell}");
        }
        assert!(
            code("2").is_none()
                && code("x").is_none()
                && word("YES") == Some([1, 0, 0])
                && word("2").is_none()
        );
    }
}
