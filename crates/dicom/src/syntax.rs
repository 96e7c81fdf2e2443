//! Names of transfer syntaxes and of objects (PS3.6 annex A), so that what is refused is refused by name.

use crate::element::Encoding;

/// How pixel data is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Codec {
    Native,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
}

/// A transfer syntax.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syntax {
    pub name: &'static str,
    pub encoding: Encoding,
    pub deflated: bool,
    /// None: no decoder.
    pub codec: Option<Codec>,
}

/// UIDs below `1.2.840.10008.1.2`.
const SYNTAXES: [(&str, &str, Option<Codec>); 43] = [
    ("", "Implicit VR Little Endian", Some(Codec::Native)),
    (".1", "Explicit VR Little Endian", Some(Codec::Native)),
    (".1.98", "Encapsulated Uncompressed Explicit VR Little Endian", Some(Codec::Native)),
    (".1.99", "Deflated Explicit VR Little Endian", Some(Codec::Native)),
    (".2", "Explicit VR Big Endian", Some(Codec::Native)),
    (".4.50", "JPEG Baseline (Process 1)", Some(Codec::Jpeg)),
    (".4.51", "JPEG Extended (Process 2 & 4)", Some(Codec::Jpeg)),
    (".4.52", "JPEG Extended (Process 3 & 5)", None),
    (".4.53", "JPEG Spectral Selection, Non-Hierarchical (Process 6 & 8)", None),
    (".4.54", "JPEG Spectral Selection, Non-Hierarchical (Process 7 & 9)", None),
    (".4.55", "JPEG Full Progression, Non-Hierarchical (Process 10 & 12)", None),
    (".4.56", "JPEG Full Progression, Non-Hierarchical (Process 11 & 13)", None),
    (".4.57", "JPEG Lossless, Non-Hierarchical (Process 14)", Some(Codec::Jpeg)),
    (".4.58", "JPEG Lossless, Non-Hierarchical (Process 15)", None),
    (".4.59", "JPEG Extended, Hierarchical (Process 16 & 18)", None),
    (".4.60", "JPEG Extended, Hierarchical (Process 17 & 19)", None),
    (".4.61", "JPEG Spectral Selection, Hierarchical (Process 20 & 22)", None),
    (".4.62", "JPEG Spectral Selection, Hierarchical (Process 21 & 23)", None),
    (".4.63", "JPEG Full Progression, Hierarchical (Process 24 & 26)", None),
    (".4.64", "JPEG Full Progression, Hierarchical (Process 25 & 27)", None),
    (".4.65", "JPEG Lossless, Hierarchical (Process 28)", None),
    (".4.66", "JPEG Lossless, Hierarchical (Process 29)", None),
    (".4.70", "JPEG Lossless, Non-Hierarchical, First-Order Prediction", Some(Codec::Jpeg)),
    (".4.80", "JPEG-LS Lossless", Some(Codec::JpegLs)),
    (".4.81", "JPEG-LS Lossy (Near-Lossless)", Some(Codec::JpegLs)),
    (".4.90", "JPEG 2000 (Lossless Only)", Some(Codec::Jpeg2000)),
    (".4.91", "JPEG 2000", Some(Codec::Jpeg2000)),
    (".4.92", "JPEG 2000 Part 2 Multi-component (Lossless Only)", None),
    (".4.93", "JPEG 2000 Part 2 Multi-component", None),
    (".4.94", "JPIP Referenced", None),
    (".4.95", "JPIP Referenced Deflate", None),
    (".4.100", "MPEG2 Main Profile / Main Level", None),
    (".4.101", "MPEG2 Main Profile / High Level", None),
    (".4.102", "MPEG-4 AVC/H.264 High Profile", None),
    (".4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile", None),
    (".4.110", "JPEG XL Lossless", None),
    (".4.111", "JPEG XL JPEG Recompression", None),
    (".4.112", "JPEG XL", None),
    (".4.201", "High-Throughput JPEG 2000 (Lossless Only)", None),
    (".4.202", "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)", None),
    (".4.203", "High-Throughput JPEG 2000", None),
    (".5", "RLE Lossless", Some(Codec::Rle)),
    (".8.1", "Deflated Image Frame Compression", None),
];

impl Syntax {
    /// The syntax of a UID. One that is not known is read as explicit VR little endian, which every syntax for compressed
    /// images is; its pixels are refused.
    pub fn of(uid: &str) -> Self {
        let below = uid.strip_prefix("1.2.840.10008.1.2");
        let known = SYNTAXES.iter().find(|(suffix, ..)| Some(*suffix) == below);
        let encoding = match below {
            Some("") => Encoding::IMPLICIT,
            Some(".2") => Encoding::BIG_ENDIAN,
            _ => Encoding::EXPLICIT,
        };
        let (name, codec) = known.map_or(("unknown", None), |&(_, name, codec)| (name, codec));
        Self { name, encoding, deflated: matches!(below, Some(".1.99" | ".4.95")), codec }
    }
}

/// What an object that is not one flat image is called, by its SOP class; none for an image.
pub(crate) fn not_an_image(class: &str) -> Option<&'static str> {
    let Some(storage) = class.strip_prefix("1.2.840.10008.5.1.4.1.1.") else {
        return match class {
            "1.2.840.10008.1.3.10" => Some("a media directory (DICOMDIR)"),
            "1.2.840.10008.5.1.4.38.1" => Some("a hanging protocol"),
            "1.2.840.10008.5.1.4.39.1" => Some("a colour palette"),
            "1.2.840.10008.5.1.4.43.1" | "1.2.840.10008.5.1.4.44.1" | "1.2.840.10008.5.1.4.45.1" => {
                Some("an implant template")
            }
            _ if class.starts_with("1.2.840.10008.5.1.4.34.") => Some("a worklist or procedure step"),
            _ => None,
        };
    };
    let name = match storage {
        "2.1" | "2.2" => "an enhanced CT (multi-frame) object",
        "4.1" | "4.3" | "4.4" => "an enhanced MR (multi-frame) object",
        "4.2" => "an MR spectroscopy",
        "128.1" | "130" => "an enhanced PET (multi-frame) object",
        "6.2" => "an enhanced ultrasound volume (multi-frame object)",
        "12.1.1" | "12.2.1" => "an enhanced angiography (multi-frame) object",
        "13.1.1" | "13.1.2" | "13.1.3" | "13.1.4" | "13.1.5" => "a reconstructed (multi-frame) volume",
        "77.1.6" => "a whole-slide microscopy",
        "77.1.5.3" => "a relation of stereometric images",
        "30" => "a parametric map",
        "66" => "raw data",
        "66.1" | "66.3" => "a spatial registration",
        "66.2" => "spatial fiducials",
        "66.4" | "66.7" => "a segmentation",
        "66.5" => "a surface segmentation",
        "66.6" => "tractography results",
        "67" => "a real world value mapping",
        "68.1" | "68.2" => "a surface scan",
        "78.7" | "78.8" => "an intraocular lens calculation",
        "79.1" => "a macular grid report",
        "80.1" => "a visual field report",
        "88.40" => "a procedure log",
        "88.50" | "88.65" | "88.69" => "a structured report of computer-aided detection",
        "88.59" => "a key object selection",
        "88.67" | "88.68" | "88.73" | "88.74" | "88.76" => "a structured report of radiation dose",
        "104.1" => "an encapsulated PDF document",
        "104.2" => "an encapsulated CDA document",
        "104.3" | "104.4" | "104.5" => "an encapsulated model",
        "200.1" | "200.3" => "a protocol",
        "200.2" => "a performed protocol",
        "201.1" => "a storage inventory",
        "481.2" => "a radiotherapy dose",
        "481.3" => "a radiotherapy structure set",
        "481.4" | "481.6" | "481.7" | "481.9" => "a radiotherapy treatment record",
        "481.5" | "481.8" => "a radiotherapy plan",
        // 481.1 is RT Image, a radiograph of the treatment beam.
        class if class.starts_with("481.") && class != "481.1" => "a radiotherapy object",
        class if class.starts_with("78.") => "ophthalmic measurements",
        class if class.starts_with("88.") => "a structured report",
        class if class.starts_with("11.") => "a presentation state",
        class if class.starts_with("9.") => "a waveform",
        _ => return None,
    };
    Some(name)
}

/// The same by the modality (PS3.3 section C.7.3.1.1.1), for an object that does not say its class.
pub(crate) fn not_an_image_by_modality(modality: &str) -> Option<&'static str> {
    Some(match modality {
        "SR" => "a structured report",
        "KO" => "a key object selection",
        "PR" => "a presentation state",
        "SEG" => "a segmentation",
        "REG" => "a spatial registration",
        "FID" => "spatial fiducials",
        "DOC" => "an encapsulated document",
        "M3D" => "an encapsulated model",
        "RTPLAN" => "a radiotherapy plan",
        "RTSTRUCT" => "a radiotherapy structure set",
        "RTDOSE" => "a radiotherapy dose",
        "RTRECORD" => "a radiotherapy treatment record",
        "RWV" => "a real world value mapping",
        "ECG" | "EPS" | "HD" | "RESP" | "AU" => "a waveform",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(Syntax::of("1.2.840.10008.1.2.4.203").name, "High-Throughput JPEG 2000");
        assert!(!Syntax::of("1.2.840.10008.1.2").encoding.explicit);
        assert!(Syntax::of("1.2.840.10008.1.2.1.99").deflated);
        assert_eq!(Syntax::of("1.2.3").codec, None);
        let storage = |below: &str| not_an_image(&format!("1.2.840.10008.5.1.4.1.1.{below}"));
        for image in ["1", "1.1", "2", "4", "6.1", "7", "7.2", "12.1", "3.1", "20", "128", "481.1"] {
            assert_eq!(storage(image), None, "{image}");
        }
        assert_eq!(storage("88.33"), Some("a structured report"));
        assert_eq!(storage("481.5"), Some("a radiotherapy plan"));
        assert_eq!(storage("481.17"), Some("a radiotherapy object"));
    }
}
