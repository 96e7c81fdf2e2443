//! Families of copies, and how many of their pairs the search finds:
//! `cargo run --release -p duplicates --example families -- [choosing|reporting|SEED] [SUBJECT/CHANGE/COPIES ...]`.
//!
//! `*` stands for any. Settings may be chosen on the half `choosing` (seed 1, without a word) alone; `reporting` (seed 2) has other
//! pictures and other draws, and so has any other seed.
//! `-- manifest FILE COLUMN` does the same for a set on disk, of which a column of the manifest names the picture.
//! For each family one line: recall and precision of the pairs that are called copies, and of those called one series.
//!
//! `-- strangers SEED [SUBJECT/CHANGE/COUNT ...]` searches sets without copies, COUNT pictures once each: one line a
//! set, with how many pictures were called a copy of another.
//!
//! `-- write DIR [choosing|reporting|SEED] [SUBJECT/CHANGE/COPIES ...]` scores nothing. It writes the families for other
//! tools, as DIR/SUBJECT-CHANGE-COPIES/0000.png and on, with a manifest.csv whose `source` is the number of the
//! picture.

#[path = "../tests/it/families.rs"]
mod families;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/plant.rs"]
mod plant;

use data::Dataset;
use duplicates::{Similar, Thumbnail, find};
use families::{CHANGES, Family, Subject};
use model::Preprocessing;
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fs;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, file, column] = &wanted[..]
        && mode == "manifest"
    {
        return score_manifest(Path::new(file), column);
    }
    let out = match &wanted[..] {
        [mode] if mode == "write" => return Err("expected a folder to write to".into()),
        [mode, ..] if mode == "write" => wanted.drain(..2).nth(1),
        _ => None,
    };
    let once = wanted.first().is_some_and(|mode| mode == "strangers");
    if once {
        wanted.remove(0);
    }
    let seed = match wanted.first().map(String::as_str) {
        Some("reporting") => Some(2),
        Some("choosing") => Some(1),
        other => other.and_then(|word| word.parse().ok()),
    };
    if seed.is_some() {
        wanted.remove(0);
    }
    let is_wanted = |name: &str| {
        let fits = |word: &String| word.split('/').zip(name.split('/')).all(|(w, n)| w == "*" || w == n);
        wanted.is_empty() || wanted.iter().any(fits)
    };
    if once {
        return strangers(seed.unwrap_or(1), &is_wanted);
    }
    for subject in Subject::ALL {
        for change in 0..CHANGES.len() {
            for copies in [2, 5, 10, 20, 40, 80] {
                let family = Family { subject, change, copies, seed: seed.unwrap_or(1) };
                if !is_wanted(&family.name()) {
                    continue;
                }
                match &out {
                    Some(out) => write(&family, Path::new(out))?,
                    None => score(&family)?,
                }
            }
        }
    }
    Ok(())
}

/// One folder a family: files under numbers, which say nothing of the picture, and what they are copies of.
fn write(family: &Family, out: &Path) -> Result<(), Box<dyn Error>> {
    let folder = out.join(family.name().replace('/', "-"));
    let mut manifest = String::from("path,source\n");
    for (i, (picture, gray)) in family.images().iter().enumerate() {
        let name = format!("{i:04}.png");
        gray.save(&folder.join(&name))?;
        manifest += &format!("{name},{picture}\n");
    }
    Ok(fs::write(folder.join("manifest.csv"), manifest)?)
}

/// The same for a set on disk, whose `column` of the manifest says which files are copies of one picture.
fn score_manifest(file: &Path, column: &str) -> Result<(), Box<dyn Error>> {
    let dataset = Dataset::open(file)?;
    let at = dataset.columns.iter().position(|name| name == column);
    let mut numbers = HashMap::new();
    let key =
        |i: usize| at.map_or(dataset.samples[i].name.clone(), |at| dataset.samples[i].extra[at].clone());
    let truth: Vec<usize> = (0..dataset.samples.len())
        .map(|i| {
            let next = numbers.len();
            *numbers.entry(key(i)).or_insert(next)
        })
        .collect();
    let start = Instant::now();
    let thumbnail = |i: usize| {
        let picture = data::decode(&dataset.samples[i].path).ok()?;
        let size = (picture.height, picture.width);
        let gray = model::pixels(&picture, &Preprocessing::new(1, [size.0, size.1]));
        Some(Thumbnail::new(&gray, size))
    };
    let (_, found) = find(truth.len(), &|i| ((), thumbnail(i)), &|_| ControlFlow::Continue(()))?;
    print(
        &file.display().to_string(),
        &truth,
        numbers.len(),
        &found,
        start.elapsed().as_secs_f64(),
        f64::NAN,
    );
    Ok(())
}

/// Sets of pictures that are there once, each changed in the way of its set.
fn strangers(seed: u64, is_wanted: &dyn Fn(&str) -> bool) -> Result<(), Box<dyn Error>> {
    for subject in Subject::ALL {
        for count in [6, 8, 12, 20, 40, 80] {
            let pictures = subject.pictures(count, seed);
            if pictures.len() < count {
                continue; // Of some a seed has no more.
            }
            for change in 0..CHANGES.len() {
                let family = Family { subject, change, copies: 2, seed };
                let name = format!("{}/{}/{count}", subject.name(), CHANGES[change].0);
                if !is_wanted(&name) {
                    continue;
                }
                // The second image of each picture, which is no original.
                let images: Vec<_> = family.images_of(&pictures).split_off(count);
                let thumbnail = |i: usize| {
                    let gray = &images[i].1;
                    Some(Thumbnail::new(&gray.values, (gray.height, gray.width)))
                };
                let (_, found) = find(count, &|i| ((), thumbnail(i)), &|_| ControlFlow::Continue(()))?;
                let sets = |ids: &[usize]| ids.iter().collect::<HashSet<_>>().len();
                let [sources, series] = [sets(&found.source), sets(&found.series)];
                let wrong = count - sources;
                println!("{name:28} {sources} sources, {series} series; {wrong} called a copy of another");
            }
        }
    }
    Ok(())
}

fn score(family: &Family) -> Result<(), duplicates::Error> {
    let images = family.images();
    let start = Instant::now();
    let thumbnail = |i: usize| {
        let gray = &images[i].1;
        Some(Thumbnail::new(&gray.values, (gray.height, gray.width)))
    };
    let (_, found) = find(images.len(), &|i| ((), thumbnail(i)), &|_| ControlFlow::Continue(()))?;
    let seconds = start.elapsed().as_secs_f64();
    let truth: Vec<usize> = images.iter().map(|image| image.0).collect();
    print(&family.name(), &truth, family.pictures(), &found, seconds, CHANGES[family.change].2);
    Ok(())
}

fn print(name: &str, truth: &[usize], pictures: usize, found: &Similar, seconds: f64, asked: f64) {
    let (recall, precision) = recall_and_precision(truth, &found.source);
    let (together, alone) = recall_and_precision(truth, &found.series);
    let count = |ids: &[usize]| ids.iter().collect::<HashSet<_>>().len();
    let short = if recall < asked || precision < 0.99 { "SHORT " } else { "" };
    println!(
        "{name:28} {:4} images of {pictures:2} pictures: recall {recall:.3} precision {precision:.3} ({}..{} sources), \
         series {together:.3} {alone:.3} ({}); {seconds:.1} s; {short}asked {asked:.2}",
        truth.len(),
        count(&found.perhaps),
        count(&found.source),
        count(&found.series),
    );
}

/// Of the pairs with equal `truth` those that are equal in `found`, and the other way round.
fn recall_and_precision(truth: &[usize], found: &[usize]) -> (f64, f64) {
    let both: Vec<(usize, usize)> = truth.iter().copied().zip(found.iter().copied()).collect();
    let right = pairs(&both);
    (right / pairs(truth).max(1.0), right / pairs(found).max(1.0))
}

fn pairs<K: Eq + Hash>(keys: &[K]) -> f64 {
    let mut sizes: HashMap<&K, f64> = HashMap::new();
    keys.iter().for_each(|key| *sizes.entry(key).or_default() += 1.0);
    sizes.values().map(|n| n * (n - 1.0) / 2.0).sum()
}
