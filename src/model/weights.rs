//! Where weights come from: Hugging Face safetensors (one file or shards) or GGUF, under Hugging Face names, expanded to f32.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;

use memmap2::Mmap;
use safetensors::Dtype;
use safetensors::SafeTensors;

use crate::model::config::TransformerConfig;
use crate::model::error::ModelError;
use crate::model::gguf::BlockType;
use crate::model::gguf::Gguf;
use crate::model::gguf::dequant;
use crate::model::naming::Naming;
use crate::model::rope::Rope;
use crate::model::spec::Family;

/// A set of named tensors.
#[derive(Debug)]
pub enum Weights {
    /// GGUF, all parts.
    Gguf(Gguf),
    /// Safetensors files, memory-mapped, with the file that holds each tensor.
    Safetensors {
        /// The files.
        files: Vec<(PathBuf, Mmap)>,
        /// Tensor name to file.
        index: HashMap<String, usize>,
        /// How the checkpoint calls its tensors.
        naming: Naming,
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
            let io = |source| ModelError::Io { path: path.clone(), source };
            let file = File::open(path).map_err(io)?;
            // SAFETY: only read; see `Gguf::open`.
            #[allow(unsafe_code)]
            let map = unsafe { Mmap::map(&file) }.map_err(io)?;
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

    /// The first file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Gguf(gguf) => gguf.path(),
            Self::Safetensors { files, .. } => files.first().map_or(Path::new(""), |(path, _)| path),
        }
    }

    /// Whether a tensor is there.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Gguf(gguf) => gguf_name(name).is_some_and(|name| gguf.tensor(&name).is_some()),
            Self::Safetensors { index, naming, .. } => index.contains_key(&*naming.of(name)),
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
        let missing = |path: &Path| ModelError::Damaged { path: path.to_owned(), reason: format!("tensor {name} is missing") };
        let check = |path: &Path, found: &[usize]| {
            let reason = || format!("tensor {name} has shape {found:?}, expected {shape:?}");
            if found == shape { Ok(()) } else { Err(ModelError::Damaged { path: path.to_owned(), reason: reason() }) }
        };
        match self {
            Self::Gguf(gguf) => {
                let found = gguf_name(name).and_then(|name| gguf.data(&name));
                let (info, data) = found.ok_or_else(|| missing(gguf.path()))?;
                check(gguf.path(), &info.shape)?;
                dequant::expand(info.block, data, out);
                Ok(())
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
                dequant::expand(block, view.data(), out);
                Ok(())
            }
        }
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

    /// Reads what makes the values of query or key heads: `rows` of a projection, a bias or a norm, `[heads * head_dim, ..]`.
    ///
    /// The kernels rotate the two halves of a head against each other. llama.cpp stores the heads of the Llama family with the
    /// values of a pair side by side, and some families rotate a part of each head only: their rows are put into order here.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn read_rotated(
        &self,
        name: &str,
        config: &TransformerConfig,
        shape: &[usize],
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        self.read(name, shape, out)?;
        self.order_heads(config, shape, out);
        Ok(())
    }

    /// Puts rows of query or key heads into the order of the kernels; see [`Weights::read_rotated`].
    pub fn order_heads(&self, config: &TransformerConfig, shape: &[usize], out: &mut [f32]) {
        let half = config.head_dim / 2;
        let order: Vec<usize> = match self {
            Self::Gguf(_) if config.family == Family::Llama => {
                (0..config.head_dim).map(|place| 2 * (place % half) + place / half).collect()
            }
            _ if config.rotary_dim < config.head_dim => Rope::order(config.head_dim, config.rotary_dim),
            _ => return,
        };
        let row = shape.get(1).copied().unwrap_or(1);
        let stored = out.to_vec();
        for (target, out) in out.chunks_exact_mut(row).enumerate() {
            let (head, place) = (target / config.head_dim, target % config.head_dim);
            let source = head * config.head_dim + order[place];
            out.copy_from_slice(&stored[source * row..(source + 1) * row]);
        }
    }

    /// Releases what the system keeps resident of the files, once everything was read.
    pub fn release_pages(&self) {
        if let Self::Gguf(gguf) = self {
            gguf.release_pages();
        }
    }
}

fn parse<'a>(path: &Path, map: &'a Mmap) -> Result<SafeTensors<'a>, ModelError> {
    SafeTensors::deserialize(map).map_err(|error| ModelError::Damaged {
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
