//! The decoder of JPEG: 8 and 12 bits by blocks, and lossless.

use crate::{corpus, picture};

/// Frame headers of JPEG, whatever the process.
const FRAMES: [u8; 4] = [0xc0, 0xc1, 0xc2, 0xc3];

/// Blank images of every process, precision and sampling. Their tables have a second word, so that a change of a bit draws
/// something.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![corpus::lossless()];
    let samplings: [&[u8]; 5] =
        [&[0x11], &[0x11; 3], &[0x21, 0x11, 0x11], &[0x22, 0x11, 0x11], &[0x41, 0x21, 0x11]];
    for sampling in samplings {
        for (marker, precision) in [(0xc0, 8), (0xc1, 12)] {
            seeds.extend([0, 2].map(|restart| blank(marker, precision, sampling, restart)));
        }
    }
    for (precision, predictor) in [(8, 1), (12, 4), (16, 7)] {
        for sampling in &samplings[..2] {
            seeds.extend([0, 20].map(|restart| lossless(precision, sampling, predictor, restart)));
        }
    }
    seeds
}

/// Decodes it.
pub fn run(code: &[u8]) -> Result<(), String> {
    picture::decode("1.2.840.10008.1.2.4.51", &FRAMES, code)
}

/// Height and width: no multiple of a block.
const SIZE: usize = 18;

/// A colour image by blocks, and its height and width.
pub fn colour() -> (Vec<u8>, u16) {
    (blank(0xc0, 8, &[0x22, 0x11, 0x11], 0), SIZE as u16)
}

fn segment(code: &mut Vec<u8>, marker: u8, content: &[u8]) {
    code.extend([0xff, marker]);
    code.extend((content.len() as u16 + 2).to_be_bytes());
    code.extend(content);
}

/// A Huffman table of two codes: 0 and 10.
fn table(code: &mut Vec<u8>, number: u8, values: [u8; 2]) {
    let mut content = [0; 19];
    content[0] = number;
    content[1..3].copy_from_slice(&[1, 1]);
    content[17..].copy_from_slice(&values);
    segment(code, 0xc4, &content);
}

/// From the start of an image to that of its only scan: components by their sampling factors.
fn head(marker: u8, precision: u8, sampling: &[u8], restart: u16, spectral: [u8; 3]) -> Vec<u8> {
    let mut code = vec![0xff, 0xd8];
    let mut frame = vec![precision, 0, SIZE as u8, 0, SIZE as u8, sampling.len() as u8];
    let mut scan = vec![sampling.len() as u8];
    for (id, &factors) in (1u8..).zip(sampling) {
        frame.extend([id, factors, 0]);
        scan.extend([id, 0]);
    }
    scan.extend(spectral);
    segment(&mut code, marker, &frame);
    table(&mut code, 0x00, [0, 3]);
    table(&mut code, 0x10, [0, 0x11]);
    if restart > 0 {
        segment(&mut code, 0xdd, &restart.to_be_bytes());
    }
    segment(&mut code, 0xda, &scan);
    code
}

/// `units` units of `bits` zeros each, and a marker after every `restart` of them.
fn zeros(mut code: Vec<u8>, units: usize, bits: usize, restart: usize) -> Vec<u8> {
    let each = if restart == 0 { units } else { restart };
    let mut left = units;
    for marker in (0xd0..=0xd7).cycle() {
        let now = each.min(left);
        code.resize(code.len() + (now * bits).div_ceil(8), 0);
        left -= now;
        if left == 0 {
            break;
        }
        code.extend([0xff, marker]);
    }
    code.extend([0xff, 0xd9]);
    code
}

/// A gray image by blocks, whose coefficients are all 0.
fn blank(marker: u8, precision: u8, sampling: &[u8], restart: u16) -> Vec<u8> {
    let mut code = vec![];
    let mut quantization = [1; 65];
    quantization[0] = 0;
    segment(&mut code, 0xdb, &quantization);
    let head = head(marker, precision, sampling, restart, [0, 63, 0]);
    let code = [&head[..2], &code, &head[2..]].concat();
    let factors = |factors: &u8| (usize::from(factors >> 4), usize::from(factors & 15));
    let blocks: usize = sampling.iter().map(factors).map(|(h, v)| h * v).sum();
    let (h, v) = factors(&sampling[0]);
    let units = SIZE.div_ceil(8 * h) * SIZE.div_ceil(8 * v);
    zeros(code, units, 2 * blocks, restart.into())
}

/// A lossless image of equal values.
fn lossless(precision: u8, sampling: &[u8], predictor: u8, restart: u16) -> Vec<u8> {
    let head = head(0xc3, precision, sampling, restart, [predictor, 0, 0]);
    zeros(head, SIZE * SIZE, sampling.len(), restart.into())
}
