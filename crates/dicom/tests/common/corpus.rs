//! A small sound file of every kind, from which those who look for bad ones start.

use crate::common::{Writer, codes};

const SYNTAX: &str = "1.2.840.10008.1.2";

/// Small sound files: every encoding, and every way to say how an image is shown. `jpeg` is the code of a colour image of
/// `size` x `size`.
pub fn corpus(jpeg: &[u8], size: u16) -> Vec<Vec<u8>> {
    let mut corpus = vec![];
    for syntax in ["", ".1", ".2"] {
        let mut file = Writer::new(&format!("{SYNTAX}{syntax}"));
        file.text(0x0008_0016, b"UI", "1.2.840.10008.5.1.4.1.1.1").text(0x0008_0060, b"CS", "DX");
        file.image("MONOCHROME1", [3, 4], [16, 12], 1).text(0x0028_0008, b"IS", "1");
        file.words(0x0028_0120, b"US", &[0]).text(0x0028_1050, b"DS", "10\\20").text(0x0028_1051, b"DS", "5");
        file.text(0x0028_1052, b"DS", "-3").text(0x0028_1053, b"DS", "1.5").text(
            0x0028_1056,
            b"CS",
            "SIGMOID",
        );
        for (tag, defined) in [(0x0028_3000, true), (0x0028_3010, false)] {
            file.sequence(tag, defined, |item| {
                item.words(0x0028_3002, b"US", &[3, 2, 16]).words(0x0028_3006, b"OW", &[100, 101, 103]);
            });
        }
        corpus.push(file.words(0x7fe0_0010, b"OW", &[7; 12]).bytes());
    }
    let mut file = Writer::new(&format!("{SYNTAX}.1"));
    file.image("PALETTE COLOR", [2, 2], [8, 8], 0);
    for number in 0..3 {
        file.words(0x0028_1101 + number, b"US", &[2, 7, 16]).words(0x0028_1201 + number, b"OW", &[1, 2]);
    }
    corpus.push(file.raw(0x7fe0_0010, b"OB", &[0, 7, 8, 9]).bytes());

    let mut coded = |syntax: &str, photometric: &str, size: u16, code: &[u8]| {
        let mut file = Writer::new(&format!("{SYNTAX}{syntax}"));
        let bits = if syntax == ".5" { 16 } else { 8 };
        corpus.push(file.image(photometric, [size; 2], [bits; 2], 0).fragment(code).bytes());
    };
    coded(".4.50", "YBR_FULL", size, jpeg);
    coded(".4.57", "MONOCHROME2", 4, &lossless());
    coded(".4.80", "MONOCHROME2", 4, &codes::JPEG_LS);
    coded(".4.90", "MONOCHROME2", 16, &codes::jpeg_2000());
    let mut rle = [2u32, 64, 66].map(u32::to_le_bytes).concat();
    rle.resize(64, 0);
    rle.extend([0xf1, 1, 0xf8, 7, 7, 1, 2, 3, 4, 5, 6, 7, 8]);
    coded(".5", "MONOCHROME2", 4, &rle);

    let mut file = Writer::new(&format!("{SYNTAX}.1.99"));
    let head = file.bytes().len();
    let bytes = file.image("MONOCHROME2", [1, 3], [8, 8], 0).raw(0x7fe0_0010, b"OB", &[10, 20, 30]).bytes();
    let length = (bytes.len() - head) as u16;
    let block = [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &bytes[head..]].concat();
    corpus.push([&bytes[..head], &block].concat());
    // Without preamble and meta information, with letters that are no value representation.
    let mut file = Writer::bare(true, false);
    file.text(0x0008_0060, b"CS", "DX").push(&[0x18, 0, 0x15, 0, b'?', b'?', 2, 0, b'C', b' ']);
    file.image("MONOCHROME2", [2, 3], [12, 12], 0);
    corpus.push(file.raw(0x7fe0_0010, b"OW", &[7; 10]).bytes());
    corpus
}

/// A lossless JPEG of 4 x 4 equal values: one code, for a difference of 0.
pub fn lossless() -> Vec<u8> {
    let mut code = vec![0xff, 0xd8, 0xff, 0xc4, 0, 20, 0, 1];
    code.extend([0; 16]);
    code.extend([0xff, 0xc3, 0, 11, 8, 0, 4, 0, 4, 1, 1, 0x11, 0]);
    code.extend([0xff, 0xda, 0, 8, 1, 1, 0, 1, 0, 0, 0, 0, 0xff, 0xd9]);
    code
}
