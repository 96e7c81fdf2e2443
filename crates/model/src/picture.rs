//! An image as it is given to a model: samples in memory, from whatever decoder, camera or array they came.
//!
//! Invariant: a [`Picture`] holds `height * width * channels` samples in `0..=255`; 8-bit values are whole numbers, and a
//! 16-bit value v is `v / 257`, so white is 255 at either depth.

use crate::{Error, Window};

/// Larger pictures are refused: a header of a few bytes must not claim all memory. A 43 x 43 cm detector at 0.1 mm has
/// 18 megapixels.
pub const MAX_PIXELS: u64 = 100_000_000;

/// A decoded image.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (gray) or 3 (RGB).
    pub channels: usize,
    /// Bits a sample had: 8 or 16. It decides how colour is rounded to gray, as Pillow does.
    pub bits: u8,
    /// Whether the samples are what is to be seen: those of 8 bits, and what went through a window. Others, of 16
    /// bits, are as they were stored, and a model's window is applied to them (gray only).
    pub shown: bool,
    /// `[height, width, channels]`, in `0..=255`.
    pub samples: Vec<f32>,
}

impl Picture {
    /// From 8-bit samples `[height, width, channels]`.
    ///
    /// # Errors
    /// If `samples` does not have that shape, a side is 0, or the channels are neither 1 nor 3.
    pub fn from_u8(samples: &[u8], [height, width]: [usize; 2], channels: usize) -> Result<Self, Error> {
        Self::new(samples, [height, width], channels, 8, true, f32::from)
    }

    /// From 16-bit samples `[height, width, channels]`, white at 65535; for a model with a window, stored values that are
    /// seen through it.
    ///
    /// # Errors
    /// As [`Picture::from_u8`].
    pub fn from_u16(samples: &[u16], [height, width]: [usize; 2], channels: usize) -> Result<Self, Error> {
        Self::new(samples, [height, width], channels, 16, false, |v| f32::from(v) / 257.0)
    }

    /// From samples `[height, width, channels]` between 0 (black) and 1 (white).
    ///
    /// # Errors
    /// As [`Picture::from_u8`], or if a sample is not in `0..=1`.
    pub fn from_f32(samples: &[f32], [height, width]: [usize; 2], channels: usize) -> Result<Self, Error> {
        if let Some(found) = samples.iter().find(|v| !(0.0..=1.0).contains(*v)) {
            return Err(Error::invalid("picture", "samples between 0 and 1", found));
        }
        Self::new(samples, [height, width], channels, 16, true, |v| 255.0 * v)
    }

    /// From values of a gray image `[height, width]` in their own units, such as Hounsfield units, seen through
    /// `window`: that of the model, which is in [`crate::Preprocessing::window`].
    ///
    /// # Errors
    /// As [`Picture::from_u8`], or if a value is not finite.
    pub fn from_values(values: &[f32], size: [usize; 2], window: Window) -> Result<Self, Error> {
        if let Some(found) = values.iter().find(|v| !v.is_finite()) {
            return Err(Error::invalid("picture", "finite values", found));
        }
        Self::new(values, size, 1, 16, true, |v| window.sample(v.into()))
    }

    /// Stored values of 16 bits as they are seen through `window`. What is shown already stays as it is, and so do
    /// colours, which have no window.
    pub fn through(mut self, window: Window) -> Self {
        if !self.shown && self.channels == 1 {
            // Exactly the stored value: a sample is it over 257.
            self.samples.iter_mut().for_each(|v| *v = window.sample((f64::from(*v) * 257.0).round()));
            self.shown = true;
        }
        self
    }

    /// From samples `[height, width, channels]` between 0 (black) and `white`, of whatever type they were: whole numbers with
    /// white at 255 or 65535 are what [`Picture::from_u8`] and [`Picture::from_u16`] make of them. With any white but
    /// 65535, samples are as they are to be seen, and no window of a model is applied.
    ///
    /// # Errors
    /// As [`Picture::from_u8`], or if a sample is not in `0..=white`, or `white` is no number above 0.
    pub fn from_f64(samples: &[f64], size: [usize; 2], channels: usize, white: f64) -> Result<Self, Error> {
        if !(white > 0.0 && white.is_finite()) {
            return Err(Error::invalid("white", "a number above 0", white));
        }
        if let Some(found) = samples.iter().find(|v| !(0.0..=white).contains(*v)) {
            return Err(Error::invalid("picture", format!("samples between 0 and {white}"), found));
        }
        let is_bytes = white == 255.0 && samples.iter().all(|v| v.fract() == 0.0);
        let bits = if is_bytes { 8 } else { 16 };
        let mut picture = Self::new(samples, size, channels, bits, white != 65_535.0, |_| 0.0)?;
        let step = white / 255.0;
        picture.samples.iter_mut().zip(samples).for_each(|(to, v)| *to = (v / step) as f32);
        Ok(picture)
    }

    fn new<T: Copy>(
        samples: &[T],
        [height, width]: [usize; 2],
        channels: usize,
        bits: u8,
        shown: bool,
        value: impl Fn(T) -> f32,
    ) -> Result<Self, Error> {
        if channels != 1 && channels != 3 {
            return Err(Error::invalid("picture", "1 or 3 channels", channels));
        }
        if height == 0 || width == 0 {
            return Err(Error::invalid("picture", "pixels", format!("none: {height} x {width}")));
        }
        let expected = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
        if samples.is_empty() || expected != Some(samples.len()) {
            let expected = format!("{height} x {width} x {channels} samples");
            return Err(Error::invalid("picture", expected, samples.len()));
        }
        let samples = samples.iter().map(|&v| value(v)).collect();
        Ok(Self { width, height, channels, bits, shown, samples })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_is_white_at_every_depth() {
        let deep = Picture::from_u16(&[0, 257, u16::MAX], [1, 3], 1).unwrap();
        assert_eq!(deep.samples, Picture::from_u8(&[0, 1, 255], [1, 3], 1).unwrap().samples);
        assert_eq!(Picture::from_f32(&[0.0, 1.0], [2, 1], 1).unwrap().samples, [0.0, 255.0]);
    }

    /// Every stored value is told from its neighbour, and what is shown already is not seen through a window again.
    #[test]
    fn a_window_is_of_stored_values_and_applied_once() {
        let window = Window { center: 30_000.0, width: 1000.0 };
        let values: Vec<u16> = (0..=u16::MAX).collect();
        let stored = Picture::from_u16(&values, [256, 256], 1).unwrap();
        let seen = stored.clone().through(window);
        let expected: Vec<f32> = values.iter().map(|&v| window.sample(v.into())).collect();
        assert_eq!(seen.samples, expected);
        assert!(seen.samples[29_500..=30_500].windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!([seen.samples[29_500], seen.samples[30_500]], [0.0, 255.0]);
        assert_eq!(seen.clone().through(window), seen);
        let measured: Vec<f32> = values.iter().map(|&v| v.into()).collect();
        assert_eq!(Picture::from_values(&measured, [256, 256], window).unwrap(), seen);
        let bytes = Picture::from_u8(&[0, 7, 255], [1, 3], 1).unwrap();
        assert_eq!(bytes.clone().through(window), bytes);
        let colours = Picture::from_u16(&[1, 2, 3], [1, 1], 3).unwrap();
        assert_eq!(colours.clone().through(window), colours);
        assert!(Picture::from_values(&[f32::INFINITY], [1, 1], window).is_err());
    }

    #[test]
    fn any_type_is_taken_with_its_white() {
        let bytes: Vec<u8> = (0..=255).collect();
        let words: Vec<u16> = (0..=u16::MAX).collect();
        let as_f64 = |samples: &[u16]| samples.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let wide: Vec<f64> = bytes.iter().map(|&v| f64::from(v)).collect();
        let found = Picture::from_f64(&wide, [16, 16], 1, 255.0).unwrap();
        assert_eq!(found, Picture::from_u8(&bytes, [16, 16], 1).unwrap());
        let found = Picture::from_f64(&as_f64(&words), [256, 256], 1, 65535.0).unwrap();
        assert_eq!(found, Picture::from_u16(&words, [256, 256], 1).unwrap());
        // Whether a window is applied hangs on what is white, and not on the values.
        assert!(!Picture::from_f64(&[0.5, 7.0], [1, 2], 1, 65535.0).unwrap().shown);
        let unit: Vec<f32> = (0..=255).map(|v| v as f32 / 255.0).collect();
        let found = Picture::from_f64(&unit.iter().map(|&v| v.into()).collect::<Vec<_>>(), [16, 16], 1, 1.0);
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= f32::EPSILON * a;
        let expected = Picture::from_f32(&unit, [16, 16], 1).unwrap();
        assert!(found.unwrap().samples.iter().zip(&expected.samples).all(near));
        let said = |white, v| Picture::from_f64(&[v], [1, 1], 1, white).unwrap_err().to_string();
        assert_eq!(said(1.0, 255.0), "picture: expected samples between 0 and 1, found 255");
        assert!(said(0.0, 0.0).contains("a number above 0") && said(1.0, f64::NAN).contains("NaN"));
    }

    #[test]
    fn a_shape_that_does_not_fit_is_refused() {
        let said = |found: Result<Picture, Error>| found.unwrap_err().to_string();
        assert_eq!(
            said(Picture::from_u8(&[0; 5], [2, 3], 1)),
            "picture: expected 2 x 3 x 1 samples, found 5"
        );
        assert!(said(Picture::from_u8(&[], [0, 5], 1)).contains("expected pixels, found none: 0 x 5"));
        assert!(said(Picture::from_u8(&[0; 4], [1, 1], 4)).contains("1 or 3 channels"));
        assert!(said(Picture::from_u8(&[0; 4], [usize::MAX, 2], 1)).contains("found 4"));
        assert!(said(Picture::from_f32(&[f32::NAN], [1, 1], 1)).contains("between 0 and 1, found NaN"));
    }
}
