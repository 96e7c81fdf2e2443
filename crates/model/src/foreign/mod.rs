//! Files of other programs: which format it is, and the named tensors in it.
//!
//! The first bytes decide, never the name. Names, layout and order are the file's; what they mean is
//! [`crate::import()`]'s business. What a file says of its network besides is in [`Hints`].

mod archive;
mod contents;
mod hints;
mod keras;
mod pickle;
mod torch;

pub use contents::ForeignFile;
pub use hints::Hints;

use crate::{Error, Metadata, TensorFile, format};
use archive::Archive;
use contents::passed_over;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Checkpoints with an optimizer's state are read whole; a MobileNet's has a tenth of this.
const MAX_LEN: u64 = 1 << 30;

/// Where a `.keras` archive keeps the variables, and the description of the layers.
const KERAS_WEIGHTS: &str = "model.weights.h5";
const KERAS_CONFIG: &str = "config.json";

const ZIP: &[u8] = b"PK\x03\x04";
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";

impl ForeignFile {
    /// Reads a safetensors file, a state dict that `torch.save` wrote (`.pth`, `.pt`, also from before PyTorch 1.6), or
    /// what Keras wrote (`.h5`, `.weights.h5`, `.keras`). Of a file with several networks, see [`ForeignFile::read_one`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::read_one(path, None)
    }

    /// The same, and of several networks in the file (weights and their moving average, say) the one under the name `key`.
    /// Without it, the averaged ones are taken, as their programs do.
    pub fn read_one(path: impl AsRef<Path>, key: Option<&str>) -> Result<Self, Error> {
        let path = path.as_ref();
        if path.is_dir() {
            let unknown = || Error::Format("a file of weights was expected, found a folder".into());
            return Err(format::recognise(path).unwrap_or_else(unknown).in_file(path));
        }
        let mut start = Vec::new();
        let opened = File::open(path).and_then(|file| file.take(16).read_to_end(&mut start));
        opened.map_err(|error| Error::io("read", path, error))?;
        let read = Self::of_format(&start, path, key).and_then(|file| match key {
            Some(key) => file.only(key),
            None => Ok(file),
        });
        let mut file = read.map_err(|error| match error {
            Error::InFile { .. } | Error::Io { .. } => error,
            other => other.in_file(path),
        })?;
        let names = file.tensors.iter().map(|(name, _)| Hints::of_name(name));
        let in_names = names.fold(Hints::default(), Hints::or);
        let of_file = path.file_name().and_then(|name| name.to_str()).map(Hints::of_name).unwrap_or_default();
        file.hints = file.hints.or(beside(path)).or(in_names).or(of_file);
        Ok(file)
    }

    fn of_format(start: &[u8], path: &Path, key: Option<&str>) -> Result<Self, Error> {
        if start.starts_with(ZIP) {
            from_zip(&whole(path)?, path, key)
        } else if start.starts_with(torch::OLD_MAGIC) {
            torch::from_old(&whole(path)?, key)
        } else if start.starts_with(HDF5) {
            keras::from_hdf5(whole(path)?)
        } else if start.first() == Some(&0x80) && start.get(8) != Some(&b'{') {
            // The header of a safetensors file may have a length that begins so too; then the header follows.
            let reason =
                "a pickle that torch.save did not write. In PyTorch: torch.save(model.state_dict(), FILE)";
            Err(Error::Format(reason.into()))
        } else {
            let file = TensorFile::read(path)?;
            let told = Metadata::of_texts(&file.metadata).transpose()?;
            let texts = file.metadata.values().filter_map(|text| serde_json::from_str(text).ok());
            let mut hints =
                texts.map(|document| Hints::of_config(&document)).fold(Hints::default(), Hints::or);
            if told.is_some() {
                hints = Hints::default();
            }
            hints.notes.extend(passed_over(&file.skipped));
            Ok(Self { tensors: file.tensors.into_iter().collect(), told, hints })
        }
    }
}

/// What lies beside weights from a hub: `config.json`, which says what it is about by its own words.
fn beside(path: &Path) -> Hints {
    const MOST: u64 = 4 << 20;
    let mut text = String::new();
    // Without it, or where it is none, the weights speak for themselves.
    let file = std::fs::File::open(path.with_file_name(KERAS_CONFIG));
    if file.and_then(|file| file.take(MOST).read_to_string(&mut text)).is_err()
        || !text.to_ascii_lowercase().contains("mobilenet")
    {
        return Hints::default();
    }
    let config = serde_json::from_str(&text).map(|document| Hints::of_config(&document)).unwrap_or_default();
    config.or(Hints::of_keras(&text))
}

/// PyTorch's and Keras' archives are both zip files.
fn from_zip(bytes: &[u8], path: &Path, key: Option<&str>) -> Result<ForeignFile, Error> {
    let mut archive = Archive::open(bytes)?;
    if archive.has(KERAS_WEIGHTS) {
        let config = if archive.has(KERAS_CONFIG) { archive.read(KERAS_CONFIG)? } else { vec![] };
        let mut file = keras::from_hdf5(archive.read(KERAS_WEIGHTS)?)?;
        file.hints = Hints::of_keras(&String::from_utf8_lossy(&config)).or(file.hints);
        return Ok(file);
    }
    if let Some(error) = format::archive(archive.names(), path) {
        return Err(error);
    }
    torch::from_zip(archive, key)
}

fn whole(path: &Path) -> Result<Vec<u8>, Error> {
    let cannot = |error| Error::io("read", path, error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(MAX_LEN + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(Error::invalid("size of the file", format!("at most {MAX_LEN} bytes"), "more"));
    }
    Ok(bytes)
}
