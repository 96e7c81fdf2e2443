//! DICOM files made from code.

/// Writes a data set element by element.
#[derive(Clone)]
pub struct Writer {
    bytes: Vec<u8>,
    explicit: bool,
    big_endian: bool,
}

impl Writer {
    /// A file with meta information of a transfer syntax.
    pub fn new(syntax: &str) -> Self {
        let mut meta = Self { bytes: vec![0; 128], explicit: true, big_endian: false };
        meta.bytes.extend(b"DICM");
        meta.text(0x0002_0010, b"UI", syntax);
        meta.explicit = syntax != "1.2.840.10008.1.2";
        meta.big_endian = syntax == "1.2.840.10008.1.2.2";
        meta
    }

    /// A data set alone, without preamble and meta information.
    pub fn bare(explicit: bool, big_endian: bool) -> Self {
        Self { bytes: Vec::new(), explicit, big_endian }
    }

    /// Whatever bytes.
    pub fn push(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    fn word(&mut self, word: u16) {
        self.push(&if self.big_endian { word.to_be_bytes() } else { word.to_le_bytes() });
    }

    fn double(&mut self, number: u32) {
        self.push(&if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() });
    }

    pub fn head(&mut self, tag: u32, vr: &[u8; 2], length: u32) {
        self.word((tag >> 16) as u16);
        self.word(tag as u16);
        if !self.explicit || tag >> 16 == 0xfffe {
            return self.double(length);
        }
        self.bytes.extend(vr);
        if [b"OB", b"OW", b"SQ", b"UN"].contains(&vr) {
            self.word(0);
            self.double(length);
        } else {
            self.word(length as u16);
        }
    }

    pub fn raw(&mut self, tag: u32, vr: &[u8; 2], value: &[u8]) -> &mut Self {
        self.head(tag, vr, value.len().next_multiple_of(2) as u32);
        self.bytes.extend(value);
        if value.len() % 2 == 1 {
            self.bytes.push(0);
        }
        self
    }

    pub fn text(&mut self, tag: u32, vr: &[u8; 2], value: &str) -> &mut Self {
        self.raw(tag, vr, format!("{value}{}", if value.len() % 2 == 1 { " " } else { "" }).as_bytes())
    }

    pub fn words(&mut self, tag: u32, vr: &[u8; 2], values: &[u16]) -> &mut Self {
        let big_endian = self.big_endian;
        let bytes = |&value: &u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let value: Vec<u8> = values.iter().flat_map(bytes).collect();
        self.raw(tag, vr, &value)
    }

    /// A sequence of one item, with or without lengths.
    pub fn sequence(&mut self, tag: u32, defined: bool, item: impl Fn(&mut Self)) -> &mut Self {
        let mut inner = Self { bytes: Vec::new(), ..*self };
        item(&mut inner);
        let length = inner.bytes.len() as u32;
        let undefined = u32::MAX;
        self.head(tag, b"SQ", if defined { length + 8 } else { undefined });
        self.head(0xfffe_e000, b"  ", if defined { length } else { undefined });
        self.bytes.extend(inner.bytes);
        if !defined {
            self.head(0xfffe_e00d, b"  ", 0);
            self.head(0xfffe_e0dd, b"  ", 0);
        }
        self
    }

    /// The description of an image: photometric interpretation, rows, columns, bits allocated and stored, sign.
    pub fn image(&mut self, photometric: &str, size: [u16; 2], bits: [u16; 2], signed: u16) -> &mut Self {
        let samples = if photometric.starts_with("MONO") || photometric.starts_with("PAL") { 1 } else { 3 };
        self.words(0x0028_0002, b"US", &[samples]);
        self.text(0x0028_0004, b"CS", photometric);
        self.words(0x0028_0010, b"US", &size[..1]).words(0x0028_0011, b"US", &size[1..]);
        self.words(0x0028_0100, b"US", &bits[..1]).words(0x0028_0101, b"US", &bits[1..]);
        self.words(0x0028_0102, b"US", &[bits[1] - 1]).words(0x0028_0103, b"US", &[signed])
    }

    /// Compressed pixel data in one fragment, after an empty offset table.
    pub fn fragment(&mut self, code: &[u8]) -> &mut Self {
        self.head(0x7fe0_0010, b"OB", u32::MAX);
        self.head(0xfffe_e000, b"  ", 0);
        self.head(0xfffe_e000, b"  ", code.len().next_multiple_of(2) as u32);
        self.bytes.extend(code);
        self.bytes.resize(self.bytes.len().next_multiple_of(2), 0);
        self.head(0xfffe_e0dd, b"  ", 0);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }
}
