//! What the files of a data set hold: a digest of the bytes of each, and the fingerprint that names the whole set by them.
//!
//! Invariants: a fingerprint does not depend on where the data lie, how files are called or in what order a manifest
//! lists them; and a file is read for its digest once in the life of the program, whoever asks, unless its size or its
//! time of change says that it is another.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use engine::par;
use sha2::{Digest as _, Sha256};

use crate::dataset::Dataset;
use crate::sample::Sample;

/// SHA-256 of the bytes of a file.
pub type Digest = [u8; 32];

/// What a fingerprint that covers contents begins with; those of earlier versions are 64 digits of names, classes,
/// splits and sizes.
const CONTENTS: &str = "v2-";
/// Bytes that are read at once.
const PIECE: usize = 1 << 16;

/// Size and time of change of a file when it was read.
type Stamp = (u64, Option<SystemTime>);

/// Digests of the files that were read.
static KNOWN: LazyLock<Mutex<HashMap<PathBuf, (Stamp, Digest)>>> = LazyLock::new(Mutex::default);

/// The digest of the file at `path`.
pub fn file_digest(path: &Path) -> io::Result<Digest> {
    let found = fs::metadata(path)?;
    let stamp = (found.len(), found.modified().ok());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, digest)) = known().get(path)
        && *of == stamp
    {
        return Ok(*digest);
    }
    let mut file = File::open(path)?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => hash.update(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let digest: Digest = hash.finalize().into();
    known().insert(path.to_path_buf(), (stamp, digest));
    Ok(digest)
}

/// How a data set compares with the fingerprint of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The same images with the same classes and splits.
    Same,
    /// As [`Likeness::Same`], by a fingerprint of an earlier version, which knew names and sizes but not contents.
    SameSizes,
    /// Number, classes, splits and sizes of the files are the same, but not what they hold.
    OtherContents,
    /// Another set, or other classes or splits.
    Other,
}

impl Likeness {
    /// Whether the data are, as far as can be known, the same.
    pub fn is_same(self) -> bool {
        matches!(self, Self::Same | Self::SameSizes)
    }
}

impl Dataset {
    /// The digests of the samples at the indices `part`, in order, read on all threads; none for a file that cannot be
    /// read.
    pub fn digests(&self, part: &[usize]) -> Vec<Option<Digest>> {
        par::map(part.len(), |at| file_digest(&self.samples[part[at]].path).ok())
    }

    /// What a run says it was trained on: `v2-SIZES-CONTENTS` in hexadecimal, SHA-256 over the sorted classes, splits and
    /// sizes (16 digits, so that most other sets are told apart without reading a file), and over the sorted classes,
    /// splits and contents. It depends neither on where the files lie and how they are called nor on their order.
    pub fn fingerprint(&self) -> String {
        format!("{CONTENTS}{}-{}", self.hash_of_sizes(), self.hash_of_contents())
    }

    /// Compares this set with the `fingerprint` of a run. No file is read if sizes, classes or splits differ.
    pub fn compare_fingerprint(&self, fingerprint: &str) -> Likeness {
        let Some(of_contents) = fingerprint.strip_prefix(CONTENTS) else {
            let same = self.fingerprint_of_names() == fingerprint;
            return if same { Likeness::SameSizes } else { Likeness::Other };
        };
        match of_contents.split_once('-') {
            Some((sizes, contents)) if sizes == self.hash_of_sizes() => {
                if contents == self.hash_of_contents() { Likeness::Same } else { Likeness::OtherContents }
            }
            _ => Likeness::Other,
        }
    }

    /// The fingerprint of earlier versions: SHA-256, in hexadecimal, over the sorted names, classes, splits and sizes.
    pub fn fingerprint_of_names(&self) -> String {
        let line = |(_, sample): (usize, &Sample)| {
            format!("{}\0{}\0{}\0{}\n", sample.name, self.label_of(sample), split_name(sample), sample.bytes)
        };
        self.hash_of(line)
    }

    fn hash_of_sizes(&self) -> String {
        let line = |(_, sample): (usize, &Sample)| {
            format!("{}\0{}\0{}\n", self.label_of(sample), split_name(sample), sample.bytes)
        };
        self.hash_of(line)[..16].to_owned()
    }

    fn hash_of_contents(&self) -> String {
        let all: Vec<usize> = (0..self.samples.len()).collect();
        let digests = self.digests(&all);
        let line = |(i, sample): (usize, &Sample)| {
            let contents = digests[i].map_or("unreadable".to_owned(), |digest| hexadecimal(&digest));
            format!("{}\0{}\0{contents}\n", self.label_of(sample), split_name(sample))
        };
        self.hash_of(line)
    }

    /// In which order the images are, for [`Dataset::is_in_order`]: hashes of the sorted names, of the names in order, and
    /// of the sizes in order, which stay where files are renamed. No file is read.
    pub fn order(&self) -> String {
        let names = || self.samples.iter().map(|sample| format!("{}\n", sample.name));
        let sizes = self.samples.iter().map(|sample| format!("{}\n", sample.bytes));
        let mut sorted: Vec<String> = names().collect();
        sorted.sort_unstable();
        let short = |hash: String| hash[..16].to_owned();
        [hash_lines(sorted), hash_lines(names()), hash_lines(sizes)].map(short).join("-")
    }

    /// Whether the images are in the order that [`Dataset::order`] told before. Of files that were renamed sizes tell, if
    /// they differ.
    pub fn is_in_order(&self, before: &str) -> bool {
        let now = self.order();
        let [now, before] = [now.as_str(), before].map(|order| order.split('-').collect::<Vec<_>>());
        if now[0] == before[0] { now == before } else { now.last() == before.last() }
    }

    /// The class; or the findings, in the order of their names, with what is known of each.
    pub fn label_of(&self, sample: &Sample) -> Cow<'_, str> {
        if sample.findings.is_empty() {
            return Cow::Borrowed(&self.classes[sample.label]);
        }
        let sign = |is: &Option<bool>| is.map_or('?', |is| if is { '+' } else { '-' });
        let named =
            self.classes.iter().zip(&sample.findings).map(|(name, is)| format!("{name}\u{1}{}", sign(is)));
        let mut findings: Vec<String> = named.collect();
        findings.sort_unstable();
        Cow::Owned(findings.join("\u{1}"))
    }

    /// SHA-256 over the sorted lines of all samples.
    fn hash_of(&self, line: impl Fn((usize, &Sample)) -> String) -> String {
        let mut lines: Vec<String> = self.samples.iter().enumerate().map(line).collect();
        lines.sort_unstable();
        hash_lines(lines)
    }
}

fn hash_lines(lines: impl IntoIterator<Item = String>) -> String {
    let mut hash = Sha256::new();
    lines.into_iter().for_each(|line| hash.update(line));
    hexadecimal(&hash.finalize())
}

fn split_name(sample: &Sample) -> String {
    sample.split.map_or(String::new(), |split| split.to_string())
}

/// Two digits a byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
