//! How an image was made, as its file says: scanner, exposure, geometry, display. A classifier may learn these instead of
//! the disease, so an audit asks whether they tell the class.
//!
//! Invariant: a fixed list of elements, none of which names, dates or describes a person. Those that could hold any text
//! are given as a hash, which is enough to tell two values apart.

use crate::element::{Element, Tag};
use crate::file::DicomFile;

/// How a value is given.
#[derive(Clone, Copy)]
enum Shown {
    /// As it stands: codes, numbers, names of products.
    Text,
    /// 16-bit numbers.
    Words,
    /// Hashed: names of places and machines, and free text.
    Hash,
}

use Shown::{Hash, Text, Words};

/// The elements, with their keywords (PS3.6).
const ELEMENTS: [(Tag, &str, Shown); 44] = [
    (Tag(0x0008, 0x0008), "ImageType", Text),
    (Tag(0x0008, 0x0016), "SOPClassUID", Text),
    (Tag(0x0008, 0x0060), "Modality", Text),
    (Tag(0x0008, 0x0064), "ConversionType", Text),
    (Tag(0x0008, 0x0068), "PresentationIntentType", Text),
    (Tag(0x0008, 0x0070), "Manufacturer", Text),
    (Tag(0x0008, 0x0080), "InstitutionName", Hash),
    (Tag(0x0008, 0x1010), "StationName", Hash),
    (Tag(0x0008, 0x1030), "StudyDescription", Hash),
    (Tag(0x0008, 0x103e), "SeriesDescription", Hash),
    (Tag(0x0008, 0x1090), "ManufacturerModelName", Text),
    (Tag(0x0018, 0x0015), "BodyPartExamined", Text),
    (Tag(0x0018, 0x0050), "SliceThickness", Text),
    (Tag(0x0018, 0x0060), "KVP", Text),
    (Tag(0x0018, 0x1000), "DeviceSerialNumber", Hash),
    (Tag(0x0018, 0x1016), "SecondaryCaptureDeviceManufacturer", Text),
    (Tag(0x0018, 0x1020), "SoftwareVersions", Text),
    (Tag(0x0018, 0x1030), "ProtocolName", Hash),
    (Tag(0x0018, 0x1110), "DistanceSourceToDetector", Text),
    (Tag(0x0018, 0x1111), "DistanceSourceToPatient", Text),
    (Tag(0x0018, 0x1150), "ExposureTime", Text),
    (Tag(0x0018, 0x1151), "XRayTubeCurrent", Text),
    (Tag(0x0018, 0x1152), "Exposure", Text),
    (Tag(0x0018, 0x1160), "FilterType", Text),
    (Tag(0x0018, 0x1164), "ImagerPixelSpacing", Text),
    (Tag(0x0018, 0x1166), "Grid", Text),
    (Tag(0x0018, 0x1210), "ConvolutionKernel", Text),
    (Tag(0x0018, 0x1508), "PositionerType", Text),
    (Tag(0x0018, 0x5100), "PatientPosition", Text),
    (Tag(0x0018, 0x5101), "ViewPosition", Text),
    (Tag(0x0020, 0x0060), "Laterality", Text),
    (Tag(0x0020, 0x0062), "ImageLaterality", Text),
    (Tag(0x0028, 0x0004), "PhotometricInterpretation", Text),
    (Tag(0x0028, 0x0030), "PixelSpacing", Text),
    (Tag(0x0028, 0x0101), "BitsStored", Words),
    (Tag(0x0028, 0x0103), "PixelRepresentation", Words),
    (Tag(0x0028, 0x0301), "BurnedInAnnotation", Text),
    (Tag(0x0028, 0x1050), "WindowCenter", Text),
    (Tag(0x0028, 0x1051), "WindowWidth", Text),
    (Tag(0x0028, 0x1052), "RescaleIntercept", Text),
    (Tag(0x0028, 0x1053), "RescaleSlope", Text),
    (Tag(0x0028, 0x1056), "VOILUTFunction", Text),
    (Tag(0x0028, 0x2110), "LossyImageCompression", Text),
    (Tag(0x2050, 0x0020), "PresentationLUTShape", Text),
];

/// What the file says of its technique: keywords with values, in the order of the file. What cannot be read is left out.
pub fn technique(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let Ok(file) = DicomFile::open(bytes) else { return vec![] };
    let mut found = vec![];
    if !file.syntax_uid.is_empty() {
        found.push(("TransferSyntaxUID", file.syntax_uid.clone()));
    }
    found.extend(file.elements().map_while(Result::ok).filter_map(|element| {
        let (_, keyword, form) = ELEMENTS.iter().find(|(tag, ..)| *tag == element.tag)?;
        Some((*keyword, value(&element, *form)?))
    }));
    found
}

fn value(element: &Element, form: Shown) -> Option<String> {
    match form {
        Text => element.text().map(str::to_owned),
        Words => {
            let words: Vec<String> = element.words().map(|word| word.to_string()).collect();
            (!words.is_empty()).then(|| words.join("\\"))
        }
        Hash => (!element.value.is_empty()).then(|| crate::pseudonym::pseudonym_of(element.value)),
    }
}
