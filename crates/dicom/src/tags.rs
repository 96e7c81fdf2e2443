//! The elements that an image is made from, and nothing else: so nothing that names a patient is in memory by name, let
//! alone in a message.

use crate::element::Tag;

macro_rules! tags {
    ($($name:ident = $group:literal, $element:literal;)*) => {
        $(pub(crate) const $name: Tag = Tag($group, $element);)*
        /// All of them.
        pub(crate) const WANTED: &[Tag] = &[$($name),*];
    };
}

tags! {
    SOP_CLASS = 0x0008, 0x0016;
    MODALITY = 0x0008, 0x0060;
    SAMPLES_PER_PIXEL = 0x0028, 0x0002;
    PHOTOMETRIC = 0x0028, 0x0004;
    PLANAR = 0x0028, 0x0006;
    FRAMES = 0x0028, 0x0008;
    ROWS = 0x0028, 0x0010;
    COLUMNS = 0x0028, 0x0011;
    BITS_ALLOCATED = 0x0028, 0x0100;
    BITS_STORED = 0x0028, 0x0101;
    HIGH_BIT = 0x0028, 0x0102;
    SIGNED = 0x0028, 0x0103;
    PADDING_VALUE = 0x0028, 0x0120;
    PADDING_LIMIT = 0x0028, 0x0121;
    WINDOW_CENTER = 0x0028, 0x1050;
    WINDOW_WIDTH = 0x0028, 0x1051;
    RESCALE_INTERCEPT = 0x0028, 0x1052;
    RESCALE_SLOPE = 0x0028, 0x1053;
    VOI_FUNCTION = 0x0028, 0x1056;
    RED = 0x0028, 0x1101;
    GREEN = 0x0028, 0x1102;
    BLUE = 0x0028, 0x1103;
    RED_DATA = 0x0028, 0x1201;
    GREEN_DATA = 0x0028, 0x1202;
    BLUE_DATA = 0x0028, 0x1203;
    SEGMENTED_PALETTE = 0x0028, 0x1221;
    MODALITY_LUT = 0x0028, 0x3000;
    VOI_LUT = 0x0028, 0x3010;
    FLOAT_PIXELS = 0x7fe0, 0x0008;
    DOUBLE_PIXELS = 0x7fe0, 0x0009;
    PIXELS = 0x7fe0, 0x0010;
    LUT_SHAPE = 0x2050, 0x0020;
}

/// Descriptors and data of the palette's red, green and blue.
pub(crate) const PALETTE: [(Tag, Tag); 3] = [(RED, RED_DATA), (GREEN, GREEN_DATA), (BLUE, BLUE_DATA)];
