//! The bits of entropy-coded data and their Huffman codes (T.81 annexes C and F.2.2).

/// Codes up to this long are found by one look.
const FAST: u32 = 9;

/// Reads bits, the highest first. After the data, zeros follow; taking one of them is an error.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    /// Bits in the buffer, and how many of them are not of the file.
    count: u32,
    padding: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, count: 0, padding: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let byte = match self.bytes.get(self.at..) {
                Some([0xff, 0x00, ..]) => {
                    self.at += 2;
                    0xff
                }
                None | Some([] | [0xff, ..]) => {
                    self.padding += 8;
                    0
                }
                Some(&[byte, ..]) => {
                    self.at += 1;
                    byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next 16 bits, which stay.
    fn peek(&mut self) -> u32 {
        if self.count < 32 {
            self.fill();
        }
        (self.buffer >> 48) as u32
    }

    fn skip(&mut self, n: u32) -> Result<(), String> {
        self.buffer <<= n;
        self.count -= n;
        if self.count < self.padding {
            return Err("truncated: the JPEG ends inside the image".into());
        }
        Ok(())
    }

    /// A number of `n` bits, at most 16.
    pub fn take(&mut self, n: u32) -> Result<u32, String> {
        if n == 0 {
            return Ok(0);
        }
        let value = self.peek() >> (16 - n);
        self.skip(n)?;
        Ok(value)
    }

    /// A signed number of `n` bits (section F.2.2.1, EXTEND).
    pub fn signed(&mut self, n: u32) -> Result<i32, String> {
        let value = self.take(n)? as i32;
        Ok(if n > 0 && value < 1 << (n - 1) { value - (1 << n) + 1 } else { value })
    }

    /// Goes behind the next restart marker, and forgets the bits before it; where the marker was.
    pub fn restart(&mut self) -> Result<usize, String> {
        let end = self.end();
        *self = Self::new(&self.bytes[end..]);
        match self.bytes.first_chunk() {
            Some([0xff, 0xd0..=0xd7]) => {
                self.at = 2;
                Ok(end)
            }
            _ => Err("damaged: expected a restart marker in the JPEG, found none".into()),
        }
    }

    /// Where the data ends: at the first marker, fill bytes before it left out.
    pub fn end(&self) -> usize {
        let is_marker =
            |i: &usize| self.bytes[*i] == 0xff && !matches!(self.bytes.get(i + 1), Some(0x00 | 0xff));
        // The buffer may hold up to eight bytes that belong to the data, but never passes a marker.
        (self.at..self.bytes.len()).find(is_marker).unwrap_or(self.bytes.len())
    }
}

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
