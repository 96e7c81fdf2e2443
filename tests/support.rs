//! A small data set, a trained model, and a way to run the program.

use engine::Rng;
use image::GrayImage;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The smallest network there is, on images that decode in no time.
pub const TINY: [&str; 6] = ["--width", "0.25", "--image-size", "32", "--batch-size", "8"];

/// How a run of the program ended.
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
        Self { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Asserts that it ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, Some(0), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Asserts that it failed with `status`, saying every one of `words`, and without a panic.
    #[track_caller]
    pub fn fails(self, status: i32, words: &[&str]) -> Self {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.status, Some(status), "{said}");
        assert!(!said.contains("internal error"), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is missing from: {said}");
        }
        self
    }

    /// The JSON document on stdout.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).expect("stdout is one JSON document")
    }
}

/// The program with `arguments`, to be run in `folder`.
pub fn command<S: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vertebra"));
    command.current_dir(folder).args(arguments);
    command
}

/// Runs the program in `folder`.
pub fn vertebra<S: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[S]) -> Ended {
    Ended::of(command(folder, arguments).output().expect("the program starts"))
}

/// `train DATA --out OUT` with the tiny network and more arguments.
pub fn train_arguments<'a>(data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", data, "--out", out][..], &TINY, more].concat()
}

/// Trains the tiny network.
pub fn train(folder: &Path, data: &str, out: &str, more: &[&str]) -> Ended {
    vertebra(folder, &train_arguments(data, out, more))
}

/// A new folder with the set `data`: a bright disc somewhere, or none. 25 + 8 + 8 images, so that the last batch of an
/// epoch has one image.
pub fn workspace() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (split, images, seed) in [("train", 25, 0), ("val", 8, 100), ("test", 8, 200)] {
        for i in 0..images {
            let class = ["disc", "empty"][i % 2];
            let path = folder.path().join("data").join(split).join(class);
            std::fs::create_dir_all(&path).expect("a folder");
            picture(seed + i as u64, class == "disc").save(path.join(format!("{i}.png"))).unwrap();
        }
    }
    folder
}

fn picture(seed: u64, disc: bool) -> GrayImage {
    let mut rng = Rng::new(seed);
    let [x, y] = [0; 2].map(|_| rng.range(10.0, 22.0));
    GrayImage::from_fn(32, 32, |column, row| {
        let inside = (f64::from(column) - x).hypot(f64::from(row) - y) < 7.0;
        let noise = rng.range(0.0, 60.0);
        image::Luma([if disc && inside { 160.0 + noise } else { 60.0 + noise } as u8])
    })
}

/// A folder with a data set and a finished run `run` on it, made once. Tests only read it.
pub fn trained() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // Not a TempDir: a static is never dropped. The target folder is removed by `cargo clean`.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trained");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let fresh = workspace();
        copy(&fresh.path().join("data"), &folder.join("data"));
        train(&folder, "data", "run", &["--epochs", "3", "--no-augment"]).ok();
        folder
    })
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            drop(std::fs::copy(entry.path(), target))
        }
    }
}

/// How a process ends that is sent a signal; `None`, said, if these tests were started so that it is ignored (`nohup`, or a
/// shell's `&` in a script), for the program heeds that and would go on.
#[cfg(unix)]
pub fn signalled(signal: &str, start: impl FnOnce() -> Child) -> Option<Ended> {
    let bit = match signal {
        "-HUP" => 0,
        "-INT" => 1,
        "-TERM" => 14,
        _ => panic!("{signal}: no number is known"),
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    if ignored >> bit & 1 == 1 {
        eprintln!("skipped: {signal}, which whoever started these tests has them ignore");
        return None;
    }
    let child = start();
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    Some(Ended::of(child.wait_with_output().unwrap()))
}
