//! What the samples of a pixel mean.

/// Photometric interpretation (PS3.3 section C.7.6.3.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Photometric {
    /// The smallest value is white.
    Monochrome1,
    /// The smallest value is black.
    Monochrome2,
    /// Values are indices of a table of colours.
    Palette,
    /// Red, green, blue.
    Rgb,
    /// Luma and two chroma differences, full range.
    YbrFull,
    /// The same, the chroma at every other column.
    YbrFull422,
    /// JPEG 2000's irreversible transform, which its decoder undoes.
    YbrIct,
    /// JPEG 2000's reversible transform, which its decoder undoes.
    YbrRct,
}

impl Photometric {
    pub(crate) const NAMES: [(&str, Self); 8] = [
        ("MONOCHROME1", Self::Monochrome1),
        ("MONOCHROME2", Self::Monochrome2),
        ("PALETTE COLOR", Self::Palette),
        ("RGB", Self::Rgb),
        ("YBR_FULL", Self::YbrFull),
        ("YBR_FULL_422", Self::YbrFull422),
        ("YBR_ICT", Self::YbrIct),
        ("YBR_RCT", Self::YbrRct),
    ];

    /// By a file's text: the first of its values, in capitals or not, with spaces, underscores or none.
    pub(crate) fn named(text: &str) -> Option<Self> {
        let bare = |text: &str| {
            let kept = text.bytes().filter(|byte| !matches!(byte, b' ' | b'_' | 0));
            kept.map(|byte| byte.to_ascii_uppercase()).collect::<Vec<_>>()
        };
        let first = bare(text.split('\\').next().unwrap_or_default());
        Self::NAMES.iter().find(|(name, _)| bare(name) == first).map(|&(_, value)| value)
    }

    /// As the standard writes it.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, value)| *value == self).map_or("", |(name, _)| name)
    }

    /// Whether a pixel has one sample.
    pub(crate) fn is_single(self) -> bool {
        matches!(self, Self::Monochrome1 | Self::Monochrome2 | Self::Palette)
    }
}
