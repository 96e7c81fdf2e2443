//! The numbers of DICOM (PS3.6) that tests write into files: one home for all of them. A tag is group and element in one
//! number, as [`crate::common::Writer`] takes it.

// Transfer syntaxes.
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub const RLE: &str = "1.2.840.10008.1.2.5";
pub const BASELINE: &str = "1.2.840.10008.1.2.4.50";
pub const LOSSLESS: &str = "1.2.840.10008.1.2.4.57";
pub const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";
pub const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";

// What kind of object it is.
pub const CR: &str = "1.2.840.10008.5.1.4.1.1.1";
pub const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
pub const XA: &str = "1.2.840.10008.5.1.4.1.1.12.1";
pub const XRF: &str = "1.2.840.10008.5.1.4.1.1.12.2";
pub const BIPLANE: &str = "1.2.840.10008.5.1.4.1.1.12.3";

// Elements, by number.
pub const SOP_CLASS: u32 = 0x0008_0016;
pub const MODALITY: u32 = 0x0008_0060;
pub const PATIENT: u32 = 0x0010_0020;
pub const STUDY: u32 = 0x0020_000d;
pub const PLANAR: u32 = 0x0028_0006;
pub const FRAMES: u32 = 0x0028_0008;
pub const PADDING: u32 = 0x0028_0120;
pub const CENTER: u32 = 0x0028_1050;
pub const WIDTH: u32 = 0x0028_1051;
pub const INTERCEPT: u32 = 0x0028_1052;
pub const SLOPE: u32 = 0x0028_1053;
pub const FUNCTION: u32 = 0x0028_1056;
pub const MODALITY_LUT: u32 = 0x0028_3000;
pub const DESCRIPTOR: u32 = 0x0028_3002;
pub const TABLE: u32 = 0x0028_3006;
pub const VOI_LUT: u32 = 0x0028_3010;
pub const PIXELS: u32 = 0x7fe0_0010;

// Items of sequences, and the length of what ends where its delimiter is.
pub const ITEM: u32 = 0xfffe_e000;
pub const ITEM_END: u32 = 0xfffe_e00d;
pub const SEQUENCE_END: u32 = 0xfffe_e0dd;
pub const UNDEFINED: u32 = u32::MAX;
