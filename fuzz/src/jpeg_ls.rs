//! The decoder of JPEG-LS.

use crate::{common::codes, picture};

/// The example of the standard, and images of every interleaving and precision, whose code is zeros: of a context that
/// has seen nothing, the shortest words.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![codes::JPEG_LS.to_vec()];
    for precision in [2, 8, 12, 16] {
        for (components, interleave) in [(1, 0), (3, 0), (3, 1), (3, 2)] {
            for near in [0, 1] {
                seeds.push(image(precision, components, interleave, near));
            }
        }
    }
    seeds.retain(|seed| run(seed).is_ok());
    assert!(seeds.len() > 20, "{} seeds are read", seeds.len());
    seeds
}

/// Decodes it.
pub fn run(code: &[u8]) -> Result<(), String> {
    picture::decode("1.2.840.10008.1.2.4.80", &[0xf7], code)
}

fn segment(code: &mut Vec<u8>, marker: u8, content: &[u8]) {
    code.extend([0xff, marker]);
    code.extend((content.len() as u16 + 2).to_be_bytes());
    code.extend(content);
}

fn image(precision: u8, components: u8, interleave: u8, near: u8) -> Vec<u8> {
    const SIZE: u8 = 6;
    let mut code = vec![0xff, 0xd8];
    let ids = 1..=components;
    let mut frame = vec![precision, 0, SIZE, 0, SIZE, components];
    frame.extend(ids.clone().flat_map(|id| [id, 0x11, 0]));
    segment(&mut code, 0xf7, &frame);
    if near > 0 {
        let top = ((1u32 << precision) - 1) as u16;
        let mut preset = vec![1];
        preset.extend([top, 0, 0, 0, 0].iter().flat_map(|number| number.to_be_bytes()));
        segment(&mut code, 0xf8, &preset);
    }
    let scans: Vec<Vec<u8>> =
        if interleave == 0 { ids.map(|id| vec![id]).collect() } else { vec![ids.collect()] };
    for scan in scans {
        let mut content = vec![scan.len() as u8];
        content.extend(scan.iter().flat_map(|&id| [id, 0]));
        content.extend([near, interleave, 0]);
        segment(&mut code, 0xda, &content);
        // Ones are runs to the end of a line; after ff, a bit is stuffed.
        code.extend([0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f]);
    }
    code.extend([0xff, 0xd9]);
    code
}
