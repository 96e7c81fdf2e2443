//! How often the images of a test split were looked at: `test-openings.json` in the run folder.
//!
//! A test split answers once. Whoever looks, changes something and looks again, chooses by it, and the number flatters a
//! little more each time. Nobody can be kept from looking, but it can be counted: the table that closes a training run
//! is the first opening, every `evaluate` or `compare` of this run with these images another.
//!
//! What is counted are looks at *images*, known by the bytes of their files: by whatever path, manifest, order or name of a
//! split they were reached, and alone or among others. A look counts if it shares an image with the present one.

use crate::date::utc_now;
use crate::documents::{read_json, write_text};
use crate::lock::locked;
use crate::{Error, RunFolder};
use data::{Dataset, hexadecimal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// How long another process may hold the lock; it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a digest that are kept of each image: in a million images no two share them by chance.
const KEPT: usize = 8;

/// One look at images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// When, in UTC: `2026-11-24T09:45:00Z`.
    pub date: String,
    /// The command that looked.
    pub command: String,
    /// The data set: what [`Dataset::fingerprint_of_names`] says of it.
    pub data_fingerprint: String,
    /// Images looked at.
    pub images: usize,
    /// What they hold: 16 hexadecimal digits of each one's SHA-256, sorted, one after another. Empty where the same images
    /// were opened before (see `as_in`), and in what earlier versions wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub contents: String,
    /// The opening, counted from 1, that looked at exactly the same images and lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_in: Option<usize>,
}

/// How often images were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks {
    /// Looks at any of these images, with the present one if it was counted.
    pub times: usize,
    /// How many of them were at other images too, or not at all of these.
    pub others: usize,
}

impl Looks {
    /// `These images have been opened 2 times by WHOM (test-openings.json).`
    pub fn sentence(self, whom: &str) -> String {
        let Self { times, others } = self;
        let often = match times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        match others {
            0 => format!("These images have been opened {often} by {whom} (test-openings.json)."),
            _ => format!(
                "These images, or some of them, have been opened {often} by {whom} (test-openings.json; {others} of \
                 the looks took in more or fewer images)."
            ),
        }
    }
}

impl Opening {
    /// A look, at this moment, at the samples of `dataset` at the indices `part`.
    pub fn now(command: String, dataset: &Dataset, part: &[usize]) -> Self {
        let digests = dataset.digests(part).into_iter().flatten();
        let contents: BTreeSet<String> = digests.map(|digest| hexadecimal(&digest[..KEPT])).collect();
        Self {
            date: utc_now(),
            command,
            data_fingerprint: dataset.fingerprint_of_names(),
            images: part.len(),
            contents: contents.into_iter().collect(),
            as_in: None,
        }
    }
}

/// All openings by a run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Openings(pub Vec<Opening>);

impl Openings {
    /// Those of the run in `folder`; none if the file is not there.
    pub fn of_run(folder: &Path) -> Result<Self, Error> {
        let found = read_json(&RunFolder(folder).openings(), "a list of openings")?;
        Ok(Self(found.unwrap_or_default()))
    }

    /// How often the images of `opening` were looked at.
    pub fn looks(&self, opening: &Opening) -> Looks {
        let wanted: BTreeSet<&[u8]> = opening.contents.as_bytes().chunks(2 * KEPT).collect();
        let mut looks = Looks { times: 0, others: 0 };
        for before in &self.0 {
            let contents = self.contents(before);
            let (shares, same) = if contents.is_empty() {
                // By an earlier version, which knew data sets only; or nothing could be read.
                let same = before.data_fingerprint == opening.data_fingerprint;
                (same, same && before.images == opening.images)
            } else {
                let mut found = contents.as_bytes().chunks(2 * KEPT);
                (found.any(|image| wanted.contains(image)), contents == opening.contents)
            };
            looks.times += usize::from(shares);
            looks.others += usize::from(shares && !same);
        }
        looks
    }

    fn contents<'a>(&'a self, opening: &'a Opening) -> &'a str {
        let listed = opening.as_in.and_then(|at| self.0.get(at.checked_sub(1)?));
        &listed.unwrap_or(opening).contents
    }
}

/// Adds an opening, while no other process does; how often its images were looked at by now.
pub fn record_opening(folder: &Path, mut opening: Opening) -> Result<Looks, Error> {
    let lock = RunFolder(folder).openings_lock();
    let Ok(_held) = locked(&lock, PATIENCE)? else {
        return Err(Error::run(&lock, format!("is held by another process for {} s", PATIENCE.as_secs())));
    };
    let mut all = Openings::of_run(folder)?;
    let asked = opening.clone();
    let same = |before: &Opening| !before.contents.is_empty() && before.contents == opening.contents;
    if let Some(at) = all.0.iter().position(same) {
        (opening.contents, opening.as_in) = (String::new(), Some(at + 1));
    }
    all.0.push(opening);
    let text = serde_json::to_string_pretty(&all.0).expect("texts and numbers have a JSON form");
    write_text(&RunFolder(folder).openings(), &format!("{text}\n"))?;
    Ok(all.looks(&asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data set of two classes whose files hold the letters of `contents`.
    fn set(folder: &Path, contents: &str) -> Dataset {
        let mut table = String::from("path,label\n");
        for (i, letter) in contents.chars().enumerate() {
            let name = format!("{contents}-{i}.png");
            std::fs::write(folder.join(&name), letter.to_string()).unwrap();
            table += &format!("{name},{}\n", ["a", "b"][i % 2]);
        }
        let path = folder.join(format!("{contents}.csv"));
        std::fs::write(&path, table).unwrap();
        Dataset::open(&path).unwrap()
    }

    #[test]
    fn looks_at_images_add_up_however_they_are_reached() {
        let folder = tempfile::tempdir().unwrap();
        let open = |contents: &str, part: &[usize]| {
            let opening = Opening::now("evaluate".into(), &set(folder.path(), contents), part);
            let Looks { times, others } = record_opening(folder.path(), opening).unwrap();
            (times, others)
        };
        assert_eq!(Openings::of_run(folder.path()).unwrap().0, []);
        assert_eq!(open("xyz", &[0, 1, 2]), (1, 0));
        assert_eq!(open("zxy", &[0, 1, 2]), (2, 0), "in another order, under other names");
        assert_eq!(open("pqx", &[0, 1]), (1, 0), "images that nobody saw");
        assert_eq!(open("pqx", &[2]), (3, 2), "one of those that were seen");
        assert_eq!(open("xyzpq", &[0, 1, 2, 3, 4]), (5, 4), "all of them");
        assert_eq!(open("xyz", &[0, 1, 2]), (5, 2));
        let all = Openings::of_run(folder.path()).unwrap().0;
        assert_eq!((all.len(), all[1].as_in, all[5].as_in, all[1].contents.len()), (6, Some(1), Some(1), 0));
        std::fs::write(RunFolder(folder.path()).openings(), "{").unwrap();
        let message = Openings::of_run(folder.path()).unwrap_err().to_string();
        assert!(message.contains("test-openings.json"), "{message}");
    }

    #[test]
    fn what_an_earlier_version_counted_stays_counted() {
        let folder = tempfile::tempdir().unwrap();
        let data = set(folder.path(), "xy");
        let old = |fingerprint: &str| {
            format!(
                r#"{{"date":"2026-11-24T09:45:00Z","command":"x","data_fingerprint":"{fingerprint}","images":2}}"#
            )
        };
        let text = format!("[{},{}]", old(&data.fingerprint_of_names()), old("other"));
        std::fs::write(RunFolder(folder.path()).openings(), text).unwrap();
        let opening = Opening::now("evaluate".into(), &data, &[0, 1]);
        assert_eq!(record_opening(folder.path(), opening).unwrap(), Looks { times: 2, others: 0 });
        assert_eq!(Openings::of_run(folder.path()).unwrap().0.len(), 3);
    }

    #[test]
    fn looks_at_once_are_all_counted() {
        let folder = tempfile::tempdir().unwrap();
        let opening = Opening::now("evaluate".into(), &set(folder.path(), "xy"), &[0, 1]);
        let look = || record_opening(folder.path(), opening.clone()).unwrap();
        std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(look))));
        assert_eq!(look(), Looks { times: 9, others: 0 });
    }

    #[test]
    fn a_count_is_said_in_words() {
        let say = |times, others| Looks { times, others }.sentence("this run");
        assert_eq!(say(1, 0), "These images have been opened once by this run (test-openings.json).");
        assert!(say(2, 0).contains("opened 2 times") && say(3, 0).contains("opened 3 times"));
        assert!(say(3, 1).starts_with("These images, or some of them, have been opened 3 times"));
    }
}
