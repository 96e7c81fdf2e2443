//! Images decoded and preprocessed ahead of the network, by threads of their own, in batches filled across all inputs.
//!
//! What waits is bounded, so ten thousand images take no more memory than a hundred. A batch does not wait for inputs
//! that were not named yet.

use data::{Input, Remarks, Stream};
use model::{Picture, Preprocessing, Window, preprocess};
use std::io;

/// Images a thread that are classified together, at most. Each thread works whole images, so more of them would be no
/// faster: they would only take memory, and twice, because as many again may wait, decoded.
const IMAGES_A_THREAD: usize = 2;
/// Bytes of the images that are classified together, where that is more than one.
const BATCH_BYTES: usize = 16 << 20;

/// What was named, and its pixels as each kind of network reads them, or why there are none.
pub type Preprocessed = (Input, Result<Vec<Vec<f32>>, String>);

/// A sequence of images that a model is to classify.
pub struct Images {
    stream: Stream<Preprocessed>,
    batch: usize,
}

impl Images {
    /// The images that `inputs` gives, decoded by `threads` threads and preprocessed by each of `preps`, one for each
    /// kind of model; what the decoder says of them goes to `remarks`.
    ///
    /// # Errors
    /// When a thread cannot start.
    pub fn new<S: Iterator<Item = Input>>(
        inputs: impl FnOnce() -> S + Send + 'static,
        preps: Vec<Preprocessing>,
        threads: usize,
        remarks: &Remarks,
    ) -> io::Result<Self> {
        let (remarks, batch) = (remarks.clone(), images_at_once(&preps, threads));
        let decode = move |input| decode(input, &preps, &remarks);
        Ok(Self { stream: Stream::new(inputs, threads, batch, decode)?, batch })
    }

    /// The next images, in order; none at the end.
    ///
    /// # Errors
    /// When a thread ended before its time.
    pub fn batch(&self) -> io::Result<Vec<Preprocessed>> {
        let ended = || io::Error::other("a decoding thread ended");
        self.stream.batch(self.batch).into_iter().map(|image| image.ok_or_else(ended)).collect()
    }
}

/// How many images are best classified together on `threads` threads by models that read by `preps`.
pub fn images_at_once(preps: &[Preprocessing], threads: usize) -> usize {
    let floats = |prep: &Preprocessing| prep.height * prep.width * prep.channels;
    let image_bytes = preps.iter().map(floats).sum::<usize>() * size_of::<f32>();
    (BATCH_BYTES / image_bytes).clamp(1, IMAGES_A_THREAD * threads.max(1))
}

/// Reads and preprocesses one image for every model, again where one has another window; what its reader says goes to
/// `remarks`.
fn decode(input: Input, preps: &[Preprocessing], remarks: &Remarks) -> Preprocessed {
    let mut seen: Option<(Option<Window>, Picture)> = None;
    let preprocessed = preps.iter().map(|prep| {
        let picture = match seen.take() {
            Some((window, picture)) if window == prep.window => picture,
            earlier => {
                let (picture, notes) = picture(&input, prep.window)?;
                if earlier.is_none() {
                    remarks.add(&input.path().display().to_string(), notes);
                }
                picture
            }
        };
        let values = preprocess(&picture, prep);
        seen = Some((prep.window, picture));
        Ok(values)
    });
    let preprocessed = preprocessed.collect();
    (input, preprocessed)
}

/// The picture of an input, seen through `window` if it has one, and what was said of it, or why there is none,
/// without the name.
pub fn picture(input: &Input, window: Option<Window>) -> Result<(Picture, Vec<String>), String> {
    let read = match input {
        Input::File(path) => data::decode_through(path, window),
        Input::Bytes(name, bytes) => data::decode_bytes_through(&name.display().to_string(), bytes, window),
        Input::Failed(_, reason) => return Err(reason.clone()),
    };
    read.map_err(|error| error.reason())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_an_image_in_its_place() {
        let inputs = || {
            let failed = |name: &str| Input::Failed(name.into(), format!("{name} is not there"));
            [failed("a"), Input::Bytes("b".into(), b"no image".to_vec()), failed("c")].into_iter()
        };
        let images =
            Images::new(inputs, vec![Preprocessing::new(1, [32; 2])], 2, &Remarks::default()).unwrap();
        let mut said = vec![];
        loop {
            let batch = images.batch().unwrap();
            if batch.is_empty() {
                break;
            }
            said.extend(
                batch.into_iter().map(|(input, pixels)| (input.path().to_owned(), pixels.unwrap_err())),
            );
        }
        assert_eq!(said.iter().map(|(path, _)| path.to_str().unwrap()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(said[0].1 == "a is not there" && said[1].1.contains("expected a PNG"), "{said:?}");
    }

    #[test]
    fn large_images_are_few_at_once() {
        let at_once = |side| images_at_once(&[Preprocessing::new(1, [side; 2])], 8);
        assert_eq!([224, 1024, 4096].map(at_once), [16, 4, 1]);
    }
}
