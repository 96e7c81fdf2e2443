//! Compressed pixel data, with encoders of other hands where there are any, and small ones here where there are none.

use crate::common::{Writer, codes};
use crate::tags::{BASELINE, JPEG_2000, JPEG_LS, LOSSLESS, RLE};
use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder};

fn read(
    syntax: &str,
    photometric: &str,
    size: [u16; 2],
    bits: [u16; 2],
    code: &[u8],
) -> Result<Vec<i32>, String> {
    let mut file = Writer::new(syntax);
    file.image(photometric, size, bits, 0).fragment(code);
    dicom::read(&file.bytes()).map(|stored| stored.values)
}

/// Against the decoder for PNG and JPEG, gray and in colour, with sizes that are no multiple of a block.
#[test]
fn baseline_jpeg_equals_another_decoder() {
    let (width, height) = (37u32, 21u32);
    for (channels, photometric, kind) in
        [(1, "MONOCHROME2", ExtendedColorType::L8), (3, "YBR_FULL", ExtendedColorType::Rgb8)]
    {
        let pixel = |i: u32, c: u32| ((i % width * 5 + i / width * 7 + c * 40) % 256) as u8;
        let pixels: Vec<u8> =
            (0..width * height).flat_map(|i| (0..channels).map(move |c| pixel(i, c))).collect();
        let mut code = Vec::new();
        JpegEncoder::new_with_quality(&mut code, 95).write_image(&pixels, width, height, kind).unwrap();
        let found = read(BASELINE, photometric, [height as u16, width as u16], [8, 8], &code).unwrap();
        let want = data::decode_bytes("x", &code).unwrap().samples;
        assert_eq!(found.len(), want.len());
        let worst = found.iter().zip(&want).map(|(&a, &b)| (a as f32 - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 3.0, "{photometric}: {worst}");
        // The last 16 rows' code is missing.
        let short =
            read(BASELINE, photometric, [height as u16, width as u16], [8, 8], &code[..code.len() - 200]);
        assert!(short.unwrap_err().contains("truncated"));
    }
}

/// Whether components are colours or luma and chroma: by Adobe's marker, by JFIF's, by their names, and then by the header.
#[test]
fn the_colour_space_of_jpeg_is_that_of_its_code() {
    let mut jfif = Vec::new();
    let pixels: Vec<u8> = (0..16 * 16).flat_map(|i| [200, i as u8, 30]).collect();
    JpegEncoder::new_with_quality(&mut jfif, 95)
        .write_image(&pixels, 16, 16, ExtendedColorType::Rgb8)
        .unwrap();
    let length = usize::from(u16::from_be_bytes([jfif[4], jfif[5]]));
    assert_eq!(&jfif[2..4], &[0xff, 0xe0], "JFIF's segment is the first");
    let plain = [&jfif[..2], &jfif[4 + length..]].concat();
    let adobe = |transform: u8| {
        let segment = [&[0xff, 0xee, 0, 14][..], b"Adobe", &[0, 100, 0, 0, 0, 0, transform]].concat();
        [&plain[..2], &segment, &plain[2..]].concat()
    };
    // The names of the components, 1 to 3, in the frame's header and in the scan's.
    let mut named = plain.clone();
    for (marker, first, step) in [(0xc0, 10, 3), (0xda, 5, 2)] {
        let at = plain.windows(2).position(|pair| pair == [0xff, marker]).unwrap();
        for (i, &name) in b"RGB".iter().enumerate() {
            assert_eq!(named[at + first + step * i], i as u8 + 1);
            named[at + first + step * i] = name;
        }
    }
    let read = |photometric: &str, code: &[u8]| read(BASELINE, photometric, [16, 16], [8, 8], code).unwrap();
    let (colours, raw) = (read("YBR_FULL", &plain), read("RGB", &plain));
    assert!((colours[0] - 200).abs() < 8 && (colours[2] - 30).abs() < 8, "{:?}", &colours[..3]);
    assert_ne!(colours, raw);
    for photometric in ["RGB", "YBR_FULL", "YBR_FULL_422"] {
        assert_eq!(read(photometric, &jfif), colours, "JFIF, {photometric}");
        assert_eq!(read(photometric, &adobe(1)), colours, "Adobe's luma and chroma, {photometric}");
        assert_eq!(read(photometric, &adobe(0)), raw, "Adobe's colours, {photometric}");
        assert_eq!(read(photometric, &named), raw, "named components, {photometric}");
    }
}

/// Writes bits as JPEG does.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    buffer: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, n: u32) {
        for i in (0..n).rev() {
            self.buffer = self.buffer << 1 | (value >> i & 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.buffer as u8);
                if self.buffer == 0xff {
                    self.bytes.push(0);
                }
                (self.buffer, self.count) = (0, 0);
            }
        }
    }

    fn align(&mut self) {
        while self.count > 0 {
            self.put(1, 1);
        }
    }
}

/// A lossless JPEG by the rules of T.81 annex H: the 17 sizes of differences have codes of 5 bits, in order.
fn lossless(
    values: &[i32],
    columns: usize,
    components: usize,
    predictor: u8,
    low: u32,
    restart: usize,
) -> Vec<u8> {
    let rows = (values.len() / columns / components) as u8;
    let mut code =
        vec![0xff, 0xd8, 0xff, 0xc4, 0, 19 + 17, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    code.extend(0..17u8);
    code.extend([0xff, 0xdd, 0, 4, 0, restart as u8]);
    code.extend([0xff, 0xc3, 0, 8 + 3 * components as u8, 16, 0, rows, 0, columns as u8, components as u8]);
    (1..=components as u8).for_each(|id| code.extend([id, 0x11, 0]));
    code.extend([0xff, 0xda, 0, 6 + 2 * components as u8, components as u8]);
    (1..=components as u8).for_each(|id| code.extend([id, 0]));
    code.extend([predictor, 0, low as u8]);
    let mut bits = Bits::default();
    let value =
        |row: usize, column: usize, c: usize| values[(row * columns + column) * components + c] >> low;
    let mut first_row = 0;
    for i in 0..values.len() / components {
        let (row, column) = (i / columns, i % columns);
        let restarted = restart > 0 && i > 0 && i % restart == 0;
        if restarted {
            bits.align();
            bits.bytes.extend([0xff, 0xd0 + ((i / restart - 1) % 8) as u8]);
            first_row = row;
        }
        for c in 0..components {
            let left = |row: usize| value(row, column - 1, c);
            let guess = if i == 0 || restarted {
                1 << (15 - low)
            } else if row == first_row {
                left(row)
            } else if column == 0 {
                value(row - 1, 0, c)
            } else {
                let (a, b, d) = (left(row), value(row - 1, column, c), left(row - 1));
                [
                    a,
                    b,
                    d,
                    a + b - d,
                    a + (b - d) / 2 - i32::from((b - d) % 2 == -1),
                    b + (a - d) / 2 - i32::from((a - d) % 2 == -1),
                    (a + b) / 2,
                ][usize::from(predictor) - 1]
            };
            let difference = (value(row, column, c) - guess) as i16;
            let size = 16 - (difference.unsigned_abs()).leading_zeros();
            bits.put(size, 5);
            if size < 16 {
                let low_bits = if difference < 0 { difference - 1 } else { difference };
                bits.put(low_bits as u32 & ((1 << size) - 1), size);
            }
        }
    }
    bits.align();
    code.extend(bits.bytes);
    code.extend([0xff, 0xd9]);
    code
}

/// Noise of all 16 bits, in which every size of difference occurs.
fn noise(count: usize) -> Vec<i32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state
    };
    (0..count)
        .map(|_| {
            let bits = next() >> 28;
            (next() >> 16 >> bits) as i32
        })
        .chain([0, 32_768, 0, 65_535])
        .collect()
}

#[test]
fn lossless_jpeg_with_every_predictor() {
    let (columns, values) = (19, noise(19 * 12 - 4));
    for predictor in 1..=7 {
        for (low, restart) in [(0, 0), (0, 19), (0, 7), (3, 0)] {
            let code = lossless(&values, columns, 1, predictor, low, restart);
            let found = read(LOSSLESS, "MONOCHROME2", [12, 19], [16, 16], &code).unwrap();
            let want: Vec<i32> = values.iter().map(|value| value >> low << low).collect();
            assert_eq!(found, want, "predictor {predictor}, {low} bits off, restart after {restart}");
        }
    }
    let values = noise(3 * 19 * 12 - 4);
    let code = lossless(&values, columns, 3, 1, 0, 0);
    assert_eq!(read(LOSSLESS, "RGB", [12, 19], [16, 16], &code).unwrap(), values);
}

#[test]
fn jpeg_ls_of_the_standard() {
    let want = [0, 0, 90, 74, 68, 50, 43, 205, 64, 145, 145, 145, 100, 145, 145, 145];
    assert_eq!(read(JPEG_LS, "MONOCHROME2", [4, 4], [8, 8], &codes::JPEG_LS).unwrap(), want);
    let error = read(JPEG_LS, "MONOCHROME2", [4, 4], [8, 8], &codes::JPEG_LS[..40]).unwrap_err();
    assert!(error.contains("truncated"), "{error}");
}

/// Where nothing is coded, the middle of the range is what remains: 128 of unsigned bytes, 0 of signed ones.
/// Three components of one pixel, in scans of the components that are given: each a run to the end of its line.
fn jpeg_ls_of_scans(interleave: u8, scans: &[&[u8]]) -> Result<Vec<i32>, String> {
    let mut code = vec![0xff, 0xd8, 0xff, 0xf7, 0, 17, 8, 0, 1, 0, 1, 3];
    code.extend([1, 2, 3].map(|id| [id, 0x11, 0]).concat());
    for scan in scans {
        code.extend([0xff, 0xda, 0, 6 + 2 * scan.len() as u8, scan.len() as u8]);
        code.extend(scan.iter().flat_map(|&id| [id, 0]));
        code.extend([0, interleave, 0, 0xe0]);
    }
    code.extend([0xff, 0xd9]);
    read(JPEG_LS, "RGB", [1, 1], [8, 8], &code)
}

/// In any other order they would land in another component's place, or behind the image.
#[test]
fn jpeg_ls_scans_hold_each_component_once_and_in_order() {
    assert_eq!(jpeg_ls_of_scans(0, &[&[1], &[2], &[3]]).unwrap(), [0; 3]);
    assert_eq!(jpeg_ls_of_scans(0, &[&[3], &[1], &[2]]).unwrap(), [0; 3]);
    assert_eq!(jpeg_ls_of_scans(1, &[&[1, 2, 3]]).unwrap(), [0; 3]);
    for interleave in [1, 2] {
        for scan in [[3, 1, 2], [2, 1, 3], [1, 1, 1], [3, 3, 3]] {
            let error = jpeg_ls_of_scans(interleave, &[&scan]).unwrap_err();
            assert!(error.contains("in their order"), "{scan:?}: {error}");
        }
    }
    let error = jpeg_ls_of_scans(0, &[&[1], &[1], &[1]]).unwrap_err();
    assert!(error.contains("one JPEG-LS scan of each component"), "{error}");
}

/// Or a small file could ask for the work of a thousand images.
#[test]
fn jpeg_scans_hold_each_component_once() {
    let of_scans = |scans: &[u8]| {
        let mut code = vec![0xff, 0xd8, 0xff, 0xc4, 0, 20, 0, 1];
        code.extend([0; 16]);
        code.extend([0xff, 0xc3, 0, 17, 8, 0, 1, 0, 1, 3]);
        code.extend([1, 2, 3].map(|id| [id, 0x11, 0]).concat());
        scans.iter().for_each(|&id| code.extend([0xff, 0xda, 0, 8, 1, id, 0, 1, 0, 0, 0]));
        code.extend([0xff, 0xd9]);
        read(LOSSLESS, "RGB", [1, 1], [8, 8], &code)
    };
    assert_eq!(of_scans(&[1, 3, 2]).unwrap(), [128; 3]);
    let error = of_scans(&[1, 1, 2, 3]).unwrap_err();
    assert!(error.contains("one JPEG scan of each component"), "{error}");
}

#[test]
fn jpeg_2000() {
    let code = codes::jpeg_2000();
    let read = |code: &[u8]| read(JPEG_2000, "MONOCHROME2", [16, 16], [8, 8], code);
    assert_eq!(read(&code).unwrap(), [128; 256]);
    let changed = |at: usize, bytes: &[u8]| {
        let mut code = code.clone();
        code[at..at + bytes.len()].copy_from_slice(bytes);
        read(&code)
    };
    let (tile_width, precision, tile_length) = (27, 42, 76);
    assert_eq!(code[precision], 7);
    assert_eq!(changed(precision, &[0x87]).unwrap(), [0; 256]);
    assert_eq!(changed(tile_length, &[0]).unwrap(), [128; 256], "to the end marker");
    let refused = |result: Result<Vec<i32>, String>, reason: &str| {
        let error = result.unwrap_err();
        assert!(error.contains(reason), "{error}");
    };
    refused(changed(tile_width, &[1, 0, 0, 0, 1]), "found 256 of them");
    refused(read(&code[..code.len() - 4]), "truncated");
    refused(changed(precision, &[37]), "at most 16 bits");
}

/// A tile-part that says it ends before its data: whoever goes there comes back to the same place, for ever.
#[test]
fn jpeg_2000_tiles_end_behind_their_data() {
    let mut code = codes::jpeg_2000();
    let tile = code.windows(2).position(|marker| marker == [0xff, 0x90]).unwrap();
    code.splice(
        tile..,
        [&[0xff, 0x90, 0, 10, 0, 0, 0, 0, 0, 14, 0, 1][..], &[0xff, 0x93, 0xff, 0x93], &[0; 8]].concat(),
    );
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(read(JPEG_2000, "MONOCHROME2", [16, 16], [8, 8], &code)));
    let found = told.recv_timeout(std::time::Duration::from_secs(60)).expect("an answer");
    assert!(found.unwrap_err().contains("ends before its data"));
}

/// No codec but RLE has samples of more than 16 bits.
#[test]
fn samples_of_32_bits_are_not_compressed() {
    for syntax in [LOSSLESS, JPEG_2000] {
        let error = read(syntax, "MONOCHROME2", [16, 16], [32, 32], &codes::jpeg_2000()).unwrap_err();
        assert!(error.contains("at most 16 stored bits in compressed pixels, found 32"), "{error}");
    }
}

/// PackBits by hand: a run, a literal, the sign that means nothing; the high bytes come first.
#[test]
fn rle() {
    let high: &[u8] = &[0xff, 1, 128, 0, 2, 0];
    let low: &[u8] = &[2, 7, 8, 9];
    let mut code = vec![0; 64];
    for (i, number) in [2, 64, 64 + high.len() as u32].iter().enumerate() {
        code[4 * i..4 * i + 4].copy_from_slice(&number.to_le_bytes());
    }
    code.extend([high, low].concat());
    assert_eq!(read(RLE, "MONOCHROME2", [1, 3], [16, 16], &code).unwrap(), [0x0107, 0x0108, 0x0209]);
    let short = read(RLE, "MONOCHROME2", [2, 3], [16, 16], &code).unwrap_err();
    assert!(short.contains("truncated"), "{short}");
}
