//! The bits of JPEG-LS scans (T.87 annex A.1): unlike those of other JPEGs, a byte ff is followed by one bit of stuffing.

/// Reads bits, the highest first; after a byte ff comes a byte with 7 of them, or a marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
    after_ff: bool,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, count: 0, after_ff: false }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            let is_marker = byte == 0xff && self.bytes.get(self.at + 1).is_none_or(|&next| next >= 0x80);
            if is_marker {
                return;
            }
            let width = if self.after_ff { 7 } else { 8 };
            self.buffer |= u64::from(byte) << (64 - width - self.count);
            self.count += width;
            self.after_ff = byte == 0xff;
            self.at += 1;
        }
    }

    /// A number of `n` bits, at most 32.
    #[inline]
    pub fn take(&mut self, n: u32) -> Result<u32, String> {
        if self.count < n {
            self.fill();
            if self.count < n {
                return Err(short());
            }
        }
        let value = if n == 0 { 0 } else { self.buffer >> (64 - n) };
        self.buffer <<= n;
        self.count -= n;
        Ok(value as u32)
    }

    /// Counts zeros to the next one, which is taken too; at most `most`.
    #[inline]
    pub fn zeros(&mut self, most: u32) -> Result<u32, String> {
        if self.count < 32 {
            self.fill();
        }
        let zeros = self.buffer.leading_zeros();
        if zeros < self.count && zeros <= most {
            self.take(zeros + 1)?;
            return Ok(zeros);
        }
        // Longer than what can be seen at once, or than allowed: bit by bit.
        for zeros in 0..=most {
            if self.take(1)? == 1 {
                return Ok(zeros);
            }
        }
        Err("damaged: a JPEG-LS code that is too long".into())
    }

    /// Where the data ends: at the first marker.
    pub fn end(&self) -> usize {
        let is_marker =
            |&i: &usize| self.bytes[i] == 0xff && self.bytes.get(i + 1).is_some_and(|&next| next >= 0x80);
        (self.at..self.bytes.len()).find(is_marker).unwrap_or(self.bytes.len())
    }
}

fn short() -> String {
    "truncated: the JPEG-LS code ends inside the image".into()
}
