//! A manifest whose images have several findings: a column for each (1, 0, -1 where a reader was not sure, nothing where
//! nobody said), one column with the list of those that are there, or a row for each box that a reader drew around one.
//!
//! The tables of NIH ChestX-ray14, CheXpert, PadChest and VinDr-CXR are read as they were published: what their columns for
//! image and patient are called is known here. An image of a list column has, of the findings that it does not list, none;
//! "No Finding" is none of all. Several rows of one image are several readers.

mod cell;
mod columns;
mod notes;
mod place;
mod readings;

use std::path::Path;

use crate::Error;
use crate::group::group_from_name;
use crate::labels::{Labelling, Labels};
use crate::locate::{ByName, Named};
use crate::sample::{Listing, Sample};
use crate::split_names::{one_name_each, taken_as};
use crate::table::{Record, Table, at_line};
use columns::{Columns, PATHS, column};
use place::{Form, Place};
use readings::Readings;

/// CheXpert has the patient in the path.
const PATIENT_FOLDER: &str = "patient[0-9]*/";

/// What to say of a table that has no class an image, if it may have findings.
pub(crate) fn offer(header: &[String]) -> &'static str {
    match column(header, &PATHS).is_some() {
        true => {
            "; if an image has several findings, train --labels all reads them (or --labels NAME,NAME some)"
        }
        false => "",
    }
}

/// Reads a manifest with the findings `wanted`.
pub(crate) fn read(
    source: &Path,
    missing: bool,
    wanted: &Labels,
    labelling: &Labelling,
) -> Result<Listing, Error> {
    let refuse = |reason: String| Error::dataset(source, reason);
    let table = Table::read(source, &PATHS)?;
    let header = &table.header;
    let columns = Columns::find(header).map_err(refuse)?;
    let place = Place::find(&table, &columns, wanted, labelling.may_lack).map_err(refuse)?;
    check_names(&place.names).map_err(refuse)?;
    let extra = place.rest(header, &columns);
    let mut images = Images {
        header,
        columns: &columns,
        place: &place,
        extra: &extra,
        missing,
        files: ByName::below(source.parent().unwrap_or(Path::new(""))),
        samples: vec![],
        readings: Readings::default(),
        named: Named::default(),
        splits: vec![],
    };
    for record in &table.rows {
        images.add(record).map_err(|reason| at_line(source, record.line, reason))?;
    }
    let Images { mut samples, readings, files, splits, .. } = images;
    if samples.is_empty() {
        return Err(refuse("expected a row for every image, found only the header".into()));
    }
    one_name_each(splits.iter().copied()).map_err(|reason| refuse(format!("column \"split\": {reason}")))?;
    let settled = readings.settle(place.names.len(), labelling.readers, labelling.uncertain);
    let unsure = settled.unsure.iter().flatten().filter(|&&unsure| unsure).count();
    for ((_, sample), (findings, unsure)) in
        samples.iter_mut().zip(settled.findings.into_iter().zip(settled.unsure))
    {
        sample.findings = findings;
        sample.unsure = if unsure.contains(&true) { unsure } else { vec![] };
    }

    let mut notes = notes::of_place(&place, header);
    if *wanted == Labels::All && matches!(place.form, Form::Columns(_)) {
        notes.extend(notes::left_out(&table, &columns, &extra));
    }
    notes.extend(notes::lacking(&place));
    notes.extend(notes::beside_lists(&place, &columns, header));
    notes.extend(notes::of_unsure(unsure, labelling.uncertain));
    notes.extend(notes::of_readers(settled.several, &place, labelling));
    let any = samples.iter().any(|(_, sample)| sample.group.is_some());
    notes.extend(notes::of_groups(&columns, header, any));
    if files.found > 0 {
        notes.push(format!("{} images were found by their names below the folder of the table", files.found));
    }
    notes.extend(taken_as(splits.into_iter()));
    notes.extend(table.nameless_note());
    let columns = extra.iter().map(|&at| header[at].clone()).collect();
    Ok(Listing { samples, findings: Some(place.names), columns, notes, ..Listing::default() })
}

/// The images of a table, one or several rows each.
struct Images<'a> {
    header: &'a [String],
    columns: &'a Columns,
    place: &'a Place,
    /// Columns that are kept by name.
    extra: &'a [usize],
    missing: bool,
    files: ByName<'a>,
    samples: Vec<(String, Sample)>,
    readings: Readings,
    named: Named,
    splits: Vec<&'a str>,
}

impl<'a> Images<'a> {
    fn add(&mut self, record: &'a Record) -> Result<(), String> {
        let said = self.place.said(record, self.header)?;
        let split = record.given(self.columns.split)?;
        let found_before = self.files.found;
        let sample = self.sample(record, split)?;
        self.splits.extend(split.filter(|name| !self.splits.contains(name)));
        if self.samples.first().is_some_and(|(_, first)| first.split.is_some() != sample.split.is_some()) {
            return Err("expected a split in every row or in none, found both".into());
        }
        let at = self.named.first(&sample.path, self.samples.len());
        if let Some((_, first)) = self.samples.get(at) {
            if (first.split, &first.group) != (sample.split, &sample.group) {
                return Err("expected one split and one group in all rows of an image, found another".into());
            }
            // Images are counted, not rows.
            self.files.found = found_before;
        } else {
            self.samples.push((String::new(), sample));
        }
        self.readings.add(at, said);
        Ok(())
    }

    fn sample(&mut self, record: &Record, split: Option<&str>) -> Result<Sample, String> {
        let sample = self.files.locate(&record.cells[self.columns.path], self.missing)?;
        let group = match self.columns.group {
            Some(_) => record.given(self.columns.group)?.map(str::to_owned),
            None => group_from_name(&sample.name, PATIENT_FOLDER),
        };
        let extra = self.extra.iter().map(|&at| record.text(at).map(str::to_owned));
        Ok(Sample {
            split: split.map(str::parse).transpose()?,
            group,
            extra: extra.collect::<Result<_, _>>()?,
            ..sample
        })
    }
}

/// That no finding is named as a column that manifests and predictions have beside those of the findings: a table of
/// predictions has three columns a finding.
fn check_names(names: &[String]) -> Result<(), String> {
    const OURS: [&str; 3] = ["path", "split", "group"];
    let ours = names.iter().find(|name| OURS.iter().any(|column| name.eq_ignore_ascii_case(column)));
    if let Some(name) = ours {
        return Err(format!(
            "expected findings that are not called path, split or group, as columns of manifests are, found \"{name}\": rename \
             it, or name the others with --labels"
        ));
    }
    let columns = |name: &String| ["p_", "called_", "spread_"].map(|before| format!("{before}{name}"));
    let clash = names
        .iter()
        .find_map(|name| names.iter().find(|other| columns(name).contains(other)).map(|other| (name, other)));
    match clash {
        Some((name, other)) => Err(format!(
            "expected findings of which none is named as a column of the predictions is, found \"{other}\" beside \"{name}\": \
             rename it"
        )),
        None => Ok(()),
    }
}
