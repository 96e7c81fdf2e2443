//! Samples, values or the bytes of a file in, an answer for every class out.

use crate::error::{Refusal, VertebraStatus, call};
use crate::model::{VertebraModel, known, slice};
use ::model::{Error, Picture, Preprocessing};

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
    /// Classifies the picture that `read` gives for the model's preprocessing.
    ///
    /// # Safety
    /// The model is null or open, `prediction` is null or a place for a prediction, and `answers` is null or places for
    /// `room` answers.
    unsafe fn fill(self, read: impl FnOnce(&Preprocessing) -> Result<Picture, Refusal>) -> VertebraStatus {
        let Self { model, prediction, answers, room } = self;
        call(|| {
            // SAFETY: the model is null or open, as the caller promises.
            let model = unsafe { known(model) }?;
            if prediction.is_null() {
                return Err(Refusal::null("prediction"));
            }
            let classes = model.classes();
            if !answers.is_null() && room < classes {
                return Err(Refusal::argument(
                    "room",
                    format!("{classes} or more, one for each class"),
                    room,
                ));
            }
            // Threads that share a model wait for each other's predictions only, while images of all are read.
            let picture = read(&model.prep)?;
            let found = model.predictor().predict(&picture).map_err(Refusal::failed)?;
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
                // SAFETY: there are `room` places, as the caller promises, and `at` is below `classes`, which is no
                // more.
                unsafe { answers.add(at).write(VertebraAnswer { probability, called }) };
            }
            Ok(())
        })
    }
}

/// Samples `[height, width, channels]` behind a pointer of C that is called `name` there, as a picture.
///
/// # Safety
/// As [`slice`], for that many samples.
unsafe fn picture<T>(
    name: &str,
    first: *const T,
    [height, width]: [usize; 2],
    channels: usize,
    of: impl FnOnce(&[T], [usize; 2], usize) -> Result<Picture, Error>,
) -> Result<Picture, Refusal> {
    let count = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
    let too_many =
        || Refusal::argument(name, "as many as memory can hold", format!("{height} x {width} x {channels}"));
    // SAFETY: the same promise.
    let samples = unsafe { slice(name, first, count.ok_or_else(too_many)?) }?;
    of(samples, [height, width], channels).map_err(Refusal::failed)
}

/// Classifies `height * width * channels` samples of 8 bits, row by row, the channels of a pixel (1: gray, 3: red,
/// green, blue) side by side; 0 is black, 255 white. The image is resized and scaled as the model was trained.
///
/// `answers` is NULL, or has room for `room` answers, of which as many are written as the model has classes.
///
/// # Safety
/// `model` is open; `samples` are as many as the sides say; `prediction` is a place for one, and `answers` is NULL or
/// has that room.
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
    // SAFETY: there are as many samples, as the caller promises.
    let read = |_: &_| unsafe { picture("samples", samples, [height, width], channels, Picture::from_u8) };
    // SAFETY: the same promises on the other pointers.
    unsafe { Places { model, prediction, answers, room }.fill(read) }
}

/// The same of samples of 16 bits; 0 is black, 65535 white. Gray is seen through the model's window, if it has one.
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
    // SAFETY: there are as many samples, as the caller promises.
    let read = |_: &_| unsafe { picture("samples", samples, [height, width], channels, Picture::from_u16) };
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
    // SAFETY: there are as many samples, as the caller promises.
    let read = |_: &_| unsafe { picture("samples", samples, [height, width], channels, Picture::from_f32) };
    // SAFETY: the same promises on the other pointers.
    unsafe { Places { model, prediction, answers, room }.fill(read) }
}

/// The same of a gray image of values in their own units, such as Hounsfield units, seen through the model's window; a
/// model without one is an error.
///
/// # Safety
/// `model` is open; `values` are `height * width`; `prediction` is a place for one, and `answers` is NULL or has that
/// room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vertebra_predict_values(
    model: *const VertebraModel,
    values: *const f32,
    height: usize,
    width: usize,
    prediction: *mut VertebraPrediction,
    answers: *mut VertebraAnswer,
    room: usize,
) -> VertebraStatus {
    let read = |prep: &Preprocessing| {
        let none =
            || Refusal::argument("model", "one with a window (--window of its training)", "one without");
        let window = prep.window.ok_or_else(none)?;
        // SAFETY: there are as many values, as the caller promises.
        unsafe {
            picture("values", values, [height, width], 1, |values, size, _| {
                Picture::from_values(values, size, window)
            })
        }
    };
    // SAFETY: the same promises on the other pointers.
    unsafe { Places { model, prediction, answers, room }.fill(read) }
}

/// The same of the `length` bytes of a PNG, JPEG or DICOM file; the content tells which.
///
/// # Safety
/// `model` is open; `bytes` are `length` bytes; `prediction` is a place for one, and `answers` is NULL or has that
/// room.
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
    let read = |prep: &Preprocessing| decode(unsafe { slice("bytes", bytes, length) }?, prep);
    // SAFETY: the same promises on the other pointers.
    unsafe { Places { model, prediction, answers, room }.fill(read) }
}

#[cfg(feature = "decode")]
fn decode(bytes: &[u8], prep: &Preprocessing) -> Result<Picture, Refusal> {
    let decoded = data::decode_bytes_through("image", bytes, prep.window);
    decoded.map(|(picture, _)| picture).map_err(Refusal::failed)
}

#[cfg(not(feature = "decode"))]
fn decode(_: &[u8], _: &Preprocessing) -> Result<Picture, Refusal> {
    Err(Refusal::Failed(
        "this library was built without its feature `decode`: it takes samples and values, and no files"
            .into(),
    ))
}

#[cfg(all(test, feature = "decode"))]
mod tests {
    use super::*;
    use crate::{dicom_writer, random_model, vertebra_close, vertebra_open_memory};
    use ::model::Window;
    use std::ptr;

    /// Of a DICOM file, whose own window is another, as of its values.
    #[test]
    fn the_window_is_that_of_the_model() {
        let hounsfield: Vec<i32> = (0..32 * 32).map(|at| -300 + at * 37 % 701).collect();
        let mut slice = dicom_writer::Writer::new("1.2.840.10008.1.2.1");
        slice.text(0x0008_0060, b"CS", "CT").image("MONOCHROME2", [32, 32], [16, 12], 0);
        slice.text(0x0028_1050, b"DS", "-600").text(0x0028_1051, b"DS", "1500");
        slice.text(0x0028_1052, b"DS", "-1024").text(0x0028_1053, b"DS", "1");
        let stored: Vec<u16> = hounsfield.iter().map(|value| (1024 + value) as u16).collect();
        let slice = slice.words(0x7fe0_0010, b"OW", &stored).bytes();
        let values: Vec<f32> = hounsfield.iter().map(|&value| value as f32).collect();

        let window = Some(Window { center: 40.0, width: 400.0 });
        let answers = [window, None].map(|window| {
            let prep = Preprocessing { window, ..Preprocessing::new(1, [32, 32]) };
            let file = random_model::random_model(&["a", "b"], prep, 1, &[0.0; 2])
                .to_tensor_file()
                .unwrap()
                .to_bytes();
            let mut model = ptr::null_mut();
            let nothing = VertebraAnswer { probability: f64::NAN, called: false };
            let mut answers = [[nothing; 2]; 2];
            let nothing =
                VertebraPrediction { label: 9, probability: 0.0, decision: VertebraDecision::Negative };
            let mut found = nothing;
            // SAFETY: the pointers are those of what lives here, with the lengths that it has; the model is closed
            // once.
            let status = unsafe {
                assert_eq!(
                    vertebra_open_memory(file.as_ptr(), file.len(), 1, &mut model),
                    VertebraStatus::Ok
                );
                let [encoded, own] = &mut answers;
                let (encoded, own) = (encoded.as_mut_ptr(), own.as_mut_ptr());
                let bytes =
                    vertebra_predict_encoded(model, slice.as_ptr(), slice.len(), &mut found, encoded, 2);
                assert_eq!(bytes, VertebraStatus::Ok);
                let status = vertebra_predict_values(model, values.as_ptr(), 32, 32, &mut found, own, 2);
                vertebra_close(model);
                status
            };
            assert_eq!(status == VertebraStatus::Ok, window.is_some());
            answers
        });
        let [[encoded, values], [through_own, _]] = answers;
        assert_eq!(encoded, values);
        assert!(
            (encoded[0].probability - through_own[0].probability).abs() > 1e-3,
            "{encoded:?} {through_own:?}"
        );
    }
}
