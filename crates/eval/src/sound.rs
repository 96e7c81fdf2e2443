//! What a class name sounds like: a finding, or the absence of one.
//!
//! Names are read word by word (`no_fracture`, `NotFractured`, `covid-negative`, `Control group`), a negation takes the word
//! behind it (`not normal` is a finding), and words that merely begin like one are left alone (`nodule`, `notch`, `union`).

/// What a name sounds like, from a finding to the absence of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sound {
    /// The negation of a good state: `not normal`, `nonunion`, `unstable`.
    Finding,
    Neutral,
    /// The lesser of two: `benign`, `other`.
    Mild,
    Negative,
}

/// Words that negate what follows them, or stand for it; and those of Spanish, French, Italian, German, Dutch and Danish that
/// mean nothing else where classes are named.
const PARTICLES: &str = "\
    no non not un without wo never lacks lacking sin sans senza ohne kein keine geen zonder ingen uden";

/// Words for the absence of a finding.
const ABSENT: &str = "\
    normal normals healthy health negative negatives negativ neg control controls ctrl ctl absent \
    absence none nothing clear clean intact unremarkable false undetected wnl nad noncase asymptomatic wildtype \
    sano sana sanos sanas sain saine sains gesund gesunde gezond gezonde frisk rask saudavel saudável \
    negativo negativa negatif negatief contrôle kontrolle kontroll kontrol";

/// Words for the lesser of two findings, or for all that is left.
const MILD: &str = "benign other others rest background ok okay good pass";

/// Good states: no absence of a finding by themselves, but a finding when they are negated.
const GOOD: &str = "\
    union united compliant compliance viable stable well healed healing adherent controlled safe fit \
    recovered accidental responsive patent sterile";

/// What follows `non` in the name of a disease.
const IN_NAMES: &str = "hodgkin hodgkins small specific steroidal";

/// Beginnings of what is found in images, so that `nofracture` and `NOTUMOR` are understood as one word.
const FINDINGS: &str = "\
    fract finding covid pneumo tumor tumour cancer carcin diseas lesion nodul abnormal herni effusion \
    injur infect tubercul patholog defect malign hemorr haemorr bleed stroke edema oedema disloc displac \
    affect remarkab broken damag symptom arthr osteo scolio metast crack ruptur opaci consolid atelect \
    cardiom emphys fibros positiv";

/// Whole words of the same kind that are too short to be a beginning.
const SHORT_FINDINGS: &str = "tb ill sick mass case cases sign signs tear torn dr ich fx";

/// Whether `word` is one of a list.
fn among(list: &str, word: &str) -> bool {
    list.split(' ').any(|known| known == word)
}

/// What `name` sounds like beside the name of the `other` class.
pub(crate) fn sound(name: &str, other: &str) -> Sound {
    let others: Vec<String> =
        words(other, Camel::LastOfRun).into_iter().chain(words(other, Camel::Run)).collect();
    // Where capitals end in a small letter, the last capital may begin a word (`NOFinding`) or not (`COVIDnegative`).
    let readings = [Camel::LastOfRun, Camel::Run].map(|camel| sound_of_words(&words(name, camel), &others));
    readings.into_iter().find(|&sound| sound != Sound::Neutral).unwrap_or(Sound::Neutral)
}

fn sound_of_words(words: &[String], others: &[String]) -> Sound {
    let (mut finding, mut mild, mut negative) = (false, false, false);
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let next = words.get(at).map(String::as_str);
        let particle = among(PARTICLES, word) || (word == "w" && next == Some("o"));
        if particle {
            let step = usize::from(word == "w");
            let article =
                words.get(at + step).is_some_and(|word| ["a", "an", "any", "the"].contains(&&**word));
            let negated = words.get(at + step + usize::from(article)).map(String::as_str);
            match negated {
                // "No. 5" counts.
                Some(number) if word == "no" && number.bytes().all(|byte| byte.is_ascii_digit()) => {}
                Some(disease) if word == "non" && among(IN_NAMES, disease) => {}
                Some(state) if is_good(state) => {
                    finding = true;
                    at += step + usize::from(article) + 1;
                }
                _ => negative = true,
            }
            continue;
        }
        match word.as_str() {
            // Clear-cell carcinoma.
            "clear" if next == Some("cell") => {}
            // "fracture-free", but not free fluid.
            "free" => negative |= at > 1 && next.is_none() || matches!(next, Some("of" | "from")),
            word if among(ABSENT, word) => negative = true,
            word if among(MILD, word) => mild = true,
            word => match sound_of_one(word, others) {
                Sound::Negative => negative = true,
                Sound::Finding => finding = true,
                _ => {}
            },
        }
    }
    match (negative, finding, mild) {
        (true, ..) => Sound::Negative,
        (_, true, _) => Sound::Finding,
        (.., true) => Sound::Mild,
        _ => Sound::Neutral,
    }
}

/// Whether a word is a state whose negation is a finding.
fn is_good(word: &str) -> bool {
    [GOOD, ABSENT, MILD].iter().any(|list| among(list, word))
}

/// A word that is none of the lists: a negation written together with what it negates, or none.
fn sound_of_one(word: &str, others: &[String]) -> Sound {
    if ["abnormal", "abnormals", "anormal"].contains(&word) {
        return Sound::Finding;
    }
    if among(GOOD, word) {
        return Sound::Neutral;
    }
    let begins = |start: &str| word.strip_prefix(start).is_some_and(|rest| !rest.starts_with('i'));
    if word.ends_with("negative") || begins("normal") || begins("healthy") || begins("control") {
        return Sound::Negative;
    }
    for prefix in ["without", "non", "not", "no", "un"] {
        let Some(rest) = word.strip_prefix(prefix).filter(|rest| rest.len() >= 2) else { continue };
        if among(IN_NAMES, rest) {
            return Sound::Neutral;
        }
        if is_good(rest) {
            return Sound::Finding;
        }
        let known = FINDINGS.split(' ').any(|start| rest.starts_with(start)) || among(SHORT_FINDINGS, rest);
        if known || others.iter().any(|other| alike(rest, other)) {
            return Sound::Negative;
        }
    }
    Sound::Neutral
}

/// Whether two words are forms of one: equal, or with a common beginning that is most of both (`fractured`, `fractures`).
fn alike(a: &str, b: &str) -> bool {
    let common = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    a == b || (common >= 4 && 3 * common >= 2 * a.chars().count().max(b.chars().count()))
}

/// How capitals before a small letter are divided.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Camel {
    /// The last of them begins the next word: `NOFinding` is `NO Finding`.
    LastOfRun,
    /// They are a word of their own, unless there is only one: `COVIDnegative` is `COVID negative`.
    Run,
}

/// The words of a name, in small letters: divided at whatever is neither letter nor digit, between letters and digits, and
/// where capitals begin.
pub(crate) fn words(name: &str, camel: Camel) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![];
    let mut word = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let two_before = at.checked_sub(2).map(|before| letters[before]);
        let after = letters.get(at + 1);
        let begins = before.is_some_and(|before| {
            let digits = before.is_ascii_digit() != letter.is_ascii_digit();
            let rise = before.is_lowercase() && letter.is_uppercase();
            let last = camel == Camel::LastOfRun
                && before.is_uppercase()
                && letter.is_uppercase()
                && after.is_some_and(|after| after.is_lowercase());
            let run = camel == Camel::Run
                && letter.is_lowercase()
                && before.is_uppercase()
                && two_before.is_some_and(char::is_uppercase);
            digits || rise || last || run
        });
        if (begins || !letter.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        // An apostrophe divides no word: "don't", "Hodgkin's".
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}
