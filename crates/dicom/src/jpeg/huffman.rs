//! Huffman codes (T.81 annexes C and F.2.2).

use crate::bits::Bits;

/// Codes up to this long are found by one look.
const FAST: u32 = 9;

/// A Huffman table.
pub(super) struct Huffman {
    /// Length and symbol by the next [`FAST`] bits; length 0: a longer code.
    fast: Vec<(u8, u8)>,
    /// By length: the first code that is longer, as 16 bits, and what to add to a code for the index of its symbol.
    limits: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// The table of a DHT segment: 16 counts, then the symbols.
    pub fn new(segment: &[u8]) -> Result<Self, String> {
        let counts = segment.get(..16).ok_or("damaged: a JPEG Huffman table is not complete")?;
        let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let symbols =
            segment.get(16..16 + total).ok_or("damaged: a JPEG Huffman table is not complete")?.to_vec();
        let (mut fast, mut limits) = (vec![(0, 0); 1 << FAST], [(0, 0); 17]);
        let (mut code, mut index) = (0u32, 0);
        for length in 1..=16u32 {
            let count = u32::from(counts[length as usize - 1]);
            if code + count > 1 << length {
                return Err("damaged: a JPEG Huffman table has too many codes".into());
            }
            limits[length as usize] = ((code + count) << (16 - length), index as i32 - code as i32);
            for _ in 0..count {
                if length <= FAST {
                    let first = (code << (FAST - length)) as usize;
                    fast[first..first + (1 << (FAST - length))].fill((length as u8, symbols[index]));
                }
                code += 1;
                index += 1;
            }
            code <<= 1;
        }
        Ok(Self { fast, limits, symbols })
    }

    /// Number of symbols.
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// The next symbol.
    #[inline]
    pub fn symbol(&self, bits: &mut Bits) -> Result<u8, String> {
        let next = bits.peek();
        let (length, symbol) = self.fast[(next >> (16 - FAST)) as usize];
        if length > 0 {
            bits.skip(length.into())?;
            return Ok(symbol);
        }
        for length in FAST + 1..=16 {
            let (limit, shift) = self.limits[length as usize];
            if next < limit {
                bits.skip(length)?;
                let index = (next >> (16 - length)) as i32 + shift;
                return self.symbols.get(index as usize).copied().ok_or_else(unknown);
            }
        }
        Err(unknown())
    }
}

fn unknown() -> String {
    "damaged: an unknown code in the JPEG".into()
}
