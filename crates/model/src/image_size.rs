//! The size of an input as people write it: `224` for a square, `320x256` for 320 rows of 256 pixels.
//!
//! In JSON and TOML a square is the number and anything else the text, so that what was written when all inputs were
//! square is read, and written again, as it was.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::fmt::{self, Display};
use std::str::FromStr;

/// Height and width of an input in pixels. Whether a network can have them, [`crate::Architecture::network`] checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSize {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// What can be written.
const EXPECTED: &str = "pixels: one number for a square, or height x width such as 320x256";

impl From<usize> for ImageSize {
    fn from(side: usize) -> Self {
        Self { height: side, width: side }
    }
}

impl From<[usize; 2]> for ImageSize {
    fn from([height, width]: [usize; 2]) -> Self {
        Self { height, width }
    }
}

impl From<ImageSize> for [usize; 2] {
    fn from(size: ImageSize) -> Self {
        [size.height, size.width]
    }
}

impl Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { height, width } if height == width => write!(f, "{height}"),
            Self { height, width } => write!(f, "{height}x{width}"),
        }
    }
}

impl FromStr for ImageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| text.parse().map_err(|_| format!("expected {EXPECTED}"));
        match text.split_once(['x', 'X']) {
            Some((height, width)) => Ok(Self { height: side(height)?, width: side(width)? }),
            None => side(text).map(Self::from),
        }
    }
}

impl Serialize for ImageSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self { height, width } if height == width => serializer.serialize_u64(*height as u64),
            other => serializer.collect_str(other),
        }
    }
}

impl<'de> Deserialize<'de> for ImageSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl Visitor<'_> for Written {
            type Value = ImageSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_i64<E: de::Error>(self, side: i64) -> Result<ImageSize, E> {
                let side = usize::try_from(side);
                side.map(ImageSize::from).map_err(|_| E::custom(format!("expected {EXPECTED}")))
            }

            fn visit_u64<E: de::Error>(self, side: u64) -> Result<ImageSize, E> {
                self.visit_i64(i64::try_from(side).unwrap_or(-1))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ImageSize, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn height_comes_first_and_one_number_is_a_square() {
        let read = |text: &str| text.parse::<ImageSize>();
        assert_eq!(read("320x256"), Ok(ImageSize { height: 320, width: 256 }));
        assert_eq!(read("224"), Ok(ImageSize { height: 224, width: 224 }));
        assert_eq!(read("224x224").unwrap().to_string(), "224");
        assert_eq!(read("256X320").unwrap().to_string(), "256x320");
        for bad in ["", "x", "320x", "x256", "320x256x1", "-1", "3.5", "320,256", "320 x 256"] {
            let said = read(bad).unwrap_err();
            assert!(said.contains("one number for a square, or height x width such as 320x256"), "{said}");
        }
    }

    #[test]
    fn a_square_is_a_number_in_json_and_anything_else_a_text() {
        for (size, json) in [([224, 224], "224"), ([320, 256], "\"320x256\"")] {
            let size = ImageSize::from(size);
            assert_eq!(serde_json::to_string(&size).unwrap(), json);
            assert_eq!(serde_json::from_str::<ImageSize>(json).unwrap(), size);
        }
        for bad in ["-3", "\"wide\"", "[320, 256]", "true"] {
            let said = serde_json::from_str::<ImageSize>(bad).unwrap_err().to_string();
            assert!(said.contains("height x width"), "{bad}: {said}");
        }
    }
}
