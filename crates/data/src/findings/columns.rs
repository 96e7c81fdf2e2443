//! Which columns of a table with findings say what image a row is of.

use crate::locate::shortened;
use crate::split_names::quoted;
use crate::table::every_column_once;

/// Columns that name the image: ours, NIH's, PadChest's and VinDr's.
pub(super) const PATHS: [&str; 4] = ["path", "image index", "imageid", "image_id"];
/// Columns that name the patient.
const PATIENTS: [&str; 4] = ["group", "patient id", "patientid", "patient_id"];

pub(super) struct Columns {
    pub path: usize,
    pub split: Option<usize>,
    /// Ours, or a published table's column of patients.
    pub group: Option<usize>,
    /// The others, and the published column of patients, which is kept under its name.
    pub others: Vec<usize>,
}

impl Columns {
    pub fn find(header: &[String]) -> Result<Self, String> {
        every_column_once(header)?;
        let path = column(header, &PATHS).ok_or_else(|| {
            format!("expected a column {}, found {}", quoted(PATHS), shortened(&header.join(", ")))
        })?;
        let (group, split) = (column(header, &PATIENTS), column(header, &["split"]));
        let known = [Some(path), split, group.filter(|&at| header[at].eq_ignore_ascii_case("group"))];
        let others = (0..header.len()).filter(|&at| !known.contains(&Some(at))).collect();
        Ok(Self { path, split, group, others })
    }
}

/// The first of the columns `names` that the header has.
pub(super) fn column(header: &[String], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| header.iter().position(|column| column.eq_ignore_ascii_case(name)))
}
