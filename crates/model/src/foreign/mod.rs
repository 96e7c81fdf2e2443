//! Files of other programs: which format it is, and the named tensors in it.
//!
//! The first bytes decide, never the name. Names, layout and order are the file's; what they mean is
//! [`crate::import()`]'s business.

mod pickle;
mod torch;

use crate::weights::Array;
use crate::{Error, TensorFile};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Checkpoints with an optimizer's state are read whole; a MobileNet's has a tenth of this.
const MAX_LEN: u64 = 1 << 30;

const ZIP: &[u8] = b"PK\x03\x04";
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";

/// The tensors of a safetensors file, or of a state dict that `torch.save` wrote (`.pth`, `.pt`, also from before
/// PyTorch 1.6), in the order of the file.
pub fn read_tensors(path: impl AsRef<Path>) -> Result<Vec<(String, Array)>, Error> {
    let path = path.as_ref();
    let mut start = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(16).read_to_end(&mut start));
    opened.map_err(|error| Error::io("read", path, error))?;
    let read = |from: fn(&[u8]) -> Result<_, Error>| {
        let file = whole(path)?;
        from(&file).map_err(|error| error.in_file(path))
    };
    if start.starts_with(ZIP) {
        read(torch::from_zip)
    } else if start.starts_with(torch::OLD_MAGIC) {
        read(torch::from_old)
    } else if start.starts_with(HDF5) {
        let reason = "an HDF5 file of Keras, which is not read. In Python: safetensors.numpy.save_file({f'{l.name}/\
                      {w.name.split(\"/\")[-1].split(\":\")[0]}': w.numpy() for l in model.layers for w in l.weights}, FILE)";
        Err(Error::Format(reason.into()).in_file(path))
    } else if start.first() == Some(&0x80) {
        let reason =
            "a pickle that torch.save did not write. In PyTorch: torch.save(model.state_dict(), FILE)";
        Err(Error::Format(reason.into()).in_file(path))
    } else {
        Ok(TensorFile::read(path)?.tensors.into_iter().collect())
    }
}

fn whole(path: &Path) -> Result<Vec<u8>, Error> {
    let cannot = |error| Error::io("read", path, error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(MAX_LEN + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_LEN {
        let error = Error::invalid("size of the file", format!("at most {MAX_LEN} bytes"), "more");
        return Err(error.in_file(path));
    }
    Ok(bytes)
}
