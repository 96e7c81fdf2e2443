//! From stored values to gray: the grayscale pipeline of PS3.3 annex C.11 and PS3.4 annex N.
//!
//! Modality transform (a modality LUT, or slope and intercept), then values of interest (a VOI LUT, or a window), then,
//! for MONOCHROME1, inversion. The values of interest are, in this order: the window of a model, unless the file was
//! made for a screen; the file's first VOI LUT; its first window; the whole range of a file of up to 8 bits (which was
//! made for a screen); or the smallest to the largest value that is not padding. Padding is black.
//!
//! Images of X-ray angiography and fluoroscopy (XA, XRF) have a modality transform that leads back to the intensity of
//! the beam and is no step to what is shown (PS3.3 section C.8.7.1.1.2; the window is one of stored values): it is not
//! applied.
//!
//! Invariant: what [`Pipeline::apply`] gives is a 16-bit level over 257, or a whole number where 8-bit values pass
//! through unchanged, as [`model::Picture`] wants it.

use crate::attributes::Attributes;
use crate::header::Header;
use crate::lut::Lut;
use crate::photometric::Photometric;
use crate::tags::{
    LUT_SHAPE, MODALITY, MODALITY_LUT, PADDING_LIMIT, PADDING_VALUE, RESCALE_INTERCEPT, RESCALE_SLOPE,
    VOI_FUNCTION, VOI_LUT, WINDOW_CENTER, WINDOW_WIDTH,
};
use model::Window;

/// How stored values become what was measured.
#[derive(Clone, Debug, PartialEq)]
pub enum ModalityTransform {
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
pub enum VoiFunction {
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
        function: VoiFunction,
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
pub(crate) struct Pipeline<'a> {
    pub modality: ModalityTransform,
    pub voi: Voi,
    /// Stored values that are no part of the image.
    pub padding: Option<[i32; 2]>,
    /// Whether the file has values of interest that cannot be used.
    pub voi_unusable: bool,
    /// What was assumed or passed over, a sentence each.
    pub notes: Vec<String>,
    header: &'a Header,
    modality_table: Option<Lut>,
    voi_table: Option<Lut>,
    inverted: bool,
    /// Stored values of 8 bits that are shown as they are.
    pub unchanged: bool,
}

impl<'a> Pipeline<'a> {
    /// Reads the steps, with the window of a model if there is one; `values` are asked where the file does not say
    /// what is of interest.
    pub fn new(
        attributes: &Attributes,
        header: &'a Header,
        values: &[i32],
        of_model: Option<Window>,
    ) -> Self {
        let mut notes = Vec::new();
        let (modality, modality_table) = modality(attributes, header, &mut notes);
        let inverted = header.photometric == Photometric::Monochrome1;
        match attributes.text(LUT_SHAPE) {
            Some("IDENTITY") if inverted => {
                notes.push("Presentation LUT Shape IDENTITY contradicts MONOCHROME1, which counts".into());
            }
            Some("INVERSE") if !inverted => {
                notes.push("Presentation LUT Shape INVERSE contradicts MONOCHROME2, which counts".into());
            }
            _ => {}
        }
        // The first value of a VOI table has the sign that the values have after the modality transform.
        let negative = match &modality {
            ModalityTransform::Identity => header.signed,
            &ModalityTransform::Rescale { slope, intercept } => {
                header.limits().iter().any(|&limit| limit as f64 * slope + intercept < 0.0)
            }
            ModalityTransform::Table { .. } => false,
        };
        let before = notes.len();
        let few = has_few_values(header, &modality);
        let of_model = match of_model {
            Some(_) if few => {
                notes.push("8 bits or fewer: shown as the file says, not through the model's window".into());
                None
            }
            other => other,
        };
        let (voi_table, window) = match of_model {
            Some(Window { center, width }) => {
                if attributes.get(VOI_LUT).or(attributes.get(WINDOW_CENTER)).is_some() {
                    notes.push(format!(
                        "seen through the model's window {center},{width} (train --window), not the file's own"
                    ));
                }
                (None, Some(Voi::Window { center, width, function: VoiFunction::LinearExact }))
            }
            None => match Lut::in_sequence(attributes, VOI_LUT, negative, &mut notes) {
                None => (None, window(attributes, &mut notes)),
                table => (table, None),
            },
        };
        let mut pipeline = Self {
            modality,
            voi: Voi::Range { low: 0.0, high: 1.0 },
            padding: padding(attributes, header),
            voi_unusable: of_model.is_none() && notes.len() > before,
            notes,
            header,
            modality_table,
            voi_table,
            inverted,
            unchanged: false,
        };
        pipeline.voi = match (&pipeline.voi_table, window) {
            (Some(table), _) => Voi::Table { entries: table.len() },
            (None, Some(window)) => window,
            (None, None) => pipeline.range(values),
        };
        let whole = Voi::Range { low: 0.0, high: 255.0 };
        pipeline.unchanged =
            pipeline.modality == ModalityTransform::Identity && pipeline.voi == whole && header.stored == 8;
        pipeline
    }

    /// The range where the file names none.
    fn range(&self, values: &[i32]) -> Voi {
        let header = self.header;
        if has_few_values(header, &self.modality) {
            return Voi::Range { low: 0.0, high: f64::from((1 << header.stored) - 1) };
        }
        let inside = values.iter().filter(|&&value| !self.is_padding(value));
        let (low, high) = inside
            .map(|&value| self.measured(header.number(value)))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high): (f64, f64), value| {
                (low.min(value), high.max(value))
            });
        // All padding: any range will do.
        if low <= high { Voi::Range { low, high } } else { Voi::Range { low: 0.0, high: 1.0 } }
    }

    /// Whether the file names no range, so that its own smallest and largest value are shown as black and white. One
    /// that cannot be used has a note already.
    pub fn is_stretched(&self) -> bool {
        let few = has_few_values(self.header, &self.modality);
        matches!(self.voi, Voi::Range { .. }) && !few && !self.voi_unusable
    }

    fn is_padding(&self, value: i32) -> bool {
        self.padding.is_some_and(|[low, high]| (low..=high).contains(&value))
    }

    /// The value after the modality transform.
    fn measured(&self, stored: i64) -> f64 {
        match (&self.modality, &self.modality_table) {
            (_, Some(table)) => table.get(stored).into(),
            (ModalityTransform::Rescale { slope, intercept }, _) => stored as f64 * slope + intercept,
            _ => stored as f64,
        }
    }

    /// Black 0 to white 1 for a stored value.
    fn shade(&self, stored: i32) -> f64 {
        if self.is_padding(stored) {
            return 0.0;
        }
        let x = self.measured(self.header.number(stored));
        let shade = match (&self.voi, &self.voi_table) {
            (_, Some(table)) => f64::from(table.get(x.round() as i64)) / f64::from(table.top()),
            (&Voi::Range { low, high }, _) => {
                if high > low {
                    (x - low) / (high - low)
                } else {
                    0.0
                }
            }
            (&Voi::Window { center, width, function }, _) => match function {
                VoiFunction::Linear if width > 1.0 => (x - (center - 0.5)) / (width - 1.0) + 0.5,
                VoiFunction::Linear => f64::from(u8::from(x > center - 0.5)),
                VoiFunction::LinearExact => Window { center, width }.shade(x),
                VoiFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (x - center) / width).exp()),
            },
            (Voi::Table { .. }, None) => 0.0,
        };
        let shade = shade.clamp(0.0, 1.0);
        if self.inverted { 1.0 - shade } else { shade }
    }

    /// Gray for every stored value, in `0..=255`: a 16-bit level over 257.
    pub fn apply(&self, values: &[i32]) -> Vec<f32> {
        let levels = if self.unchanged { 255.0 } else { 65_535.0 };
        let level = |value| (self.shade(value) * levels).round() as f32 / (levels / 255.0) as f32;
        let low = values.iter().copied().min().unwrap_or(0);
        let high = values.iter().copied().max().unwrap_or(0);
        if self.header.stored > 16 {
            return values.iter().map(|&value| level(value)).collect();
        }
        // One computation for each of the at most 65536 values that occur, not one for each pixel.
        let table: Vec<f32> = (low..=high).map(level).collect();
        values.iter().map(|&value| table[(value - low) as usize]).collect()
    }
}

/// Whether a file was made for a screen: all that could be stored is shown, where it names no range.
fn has_few_values(header: &Header, modality: &ModalityTransform) -> bool {
    header.stored <= 8 && !header.signed && *modality == ModalityTransform::Identity
}

/// The modality transform, and its table if it is one.
fn modality(
    attributes: &Attributes,
    header: &Header,
    notes: &mut Vec<String>,
) -> (ModalityTransform, Option<Lut>) {
    let rescale = match (attributes.decimal(RESCALE_SLOPE), attributes.decimal(RESCALE_INTERCEPT)) {
        (Some(0.0), Some(_)) => {
            notes.push("Rescale Slope 0 would leave nothing: not applied".into());
            None
        }
        (Some(slope), Some(intercept)) => {
            let [low, high] = header.limits().map(|limit| limit as f64 * slope + intercept);
            if (high - low).is_finite() {
                Some((slope, intercept))
            } else {
                notes.push(format!("rescale by {slope} and {intercept} has no finite results: not applied"));
                None
            }
        }
        (None, None) => None,
        // They are required together (PS3.3 table C.11-1b).
        _ => {
            notes.push("Rescale Slope and Intercept are not both given: not applied".into());
            None
        }
    };
    let rescale = rescale.filter(|&rescale| rescale != (1.0, 0.0));
    if let Some(kind) = beam_intensity(attributes) {
        let ignored = match (attributes.get(MODALITY_LUT), rescale) {
            (Some(_), _) => "the Modality LUT".to_string(),
            (None, Some((slope, intercept))) => format!("rescale by {slope} and {intercept}"),
            (None, None) => return (ModalityTransform::Identity, None),
        };
        notes.push(format!("{ignored} is not applied: in {kind} it is not for display (PS3.3 C.8.7.1.1.2)"));
        return (ModalityTransform::Identity, None);
    }
    let table = Lut::in_sequence(attributes, MODALITY_LUT, header.signed, notes);
    let modality = match (&table, rescale) {
        (Some(table), _) => ModalityTransform::Table { entries: table.len() },
        (None, Some((slope, intercept))) => ModalityTransform::Rescale { slope, intercept },
        (None, None) => ModalityTransform::Identity,
    };
    (modality, table)
}

/// The kind of an image whose modality transform leads to the beam's intensity: by its SOP class, or, where it has
/// none, by its modality.
fn beam_intensity(attributes: &Attributes) -> Option<&'static str> {
    match (attributes.class(), attributes.code(MODALITY)) {
        ("1.2.840.10008.5.1.4.1.1.12.1" | "1.2.840.10008.5.1.4.1.1.12.3", _) | ("", Some("XA")) => {
            Some("an X-ray angiography (XA)")
        }
        ("1.2.840.10008.5.1.4.1.1.12.2", _) | ("", Some("RF")) => Some("a fluoroscopy (RF)"),
        _ => None,
    }
}

/// The file's first window that is one; none if there is none.
fn window(attributes: &Attributes, notes: &mut Vec<String>) -> Option<Voi> {
    let values = |tag| attributes.get(tag).map(|element| element.numbers()).unwrap_or_default();
    let (centers, widths) = (values(WINDOW_CENTER), values(WINDOW_WIDTH));
    if centers.is_empty() && widths.is_empty() {
        return None;
    }
    let count = centers.len().min(widths.len());
    if centers.len() != widths.len() {
        let (centers, widths) = (centers.len(), widths.len());
        notes.push(format!("the file has {centers} window centres and {widths} widths"));
    }
    let pairs = centers.into_iter().zip(widths).enumerate();
    let mut usable = pairs.filter_map(|(i, pair)| match pair {
        (Some(center), Some(width)) if width > 0.0 => Some((i, center, width)),
        _ => None,
    });
    let Some((i, center, width)) = usable.next() else {
        notes.push("the file's window cannot be used: expected a centre and a width above 0".into());
        return None;
    };
    if count > 1 {
        notes.push(format!("window {} of {count} is used", i + 1));
    }
    let text = attributes.text(VOI_FUNCTION).and_then(|text| text.split('\\').next()).unwrap_or_default();
    let function = match text.trim().to_ascii_uppercase().replace([' ', '-'], "_").as_str() {
        "" | "LINEAR" => VoiFunction::Linear,
        "LINEAR_EXACT" => VoiFunction::LinearExact,
        "SIGMOID" => VoiFunction::Sigmoid,
        _ => {
            notes.push("VOI LUT Function is none that the standard knows: taken as LINEAR".into());
            VoiFunction::Linear
        }
    };
    // LINEAR's ramp is one value narrower than its width, so that it has none below a width of 1 (section
    // C.11.2.1.2.1).
    if function == VoiFunction::Linear && width < 1.0 {
        notes.push(format!("a LINEAR window has a width of 1 or more, found {width}: taken as LINEAR_EXACT"));
        return Some(Voi::Window { center, width, function: VoiFunction::LinearExact });
    }
    Some(Voi::Window { center, width, function })
}

/// Pixel Padding Value, and its limit if there is one (PS3.3 section C.7.5.1.1.2).
fn padding(attributes: &Attributes, header: &Header) -> Option<[i32; 2]> {
    if header.allocated > 16 {
        return None;
    }
    let number = |word: u16| if header.signed { i32::from(word as i16) } else { i32::from(word) };
    let value = number(attributes.word(PADDING_VALUE)?);
    let limit = attributes.word(PADDING_LIMIT).map_or(value, number);
    Some([value.min(limit), value.max(limit)])
}
