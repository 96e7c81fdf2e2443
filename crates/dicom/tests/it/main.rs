//! The reader of DICOM from outside: files of other programs, and files made here for what those do not cover.

mod codecs;
#[path = "../common/mod.rs"]
mod common;
mod display;
mod odd;
mod pictures;
mod reading;
#[path = "../../../../tests/shared.rs"]
mod shared;
mod tags;

use shared::shared;
