//! A model card that people have written in, made anew: what they wrote stays, what the program wrote is refreshed.
//!
//! The card ends with a comment that Markdown does not show: a hash of every line as the program wrote it. A line that still
//! has its hash is the program's and is replaced; any other is a person's and stays where it is. Where a line of the program
//! was replaced by a person, its present value is noted beneath. A blank that was filled, and a line or a section that was
//! deleted, do not come back. Without the comment (somebody removed it, or an earlier version wrote the card), a line is the
//! program's if it is what the program would write now. Sections may stand in any order, and line endings stay as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

/// A line of the card.
pub(crate) struct Entry {
    /// What it tells, whatever it says: the same from one time to the next.
    pub key: String,
    /// The whole line.
    pub line: String,
    /// Whether it has a value that is noted beneath a person's line in its place.
    pub has_value: bool,
}

/// The lines under a heading; the first section has none.
pub(crate) struct Section {
    pub heading: String,
    pub entries: Vec<Entry>,
}

/// Begins the comment at the end.
const MARKS: &str =
    "<!-- Lines of the program, by which `vertebra report` knows what people wrote. Please leave this here.";
const END: &str = "-->";
/// Begins the line of the comment that lists notes.
const NOTES: &str = "notes beneath";
/// Begins a note.
const NOTE: &str = "  - *The report has:* ";
/// Stands for no heading in the comment.
const NO_HEADING: &str = "(title)";

/// A new card.
pub(crate) fn fresh(sections: &[Section]) -> String {
    let mut out = String::new();
    for section in sections {
        write_section(&mut out, section);
    }
    out + &marks(sections, &[])
}

fn write_section(out: &mut String, Section { heading, entries }: &Section) {
    if !heading.is_empty() {
        let _ = write!(out, "\n## {heading}\n\n");
    }
    for (i, Entry { line, .. }) in entries.iter().enumerate() {
        let is_item = line.starts_with("- ");
        let after_text = i > 0 && !(is_item && entries[i - 1].line.starts_with("- "));
        let _ = writeln!(out, "{}{line}", if after_text { "\n" } else { "" });
    }
}

/// FNV-1a (Fowler, Noll and Vo), 64 bits: the same in every version.
fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.trim().bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The comment that goes with these sections and notes.
fn marks(sections: &[Section], notes: &[String]) -> String {
    let mut out = format!("\n{MARKS}\n");
    for Section { heading, entries } in sections {
        let name = if heading.is_empty() { NO_HEADING } else { heading };
        let all: Vec<String> = entries
            .iter()
            .map(|entry| format!("{:016x}:{:016x}", hash(&entry.key), hash(&entry.line)))
            .collect();
        let _ = writeln!(out, "{name}: {}", all.join(" "));
    }
    if !notes.is_empty() {
        let all: Vec<String> = notes.iter().map(|note| format!("{:016x}", hash(note))).collect();
        let _ = writeln!(out, "{NOTES}: {}", all.join(" "));
    }
    out + END + "\n"
}

/// What the program wrote before.
#[derive(Default)]
struct Before {
    /// For each heading, the hashes of the keys and lines, in order.
    sections: Vec<(String, Vec<(u64, u64)>)>,
    notes: BTreeSet<u64>,
}

impl Before {
    /// As if the card had been written now.
    fn now(sections: &[Section]) -> Self {
        let hashes =
            |section: &Section| section.entries.iter().map(|e| (hash(&e.key), hash(&e.line))).collect();
        let sections = sections.iter().map(|section| (section.heading.clone(), hashes(section))).collect();
        Self { sections, notes: BTreeSet::new() }
    }

    /// Takes a line of the comment; false if it is none.
    fn take(&mut self, line: &str) -> bool {
        let Some((name, words)) = line.trim().split_once(": ") else { return false };
        let number = |digits: &str| u64::from_str_radix(digits, 16).ok();
        let pair =
            |word: &str| word.split_once(':').and_then(|(key, line)| Some((number(key)?, number(line)?)));
        let words = words.split_whitespace();
        if name == NOTES {
            let notes = words.map(number).collect::<Option<BTreeSet<u64>>>();
            return notes.map(|notes| self.notes = notes).is_some();
        }
        let heading = if name == NO_HEADING { "" } else { name };
        let pairs = words.map(pair).collect::<Option<Vec<_>>>();
        pairs.map(|pairs| self.sections.push((heading.to_owned(), pairs))).is_some()
    }
}

/// The text without the comment, and what that says. Whatever else stands in or behind the comment stays.
fn without_marks(text: &str) -> (String, Option<Before>) {
    let Some(at) = text.rfind(MARKS) else { return (text.to_owned(), None) };
    let (mut found, mut body) = (Before::default(), text[..at].to_owned());
    let mut rest = text[at + MARKS.len()..].split_inclusive('\n').skip(1).peekable();
    while rest.next_if(|line| found.take(line)).is_some() {}
    rest.next_if(|line| line.trim() == END);
    body.extend(rest);
    let is_marked = !found.sections.is_empty();
    (body, is_marked.then_some(found))
}

/// Whose a line of the card is.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    /// The program's, with this key.
    Ours(u64),
    /// A person's.
    Theirs,
    /// A heading, or nothing.
    Nobodys,
}

/// The heading of a line that is one.
fn heading(line: &str) -> Option<&str> {
    line.strip_prefix("## ").map(str::trim)
}

/// The card `text` with the lines of `sections` in the place of those that the program wrote.
pub(crate) fn refreshed(sections: &[Section], text: &str) -> String {
    let crlf = 2 * text.matches("\r\n").count() > text.matches('\n').count();
    let (body, found) = without_marks(text);
    let is_marked = found.is_some();
    let before = found.unwrap_or_else(|| Before::now(sections));
    let is_note = |line: &str| {
        line.trim_start().starts_with(NOTE.trim()) && (!is_marked || before.notes.contains(&hash(line)))
    };
    let lines: Vec<&str> = body.lines().filter(|line| !is_note(line)).collect();
    let merge = Merge::new(sections, &before, &lines, is_marked);
    let (mut out, notes) = merge.write();
    out.truncate(out.trim_end().len());
    out.push('\n');
    out += &marks(sections, &notes);
    if crlf { out.replace('\n', "\r\n") } else { out }
}

struct Merge<'a> {
    lines: &'a [&'a str],
    whose: Vec<Whose>,
    /// The line that has the value of a key now.
    now: HashMap<u64, &'a Entry>,
    /// Notes beneath a line.
    notes: BTreeMap<usize, Vec<String>>,
    /// New lines after a line (0: before the first, 1: after the first, ...).
    added: BTreeMap<usize, Vec<String>>,
    /// Sections that are not there and were not there before.
    missing: Vec<&'a Section>,
}

impl<'a> Merge<'a> {
    fn new(sections: &'a [Section], before: &Before, lines: &'a [&'a str], is_marked: bool) -> Self {
        let now: HashMap<u64, &Entry> =
            sections.iter().flat_map(|section| &section.entries).map(|e| (hash(&e.key), e)).collect();
        let mut merge = Self {
            lines,
            whose: vec![],
            now,
            notes: BTreeMap::new(),
            added: BTreeMap::new(),
            missing: vec![],
        };
        merge.find_whose(before);
        for (name, entries) in &before.sections {
            merge.note_replaced(name, entries);
        }
        for section in sections {
            let was = before.sections.iter().find(|(name, _)| *name == section.heading);
            merge.add_new(section, was.map(|(_, entries)| &entries[..]), is_marked);
        }
        merge
    }

    /// Decides whose every line is. A line is looked for in its own section first, then, because it may have been moved,
    /// in all.
    fn find_whose(&mut self, before: &Before) {
        // By what a line of the program said, or would say now: its section and its key.
        let mut known: HashMap<u64, Vec<(&str, u64)>> = HashMap::new();
        for (name, entries) in &before.sections {
            for &(key, line) in entries {
                known.entry(line).or_default().push((name, key));
                if let Some(entry) = self.now.get(&key) {
                    known.entry(hash(&entry.line)).or_default().push((name, key));
                }
            }
        }
        let mut taken = BTreeSet::new();
        let mut section = "";
        for line in self.lines {
            if let Some(name) = heading(line) {
                section = name;
            }
            self.whose.push(if line.trim().is_empty() || heading(line).is_some() {
                Whose::Nobodys
            } else {
                let candidates = known.get(&hash(line)).map_or(&[][..], |found| found);
                let free = |(_, key): &&(&str, u64)| !taken.contains(key);
                let here = candidates.iter().filter(free).find(|(name, _)| *name == section);
                match here.or_else(|| candidates.iter().find(free)) {
                    Some(&(_, key)) => {
                        taken.insert(key);
                        Whose::Ours(key)
                    }
                    None => Whose::Theirs,
                }
            });
        }
    }

    fn place_of(&self, key: u64) -> Option<usize> {
        self.whose.iter().position(|whose| *whose == Whose::Ours(key))
    }

    fn place_of_heading(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|line| heading(line) == Some(name))
    }

    /// The first line that may stand in the place of a line that follows `anchor`, and the one after the last.
    fn gap(&self, anchor: Option<usize>) -> (usize, usize) {
        let first = anchor.map_or(0, |at| at + 1);
        let ends =
            |at: &usize| matches!(self.whose[*at], Whose::Ours(_)) || heading(self.lines[*at]).is_some();
        (first, (first..self.lines.len()).find(ends).unwrap_or(self.lines.len()))
    }

    /// Notes the values of the lines of a section that people replaced beneath what they wrote in their place.
    fn note_replaced(&mut self, name: &str, entries: &[(u64, u64)]) {
        let start = self.place_of_heading(name);
        if start.is_none() && !name.is_empty() && entries.iter().all(|&(key, _)| self.place_of(key).is_none())
        {
            return; // A person deleted it, or it never was.
        }
        // Lines that are gone, by the line after which they stood.
        let mut gone: Vec<(Option<usize>, Vec<u64>)> = vec![];
        let mut anchor = start;
        for &(key, _) in entries {
            match self.place_of(key) {
                Some(at) => anchor = Some(at),
                None => match gone.last_mut().filter(|(at, _)| *at == anchor) {
                    Some((_, keys)) => keys.push(key),
                    None => gone.push((anchor, vec![key])),
                },
            }
        }
        // Under a heading that was changed, with nothing left above it, the place of a line is not known.
        for (anchor, keys) in gone.into_iter().filter(|(anchor, _)| anchor.is_some() || name.is_empty()) {
            let (first, end) = self.gap(anchor);
            let mut theirs: Vec<usize> = (first..end).filter(|&at| self.whose[at] == Whose::Theirs).collect();
            // What belongs to a line of theirs is indented beneath it.
            let own = |at: &usize| !self.lines[*at].starts_with([' ', '\t']);
            if theirs.iter().any(own) {
                theirs.retain(own);
            }
            let Some(&last) = theirs.last() else { continue };
            let alike = |at: usize, entry: &Entry| stem(self.lines[at]) == stem(&entry.line);
            let mut rest = vec![];
            let mut pairs = vec![];
            for key in keys {
                let entry = self.now.get(&key).copied();
                match entry.and_then(|entry| theirs.iter().position(|&at| alike(at, entry))) {
                    Some(found) => pairs.push((theirs.remove(found), entry)),
                    None => rest.push(entry),
                }
            }
            let in_order = rest.len() == theirs.len();
            let at = |i: usize| if in_order { theirs[i] } else { last };
            pairs.extend(rest.into_iter().enumerate().map(|(i, entry)| (at(i), entry)));
            for (at, entry) in pairs {
                if let Some(entry) = entry.filter(|entry| entry.has_value) {
                    let value = entry.line.strip_prefix("- ").unwrap_or(&entry.line);
                    self.notes.entry(at).or_default().push(format!("{NOTE}{value}"));
                }
            }
        }
    }

    /// Finds places for the lines of a section that the card did not have before. Without marks nobody knows what it had,
    /// so what has a value and is not there is added.
    fn add_new(&mut self, section: &'a Section, was: Option<&[(u64, u64)]>, is_marked: bool) {
        let start = self.place_of_heading(&section.heading);
        let keys = || section.entries.iter().map(|entry| hash(&entry.key));
        if start.is_none() && !section.heading.is_empty() && keys().all(|key| self.place_of(key).is_none()) {
            if was.is_none() || !is_marked {
                self.missing.push(section);
            }
            return;
        }
        let noted: String = self.notes.values().flatten().map(String::as_str).collect::<Vec<_>>().join("\n");
        let mut anchor = start;
        for entry in &section.entries {
            let key = hash(&entry.key);
            if let Some(at) = self.place_of(key) {
                anchor = Some(at);
                continue;
            }
            let value = entry.line.strip_prefix("- ").unwrap_or(&entry.line);
            let is_new = match is_marked {
                true => was.is_none_or(|was| was.iter().all(|&(before, _)| before != key)),
                false => entry.has_value && !noted.lines().any(|note| note == format!("{NOTE}{value}")),
            };
            if is_new {
                // After what people wrote beneath the line before.
                let first = anchor.map_or(0, |at| at + 1);
                let theirs = |at: &usize| self.whose[*at] == Whose::Theirs;
                let end = (first..self.lines.len()).take_while(theirs).last().map_or(first, |at| at + 1);
                self.added.entry(end).or_default().push(entry.line.clone());
            }
        }
    }

    /// The text, and the notes in it.
    fn write(self) -> (String, Vec<String>) {
        let (mut out, mut notes) = (String::new(), vec![]);
        for at in 0..=self.lines.len() {
            for line in self.added.get(&at).into_iter().flatten() {
                let _ = writeln!(out, "{line}");
            }
            let Some(line) = self.lines.get(at) else { break };
            match self.whose[at] {
                Whose::Ours(key) => {
                    if let Some(entry) = self.now.get(&key) {
                        let _ = writeln!(out, "{}", entry.line);
                    }
                }
                Whose::Theirs | Whose::Nobodys => {
                    let _ = writeln!(out, "{}", line.trim_end_matches('\r'));
                }
            }
            for note in self.notes.get(&at).into_iter().flatten() {
                let _ = writeln!(out, "{note}");
                notes.push(note.clone());
            }
        }
        for section in self.missing {
            out.truncate(out.trim_end().len());
            out.push('\n');
            write_section(&mut out, section);
        }
        (out, notes)
    }
}

/// What a line is about: its words up to the first figure or colon.
fn stem(line: &str) -> String {
    let text = line.trim_start_matches(['-', '*', ' ', '#']);
    let end = text.find(|c: char| c.is_ascii_digit() || c == ':').unwrap_or(text.len());
    text[..end].trim().to_lowercase()
}
