//! The container: a safetensors file of f32 tensors and text metadata, read with suspicion and written deterministically.
//!
//! Layout: the header's length (u64, little endian), a JSON header of names, types, shapes and offsets, then the values.
//! Reading: the header is limited, and checked against the real length of the file before anything is allocated for
//! values; offsets are validated by the `safetensors` crate. So a hostile file costs a limited header and never more than
//! its own size. Invariant: every value of a `TensorFile` that was read is finite.

use crate::parts;
use crate::weights::{Array, Weights};
use crate::{Error, format, write_atomic};
use safetensors::tensor::{Dtype, Metadata as Header, TensorInfo};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

/// Fifty times what a model with its training state needs; parsing a hostile header of this size takes some 80 MB.
const MAX_HEADER: u64 = 4 << 20;
/// More than the widest network with its optimizer's state.
const MAX_FILE: u64 = 8 << 30;

/// Named tensors and named texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorFile {
    /// The `__metadata__` of the header.
    pub metadata: BTreeMap<String, String>,
    /// The tensors, in the layout of the file.
    pub tensors: Weights,
    /// Integers that PyTorch expects beside them, `num_batches_tracked`. They are written and not read: nothing here needs
    /// them.
    pub counters: BTreeMap<String, i64>,
    /// Integers that were in a file and were passed over, because they are no weights: `n_averaged`, `global_step`. Not
    /// written.
    pub skipped: Vec<String>,
}

impl TensorFile {
    /// Reads a file. F16, BF16 and F64 become f32, U8 too (exactly); other integers are counters and are left out, unless
    /// they are named as weights are; any other type is an error. A file of another format is named.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let cannot = |error| Error::io("read", path, error);
        let file = File::open(path).map_err(cannot)?;
        let status = file.metadata().map_err(cannot)?;
        if !status.is_file() {
            return Err(Error::Format("not a file".into()).in_file(path));
        }
        let read = Self::from_reader(BufReader::new(file), status.len());
        read.map_err(|error| match error {
            Error::Format(_) | Error::EndsEarly { .. } => {
                format::recognise(path).unwrap_or(error).in_file(path)
            }
            other => other.in_file(path),
        })
    }

    /// The same from memory.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_reader(bytes, bytes.len() as u64)
    }

    /// Reads `len` bytes, the whole of a file.
    fn from_reader(mut reader: impl Read, len: u64) -> Result<Self, Error> {
        let header = read_header(&mut reader, len)?;
        let mut result = TensorFile::default();
        result.metadata.extend(header.metadata().clone().into_iter().flatten());
        for name in header.offset_keys() {
            let info = header.info(&name).expect("the header lists its own keys");
            let len = info.data_offsets.1 - info.data_offsets.0;
            if is_counter(&name, info.dtype, &info.shape)? {
                read_pieces(&mut reader, len, |_| ())?;
                if !is_expected(&name) {
                    result.skipped.push(name);
                }
                continue;
            }
            let array = read_array(&mut reader, len, &name, info.dtype, &info.shape)?;
            result.tensors.insert(name, array);
        }
        Ok(result)
    }

    /// Writes the file whole or not at all; equal contents give equal bytes.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        write_atomic(path, |writer| self.write_to(writer))
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes).expect("a vector takes what is written to it");
        bytes
    }

    fn write_to(&self, writer: &mut impl Write) -> io::Result<()> {
        let mut header = self.header()?;
        header.resize(header.len().next_multiple_of(8), b' ');
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(&header)?;
        for count in self.counters.values() {
            writer.write_all(&count.to_le_bytes())?;
        }
        for (_, array) in self.tensors.iter() {
            for value in array.data() {
                writer.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(())
    }

    /// Written here and not by the `safetensors` crate, whose metadata comes in the order of a hash map.
    fn header(&self) -> io::Result<Vec<u8>> {
        let mut header = serde_json::Map::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__".into(), serde_json::to_value(&self.metadata)?);
        }
        let mut start = 0;
        // Longer values first, so that each lies at a multiple of its length.
        for name in self.counters.keys() {
            let end = start + size_of::<i64>();
            let info = TensorInfo { dtype: Dtype::I64, shape: vec![], data_offsets: (start, end) };
            header.insert(name.clone(), serde_json::to_value(info)?);
            start = end;
        }
        for (name, array) in self.tensors.iter() {
            let end = start + size_of_val(array.data());
            let shape = array.shape().to_vec();
            let info = TensorInfo { dtype: Dtype::F32, shape, data_offsets: (start, end) };
            header.insert(name.clone(), serde_json::to_value(info)?);
            start = end;
        }
        Ok(serde_json::to_vec(&header)?)
    }
}

/// The header, once it is known to describe exactly `len` bytes.
fn read_header(reader: &mut impl Read, len: u64) -> Result<Header, Error> {
    if len > MAX_FILE {
        return Err(Error::invalid("size of the file", format!("at most {MAX_FILE} bytes"), len));
    }
    let Some(room) = len.checked_sub(8) else {
        return Err(Error::EndsEarly { promised: 8, found: len });
    };
    let mut size = [0; 8];
    read_exact(reader, &mut size)?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER {
        return Err(Error::Format(format!(
            "not a safetensors file: its header would take {size} bytes (at most {MAX_HEADER})"
        )));
    }
    if size > room {
        return Err(Error::EndsEarly { promised: 8 + size, found: len });
    }
    let mut text = vec![0; size as usize];
    read_exact(reader, &mut text)?;
    let header: Header = serde_json::from_slice(&text)
        .map_err(|error| Error::Format(format!("not a sound safetensors header: {error}")))?;
    let promised = 8 + size + header.data_len() as u64;
    if promised > len {
        return Err(Error::EndsEarly { promised, found: len });
    }
    if promised < len {
        let rest = len - promised;
        return Err(Error::Format(format!("{rest} bytes follow the last tensor that the header knows")));
    }
    Ok(header)
}

/// Reads a file that may be cut while it is read.
fn read_exact(reader: &mut impl Read, bytes: &mut [u8]) -> Result<(), Error> {
    reader.read_exact(bytes).map_err(|error| Error::Format(format!("cannot be read to its end: {error}")))
}

#[cfg(feature = "foreign")]
/// A tensor from its bytes, little endian. An error, under `name`, if they are no floating-point numbers, or not finite.
pub(crate) fn array(name: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Result<Array, Error> {
    read_array(&mut &*bytes, bytes.len(), name, dtype, shape)
}

/// The same from the next `len` bytes of `reader`.
fn read_array(
    reader: &mut impl Read,
    len: usize,
    name: &str,
    dtype: Dtype,
    shape: &[usize],
) -> Result<Array, Error> {
    let convert = converter(dtype)
        .ok_or_else(|| Error::invalid(name, "floating-point values", format!("{dtype:?}")))?;
    let mut data = Vec::with_capacity(len / dtype.bitsize().div_ceil(8));
    read_pieces(reader, len, |piece| convert(piece, &mut data))?;
    if let Some(at) = data.iter().position(|value| !value.is_finite()) {
        return Err(Error::invalid(name, "finite values", format!("{} at element {at}", data[at])));
    }
    Array::new(shape, data)
}

/// Reads `len` bytes piece by piece, so that the bytes of a tensor are never held beside its values.
fn read_pieces(reader: &mut impl Read, len: usize, mut each: impl FnMut(&[u8])) -> Result<(), Error> {
    /// A multiple of every size of a value.
    const PIECE: usize = 64 * 1024;
    let mut bytes = vec![0; len.min(PIECE)];
    for start in (0..len).step_by(PIECE) {
        let piece = &mut bytes[..PIECE.min(len - start)];
        read_exact(reader, piece)?;
        each(piece);
    }
    Ok(())
}

/// Whether a tensor is of integers that count something (batches, steps, models that were averaged), which nothing here
/// needs. An error if they are weights, as a quantised network has them.
pub(crate) fn is_counter(name: &str, dtype: Dtype, shape: &[usize]) -> Result<bool, Error> {
    use Dtype::{BOOL, I8, I16, I32, I64, U8, U16, U32, U64};
    // Images are read from such files too: bytes are values unless there is only one.
    let one = shape.iter().all(|&size| size == 1);
    let integers = matches!(dtype, I8 | I16 | I32 | I64 | U16 | U32 | U64 | BOOL) || dtype == U8 && one;
    if !integers {
        // Who halves all tensors of a network halves these too.
        return Ok(one && is_expected(name));
    }
    if !one && parts::split(name).is_some() {
        let found = format!("{dtype:?}; a quantised network cannot be read, the one it was made of can");
        return Err(Error::invalid(name, "floating-point values", found));
    }
    Ok(true)
}

/// Whether every PyTorch network has this counter, so that nobody wonders where it went.
pub(crate) fn is_expected(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// Appends the values of some bytes.
type Convert = fn(&[u8], &mut Vec<f32>);

/// What makes values of bytes as f32; `None` for a type whose numbers would mean something else.
fn converter(dtype: Dtype) -> Option<Convert> {
    fn each<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, value: impl Fn([u8; N]) -> f32) {
        values.extend(bytes.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)));
    }
    Some(match dtype {
        Dtype::F32 => |bytes, values| each(bytes, values, f32::from_le_bytes),
        Dtype::F64 => |bytes, values| each(bytes, values, |bytes| f64::from_le_bytes(bytes) as f32),
        Dtype::F16 => |bytes, values| each(bytes, values, |bytes| half_to_f32(u16::from_le_bytes(bytes))),
        Dtype::BF16 => |bytes, values| {
            each(bytes, values, |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16));
        },
        Dtype::U8 => |bytes, values| each(bytes, values, |[byte]| f32::from(byte)),
        _ => return None,
    })
}

/// IEEE 754 binary16: 1 bit of sign, 5 of exponent (biased by 15), 10 of fraction. Every value is exact in f32.
fn half_to_f32(half: u16) -> f32 {
    let (exponent, fraction) = (u32::from(half >> 10 & 31), u32::from(half & 1023));
    let magnitude = match exponent {
        0 => fraction as f32 * 2f32.powi(-24),
        31 => f32::from_bits(0xff << 23 | fraction << 13),
        _ => f32::from_bits((exponent + 127 - 15) << 23 | fraction << 13),
    };
    if half >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 2f32.powi(-24)),
            (0x03ff, 1023.0 * 2f32.powi(-24)),
            (0x0400, 2f32.powi(-14)),
            (0x3555, 0.333_251_95),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half_to_f32(bits), value, "{bits:#06x}");
        }
        assert!(half_to_f32(0x8000).is_sign_negative());
        assert!(half_to_f32(0x7e00).is_nan());
    }
}
