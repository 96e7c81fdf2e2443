//! The images of a cross-validation: noted when its folds are drawn, and found again when it goes on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use data::{Dataset, Folds, Labelling, Labels, Likeness, Sample, write_manifest};
use serde::{Deserialize, Serialize};

use crate::documents::{read_json, write_text};
use crate::folder::is_drawn_here;
use crate::likeness::check_likeness;
use crate::open::grouped;
use crate::{Config, Error, RunFolder, is_cross_validation, unreadable};

/// The settings of the run or cross-validation in `out`.
pub fn settings(out: &Path) -> Result<Config, Error> {
    match is_drawn_here(out) || !is_cross_validation(out) {
        true => Config::of_run(out),
        false => Ok(Config { out: out.to_path_buf(), ..Config::of_run(&RunFolder(out).fold(1))? }),
    }
}

/// Where the data of the run or cross-validation in `out` were, if they are not there any more.
pub fn lost_data(out: &Path) -> Result<Option<PathBuf>, Error> {
    let data = settings(out)?.data;
    if !is_cross_validation(out) {
        return Ok(Some(data).filter(|data| !data.exists()));
    }
    if is_drawn_here(out) && data.exists() {
        return Ok(None);
    }
    let rows = open_fold(out, 1)?.samples;
    Ok(rows.into_iter().map(|sample| sample.path).find(|path| !path.exists()))
}

/// The labels of the manifests of the cross-validation in `out`, which have a column for each of its findings.
pub(crate) fn labels_of_folds(out: &Path) -> Result<Option<Labels>, Error> {
    Ok(Drawn::read(out)?.and_then(|drawn| drawn.findings).map(Labels::Names))
}

/// The manifest of fold `fold`, from 1, of the cross-validation in `out`; its files need not be there.
pub fn open_fold(out: &Path, fold: usize) -> Result<Dataset, Error> {
    // What was uncertain still is in the manifest of a fold; readers were decided.
    let uncertain = settings(out)?.uncertain;
    let labelling = Labelling { labels: labels_of_folds(out)?, uncertain, ..Labelling::default() };
    Ok(Dataset::open_with_missing(&RunFolder(out).manifest(fold), &labelling)?)
}

/// What the folds were drawn from: `folds.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Drawn {
    /// As the option says it.
    pub folds: String,
    /// What the images hold, in the order of the manifests: 16 digits of the SHA-256; empty if one could not be read.
    images: Vec<String>,
    /// The findings, where images have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<String>>,
}

impl Drawn {
    pub(crate) fn of(dataset: &Dataset, folds: Folds) -> Self {
        let findings = dataset.has_findings().then(|| dataset.classes.clone());
        Self { folds: folds.to_string(), images: contents(dataset), findings }
    }

    /// None, if an earlier version drew the folds.
    pub(crate) fn read(out: &Path) -> Result<Option<Self>, Error> {
        read_json(&RunFolder(out).drawn(), "folds and images")
    }

    pub(crate) fn write(&self, out: &Path) -> Result<(), Error> {
        write_text(&RunFolder(out).drawn(), &serde_json::to_string(self).expect("texts have a JSON form"))
    }
}

/// What the images of a data set hold, in order.
fn contents(dataset: &Dataset) -> Vec<String> {
    let all: Vec<usize> = (0..dataset.samples.len()).collect();
    let digits = |digest: Option<data::Digest>| digest.map(|digest| data::hexadecimal(&digest[..8]));
    dataset.digests(&all).into_iter().map(|digest| digits(digest).unwrap_or_default()).collect()
}

/// That the images of the cross-validation in `out` are there and hold what they held when the folds were drawn. With
/// `data`, or where they have moved together with `out`, the manifests are written anew for the new place.
///
/// # Errors
/// Images, labels or groups have changed; or they are not there, and no `data` is given.
pub fn find_images(out: &Path, data: Option<&Path>) -> Result<(), Error> {
    let path = RunFolder(out).manifest(1);
    let rows = open_fold(out, 1)?;
    let before = settings(out)?;
    let missing = rows.samples.iter().find(|sample| !sample.path.exists());
    let drawn = Drawn::read(out)?;
    let known = match (&drawn, missing) {
        (Some(drawn), _) => drawn.images.clone(),
        (None, None) => contents(&rows),
        (None, Some(sample)) => {
            let reason = format!(
                "the images of this cross-validation are not there ({}), and it is of an earlier version, which did \
                 not note what they hold; put them back to go on",
                sample.path.display()
            );
            return Err(Error::run(&path, reason));
        }
    };
    let changed = || check_likeness(out, Likeness::OtherContents).map(drop);
    if known.len() != rows.samples.len() {
        return changed();
    }
    let source = match data {
        Some(data) => Some(data.to_path_buf()),
        None => Some(before.data.clone()).filter(|data| is_drawn_here(out) && data.exists()),
    };
    let Some(source) = source else {
        return match missing {
            Some(sample) => Err(Error::run(
                &path,
                format!("the images of this cross-validation are not there: {}", sample.path.display()),
            )),
            None if drawn.is_some() && contents(&rows) != known => changed(),
            None => Ok(()),
        };
    };
    let mut found = grouped(&source, &before.labelling(), before.group_by.as_ref(), before.skip_unreadable)?;
    // The manifests name what was readable in the beginning.
    found.leave_out(&unreadable::read(out)?);
    found.remove_unreadable();
    // Of a sample: what it holds, its class or findings, and its group.
    type Key = (String, String, Option<String>);
    let key = |set: &Dataset, i: usize, contents: &str| -> Key {
        let sample = &set.samples[i];
        (contents.to_owned(), set.label_of(sample).into_owned(), sample.group.clone())
    };
    let mut places: HashMap<Key, Vec<usize>> = HashMap::new();
    for (i, contents) in contents(&found).iter().enumerate().rev() {
        places.entry(key(&found, i, contents)).or_default().push(i);
    }
    let take = |(i, contents): (usize, &String)| places.get_mut(&key(&rows, i, contents))?.pop();
    let place: Option<Vec<usize>> = known.iter().enumerate().map(take).collect();
    let Some(place) = place.filter(|place| place.len() == found.samples.len()) else {
        let sizes = |set: &Dataset| {
            let bytes = |sample: &Sample| missing.map_or(sample.bytes, |_| 0);
            let size =
                |sample: &Sample| (set.label_of(sample).into_owned(), sample.group.clone(), bytes(sample));
            let mut all: Vec<_> = set.samples.iter().map(size).collect();
            all.sort();
            all
        };
        let alike = sizes(&rows) == sizes(&found);
        let likeness = if alike { Likeness::OtherContents } else { Likeness::Other };
        return check_likeness(out, likeness).map(drop);
    };
    if data.is_some() || missing.is_some() {
        let at: HashMap<&str, usize> =
            rows.samples.iter().zip(&place).map(|(sample, &at)| (sample.name.as_str(), at)).collect();
        for fold in (1..=RunFolder(out).folds()).rev() {
            let path = RunFolder(out).manifest(fold);
            let mut dataset = open_fold(out, fold)?;
            for sample in &mut dataset.samples {
                let Some(&at) = at.get(sample.name.as_str()) else {
                    return Err(Error::run(&path, format!("{} is in no other fold", sample.name)));
                };
                sample.path.clone_from(&found.samples[at].path);
            }
            write_manifest(&path, &dataset)?;
        }
        if is_drawn_here(out) {
            Config { data: source, ..before }.save()?;
        }
    }
    Ok(())
}
