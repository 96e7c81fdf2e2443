//! A DICOM file as a whole.

/// One of every encoding.
pub fn seeds() -> Vec<Vec<u8>> {
    let (jpeg, size) = crate::jpeg::colour();
    crate::corpus::corpus(&jpeg, size)
}

/// Reads it.
pub fn run(file: &[u8]) -> Result<(), String> {
    crate::picture::read(file)
}
