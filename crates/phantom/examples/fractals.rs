//! Pictures of fractals to learn to see on, when there are no others (Kataoka et al., "Pre-training without Natural
//! Images", IJCV 130, 2022): `cargo run --release -p phantom --example fractals -- OUT [CLASSES IMAGES SIDE SEED]`.
//!
//! A class is an iterated function system: two to eight affine maps of the plane, drawn at random among those that bring
//! all points closer together, and kept if their attractor fills enough of the picture. An image of it has one coefficient
//! changed by up to a fifth, and is mirrored or not. It is drawn by the chaos game, each pixel as bright as the logarithm
//! of how often the point came by. The same seed gives the same files, OUT/CLASS/IMAGE.png, for `vertebra train OUT`.

use engine::{Rng, par};
use image::GrayImage;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Points of an image, for each of its pixels.
const POINTS_A_PIXEL: usize = 4;
/// The first points, which may lie beside the attractor.
const UNSETTLED: usize = 50;
/// The least share of pixels that an attractor has to reach.
const FILLED: f64 = 0.2;

/// `x' = a x + b y + e`, `y' = c x + d y + f` as `[a, b, c, d, e, f]`.
type Affine = [f64; 6];

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "expected OUT [CLASSES IMAGES SIDE SEED]";
    let mut words = std::env::args().skip(1);
    let out = PathBuf::from(words.next().ok_or(usage)?);
    let mut numbers = [250, 48, 96, 0];
    for (at, word) in words.enumerate() {
        *numbers.get_mut(at).ok_or(usage)? = word.parse().map_err(|_| usage)?;
    }
    let [classes, images, side, seed] = numbers;
    if [classes, images, side].contains(&0) {
        return Err(usage.into());
    }
    let failed = par::map(classes, |class| write_class(&out, class, images, side, seed as u64).err());
    failed.into_iter().flatten().next().map_or(Ok(()), |error| Err(error.into()))
}

fn write_class(out: &Path, class: usize, images: usize, side: usize, seed: u64) -> Result<(), String> {
    let folder = out.join(format!("{class:04}"));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut rng = Rng::derive(&[seed, class as u64]);
    let system = loop {
        let maps = 2 + rng.below(7) as usize;
        let drawn: Vec<Affine> = (0..maps).map(|_| draw(&mut rng)).collect();
        if filled(&render(&drawn, side, false, &mut rng)) >= FILLED {
            break drawn;
        }
    };
    for image in 0..images {
        let mut varied = system.clone();
        let map = rng.below(varied.len() as u64) as usize;
        varied[map] = loop {
            let mut changed = system[map];
            changed[rng.below(6) as usize] *= rng.range(0.8, 1.2);
            if stretch(&changed) < 1.0 {
                break changed;
            }
        };
        let pixels = render(&varied, side, rng.chance(0.5), &mut rng);
        let path = folder.join(format!("{image:04}.png"));
        let picture = GrayImage::from_raw(side as u32, side as u32, pixels).expect("a pixel each");
        picture.save(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// A map that brings all points closer together.
fn draw(rng: &mut Rng) -> Affine {
    loop {
        let map = std::array::from_fn(|_| rng.range(-1.0, 1.0));
        if stretch(&map) < 1.0 {
            return map;
        }
    }
}

/// What a map makes of the length of 1 at most: its larger singular value.
fn stretch([a, b, c, d, ..]: &Affine) -> f64 {
    let (squares, area) = (a * a + b * b + c * c + d * d, a * d - b * c);
    (0.5 * (squares + (squares * squares - 4.0 * area * area).max(0.0).sqrt())).sqrt()
}

/// The share of pixels that are not black.
fn filled(pixels: &[u8]) -> f64 {
    pixels.iter().filter(|&&pixel| pixel > 0).count() as f64 / pixels.len() as f64
}

/// The attractor of `system`, as large as the picture.
fn render(system: &[Affine], side: usize, is_mirrored: bool, rng: &mut Rng) -> Vec<u8> {
    // A map is taken as often as the area is large that it leaves of one.
    let areas: Vec<f64> = system.iter().map(|[a, b, c, d, ..]| (a * d - b * c).abs()).collect();
    let total: f64 = areas.iter().sum();
    let mut point = [0.0, 0.0];
    let mut step = |_| {
        let mut left = rng.uniform() * total;
        let chosen = areas.iter().position(|area| {
            left -= area;
            left < 0.0
        });
        let [a, b, c, d, e, f] = system[chosen.unwrap_or(0)];
        let [x, y] = point;
        point = [a * x + b * y + e, c * x + d * y + f];
        point
    };
    let points: Vec<[f64; 2]> =
        (0..UNSETTLED + POINTS_A_PIXEL * side * side).map(&mut step).skip(UNSETTLED).collect();
    let bounds = [0, 1].map(|axis| {
        points.iter().fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p[axis]), high.max(p[axis])))
    });
    let mut counts = vec![0_u32; side * side];
    for point in &points {
        let [x, y] = [0, 1].map(|axis| {
            let (low, high) = bounds[axis];
            (((point[axis] - low) / (high - low) * side as f64) as usize).min(side - 1)
        });
        counts[y * side + if is_mirrored { side - 1 - x } else { x }] += 1;
    }
    let most = counts.iter().copied().max().map_or(1.0, |most| f64::from(most).ln_1p());
    counts.iter().map(|&count| (255.0 * f64::from(count).ln_1p() / most).round() as u8).collect()
}
