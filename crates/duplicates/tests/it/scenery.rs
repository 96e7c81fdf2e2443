//! More kinds of pictures for families of copies: tissue, ultrasound, skin.

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
