//! Images decoded and preprocessed ahead of the network, by threads of their own, in batches filled across all inputs.
//!
//! What waits is bounded, so ten thousand images take no more memory than a hundred. A batch does not wait for inputs that
//! were not named yet.

use data::{Input, Remarks, Stream};
use model::{Picture, Preprocessing, preprocess};
use std::io;

/// Images a thread that are classified together, at most. Each thread works whole images, so more of them would be no
/// faster: they would only take memory, and twice, because as many again may wait, decoded.
const IMAGES_A_THREAD: usize = 2;
/// Bytes of the images that are classified together, where that is more than one.
const BATCH_BYTES: usize = 16 << 20;

/// What was named, and its pixels as the network reads them, or why there are none.
pub type Preprocessed = (Input, Result<Vec<f32>, String>);

/// A sequence of images that a model is to classify.
pub struct Images {
    stream: Stream<Preprocessed>,
    batch: usize,
}

impl Images {
    /// The images that `inputs` gives, decoded by `threads` threads for a model that reads by `prep`; what the decoder says of
    /// them goes to `remarks`.
    ///
    /// # Errors
    /// When a thread cannot start.
    pub fn new<S: Iterator<Item = Input>>(
        inputs: impl FnOnce() -> S + Send + 'static,
        prep: &Preprocessing,
        threads: usize,
        remarks: &Remarks,
    ) -> io::Result<Self> {
        let (prep, remarks, batch) = (prep.clone(), remarks.clone(), images_at_once(prep, threads));
        let decode = move |input| decode(input, &prep, &remarks);
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

/// How many images are best classified together on `threads` threads by a model that reads by `prep`.
pub fn images_at_once(prep: &Preprocessing, threads: usize) -> usize {
    let image_bytes = prep.height * prep.width * prep.channels * size_of::<f32>();
    (BATCH_BYTES / image_bytes).clamp(1, IMAGES_A_THREAD * threads.max(1))
}

/// Reads and preprocesses one image; what its reader says goes to `remarks`.
fn decode(input: Input, prep: &Preprocessing, remarks: &Remarks) -> Preprocessed {
    let pixels = picture(&input).map(|(picture, notes)| {
        remarks.add(&input.path().display().to_string(), notes);
        preprocess(&picture, prep)
    });
    (input, pixels)
}

/// The picture of an input and what was said of it, or why there is none, without the name.
pub fn picture(input: &Input) -> Result<(Picture, Vec<String>), String> {
    let read = match input {
        Input::File(path) => data::decode_noted(path),
        Input::Bytes(name, bytes) => data::decode_bytes_noted(&name.display().to_string(), bytes),
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
        let images = Images::new(inputs, &Preprocessing::new(1, [32; 2]), 2, &Remarks::default()).unwrap();
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
        let at_once = |side| images_at_once(&Preprocessing::new(1, [side; 2]), 8);
        assert_eq!([224, 1024, 4096].map(at_once), [16, 4, 1]);
    }
}
