//! Hundreds of classes, and names that are too long: lines stay lines, and a page stays a page.

use crate::support::{trained, vertebra};
use model::{Architecture, Metadata, Model, Preprocessing};
use nn::Learner;
use std::path::Path;

/// A data set of `classes` classes with two images of each, and a model for them that has learned nothing.
pub fn set(folder: &Path, classes: &[String]) {
    let image = std::fs::read(trained().join("data/test/disc/0.png")).unwrap();
    std::fs::create_dir_all(folder.join("images")).unwrap();
    let mut table = String::from("path,label,split\n");
    for (at, class) in classes.iter().enumerate() {
        for (copy, split) in [(0, "train"), (1, "train"), (2, "val"), (3, "test")] {
            let name = format!("images/{at}-{copy}.png");
            std::fs::write(folder.join(&name), &image).unwrap();
            table += &format!("{name},{class},{split}\n");
        }
    }
    std::fs::write(folder.join("data.csv"), table).unwrap();
    let named = Architecture::named("mobilenet-v1").unwrap();
    let size = [32; 2];
    let architecture =
        Architecture { width: 0.25, image_size: size, channels: 1, classes: classes.len(), ..named };
    let weights = Learner::new(architecture.network().unwrap(), 5).weights();
    let metadata = Metadata::new(architecture, classes.to_vec(), Preprocessing::new(1, size));
    Model::new(metadata, weights).unwrap().write(folder.join("model.safetensors")).unwrap();
}

#[test]
fn hundreds_of_classes_fit_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let classes: Vec<String> = (0..400).map(|i| format!("finding {i:03}")).collect();
    set(folder.path(), &classes);
    let ended =
        vertebra(folder.path(), &["evaluate", "model.safetensors", "data.csv", "--report", "page.html"]).ok();
    assert!(ended.stdout.len() < 6000, "{} bytes: {}", ended.stdout.len(), ended.stdout);
    assert!(ended.stdout.contains("390 more of 400") && ended.stderr.len() < 2000, "{}", ended.stdout);
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
    let cells = page.matches("<td>").count();
    assert!(cells < 1000 && page.contains("largest confusions of 400 classes"), "{cells} cells");
    let ended = vertebra(folder.path(), &["evaluate", "model.safetensors", "data.csv", "--json"]).ok().json();
    let confusion = ended["confusion"].as_array().unwrap();
    assert_eq!((confusion.len(), confusion[0].as_array().unwrap().len()), (400, 400));
    assert_eq!(ended["per_class"].as_array().unwrap().len(), 400);
    assert!(!ended["largest_confusions"].as_array().unwrap().is_empty());

    let predict = ["predict", "model.safetensors", "images/0-0.png"];
    let line = vertebra(folder.path(), &predict).ok().stdout;
    assert!(line.len() < 500 && line.contains("and 390 more"), "{line}");
    let compared =
        vertebra(folder.path(), &["compare", "model.safetensors", "model.safetensors", "data.csv"]).ok();
    assert!(compared.stdout.len() < 4000, "{}", compared.stdout);
    let train =
        ["train", "data.csv", "--out", "run", "--width", "0.25", "--image-size", "32", "--max-steps", "1"];
    let trained = vertebra(folder.path(), &train).ok();
    assert!(
        trained.stdout.len() < 6000 && trained.stderr.len() < 3000,
        "{}\n{}",
        trained.stdout,
        trained.stderr
    );
    assert!(trained.stderr.contains("and 388 more"), "{}", trained.stderr);
    let card = std::fs::read_to_string(folder.path().join("run/model-card.md")).unwrap();
    assert!(card.len() < 40_000, "{} bytes", card.len());
    // Errors too: a model of other classes.
    let run = crate::support::trained().join("run");
    let ended =
        vertebra(folder.path(), &["evaluate", run.to_str().unwrap(), "data.csv"]).fails(1, &["388 more"]);
    assert!(ended.stderr.len() < 1500, "{}", ended.stderr);
    let inspected = vertebra(folder.path(), &["inspect", "model.safetensors"]).ok().stdout;
    assert!(inspected.contains("and 388 more"), "{inspected}");
}

#[test]
fn a_very_long_name_is_cut_where_people_read() {
    let folder = tempfile::tempdir().unwrap();
    let long = "a fracture that was described at some length ".repeat(80);
    let classes = [long.trim().to_owned(), "normal".to_owned(), "other".to_owned()];
    set(folder.path(), &classes);
    let ended = vertebra(folder.path(), &["evaluate", "model.safetensors", "data.csv"]).ok();
    assert!(ended.stdout.lines().all(|line| line.chars().count() < 200), "{}", ended.stdout);
    let ended = vertebra(folder.path(), &["evaluate", "model.safetensors", "data.csv", "--json"]).ok().json();
    assert_eq!(ended["per_class"][0]["class"], classes[0].as_str(), "whole, for machines");
}
