//! A few lines at the end of a terminal that are drawn anew again and again, and what is said above them.
//!
//! Invariant: between two calls the cursor rests on the first character of the lines. To erase them is then to clear
//! from the cursor to the end of the screen, however many rows they take since somebody made the terminal narrower, and
//! a `^C` that the terminal writes moves nothing. The cursor is never hidden, so nothing needs to be restored when a
//! run is cut off.

use console::Term;
use std::io::{self, IsTerminal, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines are not drawn more often than this.
const INTERVAL: Duration = Duration::from_millis(100);

/// The terminal on stderr; none if it cannot go back to a line to draw it anew.
static SCREEN: LazyLock<Mutex<Screen>> = LazyLock::new(|| {
    let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb") && io::stderr().is_terminal();
    Mutex::new(Screen::new(able.then(Term::buffered_stderr)))
});

struct Screen {
    term: Option<Term>,
    /// The lines that are shown.
    lines: String,
    drawn: Option<Instant>,
}

/// Lines on the screen, which are gone when this is dropped. There is one at a time.
#[derive(Default)]
pub struct Lines(());

impl Lines {
    /// Shows the text that `text` makes for a terminal of so many rows and columns. `at_once` says that it must be
    /// seen; otherwise it may be passed over.
    pub fn show(&self, at_once: bool, text: impl FnOnce((u16, u16)) -> String) {
        show(at_once, text);
    }
}

/// The same as [`Lines::show`], for whoever draws while another holds the lines.
pub fn show(at_once: bool, text: impl FnOnce((u16, u16)) -> String) {
    let mut screen = screen();
    let Some(size) = screen.term.as_ref().map(Term::size) else { return };
    if at_once || screen.drawn.is_none_or(|drawn| drawn.elapsed() >= INTERVAL) {
        screen.draw(text(size));
    }
}

/// As much of a line as a terminal of that size, rows and columns, shows.
pub fn within(line: &str, (_, columns): (u16, u16)) -> String {
    line.chars().take(usize::from(columns).saturating_sub(1)).collect()
}

/// Whether there is a terminal to draw on.
pub fn is_terminal() -> bool {
    screen().term.is_some()
}

impl Drop for Lines {
    fn drop(&mut self) {
        clear();
    }
}

/// Removes the lines.
pub fn clear() {
    screen().draw(String::new());
}

/// Lets `write` write above the lines, if there are any.
pub fn above(write: impl FnOnce()) {
    screen().above(write);
}

fn screen() -> MutexGuard<'static, Screen> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Screen {
    fn new(term: Option<Term>) -> Self {
        Self { term, lines: String::new(), drawn: None }
    }

    fn above(&mut self, write: impl FnOnce()) {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() {
            return write();
        }
        let _ = self.put("");
        write();
        self.draw(lines);
    }

    /// Shows `lines`. A terminal that is gone is no reason to stop.
    fn draw(&mut self, lines: String) {
        if !(lines.is_empty() && self.lines.is_empty()) {
            let _ = self.put(&lines);
        }
        self.drawn = (!lines.is_empty()).then(Instant::now);
        self.lines = lines;
    }

    fn put(&self, lines: &str) -> io::Result<()> {
        let Some(term) = &self.term else { return Ok(()) };
        let mut out = term;
        let (first, rest) = lines.split_at(lines.find('\n').unwrap_or(lines.len()));
        // What is below is erased from the end of the first line, not from its beginning: a terminal that is erased
        // from its very first cell on may keep what stood there among the lines to scroll back to (tmux does).
        let first = if first.is_empty() { " " } else { first };
        write!(out, "\r{first}\x1b[J{rest}\r")?;
        term.move_cursor_up(lines.matches('\n').count())?;
        term.flush()
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// What a terminal shows that was sent `bytes`, row by row.
    fn shown(bytes: &str) -> Vec<String> {
        let (mut rows, mut row, mut column) = (vec![vec![]], 0, 0);
        let mut letters = bytes.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\r' => column = 0,
                '\n' => {
                    (row, column) = (row + 1, 0);
                    rows.resize(rows.len().max(row + 1), vec![]);
                }
                '\u{1b}' => {
                    assert_eq!(letters.next(), Some('['));
                    let end = |letter: &char| letter.is_ascii_alphabetic();
                    let sequence = letters.as_str();
                    let at = sequence.find(|letter| end(&letter)).unwrap();
                    letters = sequence[at + 1..].chars();
                    match (&sequence[at..=at], sequence[..at].parse().unwrap_or(0)) {
                        ("A", up) => row -= up,
                        ("J", 0) => {
                            rows.truncate(row + 1);
                            rows[row].truncate(column);
                        }
                        other => panic!("{other:?}"),
                    }
                }
                letter => {
                    let cells: &mut Vec<char> = &mut rows[row];
                    cells.resize(cells.len().max(column + 1), ' ');
                    cells[column] = letter;
                    column += 1;
                }
            }
        }
        assert_eq!(column, 0, "the cursor rests at the beginning of a row");
        rows.iter().map(|row| row.iter().collect()).collect()
    }

    #[test]
    fn nothing_stays_of_lines_that_were_replaced() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::options().append(true).open(file.path()).unwrap();
        let mut screen = Screen::new(Some(Term::read_write_pair(open(), open())));
        let now = || shown(&std::fs::read_to_string(file.path()).unwrap());
        let say = |text: &'static str| move || writeln!(open(), "{text}").unwrap();
        screen.above(say("begun"));
        screen.draw("one\ntwo\nthree".into());
        assert_eq!(now(), ["begun", "one", "two", "three"]);
        write!(open(), "^C\r").unwrap();
        screen.above(say("stopping"));
        assert_eq!(now(), ["begun", "stopping", "one", "two", "three"]);
        screen.draw("1".into());
        assert_eq!(now(), ["begun", "stopping", "1"]);
        screen.draw(String::new());
        screen.above(say("saved"));
        assert_eq!(now(), ["begun", "stopping", "saved", ""]);
        let sent = std::fs::read_to_string(file.path()).unwrap();
        assert!(!sent.contains("\r\u{1b}[J"), "the first cell is written before the rest is erased");
    }
}
