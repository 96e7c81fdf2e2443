//! Samples or the bytes of a file in, an answer for every class out.

use crate::error::{Refusal, VertebraStatus, call};
use crate::model::{VertebraModel, known, slice};
use ::model::Picture;

/// What is decided of an image.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VertebraDecision {
    /// The other class of two; of findings: none is called.
    Negative = 0,
    /// The positive class of two, at the model's threshold; of findings: one or more are called.
    Positive = 1,
    /// With more than two classes there is no such decision: the most probable class is called.
    MostProbable = 2,
}

/// What a model says of an image. Research use only, not a medical device.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VertebraPrediction {
    /// The number of the class that is called; of findings, of the most probable one.
    pub label: usize,
    /// Its probability.
    pub probability: f64,
    /// Positive or negative.
    pub decision: VertebraDecision,
}

/// What a model says of one class, or finding.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VertebraAnswer {
    /// Between 0 and 1. Those of classes sum to 1, those of findings need not.
    pub probability: f64,
    /// Whether it is called.
    pub called: bool,
}

/// Where the answer of a call goes.
struct Places {
    model: *const VertebraModel,
    prediction: *mut VertebraPrediction,
    answers: *mut VertebraAnswer,
    room: usize,
}

impl Places {
    /// Classifies the picture that `read` gives.
    ///
    /// # Safety
    /// The model is null or open, `prediction` is null or a place for a prediction, and `answers` is null or places for `room`
    /// answers.
    unsafe fn fill(self, read: impl FnOnce() -> Result<Picture, Refusal>) -> VertebraStatus {
        let Self { model, prediction, answers, room } = self;
        call(|| {
            // SAFETY: the model is null or open, as the caller promises.
            let model = unsafe { known(model) }?;
            if prediction.is_null() {
                return Err(Refusal::null("prediction"));
            }
            let mut predictor = model.predictor();
            let classes = predictor.metadata().classes.len();
            if !answers.is_null() && room < classes {
                return Err(Refusal::argument(
                    "room",
                    format!("{classes} or more, one for each class"),
                    room,
                ));
            }
            let found = predictor.predict(&read()?);
            let decision = match found.positive {
                None => VertebraDecision::MostProbable,
                Some(true) => VertebraDecision::Positive,
                Some(false) => VertebraDecision::Negative,
            };
            let said = VertebraPrediction { label: found.class, probability: found.probability, decision };
            // SAFETY: it is not null, and a place for a prediction, as the caller promises.
            unsafe { prediction.write(said) };
            if answers.is_null() {
                return Ok(());
            }
            for (at, &probability) in found.probabilities.iter().enumerate() {
                let called = found.findings.get(at).copied().unwrap_or(at == found.class);
                // SAFETY: there are `room` places, as the caller promises, and `at` is below `classes`, which is no more.
                unsafe { answers.add(at).write(VertebraAnswer { probability, called }) };
            }
            Ok(())
        })
    }
}

/// The samples `[height, width, channels]` behind a pointer of C.
///
/// # Safety
/// As [`slice`], for that many samples.
unsafe fn samples<'a, T>(
    first: *const T,
    [height, width]: [usize; 2],
    channels: usize,
) -> Result<&'a [T], Refusal> {
    let count = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
    let too_many = || {
        Refusal::argument("samples", "as many as memory can hold", format!("{height} x {width} x {channels}"))
    };
    // SAFETY: the same promise.
    unsafe { slice("samples", first, count.ok_or_else(too_many)?) }
}

/// Classifies `height * width * channels` samples of 8 bits, row by row, the channels of a pixel (1: gray, 3: red, green,
/// blue) side by side; 0 is black, 255 white. The image is resized and scaled as the model was trained.
///
/// `answers` is NULL, or has room for `room` answers, of which as many are written as the model has classes.
///
/// # Safety
/// `model` is open; `samples` are as many as the sides say; `prediction` is a place for one, and `answers` is NULL or has that
/// room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_predict_u8(
    model: *const VertebraModel,
    samples: *const u8,
    height: usize,
    width: usize,
    channels: usize,
    prediction: *mut VertebraPrediction,
    answers: *mut VertebraAnswer,
    room: usize,
) -> VertebraStatus {
    let read = || {
        // SAFETY: there are as many samples, as the caller promises.
        let samples = unsafe { self::samples(samples, [height, width], channels) }?;
        Picture::from_u8(samples, [height, width], channels).map_err(Refusal::failed)
    };
    // SAFETY: the same promises on the other pointers.
    unsafe { Places { model, prediction, answers, room }.fill(read) }
}

/// The same of samples of 16 bits; 0 is black, 65535 white.
///
/// # Safety
/// As vertebra_predict_u8().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_predict_u16(
    model: *const VertebraModel,
    samples: *const u16,
    height: usize,
    width: usize,
    channels: usize,
    prediction: *mut VertebraPrediction,
    answers: *mut VertebraAnswer,
    room: usize,
) -> VertebraStatus {
    let read = || {
        // SAFETY: there are as many samples, as the caller promises.
        let samples = unsafe { self::samples(samples, [height, width], channels) }?;
        Picture::from_u16(samples, [height, width], channels).map_err(Refusal::failed)
    };
    // SAFETY: the same promises on the other pointers.
    unsafe { Places { model, prediction, answers, room }.fill(read) }
}

/// The same of samples between 0 (black) and 1 (white); any other number is an error.
///
/// # Safety
/// As vertebra_predict_u8().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_predict_f32(
    model: *const VertebraModel,
    samples: *const f32,
    height: usize,
    width: usize,
    channels: usize,
    prediction: *mut VertebraPrediction,
    answers: *mut VertebraAnswer,
    room: usize,
) -> VertebraStatus {
    let read = || {
        // SAFETY: there are as many samples, as the caller promises.
        let samples = unsafe { self::samples(samples, [height, width], channels) }?;
        Picture::from_f32(samples, [height, width], channels).map_err(Refusal::failed)
    };
    // SAFETY: the same promises on the other pointers.
    unsafe { Places { model, prediction, answers, room }.fill(read) }
}

/// The same of the `length` bytes of a PNG, JPEG or DICOM file; the content tells which.
///
/// # Safety
/// `bytes` are `length` bytes; the rest as vertebra_predict_u8().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_predict_encoded(
    model: *const VertebraModel,
    bytes: *const u8,
    length: usize,
    prediction: *mut VertebraPrediction,
    answers: *mut VertebraAnswer,
    room: usize,
) -> VertebraStatus {
    // SAFETY: they are `length` bytes, as the caller promises.
    let read = || decode(unsafe { slice("bytes", bytes, length) }?);
    // SAFETY: the same promises on the other pointers.
    unsafe { Places { model, prediction, answers, room }.fill(read) }
}

#[cfg(feature = "decode")]
fn decode(bytes: &[u8]) -> Result<Picture, Refusal> {
    data::decode_bytes("image", bytes).map_err(Refusal::failed)
}

#[cfg(not(feature = "decode"))]
fn decode(_: &[u8]) -> Result<Picture, Refusal> {
    Err(Refusal::Failed(
        "this library was built without its feature `decode`: it reads samples, and no files".into(),
    ))
}
