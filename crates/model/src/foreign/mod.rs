//! Files of other programs: which format it is, and the named tensors in it.
//!
//! The first bytes decide, never the name. Names, layout and order are the file's; what they mean is
//! [`crate::import()`]'s business.

mod archive;
mod keras;
mod pickle;
mod torch;

use crate::weights::Array;
use crate::{Error, Metadata, TensorFile};
use archive::Archive;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Checkpoints with an optimizer's state are read whole; a MobileNet's has a tenth of this.
const MAX_LEN: u64 = 1 << 30;

/// Where a `.keras` archive keeps the variables.
const KERAS_WEIGHTS: &str = "model.weights.h5";

const ZIP: &[u8] = b"PK\x03\x04";
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";

/// What another program's file holds.
#[derive(Clone, Debug, Default)]
pub struct ForeignFile {
    /// The tensors, in the order of the file.
    pub tensors: Vec<(String, Array)>,
    /// What the file says of itself, if this program exported it.
    pub told: Option<Metadata>,
}

impl ForeignFile {
    /// Reads a safetensors file, a state dict that `torch.save` wrote (`.pth`, `.pt`, also from before PyTorch 1.6), or
    /// what Keras wrote (`.h5`, `.weights.h5`, `.keras`).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut start = Vec::new();
        let opened = File::open(path).and_then(|file| file.take(16).read_to_end(&mut start));
        opened.map_err(|error| Error::io("read", path, error))?;
        Self::of_format(&start, path).map_err(|error| match error {
            Error::InFile { .. } | Error::Io { .. } => error,
            other => other.in_file(path),
        })
    }

    fn of_format(start: &[u8], path: &Path) -> Result<Self, Error> {
        let tensors = if start.starts_with(ZIP) {
            from_zip(&whole(path)?)?
        } else if start.starts_with(torch::OLD_MAGIC) {
            torch::from_old(&whole(path)?)?
        } else if start.starts_with(HDF5) {
            keras::from_hdf5(whole(path)?)?
        } else if start.first() == Some(&0x80) && start.get(8) != Some(&b'{') {
            // The header of a safetensors file may have a length that begins so too; then the header follows.
            let reason =
                "a pickle that torch.save did not write. In PyTorch: torch.save(model.state_dict(), FILE)";
            return Err(Error::Format(reason.into()));
        } else {
            let file = TensorFile::read(path)?;
            let told = Metadata::of_texts(&file.metadata).transpose()?;
            return Ok(Self { tensors: file.tensors.into_iter().collect(), told });
        };
        Ok(Self { tensors, told: None })
    }
}

/// PyTorch's and Keras' archives are both zip files.
fn from_zip(bytes: &[u8]) -> Result<Vec<(String, Array)>, Error> {
    let mut archive = Archive::open(bytes)?;
    if archive.has(KERAS_WEIGHTS) {
        return keras::from_hdf5(archive.read(KERAS_WEIGHTS)?);
    }
    torch::from_zip(archive)
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
