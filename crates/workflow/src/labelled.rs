//! Labelled images for a model that exists: which data set, and which part of it.

use crate::{Error, alone, notes};
use data::{Dataset, GroupBy, Labelling, Labels, Likeness, Split};
use model::Metadata;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use train::check_classes;

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

/// Which images they are to be.
pub struct Selection {
    /// Folder or CSV manifest.
    pub data: PathBuf,
    /// `train`, `val`, `test` or `all`.
    pub split: String,
    /// What is not independent, if it is not what the model was trained with.
    pub group_by: Option<GroupBy>,
    /// Whether images that cannot be read are left out.
    pub skip_unreadable: bool,
    /// The share that may be left out.
    pub max_unreadable: f64,
}

impl Selection {
    /// Opens the data set, with the splits that it gives or that the model's training drew from it. Its classes are
    /// the model's, or some of them. What is assumed and passed over is told to `say`; `progress` hears how many of how
    /// many images were looked through for those that cannot be read, which `stop` ends.
    ///
    /// # Errors
    /// Among others: a class that the model does not know, or a split without images.
    pub fn open(
        &self,
        metadata: &Metadata,
        say: &mut dyn FnMut(&str),
        stop: &AtomicBool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Labelled, Error> {
        let split = match self.split.as_str() {
            "all" => None,
            name => Some(name.parse::<Split>().map_err(|reason| Error::Option { name: "split", reason })?),
        };
        let most = self.max_unreadable;
        if !(0.0..=1.0).contains(&most) {
            let reason = format!("expected a share from 0 to 1, found {most}");
            return Err(Error::Option { name: "max-unreadable", reason });
        }
        let (mut dataset, is_training_data) = self.dataset(metadata, say)?;
        let whole = split.is_none() || dataset.samples.iter().all(|sample| sample.split.is_none());
        let chosen = |dataset: &Dataset| match split {
            Some(split) if !whole => dataset.part(split),
            _ => dataset.all(),
        };
        let mut part = chosen(&dataset);
        // Before any image is read.
        check_classes(metadata, &part, &dataset)?;
        if self.skip_unreadable {
            let images = part.len();
            let mut checked = |done| progress(done, images);
            let window = metadata.preprocessing.window;
            dataset.leave_out_unreadable(&part, most, window, stop, &mut checked)?;
            part = chosen(&dataset);
        }
        if part.is_empty() {
            let (data, split) = (self.data.display(), &self.split);
            return Err(Error::Failed(format!(
                "{data}: the {split} split has no images; choose another --split"
            )));
        }
        let name = match split {
            Some(split) if !whole => split.to_string(),
            _ => "all".to_owned(),
        };
        notes(&dataset).iter().chain(&alone(&dataset)).for_each(|line| say(line));
        Ok(Labelled { dataset, part, name, is_training_data })
    }

    fn dataset(&self, metadata: &Metadata, say: &mut dyn FnMut(&str)) -> Result<(Dataset, bool), Error> {
        let provenance = &metadata.provenance;
        let trained_by = provenance.config.get("group_by").and_then(|by| by.as_str());
        let mut plain = train::grouped(&self.data, &labelling(metadata), None, self.skip_unreadable)?;
        let wanted = self.group_by.as_ref();
        // The splits of training follow from its groups; what is independent here may be asked for otherwise.
        let mut drawn = plain.clone();
        let fits = trained_by
            .map_or(Ok(()), |by| self.regroup(&mut drawn, &by.parse()?).map_err(|error| error.to_string()));
        match (wanted, trained_by, &fits) {
            (Some(by), ..) => self.regroup(&mut plain, by)?,
            (None, Some(by), Ok(())) => {
                plain.clone_from(&drawn);
                let (by, option) = (data::quote(by), "(another with --group-by COLUMN|PATTERN)");
                say(&format!("groups: by {by}, as the model was trained {option}"));
            }
            (None, Some(by), Err(reason)) => say(&format!(
                "warning: the model was trained with --group-by {}, which does not fit here, so intervals may be too \
                 narrow; --group-by COLUMN|PATTERN gives groups ({reason})",
                data::quote(by)
            )),
            (None, None, _) => {}
        }
        if fits.is_ok() && drawn.assign_splits(provenance.seed.unwrap_or(0)).is_ok() {
            let likeness = drawn.compare_fingerprint(&provenance.data_fingerprint);
            if likeness.is_same() {
                let known = if likeness == Likeness::SameSizes { ", by names and sizes," } else { "" };
                say(&format!(
                    "this is{known} the data set that the model was trained on, with the splits of that run"
                ));
                match wanted {
                    Some(by) => self.regroup(&mut drawn, by)?,
                    None => {
                        if let Err(reason) = train::check_groups(metadata, &drawn) {
                            say(&format!("warning: {}: {reason}, or --group-by", self.data.display()));
                        }
                    }
                }
                return Ok((drawn, true));
            }
        }
        if plain.samples.iter().all(|sample| sample.split.is_none()) {
            say(&format!("{} has no splits: all of it is evaluated", self.data.display()));
        }
        Ok((plain, false))
    }

    fn regroup(&self, dataset: &mut Dataset, by: &GroupBy) -> Result<(), data::Error> {
        if self.skip_unreadable { dataset.group_readable_by(by) } else { dataset.group_by(by) }
    }
}

/// How the labels of images are read for a model: its findings by their names, uncertain ones as in its training.
pub fn labelling(metadata: &Metadata) -> Labelling {
    let config = &metadata.provenance.config;
    let uncertain = config.get("uncertain").and_then(|how| how.as_str()?.parse().ok());
    let readers = config.get("readers").and_then(|who| who.as_str()?.parse().ok());
    Labelling {
        labels: metadata.has_findings().then(|| Labels::Names(metadata.classes.clone())),
        uncertain: uncertain.unwrap_or_default(),
        readers: readers.unwrap_or_default(),
        may_lack: true,
    }
}
