//! The canvas adapter as it is trained: low-rank updates of the fused projections of a frozen base, an input vector for `mask`, an
//! output row for `end`.

use std::path::Path;
use std::path::PathBuf;

use burn::tensor::Tensor;
use burn::tensor::TensorData;
use rand::rngs::StdRng;

use crate::model::adapter::Header;
use crate::model::config::TransformerConfig;
use crate::model::error::ModelError;
use crate::model::spec::TokenId;
use crate::model::weights::Weights;
use crate::train::model::TrainModel;
use crate::train::parameters::Kind;
use crate::train::parameters::Parameters;
use crate::train::parameters::normal;
use crate::train::parameters::tensor;

/// Places of the two factors of a low-rank update, y += b (a x).
#[derive(Clone, Copy, Debug)]
pub(super) struct LowRankPlaces {
    /// `[rank, in]`
    a: usize,
    /// `[out, rank]`
    b: usize,
}

impl LowRankPlaces {
    /// The update of rows `[rows, in]`: `[rows, out]`.
    pub(super) fn term(&self, parameters: &Parameters, rows: Tensor<2>) -> Tensor<2> {
        rows.matmul(parameters.value(self.a).transpose()).matmul(parameters.value(self.b).transpose())
    }
}

/// Places of the updates of one block.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdapterBlockPlaces {
    pub(super) qkv: LowRankPlaces,
    pub(super) out: LowRankPlaces,
    pub(super) gate_up: LowRankPlaces,
    pub(super) down: LowRankPlaces,
}

/// Places of an adapter's parameters among those of the model.
#[derive(Clone, Debug)]
pub(super) struct AdapterPlaces {
    header: Header,
    mask_in: usize,
    end_out: usize,
    pub(super) blocks: Vec<AdapterBlockPlaces>,
}

impl AdapterPlaces {
    /// Puts the adapter's vector in place of the masked elements' input rows `[rows, hidden]`.
    pub(super) fn embed(&self, parameters: &Parameters, rows: Tensor<2>, ids: &[TokenId]) -> Tensor<2> {
        let masked: Vec<f32> = ids.iter().map(|&id| if id == self.header.mask { 1.0 } else { 0.0 }).collect();
        let masked = Tensor::<2>::from_data(TensorData::new(masked, [ids.len(), 1]), &rows.device());
        rows * (masked.clone().neg() + 1.0) + masked * parameters.value(self.mask_in)
    }

    /// Puts the adapter's logit of `end` in place of the base's, in `[rows, vocab]`.
    pub(super) fn logits(&self, parameters: &Parameters, hidden: Tensor<2>, logits: Tensor<2>) -> Tensor<2> {
        let [rows, vocab] = logits.dims();
        let (end, behind) = (self.header.end as usize, self.header.end as usize + 1);
        let own = hidden.matmul(parameters.value(self.end_out).transpose());
        let mut parts = Vec::with_capacity(3);
        if end > 0 {
            parts.push(logits.clone().narrow(1, 0, end));
        }
        parts.push(own.reshape([rows, 1]));
        if behind < vocab {
            parts.push(logits.narrow(1, behind, vocab - behind));
        }
        Tensor::cat(parts, 1)
    }
}

/// Gives the factor `a` or `b` of the update with this name, in this shape.
type Factors<'a> = dyn FnMut(&str, &str, [usize; 2]) -> Result<Tensor<2>, ModelError> + 'a;

/// The updates of a block: name, width of the input and of the output.
fn shapes(c: &TransformerConfig) -> [(&'static str, usize, usize); 4] {
    [
        ("qkv", c.hidden, c.qkv_rows()),
        ("out", c.heads * c.head_dim, c.hidden),
        ("gate_up", c.hidden, 2 * c.intermediate),
        ("down", c.intermediate, c.hidden),
    ]
}

impl TrainModel {
    /// Adds a new adapter, which changes nothing yet (its second factors are 0), and freezes everything else. The input vector of
    /// `mask` and the output row of `end` begin as the base's rows of these ids.
    ///
    /// # Errors
    /// An id is not in the vocabulary.
    pub fn add_adapter(&mut self, header: Header, random: &mut StdRng) -> Result<(), ModelError> {
        let inner = self.device().clone().inner();
        let row = |model: &Self, id: TokenId, name: &str| {
            let table = model.parameters().named(name).or_else(|| model.parameters().named("model.embed_tokens.weight"));
            table.map(|table| table.plain().narrow(0, id as usize, 1))
        };
        let vocab = self.config().vocab;
        let known = (header.mask as usize) < vocab && (header.end as usize) < vocab;
        let rows = known.then(|| (row(self, header.mask, "model.embed_tokens.weight"), row(self, header.end, "lm_head.weight")));
        let Some((Some(mask_in), Some(end_out))) = rows else {
            return Err(ModelError::Mismatch("the mask or end token is not in the base's vocabulary".to_owned()));
        };
        let rank = header.rank;
        self.attach(header, mask_in, end_out, &mut |_, part, [rows, width]| {
            let values =
                if part == "a" { normal(rows * width, (width as f32).sqrt().recip(), random) } else { vec![0.0; rows * rank] };
            Ok(tensor(values, [rows, width], &inner))
        })
    }

    /// Adds the adapter of a file, and freezes everything else.
    ///
    /// # Errors
    /// The file is missing or truncated, is no canvas adapter, or was made for another base.
    pub fn load_adapter(&mut self, path: &Path) -> Result<(), ModelError> {
        let damaged = |reason: String| ModelError::Damaged { path: path.to_owned(), reason };
        let weights = Weights::open_safetensors(&[PathBuf::from(path)])?;
        let header = Header::read(&weights).map_err(damaged)?;
        let (hidden, vocab) = (self.config().hidden, self.config().vocab);
        if header.mask as usize >= vocab || header.end as usize >= vocab {
            return Err(damaged("its mask or end token is not in the base's vocabulary".to_owned()));
        }
        let inner = self.device().clone().inner();
        let vector = |name: &str| Ok::<_, ModelError>(tensor(weights.read_vec(name, &[hidden])?, [1, hidden], &inner));
        let (mask_in, end_out) = (vector("mask_in")?, vector("end_out")?);
        self.attach(header, mask_in, end_out, &mut |name, part, shape| {
            Ok(tensor(weights.read_vec(&format!("{name}.{part}"), &shape)?, shape, &inner))
        })
    }

    fn attach(
        &mut self,
        header: Header,
        mask_in: Tensor<2>,
        end_out: Tensor<2>,
        value: &mut Factors<'_>,
    ) -> Result<(), ModelError> {
        let config = self.config().clone();
        let parameters = self.parameters_mut();
        parameters.freeze(|_| false);
        let mut blocks = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let mut low_rank = |(name, width_in, width_out): (&str, usize, usize)| -> Result<LowRankPlaces, ModelError> {
                let name = format!("layers.{layer}.{name}");
                let (a, b) = ([header.rank, width_in], [width_out, header.rank]);
                let (first, second) = (value(&name, "a", a)?, value(&name, "b", b)?);
                Ok(LowRankPlaces {
                    a: parameters.push(format!("{name}.a"), Kind::Matrix, true, &a, first),
                    b: parameters.push(format!("{name}.b"), Kind::Matrix, true, &b, second),
                })
            };
            let [qkv, out, gate_up, down] = shapes(&config);
            blocks.push(AdapterBlockPlaces {
                qkv: low_rank(qkv)?,
                out: low_rank(out)?,
                gate_up: low_rank(gate_up)?,
                down: low_rank(down)?,
            });
        }
        let mask_in = parameters.push("mask_in", Kind::Vector, true, &[config.hidden], mask_in);
        let end_out = parameters.push("end_out", Kind::Vector, true, &[config.hidden], end_out);
        self.adapter = Some(AdapterPlaces { header, mask_in, end_out, blocks });
        Ok(())
    }

    /// What the adapter's file says of itself.
    pub fn adapter_header(&self) -> Option<Header> {
        self.adapter.as_ref().map(|adapter| adapter.header)
    }
}
