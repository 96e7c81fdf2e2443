//! Copies as tools for augmenting training pictures make them, each with ranges that its users commonly ask for.
//!
//! Not every one is an affine change: a perspective, a bend and a box put over the picture are none.

use super::{gamma, mirror, mix, smooth};
use crate::plant::{Gray, blur, jpeg, sharpen, turn};
use engine::Rng;

/// What is shown where a copy reaches beyond its picture.
#[derive(Clone, Copy)]
enum Outside {
    Black,
    /// The nearest pixel, again and again.
    Nearest,
    Mirrored,
}

impl Outside {
    fn any(rng: &mut Rng) -> Self {
        [Self::Black, Self::Nearest, Self::Mirrored][rng.below(3) as usize]
    }

    /// Where along a side of `n` pixels is read for `at`.
    fn place(self, at: f32, n: usize) -> f32 {
        let last = n as f32 - 1.0;
        match self {
            Self::Black => at,
            Self::Nearest => at.clamp(0.0, last),
            Self::Mirrored => last - (at.rem_euclid(2.0 * last) - last).abs(),
        }
    }
}

/// A picture of the same size, whose place `(x, y)`, in pixels from the centre, is read at `from(x, y)`.
fn moved(gray: &Gray, outside: Outside, from: impl Fn(f32, f32) -> [f32; 2]) -> Gray {
    let middle = [gray.width, gray.height].map(|side| 0.5 * (side as f32 - 1.0));
    gray.read(gray.width, gray.height, |x, y| {
        let [x, y] = from(x - middle[0], y - middle[1]);
        [outside.place(x + middle[0], gray.width), outside.place(y + middle[1], gray.height)]
    })
}

/// A turn in degrees, a shear of the rows in degrees, how much is zoomed along x and y, and a shift in parts of a side.
fn affine(gray: &Gray, outside: Outside, [turn, shear]: [f32; 2], zoom: [f32; 2], shift: [f32; 2]) -> Gray {
    let ((s, c), lean) = (turn.to_radians().sin_cos(), shear.to_radians().tan());
    let shift = [shift[0] * gray.width as f32, shift[1] * gray.height as f32];
    moved(gray, outside, |x, y| {
        let (x, y) = ((x - shift[0]) / zoom[0], (y - shift[1]) / zoom[1]);
        let x = x + lean * y;
        [c * x - s * y, s * x + c * y]
    })
}

fn either(rng: &mut Rng, most: f64) -> f32 {
    rng.range(-most, most) as f32
}

fn brighter(gray: &Gray, rng: &mut Rng, most: f64) -> Gray {
    let factor = 1.0 + either(rng, most);
    gray.each(|v| factor * v)
}

/// As `ImageDataGenerator` of Keras: a square; turned, shifted, zoomed along each side by itself, mirrored, brighter or
/// darker; the nearest pixel outside; saved as JPEG.
pub fn keras(gray: &Gray, rng: &mut Rng) -> Gray {
    let square = gray.resized(224, 224);
    let zoom = [0; 2].map(|_| 1.0 + either(rng, 0.2));
    let shift = [0; 2].map(|_| either(rng, 0.1));
    let shapes = [either(rng, 25.0), either(rng, 8.0)];
    let copy = affine(&square, Outside::Nearest, shapes, zoom, shift);
    let copy = if rng.below(2) == 0 { mirror(&copy) } else { copy };
    jpeg(&brighter(&copy, rng, 0.2), 90)
}

/// As Roboflow: a zoom, a turn within fifteen degrees, a shear, then brighter, blurred, speckled with single black and
/// white pixels, or with boxes cut out, in some copies each.
pub fn roboflow(gray: &Gray, rng: &mut Rng) -> Gray {
    let zoom = [rng.range(1.0, 1.2) as f32; 2];
    let shapes = [either(rng, 15.0), either(rng, 10.0)];
    let mut copy = affine(gray, Outside::Black, shapes, zoom, [0.0; 2]);
    copy = brighter(&copy, rng, 0.25);
    if rng.below(3) == 0 {
        copy = blur(&copy, rng.range(0.3, 1.2) as f32);
    }
    if rng.below(3) == 0 {
        let share = rng.range(0.002, 0.02);
        copy = copy.each(|v| if rng.uniform() < share { 255.0 * rng.below(2) as f32 } else { v });
    }
    if rng.below(3) == 0 {
        boxes(&mut copy, rng, 3, [0.1; 2], Some(0.0));
    }
    jpeg(&copy, 85)
}

/// As `RandomResizedCrop` of torchvision, at a half of the area and more; a mirror; contrast.
pub fn resized_crop(gray: &Gray, rng: &mut Rng) -> Gray {
    let (area, aspect) = (rng.range(0.5, 1.0), rng.range(0.8, 1.25).sqrt());
    let [w, h] = [aspect, 1.0 / aspect].map(|part| (area.sqrt() * part).min(1.0) as f32);
    let (x, y) = (rng.uniform() as f32 * (1.0 - w), rng.uniform() as f32 * (1.0 - h));
    let (width, height) = (gray.width as f32, gray.height as f32);
    let part = gray.read((w * width) as usize, (h * height) as usize, |u, v| [u + x * width, v + y * height]);
    let part = if rng.below(2) == 0 { mirror(&part) } else { part };
    let contrast = 1.0 + either(rng, 0.2);
    part.resized(224, 224).each(|v| 110.0 + contrast * (v - 110.0))
}

/// As `RandomPerspective`: every corner moves inwards by up to a tenth of the side.
pub fn perspective(gray: &Gray, rng: &mut Rng) -> Gray {
    // A projective map of this kind: lines stay lines, and one side becomes shorter than the other.
    let (width, height) = (gray.width as f32, gray.height as f32);
    let [p, q] = [0; 2].map(|_| either(rng, 0.2));
    let [shear, turn] = [either(rng, 0.05), either(rng, 0.05)];
    let outside = Outside::any(rng);
    moved(gray, outside, |x, y| {
        let (u, v) = (x / width, y / height);
        let far = 1.0 + p * u + q * v;
        [width * (u + shear * v) / far, height * (v + turn * u) / far]
    })
}

/// Puts up to `most` boxes of this share of the sides over a picture, of one value or, if none is given, of noise.
fn boxes(gray: &mut Gray, rng: &mut Rng, most: u64, share: [f64; 2], value: Option<f32>) {
    for _ in 0..1 + rng.below(most) {
        let [w, h] =
            [gray.width, gray.height].map(|side| (rng.range(share[0], share[1]) * side as f64) as usize);
        let x = rng.below((gray.width - w) as u64) as usize;
        let y = rng.below((gray.height - h) as u64) as usize;
        for row in gray.values.chunks_exact_mut(gray.width).skip(y).take(h) {
            row[x..x + w]
                .iter_mut()
                .for_each(|v| *v = value.unwrap_or_else(|| rng.range(0.0, 255.0).round() as f32));
        }
    }
}

/// As `RandomErasing` and Cutout: boxes of black, gray or noise; a small turn.
pub fn erased(gray: &Gray, rng: &mut Rng) -> Gray {
    let turn = either(rng, 10.0);
    let mut copy = affine(gray, Outside::any(rng), [turn, 0.0], [1.0; 2], [0.0; 2]);
    let value = [Some(0.0), Some(128.0), None][rng.below(3) as usize];
    boxes(&mut copy, rng, 4, [0.08, 0.3], value);
    copy
}

/// Contrast by histograms of tiles (CLAHE; Zuiderveld 1994), or of the whole; a small turn.
pub fn equalized(gray: &Gray, rng: &mut Rng) -> Gray {
    let turn = either(rng, 10.0);
    let copy = affine(gray, Outside::any(rng), [turn, 0.0], [1.0; 2], [0.0; 2]);
    if rng.below(2) == 0 {
        tiled(&copy, 1, f32::INFINITY)
    } else {
        tiled(&copy, 8, rng.range(1.5, 4.0) as f32)
    }
}

/// Each value as the share of what is darker in its tile, between the four nearest tiles; no value of a tile counts
/// more than `limit` times the mean.
fn tiled(gray: &Gray, tiles: usize, limit: f32) -> Gray {
    let ranks: Vec<Vec<f32>> = (0..tiles * tiles)
        .map(|tile| {
            let (column, row) = (tile % tiles, tile / tiles);
            let part = |n: usize, of: usize| n * of / tiles..(n + 1) * of / tiles;
            let mut counts = vec![0.0_f32; 256];
            for y in part(row, gray.height) {
                part(column, gray.width)
                    .for_each(|x| counts[gray.values[y * gray.width + x] as usize] += 1.0);
            }
            let most = limit * counts.iter().sum::<f32>() / 256.0;
            let over: f32 = counts.iter().map(|&count| (count - most).max(0.0)).sum();
            counts.iter_mut().for_each(|count| *count = count.min(most) + over / 256.0);
            let all: f32 = counts.iter().sum();
            let mut sum = 0.0;
            let mut rank = |count: &f32| {
                sum += count;
                255.0 * sum / all
            };
            counts.iter().map(&mut rank).collect()
        })
        .collect();
    let mut i = 0;
    gray.each(|v| {
        let at = [(i % gray.width, gray.width), (i / gray.width, gray.height)];
        i += 1;
        // The tiles before and after, and how near the one after is.
        let [x, y] = at.map(|(at, side)| {
            let place = ((at as f32 + 0.5) * tiles as f32 / side as f32 - 0.5).clamp(0.0, tiles as f32 - 1.0);
            (place as usize, (place as usize + 1).min(tiles - 1), place.fract())
        });
        let rank = |column: usize, row: usize| ranks[row * tiles + column][v as usize];
        let across = |row: usize| rank(x.0, row) + x.2 * (rank(x.1, row) - rank(x.0, row));
        across(y.0) + y.2 * (across(y.1) - across(y.0))
    })
}

/// As elastic transforms with few points: every place moves by up to some pixels, neighbours about alike.
pub fn bent(gray: &Gray, rng: &mut Rng) -> Gray {
    const POINTS: usize = 5;
    let most = f64::from(gray.unit(1.0)) * rng.range(1.0, 3.0);
    let mut field = || (0..POINTS * POINTS).map(|_| either(rng, most)).collect::<Vec<f32>>();
    let fields = [field(), field()];
    let (width, height) = (gray.width as f32, gray.height as f32);
    let at = |field: &[f32], x: f32, y: f32| {
        let place =
            |v: f32, side: f32| ((v / side + 0.5) * (POINTS - 1) as f32).clamp(0.0, POINTS as f32 - 1.01);
        let (u, v) = (place(x, width), place(y, height));
        // Smooth steps, so that nothing is kinked.
        let ease = |t: f32| t * t * (3.0 - 2.0 * t);
        let (column, row, s, t) = (u as usize, v as usize, ease(u.fract()), ease(v.fract()));
        let value = |c: usize, r: usize| field[r * POINTS + c];
        let across = |r: usize| value(column, r) + s * (value(column + 1, r) - value(column, r));
        across(row) + t * (across(row + 1) - across(row))
    };
    moved(gray, Outside::Nearest, |x, y| [x + at(&fields[0], x, y), y + at(&fields[1], x, y)])
}

/// As sets made by hand: a square of which several of turn, shear, crop, gamma, contrast, blur and a strong sharpening
/// were asked in some order.
pub fn several(gray: &Gray, rng: &mut Rng) -> Gray {
    let mut copy = gray.resized(224, 224);
    let mut order: Vec<u64> = (0..7).collect();
    rng.shuffle(&mut order);
    for &kind in &order[..2 + rng.below(3) as usize] {
        let outside = Outside::any(rng);
        copy = match kind {
            0 => affine(&copy, outside, [either(rng, 45.0), 0.0], [1.0; 2], [0.0; 2]),
            1 => affine(&copy, outside, [0.0, either(rng, 12.0)], [1.0; 2], [0.0; 2]),
            2 => affine(
                &copy,
                outside,
                [0.0; 2],
                [rng.range(1.0, 1.25) as f32; 2],
                [0; 2].map(|_| either(rng, 0.08)),
            ),
            3 => gamma(&copy, rng.range(0.6, 1.6) as f32),
            4 => brighter(&copy, rng, 0.3),
            5 => smooth(&copy).each(|v| v),
            _ => {
                let sharp = sharpen(&copy, rng);
                mix(&copy, &sharp, rng.range(0.5, 1.5) as f32)
            }
        };
    }
    copy
}

/// As flips, quarter turns, brightness and contrast of albumentations: brightness is added, so that black is black no
/// more; half of them sharpened.
pub fn tones(gray: &Gray, rng: &mut Rng) -> Gray {
    let mut copy = gray.clone();
    for _ in 0..rng.below(4) {
        copy = copy.read(copy.height, copy.width, |x, y| [y, copy.height as f32 - 1.0 - x]);
    }
    if rng.below(2) == 0 {
        copy = mirror(&copy);
    }
    let (contrast, lighter) = (1.0 + either(rng, 0.25), 255.0 * either(rng, 0.25));
    copy = copy.each(|v| contrast * v + lighter);
    if rng.below(2) == 0 {
        let sharp = sharpen(&copy, rng);
        copy = mix(&copy, &sharp, rng.range(0.2, 0.5) as f32);
    }
    jpeg(&copy, 92)
}

/// As sets that were enlarged twice, the result of the first time being changed again: sharpened by a kernel of three by
/// three, once or twice or not, and then turned by one of three angles, once or twice or not.
pub fn layers(gray: &Gray, rng: &mut Rng) -> Gray {
    let mut copy = gray.resized(224, 224);
    for _ in 0..[0, 0, 1, 2][rng.below(4) as usize] {
        let mean = smooth(&copy);
        let mut mean = mean.values.iter();
        copy = copy.each(|v| v + 9.0 * (v - mean.next().copied().unwrap_or(v)));
    }
    for _ in 0..rng.below(3) {
        copy = turn(&copy, [-11.0, 7.0, 16.0][rng.below(3) as usize]);
    }
    copy
}
