//! Against Pillow 13.0.0: `Image.fromarray(a.astype(float32)).resize((w, h), Image.BILINEAR)` (mode "F").

use model::{Picture, Preprocessing, ResizeMode, pixels, resize};

/// The source that Pillow was given: `(37 x + 101 y + 7 x y) mod 256`.
fn source(height: usize, width: usize) -> Vec<f32> {
    let value = |i: usize| (i % width, i / width);
    (0..height * width).map(value).map(|(x, y)| ((x * 37 + y * 101 + x * y * 7) % 256) as f32).collect()
}

#[track_caller]
fn assert_close(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-3, "off by {worst}: {got:?}, expected {want:?}");
}

/// Shrinking and enlarging, both ways and one at a time.
#[test]
fn equals_pillow() {
    let check = |from: (usize, usize), to, want: &[f32]| {
        assert_close(&resize(&source(from.0, from.1), from, to, 1), want)
    };
    let want = [
        64.238, 126.486, 121.091, 152.619, 165.053, 137.413, 120.889, 168.397, 130.224, 116.646, 122.474,
        111.612,
    ];
    check((5, 7), (3, 4), &want);
    let want = [
        0.0, 3.7, 18.5, 33.3, 37.0, 40.4, 44.38, 60.3, 76.22, 80.2, 101.0, 105.4, 123.0, 140.6, 145.0, 161.6,
        166.42, 185.7, 204.98, 209.8, 202.0, 207.1, 227.5, 247.9, 253.0,
    ];
    check((3, 2), (5, 5), &want);
    let want = [
        11.1, 55.5, 99.9, 114.2, 167.0, 219.8, 217.3, 150.5, 83.7, 64.4, 134.0, 203.6, 167.5, 117.5, 67.5,
        193.8, 101.0, 187.4, 117.7, 212.5, 128.1, 144.0, 68.0, 171.2, 67.9, 179.5, 111.9,
    ];
    check((9, 4), (9, 3), &want);
    let want = [
        72.143, 114.143, 119.571, 161.571, 93.857, 135.857, 177.857, 73.571, 115.571, 121.143, 174.143,
        117.429, 170.429, 77.143, 130.143, 183.143, 126.429, 179.429,
    ];
    check((4, 9), (2, 9), &want);
}

#[test]
fn channels_are_independent() {
    let planes = [source(6, 5), source(5, 6), vec![9.0; 30]];
    let mixed: Vec<f32> = (0..30).flat_map(|i| [0, 1, 2].map(|c| planes[c][i])).collect();
    let got = resize(&mixed, (6, 5), (4, 3), 3);
    for c in 0..3 {
        let plane: Vec<f32> = got.iter().skip(c).step_by(3).copied().collect();
        assert_eq!(plane, resize(&planes[c], (6, 5), (4, 3), 1));
    }
}

#[test]
fn the_same_size_is_not_touched() {
    let image = source(7, 6);
    assert_eq!(resize(&image, (7, 6), (7, 6), 1), image);
}

#[test]
fn pad_keeps_the_aspect_and_fills_with_black() {
    let picture =
        Picture { width: 8, height: 4, channels: 1, bits: 8, shown: true, samples: vec![200.0; 32] };
    let prep = Preprocessing { fit: ResizeMode::Pad, ..Preprocessing::new(1, [6, 6]) };
    let want: Vec<f32> = (0..6).flat_map(|y| [if (1..4).contains(&y) { 200.0 } else { 0.0 }; 6]).collect();
    assert_close(&pixels(&picture, &prep), &want);
}
