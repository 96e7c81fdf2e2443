//! What a person means by naming images: a file, a folder, a pattern, or `-` for stdin, which holds paths or one image.
//!
//! A file that is named is tried, whatever it is called; a folder or a pattern stands for the images found there, in
//! order of path. Invariant: what cannot be found or entered is an item of its own, in its place, and never ends the
//! sequence; what is passed over is counted.

use std::io::{self, BufRead, Cursor, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::MAX_FILE_BYTES;
use crate::content::{Content, HEAD_BYTES};
use crate::passed::PassedOver;
use crate::path_bytes::path_of_bytes;
use crate::walk::{Found, Walk};

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// The content of a file, and what stood for it.
    Bytes(PathBuf, Vec<u8>),
    /// What was named and means nothing that can be read, and why.
    Failed(PathBuf, String),
}

impl Input {
    /// What was named: the path of a file, or what stands for it.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Bytes(path, _) | Self::Failed(path, _) => path,
        }
    }
}

/// What was passed over while [`inputs`] searched; complete when they end.
#[derive(Clone, Debug, Default)]
pub struct Passed(Arc<Mutex<PassedOver>>);

impl Passed {
    /// So far.
    pub fn get(&self) -> PassedOver {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, reason: &str, path: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(reason, &path.to_string_lossy());
    }
}

/// No path is longer on any system; a line of stdin that is, is none.
const MAX_LINE_BYTES: u64 = 1 << 17;

type Inputs = Box<dyn Iterator<Item = Input>>;

/// Every image that `arguments` mean, in their order. A folder is searched, and stdin is read, when its turn comes.
pub fn inputs(arguments: Vec<PathBuf>, passed: Passed) -> impl Iterator<Item = Input> {
    arguments.into_iter().flat_map(move |argument| -> Inputs {
        if argument.as_os_str() == "-" {
            of_stream(io::stdin().lock())
        } else if argument.is_dir() {
            search(argument.clone(), argument, usize::MAX, false, |_| true, passed.clone())
        } else if is_pattern(&argument.to_string_lossy()) && argument.symlink_metadata().is_err() {
            fit(argument, passed.clone())
        } else {
            only(Input::File(argument))
        }
    })
}

/// The images below `root` whose path from there is `wanted`, or that there are none.
fn search(
    argument: PathBuf,
    root: PathBuf,
    depth: usize,
    hidden: bool,
    wanted: impl Fn(&Path) -> bool + 'static,
    passed: Passed,
) -> Inputs {
    // A pattern that begins with its first varying name is searched for from here.
    let here = root.as_os_str().is_empty();
    let start = if here { PathBuf::from(".") } else { root };
    let below = start.clone();
    let mut walk = Walk { root: &start, depth, hidden }
        .run(move |path| wanted(path.strip_prefix(&below).unwrap_or(path)));
    let named = move |path: PathBuf| match path.strip_prefix(".") {
        Ok(inside) if here => inside.to_path_buf(),
        _ => path,
    };
    let (mut found, mut ended, mut here_passed) = (0, false, PassedOver::default());
    Box::new(std::iter::from_fn(move || {
        loop {
            match walk.next() {
                None if ended || found > 0 => return None,
                None => {
                    ended = true;
                    let seen =
                        if here_passed.is_empty() { String::new() } else { format!(" ({here_passed})") };
                    return Some(Input::Failed(
                        argument.clone(),
                        format!("expected images; found none{seen}"),
                    ));
                }
                Some(Found::Folder(_)) => {}
                Some(Found::Image(path, _)) => {
                    found += 1;
                    return Some(Input::File(named(path)));
                }
                Some(Found::Failed(path, error)) => {
                    found += 1;
                    return Some(Input::Failed(named(path), error.to_string()));
                }
                Some(Found::Passed(path, reason)) => {
                    let path = named(path);
                    passed.add(&reason, &path);
                    here_passed.add(&reason, &path.to_string_lossy());
                }
            }
        }
    }))
}

/// The images that fit a pattern.
fn fit(argument: PathBuf, passed: Passed) -> Inputs {
    let components: Vec<Component> = argument.components().collect();
    let varies = |part: &Component| is_pattern(&part.as_os_str().to_string_lossy());
    let at = components.iter().position(varies).unwrap_or(components.len());
    let (root, rest): (PathBuf, PathBuf) =
        (components[..at].iter().collect(), components[at..].iter().collect());
    let rest: Vec<String> =
        rest.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    // What a pattern asks for by a leading dot is wanted although it is hidden, as in a shell.
    let hidden = rest.iter().any(|part| part.starts_with('.'));
    let depth = if rest.iter().any(|part| part.contains("**")) { usize::MAX } else { rest.len() };
    let pattern = match Pattern::new(&rest.join("/")) {
        Ok(pattern) => pattern,
        Err(reason) => return only(Input::Failed(argument, reason)),
    };
    if !root.as_os_str().is_empty() && !root.is_dir() {
        let reason = format!("expected images; found no folder {}", root.display());
        return only(Input::Failed(argument, reason));
    }
    search(argument, root, depth, hidden, move |path| pattern.fits(path), passed)
}

fn only(input: Input) -> Inputs {
    Box::new(std::iter::once(input))
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// A pattern of paths, where only `**` reaches into folders.
struct Pattern(glob::Pattern);

impl Pattern {
    fn new(text: &str) -> Result<Self, String> {
        let pattern = glob::Pattern::new(text);
        pattern.map(Self).map_err(|error| format!("expected a pattern, found {}", error.msg))
    }

    fn fits(&self, path: &Path) -> bool {
        let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
        let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        self.0.matches_with(&parts.join("/"), options)
    }
}

/// What stdin holds: one image, or a path a line. An image is known by how it begins, or by a byte 0, which no path has.
fn of_stream(mut stream: impl BufRead + 'static) -> Inputs {
    let failed = |error: io::Error| Input::Failed("-".into(), error.to_string());
    let head = match head_of(&mut stream) {
        Ok(head) => head,
        Err(error) => return only(failed(error)),
    };
    if !is_paths(&head) {
        let mut bytes = head;
        let read = stream.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
        return only(match read {
            Err(error) => failed(error),
            Ok(_) if bytes.len() as u64 > MAX_FILE_BYTES => Input::Failed(
                "-".into(),
                format!("expected an image of at most {MAX_FILE_BYTES} bytes, found more"),
            ),
            Ok(_) => Input::Bytes("-".into(), bytes),
        });
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(head);
    let mut lines = Cursor::new(head).chain(stream);
    let mut rest_of_line = false;
    let mut next = move || -> io::Result<Option<Input>> {
        loop {
            if std::mem::take(&mut rest_of_line) {
                lines.skip_until(b'\n')?;
            }
            let mut line = Vec::new();
            if lines.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            if line.len() as u64 > MAX_LINE_BYTES {
                // Said at once, and passed over when more is asked for: the line may have no end.
                rest_of_line = !line.ends_with(b"\n");
                let reason =
                    format!("expected a path a line, found a line of more than {MAX_LINE_BYTES} bytes");
                return Ok(Some(Input::Failed("-".into(), reason)));
            }
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                return Ok(Some(Input::File(path_of_bytes(line.to_vec()))));
            }
        }
    };
    let mut broken = false;
    Box::new(std::iter::from_fn(move || {
        if broken {
            return None;
        }
        next().unwrap_or_else(|error| {
            broken = true;
            Some(failed(error))
        })
    }))
}

/// The beginning of a stream, as far as it takes to know what it is: up to the end of its first line, or a byte 0. More is
/// not waited for, because whoever names one path may wait for its answer.
fn head_of(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while head.len() < HEAD_BYTES && !head.iter().any(|byte| [0, b'\n'].contains(byte)) {
        let found = stream.fill_buf()?;
        let length = found.len();
        head.extend_from_slice(found);
        stream.consume(length);
        if length == 0 {
            break;
        }
    }
    Ok(head)
}

fn is_paths(head: &[u8]) -> bool {
    // The mark of PNG has a line break in it, behind which nothing may have come yet.
    let is_image = head.starts_with(b"\x89PNG\r\n")
        || matches!(Content::of(head), Content::Foreign(_) | Content::File(_));
    !is_image && !Content::of(head).is_image() && !head.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn patterns_match_as_a_shell_does() {
        for (pattern, name, want) in [
            ("*.png", "a.png", true),
            ("*.png", "a.png.txt", false),
            ("*.png", "a/b.png", false),
            ("a?c*", "abcd", true),
            ("a?c*", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*é?", "déf", true),
            ("?.png", "é.png", true),
            ("?.png", "éa.png", false),
            ("é.png", "è.png", false),
            ("[é名].png", "名.png", true),
            ("a[0-3].png", "a2.png", true),
            ("?", "", false),
            ("**/x.png", "x.png", true),
            ("**/x.png", "a/b/x.png", true),
            ("a/**", "a/b/x.png", true),
            (&"*a".repeat(40), &"a".repeat(39), false),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().fits(Path::new(name)), want, "{pattern} {name}");
        }
        assert!(Pattern::new("a[").is_err_and(|error| error.contains("expected a pattern")));
    }

    #[test]
    fn every_way_to_name_images_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "b/2.png",
            "b/10.PNG",
            "b/c/3.jpg",
            "b/notes.txt",
            "a/1.png",
            "e/none.txt",
            "b/.h/4.png",
            "b/._2.png",
        ];
        for path in files {
            fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
            fs::write(folder.path().join(path), "some words").unwrap();
        }
        let passed = Passed::default();
        let found = |argument: &str| -> Vec<String> {
            let inside = |path: &Path| path.strip_prefix(folder.path()).unwrap().display().to_string();
            let found = inputs(vec![folder.path().join(argument)], passed.clone());
            let say = |input| match input {
                Input::File(path) => inside(&path),
                Input::Failed(_, why) => why,
                Input::Bytes(..) => panic!("nothing is read from stdin"),
            };
            found.map(say).collect()
        };
        assert_eq!(found("b"), ["b/10.PNG", "b/2.png", "b/c/3.jpg"]);
        assert_eq!(passed.get().files, 3, "{}", passed.get());
        assert_eq!(found("b/notes.txt"), ["b/notes.txt"]);
        assert_eq!(found("b/.h"), ["b/.h/4.png"], "what is named is searched");
        assert_eq!(found("b/.h/*.png"), ["b/.h/4.png"]);
        assert_eq!(found("b/._*.png"), ["b/._2.png"]);
        assert_eq!(found("?/*.png"), ["a/1.png", "b/2.png"]);
        assert_eq!(found("**/*.?p*g"), ["b/c/3.jpg"]);
        assert_eq!(found("**/3.jpg"), ["b/c/3.jpg"]);
        assert_eq!(found("b/**"), ["b/10.PNG", "b/2.png", "b/c/3.jpg"]);
        for nothing in ["e", "*/4.png", "x/*.png", "*/*.txt"] {
            let found = found(nothing);
            assert!(
                found.len() == 1 && found[0].starts_with("expected images; found no"),
                "{nothing}: {found:?}"
            );
        }
        assert_eq!(found("missing.png"), ["missing.png"], "reading it tells why not");
    }

    #[test]
    fn stdin_holds_paths_or_an_image() {
        let read = |bytes: &[u8]| of_stream(Cursor::new(bytes.to_vec())).collect::<Vec<_>>();
        let file = |path: &str| Input::File(path.into());
        assert_eq!(read(b"a.png\r\n\nb c.png\nd"), [file("a.png"), file("b c.png"), file("d")]);
        assert_eq!(read(b"\xef\xbb\xbfa.png\n"), [file("a.png")]);
        assert_eq!(read(b""), []);
        for image in [
            &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
            b"\xff\xd8\xff\xe0more",
            b"\0\0\0\0preamble\n",
            b"II*\0x",
            b"GIF89a",
        ] {
            assert_eq!(read(image), [Input::Bytes("-".into(), image.to_vec())]);
        }
        // A line that is too long for a path is kept by nobody, and the next one is read.
        let long = vec![b'x'; MAX_LINE_BYTES as usize + 1];
        let found = read(&[b"a\n", &long[..], b"xxx\nb\n", &long[1..], b"\nc"].concat());
        assert_eq!([&found[0], &found[2], &found[4]], [&file("a"), &file("b"), &file("c")]);
        for at in [1, 3] {
            let Input::Failed(_, why) = &found[at] else { panic!("{:?}", found[at].path()) };
            assert!(why.contains("found a line of more than 131072 bytes"), "{why}");
        }
        #[cfg(unix)]
        {
            let Input::File(path) = &read(b"caf\xe9.png\n")[0] else { panic!("a path") };
            assert_eq!(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()), b"caf\xe9.png");
        }
    }
}
