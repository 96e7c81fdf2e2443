//! The bits of entropy-coded data in JPEG and JPEG-LS, the highest of a byte first.

/// By what follows a byte ff that it is data and no marker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stuffing {
    /// JPEG: a byte 00 (T.81 section F.1.2.3).
    Byte,
    /// JPEG-LS: a byte with 7 bits of data, whose highest is 0 (T.87 annex A.1).
    Bit,
}

/// Reads bits up to the first marker. To take one that is not there is an error.
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    stuffing: Stuffing,
    at: usize,
    /// What was read and not taken, from the highest bit on; zeros follow.
    buffer: u64,
    count: u32,
    after_ff: bool,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8], stuffing: Stuffing) -> Self {
        Self { bytes, stuffing, at: 0, buffer: 0, count: 0, after_ff: false }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            let is_ff = byte == 0xff;
            let next = if is_ff { self.bytes.get(self.at + 1).copied() } else { Some(0) };
            let (is_data, stuffed) = match self.stuffing {
                Stuffing::Byte => (next == Some(0), usize::from(is_ff)),
                Stuffing::Bit => (next.is_some_and(|next| next < 0x80), 0),
            };
            if !is_data {
                return;
            }
            let width = if self.after_ff { 7 } else { 8 };
            self.buffer |= u64::from(byte) << (64 - width - self.count);
            self.count += width;
            self.after_ff = is_ff && self.stuffing == Stuffing::Bit;
            self.at += 1 + stuffed;
        }
    }

    /// The next 16 bits, which stay; zeros behind the last.
    #[inline]
    pub fn peek(&mut self) -> u32 {
        if self.count < 32 {
            self.fill();
        }
        (self.buffer >> 48) as u32
    }

    /// Takes `n` bits, fewer than 64.
    #[inline]
    pub fn skip(&mut self, n: u32) -> Result<(), String> {
        if self.count < n {
            return Err(match self.stuffing {
                Stuffing::Byte => "truncated: the JPEG ends inside the image".into(),
                Stuffing::Bit => "truncated: the JPEG-LS code ends inside the image".into(),
            });
        }
        self.buffer <<= n;
        self.count -= n;
        Ok(())
    }

    /// A number of `n` bits, at most 32.
    #[inline]
    pub fn take(&mut self, n: u32) -> Result<u32, String> {
        if self.count < n {
            self.fill();
        }
        let value = if n == 0 { 0 } else { self.buffer >> (64 - n) };
        self.skip(n)?;
        Ok(value as u32)
    }

    /// A signed number of `n` bits, at most 16 (T.81 section F.2.2.1, EXTEND).
    pub fn signed(&mut self, n: u32) -> Result<i32, String> {
        let value = self.take(n)? as i32;
        Ok(if n > 0 && value < 1 << (n - 1) { value - (1 << n) + 1 } else { value })
    }

    /// Counts zeros to the next one, which is taken too; at most `most`, or nothing.
    #[inline]
    pub fn zeros(&mut self, most: u32) -> Result<Option<u32>, String> {
        if self.count < 32 {
            self.fill();
        }
        let zeros = self.buffer.leading_zeros();
        if zeros < self.count && zeros <= most {
            self.skip(zeros + 1)?;
            return Ok(Some(zeros));
        }
        // Longer than what can be seen at once, or than allowed: bit by bit.
        for zeros in 0..=most {
            if self.take(1)? == 1 {
                return Ok(Some(zeros));
            }
        }
        Ok(None)
    }

    /// Goes behind the next restart marker, and forgets the bits before it; where the marker was.
    pub fn restart(&mut self) -> Result<usize, String> {
        let end = self.end();
        *self = Self::new(&self.bytes[end..], self.stuffing);
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
        // The buffer may hold up to eight bytes that belong to the data, but never passes a marker.
        let is_marker = |pair: &[u8]| matches!(pair, [0xff, 0x80..=0xfe]);
        let marker = self.bytes[self.at..].windows(2).position(is_marker);
        marker.map_or(self.bytes.len(), |after| self.at + after)
    }
}
