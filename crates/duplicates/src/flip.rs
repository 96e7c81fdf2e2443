//! Mirrors and negatives.

/// In how two pictures may differ besides their place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Flip {
    pub mirrored: bool,
    pub negative: bool,
}

impl Flip {
    pub const ALL: [Self; 4] = [
        Self { mirrored: false, negative: false },
        Self { mirrored: true, negative: false },
        Self { mirrored: false, negative: true },
        Self { mirrored: true, negative: true },
    ];
}
