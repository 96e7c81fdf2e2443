//! Image decoding, data sets, splits, augmentation and the loader.
#![forbid(unsafe_code)]
