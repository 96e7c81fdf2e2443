//! More kinds of pictures for families of copies: tissue, ultrasound, skin, eyes, heads.

use super::{plain, smooth, splat};
use crate::plant::Gray;
use engine::Rng;

/// White noise, made coarser.
fn grain(gray: &Gray, rng: &mut Rng, strength: f64) -> Vec<f32> {
    let values = gray.values.iter().map(|_| (strength * rng.normal()) as f32).collect();
    smooth(&Gray { values, ..*gray }).values
}

/// Stained tissue: hundreds of cells in a fibrous ground.
pub fn tissue(rng: &mut Rng) -> Gray {
    let mut gray = plain(224, 224, rng.range(170.0, 205.0) as f32);
    for _ in 0..250 {
        let place = [0; 2].map(|_| rng.uniform() as f32);
        let sides = [rng.range(0.01, 0.08), rng.range(0.004, 0.012)].map(|v| v as f32);
        let sides = if rng.below(2) == 0 { sides } else { [sides[1], sides[0]] };
        splat(&mut gray, place, sides, rng.range(-25.0, 15.0) as f32);
    }
    for _ in 0..320 {
        let (x, y) = (rng.range(0.0, 224.0) as f32, rng.range(0.0, 224.0) as f32);
        let (long, short) = (rng.range(3.5, 7.0) as f32, rng.range(2.5, 4.5) as f32);
        let (s, c) = (rng.range(0.0, 3.15) as f32).sin_cos();
        let (dark, rim) = (rng.range(50.0, 110.0) as f32, rng.range(0.6, 1.0) as f32);
        let reach = long.max(short) as i64 + 2;
        for (row, column) in (-reach..=reach).flat_map(|r| (-reach..=reach).map(move |c| (r, c))) {
            let (px, py) = (x as i64 + column, y as i64 + row);
            if !(0..224).contains(&px) || !(0..224).contains(&py) {
                continue;
            }
            let (u, v) = (px as f32 - x, py as f32 - y);
            let r = (((c * u + s * v) / long).powi(2) + ((c * v - s * u) / short).powi(2)).sqrt();
            let inside = ((1.0 - r) * short + 0.5).clamp(0.0, 1.0);
            let value = dark * (1.0 + 0.4 * (1.0 - rim * r));
            let pixel = &mut gray.values[(py * 224 + px) as usize];
            *pixel += inside * (value - *pixel);
        }
    }
    let mut noise = grain(&gray, rng, 12.0).into_iter();
    gray.each(|v| v + noise.next().unwrap_or(0.0))
}

/// Speckle in a fan, finer near the probe, dark cysts and bright walls; a scale and letters that all pictures share.
pub fn ultrasound(rng: &mut Rng) -> Gray {
    let (width, height) = (300, 240);
    let top = [150.0, -40.0];
    let mut tissue = plain(width, height, 1.0);
    for _ in 0..60 {
        let place = [rng.range(0.1, 0.9), rng.range(0.1, 1.0)].map(|v| v as f32);
        let sides = [rng.range(0.02, 0.15), rng.range(0.01, 0.06)].map(|v| v as f32);
        splat(&mut tissue, place, sides, rng.range(-0.7, 1.2) as f32);
    }
    // Speckle is the size of a complex number of which both parts are noise.
    let mut field = || {
        let values = tissue.values.iter().map(|_| rng.normal() as f32).collect();
        smooth(&smooth(&Gray { values, ..tissue })).values
    };
    let (one, two) = (field(), field());
    let shown = |(i, strength): (usize, &f32)| {
        let (x, y) = ((i % width) as f32 - top[0], (i / width) as f32 - top[1]);
        let (far, angle) = (x.hypot(y), x.atan2(y).abs());
        let speckle = 3.5 * one[i].hypot(two[i]);
        let inside = (50.0..272.0).contains(&far) && angle < 0.6;
        // Deeper tissue is darker; what is shown is the logarithm.
        let depth = 1.1 - 0.002 * far;
        if inside { 70.0 * (1.0 + strength.max(0.02) * speckle * depth).ln() } else { 0.0 }
    };
    let values = tissue.values.iter().enumerate().map(shown).collect();
    let mut gray = Gray { values, ..tissue };
    // The marks of the scanner, the same in every picture.
    for mark in 0..10 {
        let row = 20 + 20 * mark;
        gray.values[row * width + 290..row * width + if mark % 5 == 0 { 299 } else { 295 }].fill(200.0);
    }
    let mut letters = Rng::derive(&[77]);
    for (y, x) in (6..14).flat_map(|y| (6..60).map(move |x| (y, x))) {
        if x % 7 != 0 && letters.below(2) == 0 {
            gray.values[y * width + x] = 220.0;
        }
    }
    gray.each(|v| v)
}

/// A spot on skin: smooth shades, an uneven edge, lines of the skin, some hairs.
pub fn skin(rng: &mut Rng) -> Gray {
    let (width, height) = (300, 225);
    let mut gray = plain(width, height, rng.range(150.0, 190.0) as f32);
    for _ in 0..6 {
        let place = [0; 2].map(|_| rng.uniform() as f32);
        splat(&mut gray, place, [0.4; 2], rng.range(-20.0, 15.0) as f32);
    }
    // The spot: a circle whose radius wavers.
    let (x, y) = (rng.range(0.4, 0.6) as f32 * 300.0, rng.range(0.4, 0.6) as f32 * 225.0);
    let (radius, dark) = (rng.range(30.0, 70.0) as f32, rng.range(40.0, 90.0) as f32);
    let waves: Vec<[f32; 2]> =
        (2..9).map(|k| [rng.range(0.0, 0.3) / f64::from(k), rng.range(0.0, 6.3)].map(|v| v as f32)).collect();
    for (i, pixel) in gray.values.iter_mut().enumerate() {
        let (u, v) = ((i % width) as f32 - x, (i / width) as f32 - y);
        let angle = v.atan2(u);
        let edge: f32 =
            waves.iter().zip(2..).map(|([size, phase], k)| size * (k as f32 * angle + phase).cos()).sum();
        let inside = ((radius * (1.0 + edge) - u.hypot(v)) / 6.0 + 0.5).clamp(0.0, 1.0);
        *pixel -= inside * dark;
    }
    for _ in 0..90 {
        let (u, v) = (rng.normal() as f32 * 0.4 * radius, rng.normal() as f32 * 0.4 * radius);
        let place = [(x + u) / 300.0, (y + v) / 225.0];
        splat(&mut gray, place, [0.012, 0.016], rng.range(-25.0, 20.0) as f32);
    }
    for _ in 0..rng.below(12) {
        let mut at = [rng.range(0.0, 300.0), rng.range(0.0, 225.0)];
        let (mut angle, bend) = (rng.range(0.0, 6.3), rng.range(-0.02, 0.02));
        for _ in 0..rng.range(40.0, 140.0) as usize {
            at = [at[0] + angle.cos(), at[1] + angle.sin()];
            angle += bend;
            let place = [(at[0] / 300.0) as f32, (at[1] / 225.0) as f32];
            splat(&mut gray, place, [0.7 / 300.0, 0.7 / 225.0], -14.0);
        }
    }
    let mut noise = grain(&gray, rng, 6.0).into_iter();
    gray.each(|v| v + noise.next().unwrap_or(0.0))
}

/// The back of an eye in a round field before black: smooth shades, a bright spot, and vessels that branch from there.
pub fn eye(side: usize, rng: &mut Rng) -> Gray {
    let pixel = 1.0 / side as f32;
    let mut gray = plain(side, side, rng.range(110.0, 150.0) as f32);
    for _ in 0..8 {
        let place = [0; 2].map(|_| rng.range(0.1, 0.9) as f32);
        splat(&mut gray, place, [0.25; 2], rng.range(-20.0, 20.0) as f32);
    }
    let spot = [[0.3, 0.7][rng.below(2) as usize], rng.range(0.4, 0.6)];
    splat(&mut gray, spot.map(|v| v as f32), [0.05, 0.055], 90.0);
    for _ in 0..250 {
        let place = [0; 2].map(|_| rng.uniform() as f32);
        let size = rng.range(0.01, 0.04) as f32;
        splat(&mut gray, place, [size; 2], rng.range(-4.0, 4.0) as f32);
    }
    // Where a vessel starts, its direction, its width, and how long it is.
    let mut vessels: Vec<([f64; 2], f64, f64, f64)> = (0..9)
        .map(|i| (spot, 0.7 * f64::from(i) + rng.range(-0.3, 0.3), rng.range(0.003, 0.007), 0.7))
        .collect();
    while let Some((mut at, mut angle, mut width, length)) = vessels.pop() {
        let (mut bend, dark) = (rng.range(-3.0, 3.0), rng.range(25.0, 50.0));
        let step = width.min(0.004);
        for _ in 0..(length / step) as usize {
            at = [at[0] + step * angle.cos(), at[1] + step * angle.sin()];
            angle += bend * step;
            if rng.uniform() < 12.0 * step {
                bend = rng.range(-4.0, 4.0);
            }
            width *= 1.0 - 0.8 * step;
            let size = width.max(0.0012).max(0.4 * f64::from(pixel));
            // Steps overlap, and their sum is as dark whatever the width.
            let height = -dark * step / (2.5 * size) * (width / 0.004).min(1.0);
            splat(&mut gray, at.map(|v| v as f32), [size as f32; 2], height as f32);
            if width > 0.0015 && rng.uniform() < 7.0 * step {
                let aside = angle + [-0.7, 0.7][rng.below(2) as usize];
                vessels.push((at, aside, 0.6 * width, 0.5 * length));
            }
        }
    }
    let mut noise = grain(&gray, rng, 4.0).into_iter();
    let mut i = 0;
    gray.each(|v| {
        let place = [i % side, i / side].map(|at| (at as f32 + 0.5) * pixel - 0.5);
        i += 1;
        let far = place[0].hypot(place[1]);
        let inside = ((0.48 - far) * side as f32 + 0.5).clamp(0.0, 1.0);
        // Darker towards the edge.
        inside * (v * (1.0 - 1.2 * far * far) + noise.next().unwrap_or(0.0))
    })
}

/// Tiles of one eye, each of which shows some of it.
pub fn eye_tiles(count: usize, rng: &mut Rng) -> Vec<Gray> {
    const TILES: usize = 6;
    const SIDE: usize = 224;
    let whole = eye(TILES * SIDE, rng);
    let tile = |i: usize| {
        let (left, top) = ((i % TILES * SIDE) as f32, (i / TILES * SIDE) as f32);
        whole.read(SIDE, SIDE, |x, y| [x + left, y + top])
    };
    let shows = |tile: &Gray| 6 * tile.values.iter().filter(|&&v| v > 0.0).count() > tile.values.len();
    let mut tiles: Vec<Gray> = (0..TILES * TILES).map(tile).filter(shows).collect();
    rng.shuffle(&mut tiles);
    tiles.truncate(count);
    tiles
}

/// A slice of a head before black, between the arms of a holder: skin, bone, a flat inside with grain, and in it what is on
/// both sides, a little larger here than there.
pub fn head(rng: &mut Rng) -> Gray {
    const SIDE: usize = 256;
    let mut gray = plain(SIDE, SIDE, 0.0);
    let long = rng.range(82.0, 104.0) as f32;
    let (half, centre) =
        ([long * rng.range(0.74, 0.86) as f32, long], [128.0, rng.range(122.0, 136.0) as f32]);
    let waves: Vec<[f32; 2]> = (2..6)
        .map(|k| [rng.range(0.0, 0.05) / f64::from(k), rng.range(-0.4, 0.4)].map(|v| v as f32))
        .collect();
    let (bone, skin) = (rng.range(6.0, 11.0) as f32, rng.range(3.0, 6.0) as f32);
    let (inside, thick) = (rng.range(130.0, 160.0) as f32, rng.range(0.5, 2.5) as f32);
    for (i, pixel) in gray.values.iter_mut().enumerate() {
        let (u, v) = ((i % SIDE) as f32 - centre[0], (i / SIDE) as f32 - centre[1]);
        let angle = u.atan2(v);
        let wave: f32 =
            waves.iter().zip(2..).map(|([size, turn], k)| size * (k as f32 * (angle + turn)).cos()).sum();
        // How deep beneath the skin, in pixels; bone is thicker in front.
        let depth = (1.0 + wave - (u / half[0]).hypot(v / half[1])) * half[0];
        let bone = bone + thick * (2.0 * angle).cos();
        for (from, value) in [(0.0, 80.0), (skin, 235.0), (skin + bone, inside)] {
            *pixel += (depth - from + 0.5).clamp(0.0, 1.0) * (value - *pixel);
        }
    }
    let place = |[x, y]: [f32; 2]| [x, y].map(|at| at / SIDE as f32);
    for _ in 0..14 {
        let (x, y) = (rng.range(4.0, 0.6 * f64::from(half[0])) as f32, rng.range(-0.6, 0.6) as f32 * half[1]);
        let (size, height) = ([0; 2].map(|_| rng.range(0.008, 0.05) as f32), rng.range(-22.0, 12.0) as f32);
        for side in [-1.0, 1.0] {
            let [size, height] = [size[0], height].map(|v| v * rng.range(0.85, 1.15) as f32);
            let here = [side * (x + rng.range(-2.0, 2.0) as f32), y + rng.range(-2.0, 2.0) as f32];
            splat(&mut gray, place([centre[0] + here[0], centre[1] + here[1]]), [size, 1.4 * size], height);
        }
    }
    for _ in 0..40 {
        let here = [0, 1].map(|k| centre[k] + rng.range(-0.6, 0.6) as f32 * half[k]);
        splat(
            &mut gray,
            place(here),
            [0; 2].map(|_| rng.range(0.004, 0.012) as f32),
            rng.range(-14.0, 4.0) as f32,
        );
    }
    let arm = rng.range(118.0, 124.0) as f32;
    let mut noise = grain(&gray, rng, 9.0).into_iter();
    for (i, pixel) in gray.values.iter_mut().enumerate() {
        let noise = noise.next().unwrap_or(0.0);
        *pixel += if *pixel > 1.0 { noise } else { 0.0 };
        let (u, v) = ((i % SIDE) as f32 - 128.0, (i / SIDE) as f32 - 128.0);
        if v < -20.0 && (u.hypot(v) - arm).abs() < 1.2 {
            *pixel = 200.0;
        }
    }
    gray.each(|v| v)
}
