//! A pickle reader that runs nothing: data comes out, and nothing is called.
//!
//! Pickle is a program for a small stack machine; Python's own reader calls whatever the program names. This one knows the
//! few operations and names that `torch.save` of a state dict uses. Whatever else a checkpoint holds (settings, schedules,
//! the state of a loop) becomes an object that has a name and nothing more, which whoever looks for tensors refuses by
//! that name. Values lie in one list and refer to each other by index, so shared and even cyclic structures cost what
//! their bytes cost, and nothing here recurses. Invariant: reading takes time and memory in proportion to the length of
//! the pickle.
//!
//! Operations: CPython, `Lib/pickletools.py`. Names: PyTorch, `torch/_utils.py` and `torch/serialization.py`.

use crate::Error;
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Ten times what a checkpoint needs; each of its bytes may cost some 100 in memory.
const MAX_LEN: usize = 1 << 20;
/// Dimensions of a tensor, at most.
const MAX_RANK: usize = 8;

/// Position of a value in its [`Pickle`].
pub(super) type Id = usize;

/// What a pickle can hold here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Name(Name),
    /// What some unknown class or function would have made: its name.
    Object(Rc<str>),
    Storage(Storage),
    Tensor(Tensor),
}

/// The objects of Python and PyTorch that are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Name {
    OrderedDict,
    Size,
    RebuildTensor,
    RebuildParameter,
    StorageOf(Dtype),
    /// Any other, by module and name.
    Other(Rc<str>),
}

/// Values that lie outside the pickle, under a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    pub key: Rc<str>,
    pub dtype: Dtype,
    /// Number of values.
    pub len: usize,
}

/// A view of a storage. Nothing is checked against the storage's length yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub stride: Vec<usize>,
}

impl Name {
    fn find(module: &str, name: &str) -> Self {
        let dtype = match (module, name) {
            ("collections", "OrderedDict") => return Self::OrderedDict,
            ("torch", "Size") => return Self::Size,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => return Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => return Self::RebuildParameter,
            ("torch", "DoubleStorage") => Dtype::F64,
            ("torch", "FloatStorage") => Dtype::F32,
            ("torch", "HalfStorage") => Dtype::F16,
            ("torch", "BFloat16Storage") => Dtype::BF16,
            ("torch", "LongStorage") => Dtype::I64,
            ("torch", "IntStorage") => Dtype::I32,
            ("torch", "ShortStorage") => Dtype::I16,
            ("torch", "CharStorage") => Dtype::I8,
            ("torch", "ByteStorage") => Dtype::U8,
            ("torch", "BoolStorage") => Dtype::BOOL,
            _ => return Self::Other(format!("{module}.{name}").into()),
        };
        Self::StorageOf(dtype)
    }
}

/// A pickle that was read.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// Reads the pickle at the beginning of `bytes`, and says how long it is.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), Error> {
        let bytes = &bytes[..bytes.len().min(MAX_LEN)];
        let mut machine = Unpickler { bytes, ..Unpickler::default() };
        while !machine.step()? {}
        let root = machine.pop()?;
        Ok((Self { values: machine.values, root }, machine.at))
    }

    pub(super) fn root(&self) -> &Value {
        self.get(self.root)
    }

    pub(super) fn get(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// Every storage that is mentioned, as often as it is.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(storage),
            _ => None,
        })
    }
}

#[derive(Default)]
struct Unpickler<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack where the marks lie.
    marks: Vec<usize>,
    memo: BTreeMap<usize, Id>,
}

impl Unpickler<'_> {
    /// Executes one operation; true at the end.
    fn step(&mut self) -> Result<bool, Error> {
        let [operation] = self.take()?;
        match operation {
            b'.' => return Ok(true),
            0x80 => drop(self.take::<1>()?), // Version of the protocol.
            0x95 => drop(self.take::<8>()?), // Length of a frame.
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.push(Value::Int(value.into()));
            }
            b'K' | b'M' => {
                let value = self.number(if operation == b'K' { 1 } else { 2 })?;
                self.push(Value::Int(value as i64));
            }
            0x8a => self.long()?,
            b'G' => {
                let value = f64::from_be_bytes(self.take()?);
                self.push(Value::Float(value));
            }
            b'X' | b'T' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            // Bytes, which nothing here needs.
            b'C' | b'B' => {
                let len = self.number(if operation == b'C' { 1 } else { 4 })?;
                self.bytes(len)?;
                self.push(Value::Object("bytes".into()));
            }
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.peek()?;
                self.stack.push(top);
            }
            b'}' => self.push(Value::Dict(vec![])),
            // Sets (0x8f, and below 0x90 and 0x91) are written as lists are.
            b']' | 0x8f => self.push(Value::List(vec![])),
            b')' => self.push(Value::Tuple(vec![])),
            b't' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let count = usize::from(operation - 0x84);
                let from = self.stack.len().checked_sub(count).ok_or_else(|| self.broken("a short stack"))?;
                let items = self.stack.split_off(from);
                self.push(Value::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set(items)?;
            }
            b'q' | b'r' => {
                let slot = self.number(if operation == b'q' { 1 } else { 4 })?;
                self.remember(slot)?;
            }
            0x94 => self.remember(self.memo.len())?,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let name = Name::find(&module, &name);
                self.push(Value::Name(name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (&self.values[module], &self.values[name])
                else {
                    return Err(self.broken("a name that is no text"));
                };
                let name = Name::find(module, name);
                self.push(Value::Name(name));
            }
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            // A new object of a class, with arguments.
            0x81 => {
                let (_, class) = (self.pop()?, self.pop()?);
                self.object(class)?;
            }
            0x92 => {
                let (_, _, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.object(class)?;
            }
            b'b' => {
                // Attributes of an ordered dict, as PyTorch's `_metadata`, or of an object: nothing that we need.
                let (_, object) = (self.pop()?, self.peek()?);
                if !matches!(self.values[object], Value::Dict(_) | Value::Object(_)) {
                    return Err(self.broken("the state of an object that is no dict"));
                }
            }
            other => return Err(self.broken(&format!("the operation {other:#04x}"))),
        }
        Ok(false)
    }

    fn broken(&self, what: &str) -> Error {
        let at = self.at;
        Error::Format(format!("the pickle of a state dict was expected, found {what} before byte {at} of it"))
    }

    fn bytes(&mut self, len: usize) -> Result<&[u8], Error> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| self.broken("its end, or more than 1 MiB of it,"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        Ok(self.bytes(N)?.try_into().expect("N bytes were taken"))
    }

    /// Text up to the end of a line, as names are written.
    fn line(&mut self) -> Result<String, Error> {
        let rest = &self.bytes[self.at..];
        let len =
            rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| self.broken("an endless line"))?;
        let line = String::from_utf8_lossy(self.bytes(len)?).into_owned();
        self.take::<1>()?;
        Ok(line)
    }

    /// An unsigned number of `width` bytes, at most 4.
    fn number(&mut self, width: usize) -> Result<usize, Error> {
        Ok(self.bytes(width)?.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }

    /// Text behind its length, a number of `width` bytes.
    fn text(&mut self, width: usize) -> Result<(), Error> {
        let len = self.number(width)?;
        let text = str::from_utf8(self.bytes(len)?).map(Rc::from);
        let text = text.map_err(|_| self.broken("text that is not UTF-8"))?;
        self.push(Value::Text(text));
        Ok(())
    }

    /// An integer of any length, of which we hold 8 bytes.
    fn long(&mut self) -> Result<(), Error> {
        let [len] = self.take()?;
        let bytes = self.bytes(len.into())?;
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        let Some(low) = whole.get_mut(..bytes.len()) else {
            return Err(self.broken("an integer of more than 8 bytes"));
        };
        low.copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(whole)));
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn peek(&self) -> Result<Id, Error> {
        self.stack.last().copied().ok_or_else(|| self.broken("an empty stack"))
    }

    fn pop(&mut self) -> Result<Id, Error> {
        let top = self.peek()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Error> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        let mark = mark.ok_or_else(|| self.broken("no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), Error> {
        let list = self.peek()?;
        match &mut self.values[list] {
            Value::List(list) => list.extend(items),
            Value::Object(_) => {}
            _ => return Err(self.broken("an item for what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, items: Vec<Id>) -> Result<(), Error> {
        let dict = self.peek()?;
        let (pairs, rest) = items.as_chunks::<2>();
        match &mut self.values[dict] {
            Value::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)))
            }
            Value::Object(_) => {}
            _ => return Err(self.broken("a pair for what is no dict")),
        }
        Ok(())
    }

    fn remember(&mut self, slot: usize) -> Result<(), Error> {
        let top = self.peek()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<(), Error> {
        let slot = self.number(width)?;
        let id = self.memo.get(&slot).copied().ok_or_else(|| self.broken("a memo that was not written"))?;
        self.stack.push(id);
        Ok(())
    }

    /// A persistent id: `("storage", type, key, device, length)`, and a view in old files, which is none.
    fn storage(&mut self) -> Result<(), Error> {
        let id = self.pop()?;
        let Value::Tuple(items) = &self.values[id] else { return Err(self.broken("an id that is no tuple")) };
        let item = |at: usize| items.get(at).map(|&item| &self.values[item]);
        if let Some(Value::Name(Name::Other(name))) = item(1) {
            let name = name.clone();
            self.push(Value::Object(name));
            return Ok(());
        }
        let storage = match [0, 1, 2, 4, 5].map(item) {
            [
                Some(Value::Text(tag)),
                Some(Value::Name(Name::StorageOf(dtype))),
                Some(Value::Text(key)),
                Some(Value::Int(len)),
                None | Some(Value::None),
            ] if &**tag == "storage" => {
                let len = usize::try_from(*len).map_err(|_| self.broken("a storage of negative length"))?;
                Storage { key: key.clone(), dtype: *dtype, len }
            }
            _ => return Err(self.broken("an id that is no storage")),
        };
        self.push(Value::Storage(storage));
        Ok(())
    }

    /// What the known functions would have returned.
    fn call(&mut self) -> Result<(), Error> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = &self.values[arguments] else {
            return Err(self.broken("arguments that are no tuple"));
        };
        let name = match &self.values[function] {
            Value::Name(name) => name.clone(),
            // The method of an object, a part of a class.
            Value::Object(name) => Name::Other(name.clone()),
            _ => return Err(self.broken("a call of what is no function")),
        };
        match (name, &arguments[..]) {
            (Name::Other(name), _) => self.push(Value::Object(name)),
            // A tensor of a storage that is unknown.
            (Name::RebuildTensor, &[storage, ..]) if matches!(self.values[storage], Value::Object(_)) => {
                self.stack.push(storage);
            }
            (Name::OrderedDict, []) => self.push(Value::Dict(vec![])),
            (Name::Size, &[sizes]) | (Name::RebuildParameter, &[sizes, _, _]) => self.stack.push(sizes),
            (Name::RebuildTensor, &[storage, offset, shape, stride, ..]) => {
                let tensor = self.tensor(storage, offset, shape, stride);
                let tensor =
                    tensor.ok_or_else(|| self.broken("a tensor without storage, shape or stride"))?;
                self.push(Value::Tensor(tensor));
            }
            (name, arguments) => {
                return Err(self.broken(&format!("{name:?} with {} arguments", arguments.len())));
            }
        }
        Ok(())
    }

    /// What a class makes; its arguments are of no use.
    fn object(&mut self, class: Id) -> Result<(), Error> {
        let object = match &self.values[class] {
            Value::Name(Name::OrderedDict) => Value::Dict(vec![]),
            Value::Name(Name::Other(name)) | Value::Object(name) => Value::Object(name.clone()),
            _ => return Err(self.broken("an object of what is no class")),
        };
        self.push(object);
        Ok(())
    }

    fn tensor(&self, storage: Id, offset: Id, shape: Id, stride: Id) -> Option<Tensor> {
        let Value::Storage(storage) = self.values[storage].clone() else { return None };
        let size = |id: Id| match self.values[id] {
            Value::Int(size) => usize::try_from(size).ok(),
            _ => None,
        };
        let sizes = |id: Id| match &self.values[id] {
            Value::Tuple(items) | Value::List(items) if items.len() <= MAX_RANK => {
                items.iter().map(|&item| size(item)).collect()
            }
            _ => None::<Vec<usize>>,
        };
        let (offset, shape, stride) = (size(offset)?, sizes(shape)?, sizes(stride)?);
        (shape.len() == stride.len()).then_some(Tensor { storage, offset, shape, stride })
    }
}
