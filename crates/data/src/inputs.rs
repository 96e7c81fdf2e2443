//! What a person means by naming images: a file, a folder, a pattern, or `-` for paths on stdin.
//!
//! A file that is named is tried, whatever it is called; a folder or a pattern stands for the images found there, in
//! order of path. Invariant: what cannot be found is an item of its own, in its place, and never ends the sequence.

use crate::folder::is_image;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Component, Path, PathBuf};

/// A path to read, or the argument that means none and why.
pub type Input = Result<PathBuf, (PathBuf, String)>;

/// Every image that `arguments` mean, in their order. A folder is searched, and stdin is read, when its turn comes.
pub fn inputs(arguments: Vec<PathBuf>) -> impl Iterator<Item = Input> {
    arguments.into_iter().flat_map(|argument| -> Box<dyn Iterator<Item = Input>> {
        if argument.as_os_str() == "-" {
            return Box::new(io::stdin().lines().filter_map(|line| match line {
                Ok(line) if line.is_empty() => None,
                Ok(line) => Some(Ok(line.into())),
                Err(error) => Some(Err(("-".into(), error.to_string()))),
            }));
        }
        match expand(&argument) {
            Ok(paths) if paths.is_empty() => {
                Box::new([Err((argument, "expected images; found none".into()))].into_iter())
            }
            Ok(paths) => Box::new(paths.into_iter().map(Ok)),
            Err(error) => Box::new([Err((argument, error.to_string()))].into_iter()),
        }
    })
}

/// The images of a folder or a pattern; any other path is itself.
fn expand(argument: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if argument.is_dir() {
        search(argument, &mut found)?;
    } else if is_pattern(&argument.to_string_lossy()) && !argument.exists() {
        let components: Vec<_> = argument.components().collect();
        fit(PathBuf::new(), &components, &mut found)?;
    } else {
        found.push(argument.to_owned());
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Adds every image below `folder`.
fn search(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in entries(folder)? {
        let path = entry.path();
        // The entry's own type: a link to a folder could lead back here.
        if entry.file_type()?.is_dir() {
            search(&path, found)?;
        } else if is_image(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Adds the files below `folder` that fit the pattern `components`.
fn fit(folder: PathBuf, components: &[Component], found: &mut Vec<PathBuf>) -> io::Result<()> {
    let Some((first, rest)) = components.split_first() else {
        if folder.is_file() {
            found.push(folder);
        }
        return Ok(());
    };
    let pattern = first.as_os_str().to_string_lossy();
    if !is_pattern(&pattern) {
        return fit(folder.join(first), rest, found);
    }
    let any_depth = pattern == "**";
    if any_depth {
        fit(folder.clone(), rest, found)?;
    }
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
    if !here.is_dir() {
        return Ok(());
    }
    for entry in entries(here)? {
        let path = folder.join(entry.file_name());
        if any_depth {
            if entry.file_type()?.is_dir() {
                fit(path, components, found)?;
            }
        } else if matches(&pattern, &entry.file_name().to_string_lossy()) {
            fit(path, rest, found)?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    fs::read_dir(folder)?.collect()
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether `name` fits `pattern`, where `*` is any text and `?` any character. Goes back to the last `*` only, which
/// suffices, so a pattern of many stars costs no more than the product of the lengths.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == name[n] => (p, n) = (p + 1, n + 1),
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, n) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&rest| rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_shell_does() {
        for (pattern, name, want) in [
            ("*.png", "a.png", true),
            ("*.png", "a.png.txt", false),
            ("a?c*", "abcd", true),
            ("a?c*", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*ab", "aab", true),
            ("*é?", "déf", true),
            ("?", "", false),
            ("", "", true),
            ("**", "", true),
            (&"*a".repeat(40), &"a".repeat(39), false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn every_way_to_name_images_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["b/2.png", "b/10.PNG", "b/c/3.jpg", "b/notes.txt", "a/1.png", "e/none.txt"] {
            fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
            fs::write(folder.path().join(path), "").unwrap();
        }
        let found = |argument: &str| -> Vec<String> {
            let inside = |path: &Path| path.strip_prefix(folder.path()).unwrap().display().to_string();
            let found = inputs(vec![folder.path().join(argument)]);
            found.map(|input| input.map_or_else(|(_, why)| why, |path| inside(&path))).collect()
        };
        assert_eq!(found("b"), ["b/10.PNG", "b/2.png", "b/c/3.jpg"]);
        assert_eq!(found("b/notes.txt"), ["b/notes.txt"]);
        assert_eq!(found("?/*.png"), ["a/1.png", "b/2.png"]);
        assert_eq!(found("**/*.?p*g"), ["b/c/3.jpg"]);
        assert_eq!(found("**/3.jpg"), ["b/c/3.jpg"]);
        for nothing in ["e", "*/4.png", "x/*.png", "b/**"] {
            assert_eq!(found(nothing), ["expected images; found none"], "{nothing}");
        }
        assert_eq!(found("missing.png"), ["missing.png"], "reading it tells why not");
    }
}
