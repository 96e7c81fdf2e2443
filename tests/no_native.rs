//! Nothing that is built for users compiles or links C: the binary is one file, on any system.

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// Packages with a `links` key that link nothing: it keeps two versions of themselves out of one binary.
const LINKS_NOTHING: [&str; 2] = ["rayon-core", "wasm-bindgen-shared"];
/// Declarations of system calls and system libraries: Rust source, no C.
const BINDINGS: [&str; 4] = ["linux-raw-sys", "windows-sys", "js-sys", "web-sys"];
/// What build scripts compile or look for C with.
const C_BUILDERS: [&str; 8] =
    ["cc", "cmake", "pkg-config", "bindgen", "nasm-rs", "gcc", "vcpkg", "system-deps"];

#[test]
fn no_package_compiles_or_links_c() {
    let rustc = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let about = String::from_utf8(rustc.stdout).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--filter-platform",
            host,
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages: BTreeMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<String, Value> =
        list(&metadata["resolve"]["nodes"]).into_iter().map(|node| (text(&node["id"]), node)).collect();

    // From the binary along normal and build dependencies.
    let mut found = BTreeMap::new();
    let mut todo = vec![text(&metadata["resolve"]["root"])];
    while let Some(id) = todo.pop() {
        if found.contains_key(&id) {
            continue;
        }
        for dependency in list(&nodes[&id]["deps"]) {
            if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev") {
                todo.push(text(&dependency["pkg"]));
            }
        }
        found.insert(id.clone(), &packages[&id]);
    }
    assert!(found.len() > 20, "the tree was walked");
    for package in found.values() {
        let name = text(&package["name"]);
        assert!(!C_BUILDERS.contains(&name.as_str()), "{name} builds C");
        assert!(
            !name.ends_with("-sys") || BINDINGS.contains(&name.as_str()),
            "{name} binds a native library"
        );
        assert!(
            package["links"].is_null() || LINKS_NOTHING.contains(&name.as_str()),
            "{name} links {}",
            package["links"]
        );
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
