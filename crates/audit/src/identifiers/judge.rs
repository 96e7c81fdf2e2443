//! Whether numbers or words in names are identifiers: they come back with something else behind them, and folders do not
//! count them anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use data::Dataset;

use crate::tokens::tokens;

/// Of the identifiers that two folders share, this share stands in the same names: each folder counts anew.
const COUNTED_ANEW: f64 = 0.5;
/// And of a folder's identifiers at least this share is in another folder too.
const SHARED: f64 = 0.2;
/// The share of files that belong to another by a plain number, so that it is taken for an identifier.
const REPEATED: f64 = 0.5;
/// The same, if what follows the number begins at 0 or 1 with (nearly) every number: `IM-0115-0001`.
const REPEATED_COUNTED: f64 = 0.05;
pub const NEARLY_EVERY: f64 = 0.8;
/// Groups that a plain number or word makes, at least: two kinds of files are no patients.
pub const MIN_GROUPS: usize = 3;
/// A number of so few values may be a kind of file, and what follows is looked at for each.
pub const FEW: usize = 12;

/// A part with what may be its identifier.
pub struct Member<'a> {
    pub sample: usize,
    pub above: &'a str,
    pub id: &'a str,
    /// What stands behind the identifier.
    pub rest: String,
}

/// How far an identifier reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All folders.
    All,
    /// Folders of one name.
    Folder,
    /// One folder.
    Path,
}

impl Reach {
    /// What stands before the identifier.
    pub fn scope(self, above: &str) -> &str {
        match self {
            Self::All => "",
            Self::Folder => above.trim_end_matches('/').rfind('/').map_or(above, |at| &above[at + 1..]),
            Self::Path => above,
        }
    }
}

/// The answer.
pub struct Judged {
    pub reach: Reach,
    pub groups: usize,
    /// Whether what follows is counted anew for every identifier.
    pub counted: bool,
}

/// What stands behind an identifier, and the classes of its images.
type Gathered<'a> = (BTreeSet<&'a str>, BTreeSet<usize>);

/// Whether the identifiers of `members` say what belongs together, and how far they reach.
pub fn judge(dataset: &Dataset, members: &[Member], telling: bool) -> Option<Judged> {
    let keys = rest_keys(members);
    let reach = [Reach::All, Reach::Folder, Reach::Path];
    let reach =
        reach.into_iter().find(|&reach| reach == Reach::Path || !is_counted_anew(members, &keys, reach))?;
    let mut groups: BTreeMap<(&str, &str), Gathered> = BTreeMap::new();
    for (member, key) in members.iter().zip(&keys) {
        let group = groups.entry((reach.scope(member.above), member.id)).or_default();
        group.0.insert(key);
        group.1.insert(dataset.samples[member.sample].label);
    }
    let files: usize = groups.values().map(|group| group.0.len()).sum();
    let repeated: usize = groups.values().map(|group| group.0.len()).filter(|&n| n > 1).sum();
    let share = repeated as f64 / files as f64;
    let counted = counted_share(members) >= NEARLY_EVERY;
    let are_classes =
        groups.len() <= dataset.classes.len() && groups.values().all(|(_, labels)| labels.len() == 1);
    let repeats = match (telling, counted) {
        (true, _) => repeated > 0,
        (false, true) => share >= REPEATED_COUNTED,
        (false, false) => share >= REPEATED,
    };
    let least = if telling { 2 } else { MIN_GROUPS };
    // A few numbers before one that counts all files: hospitals, batches.
    let mut of_key: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (member, key) in members.iter().zip(&keys) {
        of_key.entry(key).or_default().insert(member.id);
    }
    let are_kinds = !telling && groups.len() <= FEW && of_key.values().all(|ids| ids.len() == 1);
    (repeats && groups.len() >= least && !are_classes && !are_kinds).then_some(Judged {
        reach,
        groups: groups.len(),
        counted,
    })
}

/// What stands behind each identifier, without words that every name of its folder has (`_bacteria_`).
fn rest_keys(members: &[Member]) -> Vec<String> {
    let words = |rest: &str| rest.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let mut of_folder: HashMap<&str, BTreeSet<String>> = HashMap::new();
    for member in members {
        of_folder.entry(member.above).or_default().insert(words(&member.rest));
    }
    let key = |m: &Member| match of_folder[m.above].len() {
        1 => tokens(&m.rest).iter().map(|token| token.number).collect::<Vec<_>>().join(" "),
        _ => m.rest.clone(),
    };
    members.iter().map(key).collect()
}

/// Whether the folders within `reach` count anew: what they share of identifiers stands in the same names.
fn is_counted_anew(members: &[Member], keys: &[String], reach: Reach) -> bool {
    let mut places: BTreeMap<(&str, &str), BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    let mut in_folder: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (member, key) in members.iter().zip(keys) {
        let place = places.entry((reach.scope(member.above), member.id)).or_default();
        place.entry(key).or_default().insert(member.above);
        in_folder.entry(member.above).or_default().insert(member.id);
    }
    let is_shared =
        |keys: &&BTreeMap<&str, BTreeSet<&str>>| keys.values().flatten().collect::<BTreeSet<_>>().len() > 1;
    let shared: Vec<_> = places.values().filter(is_shared).collect();
    let same = shared.iter().filter(|keys| keys.values().any(|folders| folders.len() > 1)).count();
    if is_serial_of_folders(members, keys, reach) {
        return true;
    }
    let mut sizes: Vec<usize> = in_folder.values().map(BTreeSet::len).collect();
    sizes.sort_unstable();
    let second = sizes.iter().rev().nth(1).copied().unwrap_or(0);
    same > 0
        && same as f64 >= COUNTED_ANEW * shared.len() as f64
        && shared.len() as f64 >= SHARED * second as f64
}

/// Whether the number behind the identifiers counts all files of a folder, and does so in other folders too.
fn is_serial_of_folders(members: &[Member], keys: &[String], reach: Reach) -> bool {
    let mut places: BTreeMap<(&str, &str), BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for (member, key) in members.iter().zip(keys).filter(|(_, key)| !key.is_empty()) {
        let place = places.entry((reach.scope(member.above), key)).or_default();
        place.entry(member.above).or_default().insert(member.id);
    }
    let serial = places.values().flat_map(BTreeMap::values).all(|ids| ids.len() == 1);
    let shared = places.values().filter(|folders| folders.len() > 1).count();
    serial && shared as f64 >= COUNTED_ANEW * (places.len() - shared) as f64 && shared > 0
}

/// The share of identifiers behind which the first number is 0 or 1 at least once.
pub fn counted_share(members: &[Member]) -> f64 {
    let mut first: BTreeMap<&str, bool> = BTreeMap::new();
    for member in members {
        let number = tokens(&member.rest).first().and_then(|token| token.number.parse::<u64>().ok());
        *first.entry(member.id).or_default() |= number.is_some_and(|number| number <= 1);
    }
    first.values().filter(|&&is| is).count() as f64 / first.len().max(1) as f64
}
