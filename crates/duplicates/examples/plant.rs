//! Plants copies of training pictures in the test split of a data set, for comparing tools that look for copies:
//! `cargo run --release -p duplicates --example plant -- DATA OUT [COPIES-OF-EACH-KIND]`.
//!
//! OUT gets the pictures of DATA as gray PNG files, `{train,test}/CLASS/...`, the copies in `test`, and `truth.csv`,
//! whose rows are the copy, its kind and what it is a copy of. DATA must have splits, and no picture in both.

#[path = "../tests/it/plant.rs"]
mod plant;

use data::{Dataset, Split};
use engine::{Rng, par};
use plant::{Gray, KINDS, MORE};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (source, out, each) = match &arguments[..] {
        [source, out] => (source, Path::new(out), 40),
        [source, out, each] => (source, Path::new(out), each.parse()?),
        _ => return Err("usage: plant DATA OUT [COPIES-OF-EACH-KIND]".into()),
    };
    let dataset = Dataset::open(Path::new(source))?;
    let split = |split: Option<Split>| if split == Some(Split::Train) { "train" } else { "test" };
    let name = |i: usize| {
        let sample = &dataset.samples[i];
        let stem = sample.path.file_stem().unwrap_or_default().to_string_lossy();
        format!("{}/{}/{i:05}-{stem}.png", split(sample.split), dataset.classes[sample.label])
    };
    par::map(dataset.samples.len(), |i| read(&dataset.samples[i].path)?.save(&out.join(name(i))))
        .into_iter()
        .collect::<Result<Vec<()>, String>>()?;

    let mut train = dataset.part(Split::Train);
    Rng::derive(&[0]).shuffle(&mut train);
    let kinds: Vec<_> = KINDS.into_iter().chain(MORE).collect();
    let rows = par::map(kinds.len() * each, |i| -> Result<String, String> {
        let (kind, make) = kinds[i / each];
        let original = train[i % train.len()];
        let sample = &dataset.samples[original];
        let copy = make(&read(&sample.path)?, &mut Rng::derive(&[1, i as u64]));
        let path = format!("test/{}/copy-{i:05}.png", dataset.classes[sample.label]);
        copy.save(&out.join(&path))?;
        Ok(format!("{path},{kind},{}\n", name(original)))
    });
    let rows = rows.into_iter().collect::<Result<String, String>>()?;
    std::fs::write(out.join("truth.csv"), format!("path,kind,source\n{rows}"))?;
    Ok(())
}

fn read(path: &Path) -> Result<Gray, String> {
    let picture = data::decode(path).map_err(|error| error.to_string())?;
    let (width, height) = (picture.width, picture.height);
    let values = model::pixels(&picture, &model::Preprocessing::new(1, [height, width]));
    Ok(Gray { width, height, values })
}
