//! Test-time augmentation: an image looked at again, turned by a small angle or mirrored.

use model::Preprocessing;

use crate::warp::{Affine, warp};

/// A way to look at an image again: turned by a small angle, or mirrored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestTimeView {
    /// Turned by so many degrees.
    pub degrees: f64,
    /// Left and right exchanged, before turning.
    pub mirror: bool,
}

impl TestTimeView {
    /// Adds to `out` the view of `images: [n, height, width, channels]` of `prep`, after preprocessing: interpolation
    /// and the scaling of a channel may be exchanged, because the weights of a pixel's neighbours sum to 1.
    pub fn apply(&self, images: &[f32], prep: &Preprocessing, out: &mut Vec<f32>) {
        let size = [prep.height, prep.width];
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let map = Affine::about_centre(size, [sin, cos], [0.0; 2], 1.0, if self.mirror { -1.0 } else { 1.0 });
        let begin = out.len();
        out.resize(begin + images.len(), 0.0);
        let length = prep.height * prep.width * prep.channels;
        for (image, out) in images.chunks_exact(length).zip(out[begin..].chunks_exact_mut(length)) {
            match prep.channels {
                1 => warp::<f32, 1>(image, size, &map, out, |_, pixel| pixel),
                3 => warp::<f32, 3>(image, size, &map, out, |_, pixel| pixel),
                other => panic!("view: expected 1 or 3 channels, found {other}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(view: TestTimeView, images: &[f32], prep: &Preprocessing) -> Vec<f32> {
        let mut out = vec![];
        view.apply(images, prep, &mut out);
        out
    }

    #[test]
    fn views_are_the_turns_they_say() {
        let prep = Preprocessing::new(1, [3, 3]);
        let image: Vec<f32> = (0..9).map(|i| i as f32 / 4.0 - 1.0).collect();
        assert_eq!(seen(TestTimeView { degrees: 0.0, mirror: false }, &image, &prep), image);
        let mirrored: Vec<f32> = [2, 1, 0, 5, 4, 3, 8, 7, 6].map(|i| image[i]).into();
        assert_eq!(seen(TestTimeView { degrees: 0.0, mirror: true }, &image, &prep), mirrored);
        let quarter = seen(TestTimeView { degrees: 90.0, mirror: false }, &image, &prep);
        let turned: Vec<f32> = [2, 5, 8, 1, 4, 7, 0, 3, 6].map(|i| image[i]).into();
        let back: Vec<f32> = turned.iter().rev().copied().collect();
        assert!(quarter == turned || quarter == back, "{quarter:?}");
    }

    #[test]
    fn colours_and_images_stay_apart() {
        let prep = Preprocessing::new(3, [2, 2]);
        let images: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let found = seen(TestTimeView { degrees: 0.0, mirror: true }, &images, &prep);
        assert_eq!(found[..6], [3.0, 4.0, 5.0, 0.0, 1.0, 2.0]);
        assert_eq!(found[12..18], [15.0, 16.0, 17.0, 12.0, 13.0, 14.0]);
    }
}
