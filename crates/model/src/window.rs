//! A window: which values of a gray image are seen from black to white, as a radiologist names it, by centre and width.
//!
//! The ramp is the one of PS3.3 section C.11.2.1.3.2 (`LINEAR_EXACT`): black up to `center - width / 2`, white from
//! `center + width / 2` on. A window of a model is part of its preprocessing: it is applied before all else.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;

/// Centre and width, in the units of the values: of a DICOM file those after its modality transform (Hounsfield units
/// of a CT), of another file of 16 bits the stored ones, 0 to 65535. As text `CENTER,WIDTH`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    /// What is shown as middle gray.
    pub center: f64,
    /// From black to white; above 0.
    pub width: f64,
}

impl Window {
    /// Black 0 to white 1 for a value.
    pub fn shade(&self, value: f64) -> f64 {
        ((value - self.center) / self.width + 0.5).clamp(0.0, 1.0)
    }

    /// The same as a sample of a [`crate::Picture`]: one of 65,536 levels in `0..=255`, as a DICOM file's own window
    /// gives it.
    pub fn sample(&self, value: f64) -> f32 {
        (self.shade(value) * 65_535.0).round() as f32 / 257.0
    }

    /// The values that are shown as black and as white.
    pub fn ends(&self) -> [f64; 2] {
        [self.center - self.width / 2.0, self.center + self.width / 2.0]
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.center, self.width)
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let pair = text.split_once(',').and_then(|(center, width)| Some((number(center)?, number(width)?)));
        match pair {
            Some((center, width)) if width > 0.0 => Ok(Self { center, width }),
            _ => Err(format!("expected CENTER,WIDTH such as 40,400, with a width above 0; found \"{text}\"")),
        }
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_centre_is_middle_gray_and_the_width_lies_around_it() {
        let window: Window = "40,400".parse().unwrap();
        assert_eq!(window.ends(), [-160.0, 240.0]);
        let shades = [-1000.0, -160.0, -60.0, 40.0, 240.0, 3000.0].map(|value| window.shade(value));
        assert_eq!(shades, [0.0, 0.0, 0.25, 0.5, 1.0, 1.0]);
        assert_eq!((window.sample(-160.0), window.sample(240.0)), (0.0, 255.0));
        // One Hounsfield unit is 164 of 65,536 levels, and less than one of 256.
        assert!(window.sample(41.0) > window.sample(40.0) && window.sample(41.0) - window.sample(40.0) < 1.0);
    }

    #[test]
    fn what_is_no_window_is_refused() {
        assert_eq!("-600,1500".parse::<Window>().unwrap().to_string(), "-600,1500");
        assert_eq!(serde_json::to_string(&Window { center: 0.5, width: 2.0 }).unwrap(), "\"0.5,2\"");
        for bad in ["40", "40,0", "40,-1", "40,400,1", "a,b", "nan,1", "40,inf", ""] {
            assert!(bad.parse::<Window>().unwrap_err().contains("such as 40,400"), "{bad}");
            assert!(serde_json::from_str::<Window>(&format!("\"{bad}\"")).is_err(), "{bad}");
        }
    }
}
