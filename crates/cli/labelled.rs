//! Labelled images for a model that exists: which data set, and which part of it.

use crate::failure::{Failure, note};
use data::{Dataset, Split};
use model::Metadata;
use std::path::{Path, PathBuf};
use train::open_data;

/// The arguments that say it.
#[derive(clap::Args)]
pub struct DataArgs {
    /// Folder or CSV manifest
    pub data: PathBuf,
    /// train, val, test or all
    #[arg(long, default_value = "test")]
    split: String,
    /// What is not independent: a column, a pattern of the file name such as 'person*_', or
    /// PatientID or StudyInstanceUID of DICOM files
    #[arg(long, value_name = "COLUMN|PATTERN")]
    group_by: Option<String>,
}

/// The images that an evaluation looks at.
pub struct Labelled {
    /// All of the data set.
    pub dataset: Dataset,
    /// Indices of the images.
    pub part: Vec<usize>,
    /// What they are called: a split, or `all`.
    pub name: String,
    /// Whether this is the data set, with the splits, that the model was trained on.
    pub is_training_data: bool,
}

impl DataArgs {
    /// Opens the data set, with the splits that it gives or that the model's training drew from it.
    pub fn open(&self, metadata: &Metadata) -> Result<Labelled, Failure> {
        let split = match self.split.as_str() {
            "all" => None,
            name => Some(
                name.parse::<Split>().map_err(|reason| Failure::usage(format_args!("--split: {reason}")))?,
            ),
        };
        let (dataset, is_training_data) = self.dataset(metadata)?;
        let whole = split.is_none() || dataset.samples.iter().all(|sample| sample.split.is_none());
        let part = match split {
            Some(split) if !whole => dataset.part(split),
            _ => (0..dataset.samples.len()).collect(),
        };
        if part.is_empty() {
            let (data, split) = (self.data.display(), &self.split);
            return Err(Failure::Failed(format!(
                "{data}: the {split} split has no images; choose another --split"
            )));
        }
        let name = if whole { "all".to_owned() } else { self.split.clone() };
        Ok(Labelled { dataset, part, name, is_training_data })
    }

    fn dataset(&self, metadata: &Metadata) -> Result<(Dataset, bool), Failure> {
        let provenance = &metadata.provenance;
        let trained_by = provenance.config.get("group_by").and_then(|by| by.as_str());
        let group_by = self.group_by.as_deref().or(trained_by);
        let plain = grouped(&self.data, self.group_by.as_deref())?;
        if let Ok((drawn, _)) = open_data(&self.data, group_by, provenance.seed.unwrap_or(0))
            && drawn.fingerprint() == provenance.data_fingerprint
        {
            note("this is the data set that the model was trained on, with the splits of that run");
            return Ok((drawn, true));
        }
        if plain.samples.iter().all(|sample| sample.split.is_none()) {
            note(format_args!("{} has no splits: all of it is evaluated", self.data.display()));
        }
        Ok((plain, false))
    }
}

fn grouped(data: &Path, group_by: Option<&str>) -> Result<Dataset, Failure> {
    let mut dataset = Dataset::open(data)?;
    if let Some(by) = group_by {
        dataset
            .group_by(&by.parse().map_err(|reason| Failure::usage(format_args!("--group-by: {reason}")))?)?;
    }
    Ok(dataset)
}
