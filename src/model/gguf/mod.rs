//! Reader of GGUF, the single-file format of llama.cpp: metadata, and tensors in block-quantised form, memory-mapped.
//!
//! Layout (version 2 and 3, little-endian): magic, version, tensor count, metadata count, metadata, tensor descriptions, padding to
//! the alignment, tensor data. A model split into `…-00001-of-0000N.gguf` has its metadata in the first part.
//! Source: `docs/gguf.md` of the ggml project.

mod cursor;
pub mod dequant;
mod split;

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;

use self::cursor::Cursor;
pub use self::cursor::Value;
pub use self::dequant::BlockType;
pub use self::split::parts_of;
use crate::model::error::ModelError;
use crate::model::mapped::Mapped;

const MAGIC: &[u8; 4] = b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;

/// Where a tensor lies and how it is stored.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// Extents in row-major order, outermost first (the file has them innermost first).
    pub shape: Vec<usize>,
    /// Storage.
    pub block: BlockType,
    part: usize,
    start: usize,
    len: usize,
}

impl TensorInfo {
    /// Number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A GGUF model: one file, or all parts of a split one.
#[derive(Debug)]
pub struct Gguf {
    parts: Vec<(PathBuf, Mapped)>,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
}

impl Gguf {
    /// Opens `path`, and the other parts beside it when it is the first of a split model. Headers are checked against the file
    /// sizes before anything is allocated.
    ///
    /// # Errors
    /// A part is missing, truncated, or not what its header says.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let mut gguf = Self { parts: Vec::new(), metadata: HashMap::new(), tensors: HashMap::new() };
        for part in parts_of(path)? {
            gguf.add_part(&part)?;
        }
        if let Some(expected) = gguf.integer("split.tensors.count")
            && usize::try_from(expected) != Ok(gguf.tensors.len())
        {
            let reason = format!("the parts hold {} tensors, the header says {expected}", gguf.tensors.len());
            return Err(ModelError::Damaged { path: path.to_owned(), reason });
        }
        Ok(gguf)
    }

    fn add_part(&mut self, path: &Path) -> Result<(), ModelError> {
        let map = Mapped::open(path)?;
        let damaged = |reason: String| ModelError::Damaged { path: path.to_owned(), reason };
        let header = Header::parse(map.bytes()).map_err(damaged)?;
        let part = self.parts.len();
        for (name, mut info) in header.tensors {
            info.part = part;
            if self.tensors.insert(name.clone(), info).is_some() {
                return Err(ModelError::Damaged { path: path.to_owned(), reason: format!("tensor {name} is there twice") });
            }
        }
        for (key, value) in header.metadata {
            self.metadata.entry(key).or_insert(value);
        }
        self.parts.push((path.to_owned(), map));
        Ok(())
    }

    /// The first part's path.
    pub fn path(&self) -> &Path {
        self.parts.first().map_or(Path::new(""), |(path, _)| path)
    }

    /// A metadata value.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// A metadata value that is an integer of any width.
    pub fn integer(&self, key: &str) -> Option<u64> {
        self.get(key).and_then(Value::as_integer)
    }

    /// A metadata value that is a number.
    pub fn float(&self, key: &str) -> Option<f64> {
        self.get(key).and_then(Value::as_float)
    }

    /// A metadata value that is a string.
    pub fn string(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// Description of a tensor by its name in the file.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// Names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The stored bytes of a tensor, and its description.
    pub fn data(&self, name: &str) -> Option<(&TensorInfo, Mapped)> {
        let info = self.tensors.get(name)?;
        let (_, map) = self.parts.get(info.part)?;
        Some((info, map.part(info.start, info.len)?))
    }

    /// Tells the system that the mapped pages are no longer needed, once all tensors were expanded.
    pub fn release_pages(&self) {
        self.parts.iter().for_each(|(_, map)| map.release_pages());
    }
}

/// What one file says about itself.
struct Header {
    metadata: Vec<(String, Value)>,
    tensors: Vec<(String, TensorInfo)>,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut cursor = Cursor::new(bytes);
        if cursor.take(4)? != MAGIC {
            return Err("not a GGUF file".to_owned());
        }
        let version = cursor.u32()?;
        if !(2..=3).contains(&version) {
            return Err(format!("GGUF version {version} is not supported (2 and 3 are)"));
        }
        let tensor_count = cursor.count(24)?;
        let metadata_count = cursor.count(13)?;
        let mut metadata = Vec::with_capacity(metadata_count);
        for _ in 0..metadata_count {
            metadata.push((cursor.string()?, cursor.value()?));
        }
        let alignment = metadata
            .iter()
            .find(|(key, _)| key == "general.alignment")
            .map_or(Some(DEFAULT_ALIGNMENT), |(_, value)| value.as_integer())
            .filter(|alignment| alignment.is_power_of_two() && *alignment <= 1 << 20)
            .ok_or("the alignment is not a power of two")?;
        let mut described = Vec::with_capacity(tensor_count);
        for _ in 0..tensor_count {
            described.push((cursor.string()?, tensor_info(&mut cursor)?));
        }
        let align = usize::try_from(alignment).map_err(|_| "alignment too large")?;
        let data = cursor.position().next_multiple_of(align);
        let mut tensors = Vec::with_capacity(tensor_count);
        for (name, (shape, block, offset)) in described {
            let len = block.bytes(&shape).ok_or_else(|| format!("tensor {name} has an impossible shape {shape:?}"))?;
            let start = data.checked_add(offset).filter(|start| start.checked_add(len).is_some_and(|end| end <= bytes.len()));
            let start = start.ok_or_else(|| format!("the file ends before tensor {name} does (truncated download?)"))?;
            tensors.push((name, TensorInfo { shape, block, part: 0, start, len }));
        }
        Ok(Self { metadata, tensors })
    }
}

/// Shape (outermost first), storage, and offset into the data section.
fn tensor_info(cursor: &mut Cursor<'_>) -> Result<(Vec<usize>, BlockType, usize), String> {
    let dimensions = cursor.u32()?;
    if !(1..=4).contains(&dimensions) {
        return Err(format!("a tensor with {dimensions} dimensions"));
    }
    let mut shape = Vec::with_capacity(4);
    for _ in 0..dimensions {
        shape.push(cursor.size()?);
    }
    shape.reverse();
    let block = BlockType::from_id(cursor.u32()?)?;
    Ok((shape, block, cursor.size()?))
}
