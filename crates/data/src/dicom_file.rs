//! What is asked of DICOM files by path: a description, and the patient or study to group by.

use std::io::Read;
use std::path::Path;

use crate::Error;
use crate::decode::{guarded, read_file};

/// Enough for the elements that identify a patient or study, in most files.
const HEAD_BYTES: u64 = 64 << 10;

/// Says what is read of the DICOM file at `path` and how, after decoding it.
///
/// # Errors
/// A file that cannot be read, or is not DICOM.
pub fn describe(path: &Path) -> Result<dicom::Description, Error> {
    let bytes = read_file(path)?;
    guarded(&path.display().to_string(), || dicom::describe(&bytes))
}

/// The pseudonym of the file's patient or study, as [`dicom::group`] gives it; none of a file that is not DICOM or lacks the
/// element.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn group(path: &Path, name: &str) -> Result<Option<String>, Error> {
    let mut head = Vec::new();
    let mut file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(|e| Error::io(path, e))?;
    if !dicom::is_dicom(&head) {
        return Ok(None);
    }
    // Where the head ends inside an element, or is deflated, the whole file is needed.
    Ok(dicom::group(&head, name).or_else(|| dicom::group(&read_file(path).ok()?, name)))
}
