//! The canvas adapter: low-rank updates of the fused projections, an input vector for `mask`, an output row for `end`.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;

use burn::tensor::Device;
use burn::tensor::Tensor;
use burn::tensor::TensorData;
use safetensors::SafeTensors;

use crate::model::config::TransformerConfig;
use crate::model::error::ModelError;
use crate::model::kernels::LowRankTerm;
use crate::model::kernels::linear;
use crate::model::matrix::Matrix;
use crate::model::spec::TokenId;
use crate::model::weights::Weights;

/// A low-rank update: y += b (a x).
#[derive(Clone, Debug)]
pub struct LowRank {
    /// `[rank, in]`
    a: Matrix,
    /// `[out, rank]`
    b: Tensor<2>,
}

impl LowRank {
    /// The update of rows `[rows, in]`, for the linear map that it is added to.
    pub fn term(&self, rows: Tensor<2>) -> LowRankTerm {
        LowRankTerm { inner: linear(rows, &self.a, None, None), factor: self.b.clone() }
    }
}

/// The updates of one block.
#[derive(Clone, Debug)]
pub struct AdapterBlock {
    /// Query, key and value projections, in this order.
    pub qkv: LowRank,
    /// Output projection of the attention.
    pub out: LowRank,
    /// Gate and up projections, in this order.
    pub gate_up: LowRank,
    /// Down projection.
    pub down: LowRank,
}

/// What turns an autoregressive base into a denoiser.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Rank of all updates.
    pub rank: usize,
    /// Id that stands for a masked slot.
    pub mask: TokenId,
    /// Id that closes a span.
    pub end: TokenId,
    /// Input vector of `mask`, `[hidden]`.
    pub mask_in: Tensor<1>,
    /// Output row of `end`, `[hidden]`.
    pub end_out: Tensor<1>,
    /// One per block.
    pub blocks: Vec<AdapterBlock>,
}

/// Ranks beyond this are no longer low; a file that claims one is damaged.
const LARGEST_RANK: usize = 4096;

impl Adapter {
    /// Reads an adapter made for a base of these sizes.
    ///
    /// # Errors
    /// The file is missing or truncated, is no canvas adapter, or was made for another base.
    pub fn load(path: &Path, config: &TransformerConfig, device: &Device) -> Result<Self, ModelError> {
        let damaged = |reason: String| ModelError::Damaged { path: path.to_owned(), reason };
        let weights = Weights::open_safetensors(&[PathBuf::from(path)])?;
        let header = Header::read(&weights).map_err(damaged)?;
        if header.mask as usize >= config.vocab || header.end as usize >= config.vocab {
            return Err(damaged("its mask or end token is not in the base's vocabulary".to_owned()));
        }
        let vector = |name: &str| -> Result<Tensor<1>, ModelError> {
            let shape = [config.hidden];
            Ok(Tensor::from_data(TensorData::new(weights.read_vec(name, &shape)?, shape), device))
        };
        let low_rank = |layer: usize, name: &str, width_in: usize, width_out: usize| -> Result<LowRank, ModelError> {
            let matrix = |part: &str, shape: [usize; 2]| -> Result<Tensor<2>, ModelError> {
                let values = weights.read_vec(&format!("layers.{layer}.{name}.{part}"), &shape)?;
                Ok(Tensor::from_data(TensorData::new(values, shape), device))
            };
            let (a, b) = (matrix("a", [header.rank, width_in])?, matrix("b", [width_out, header.rank])?);
            Ok(LowRank { a: Matrix::Dense(a.into()), b })
        };
        let blocks = (0..config.layers).map(|layer| {
            Ok(AdapterBlock {
                qkv: low_rank(layer, "qkv", config.hidden, config.qkv_rows())?,
                out: low_rank(layer, "out", config.heads * config.head_dim, config.hidden)?,
                gate_up: low_rank(layer, "gate_up", config.hidden, 2 * config.intermediate)?,
                down: low_rank(layer, "down", config.intermediate, config.hidden)?,
            })
        });
        Ok(Self {
            rank: header.rank,
            mask: header.mask,
            end: header.end,
            mask_in: vector("mask_in")?,
            end_out: vector("end_out")?,
            blocks: blocks.collect::<Result<_, ModelError>>()?,
        })
    }
}

/// What an adapter file says of itself in its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Rank of all updates.
    pub rank: usize,
    /// Id that stands for a masked slot.
    pub mask: TokenId,
    /// Id that closes a span.
    pub end: TokenId,
}

impl Header {
    /// The metadata of a file with this header.
    pub fn metadata(&self) -> HashMap<String, String> {
        let entries = [
            ("format", "dcode-canvas-adapter".to_owned()),
            ("rank", self.rank.to_string()),
            ("mask_token_id", self.mask.to_string()),
            ("end_token_id", self.end.to_string()),
        ];
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Reads the metadata of an adapter file.
    ///
    /// # Errors
    /// The file is no canvas adapter, or its rank is not possible.
    pub fn read(weights: &Weights) -> Result<Self, String> {
        let Weights::Safetensors { files, .. } = weights else { return Err("not a safetensors file".to_owned()) };
        let (_, map) = files.first().ok_or("no file")?;
        let (_, metadata) = SafeTensors::read_metadata(map.bytes()).map_err(|error| error.to_string())?;
        let metadata = metadata.metadata().clone().unwrap_or_default();
        let get = |key: &str| metadata.get(key).ok_or_else(|| format!("not a canvas adapter: no {key} in its metadata"));
        if get("format")? != "dcode-canvas-adapter" {
            return Err("not a canvas adapter".to_owned());
        }
        let number = |key: &str| get(key)?.parse::<TokenId>().map_err(|_| format!("{key} in its metadata is not a number"));
        let rank = number("rank")? as usize;
        if !(1..=LARGEST_RANK).contains(&rank) {
            return Err(format!("rank {rank} is not possible"));
        }
        Ok(Self { rank, mask: number("mask_token_id")?, end: number("end_token_id")? })
    }
}
