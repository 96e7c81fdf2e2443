//! Copies of pictures, made as they get into data sets: turned, cropped, processed, saved again.
//!
//! Everything follows from the random stream that a kind is given.

use engine::Rng;
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{DynamicImage, ExtendedColorType};
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// A gray picture: `[height, width]` in `0..=255`.
#[derive(Clone)]
pub struct Gray {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

pub type Make = fn(&Gray, &mut Rng) -> Gray;

/// The kinds that every copy of which should be found, by name; the last chains two of the others.
pub const KINDS: [(&str, Make); 13] = [
    ("turn-7", |gray, _| turn(gray, 7.0)),
    ("turn-33", |gray, _| turn(gray, 33.0)),
    ("turn-90", |gray, _| gray.read(gray.height, gray.width, |x, y| [y, gray.height as f32 - 1.0 - x])),
    ("mirror", |gray, _| gray.read(gray.width, gray.height, |x, y| [gray.width as f32 - 1.0 - x, y])),
    ("crop", |gray, rng| crop(gray, 0.9, rng)),
    ("gamma", |gray, _| gray.each(|v| 255.0 * (v / 255.0).powf(0.7))),
    ("jpeg-30", |gray, _| jpeg(gray, 30)),
    ("blur", |gray, _| blur(gray, gray.unit(1.5))),
    ("sharpen", sharpen),
    ("noise", |gray, rng| gray.each(|v| v + 10.0 * rng.normal() as f32)),
    ("smaller", |gray, _| scale(gray, 0.6)),
    ("larger", |gray, _| scale(gray, 1.5)),
    ("two", two),
];

/// What also happens to pictures.
pub const MORE: [(&str, Make); 5] = [
    ("negative", |gray, _| gray.each(|v| 255.0 - v)),
    ("letterbox", |gray, _| pad(gray, 0, gray.height / 6)),
    ("frame", |gray, _| pad(gray, gray.width / 10, gray.height / 10)),
    ("text", text),
    ("roi", |gray, rng| crop(gray, 0.65, rng)),
];

fn two(gray: &Gray, rng: &mut Rng) -> Gray {
    let others = KINDS.len() as u64 - 1;
    let first = rng.below(others);
    let second = (first + 1 + rng.below(others - 1)) % others;
    KINDS[second as usize].1(&KINDS[first as usize].1(gray, rng), rng)
}

impl Gray {
    /// Each value by itself, as whole gray levels.
    pub fn each(&self, mut value: impl FnMut(f32) -> f32) -> Self {
        let values = self.values.iter().map(|&v| value(v).clamp(0.0, 255.0).round()).collect();
        Self { values, ..*self }
    }

    /// A length in pixels that is `pixels` in a picture 224 pixels wide.
    pub fn unit(&self, pixels: f32) -> f32 {
        pixels * self.width as f32 / 224.0
    }

    /// A picture whose pixel at `(x, y)` is read at `from(x, y)`, between four pixels; black outside.
    pub fn read(&self, width: usize, height: usize, from: impl Fn(f32, f32) -> [f32; 2]) -> Self {
        let pixel = |x: f32, y: f32| {
            let inside = x >= 0.0 && y >= 0.0 && x < self.width as f32 && y < self.height as f32;
            if inside { self.values[y as usize * self.width + x as usize] } else { 0.0 }
        };
        let value = |i: usize| {
            let [x, y] = from((i % width) as f32, (i / width) as f32);
            let (left, top) = (x.floor(), y.floor());
            let row = |y: f32| pixel(left, y) + (x - left) * (pixel(left + 1.0, y) - pixel(left, y));
            (row(top) + (y - top) * (row(top + 1.0) - row(top))).round()
        };
        Self { width, height, values: (0..width * height).map(value).collect() }
    }

    pub fn resized(&self, width: usize, height: usize) -> Self {
        let values = model::resize(&self.values, (self.height, self.width), (height, width), 1);
        Self { width, height, values }.each(|v| v)
    }

    /// As the bytes of an image.
    pub fn bytes(&self) -> Vec<u8> {
        self.values.iter().map(|&v| v as u8).collect()
    }

    /// As a file of the kind that its name says, in a folder that is made where it is missing.
    pub fn save(&self, path: &Path) -> Result<(), String> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        image::save_buffer(path, &self.bytes(), self.width as u32, self.height as u32, ExtendedColorType::L8)
            .map_err(|error| format!("{}: {error}", path.display()))
    }
}

pub fn turn(gray: &Gray, degrees: f32) -> Gray {
    let (s, c) = degrees.to_radians().sin_cos();
    let (middle_x, middle_y) = (0.5 * (gray.width as f32 - 1.0), 0.5 * (gray.height as f32 - 1.0));
    gray.read(gray.width, gray.height, |x, y| {
        let (x, y) = (x - middle_x, y - middle_y);
        [c * x - s * y + middle_x, s * x + c * y + middle_y]
    })
}

/// A part with `share` of each side, at a random place, as large as the whole was.
pub fn crop(gray: &Gray, share: f32, rng: &mut Rng) -> Gray {
    let side = |side: usize| (share * side as f32) as usize;
    let (width, height) = (side(gray.width), side(gray.height));
    let x = rng.below((gray.width - width) as u64 + 1) as f32;
    let y = rng.below((gray.height - height) as u64 + 1) as f32;
    gray.read(width, height, |u, v| [u + x, v + y]).resized(gray.width, gray.height)
}

pub fn scale(gray: &Gray, factor: f32) -> Gray {
    let side = |side: usize| (factor * side as f32) as usize;
    gray.resized(side(gray.width), side(gray.height))
}

pub fn jpeg(gray: &Gray, quality: u8) -> Gray {
    let mut bytes = vec![];
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(&gray.bytes(), gray.width as u32, gray.height as u32, ExtendedColorType::L8)
        .expect("a picture is encoded into memory");
    let decoder = JpegDecoder::new(Cursor::new(bytes)).expect("what was encoded is decoded");
    let pixels = DynamicImage::from_decoder(decoder).expect("what was encoded is decoded").into_luma8();
    Gray { values: pixels.iter().map(|&v| f32::from(v)).collect(), ..*gray }
}

pub fn blur(gray: &Gray, sigma: f32) -> Gray {
    let reach = (3.0 * sigma).ceil() as i64;
    let taps: Vec<f32> = (-reach..=reach).map(|i| (-0.5 * (i as f32 / sigma).powi(2)).exp()).collect();
    let sum: f32 = taps.iter().sum();
    let along = |gray: &Gray, dx: i64, dy: i64| {
        let (width, height) = (gray.width as i64, gray.height as i64);
        let value = |i: usize| {
            let (x, y) = (i as i64 % width, i as i64 / width);
            let at = |k: i64| {
                let (x, y) = ((x + k * dx).clamp(0, width - 1), (y + k * dy).clamp(0, height - 1));
                gray.values[(y * width + x) as usize]
            };
            (-reach..=reach).zip(&taps).map(|(k, tap)| tap / sum * at(k)).sum()
        };
        Gray { values: (0..gray.values.len()).map(value).collect(), ..*gray }
    };
    along(&along(gray, 1, 0), 0, 1).each(|v| v)
}

/// An unsharp mask of twice the strength of the detail.
pub fn sharpen(gray: &Gray, _: &mut Rng) -> Gray {
    let mut soft = blur(gray, gray.unit(2.0)).values.into_iter();
    gray.each(|v| v + 2.0 * (v - soft.next().unwrap_or(v)))
}

/// Black bars of so many pixels at the left and right, and at the top and bottom.
pub fn pad(gray: &Gray, x: usize, y: usize) -> Gray {
    gray.read(gray.width + 2 * x, gray.height + 2 * y, |u, v| [u - x as f32, v - y as f32])
}

/// Burned-in text: two lines of blocks of the size of letters, white, in a corner.
pub fn text(gray: &Gray, rng: &mut Rng) -> Gray {
    let mut written = gray.clone();
    let (stroke, letter) = (gray.width / 64 + 1, gray.width / 24 + 2);
    for (line, place) in (0..2).flat_map(|line| (0..10).map(move |place| (line, place))) {
        let shape = rng.next_u64();
        for (y, x) in (0..letter).flat_map(|y| (0..letter * 3 / 4).map(move |x| (y, x))) {
            let (row, column) = (line * (letter + 3) + 4 + y, place * letter + 4 + x);
            if shape >> (y / stroke % 8 * 8 + x / stroke % 8) & 1 == 1
                && row < gray.height
                && column < gray.width
            {
                written.values[row * gray.width + column] = 255.0;
            }
        }
    }
    written
}
