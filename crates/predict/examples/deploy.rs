//! All that a deployment needs: gray pixels of any size in, label, probability and decision out.
//!
//! `cargo run --release -p predict --example deploy -- MODEL PIXELS HEIGHT WIDTH`, where PIXELS is a file of one byte
//! a pixel, or of two (the lower one first), row by row; a model with a window sees those of two through it. Research
//! use only, not a medical device.

use model::Picture;
use predict::Predictor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, pixels, height, width] = &args[..] else {
        return Err("usage: deploy MODEL PIXELS HEIGHT WIDTH".into());
    };
    let mut predictor = Predictor::read(model)?;
    let (gray, size) = (std::fs::read(pixels)?, [height.parse::<usize>()?, width.parse()?]);
    let picture = if gray.len() == 2 * size[0] * size[1] {
        let (words, _) = gray.as_chunks::<2>();
        let values: Vec<u16> = words.iter().copied().map(u16::from_le_bytes).collect();
        Picture::from_u16(&values, size, 1)?
    } else {
        Picture::from_u8(&gray, size, 1)?
    };
    let found = predictor.predict(&picture)?;
    let decision = match found.positive {
        Some(true) => "positive",
        Some(false) => "negative",
        None => "the most probable",
    };
    println!("{}\t{:.4}\t{decision}", found.label, found.probability);
    Ok(())
}
