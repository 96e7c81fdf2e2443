//! Which part of the names is an identifier of what belongs together (patient, volume, original), decided from the names
//! alone, so that a command that opens no picture can offer it.
//!
//! A number is an identifier if it comes back with something else behind it (`person7_virus_9`, `person7_virus_12`). A
//! serial number never comes back, unless a folder counts anew: then the *same* name lies in two folders, which one
//! numbering of all files cannot do, and equal numbers of the two folders are different things. Files whose names say
//! nothing are left out; each stands alone. What is made is a pattern of [`data::GroupBy`], and one that would take a
//! file for which it was not meant, or groups other than meant, is not offered.

mod judge;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use judge::{FEW, Judged, MIN_GROUPS, Member, NEARLY_EVERY, Reach, counted_share, judge};

use data::{DIGIT, Dataset, group_from_name};
use eval::group_ids;

use crate::tokens::{beginnings, stem, tokens};
use crate::words::{is_category, is_telling};

/// Images of a group of words, at most, on average: more are kinds of files (`bacteria_12`, `virus_13`).
const MAX_OF_WORD: usize = 10;
/// Alternatives that one pattern names, at most.
const MAX_ALTERNATIVES: usize = 16;
/// What may follow a number, by its first letter; more, and the number is a piece of something else (a hash).
const MAX_ENDS: usize = 3;
/// What follows the number this rarely, beside the most frequent, is of another scheme.
const RARE_END: f64 = 0.1;
/// Share of the files that a pattern must explain: of plain numbers, and where a word such as "patient" names them.
const EXPLAINED: f64 = 0.5;
const EXPLAINED_BY_WORD: f64 = 0.05;
/// Folders below the class that are looked at.
const DEPTHS: usize = 4;
/// Separators that may end an identifier without a number.
pub const SEPARATORS: [&str; 5] = ["_", "-", " ", ".", "("];

/// The pattern that names the groups of `dataset`, if its names tell them.
pub fn identifiers(dataset: &Dataset) -> Option<String> {
    let no = vec![false; dataset.samples.len()];
    let mut found = Search { dataset, taken: vec![], claimed: no.clone(), barred: no };
    for depth in 0..DEPTHS {
        found.folders(depth);
    }
    found.stems();
    found.words();
    found.pattern()
}

/// A part of a name that is read: the file's stem, or a folder.
struct NamePart<'a> {
    sample: usize,
    /// What is before, ending in `/`, or empty.
    above: &'a str,
    text: &'a str,
    /// What is behind, without the extension.
    below: &'a str,
}

/// An identifier as it is taken: alternatives of a pattern, and the files that they are for.
struct Taken {
    /// Text before and behind the identifier.
    alternatives: Vec<(String, String)>,
    /// The group of each.
    meant: HashMap<usize, String>,
    telling: bool,
    /// Whether what follows is counted anew for every identifier.
    counted: bool,
}

/// Numbers that were judged to be no identifiers: what stands before them, what ends them, and the members.
type Rejected<'a> = Vec<(String, Vec<String>, Vec<Member<'a>>)>;

struct Search<'d> {
    dataset: &'d Dataset,
    claimed: Vec<bool>,
    /// Names that begin with a day, or the like: what stands before a separator is no identifier.
    barred: Vec<bool>,
    taken: Vec<Taken>,
}

impl<'d> Search<'d> {
    /// Folders below the class and split, `depth` deep.
    fn folders(&mut self, depth: usize) {
        let part = |sample: usize| {
            let name = self.dataset.samples[sample].name.as_str();
            let start = below_class(self.dataset, sample);
            let folders: Vec<(usize, &str)> =
                pieces(name).into_iter().filter(|(at, _)| *at >= start).collect();
            let &(at, text) = folders.get(depth).filter(|_| depth + 1 < folders.len())?;
            let below = &name[at + text.len()..];
            Some(NamePart {
                sample,
                above: &name[..at],
                text,
                below: below.rsplit_once('.').map_or(below, |b| b.0),
            })
        };
        let parts: Vec<NamePart> = self.free().into_iter().filter_map(part).collect();
        self.numbers(&parts, "/");
        // Whole names of the folders that hold the files: all files must have one, as `*/` takes any.
        let parts: Vec<NamePart> = self.free().into_iter().filter_map(part).collect();
        let innermost = parts.iter().all(|part| !part.below[1..].contains('/'));
        if innermost && parts.len() == self.dataset.samples.len() {
            let members = parts.iter().map(|part| Member {
                sample: part.sample,
                above: part.above,
                id: part.text,
                rest: part.below.to_owned(),
            });
            self.word(members.collect(), "/");
        }
    }

    fn stems(&mut self) {
        let part = |sample: usize| {
            let name = self.dataset.samples[sample].name.as_str();
            let above = name.rfind('/').map_or(0, |at| at + 1);
            NamePart { sample, above: &name[..above], text: stem(name), below: "" }
        };
        let parts: Vec<NamePart> = self.free().into_iter().map(part).collect();
        self.numbers(&parts, "");
    }

    /// Identifiers without a number before a separator, in the names that are left.
    fn words(&mut self) {
        for separator in SEPARATORS {
            let member = |sample: usize| {
                let name = self.dataset.samples[sample].name.as_str();
                let above = name.rfind('/').map_or(0, |at| at + 1);
                let (id, rest) = stem(name).split_once(separator).filter(|(id, _)| !id.is_empty())?;
                Some(Member { sample, above: &name[..above], id, rest: rest.to_owned() })
            };
            let free = self.free().into_iter().filter(|&i| !self.barred[i]);
            let members: Vec<Member> = free.filter_map(member).collect();
            self.word(members, separator);
        }
    }

    fn word(&mut self, members: Vec<Member>, end: &str) {
        let with_letter = members.iter().filter(|m| m.id.contains(char::is_alphabetic)).count();
        if members.is_empty() || 2 * with_letter < members.len() {
            return;
        }
        let with_digit = members.iter().filter(|m| m.id.contains(|c: char| c.is_ascii_digit())).count();
        let plain = 2 * with_digit < members.len();
        let Some(judged) = judge(self.dataset, &members, false) else { return };
        let counted = |m: &Member| m.rest.chars().all(|c| c.is_ascii_digit() || "-_ .()/".contains(c));
        let mean = members.len() / judged.groups.max(1);
        let numbers = members.iter().filter(|m| counted(m)).count();
        if plain && 2 * numbers > members.len() && (mean > MAX_OF_WORD || judged.groups < 2 * MIN_GROUPS) {
            return;
        }
        if plain && judged.groups * 50 < members.len() {
            return;
        }
        self.take("", vec![end.to_owned()], &members, &judged, false);
    }

    /// Identifiers that are numbers in `parts`, each followed by `end` of the part.
    fn numbers(&mut self, parts: &[NamePart], end: &str) {
        let least = (self.dataset.samples.len() / 100).max(2);
        let mut rejected = vec![];
        let all = parts.iter().map(|part| (part, 0)).collect();
        self.explore(all, end, least, &mut rejected);
        // A family without a number that comes back, named as one that has them: `NORMAL2-IM-*-` beside `IM-*-`.
        for (prefix, ends, members) in rejected {
            let alike =
                |taken: &Taken| taken.counted && taken.alternatives.iter().any(|(_, end)| ends.contains(end));
            if counted_share(&members) >= NEARLY_EVERY && self.taken.iter().any(alike) {
                let judged = Judged { reach: Reach::All, groups: members.len(), counted: true };
                self.take(&prefix, ends, &members, &judged, false);
            }
        }
    }

    /// Divides parts, each read up to a place, by the text that follows, and judges the number behind it.
    fn explore<'a>(
        &mut self,
        parts: Vec<(&'a NamePart<'a>, usize)>,
        end: &str,
        least: usize,
        rejected: &mut Rejected<'a>,
    ) {
        let mut families: BTreeMap<&str, Vec<(&NamePart, &str)>> = BTreeMap::new();
        for (part, at) in parts {
            let Some(token) = tokens(&part.text[at..]).into_iter().next() else { continue };
            if !token.number.is_empty() {
                families.entry(&part.text[..at + token.text.len()]).or_default().push((part, token.number));
            }
        }
        for (prefix, members) in families {
            let values: BTreeSet<&str> = members.iter().map(|member| member.1).collect();
            if are_dates(prefix, &members) || (is_category(prefix) && values.len() > FEW) {
                members.iter().for_each(|(part, _)| self.barred[part.sample] = true);
                continue;
            }
            let may_be = values.len() > 1 && !is_category(prefix);
            if members.len() >= least && may_be && self.judge_family(prefix, &members, end, rejected) {
                continue;
            }
            if values.len() <= FEW {
                for value in values {
                    let past = prefix.len() + value.len();
                    let inside = members.iter().filter(|member| member.1 == value);
                    self.explore(inside.map(|member| (member.0, past)).collect(), end, least, rejected);
                }
            }
        }
    }

    /// Takes the number behind `prefix` if it is an identifier.
    fn judge_family<'a>(
        &mut self,
        prefix: &str,
        family: &[(&'a NamePart<'a>, &'a str)],
        end: &str,
        rejected: &mut Rejected<'a>,
    ) -> bool {
        let behind = |part: &NamePart<'a>, number: &str| -> &'a str {
            let text = &part.text[prefix.len() + number.len()..];
            tokens(text).first().map_or("", |token| token.text)
        };
        // What ends the number, by its first letter; what hardly any name has (hashes among numbers) is left.
        let first = |part: &NamePart<'a>, number: &str| behind(part, number).chars().next();
        let mut counts: BTreeMap<Option<char>, usize> = BTreeMap::new();
        family.iter().for_each(|(part, number)| *counts.entry(first(part, number)).or_default() += 1);
        let most = counts.values().max().copied().unwrap_or(0) as f64;
        counts.retain(|_, count| *count as f64 >= RARE_END * most);
        let family = family.iter().filter(|(part, number)| counts.contains_key(&first(part, number)));
        let mut members = vec![];
        let mut texts = vec![];
        for &(part, number) in family {
            texts.push(behind(part, number));
            let rest = format!("{}{}", &part.text[prefix.len() + number.len()..], part.below);
            members.push(Member { sample: part.sample, above: part.above, id: number, rest });
        }
        let mut ends: Vec<String> = beginnings(texts).into_iter().map(str::to_owned).collect();
        if counts.contains_key(&None) {
            ends.push(end.to_owned());
        }
        if ends.len() > MAX_ENDS
            || ends.iter().any(|end| end.contains(['*', '|']))
            || prefix.contains(['*', '|'])
        {
            return false;
        }
        let telling = is_telling(prefix);
        match judge(self.dataset, &members, telling) {
            Some(judged) => self.take(prefix, ends, &members, &judged, telling),
            None => {
                rejected.push((prefix.to_owned(), ends, members));
                false
            }
        }
    }

    /// Files that nothing explains yet.
    fn free(&self) -> Vec<usize> {
        (0..self.claimed.len()).filter(|&i| !self.claimed[i]).collect()
    }

    /// Takes an identifier, if a pattern can say it.
    fn take(
        &mut self,
        prefix: &str,
        ends: Vec<String>,
        members: &[Member],
        judged: &Judged,
        telling: bool,
    ) -> bool {
        let scopes: BTreeSet<&str> = members.iter().map(|member| judged.reach.scope(member.above)).collect();
        let meant: HashMap<usize, String> = members
            .iter()
            .map(|m| (m.sample, format!("{}{prefix}{}", judged.reach.scope(m.above), m.id)))
            .collect();
        if scopes.len() * ends.len() > MAX_ALTERNATIVES
            || scopes.iter().any(|scope| scope.contains(['*', '|']))
        {
            return false;
        }
        // Names of digits alone need no word; where others would be taken too, the varying part begins with a digit.
        for digit in ["", DIGIT] {
            for reversed in [false, true] {
                let mut ends = ends.clone();
                if reversed {
                    ends.reverse();
                }
                let alternatives: Vec<(String, String)> = scopes
                    .iter()
                    .flat_map(|scope| {
                        ends.iter().map(move |end| (format!("{scope}{prefix}{digit}"), end.clone()))
                    })
                    .collect();
                if self.says(&joined(&alternatives.iter().collect::<Vec<_>>()), &meant) {
                    meant.keys().for_each(|&sample| self.claimed[sample] = true);
                    let counted = judged.counted;
                    self.taken.push(Taken { alternatives, meant, telling, counted });
                    return true;
                }
            }
        }
        false
    }

    /// Whether `pattern` makes exactly the groups that are meant, in the files that are not explained yet.
    fn says(&self, pattern: &str, meant: &HashMap<usize, String>) -> bool {
        self.free()
            .into_iter()
            .all(|i| group_from_name(&self.dataset.samples[i].name, pattern).as_ref() == meant.get(&i))
    }

    /// The pattern of all that was taken; what was found last is left out if it would take other files too.
    fn pattern(&self) -> Option<String> {
        (1..=self.taken.len()).rev().find_map(|count| self.pattern_of(self.taken[..count].iter().collect()))
    }

    fn pattern_of(&self, mut taken: Vec<&Taken>) -> Option<String> {
        let files = self.dataset.samples.len();
        let explained = |taken: &[&Taken]| taken.iter().map(|taken| taken.meant.len()).sum::<usize>() as f64;
        if explained(&taken) < EXPLAINED * files as f64 {
            taken.retain(|taken| taken.telling);
            if explained(&taken) < EXPLAINED_BY_WORD * files as f64 {
                return None;
            }
        }
        // Longer texts first; words as they were found, behind the numbers that they would take.
        taken.sort_by_key(|taken| std::cmp::Reverse(taken.alternatives[0].0.len()));
        let alternatives: Vec<&(String, String)> =
            taken.iter().flat_map(|taken| &taken.alternatives).collect();
        let pattern = joined(&alternatives);
        let meant = |i: usize| taken.iter().find_map(|taken| taken.meant.get(&i));
        let says = |i: usize| group_from_name(&self.dataset.samples[i].name, &pattern).as_ref() == meant(i);
        (alternatives.len() <= MAX_ALTERNATIVES && (0..files).all(says)).then_some(pattern)
    }
}

fn joined(alternatives: &[&(String, String)]) -> String {
    alternatives.iter().map(|(before, end)| format!("{before}*{end}")).collect::<Vec<_>>().join("|")
}

/// Whether the numbers behind `prefix` are days: `20230105`, or `2023-01-05`.
fn are_dates(prefix: &str, members: &[(&NamePart, &str)]) -> bool {
    let is = |(part, number): &(&NamePart, &str)| {
        let year = |text: &str| text.parse::<u32>().is_ok_and(|year| (1900..2100).contains(&year));
        let within = |text: &str, last: u32| text.parse::<u32>().is_ok_and(|n| (1..=last).contains(&n));
        match number.len() {
            8 => year(&number[..4]) && within(&number[4..6], 12) && within(&number[6..], 31),
            4 => {
                let next = tokens(&part.text[prefix.len() + 4..]);
                let month = next.first().is_some_and(|token| {
                    token.text.len() == 1 && token.number.len() == 2 && within(token.number, 12)
                });
                year(number) && month
            }
            _ => false,
        }
    };
    members.iter().all(is)
}

/// The pieces of a path with their places.
fn pieces(name: &str) -> Vec<(usize, &str)> {
    let starts = std::iter::once(0).chain(name.match_indices('/').map(|(at, _)| at + 1));
    starts.zip(name.split('/')).collect()
}

/// Where the name of a sample goes on below the folders of its class and split.
fn below_class(dataset: &Dataset, sample: usize) -> usize {
    let sample = &dataset.samples[sample];
    let class = &dataset.classes[sample.label];
    let mut folders = pieces(&sample.name);
    folders.pop();
    let is = |text: &str| text.eq_ignore_ascii_case(class) || text.parse::<data::Split>().is_ok();
    folders.iter().rev().find(|(_, text)| is(text)).map_or(0, |(at, text)| at + text.len() + 1)
}

/// The groups that `pattern` makes, numbered from 0; a name that it does not fit stands alone.
pub fn groups_of(dataset: &Dataset, pattern: &str) -> Vec<usize> {
    let key = |name: &'_ str| group_from_name(name, pattern).ok_or(name.to_owned());
    group_ids(&dataset.samples.iter().map(|sample| key(&sample.name)).collect::<Vec<_>>())
}
