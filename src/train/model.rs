//! A transformer that can be trained: the arithmetic of the inference transformer in operations that Burn differentiates, on every
//! device alike (on the CPU three of them in one pass each, see `fused.rs`).
//!
//! The inference transformer computes with kernels of its own on the CPU, through which no gradient flows. What the two share is
//! sizes, names, rotary tables and the reading of weights; that they compute the same is tested on the goldens of each family.

use burn::tensor::Device;
use burn::tensor::Int;
use burn::tensor::Tensor;
use burn::tensor::TensorData;
use rand::rngs::StdRng;

use crate::model::config::TransformerConfig;
use crate::model::error::ModelError;
use crate::model::matrix::RowOrder;
use crate::model::rope::Rope;
use crate::model::rope::Rotation;
use crate::model::spec::TokenId;
use crate::model::weights::Piece;
use crate::model::weights::Weights;
use crate::train::adapter::AdapterPlaces;
use crate::train::adapter::LowRankPlaces;
use crate::train::fused;
use crate::train::parameters::Kind;
use crate::train::parameters::Parameters;
use crate::train::parameters::normal;
use crate::train::parameters::tensor;
use crate::train::visibility::Visibility;

/// Standard deviation of random weights, that of the Llama and Qwen families.
const DEVIATION: f32 = 0.02;

/// Places of a linear map's weight and bias.
#[derive(Clone, Copy, Debug)]
struct Linear {
    weight: usize,
    bias: Option<usize>,
}

/// Places of a block's parameters, under the names of checkpoints.
#[derive(Clone, Copy, Debug)]
struct Block {
    input_layernorm: usize,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    head_norms: Option<(usize, usize)>,
    o_proj: Linear,
    post_attention_layernorm: usize,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

/// Embedding, blocks, final norm and head, and perhaps a canvas adapter.
#[derive(Debug)]
pub struct TrainModel {
    config: TransformerConfig,
    device: Device,
    parameters: Parameters,
    embed_tokens: usize,
    blocks: Vec<Block>,
    norm: usize,
    lm_head: Option<usize>,
    rope: Rope,
    pub(super) adapter: Option<AdapterPlaces>,
}

/// Gives the value of the parameter with this name, shape and kind.
type Values<'a> = dyn FnMut(&str, &[usize], Kind) -> Result<Tensor<2>, ModelError> + 'a;

/// Keys and values of earlier elements for each block, `[batch, kv_heads, elements, head_dim]`.
pub type Past = Vec<(Tensor<4>, Tensor<4>)>;

/// One pass over `batch` sequences of equal length.
pub struct Elements<'a> {
    /// `batch` rows of `seq` ids, one after the other.
    pub ids: &'a [TokenId],
    /// Sequences.
    pub batch: usize,
    /// Positions of the elements.
    pub positions: &'a [usize],
    /// Who sees whom; keys are those of `past` and those of the elements.
    pub visibility: &'a Visibility,
    /// Keys and values of earlier elements.
    pub past: Option<&'a Past>,
    /// Whether the adapter takes part, in models that have one.
    pub adapted: bool,
}

/// What a pass gives back.
pub struct Passed {
    /// Hidden states after the final norm, `[batch * seq, hidden]`.
    pub hidden: Tensor<2>,
    /// Keys and values of the elements.
    pub keys_values: Past,
}

impl TrainModel {
    /// A model with random weights: normal, those that write to the residual stream smaller in deep models; norms 1, biases 0.
    ///
    /// # Errors
    /// A mixture of experts, which is not trained.
    pub fn random(config: TransformerConfig, device: &Device, random: &mut StdRng) -> Result<Self, ModelError> {
        let residual = DEVIATION / (2.0 * config.layers as f32).sqrt();
        let inner = device.clone().inner();
        Self::build(config, device, &mut |name, shape, kind| {
            let count = shape.iter().product();
            let values = match kind {
                Kind::Vector if name.ends_with("bias") => vec![0.0; count],
                Kind::Vector => vec![1.0; count],
                _ if name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight") => normal(count, residual, random),
                _ => normal(count, DEVIATION, random),
            };
            Ok(tensor(values, two(shape), &inner))
        })
    }

    /// A model with the weights of a checkpoint.
    ///
    /// # Errors
    /// A tensor is missing or has another shape than the configuration says, or the model is a mixture of experts.
    pub fn load(config: TransformerConfig, weights: &Weights, device: &Device) -> Result<Self, ModelError> {
        let inner = device.clone().inner();
        let head_order = weights.head_order(&config);
        Self::build(config, device, &mut |name, shape, _| {
            let rotated = ["q_proj", "k_proj", "q_norm", "k_norm"].iter().any(|part| name.contains(part));
            let rows = shape[0];
            let order = head_order.clone().filter(|_| rotated).map(|head| RowOrder { head, rows });
            let piece = Piece { name: name.to_owned(), rows, order };
            match shape {
                [_, width] => Ok(weights.matrix(&[piece], *width, &inner)?.to_dense(&inner)),
                _ => Ok(tensor(weights.vector(&[piece])?, [1, rows], &inner)),
            }
        })
    }

    fn build(config: TransformerConfig, device: &Device, value: &mut Values<'_>) -> Result<Self, ModelError> {
        let c = &config;
        if c.experts.is_some() {
            return Err(ModelError::Mismatch("a mixture of experts cannot be trained; choose a dense model".to_owned()));
        }
        let mut parameters = Parameters::default();
        let mut add = |name: String, shape: &[usize], kind| -> Result<usize, ModelError> {
            let tensor = value(&name, shape, kind)?;
            Ok(parameters.push(name, kind, true, shape, tensor))
        };
        let table = [c.vocab, c.hidden];
        let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let embed_tokens = add("model.embed_tokens.weight".to_owned(), &table, Kind::Table)?;
        let mut blocks = Vec::with_capacity(c.layers);
        for layer in 0..c.layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}");
            let mut linear = |part: &str, rows: usize, width: usize, biased: bool| -> Result<Linear, ModelError> {
                let weight = add(name(&format!("{part}.weight")), &[rows, width], Kind::Matrix)?;
                let bias = biased.then(|| add(name(&format!("{part}.bias")), &[rows], Kind::Vector)).transpose()?;
                Ok(Linear { weight, bias })
            };
            let q_proj = linear("self_attn.q_proj", q, c.hidden, c.qkv_bias)?;
            let k_proj = linear("self_attn.k_proj", kv, c.hidden, c.qkv_bias)?;
            let v_proj = linear("self_attn.v_proj", kv, c.hidden, c.qkv_bias)?;
            let o_proj = linear("self_attn.o_proj", c.hidden, q, false)?;
            let gate_proj = linear("mlp.gate_proj", c.intermediate, c.hidden, false)?;
            let up_proj = linear("mlp.up_proj", c.intermediate, c.hidden, false)?;
            let down_proj = linear("mlp.down_proj", c.hidden, c.intermediate, false)?;
            let mut norm = |part: &str, width: usize| add(name(part), &[width], Kind::Vector);
            let input_layernorm = norm("input_layernorm.weight", c.hidden)?;
            let post_attention_layernorm = norm("post_attention_layernorm.weight", c.hidden)?;
            let head_norms = match c.qk_norm {
                true => Some((norm("self_attn.q_norm.weight", c.head_dim)?, norm("self_attn.k_norm.weight", c.head_dim)?)),
                false => None,
            };
            blocks.push(Block {
                input_layernorm,
                q_proj,
                k_proj,
                v_proj,
                head_norms,
                o_proj,
                post_attention_layernorm,
                gate_proj,
                up_proj,
                down_proj,
            });
        }
        let norm = add("model.norm.weight".to_owned(), &[c.hidden], Kind::Vector)?;
        let lm_head = (!c.tied).then(|| add("lm_head.weight".to_owned(), &table, Kind::Table)).transpose()?;
        let rope = Rope::partial(c.head_dim, c.rotary_dim, c.rope_theta);
        let device = device.clone().autodiff();
        Ok(Self { config, device, parameters, embed_tokens, blocks, norm, lm_head, rope, adapter: None })
    }

    /// Sizes.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// Where it is, with automatic differentiation.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Does something that needs no gradients: nothing is kept for them.
    pub fn without_graph<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let device = self.device.clone();
        self.device = device.clone().inner();
        let before = self.parameters.set_plain(true);
        let result = work(self);
        self.parameters.set_plain(before);
        self.device = device;
        result
    }

    /// Its parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Its parameters, to be changed.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// Runs the blocks.
    ///
    /// # Panics
    /// When ids, positions and visibility do not belong together.
    pub fn forward(&mut self, elements: &Elements<'_>) -> Passed {
        let (batch, seq) = (elements.batch, elements.ids.len() / elements.batch.max(1));
        assert_eq!((elements.positions.len(), elements.visibility.queries), (elements.ids.len(), seq));
        let rotation = self.rope.rotation(elements.positions, batch, &self.device);
        let bias = elements.visibility.bias(&self.device);
        let adapter = self.adapter.as_ref().filter(|_| elements.adapted);
        let c = &self.config;
        let mut rows = self.parameters.value(self.embed_tokens).select(0, indices(elements.ids, &self.device));
        if let Some(adapter) = adapter {
            rows = adapter.embed(&self.parameters, rows, elements.ids);
        }
        let mut keys_values = Vec::with_capacity(self.blocks.len());
        for (layer, block) in self.blocks.iter().enumerate() {
            let updates = adapter.map(|adapter| &adapter.blocks[layer]);
            let normed = self.rms_norm(rows.clone(), block.input_layernorm);
            let (queries, keys, values) = self.heads(block, normed, updates.map(|updates| &updates.qkv), &rotation, [batch, seq]);
            keys_values.push((keys.clone(), values.clone()));
            let (keys, values) = match elements.past.and_then(|past| past.get(layer)) {
                Some((past_keys, past_values)) => {
                    (Tensor::cat(vec![past_keys.clone(), keys], 2), Tensor::cat(vec![past_values.clone(), values], 2))
                }
                None => (keys, values),
            };
            let attended = attend(queries, keys, values, bias.clone());
            let attended = attended.swap_dims(1, 2).reshape([batch * seq, c.heads * c.head_dim]);
            rows = rows + self.linear(attended, block.o_proj, updates.map(|updates| &updates.out));
            let normed = self.rms_norm(rows.clone(), block.post_attention_layernorm);
            let (mut gate, mut up) =
                (self.linear(normed.clone(), block.gate_proj, None), self.linear(normed.clone(), block.up_proj, None));
            if let Some(updates) = updates {
                let term = updates.gate_up.term(&self.parameters, normed);
                gate = gate + term.clone().narrow(1, 0, c.intermediate);
                up = up + term.narrow(1, c.intermediate, c.intermediate);
            }
            rows = rows + self.linear(fused::swiglu(gate, up), block.down_proj, updates.map(|updates| &updates.down));
        }
        Passed { hidden: self.rms_norm(rows, self.norm), keys_values }
    }

    /// Logits of hidden rows `[rows, hidden]`: `[rows, vocab]`. Where the adapter takes part, the one of `end` is its own.
    pub fn logits(&self, hidden: Tensor<2>, adapted: bool) -> Tensor<2> {
        let head = self.parameters.value(self.lm_head.unwrap_or(self.embed_tokens));
        let logits = hidden.clone().matmul(head.transpose());
        match self.adapter.as_ref().filter(|_| adapted) {
            Some(adapter) => adapter.logits(&self.parameters, hidden, logits),
            None => logits,
        }
    }

    /// Multiplications and additions of a forward and a backward pass for one element, attention scores left out: two for each weight
    /// of a linear map forward, and four backward where it is trained (two where only its input's gradient is needed).
    pub fn flops_per_element(&self) -> f64 {
        let maps = self.parameters.iter().filter(|p| p.kind == Kind::Matrix);
        let blocks: f64 = maps.map(|p| p.len() as f64 * if p.trained { 6.0 } else { 4.0 }).sum();
        blocks
    }

    /// Multiplications and additions of the head for one row, forward and backward.
    pub fn flops_per_target(&self) -> f64 {
        6.0 * (self.config.vocab * self.config.hidden) as f64
    }

    fn linear(&self, rows: Tensor<2>, linear: Linear, update: Option<&LowRankPlaces>) -> Tensor<2> {
        let mut out = rows.clone().matmul(self.parameters.value(linear.weight).transpose());
        if let Some(bias) = linear.bias {
            out = out + self.parameters.value(bias);
        }
        match update {
            Some(update) => out + update.term(&self.parameters, rows),
            None => out,
        }
    }

    /// Normalises rows `[rows, width]`.
    fn rms_norm(&self, rows: Tensor<2>, weight: usize) -> Tensor<2> {
        fused::rms_norm(rows, self.parameters.value(weight), self.config.rms_norm_eps)
    }

    /// Queries `[batch, heads, seq, head_dim]`, scaled, and keys and values `[batch, kv_heads, seq, head_dim]`.
    fn heads(
        &self,
        block: &Block,
        rows: Tensor<2>,
        update: Option<&LowRankPlaces>,
        rotation: &Rotation,
        [batch, seq]: [usize; 2],
    ) -> (Tensor<4>, Tensor<4>, Tensor<4>) {
        let c = &self.config;
        let term = update.map(|update| update.term(&self.parameters, rows.clone()));
        let part = |linear, start: usize, count: usize| {
            let out = self.linear(rows.clone(), linear, None);
            match &term {
                Some(term) => out + term.clone().narrow(1, start * c.head_dim, count * c.head_dim),
                None => out,
            }
        };
        let split = |rows: Tensor<2>, count: usize, norm: Option<usize>| {
            let rows = match norm {
                Some(norm) => self.rms_norm(rows.reshape([batch * seq * count, c.head_dim]), norm),
                None => rows,
            };
            rows.reshape([batch, seq, count, c.head_dim])
        };
        let (q_norm, k_norm) = (block.head_norms.map(|norms| norms.0), block.head_norms.map(|norms| norms.1));
        let queries = rotation.apply(split(part(block.q_proj, 0, c.heads), c.heads, q_norm));
        let keys = rotation.apply(split(part(block.k_proj, c.heads, c.kv_heads), c.kv_heads, k_norm));
        let values = split(part(block.v_proj, c.heads + c.kv_heads, c.kv_heads), c.kv_heads, None);
        let scale = (c.head_dim as f32).sqrt().recip();
        (queries.swap_dims(1, 2) * scale, keys.swap_dims(1, 2), values.swap_dims(1, 2))
    }
}

/// Attention of queries `[batch, heads, seq, head_dim]` over keys and values `[batch, kv_heads, keys, head_dim]`; query heads that
/// share a key head are folded into its rows. Output `[batch, heads, seq, head_dim]`.
fn attend(queries: Tensor<4>, keys: Tensor<4>, values: Tensor<4>, bias: Option<Tensor<4>>) -> Tensor<4> {
    let [batch, heads, seq, head_dim] = queries.dims();
    let [_, kv_heads, count, _] = keys.dims();
    let folded = [batch, kv_heads, heads / kv_heads * seq, head_dim];
    let scores = queries.reshape(folded).matmul(keys.swap_dims(2, 3)).reshape([batch, heads, seq, count]);
    let scores = match bias {
        Some(bias) => scores + bias,
        None => scores,
    };
    let shares = fused::softmax(scores).reshape([batch, kv_heads, heads / kv_heads * seq, count]);
    shares.matmul(values).reshape([batch, heads, seq, head_dim])
}

/// Ids as indices of rows.
pub(super) fn indices(ids: &[TokenId], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = ids.iter().map(|&id| i32::try_from(id).unwrap_or(0)).collect();
    Tensor::from_data(TensorData::new(values, [ids.len()]), device)
}

fn two(shape: &[usize]) -> [usize; 2] {
    match shape {
        [rows, width] => [*rows, *width],
        _ => [1, shape.iter().product()],
    }
}
