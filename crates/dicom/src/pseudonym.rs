//! Pseudonyms of a file's patient and study, to group by: hashes, so that no name and no identifier is in memory for long.

use sha2::{Digest, Sha256};

use crate::element::Tag;
use crate::file::DicomFile;

/// What can be asked to group by.
pub const IDENTIFIERS: [&str; 2] = ["PatientID", "StudyInstanceUID"];
/// Their tags.
const TAGS: [Tag; 2] = [Tag(0x0010, 0x0020), Tag(0x0020, 0x000d)];

/// Whether `name` is an element that images can be grouped by.
pub fn is_group(name: &str) -> bool {
    IDENTIFIERS.contains(&name)
}

/// The pseudonyms of [`IDENTIFIERS`] in a file, as [`group`] gives them; none for an element that is not there.
pub fn identifiers(bytes: &[u8]) -> [Option<String>; 2] {
    TAGS.map(|tag| pseudonym(bytes, tag))
}

/// A pseudonym of the file's patient or study (`name`, of [`is_group`]): the first 16 hexadecimal digits of the SHA-256 of
/// the value. The same in every data set, so that one patient is found in two; who knows an identifier can compute it, so it
/// is no anonymisation. None where the bytes, which may be the head of a file, do not hold the element.
pub fn group(bytes: &[u8], name: &str) -> Option<String> {
    let at = IDENTIFIERS.iter().position(|known| *known == name)?;
    pseudonym(bytes, TAGS[at])
}

fn pseudonym(bytes: &[u8], tag: Tag) -> Option<String> {
    let file = DicomFile::open(bytes).ok()?;
    let value = file.elements().map_while(Result::ok).find(|element| element.tag == tag)?.value;
    let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = value.iter().position(|byte| !is_padding(byte))?;
    let end = value.iter().rposition(|byte| !is_padding(byte))?;
    Some(pseudonym_of(&value[start..=end]))
}

/// The first 16 hexadecimal digits of the SHA-256.
pub(crate) fn pseudonym_of(value: &[u8]) -> String {
    Sha256::digest(value).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
