//! A decoder-only transformer of the Llama family and its relatives, with fused projections and room for a canvas adapter.
//!
//! Relatives differ by data: biases of the projections, norms of the heads, the part of a head that is rotated, and names of
//! tensors. Where the feed-forward part is a mixture of experts, see `experts.rs`.

use burn::tensor::Device;
use burn::tensor::Tensor;
use burn::tensor::TensorData;

use crate::model::adapter::Adapter;
use crate::model::adapter::AdapterBlock;
use crate::model::adapter::LowRank;
use crate::model::config::TransformerConfig;
use crate::model::error::ModelError;
use crate::model::experts::Experts;
use crate::model::kernels;
use crate::model::kernels::HeadLayout;
use crate::model::kernels::attend;
use crate::model::kernels::attend_on_device;
use crate::model::kernels::hidden_keys;
use crate::model::kernels::linear;
use crate::model::kernels::rms_norm;
use crate::model::kernels::split_heads;
use crate::model::kernels::swiglu;
use crate::model::kv_cache::KvCache;
use crate::model::matrix::Matrix;
use crate::model::matrix::RowOrder;
use crate::model::rope::Rope;
use crate::model::spec::TokenId;
use crate::model::weights::Piece;
use crate::model::weights::Weights;

/// A linear map with the weight as checkpoints have it, `[out, in]`.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    pub(super) weight: Matrix,
    pub(super) bias: Option<Tensor<2>>,
}

impl Linear {
    /// Rows `[rows, in]` to `[rows, out]`, with the update of an adapter.
    pub(super) fn forward(&self, rows: Tensor<2>, update: Option<&LowRank>) -> Tensor<2> {
        let term = update.map(|update| update.term(rows.clone()));
        linear(rows, &self.weight, self.bias.as_ref(), term.as_ref())
    }
}

/// Root-mean-square normalisation.
#[derive(Clone, Debug)]
struct RmsNorm {
    /// `[1, hidden]`
    weight: Tensor<2>,
    eps: f64,
}

impl RmsNorm {
    /// Rows `[rows, hidden]` to the same shape.
    fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        rms_norm(rows, &self.weight, self.eps)
    }
}

/// Normalises each query and key head of a fused projection.
#[derive(Clone, Debug)]
struct HeadNorms {
    queries: RmsNorm,
    keys: RmsNorm,
}

impl HeadNorms {
    /// `[rows, (heads + 2 kv_heads) * head_dim]` to the same shape; values are left as they are.
    fn forward(&self, qkv: Tensor<2>, c: &TransformerConfig) -> Tensor<2> {
        let rows = qkv.dims()[0];
        let (q, k) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let normed = |norm: &RmsNorm, part: Tensor<2>, width: usize| {
            norm.forward(part.reshape([rows * width / c.head_dim, c.head_dim])).reshape([rows, width])
        };
        let queries = normed(&self.queries, qkv.clone().narrow(1, 0, q), q);
        let keys = normed(&self.keys, qkv.clone().narrow(1, q, k), k);
        Tensor::cat(vec![queries, keys, qkv.narrow(1, q + k, k)], 1)
    }
}

/// What happens to each element by itself.
// One in each block, and nearly always the large one.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
enum FeedForward {
    Dense(Dense),
    Experts(Box<Experts>),
}

/// A gated feed-forward part.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    gate_up_proj: Linear,
    down_proj: Linear,
}

impl Dense {
    /// Reads the part under `prefix` with the given inner width.
    pub(super) fn read(
        c: &TransformerConfig,
        weights: &Weights,
        prefix: &str,
        inner: usize,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let piece = |part: &str, rows| Piece { name: format!("{prefix}.{part}_proj.weight"), rows, order: None };
        let linear =
            |pieces: &[Piece], width| Ok::<_, ModelError>(Linear { weight: weights.matrix(pieces, width, device)?, bias: None });
        Ok(Self {
            gate_up_proj: linear(&[piece("gate", inner), piece("up", inner)], c.hidden)?,
            down_proj: linear(&[piece("down", c.hidden)], inner)?,
        })
    }

    /// Rows `[rows, hidden]` to the same shape.
    pub(super) fn forward(&self, rows: Tensor<2>, update: Option<&AdapterBlock>) -> Tensor<2> {
        let gate_up = self.gate_up_proj.forward(rows, update.map(|update| &update.gate_up));
        self.down_proj.forward(swiglu(gate_up), update.map(|update| &update.down))
    }
}

#[derive(Clone, Debug)]
struct Block {
    input_layernorm: RmsNorm,
    qkv_proj: Linear,
    head_norms: Option<HeadNorms>,
    o_proj: Linear,
    post_attention_layernorm: RmsNorm,
    feed_forward: FeedForward,
}

/// Embedding, blocks, final norm and head.
#[derive(Debug)]
pub struct Transformer {
    config: TransformerConfig,
    device: Device,
    embed_tokens: Matrix,
    blocks: Vec<Block>,
    norm: RmsNorm,
    lm_head: Option<Matrix>,
    rope: Rope,
    /// Whether the kernels of the CPU run it.
    by_kernels: bool,
    /// Whether the weights are in half precision, as a device with fast half products has them.
    half: bool,
}

/// One forward pass over `batch` sequences of equal length.
pub struct Pass<'a> {
    /// Input vectors, `[batch, seq, hidden]`.
    pub input: Tensor<3>,
    /// Positions, `batch` rows of `seq`, one after the other.
    pub positions: &'a [usize],
    /// Added to the attention scores among the elements of the pass, `[batch or 1, seq, seq]`; `None` lets all see all.
    pub bias: Option<Tensor<3>>,
    /// Keys and values of earlier elements, which all elements of the pass see, and how many of them.
    pub past: Option<(&'a KvCache, usize)>,
    /// The adapter, for canvas elements.
    pub adapter: Option<&'a Adapter>,
}

/// What a pass gives back.
pub struct Passed {
    /// Hidden states after the final norm, `[batch, seq, hidden]`.
    pub hidden: Tensor<3>,
    /// Keys and values of the elements of the pass for each block, `[kv_heads, batch, seq, head_dim]`.
    pub keys_values: Vec<(Tensor<4>, Tensor<4>)>,
    /// The output of each block before the final norm, when asked for.
    pub blocks: Vec<Tensor<3>>,
}

impl Transformer {
    /// Reads all weights and moves them to the device, calling `progress` with the share that is done.
    ///
    /// # Errors
    /// A tensor is missing or has another shape than the configuration says.
    pub fn load(
        config: TransformerConfig,
        weights: &Weights,
        device: &Device,
        progress: &mut dyn FnMut(f32),
    ) -> Result<Self, ModelError> {
        let c = &config;
        let matrix = |values: Vec<f32>, shape: [usize; 2]| Tensor::<2>::from_data(TensorData::new(values, shape), device);
        let norm = |name: String| -> Result<RmsNorm, ModelError> {
            Ok(RmsNorm { weight: matrix(weights.read_vec(&name, &[c.hidden])?, [1, c.hidden]), eps: c.rms_norm_eps })
        };
        let whole = |name: String, [rows, width]: [usize; 2]| weights.matrix(&[Piece { name, rows, order: None }], width, device);
        let single = |name: String, shape| Ok::<_, ModelError>(Linear { weight: whole(name, shape)?, bias: None });
        let q = c.heads * c.head_dim;
        let table = [c.vocab, c.hidden];
        let embed_tokens = whole("model.embed_tokens.weight".to_owned(), table)?;
        let all = c.parameters() as f32;
        let per_block = (all - (c.vocab * c.hidden) as f32) / c.layers as f32;
        let mut blocks = Vec::with_capacity(c.layers);
        for layer in 0..c.layers {
            progress(1.0 - per_block * (c.layers - layer) as f32 / all);
            let name = |part: &str| format!("model.layers.{layer}.{part}");
            blocks.push(Block {
                input_layernorm: norm(name("input_layernorm.weight"))?,
                qkv_proj: read_qkv(c, weights, layer, device)?,
                head_norms: c.qk_norm.then(|| read_head_norms(c, weights, layer, device)).transpose()?,
                o_proj: single(name("self_attn.o_proj.weight"), [c.hidden, q])?,
                post_attention_layernorm: norm(name("post_attention_layernorm.weight"))?,
                feed_forward: match c.experts.filter(|experts| layer >= experts.dense_blocks) {
                    Some(experts) => FeedForward::Experts(Box::new(Experts::read(c, &experts, weights, &name("mlp"), device)?)),
                    None => FeedForward::Dense(Dense::read(c, weights, &name("mlp"), c.intermediate, device)?),
                },
            });
        }
        let lm_head = (!c.tied).then(|| whole("lm_head.weight".to_owned(), table)).transpose()?;
        let norm = norm("model.norm.weight".to_owned())?;
        let rope = Rope::partial(c.head_dim, c.rotary_dim, c.rope_theta);
        let by_kernels = kernels::run_on(device);
        let half = blocks.first().is_some_and(|block| block.o_proj.weight.is_half());
        progress(1.0);
        Ok(Self { device: device.clone(), embed_tokens, blocks, norm, lm_head, rope, by_kernels, half, config })
    }

    /// Sizes.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// The weights of the linear maps of each block, in the order in which a pass uses them; experts are not among them.
    pub fn linear_maps(&self) -> impl Iterator<Item = Vec<&Matrix>> {
        self.blocks.iter().map(|block| {
            let mut maps = vec![&block.qkv_proj.weight, &block.o_proj.weight];
            if let FeedForward::Dense(dense) = &block.feed_forward {
                maps.extend([&dense.gate_up_proj.weight, &dense.down_proj.weight]);
            }
            maps
        })
    }

    /// Whether the weights are in half precision, so that predictions differ from those of f32 by more than rounding.
    pub fn is_half(&self) -> bool {
        self.half
    }

    /// Whether sizes that are alike should be made equal: a device compiles and tries kernels for the sizes that it meets.
    pub fn wants_buckets(&self) -> bool {
        !self.by_kernels
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Input vectors of ids, `[batch, seq, hidden]`; `ids` holds the rows one after the other.
    pub fn embed(&self, ids: &[TokenId], batch: usize) -> Tensor<3> {
        let rows = self.embed_tokens.select(ids, &self.device);
        rows.reshape([batch, ids.len() / batch.max(1), self.config.hidden])
    }

    /// Runs the blocks.
    pub fn forward(&mut self, pass: Pass<'_>) -> Passed {
        self.run(pass, false)
    }

    /// As [`Transformer::forward`], keeping the output of each block: for comparison with references.
    pub fn forward_traced(&mut self, pass: Pass<'_>) -> Passed {
        self.run(pass, true)
    }

    fn run(&mut self, pass: Pass<'_>, trace: bool) -> Passed {
        if self.by_kernels {
            // A pass has hundreds of parallel loops. From outside of the thread pool each would be handed over and waited for,
            // which on a busy machine takes longer than the arithmetic; from inside, this thread works on each at once.
            rayon::scope(|_| self.run_here(pass, trace))
        } else {
            self.run_here(pass, trace)
        }
    }

    fn run_here(&mut self, pass: Pass<'_>, trace: bool) -> Passed {
        let [batch, seq, hidden] = pass.input.dims();
        let rotation = self.rope.rotation(pass.positions, batch, &self.device);
        let c = &self.config;
        let layout = HeadLayout { batch, seq, heads: c.heads, kv_heads: c.kv_heads, head_dim: c.head_dim };
        let past_len = pass.past.map_or(0, |(cache, len)| len.min(cache.len()));
        let hidden_keys = pass.bias.as_ref().filter(|_| self.half).map(|bias| hidden_keys(bias, layout, past_len));
        let mut rows = pass.input.clone().reshape([batch * seq, hidden]);
        let (mut keys_values, mut traced) = (Vec::with_capacity(self.blocks.len()), Vec::new());
        for (layer, block) in self.blocks.iter().enumerate() {
            let update = pass.adapter.and_then(|adapter| adapter.blocks.get(layer));
            let qkv = block.qkv_proj.forward(block.input_layernorm.forward(rows.clone()), update.map(|update| &update.qkv));
            let qkv = match &block.head_norms {
                Some(norms) => norms.forward(qkv, c),
                None => qkv,
            };
            let (queries, keys, values) = split_heads(qkv, &rotation, layout);
            let past = pass.past.and_then(|(cache, len)| cache.block(layer, len));
            let attended = if self.half {
                attend_on_device(queries, keys.clone(), values.clone(), past, hidden_keys.clone())
            } else {
                attend(queries, keys.clone(), values.clone(), past, pass.bias.clone())
            };
            keys_values.push((keys, values));
            rows = rows + block.o_proj.forward(attended, update.map(|update| &update.out));
            let normed = block.post_attention_layernorm.forward(rows.clone());
            rows = rows
                + match &block.feed_forward {
                    FeedForward::Dense(dense) => dense.forward(normed, update),
                    FeedForward::Experts(experts) => experts.forward(normed),
                };
            if trace {
                traced.push(rows.clone().reshape([batch, seq, hidden]));
            }
        }
        let hidden = self.norm.forward(rows).reshape([batch, seq, hidden]);
        Passed { hidden, keys_values, blocks: traced }
    }

    /// Logits of hidden rows `[rows, hidden]`: `[rows, vocab]`.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let head = self.lm_head.as_ref().unwrap_or(&self.embed_tokens);
        linear(hidden, head, None, None)
    }
}

/// Reads the query, key and value projections as one; a checkpoint has them apart or fused in this order.
fn read_qkv(c: &TransformerConfig, weights: &Weights, layer: usize, device: &Device) -> Result<Linear, ModelError> {
    let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
    let order = |rows| weights.head_order(c).map(|head| RowOrder { head, rows });
    let name = |projection: &str, part: &str| format!("model.layers.{layer}.self_attn.{projection}_proj.{part}");
    let pieces = |part: &str| {
        if weights.contains(&name("qkv", "weight")) {
            vec![Piece { name: name("qkv", part), rows: c.qkv_rows(), order: order(q + kv) }]
        } else {
            let kinds = [("q", q, order(q)), ("k", kv, order(kv)), ("v", kv, None)];
            kinds.into_iter().map(|(kind, rows, order)| Piece { name: name(kind, part), rows, order }).collect()
        }
    };
    let weight = weights.matrix(&pieces("weight"), c.hidden, device)?;
    let bias = if c.qkv_bias {
        let values = weights.vector(&pieces("bias"))?;
        Some(Tensor::from_data(TensorData::new(values, [1, c.qkv_rows()]), device))
    } else {
        None
    };
    Ok(Linear { weight, bias })
}

fn read_head_norms(c: &TransformerConfig, weights: &Weights, layer: usize, device: &Device) -> Result<HeadNorms, ModelError> {
    let read = |part: &str| -> Result<RmsNorm, ModelError> {
        let name = format!("model.layers.{layer}.self_attn.{part}_norm.weight");
        let order = weights.head_order(c).map(|head| RowOrder { head, rows: c.head_dim });
        let values = weights.vector(&[Piece { name, rows: c.head_dim, order }])?;
        Ok(RmsNorm { weight: Tensor::from_data(TensorData::new(values, [1, c.head_dim]), device), eps: c.rms_norm_eps })
    };
    Ok(HeadNorms { queries: read("q")?, keys: read("k")? })
}
