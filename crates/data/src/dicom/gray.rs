//! From stored values to gray: the grayscale pipeline of PS3.3 annex C.11 and PS3.4 annex N.
//!
//! Modality transform (a table, or slope and intercept), then values of interest, then, for MONOCHROME1, inversion. The
//! values of interest are, in this order: the file's first VOI table, its first window, the whole range of a file of up to
//! 8 bits (which was made for a screen), or the smallest to the largest value that is not padding. Padding is black.
//!
//! Invariant: what [`Pipeline::apply`] gives is a 16-bit level over 257, or a whole number where 8-bit values pass through
//! unchanged, as [`crate::Picture`] wants it.

use super::header::{
    Dataset, Header, MODALITY_LUT, PADDING_LIMIT, PADDING_VALUE, Photometric, RESCALE_INTERCEPT,
    RESCALE_SLOPE, VOI_FUNCTION, VOI_LUT, WINDOW_CENTER, WINDOW_WIDTH,
};
use super::lut::Lut;

/// How stored values become what was measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Modality {
    /// They are it.
    Identity,
    /// `value * slope + intercept`.
    Rescale {
        /// Never 0.
        slope: f64,
        /// In the units of the result.
        intercept: f64,
    },
    /// A table.
    Table {
        /// Its length.
        entries: usize,
    },
}

/// The shape of a window (PS3.3 section C.11.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// A ramp of `width - 1`, centred half a value below the centre.
    Linear,
    /// A ramp of exactly that width and centre.
    LinearExact,
    /// A logistic curve.
    Sigmoid,
}

/// Which values are shown from black to white.
#[derive(Clone, Debug, PartialEq)]
pub enum Voi {
    /// A window.
    Window {
        /// After the modality transform.
        center: f64,
        /// The same.
        width: f64,
        /// Its shape.
        function: Function,
    },
    /// A table.
    Table {
        /// Its length.
        entries: usize,
    },
    /// From one value to another, after the modality transform.
    Range {
        /// Black.
        low: f64,
        /// White.
        high: f64,
    },
}

/// The steps that a file asks for.
pub(super) struct Pipeline {
    pub modality: Modality,
    pub voi: Voi,
    /// Stored values that are no part of the image.
    pub padding: Option<[i32; 2]>,
    modality_table: Option<Lut>,
    voi_table: Option<Lut>,
    inverted: bool,
    /// Stored values of 8 bits that are shown as they are.
    pub unchanged: bool,
}

impl Pipeline {
    /// Reads the steps; `values` are asked where the file does not say what is of interest.
    pub fn new(dataset: &Dataset, header: &Header, values: &[i32]) -> Result<Self, String> {
        let modality_table = Lut::in_sequence(dataset, MODALITY_LUT, header.signed)?;
        let slope = dataset.decimal(RESCALE_SLOPE)?.filter(|&slope| slope != 0.0);
        let intercept = dataset.decimal(RESCALE_INTERCEPT)?;
        let modality = match (&modality_table, slope.unwrap_or(1.0), intercept.unwrap_or(0.0)) {
            (Some(table), ..) => Modality::Table { entries: table.len() },
            (None, 1.0, 0.0) => Modality::Identity,
            (None, slope, intercept) => Modality::Rescale { slope, intercept },
        };
        let inverted = header.photometric == Photometric::Monochrome1;
        let mut pipeline = Self {
            modality,
            voi: Voi::Range { low: 0.0, high: 1.0 },
            padding: padding(dataset, header),
            modality_table,
            voi_table: None,
            inverted,
            unchanged: false,
        };
        // The first value of a VOI table has the sign that the values have after the modality transform.
        let negative = match &pipeline.modality {
            Modality::Identity => header.signed,
            Modality::Rescale { intercept, .. } => header.signed || *intercept < 0.0,
            Modality::Table { .. } => false,
        };
        pipeline.voi_table = Lut::in_sequence(dataset, VOI_LUT, negative)?;
        pipeline.voi = match &pipeline.voi_table {
            Some(table) => Voi::Table { entries: table.len() },
            None => match window(dataset)? {
                Some(window) => window,
                None => pipeline.range(header, values),
            },
        };
        let whole = Voi::Range { low: 0.0, high: 255.0 };
        pipeline.unchanged =
            pipeline.modality == Modality::Identity && pipeline.voi == whole && header.stored == 8;
        Ok(pipeline)
    }

    /// The range where the file names none.
    fn range(&self, header: &Header, values: &[i32]) -> Voi {
        if header.stored <= 8 && !header.signed && self.modality == Modality::Identity {
            return Voi::Range { low: 0.0, high: f64::from((1 << header.stored) - 1) };
        }
        let inside = values.iter().filter(|&&value| !self.is_padding(value));
        let (low, high) = inside
            .map(|&value| self.measured(value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high): (f64, f64), value| {
                (low.min(value), high.max(value))
            });
        // All padding: any range will do.
        if low <= high { Voi::Range { low, high } } else { Voi::Range { low: 0.0, high: 1.0 } }
    }

    fn is_padding(&self, value: i32) -> bool {
        self.padding.is_some_and(|[low, high]| (low..=high).contains(&value))
    }

    /// The value after the modality transform.
    fn measured(&self, stored: i32) -> f64 {
        match (&self.modality, &self.modality_table) {
            (_, Some(table)) => table.get(stored).into(),
            (Modality::Rescale { slope, intercept }, _) => f64::from(stored) * slope + intercept,
            _ => stored.into(),
        }
    }

    /// Black 0 to white 1 for a stored value.
    fn shade(&self, stored: i32) -> f64 {
        if self.is_padding(stored) {
            return 0.0;
        }
        let x = self.measured(stored);
        let shade = match (&self.voi, &self.voi_table) {
            (_, Some(table)) => f64::from(table.get(x.round() as i32)) / f64::from(table.top()),
            (&Voi::Range { low, high }, _) => {
                if high > low {
                    (x - low) / (high - low)
                } else {
                    0.0
                }
            }
            (&Voi::Window { center, width, function }, _) => match function {
                Function::Linear if width > 1.0 => (x - (center - 0.5)) / (width - 1.0) + 0.5,
                Function::Linear => f64::from(u8::from(x > center - 0.5)),
                Function::LinearExact => (x - center) / width + 0.5,
                Function::Sigmoid => 1.0 / (1.0 + (-4.0 * (x - center) / width).exp()),
            },
            (Voi::Table { .. }, None) => 0.0,
        };
        let shade = shade.clamp(0.0, 1.0);
        if self.inverted { 1.0 - shade } else { shade }
    }

    /// Gray for every stored value, in `0..=255`: a 16-bit level over 257.
    pub fn apply(&self, values: &[i32]) -> Vec<f32> {
        // One computation for each of the at most 65536 values that occur, not one for each pixel.
        let low = values.iter().copied().min().unwrap_or(0);
        let high = values.iter().copied().max().unwrap_or(0);
        let levels = if self.unchanged { 255.0 } else { 65_535.0 };
        let level = |value| (self.shade(value) * levels).round() as f32 / (levels / 255.0) as f32;
        let table: Vec<f32> = (low..=high).map(level).collect();
        values.iter().map(|&value| table[(value - low) as usize]).collect()
    }
}

/// The file's first window; none if there is none, or if it is so narrow that it shows nothing.
fn window(dataset: &Dataset) -> Result<Option<Voi>, String> {
    let (Some(center), Some(width)) = (dataset.decimal(WINDOW_CENTER)?, dataset.decimal(WINDOW_WIDTH)?)
    else {
        return Ok(None);
    };
    let function = match dataset.text(VOI_FUNCTION) {
        None | Some("LINEAR") => Function::Linear,
        Some("LINEAR_EXACT") => Function::LinearExact,
        Some("SIGMOID") => Function::Sigmoid,
        Some(_) => return Err("expected a window of LINEAR, LINEAR_EXACT or SIGMOID, found another".into()),
    };
    let least = if function == Function::Linear { width >= 1.0 } else { width > 0.0 };
    Ok(least.then_some(Voi::Window { center, width, function }))
}

/// Pixel Padding Value, and its limit if there is one (PS3.3 section C.7.5.1.1.2).
fn padding(dataset: &Dataset, header: &Header) -> Option<[i32; 2]> {
    let number = |word: u16| if header.signed { i32::from(word as i16) } else { i32::from(word) };
    let value = number(dataset.word(PADDING_VALUE)?);
    let limit = dataset.word(PADDING_LIMIT).map_or(value, number);
    Some([value.min(limit), value.max(limit)])
}
