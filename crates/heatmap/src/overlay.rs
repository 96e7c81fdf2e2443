//! A heatmap over its picture, with a legend: what is shown, by which model, on which scale.
//!
//! Red speaks for the class, blue against it, and where the map is near 0 the picture is left alone. The scale is that
//! of the picture's own largest value, so the legend has its numbers: without them, noise looks as strong as a finding.

use crate::{Heatmap, Method, font};
use image::{Rgb, RgbImage};
use model::{Picture, Placement, resize};

/// Opacity of the strongest colour, in parts of 1.
const OPACITY: f32 = 0.6;
/// Rows of the legend: three lines of text and the bar.
const LINE: usize = 22;
/// Each pixel of a letter is so many pixels wide and high.
const ZOOM: usize = 2;
const MARGIN: usize = 8;
const FOR: [f32; 3] = [230.0, 50.0, 20.0];
const AGAINST: [f32; 3] = [40.0, 110.0, 240.0];
const PAPER: Rgb<u8> = Rgb([16; 3]);
const INK: Rgb<u8> = Rgb([235; 3]);

/// The words of a legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// The class whose evidence is shown.
    pub class: String,
    /// Its probability.
    pub probability: f64,
    /// How the map was made.
    pub method: Method,
}

/// Draws `map` over `picture`, which the network saw as `placement` says. The picture's longer side is brought between
/// the two values of `side`. Without a caption there is no legend.
pub fn overlay(
    picture: &Picture,
    map: &Heatmap,
    placement: &Placement,
    side: [usize; 2],
    caption: Option<&Caption>,
) -> RgbImage {
    let longer = picture.height.max(picture.width);
    let zoom = longer.clamp(side[0], side[1]) as f64 / longer as f64;
    let [height, width] =
        [picture.height, picture.width].map(|side| ((side as f64 * zoom).round() as usize).max(1));
    let background =
        resize(&picture.samples, (picture.height, picture.width), (height, width), picture.channels);
    let legend = if caption.is_some() { 4 * LINE + MARGIN } else { 0 };
    let mut canvas = RgbImage::from_pixel(width as u32, (height + legend) as u32, PAPER);
    let largest = map.largest().max(f32::MIN_POSITIVE);
    for y in 0..height {
        for x in 0..width {
            let point = [(y as f64 + 0.5) / zoom, (x as f64 + 0.5) / zoom];
            let value = sample(map, placement.to_input(point)) / largest;
            let (colour, alpha) = tint(value);
            let below = &background[(y * width + x) * picture.channels..];
            let mixed = std::array::from_fn(|c| {
                let below = below[c % picture.channels];
                (below + alpha * (colour[c] - below)).round() as u8
            });
            set(&mut canvas, x, y, Rgb(mixed));
        }
    }
    if let Some(caption) = caption {
        draw_legend(&mut canvas, caption, largest, height);
    }
    canvas
}

/// The colour and opacity of a value in `-1..=1`. Opacity grows from 0, so weak evidence hides nothing.
fn tint(value: f32) -> ([f32; 3], f32) {
    (if value > 0.0 { FOR } else { AGAINST }, OPACITY * value.abs().min(1.0))
}

/// The map between its pixels, bilinear; the border repeats.
fn sample(map: &Heatmap, [y, x]: [f64; 2]) -> f32 {
    let [height, width] = map.size;
    let axis = |at: f64, size: usize| {
        let at = at.clamp(0.0, (size - 1) as f64);
        (at as usize, (at as usize + 1).min(size - 1), at.fract() as f32)
    };
    let ((top, bottom, v), (left, right, u)) = (axis(y, height), axis(x, width));
    let row = |y: usize| {
        let (a, b) = (map.values[y * width + left], map.values[y * width + right]);
        a + u * (b - a)
    };
    row(top) + v * (row(bottom) - row(top))
}

/// Sets a pixel, if there is such a one.
fn set(canvas: &mut RgbImage, x: usize, y: usize, colour: Rgb<u8>) {
    if let Some(pixel) = canvas.get_pixel_mut_checked(x as u32, y as u32) {
        *pixel = colour;
    }
}

/// `text` from its top left corner on, cut at the right margin with dots.
fn draw_text(canvas: &mut RgbImage, text: &str, left: usize, top: usize) {
    // The last letter needs no gap after it.
    let room = ((canvas.width() as usize).saturating_sub(left + MARGIN) / ZOOM + 1) / (font::LETTER[0] + 1);
    let mut text = text.to_owned();
    if text.chars().count() > room {
        text = text.chars().take(room.saturating_sub(2)).chain("..".chars()).collect();
    }
    font::draw(&text, |x, y| {
        for (dx, dy) in (0..ZOOM).flat_map(|dx| (0..ZOOM).map(move |dy| (dx, dy))) {
            set(canvas, left + x * ZOOM + dx, top + y * ZOOM + dy, INK);
        }
    });
}

fn draw_legend(canvas: &mut RgbImage, caption: &Caption, largest: f32, top: usize) {
    let line = |i: usize| top + MARGIN + i * LINE;
    draw_text(canvas, &format!("p({}) = {:.3}", caption.class, caption.probability), MARGIN, line(0));
    let ends = [format!("{:.1} against", -largest), format!("+{largest:.1} for")];
    let used = |text: &str| font::width(text) * ZOOM + 2 * MARGIN;
    let (left, right) = (used(&ends[0]), (canvas.width() as usize).saturating_sub(used(&ends[1])));
    draw_text(canvas, &ends[0], MARGIN, line(1));
    for x in left..right {
        let value = 2.0 * (x - left) as f32 / (right - left).max(1) as f32 - 1.0;
        let (colour, alpha) = tint(value);
        // Over the middle gray of a picture.
        let mixed = Rgb(colour.map(|c| (128.0 + alpha * (c - 128.0)).round() as u8));
        (0..font::LETTER[1] * ZOOM).for_each(|y| set(canvas, x, line(1) + y, mixed));
    }
    draw_text(canvas, &ends[1], right + MARGIN, line(1));
    draw_text(canvas, caption.method.describe(), MARGIN, line(2));
    draw_text(canvas, "Research use only, not a medical device", MARGIN, line(3));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: [usize; 2] = [512, 1024];

    #[test]
    fn red_is_for_blue_is_against_and_nothing_is_left_alone() {
        let picture =
            Picture { width: 4, height: 4, channels: 1, bits: 8, shown: true, samples: vec![100.0; 16] };
        let prep = model::Preprocessing::new(1, [4, 4]);
        let placement = Placement::new([4, 4], &prep);
        let mut values = vec![0.0; 16];
        (values[0], values[15]) = (2.0, -2.0);
        let map = Heatmap { size: [4, 4], values };
        let canvas = overlay(&picture, &map, &placement, SIDE, None);
        assert_eq!(canvas.dimensions(), (512, 512));
        let (Rgb([r, _, b]), Rgb([r2, _, b2])) = (canvas[(0, 0)], canvas[(511, 511)]);
        assert!(r > 150 && b < 100 && b2 > 150 && r2 < 100, "{r} {b} {r2} {b2}");
        assert_eq!(canvas[(511, 0)], Rgb([100; 3]));

        let caption = Caption { class: "fracture".into(), probability: 0.5, method: Method::Cam };
        let legend = overlay(&picture, &map, &placement, SIDE, Some(&caption));
        assert_eq!(legend.height() as usize, 512 + 4 * LINE + MARGIN);
        let drawn = legend.pixels().skip(512 * 512).filter(|pixel| **pixel == INK).count();
        assert!(drawn > 1000, "text was drawn: {drawn}");
        let long = Caption { class: "x".repeat(500), ..caption };
        overlay(&picture, &Heatmap { size: [4, 4], values: vec![0.0; 16] }, &placement, SIDE, Some(&long));
        let decoded = data::decode_bytes("x.png", &crate::png(&legend).unwrap()).unwrap();
        assert_eq!((decoded.height, decoded.width, decoded.channels), (legend.height() as usize, 512, 3));
    }

    /// What the map marks lies in the picture where the network saw it: stretched or with bars, lying or upright.
    #[test]
    fn a_mark_lies_where_it_was_seen() {
        for (size, input) in [([600, 1000], [320, 256]), ([1000, 600], [320, 256]), ([900, 700], [256, 320])]
        {
            for fit in [model::ResizeMode::Stretch, model::ResizeMode::Pad] {
                let samples = vec![0.0; size[0] * size[1]];
                let [height, width] = size;
                let picture = Picture { width, height, channels: 1, bits: 8, shown: true, samples };
                let prep = model::Preprocessing { fit, ..model::Preprocessing::new(1, input) };
                let placement = Placement::new(size, &prep);
                let point = [0.3 * height as f64, 0.7 * width as f64];
                let [y, x] = placement.to_input(point).map(|at| at.round() as usize);
                let mut values = vec![0.0; input[0] * input[1]];
                values[y * input[1] + x] = 1.0;
                let canvas = overlay(&picture, &Heatmap { size: input, values }, &placement, SIDE, None);
                assert_eq!(canvas.dimensions(), (width as u32, height as u32));
                let red = |&(_, _, pixel): &(u32, u32, &Rgb<u8>)| pixel.0[0];
                let (column, row, _) = canvas.enumerate_pixels().max_by_key(red).unwrap();
                let off = [f64::from(row) - point[0], f64::from(column) - point[1]];
                // A pixel of the input is up to four of the picture.
                assert!(
                    off.iter().all(|off| off.abs() <= 4.0),
                    "{size:?} in {input:?}, {fit:?}: off by {off:?}"
                );
            }
        }
    }
}
