//! DICOM: single images of every radiographic modality, from the file to a [`Picture`], in pure Rust.
//!
//! Two layers. [`read`] gives the stored values, which are facts of the file; [`picture`] gives what a viewer shows, by the
//! modality transform, the values of interest, the inversion of MONOCHROME1 and the conversion of colour. [`describe`] says
//! which of these a file asks for. What is not one flat image, and what no decoder here reads, is refused by its name.
//!
//! Invariant: no element that names or dates a person is read but by [`group`] and [`identifiers`], which give hashes.
//!
//! ```
//! // Two pixels, written by hand: a tag, two letters for the kind of value, its length, the value.
//! let mut file = b"DICM".to_vec();
//! let mut add = |group: u16, element: u16, kind: &[u8; 2], value: &[u8]| {
//!     file.extend([group, element].map(u16::to_le_bytes).concat());
//!     file.extend(kind);
//!     file.extend((value.len() as u16).to_le_bytes());
//!     file.extend(value);
//! };
//! add(0x0002, 0x0010, b"UI", b"1.2.840.10008.1.2.1\0"); // Explicit VR Little Endian
//! add(0x0028, 0x0004, b"CS", b"MONOCHROME2 ");
//! add(0x0028, 0x0010, b"US", &[1, 0]); // rows
//! add(0x0028, 0x0011, b"US", &[2, 0]); // columns
//! add(0x0028, 0x0100, b"US", &[8, 0]); // bits of a pixel
//! file.extend(b"\xe0\x7f\x10\x00OB\0\0\x02\0\0\0\x00\xff");
//!
//! let (picture, notes) = dicom::picture(&file)?;
//! assert_eq!((picture.width, picture.height), (2, 1));
//! assert_eq!(picture.samples, [0.0, 255.0]);
//! assert!(notes.iter().any(|note| note.starts_with("Bits Stored is missing")));
//! # Ok::<(), String>(())
//! ```

#![forbid(unsafe_code)]

mod attributes;
mod bits;
mod colour;
mod decoded;
mod element;
mod file;
mod frame;
mod gray;
mod header;
mod jpeg;
mod jpeg_2000;
mod jpeg_ls;
mod lut;
mod markers;
mod photometric;
mod pseudonym;
mod rle;
mod syntax;
mod tags;
mod technique;

use attributes::Attributes;
use file::DicomFile;
use gray::Pipeline;
use header::Header;
use model::{Picture, Window};
use tags::{MODALITY, PIXELS};

pub use gray::{ModalityTransform, Voi, VoiFunction};
pub use photometric::Photometric;
pub use pseudonym::{IDENTIFIERS, group, identifiers, is_group};
pub use technique::technique;

/// The stored values of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Height.
    pub rows: usize,
    /// Width.
    pub columns: usize,
    /// 1 or 3.
    pub samples_per_pixel: usize,
    /// Bits that a value has.
    pub bits: u32,
    /// Bits that a value takes in an uncompressed file.
    pub allocated: u32,
    /// Whether values are in two's complement.
    pub signed: bool,
    /// The colour space of the file; where it is luma and chroma, `values` are RGB.
    pub photometric: Photometric,
    /// `[rows, columns, samples_per_pixel]`; 32 unsigned bits as they are.
    pub values: Vec<i32>,
}

/// What is read of a file and how. Nothing in it names or dates a person.
#[derive(Clone, Debug)]
pub struct Description {
    /// UID of the transfer syntax; empty if the file does not say and its encoding was recognised.
    pub transfer_syntax: String,
    /// Its name.
    pub transfer_syntax_name: &'static str,
    /// As the file writes it, such as `DX`; empty if it does not say.
    pub modality: String,
    /// How many frames; none if what the file says begins with no number.
    pub frames: Option<u32>,
    /// The image, or why it is refused.
    pub image: Result<ImageDescription, String>,
}

/// How an image is read.
#[derive(Clone, Debug)]
pub struct ImageDescription {
    /// Of the file, before any decoder.
    pub photometric: Photometric,
    /// Height.
    pub rows: usize,
    /// Width.
    pub columns: usize,
    /// 1 or 3.
    pub samples_per_pixel: usize,
    /// 1 to 32.
    pub bits_allocated: u32,
    /// Bits that a value has.
    pub bits_stored: u32,
    /// The highest of them.
    pub high_bit: u32,
    /// Whether values are in two's complement.
    pub signed: bool,
    /// The smallest and the largest stored value.
    pub values: [i64; 2],
    /// Stored values, from and to, that are no part of the image.
    pub padding: Option<[i32; 2]>,
    /// Gray images: the modality transform.
    pub modality_transform: Option<ModalityTransform>,
    /// Gray images: the values of interest.
    pub voi: Option<Voi>,
    /// Whether the file has values of interest that cannot be used, so that `voi` is computed.
    pub voi_unusable: bool,
    /// What was assumed, taken otherwise than written, or not applied: a sentence each. None holds a text of the file but
    /// codes.
    pub notes: Vec<String>,
}

/// Bytes of a file's head by which [`is_dicom`] knows what it is.
pub const SNIFFED_BYTES: usize = 4096;

/// Whether a file's content, or its first [`SNIFFED_BYTES`], are those of a DICOM file: `DICM` after a preamble, or elements
/// that begin without one. It reads a few elements and allocates nothing.
pub fn is_dicom(bytes: &[u8]) -> bool {
    file::is_dicom(bytes)
}

/// Reads the stored values of the one image of a DICOM file.
///
/// # Errors
/// What was expected and what was found; no value that names a person.
pub fn read(bytes: &[u8]) -> Result<Stored, String> {
    let file = DicomFile::open(bytes)?;
    let attributes = file.attributes()?;
    let header = Header::read(&attributes)?;
    let values = pixels(&file, &attributes, &header)?;
    let Header {
        rows,
        columns,
        samples: samples_per_pixel,
        stored: bits,
        allocated,
        signed,
        photometric,
        ..
    } = header;
    Ok(Stored { rows, columns, samples_per_pixel, bits, allocated, signed, photometric, values })
}

fn pixels(file: &DicomFile, attributes: &Attributes, header: &Header) -> Result<Vec<i32>, String> {
    let Some(codec) = file.syntax.codec else {
        let (name, uid) = (file.syntax.name, &file.syntax_uid);
        return Err(format!("no decoder for the transfer syntax {name} ({uid})"));
    };
    let element =
        attributes.get(PIXELS).ok_or("expected an image, found a DICOM object without pixel data")?;
    frame::read(header, codec, element)
}

/// The picture that a viewer shows: gray, or RGB for a colour file; and what was assumed, a sentence each.
pub fn picture(bytes: &[u8]) -> Result<(Picture, Vec<String>), String> {
    picture_through(bytes, None)
}

/// The same through the window of a model, which comes before the file's own values of interest: it is one of the
/// values after the modality transform. Colour has none; a gray file of up to 8 bits that has no modality transform
/// was made for a screen, and is shown as it says.
pub fn picture_through(bytes: &[u8], window: Option<Window>) -> Result<(Picture, Vec<String>), String> {
    let file = DicomFile::open(bytes)?;
    let attributes = file.attributes()?;
    let header = Header::read(&attributes)?;
    let values = pixels(&file, &attributes, &header)?;
    let mut notes = header.notes.clone();
    let (channels, bits, samples) = match header.photometric {
        Photometric::Monochrome1 | Photometric::Monochrome2 => {
            let pipeline = Pipeline::new(&attributes, &header, &values, window);
            notes.extend_from_slice(&pipeline.notes);
            if pipeline.is_stretched() {
                notes.push("no window in the file: shown from the smallest value to the largest".into());
            }
            (1, if pipeline.unchanged { 8 } else { 16 }, pipeline.apply(&values))
        }
        Photometric::Palette => {
            let (samples, bits) = colour::palette(&attributes, &values, &mut notes)?;
            (3, bits, samples)
        }
        _ => (3, if header.stored <= 8 { 8 } else { 16 }, colour::rgb(&header, &values)),
    };
    let (width, height) = (header.columns, header.rows);
    Ok((Picture { width, height, channels, bits, shown: true, samples }, notes))
}

/// Says what is read of a file and how, after decoding it.
///
/// # Errors
/// Bytes that are not DICOM.
pub fn describe(bytes: &[u8]) -> Result<Description, String> {
    let file = DicomFile::open(bytes)?;
    let attributes = file.attributes()?;
    Ok(Description {
        transfer_syntax: file.syntax_uid.clone(),
        transfer_syntax_name: file.syntax.name,
        modality: attributes.code(MODALITY).unwrap_or_default().into(),
        frames: header::frames(&attributes),
        image: describe_image(&file, &attributes),
    })
}

fn describe_image(file: &DicomFile, attributes: &Attributes) -> Result<ImageDescription, String> {
    let header = Header::read(attributes)?;
    let values = pixels(file, attributes, &header)?;
    let mut notes = header.notes.clone();
    if header.photometric == Photometric::Palette {
        colour::palette(attributes, &values, &mut notes)?;
    }
    let gray = matches!(header.photometric, Photometric::Monochrome1 | Photometric::Monochrome2);
    let pipeline = gray.then(|| Pipeline::new(attributes, &header, &values, None));
    notes.extend(pipeline.iter().flat_map(|pipeline| pipeline.notes.clone()));
    Ok(ImageDescription {
        photometric: header.photometric,
        rows: header.rows,
        columns: header.columns,
        samples_per_pixel: header.samples,
        bits_allocated: header.allocated,
        bits_stored: header.stored,
        high_bit: header.high,
        signed: header.signed,
        values: header.extremes(&values),
        padding: pipeline.as_ref().and_then(|pipeline| pipeline.padding),
        modality_transform: pipeline.as_ref().map(|pipeline| pipeline.modality.clone()),
        voi_unusable: pipeline.as_ref().is_some_and(|pipeline| pipeline.voi_unusable),
        voi: pipeline.map(|pipeline| pipeline.voi),
        notes,
    })
}
