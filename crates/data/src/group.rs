//! Which samples belong together: a column of the manifest, an element of DICOM files, or a part of the file name.
//!
//! Published sets hide the patient in the name. A pattern says where, in a language of three signs: `*` is the varying
//! part, `|` separates alternatives (the first that fits counts), and everything else stands for itself. An alternative
//! may begin at the file name or at any folder of the path, and `*` is the shortest text up to what follows it, never
//! empty and never across a `/`; at the end of an alternative it reaches to the extension. `[0-9]*` is a varying part that
//! begins with a digit, as in a shell: it tells numbers from words where nothing stands before them. The group is the
//! fixed text before `*` with what `*` took; a name that no alternative fits has none. `*` and nothing else makes every
//! image a group of its own:
//!
//! | pattern | name | group |
//! |---|---|---|
//! | `person*_\|NORMAL2-IM-*-\|IM-*-` | `train/PNEUMONIA/person7_virus_9.jpeg` | `person7` |
//! | `person*_\|NORMAL2-IM-*-\|IM-*-` | `NORMAL/NORMAL2-IM-0326-0001.jpeg` | `NORMAL2-IM-0326` |
//! | `patient*/` | `XR_WRIST/patient00006/study1/image1.png` | `patient00006` |
//! | `[0-9]*_` | `images/00000013_005.png` | `00000013` |
//! | `[0-9]*_` | `images/scan_005.png` | none |

use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;

/// Where the group of a sample is written; as text, what `--group-by` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum GroupBy {
    /// A column of the manifest, or `PatientID` or `StudyInstanceUID` of DICOM files.
    Column(String),
    /// A pattern of the file's path.
    Name(String),
}

impl FromStr for GroupBy {
    type Err = String;

    /// Text with a `*` is a pattern, other text a column.
    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains('*') {
            return Ok(GroupBy::Column(text.into()));
        }
        match text.split('|').find(|alternative| alternative.matches('*').count() != 1) {
            Some(bad) => Err(format!("expected one * in each alternative of \"{text}\", found \"{bad}\"")),
            None => Ok(GroupBy::Name(text.into())),
        }
    }
}

impl TryFrom<String> for GroupBy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<GroupBy> for String {
    fn from(by: GroupBy) -> Self {
        let (GroupBy::Column(text) | GroupBy::Name(text)) = by;
        text
    }
}

impl Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (GroupBy::Column(text) | GroupBy::Name(text)) = self;
        f.write_str(text)
    }
}

/// Before a `*`: what varies begins with a digit.
pub const DIGIT: &str = "[0-9]";

/// The group that `pattern` finds in `name`, a path with `/` between folders; none if nothing fits.
pub fn group_from_name(name: &str, pattern: &str) -> Option<String> {
    if pattern == "*" {
        return Some(name.to_owned());
    }
    let folders = name.match_indices('/').map(|(at, _)| at + 1);
    let mut starts: Vec<usize> = std::iter::once(0).chain(folders).collect();
    starts.reverse();
    pattern.split('|').find_map(|alternative| {
        let (before, after) = alternative.split_once('*')?;
        let (before, digit) = before.strip_suffix(DIGIT).map_or((before, false), |before| (before, true));
        starts.iter().find_map(|&start| {
            let rest = name[start..].strip_prefix(before)?;
            let end = match after {
                "" => rest.find(['.', '/']).unwrap_or(rest.len()),
                _ => rest.find(after)?,
            };
            let star = &rest[..end];
            let begins_well = star.starts_with(|c: char| !digit || c.is_ascii_digit());
            (begins_well && !star.contains('/')).then(|| format!("{before}{star}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEST: &str = "person*_|NORMAL2-IM-*-|IM-*-";

    #[test]
    fn patients_are_read_from_names() {
        let cases = [
            ("train/PNEUMONIA/person1007_virus_1690.jpeg", CHEST, Some("person1007")),
            ("NORMAL2-IM-0326-0001-0002.jpeg", CHEST, Some("NORMAL2-IM-0326")),
            ("test/NORMAL/IM-0115-0001.jpeg", CHEST, Some("IM-0115")),
            ("test/NORMAL/other.jpeg", CHEST, None),
            ("person_1.jpeg", CHEST, None),
            ("XR_WRIST/patient6/study1/image1.png", "patient*/", Some("patient6")),
            ("a/scan12.v2.png", "scan*", Some("scan12")),
            ("CSFDV1B10 (18)-rotated3.png", "CSFDV1* (", Some("CSFDV1B10")),
            ("x/00000013_005.png", "[0-9]*_", Some("00000013")),
            ("x/scan_005.png", "[0-9]*_", None),
            ("7_a/scan_5.png", "scan_[0-9]*", Some("scan_5")),
            ("7_a/scan_b.png", "scan_[0-9]*|[0-9]*_", Some("7")),
            ("_5.png", "[0-9]*_", None),
            ("x/1.a.png", "*", Some("x/1.a.png")),
        ];
        for (name, pattern, want) in cases {
            assert_eq!(group_from_name(name, pattern).as_deref(), want, "{name}");
        }
    }

    #[test]
    fn patterns_are_checked() {
        assert_eq!("patient".parse(), Ok(GroupBy::Column("patient".into())));
        assert_eq!("p*_".parse(), Ok(GroupBy::Name("p*_".into())));
        assert!("p*_|q".parse::<GroupBy>().unwrap_err().contains("found \"q\""));
        for text in ["patient", "p*_"] {
            assert_eq!(text.parse::<GroupBy>().unwrap().to_string(), text);
        }
    }
}
