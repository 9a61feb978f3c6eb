//! Bounds-checked reading of the header: no length in the file is trusted before it was compared with what is left.

/// A metadata value. Numbers of all widths are kept as the widest of their kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Unsigned or non-negative.
    Unsigned(u64),
    /// Negative.
    Signed(i64),
    /// Floating point.
    Float(f64),
    /// Truth value.
    Bool(bool),
    /// Text.
    String(String),
    /// Text array.
    Strings(Vec<String>),
    /// Any other array.
    Array(Vec<Value>),
}

impl Value {
    /// The value as a non-negative integer.
    pub fn as_integer(&self) -> Option<u64> {
        match *self {
            Value::Unsigned(value) => Some(value),
            Value::Bool(value) => Some(u64::from(value)),
            _ => None,
        }
    }

    /// The value as a number.
    pub fn as_float(&self) -> Option<f64> {
        match *self {
            Value::Unsigned(value) => Some(value as f64),
            Value::Signed(value) => Some(value as f64),
            Value::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The value as text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(value) => Some(value),
            _ => None,
        }
    }

    /// The value as a list of texts.
    pub fn as_strings(&self) -> Option<&[String]> {
        match self {
            Value::Strings(value) => Some(value),
            _ => None,
        }
    }

    /// The value as a list of non-negative integers.
    pub fn as_integers(&self) -> Option<Vec<u64>> {
        match self {
            Value::Array(values) => values.iter().map(Value::as_integer).collect(),
            _ => None,
        }
    }
}

/// Position in the header.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

const END: &str = "the file ends inside its header (truncated download?)";
/// Arrays of arrays occur in no known model; the limit keeps a hostile file from exhausting the stack.
const MAX_NESTING: usize = 3;

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.bytes.len()).ok_or(END)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| END.to_owned())
    }

    pub(super) fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A 64-bit size that must fit the address space.
    pub(super) fn size(&mut self) -> Result<usize, String> {
        usize::try_from(self.u64()?).map_err(|_| "a size does not fit this machine".to_owned())
    }

    /// A number of items of at least `smallest` bytes each: refused when the rest of the file could not hold them.
    pub(super) fn count(&mut self, smallest: usize) -> Result<usize, String> {
        let count = self.size()?;
        let room = (self.bytes.len() - self.at) / smallest.max(1);
        if count <= room { Ok(count) } else { Err(format!("the header announces {count} items, more than the file can hold")) }
    }

    pub(super) fn string(&mut self) -> Result<String, String> {
        let len = self.count(1)?;
        let bytes = self.take(len)?;
        // Some vocabularies hold pieces of characters; only then the replacement matters, and such tokens never match text.
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    pub(super) fn value(&mut self) -> Result<Value, String> {
        let kind = self.u32()?;
        self.value_of(kind, 0)
    }

    fn value_of(&mut self, kind: u32, depth: usize) -> Result<Value, String> {
        let signed = |value: i64| u64::try_from(value).map_or(Value::Signed(value), Value::Unsigned);
        Ok(match kind {
            0 => Value::Unsigned(u64::from(self.array::<1>()?[0])),
            1 => signed(i64::from(i8::from_le_bytes(self.array()?))),
            2 => Value::Unsigned(u64::from(u16::from_le_bytes(self.array()?))),
            3 => signed(i64::from(i16::from_le_bytes(self.array()?))),
            4 => Value::Unsigned(u64::from(self.u32()?)),
            5 => signed(i64::from(i32::from_le_bytes(self.array()?))),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.array()?))),
            7 => Value::Bool(self.array::<1>()?[0] != 0),
            8 => Value::String(self.string()?),
            9 => self.array_value(depth)?,
            10 => Value::Unsigned(self.u64()?),
            11 => signed(i64::from_le_bytes(self.array()?)),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            other => return Err(format!("unknown metadata type {other}")),
        })
    }

    fn array_value(&mut self, depth: usize) -> Result<Value, String> {
        if depth >= MAX_NESTING {
            return Err("metadata arrays nested too deeply".to_owned());
        }
        let kind = self.u32()?;
        if kind == 8 {
            let count = self.count(8)?;
            return (0..count).map(|_| self.string()).collect::<Result<_, _>>().map(Value::Strings);
        }
        let smallest = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            _ => 12,
        };
        let count = self.count(smallest)?;
        (0..count).map(|_| self.value_of(kind, depth + 1)).collect::<Result<_, _>>().map(Value::Array)
    }
}
