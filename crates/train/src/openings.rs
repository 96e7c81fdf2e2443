//! How often a test split was looked at: `test-openings.json` in the run folder.
//!
//! A test split answers once. Whoever looks, changes something and looks again, chooses by it, and the number flatters a
//! little more each time. Nobody can be kept from looking, but it can be counted: the table that closes a training run
//! is the first opening, every `evaluate` of this run on a test split another.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Its name in the run folder.
const FILE: &str = "test-openings.json";

/// One look at a test split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// When, in UTC: `2026-11-24T09:45:00Z`.
    pub date: String,
    /// The command that looked.
    pub command: String,
    /// The data set, as [`data::Dataset::fingerprint`] names it.
    pub data_fingerprint: String,
    /// Images looked at.
    pub images: usize,
}

impl Opening {
    /// A look at this moment.
    pub fn now(command: String, data_fingerprint: String, images: usize) -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { date: utc(seconds), command, data_fingerprint, images }
    }
}

/// All openings by the run in `folder`, in order; none if the file is not there.
pub fn openings(folder: &Path) -> Result<Vec<Opening>, Error> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(vec![]);
    }
    let text = std::fs::read_to_string(&path).map_err(|error| Error::run(&path, error.to_string()))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::run(&path, format!("expected a list of openings, found otherwise: {error}")))
}

/// Adds an opening; how often the same data set was opened by now.
pub fn record_opening(folder: &Path, opening: Opening) -> Result<usize, Error> {
    let mut all = openings(folder)?;
    let fingerprint = opening.data_fingerprint.clone();
    all.push(opening);
    let text = serde_json::to_string_pretty(&all).expect("texts and numbers have a JSON form");
    model::write_atomic(folder.join(FILE), |file| writeln!(file, "{text}"))?;
    Ok(all.iter().filter(|opening| opening.data_fingerprint == fingerprint).count())
}

/// Seconds since 1970 as a date and time of UTC. The day is found as in Hinnant's `civil_from_days`: years begin in
/// March, so that a leap day is the last of its year.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dates from `date -u -d @SECONDS`.
    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), date);
        }
    }

    #[test]
    fn openings_add_up_by_data_set() {
        let folder = tempfile::tempdir().unwrap();
        let open = |data: &str| {
            record_opening(folder.path(), Opening::now("evaluate".into(), data.into(), 8)).unwrap()
        };
        assert_eq!(openings(folder.path()).unwrap(), []);
        assert_eq!([open("a"), open("a"), open("b"), open("a")], [1, 2, 1, 3]);
        assert_eq!(openings(folder.path()).unwrap().len(), 4);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let message = openings(folder.path()).unwrap_err().to_string();
        assert!(message.contains(FILE), "{message}");
    }
}
