//! Where weights come from: Hugging Face safetensors (one file or shards) or GGUF, under Hugging Face names, expanded to f32 or
//! brought to fewer bits.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;

use burn::tensor::Device;
use rayon::prelude::*;
use safetensors::Dtype;
use safetensors::SafeTensors;

use crate::model::config::TransformerConfig;
use crate::model::dense::Dense;
use crate::model::error::ModelError;
use crate::model::gguf::BlockType;
use crate::model::gguf::Gguf;
use crate::model::gguf::dequant;
use crate::model::kernels;
use crate::model::mapped::Mapped;
use crate::model::matrix::HeadOrder;
use crate::model::matrix::Matrix;
use crate::model::matrix::RowOrder;
use crate::model::matrix::Stored;
use crate::model::naming::Naming;
use crate::model::quantise;
use crate::model::quantise::Quant;
use crate::model::rope::Rope;
use crate::model::spec::Family;

/// A tensor that gives some rows of a matrix.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Name of the tensor.
    pub name: String,
    /// Its rows.
    pub rows: usize,
    /// Rows that are not where the kernels expect them ([`Weights::head_order`]).
    pub order: Option<RowOrder>,
}

/// A set of named tensors.
#[derive(Debug)]
pub enum Weights {
    /// GGUF, all parts.
    Gguf(Gguf),
    /// Safetensors files, mapped into memory, with the file that holds each tensor.
    Safetensors {
        /// The files.
        files: Vec<(PathBuf, Mapped)>,
        /// Tensor name to file.
        index: HashMap<String, usize>,
        /// How the checkpoint calls its tensors.
        naming: Naming,
    },
    /// Others, whose matrices are brought to fewer bits as they are read.
    Quantised {
        /// Where they come from.
        from: Box<Weights>,
        /// How many bits.
        quant: Quant,
    },
}

impl Weights {
    /// Opens safetensors files. Headers are checked against the file sizes.
    ///
    /// # Errors
    /// A file cannot be read, is truncated, or holds a tensor that another one holds too.
    pub fn open_safetensors(paths: &[PathBuf]) -> Result<Self, ModelError> {
        let (mut files, mut index) = (Vec::new(), HashMap::new());
        for path in paths {
            let map = Mapped::open(path)?;
            for name in parse(path, &map)?.names() {
                if index.insert(name.to_owned(), files.len()).is_some() {
                    return Err(ModelError::Damaged { path: path.clone(), reason: format!("tensor {name} is there twice") });
                }
            }
            files.push((path.clone(), map));
        }
        let naming = Naming::detect(|name| index.contains_key(name));
        Ok(Self::Safetensors { files, index, naming })
    }

    /// These weights with matrices of fewer bits.
    ///
    /// # Errors
    /// They are in blocks already.
    pub fn quantised(self, quant: Quant) -> Result<Self, ModelError> {
        if let Self::Gguf(gguf) = &self {
            let mut blocks = gguf.names().filter_map(|name| gguf.tensor(name)).map(|tensor| tensor.block);
            if let Some(block) = blocks.find(|block| block.block().0 > 1) {
                let reason = format!("{block:?} weights are quantised already; leave --quant {quant} out");
                return Err(ModelError::Options(format!("{}: {reason}", gguf.path().display())));
            }
        }
        Ok(Self::Quantised { from: Box::new(self), quant })
    }

    /// The weights as they are in their files.
    pub fn stored(&self) -> &Self {
        match self {
            Self::Quantised { from, .. } => from.stored(),
            stored => stored,
        }
    }

    /// The first file.
    pub fn path(&self) -> &Path {
        match self.stored() {
            Self::Quantised { .. } => Path::new(""),
            Self::Gguf(gguf) => gguf.path(),
            Self::Safetensors { files, .. } => files.first().map_or(Path::new(""), |(path, _)| path),
        }
    }

    /// Whether a tensor is there.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Quantised { from, .. } => from.contains(name),
            Self::Gguf(gguf) => gguf_name(name).is_some_and(|name| gguf.tensor(&name).is_some()),
            Self::Safetensors { index, naming, .. } => index.contains_key(&*naming.of(name)),
        }
    }

    /// How the tensor `name` of the given shape is stored, and its bytes.
    ///
    /// # Errors
    /// The tensor is missing or has another shape or an unsupported storage.
    pub fn find(&self, name: &str, shape: &[usize]) -> Result<(BlockType, Mapped), ModelError> {
        let missing = |path: &Path| ModelError::Damaged { path: path.to_owned(), reason: format!("tensor {name} is missing") };
        let check = |path: &Path, found: &[usize]| {
            let reason = || format!("tensor {name} has shape {found:?}, expected {shape:?}");
            if found == shape { Ok(()) } else { Err(ModelError::Damaged { path: path.to_owned(), reason: reason() }) }
        };
        match self {
            Self::Quantised { from, .. } => from.find(name, shape),
            Self::Gguf(gguf) => {
                let found = gguf_name(name).and_then(|name| gguf.data(&name));
                let (info, data) = found.ok_or_else(|| missing(gguf.path()))?;
                check(gguf.path(), &info.shape)?;
                Ok((info.block, data))
            }
            Self::Safetensors { files, index, naming } => {
                let name = &*naming.of(name);
                let file = index.get(name).and_then(|&file| files.get(file));
                let (path, map) = file.ok_or_else(|| missing(self.path()))?;
                let tensors = parse(path, map)?;
                let view = tensors.tensor(name).map_err(|_| missing(path))?;
                check(path, view.shape())?;
                let block = match view.dtype() {
                    Dtype::F32 => BlockType::F32,
                    Dtype::F16 => BlockType::F16,
                    Dtype::BF16 => BlockType::Bf16,
                    other => {
                        let reason = format!("tensor {name} is stored as {other:?} (F32, F16 and BF16 are supported)");
                        return Err(ModelError::Damaged { path: path.clone(), reason });
                    }
                };
                // The view borrows from the map; its place in it is what outlives the parsed header.
                let start = view.data().as_ptr().addr() - map.bytes().as_ptr().addr();
                Ok((block, map.part(start, view.data().len()).ok_or_else(|| missing(path))?))
            }
        }
    }

    /// Expands the tensor `name` of the given shape into `out`.
    ///
    /// # Errors
    /// The tensor is missing or has another shape or an unsupported storage.
    ///
    /// # Panics
    /// When `out` is not as long as the shape says.
    pub fn read(&self, name: &str, shape: &[usize], out: &mut [f32]) -> Result<(), ModelError> {
        assert_eq!(shape.iter().product::<usize>(), out.len(), "{name}");
        let (block, data) = self.find(name, shape)?;
        dequant::expand(block, data.bytes(), out);
        Ok(())
    }

    /// As [`Weights::read`], into a new buffer.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn read_vec(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let mut out = vec![0.0; shape.iter().product()];
        self.read(name, shape, &mut out)?;
        Ok(out)
    }

    /// The rows of some tensors, one below the other, as one matrix of `width` columns. On the CPU they stay as they are stored.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn matrix(&self, pieces: &[Piece], width: usize, device: &Device) -> Result<Matrix, ModelError> {
        if kernels::run_on(device) {
            let mut stored = Stored::new(width);
            for piece in pieces {
                let (block, bytes) = self.find(&piece.name, &[piece.rows, width])?;
                let (block, bytes) = self.in_form(piece, width, block, bytes)?;
                stored.push(block, bytes, piece.rows, piece.order.clone());
            }
            return Ok(Matrix::Stored(stored));
        }
        let rows: usize = pieces.iter().map(|piece| piece.rows).sum();
        let mut values = vec![0.0; rows * width];
        let mut rest = values.as_mut_slice();
        let mut singles = false;
        for piece in pieces {
            singles |= self.find(&piece.name, &[piece.rows, width])?.0 == BlockType::F32;
            let (out, more) = rest.split_at_mut(piece.rows * width);
            self.read(&piece.name, &[piece.rows, width], out)?;
            piece.order.iter().for_each(|order| order.apply(out, width));
            rest = more;
        }
        // Who keeps weights in f32 wants all their bits.
        Ok(Matrix::Dense(Dense::new(&values, width, singles, device)))
    }

    /// The rows of a tensor in the form that is wished for, if one is. Rows stay in the order of the file.
    fn in_form(&self, piece: &Piece, width: usize, block: BlockType, bytes: Mapped) -> Result<(BlockType, Mapped), ModelError> {
        let Self::Quantised { from, quant } = self else { return Ok((block, bytes)) };
        let Some(wished) = quant.block(&piece.name, width) else { return Ok((block, bytes)) };
        let Some(len) = wished.bytes(&[piece.rows, width]).filter(|len| *len > 0) else { return Ok((block, bytes)) };
        let (row, stored_row) = (len / piece.rows, bytes.bytes().len() / piece.rows);
        let made = Mapped::filled(len, |out| {
            let rows = out.par_chunks_exact_mut(row).zip(bytes.bytes().par_chunks_exact(stored_row));
            let right = rows.map_init(
                || vec![0.0; width],
                |values, (out, stored)| {
                    dequant::expand_here(block, stored, values);
                    quantise::quantise(wished, values, out);
                    quantise::is_possible(values)
                },
            );
            if right.reduce(|| true, |a, b| a && b) {
                return Ok(());
            }
            let reason = format!("tensor {} holds values that are not numbers, or too large for {quant}", piece.name);
            Err(ModelError::Damaged { path: from.path().to_owned(), reason })
        })?;
        // The file's pages would stay beside what was made of them.
        bytes.release_pages();
        Ok((wished, made))
    }

    /// Vectors of some tensors, one after the other: what belongs to the rows of a matrix.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn vector(&self, pieces: &[Piece]) -> Result<Vec<f32>, ModelError> {
        let mut values = Vec::new();
        for piece in pieces {
            let mut bias = self.read_vec(&piece.name, &[piece.rows])?;
            piece.order.iter().for_each(|order| order.apply(&mut bias, 1));
            values.append(&mut bias);
        }
        Ok(values)
    }

    /// Where the rows of query and key heads lie in the file, unless they lie in the order of the kernels.
    ///
    /// The kernels rotate the two halves of a head against each other. llama.cpp stores the heads of the Llama family with the
    /// values of a pair side by side, and some families rotate a part of each head only.
    pub fn head_order(&self, config: &TransformerConfig) -> Option<HeadOrder> {
        let half = config.head_dim / 2;
        match self.stored() {
            Self::Gguf(_) if config.family == Family::Llama => {
                Some((0..config.head_dim).map(|place| 2 * (place % half) + place / half).collect())
            }
            _ if config.rotary_dim < config.head_dim => Some(Rope::order(config.head_dim, config.rotary_dim).into()),
            _ => None,
        }
    }

    /// Releases what the system keeps resident of the files, once everything was read.
    pub fn release_pages(&self) {
        match self {
            Self::Gguf(gguf) => gguf.release_pages(),
            Self::Safetensors { files, .. } => files.iter().for_each(|(_, map)| map.release_pages()),
            Self::Quantised { from, .. } => from.release_pages(),
        }
    }
}

fn parse<'a>(path: &Path, map: &'a Mapped) -> Result<SafeTensors<'a>, ModelError> {
    SafeTensors::deserialize(map.bytes()).map_err(|error| ModelError::Damaged {
        path: path.to_owned(),
        reason: format!("not a complete safetensors file ({error})"),
    })
}

/// llama.cpp's name of the tensor that Hugging Face calls `name`.
fn gguf_name(name: &str) -> Option<String> {
    let (base, kind) = name.rsplit_once('.')?;
    let fixed = match base {
        "model.embed_tokens" => Some("token_embd"),
        "model.norm" => Some("output_norm"),
        "lm_head" => Some("output"),
        _ => None,
    };
    if let Some(fixed) = fixed {
        return Some(format!("{fixed}.{kind}"));
    }
    let (layer, part) = base.strip_prefix("model.layers.")?.split_once('.')?;
    let part = match part {
        "input_layernorm" => "attn_norm",
        "post_attention_layernorm" => "ffn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        _ => return None,
    };
    Some(format!("blk.{layer}.{part}.{kind}"))
}
