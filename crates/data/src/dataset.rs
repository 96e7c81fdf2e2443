//! A data set: which files, of which class, for what, and which belong together. Pixels are not read here; the only
//! thing asked of a file is that it exists.
//!
//! Invariants: classes are sorted by name and, but for a cohort ([`Dataset::open_cohort`]), at least two; every label
//! indexes them; no file occurs twice; either every sample has a split or none has; a class that is validated or tested
//! is also trained, if anything is. Where images have findings ([`Dataset::has_findings`]), the classes are these, in the
//! order of the table or of the option, and every sample says of each of them whether it is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::group::{GroupBy, group_from_name};
use crate::labels::{Labelling, odd_names};
use crate::missing::is_missing;
use crate::passed::PassedOver;
use crate::sample::{Listing, Sample};
use crate::split::Split;
use crate::split_names::classes_that_are_splits;
use crate::{Error, dicom_file, folder, manifest};

/// Shares of training, validation and test where none are given.
pub const FRACTIONS: [f64; 3] = [0.8, 0.1, 0.1];

/// A classified set of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The folder or manifest that it was read from.
    pub source: PathBuf,
    /// Class names, sorted; or the names of the findings.
    pub classes: Vec<String>,
    /// The manifest's columns beyond path, label, split and group.
    pub columns: Vec<String>,
    /// The images: sorted by name (folder) or in the manifest's order.
    pub samples: Vec<Sample>,
    /// What lies in the folder and is none of the images.
    pub passed_over: PassedOver,
    /// What was assumed when it was read, a line each.
    pub notes: Vec<String>,
}

/// Where the splits came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitOrigin {
    /// The folders or the manifest gave them (validation at least; the test part may be empty).
    Given,
    /// Training and test were given; a tenth of the training groups was set aside for validation.
    ValFromTrain,
    /// None were given: 80, 10 and 10 % of the groups.
    Drawn,
}

impl Dataset {
    /// Reads a folder (`{train,val,test}/CLASS/...` or `CLASS/...`) or a CSV manifest (`path,label[,split][,group]`).
    pub fn open(source: &Path) -> Result<Self, Error> {
        Self::open_cohort(source, false)?.with_two_classes()
    }

    /// The same for a model that exists: all images may be of one class. `missing` as in [`Dataset::open_with_missing`].
    pub fn open_cohort(source: &Path, missing: bool) -> Result<Self, Error> {
        Self::open_labelled(source, missing, &Labelling::default())
    }

    /// The same, with labels read as `labelling` says: several findings an image need a manifest, and may be one.
    pub fn open_labelled(source: &Path, missing: bool, labelling: &Labelling) -> Result<Self, Error> {
        let found = std::fs::metadata(source).map_err(|e| Error::io(source, e))?;
        let listing = match (found.is_dir(), &labelling.labels) {
            (true, Some(_)) => {
                let reason = "expected a table with the findings of each image (--labels), found a folder";
                return Err(Error::dataset(source, reason));
            }
            (true, None) => folder::scan(source, missing)?,
            (false, _) => manifest::read(source, missing, labelling)?,
        };
        Self::build(source, listing)
    }

    /// The same, but files that a manifest names, or links lead to, and that are not there are samples too, of 0 bytes: for
    /// whoever reads all files and says which cannot be read.
    pub fn open_with_missing(source: &Path, labelling: &Labelling) -> Result<Self, Error> {
        Self::open_labelled(source, true, labelling)?.with_two_classes()
    }

    /// That there is something to tell apart, as training needs it: two classes, or a finding, which is there or not.
    pub fn with_two_classes(self) -> Result<Self, Error> {
        match &self.classes[..] {
            [class] if !self.has_findings() => {
                let reason = format!("expected two classes or more, found only \"{class}\"");
                Err(Error::dataset(&self.source, reason))
            }
            _ => Ok(self),
        }
    }

    fn build(source: &Path, listing: Listing) -> Result<Self, Error> {
        let Listing { samples, findings, columns, passed_over, mut notes } = listing;
        if let Some(classes) = findings {
            let samples = samples.into_iter().map(|(_, sample)| sample).collect();
            return Ok(Self { source: source.to_path_buf(), classes, columns, samples, passed_over, notes });
        }
        let names: BTreeSet<String> = samples.iter().map(|(class, _)| class.clone()).collect();
        let classes: Vec<String> = names.into_iter().collect();
        if let Some(why) = classes_that_are_splits(&classes) {
            return Err(Error::dataset(
                source,
                format!(
                    "expected classes, found what seem to be parts of the set: {why}; name the classes by folders inside of \
                     {{train,val,test}}/, or by the column label of a manifest (and the splits by its column split)"
                ),
            ));
        }
        notes.extend(odd_names(&classes));
        let number: HashMap<&str, usize> = classes.iter().enumerate().map(|(i, c)| (c.as_str(), i)).collect();
        let numbered = |(class, sample): (String, Sample)| Sample { label: number[&*class], ..sample };
        let samples = samples.into_iter().map(numbered).collect();
        let dataset = Self { source: source.to_path_buf(), classes, columns, samples, passed_over, notes };
        dataset.check_classes()?;
        Ok(dataset)
    }

    /// The column of the manifest that is called so, in upper or lower case; no manifest has two.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }

    /// Whether an image has several findings, each there, not there or not known, instead of one class.
    pub fn has_findings(&self) -> bool {
        self.samples.first().is_some_and(|sample| !sample.findings.is_empty())
    }

    pub(crate) fn check_classes(&self) -> Result<(), Error> {
        if self.has_findings() {
            return Ok(());
        }
        let trained = self.class_counts(Split::Train);
        if trained.iter().all(|&n| n == 0) {
            return Ok(());
        }
        let untrained = self.samples.iter().find(|sample| trained[sample.label] == 0);
        untrained.map_or(Ok(()), |sample| {
            let class = &self.classes[sample.label];
            let reason = format!("class \"{class}\" of {} occurs in no training image", sample.name);
            Err(Error::dataset(&self.source, reason))
        })
    }

    /// The samples of a split, as indices in order.
    pub fn part(&self, split: Split) -> Vec<usize> {
        self.all().into_iter().filter(|&i| self.samples[i].split == Some(split)).collect()
    }

    /// How many samples a split has without and with each finding, where that is known.
    pub fn finding_counts(&self, split: Split) -> Vec<[usize; 2]> {
        let mut counts = vec![[0; 2]; self.classes.len()];
        for i in self.part(split) {
            for (count, is) in counts.iter_mut().zip(&self.samples[i].findings) {
                is.iter().for_each(|&is| count[usize::from(is)] += 1);
            }
        }
        counts
    }

    /// What is divided alike, and how many kinds there are: the classes; or, of images with findings, the rarest one that is
    /// there, so that few of it are not all in one part.
    pub(crate) fn strata(&self) -> (Vec<usize>, usize) {
        if !self.has_findings() {
            return (self.samples.iter().map(|sample| sample.label).collect(), self.classes.len());
        }
        let none = self.classes.len();
        let is_there = |sample: &Sample, finding: usize| sample.findings[finding] == Some(true);
        let count = |finding| self.samples.iter().filter(|sample| is_there(sample, finding)).count();
        let counts: Vec<usize> = (0..none).map(count).collect();
        let rarest = |sample: &Sample| {
            let there = (0..none).filter(|&finding| is_there(sample, finding));
            there.min_by_key(|&finding| counts[finding]).unwrap_or(none)
        };
        (self.samples.iter().map(rarest).collect(), none + 1)
    }

    /// How many samples of each class a split has; with each finding, where images have several.
    pub fn class_counts(&self, split: Split) -> Vec<usize> {
        if self.has_findings() {
            return self.finding_counts(split).into_iter().map(|[_, with]| with).collect();
        }
        let mut counts = vec![0; self.classes.len()];
        self.part(split).into_iter().for_each(|i| counts[self.samples[i].label] += 1);
        counts
    }

    /// Sets every sample's group.
    ///
    /// # Errors
    /// A column that the manifest lacks; for `PatientID` and `StudyInstanceUID` the files are read then, one of which cannot be
    /// read or none has that element; or a pattern that fits no name. An image without the element, or whose name the
    /// pattern does not fit, stands alone: [`Dataset::alone`].
    pub fn group_by(&mut self, by: &GroupBy) -> Result<(), Error> {
        self.set_groups(by, false)
    }

    /// The same, but a file that cannot be read stands alone.
    pub fn group_readable_by(&mut self, by: &GroupBy) -> Result<(), Error> {
        self.set_groups(by, true)
    }

    fn set_groups(&mut self, by: &GroupBy, unreadable_alone: bool) -> Result<(), Error> {
        match by {
            GroupBy::Column(name)
                if name.eq_ignore_ascii_case("group") && self.samples.iter().any(|s| s.group.is_some()) => {}
            GroupBy::Column(name) if dicom::is_group(name) && self.column(name).is_none() => {
                let found = |sample: &Sample| match dicom_file::group(&sample.path, name) {
                    Err(_) if unreadable_alone => Ok(None),
                    found => found,
                };
                let groups = self.samples.iter().map(found).collect::<Result<_, _>>()?;
                self.use_groups(groups, &format!("DICOM files with {name}"))?;
            }
            GroupBy::Column(name) => {
                let Some(column) = self.column(name) else {
                    return Err(Error::dataset(&self.source, self.without_column(name)));
                };
                for sample in &mut self.samples {
                    let is_given = |group: &String| !group.is_empty() && !is_missing(group);
                    sample.group = Some(sample.extra[column].clone()).filter(is_given);
                }
            }
            GroupBy::Name(pattern) => {
                let found = |sample: &Sample| group_from_name(&sample.name, pattern);
                let groups = self.samples.iter().map(found).collect();
                self.use_groups(groups, &format!("names of the pattern \"{pattern}\""))?;
            }
        }
        Ok(())
    }

    /// Gives every sample its group, if it has one; that none has is refused, and `expected` says what should have made them.
    fn use_groups(&mut self, groups: Vec<Option<String>>, expected: &str) -> Result<(), Error> {
        if groups.iter().all(Option::is_none) {
            let (images, first) = (groups.len(), self.samples.first().map_or("", |s| &s.name));
            let reason = format!("expected {expected}, found none among {images}, for example {first}");
            return Err(Error::dataset(&self.source, reason));
        }
        self.samples.iter_mut().zip(groups).for_each(|(sample, group)| sample.group = group);
        Ok(())
    }

    /// That there is no column `name`, and what there is.
    fn without_column(&self, name: &str) -> String {
        let group = self.has_groups().then_some("group");
        let columns: Vec<&str> = group.into_iter().chain(self.columns.iter().map(String::as_str)).collect();
        let found = match columns.is_empty() {
            true => {
                "no column to group by; a pattern of the file name, such as 'person*_', groups too".to_owned()
            }
            false => format!("these to group by: {}", columns.join(", ")),
        };
        format!("expected the column \"{name}\", found {found}")
    }

    /// Images that have no group although others have one, so that each stands alone; none if no image has a group.
    pub fn alone(&self) -> Vec<usize> {
        let alone: Vec<usize> =
            (0..self.samples.len()).filter(|&i| self.samples[i].group.is_none()).collect();
        if alone.len() == self.samples.len() { vec![] } else { alone }
    }

    /// Completes the splits for training, and tells what it did: given splits stay; with training and test but no
    /// validation, a tenth of the training groups becomes validation; with none, or training alone, all is divided by
    /// [`FRACTIONS`]. A missing test part stays empty.
    pub fn assign_splits(&mut self, seed: u64) -> Result<SplitOrigin, Error> {
        let [train, val, test] = Split::ALL.map(|split| self.part(split).len());
        let (divided, fractions, origin): (Vec<usize>, _, _) = match (train, val, test) {
            (0, 0, 0) | (1.., 0, 0) => {
                ((0..self.samples.len()).collect(), &FRACTIONS[..], SplitOrigin::Drawn)
            }
            (0, ..) => {
                return Err(Error::Split(format!(
                    "expected training images, found {val} val and {test} test"
                )));
            }
            (_, 0, _) => (self.part(Split::Train), &[0.9, 0.1][..], SplitOrigin::ValFromTrain),
            _ => return Ok(SplitOrigin::Given),
        };
        let parts = self.divide(&divided, fractions, seed)?;
        for (&i, part) in divided.iter().zip(parts) {
            self.samples[i].split = Some(Split::ALL[part]);
        }
        self.check_classes()?;
        Ok(origin)
    }

    /// What identifies the group of sample `i`: its group, or itself.
    pub fn group_key(&self, i: usize) -> (bool, &str) {
        let sample = &self.samples[i];
        sample.group.as_deref().map_or((false, &sample.name), |group| (true, group))
    }

    /// The number of groups in a split; an image without a group counts as one.
    pub fn group_count(&self, split: Split) -> usize {
        self.part(split).into_iter().map(|i| self.group_key(i)).collect::<BTreeSet<_>>().len()
    }

    /// Whether any group is known.
    pub fn has_groups(&self) -> bool {
        self.samples.iter().any(|sample| sample.group.is_some())
    }

    /// Groups that lie in more than one split, with those splits: each makes the result look better than it is.
    pub fn divided_groups(&self) -> Vec<(&str, Vec<Split>)> {
        let mut splits: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
        for sample in &self.samples {
            if let (Some(group), Some(split)) = (&sample.group, sample.split) {
                splits.entry(group).or_default().insert(split);
            }
        }
        let divided = splits.into_iter().filter(|(_, splits)| splits.len() > 1);
        divided.map(|(group, splits)| (group, splits.into_iter().collect())).collect()
    }
}
