//! What a search for images passed over, and why: said in one line, so that nobody takes a part for the whole.

use std::fmt;

use serde::Serialize;

/// Names that are given for a reason; the others are counted.
const EXAMPLES: usize = 3;

/// Files and folders that a search passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// How many; a folder that was not entered counts once.
    pub files: usize,
    /// Why, in the order of first occurrence.
    pub reasons: Vec<Reason>,
}

/// Files that were passed over for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What they are, after their number: `hidden or of the system`.
    pub reason: String,
    /// How many.
    pub files: usize,
    /// The first of them.
    pub examples: Vec<String>,
}

impl PassedOver {
    pub(crate) fn add(&mut self, reason: &str, name: &str) {
        self.files += 1;
        let at = self.reasons.iter().position(|known| known.reason == reason).unwrap_or_else(|| {
            self.reasons.push(Reason { reason: reason.into(), files: 0, examples: vec![] });
            self.reasons.len() - 1
        });
        let found = &mut self.reasons[at];
        found.files += 1;
        if found.examples.len() < EXAMPLES {
            found.examples.push(name.into());
        }
    }

    /// Whether nothing was passed over.
    pub fn is_empty(&self) -> bool {
        self.files == 0
    }
}

impl fmt::Display for PassedOver {
    /// `passed over 3 files: 2 hidden or of the system (.a, .b); 1 text (notes.txt)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "passed over {} file{}: ", self.files, if self.files == 1 { "" } else { "s" })?;
        for (at, Reason { reason, files, examples }) in self.reasons.iter().enumerate() {
            let before = if at == 0 { "" } else { "; " };
            write!(f, "{before}{files} {reason} ({}", examples.join(", "))?;
            match files - examples.len() {
                0 => write!(f, ")")?,
                more => write!(f, " and {more} more)")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_and_why() {
        let mut passed = PassedOver::default();
        assert!(passed.is_empty());
        for i in 0..5 {
            passed.add("TIFF", &format!("a/{i}.tif"));
        }
        passed.add("text", "notes.txt");
        let want = "passed over 6 files: 5 TIFF (a/0.tif, a/1.tif, a/2.tif and 2 more); 1 text (notes.txt)";
        assert_eq!(passed.to_string(), want);
    }
}
