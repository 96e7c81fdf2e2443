//! ARCHITECTURE.md says which crate knows which, and Cargo.toml must agree.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The crates of the workspace, each with those that it depends on, as their manifests have it.
fn in_manifests() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    let ours: Vec<(String, String)> = members
        .split('"')
        .skip(1)
        .step_by(2)
        .map(|path| (path.rsplit('/').next().unwrap_or(path).to_owned(), path.to_owned()))
        .collect();
    let depends = |path: &str| -> Vec<String> {
        let manifest = fs::read_to_string(root.join(path).join("Cargo.toml")).unwrap();
        let section = manifest.split("\n[").find_map(|section| section.strip_prefix("dependencies]"));
        let lines: Vec<&str> = section.unwrap_or_default().lines().collect();
        let is_there =
            |name: &&String| lines.iter().any(|line| line.split(['.', ' ']).next() == Some(name.as_str()));
        ours.iter().map(|(name, _)| name).filter(is_there).cloned().collect()
    };
    ours.iter().map(|(name, path)| (name.clone(), depends(path))).collect()
}

#[test]
fn the_table_of_crates_is_that_of_the_manifests() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md")).unwrap();
    let manifests = in_manifests();
    assert!(manifests.len() > 10, "{manifests:?}");
    let mut told = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" |").map(str::trim).collect();
        let name = cells[0].trim_matches('`').trim_end_matches('/').trim_start_matches("crates/");
        let is_ours = |name: &&str| manifests.contains_key(*name);
        if let (Some(_), [_, _, depends]) = (manifests.get(name), &cells[..]) {
            let mut depends: Vec<String> = depends.split(", ").filter(is_ours).map(str::to_owned).collect();
            depends.sort();
            told.insert(name.to_owned(), depends);
        }
    }
    let sorted = manifests.into_iter().map(|(name, mut depends)| {
        depends.sort();
        (name, depends)
    });
    for (name, depends) in sorted {
        assert_eq!(told.get(&name), Some(&depends), "{name} in ARCHITECTURE.md and in Cargo.toml");
    }
}

/// Nobody who builds the program needs Python, and no library of it is meant for others to link.
#[test]
fn the_bindings_are_no_default_members() {
    let workspace = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let line = |start: &str| workspace.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    let (members, built) = (line("members = ["), line("default-members = ["));
    for bindings in ["crates/python", "crates/capi"] {
        assert!(members.contains(bindings) && !built.contains(bindings), "{bindings}");
    }
    let others = members.matches("\", \"").count() - 2;
    // And the root package.
    assert_eq!(built.matches("\", \"").count(), others + 1, "all others are");
}

/// What a deployment links has no archive, no HDF5, no decoder of images and no trainer behind it.
#[test]
fn a_deployment_links_little() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "predict", "--edges", "normal", "--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let linked: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(linked.contains(&"infer") && linked.len() > 10, "{tree}");
    for unwanted in ["zip", "hdf5-pure", "getrandom", "image", "data", "train", "autograd"] {
        assert!(!linked.contains(&unwanted), "{unwanted} is linked:\n{tree}");
    }
}
