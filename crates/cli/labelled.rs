//! Labelled images for a model that exists: which data set, and which part of it.

use crate::counter::Counter;
use crate::failure::Failure;
use crate::options::probability;
use crate::terminal::note;
use data::GroupBy;
use model::Metadata;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use workflow::{Labelled, Selection};

/// The arguments that say it.
#[derive(clap::Args)]
pub struct DataArgs {
    /// Folder or CSV manifest
    pub data: PathBuf,
    /// train, val, test or all
    #[arg(long, default_value = "test")]
    split: String,
    /// What is not independent, if it is not what the model was trained with: a column, a pattern of the file name such
    /// as 'person*_', or PatientID or StudyInstanceUID of DICOM files
    #[arg(long, value_name = "COLUMN|PATTERN")]
    group_by: Option<GroupBy>,
    /// Leave out images that cannot be read: counted and named
    #[arg(long)]
    skip_unreadable: bool,
    /// With --skip-unreadable: the share that may be left out
    #[arg(long, value_name = "SHARE", requires = "skip_unreadable", value_parser = probability)]
    #[arg(default_value_t = train::MAX_UNREADABLE)]
    max_unreadable: f64,
}

impl DataArgs {
    /// Opens the data set, with the splits that it gives or that the model's training drew from it, and says what is
    /// assumed.
    pub fn open(&self, metadata: &Metadata) -> Result<Labelled, Failure> {
        let Self { data, split, group_by, skip_unreadable, max_unreadable } = self;
        let mut counter = None;
        let mut progress = |done, images| {
            counter.get_or_insert_with(|| Counter::new(images)).show(done, "images checked");
        };
        let selection = Selection {
            data: data.clone(),
            split: split.clone(),
            group_by: group_by.clone(),
            skip_unreadable: *skip_unreadable,
            max_unreadable: *max_unreadable,
        };
        // Ctrl-C ends the program here, as there is nothing to save yet.
        let go_on = AtomicBool::new(false);
        let labelled = selection.open(metadata, &mut |text| note(text), &go_on, &mut progress)?;
        drop(counter);
        Ok(labelled)
    }
}
