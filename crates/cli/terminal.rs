//! What people read: results on stdout, notes on stderr, and lines of progress that are drawn anew below them.
//!
//! Invariant: a name of a file, a class or a column cannot steer the terminal, nor begin a line of its own. Everything
//! for people comes through [`say`] or [`note`], which write control characters and marks of the direction of text as
//! escapes. JSON and CSV ([`json`], [`raw`]) hold names as they are, for they have rules of their own. Nothing else
//! prints.

mod screen;

pub use screen::{Lines, clear, is_terminal, show, within};

use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::{Arguments, Display};
use std::io::{self, Write};

/// A line of the result, on stdout: what `format!` takes, or nothing for an empty line. Empty lines around it are line
/// breaks at the ends of the format.
macro_rules! say {
    () => { $crate::terminal::say("", format_args!("")) };
    ($format:literal $($values:tt)*) => { $crate::terminal::say($format, format_args!($format $($values)*)) };
}

/// A line for people on stderr: what `format!` takes.
macro_rules! note {
    ($($text:tt)*) => { $crate::terminal::note(format_args!($($text)*)) };
}

/// See the macro of this name. A line break is kept where `format` begins or ends with it: any other is part of a name.
pub fn say(format: &str, text: Arguments) -> io::Result<()> {
    let rest = format.trim_start_matches('\n');
    let (before, after) = (format.len() - rest.len(), rest.len() - rest.trim_end_matches('\n').len());
    let text = text.to_string();
    let line = escaped(&text[before..text.len() - after]);
    writeln!(io::stdout(), "{}{line}{}", "\n".repeat(before), "\n".repeat(after))
}

/// Says every line of a table.
pub fn say_lines(table: impl Display) -> io::Result<()> {
    table.to_string().lines().try_for_each(|line| say!("{line}"))
}

/// Says something to people: on stderr, which may be closed, above lines that are on the screen.
pub fn note(line: impl Display) {
    let line = escaped(&line.to_string());
    screen::above(|| {
        let _ = writeln!(io::stderr(), "{line}");
    });
}

/// A line for programs on stdout, as it is: of CSV, or a JSON value.
pub fn raw(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// A line of CSV (RFC 4180) on stdout, whose first field need not be text.
pub fn record(first: &[u8], others: &[String]) -> io::Result<()> {
    // Whole, and with the error of stdout itself: whoever reads may want no more.
    let mut line = csv::Writer::from_writer(vec![]);
    line.write_field(first)?;
    line.write_record(others)?;
    io::stdout().write_all(&line.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

/// A JSON object of `entries`, which come one by one: `collect` sorts them first, by some kilobytes of code for every
/// iterator.
pub fn object(entries: impl Iterator<Item = (String, Value)>) -> Value {
    let mut object = Map::new();
    object.extend(entries);
    Value::Object(object)
}

/// Prints the one document of `--json`.
pub fn json(document: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, document)?;
    writeln!(out)
}

/// `text` with escapes, as Rust writes them, for all that would steer a terminal.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match steers(letter) {
            true => safe.extend(letter.escape_default()),
            false => safe.push(letter),
        }
    }
    safe
}

/// Whether a character moves the cursor, begins a sequence of control, ends a line, or changes the direction of text.
pub fn steers(letter: char) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'].contains(&letter);
    letter.is_control() || turns || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_escaped_and_nothing_else() {
        assert_eq!(
            escaped("a\u{1b}[31m\nb\tc\u{202e}d\u{9b}\u{7f}"),
            r"a\u{1b}[31m\nb\tc\u{202e}d\u{9b}\u{7f}"
        );
        for plain in ["Röntgen 頸椎 ‹x›.png", r"C:\scans\a.dcm", "…", "\u{2800}", "it's", "👍\u{200d}"]
        {
            assert_eq!(escaped(plain), plain);
        }
        for letter in '\0'..='\u{2fff}' {
            assert!(!escaped(&letter.to_string()).chars().any(steers), "{letter:?}");
        }
    }
}
