//! All that a deployment needs: gray pixels of any size in, label, probability and decision out.
//!
//! `cargo run --release -p predict --example deploy -- MODEL PIXELS HEIGHT WIDTH`, where PIXELS is a file of one byte
//! a pixel, row by row. Research use only, not a medical device.

use model::Picture;
use predict::Predictor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, pixels, height, width] = &args[..] else {
        return Err("usage: deploy MODEL PIXELS HEIGHT WIDTH".into());
    };
    let mut predictor = Predictor::read(model)?;
    let gray = std::fs::read(pixels)?;
    let found = predictor.predict(&Picture::from_u8(&gray, [height.parse()?, width.parse()?], 1)?);
    let decision = match found.positive {
        Some(true) => "positive",
        Some(false) => "negative",
        None => "the most probable",
    };
    println!("{}\t{:.4}\t{decision}", found.label, found.probability);
    Ok(())
}
