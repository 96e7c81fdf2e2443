//! Families of copies: some pictures of one kind, each with so many copies that were changed in one way.
//!
//! A family follows from its four numbers alone. The pictures are of kinds that tempt a search in different ways: views
//! of one patient and neighbouring slices of one volume are pictures of their own, however alike they look.

#[path = "scenery.rs"]
mod scenery;
#[path = "tools.rs"]
mod tools;

use crate::plant::{Gray, blur, crop, jpeg, pad, scale, sharpen, text, turn};
use engine::{Rng, par};

/// What the pictures show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Simulated neck radiographs, each of another patient.
    Phantom,
    /// The same, two views a patient: other poses and exposures of one anatomy.
    Views,
    /// Neighbouring slices of simulated volumes, six a volume.
    Volume,
    /// Blobs and edges at random places.
    Texture,
    /// Limbs before a dark background: smooth, little detail, not square.
    Bone,
    /// The same, every copy squeezed into a square in the end.
    BoneSquared,
    /// Tiles of stained tissue: many cells, all alike.
    Tissue,
    /// Speckle in the fan of one scanner, whose outline, scale and marks all pictures share.
    Ultrasound,
    /// Photographs of skin: hardly any detail but a spot's edge, lines of the skin and some hairs.
    Skin,
    /// Round fields before black, of many eyes by one camera: smooth, with vessels.
    Eye,
    /// Tiles of one such picture, of which the outer ones have black corners.
    EyeTiles,
    /// Slices of heads, each of another patient: bright bone around a flat inside, nearly their own mirror images.
    Head,
}

impl Subject {
    pub const ALL: [Self; 12] = [
        Self::Phantom,
        Self::Views,
        Self::Volume,
        Self::Texture,
        Self::Bone,
        Self::BoneSquared,
        Self::Tissue,
        Self::Ultrasound,
        Self::Skin,
        Self::Eye,
        Self::EyeTiles,
        Self::Head,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Phantom => "phantom",
            Self::Views => "views",
            Self::Volume => "volume",
            Self::Texture => "texture",
            Self::Bone => "bone",
            Self::BoneSquared => "bone-squared",
            Self::Tissue => "tissue",
            Self::Ultrasound => "ultrasound",
            Self::Skin => "skin",
            Self::Eye => "eye",
            Self::EyeTiles => "eye-tiles",
            Self::Head => "head",
        }
    }

    /// So many pictures.
    pub fn pictures(self, count: usize, seed: u64) -> Vec<Gray> {
        match self {
            Self::Phantom | Self::Views => {
                let views = if self == Self::Views { 2 } else { 1 };
                let config =
                    phantom::PhantomConfig { patients: count.div_ceil(views), views, image_size: 224, seed };
                let square = |pixels: Vec<u8>| Gray {
                    width: 224,
                    height: 224,
                    values: pixels.into_iter().map(f32::from).collect(),
                };
                let shown = |i: usize| square(phantom::render(&config, i / views, i % views).pixels);
                par::map(count, shown)
            }
            Self::Volume => par::map(count, |i| slice(seed, (i / SLICES) as u64, i % SLICES)),
            Self::Texture => par::map(count, |i| texture(&mut Rng::derive(&[seed, i as u64]))),
            Self::Bone | Self::BoneSquared => par::map(count, |i| limb(&mut Rng::derive(&[seed, i as u64]))),
            Self::Tissue => par::map(count, |i| scenery::tissue(&mut Rng::derive(&[seed, i as u64]))),
            Self::Ultrasound => par::map(count, |i| scenery::ultrasound(&mut Rng::derive(&[seed, i as u64]))),
            Self::Skin => par::map(count, |i| scenery::skin(&mut Rng::derive(&[seed, i as u64]))),
            Self::Eye => par::map(count, |i| scenery::eye(300, &mut Rng::derive(&[seed, i as u64]))),
            Self::EyeTiles => scenery::eye_tiles(count, &mut Rng::derive(&[seed])),
            Self::Head => par::map(count, |i| scenery::head(&mut Rng::derive(&[seed, i as u64]))),
        }
    }
}

/// Slices of a volume.
const SLICES: usize = 6;

/// A change that makes a copy.
pub type Change = fn(&Gray, &mut Rng) -> Gray;

/// The kinds of copies by name, and the share of their pairs that is aimed at: of some kinds less is found.
pub const CHANGES: [(&str, Change, f64); 27] = [
    ("turn", any_turn, 0.97),
    ("chained-turns", chained_turns, 0.97),
    ("mirror", |gray, rng| jpeg(&mirror(gray), rng.range(60.0, 95.0) as u8), 0.97),
    ("crop", |gray, rng| crop(gray, 0.9, rng), 0.97),
    ("stretch", stretch, 0.97),
    ("letterbox", letterbox, 0.95),
    ("frame", frame, 0.95),
    ("cut-out", |gray, rng| crop(gray, 0.66, rng), 0.8),
    ("gamma", |gray, rng| gamma(gray, rng.range(0.6, 1.6) as f32), 0.97),
    ("jpeg", |gray, rng| jpeg(gray, rng.range(20.0, 80.0) as u8), 0.97),
    ("blur", |gray, rng| blur(gray, gray.unit(rng.range(0.8, 2.0) as f32)), 0.97),
    ("sharpen", |gray, rng| mix(gray, &sharpen(gray, rng), rng.range(0.3, 1.0) as f32), 0.97),
    ("noise", noise, 0.97),
    ("text", text, 0.95),
    ("scale", |gray, rng| scale(gray, rng.range(0.55, 1.5) as f32), 0.97),
    ("two", |gray, rng| chained(gray, rng, 2), 0.97),
    ("three", |gray, rng| chained(gray, rng, 3), 0.9),
    ("keras", tools::keras, 0.97),
    ("roboflow", tools::roboflow, 0.9),
    ("resized-crop", tools::resized_crop, 0.9),
    ("perspective", tools::perspective, 0.9),
    ("erased", tools::erased, 0.9),
    ("equalized", tools::equalized, 0.97),
    ("bent", tools::bent, 0.8),
    ("several", tools::several, 0.9),
    ("tones", tools::tones, 0.97),
    ("layers", tools::layers, 0.9),
];

/// What [`CHANGES`] chains.
const LINKS: [&str; 11] =
    ["turn", "mirror", "crop", "stretch", "gamma", "jpeg", "blur", "sharpen", "noise", "text", "scale"];

/// Some pictures and their copies.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub subject: Subject,
    /// The number of the kind in [`CHANGES`].
    pub change: usize,
    /// Images of each picture.
    pub copies: usize,
    pub seed: u64,
}

impl Family {
    /// Pictures, fewer where each has many copies.
    pub fn pictures(&self) -> usize {
        match self.copies {
            ..4 => 24,
            4..8 => 18,
            8..16 => 12,
            16..32 => 10,
            32..64 => 8,
            _ => 6,
        }
    }

    /// Whether the picture itself is among its copies: not where nobody would still have it.
    fn has_original(&self) -> bool {
        !CHANGES[self.change].0.starts_with("chained") && CHANGES[self.change].0 != "three"
    }

    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.subject.name(), CHANGES[self.change].0, self.copies)
    }

    /// The images, each with the number of its picture.
    pub fn images(&self) -> Vec<(usize, Gray)> {
        self.images_of(&self.subject.pictures(self.pictures(), self.seed))
    }

    /// The same from given pictures.
    pub fn images_of(&self, pictures: &[Gray]) -> Vec<(usize, Gray)> {
        par::map(pictures.len() * self.copies, |i| {
            let (picture, copy) = (i % pictures.len(), i / pictures.len());
            let gray = &pictures[picture];
            let mut rng = Rng::derive(&[self.seed, self.change as u64, i as u64]);
            let image = match copy {
                0 if self.has_original() => gray.clone(),
                _ => CHANGES[self.change].1(gray, &mut rng),
            };
            let squared = self.subject == Subject::BoneSquared;
            (picture, if squared { image.resized(224, 224) } else { image })
        })
    }
}

fn any_turn(gray: &Gray, rng: &mut Rng) -> Gray {
    let most = if rng.below(2) == 0 { 20.0 } else { 180.0 };
    turn(gray, rng.range(-most, most) as f32)
}

/// Three turns within twenty degrees, saved each time.
fn chained_turns(gray: &Gray, rng: &mut Rng) -> Gray {
    (0..3).fold(gray.clone(), |gray, _| jpeg(&turn(&gray, rng.range(-20.0, 20.0) as f32), 90))
}

pub fn mirror(gray: &Gray) -> Gray {
    gray.read(gray.width, gray.height, |x, y| [gray.width as f32 - 1.0 - x, y])
}

/// Another aspect: one side longer or shorter by up to a third.
fn stretch(gray: &Gray, rng: &mut Rng) -> Gray {
    let factor = rng.range(0.75, 1.33);
    let (width, height) = (gray.width as f64, gray.height as f64);
    if rng.below(2) == 0 {
        gray.resized((width * factor) as usize, gray.height)
    } else {
        gray.resized(gray.width, (height * factor) as usize)
    }
}

fn letterbox(gray: &Gray, rng: &mut Rng) -> Gray {
    let share = rng.range(0.05, 0.2) as f32;
    let [x, y] = [gray.width, gray.height].map(|side| (share * side as f32) as usize);
    if rng.below(2) == 0 { pad(gray, x, 0) } else { pad(gray, 0, y) }
}

fn frame(gray: &Gray, rng: &mut Rng) -> Gray {
    let share = rng.range(0.04, 0.12) as f32;
    pad(gray, (share * gray.width as f32) as usize, (share * gray.height as f32) as usize)
}

pub fn gamma(gray: &Gray, power: f32) -> Gray {
    gray.each(|v| 255.0 * (v / 255.0).powf(power))
}

fn noise(gray: &Gray, rng: &mut Rng) -> Gray {
    let strength = rng.range(4.0, 12.0) as f32;
    gray.each(|v| v + strength * rng.normal() as f32)
}

/// `share` of `b`, the rest of `a`.
pub fn mix(a: &Gray, b: &Gray, share: f32) -> Gray {
    let mut b = b.values.iter();
    a.each(|v| v + share * (b.next().copied().unwrap_or(v) - v))
}

/// So many different changes, one after the other.
fn chained(gray: &Gray, rng: &mut Rng, links: usize) -> Gray {
    let mut order: Vec<usize> = (0..LINKS.len()).collect();
    rng.shuffle(&mut order);
    order[..links].iter().fold(gray.clone(), |gray, &link| {
        let change = CHANGES.iter().find(|change| change.0 == LINKS[link]).expect("a kind");
        change.1(&gray, rng)
    })
}

/// Adds `height` times a Gaussian at a place of the unit square, with its deviations along x and y.
pub fn splat(gray: &mut Gray, [x, y]: [f32; 2], [w, h]: [f32; 2], height: f32) {
    let (width, rows) = (gray.width as f32, gray.height as f32);
    let span = |at: f32, reach: f32, side: f32| {
        let low = ((at - 3.0 * reach) * side).clamp(0.0, side) as usize;
        low..((at + 3.0 * reach) * side).clamp(0.0, side) as usize
    };
    for row in span(y, h, rows) {
        let v = ((row as f32 + 0.5) / rows - y) / h;
        for column in span(x, w, width) {
            let u = ((column as f32 + 0.5) / width - x) / w;
            gray.values[row * gray.width + column] += height * (-0.5 * (u * u + v * v)).exp();
        }
    }
}

pub fn plain(width: usize, height: usize, value: f32) -> Gray {
    Gray { width, height, values: vec![value; width * height] }
}

fn texture(rng: &mut Rng) -> Gray {
    let (width, height) = (200 + rng.below(120) as usize, 200 + rng.below(120) as usize);
    let mut gray = plain(width, height, 110.0);
    let fine = rng.range(0.008, 0.02);
    for i in 0..700 {
        let size = if i < 40 { 0.08 } else { fine };
        let place = [0; 2].map(|_| rng.uniform() as f32);
        let sides = [0; 2].map(|_| (size * rng.range(0.5, 2.0)) as f32);
        splat(&mut gray, place, sides, rng.range(-50.0, 50.0) as f32);
    }
    gray.each(|v| v)
}

/// One slice of a volume: organs and vessels that go on in the next slices, and noise that does not.
fn slice(seed: u64, volume: u64, number: usize) -> Gray {
    let mut rng = Rng::derive(&[seed, volume, 1]);
    // Slices lie as far apart as two or three pixels.
    let z = number as f32 * rng.range(2.0, 3.5) as f32 / 224.0;
    let mut gray = plain(224, 224, 0.0);
    let mut ellipsoid = |place: [f32; 3], half: [f32; 3], value: f32| {
        for (i, pixel) in gray.values.iter_mut().enumerate() {
            let at = [(i % 224) as f32 / 224.0, (i / 224) as f32 / 224.0, z];
            let r = (0..3).map(|k| ((at[k] - place[k]) / half[k]).powi(2)).sum::<f32>().sqrt();
            // An edge one pixel wide.
            let inside = ((1.0 - r) * half[0].min(half[1]) * 224.0 + 0.5).clamp(0.0, 1.0);
            *pixel += inside * (value - *pixel);
        }
    };
    ellipsoid([0.5, 0.5, 0.1], [0.44, 0.36, 2.0], 100.0);
    for _ in 0..30 {
        let place = [rng.range(0.2, 0.8), rng.range(0.25, 0.75), rng.range(-0.2, 0.3)].map(|v| v as f32);
        let half = [0; 3].map(|_| rng.range(0.015, 0.1) as f32);
        ellipsoid(place, half, rng.range(40.0, 220.0) as f32);
    }
    for _ in 0..3000 {
        let place = [rng.range(0.1, 0.9), rng.range(0.15, 0.85)].map(|v| v as f32);
        let depth = rng.range(-0.2, 0.3) as f32;
        let size = rng.range(0.006, 0.02) as f32;
        let height = rng.range(-30.0, 30.0) as f32 * (-0.5 * ((z - depth) / size).powi(2)).exp();
        if height.abs() > 0.3 {
            splat(&mut gray, place, [size, size], height);
        }
    }
    let mut grain = Rng::derive(&[seed, volume, 2, number as u64]);
    let grain = plain(224, 224, 0.0).values.iter().map(|_| 10.0 * grain.normal() as f32).collect();
    // The grain of a reconstruction is not white.
    let coarse = smooth(&Gray { values: grain, ..gray });
    let mut coarse = coarse.values.into_iter();
    gray.each(|v| if v > 1.0 { v + coarse.next().unwrap_or(0.0) } else { coarse.next().map_or(0.0, |_| 0.0) })
}

/// A three by three mean.
pub fn smooth(gray: &Gray) -> Gray {
    let (width, height) = (gray.width as i64, gray.height as i64);
    let value = |i: usize| {
        let (x, y) = (i as i64 % width, i as i64 / width);
        let near = (0..9).map(|k| {
            let (x, y) = ((x + k % 3 - 1).clamp(0, width - 1), (y + k / 3 - 1).clamp(0, height - 1));
            gray.values[(y * width + x) as usize]
        });
        near.sum::<f32>() / 9.0
    };
    Gray { values: (0..gray.values.len()).map(value).collect(), ..*gray }
}

/// Bones in soft tissue before black: line integrals through tapering tubes.
fn limb(rng: &mut Rng) -> Gray {
    let (width, height) = (210 + rng.below(70) as usize, 250 + rng.below(100) as usize);
    let (w, h) = (width as f32, height as f32);
    let mut thickness = plain(width, height, 0.0);
    let mut tube = |from: [f32; 2], to: [f32; 2], radius: [f32; 2], density: f32| {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = (dx * dx + dy * dy).max(1.0);
        for (i, value) in thickness.values.iter_mut().enumerate() {
            let (x, y) = ((i % width) as f32 - from[0], (i / width) as f32 - from[1]);
            let along = ((x * dx + y * dy) / length).clamp(0.0, 1.0);
            let away = (x - along * dx).powi(2) + (y - along * dy).powi(2);
            // Ends are thicker than the shaft.
            let r = (radius[0] + along * (radius[1] - radius[0])) * (0.8 + 1.6 * (along - 0.5).powi(2));
            *value += density * 2.0 * (r * r - away).max(0.0).sqrt();
        }
    };
    let mut uniform = |low: f64, high: f64| rng.range(low, high) as f32;
    let lean = uniform(-0.15, 0.15);
    tube(
        [w * (0.5 - lean), -0.2 * h],
        [w * (0.5 + lean), uniform(0.7, 1.2) * h],
        [uniform(0.25, 0.4) * w, uniform(0.2, 0.4) * w],
        uniform(0.15, 0.3),
    );
    for bone in 0..(2 + uniform(0.0, 4.0) as usize) {
        let x = w * (0.3 + 0.12 * bone as f32 + uniform(-0.05, 0.05));
        let from = [x - lean * w, uniform(-0.3, 0.4) * h];
        let to = [x + lean * w + uniform(-0.1, 0.1) * w, from[1] + uniform(0.3, 0.8) * h];
        let radius = [uniform(0.03, 0.09) * w, uniform(0.03, 0.09) * w];
        let dense = uniform(0.8, 1.6);
        tube(from, to, radius, dense);
        // The marrow.
        tube(from, to, radius.map(|r| 0.7 * r), -0.7 * dense);
    }
    let exposure = uniform(0.012, 0.025);
    let mut gray = thickness.each(|v| 235.0 * (1.0 - (-exposure * v).exp()));
    for _ in 0..150 {
        let place = [uniform(0.1, 0.9), uniform(0.1, 0.9)];
        let size = uniform(0.004, 0.012);
        let at = (place[1] * h) as usize * width + (place[0] * w) as usize;
        let height = gray.values[at] / 255.0 * uniform(-25.0, 25.0);
        splat(&mut gray, place, [size, 2.0 * size], height);
    }
    gray.each(|v| v + 1.5 * rng.normal() as f32)
}
