//! Keras' files: HDF5, and archives with such a file in them.
//!
//! The format has checksums over what it says of itself, which a change breaks; so they are made right first, as whoever
//! makes a hostile file would.

use crate::{keras, weights};

/// Variables with names and with numbers, a whole model, an archive.
pub fn seeds() -> Vec<Vec<u8>> {
    let seeds = vec![keras::named(), keras::numbered(), keras::whole(), keras::archive()];
    for seed in &seeds {
        let mut repaired = seed.clone();
        repair(&mut repaired);
        assert!(repaired == *seed, "checksums that were right are others now");
    }
    seeds
}

/// Reads it, as it is and with its checksums made right.
pub fn run(bytes: &[u8]) -> Result<(), String> {
    let mut repaired = bytes.to_vec();
    repair(&mut repaired);
    if repaired != bytes {
        let _ = weights::import(bytes);
    }
    weights::import(&repaired)
}

/// Writes the checksum of the superblock (versions 2 and 3), and of every object header (version 2).
fn repair(file: &mut [u8]) {
    let is_new = file.starts_with(b"\x89HDF\r\n\x1a\n")
        && file.get(8).is_some_and(|version| (2..=3).contains(version));
    if is_new && let Some(&size) = file.get(9) {
        stamp(file, 0, 12 + 4 * usize::from(size));
    }
    let headers: Vec<usize> =
        file.windows(4).enumerate().filter(|(_, mark)| mark == b"OHDR").map(|(at, _)| at).collect();
    for at in headers {
        let Some(&flags) = file.get(at + 5) else { continue };
        let times = if flags & 0x20 != 0 { 16 } else { 0 };
        let phases = if flags & 0x10 != 0 { 4 } else { 0 };
        let (length_at, width) = (at + 6 + times + phases, 1 << (flags & 3));
        let Some(length) = file.get(length_at..length_at + width) else { continue };
        let length = length.iter().rev().fold(0usize, |length, &byte| length << 8 | usize::from(byte));
        if let Some(end) = (length_at + width).checked_add(length) {
            stamp(file, at, end);
        }
    }
}

/// Writes the checksum of `from..end` behind it.
fn stamp(file: &mut [u8], from: usize, end: usize) {
    if let Some(covered) = file.get(from..end) {
        let sum = lookup3(covered).to_le_bytes();
        if let Some(place) = file.get_mut(end..).and_then(|rest| rest.first_chunk_mut()) {
            *place = sum;
        }
    }
}

/// Bob Jenkins' hash of 2006, by which HDF5 checks what it says of itself.
fn lookup3(data: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(data.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    let mut rest = data;
    while !rest.is_empty() {
        let (block, after) = rest.split_at(rest.len().min(12));
        let mut padded = [0; 12];
        padded[..block.len()].copy_from_slice(block);
        let [x, y, z] = [0, 4, 8].map(|i| u32::from_le_bytes([0, 1, 2, 3].map(|k| padded[i + k])));
        (a, b, c) = (a.wrapping_add(x), b.wrapping_add(y), c.wrapping_add(z));
        rest = after;
        if rest.is_empty() {
            for (to, from, turn) in
                [(2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24)]
            {
                let mut state = [a, b, c];
                state[to] = (state[to] ^ state[from]).wrapping_sub(state[from].rotate_left(turn));
                [a, b, c] = state;
            }
        } else {
            for (to, from, turn) in [(0, 2, 4), (1, 0, 6), (2, 1, 8), (0, 2, 16), (1, 0, 19), (2, 1, 4)] {
                let mut state = [a, b, c];
                state[to] = state[to].wrapping_sub(state[from]) ^ state[from].rotate_left(turn);
                // The third one grows by the second: a by c, then c by b, and so on around.
                state[from] = state[from].wrapping_add(state[3 - to - from]);
                [a, b, c] = state;
            }
        }
    }
    c
}
