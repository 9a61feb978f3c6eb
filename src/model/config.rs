//! Sizes of a transformer, read from a Hugging Face `config.json` or from GGUF metadata.

use std::path::Path;

use serde::Deserialize;

use crate::model::error::ModelError;
use crate::model::gguf::Gguf;
use crate::model::recognise::Kind;
use crate::model::spec::Family;

/// Sizes and constants of a decoder-only transformer.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformerConfig {
    /// Arithmetic of the blocks.
    pub family: Family,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Inner width of the feed-forward part.
    pub intermediate: usize,
    /// Number of ids.
    pub vocab: usize,
    /// Added to the mean square before its root is taken.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Largest number of positions.
    pub context: usize,
    /// Whether the query, key and value projections have biases.
    pub qkv_bias: bool,
    /// Whether each query and key head is normalised.
    pub qk_norm: bool,
    /// Values of a head that are rotated by position; the others are left as they are.
    pub rotary_dim: usize,
    /// Experts in place of the feed-forward part, where a model has them.
    pub experts: Option<ExpertsConfig>,
    /// Whether the output head is the embedding.
    pub tied: bool,
    /// Whether the model is a denoiser by itself, as far as its configuration tells.
    pub kind: Kind,
    /// The mask id that the configuration names, if any.
    pub mask_token: Option<u32>,
}

/// A mixture of experts: a router sends each element to a few of many small feed-forward parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpertsConfig {
    /// Blocks at the start that have an ordinary feed-forward part.
    pub dense_blocks: usize,
    /// Experts.
    pub count: usize,
    /// Experts that an element is sent to.
    pub per_element: usize,
    /// Experts that every element is sent to, beside the chosen ones.
    pub shared: usize,
    /// Groups that the experts are divided into.
    pub groups: usize,
    /// Groups whose experts can be chosen.
    pub groups_kept: usize,
    /// Factor of the chosen experts' weights.
    pub scale: f32,
    /// Inner width of one expert.
    pub intermediate: usize,
}

/// The keys of `config.json` that matter, under the names of the LLaDA checkpoints too.
#[derive(Deserialize)]
struct HfConfig {
    model_type: String,
    #[serde(alias = "d_model")]
    hidden_size: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    #[serde(alias = "n_heads")]
    num_attention_heads: usize,
    #[serde(alias = "n_kv_heads")]
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    #[serde(alias = "mlp_hidden_size")]
    intermediate_size: usize,
    vocab_size: usize,
    /// Rows of the embedding, when there are more than ids.
    embedding_size: Option<usize>,
    #[serde(default = "default_eps")]
    rms_norm_eps: f64,
    #[serde(default = "default_theta")]
    rope_theta: f64,
    #[serde(alias = "max_sequence_length")]
    max_position_embeddings: Option<usize>,
    attention_bias: Option<bool>,
    #[serde(alias = "weight_tying")]
    tie_word_embeddings: Option<bool>,
    mask_token_id: Option<u32>,
    rope_scaling: Option<serde_json::Value>,
    include_bias: Option<bool>,
    use_bias: Option<bool>,
    #[serde(alias = "include_qkv_bias")]
    use_qkv_bias: Option<bool>,
    use_qk_norm: Option<bool>,
    partial_rotary_factor: Option<f64>,
    num_experts: Option<usize>,
    num_experts_per_tok: Option<usize>,
    num_shared_experts: Option<usize>,
    n_group: Option<usize>,
    topk_group: Option<usize>,
    routed_scaling_factor: Option<f32>,
    moe_intermediate_size: Option<usize>,
    first_k_dense_replace: Option<usize>,
    block_size: Option<usize>,
    block_length: Option<usize>,
    bd_size: Option<usize>,
    /// Classes of the code, in the Transformers library or beside the checkpoint.
    #[serde(default)]
    architectures: serde_json::Value,
    /// For each kind of class, `FILE.CLASS` of the code beside the checkpoint.
    #[serde(default)]
    auto_map: serde_json::Value,
}

impl HfConfig {
    /// What distinguishes the family: its arithmetic, biases of the projections, norms of the heads.
    fn family(&self) -> Result<(Family, bool, bool), String> {
        let bias = |what: Option<bool>| what.unwrap_or(false);
        if bias(self.include_bias) || bias(self.use_bias) {
            return Err("biases outside of the query, key and value projections are not supported".to_owned());
        }
        match self.model_type.to_lowercase().as_str() {
            "llama" | "a2d-llama" => Ok((Family::Llama, bias(self.attention_bias), false)),
            "qwen2" | "dream" | "a2d-qwen2" | "fast_dllm_qwen" => Ok((Family::Qwen2, true, false)),
            "qwen3" | "sdar" | "a2d-qwen3" | "coda" if bias(self.attention_bias) => {
                Err(format!("a {} with attention_bias is not supported", self.model_type))
            }
            "qwen3" | "sdar" | "a2d-qwen3" | "coda" => Ok((Family::Qwen3, false, true)),
            "llada" => Ok((Family::Llada, bias(self.use_qkv_bias), false)),
            "llada2_moe" if bias(self.use_qkv_bias) => Err("an llada2_moe with use_qkv_bias is not supported".to_owned()),
            "llada2_moe" => Ok((Family::Llada2Moe, false, self.use_qk_norm.unwrap_or(true))),
            other => {
                let known = "llama, qwen2, Dream, Fast_dLLM_Qwen, qwen3, sdar, CoDA, a2d-llama, a2d-qwen2, a2d-qwen3, llada and \
                             llada2_moe are";
                Err(format!("models of type {other:?} are not supported ({known})"))
            }
        }
    }

    fn kind(&self) -> Kind {
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let classes = self.architectures.as_array().into_iter().flatten().filter_map(text);
        // `AutoConfig` names the class of the configuration, which is called as the library's more often than not.
        let mapped = self.auto_map.as_object().into_iter().flatten().filter(|(auto, _)| auto.starts_with("AutoModel"));
        let mapped = mapped.filter_map(|(_, value)| text(value)).map(|name| match name.rsplit_once('.') {
            Some((_, class)) => class.to_owned(),
            None => name,
        });
        let classes: Vec<String> = classes.chain(mapped).collect();
        let block = self.block_size.or(self.block_length).or(self.bd_size);
        Kind::recognise(&self.model_type, &classes, block, self.mask_token_id.is_some())
    }

    /// Whether the head is the embedding. The A2D models have a head of their own, whatever their configuration took over from the
    /// model that they were made from.
    fn is_tied(&self) -> bool {
        let a2d = self.model_type.to_lowercase().starts_with("a2d");
        self.tie_word_embeddings.unwrap_or(false) && !a2d
    }

    fn experts(&self) -> Option<ExpertsConfig> {
        let count = self.num_experts.filter(|_| self.model_type.eq_ignore_ascii_case("llada2_moe"))?;
        Some(ExpertsConfig {
            dense_blocks: self.first_k_dense_replace.unwrap_or(0),
            count,
            per_element: self.num_experts_per_tok.unwrap_or(1),
            shared: self.num_shared_experts.unwrap_or(0),
            groups: self.n_group.unwrap_or(1),
            groups_kept: self.topk_group.unwrap_or(1),
            scale: self.routed_scaling_factor.unwrap_or(1.0),
            intermediate: self.moe_intermediate_size.unwrap_or(self.intermediate_size),
        })
    }
}

fn default_eps() -> f64 {
    1e-6
}

fn default_theta() -> f64 {
    10_000.0
}

impl TransformerConfig {
    /// Reads the text of a `config.json`; `path` is for messages.
    ///
    /// # Errors
    /// Not JSON, a key is missing, an unknown family, or sizes that do not fit each other.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, ModelError> {
        let damaged = |reason: String| ModelError::Damaged { path: path.to_owned(), reason };
        let raw: HfConfig = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        let (family, qkv_bias, qk_norm) = raw.family().map_err(damaged)?;
        if raw.rope_scaling.as_ref().is_some_and(|scaling| !scaling.is_null()) {
            return Err(damaged("scaled rotary positions (rope_scaling) are not supported".to_owned()));
        }
        let head_dim = raw.head_dim.unwrap_or(raw.hidden_size / raw.num_attention_heads.max(1));
        let config = Self {
            family,
            hidden: raw.hidden_size,
            layers: raw.num_hidden_layers,
            heads: raw.num_attention_heads,
            kv_heads: raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
            head_dim,
            intermediate: raw.intermediate_size,
            vocab: raw.embedding_size.unwrap_or(raw.vocab_size),
            rms_norm_eps: raw.rms_norm_eps,
            rope_theta: raw.rope_theta,
            context: raw.max_position_embeddings.unwrap_or(2048),
            qkv_bias,
            qk_norm,
            rotary_dim: raw.partial_rotary_factor.map_or(head_dim, |share| (head_dim as f64 * share) as usize),
            experts: raw.experts(),
            kind: raw.kind(),
            tied: raw.is_tied(),
            mask_token: raw.mask_token_id,
        };
        config.check().map_err(damaged)?;
        Ok(config)
    }

    /// Reads the metadata of a GGUF file.
    ///
    /// # Errors
    /// As [`TransformerConfig::from_json`].
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, ModelError> {
        let damaged = |reason: String| ModelError::Damaged { path: gguf.path().to_owned(), reason };
        let architecture = gguf.string("general.architecture").unwrap_or("");
        let family = match architecture {
            "llama" => Family::Llama,
            "qwen2" => Family::Qwen2,
            other => return Err(damaged(format!("models of type {other:?} are not supported (llama and qwen2 are)"))),
        };
        let key = |name: &str| format!("{architecture}.{name}");
        let size = |name: &str| {
            let value = gguf.integer(&key(name)).and_then(|value| usize::try_from(value).ok());
            value.ok_or_else(|| damaged(format!("{} is missing", key(name))))
        };
        if gguf.string(&key("rope.scaling.type")).is_some_and(|kind| kind != "none") || gguf.tensor("rope_freqs.weight").is_some()
        {
            return Err(damaged("scaled rotary positions are not supported".to_owned()));
        }
        let embedding = gguf.tensor("token_embd.weight").ok_or_else(|| damaged("no token embedding".to_owned()))?;
        let (hidden, heads) = (size("embedding_length")?, size("attention.head_count")?);
        let head_dim = gguf.integer(&key("attention.key_length")).and_then(|value| usize::try_from(value).ok());
        let head_dim = head_dim.unwrap_or(hidden / heads.max(1));
        let mask_token = gguf.integer("tokenizer.ggml.mask_token_id").and_then(|id| u32::try_from(id).ok());
        let config = Self {
            family,
            hidden,
            layers: size("block_count")?,
            heads,
            kv_heads: size("attention.head_count_kv").unwrap_or(heads),
            head_dim,
            intermediate: size("feed_forward_length")?,
            vocab: embedding.shape.first().copied().unwrap_or(0),
            rms_norm_eps: gguf.float(&key("attention.layer_norm_rms_epsilon")).unwrap_or_else(default_eps),
            rope_theta: gguf.float(&key("rope.freq_base")).unwrap_or_else(default_theta),
            context: size("context_length").unwrap_or(2048),
            qkv_bias: gguf.tensor("blk.0.attn_q.bias").is_some(),
            qk_norm: false,
            rotary_dim: head_dim,
            experts: None,
            kind: Kind::recognise(architecture, &[], None, mask_token.is_some()),
            tied: gguf.tensor("output.weight").is_none(),
            mask_token,
        };
        config.check().map_err(damaged)?;
        Ok(config)
    }

    /// Sizes that no real model exceeds; what fails here would otherwise fail as an absurd allocation.
    fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: usize, most: usize| {
            if (1..=most).contains(&value) { Ok(()) } else { Err(format!("{name} = {value} is not possible")) }
        };
        within("hidden_size", self.hidden, 1 << 16)?;
        within("num_hidden_layers", self.layers, 1 << 10)?;
        within("num_attention_heads", self.heads, 1 << 10)?;
        within("num_key_value_heads", self.kv_heads, self.heads)?;
        within("head_dim", self.head_dim, 1 << 12)?;
        within("intermediate_size", self.intermediate, 1 << 20)?;
        within("vocab_size", self.vocab, 1 << 24)?;
        within("max_position_embeddings", self.context, 1 << 28)?;
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(format!("{} query heads cannot share {} key heads", self.heads, self.kv_heads));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(format!("a head of {} values cannot be rotated", self.head_dim));
        }
        if !self.rotary_dim.is_multiple_of(2) || !(2..=self.head_dim).contains(&self.rotary_dim) {
            return Err(format!("{} of {} values of a head cannot be rotated", self.rotary_dim, self.head_dim));
        }
        if let Some(experts) = &self.experts {
            within("num_experts", experts.count, 1 << 12)?;
            within("num_experts_per_tok", experts.per_element, experts.count)?;
            within("moe_intermediate_size", experts.intermediate, 1 << 20)?;
            within("n_group", experts.groups, experts.count)?;
            within("topk_group", experts.groups_kept, experts.groups)?;
            let in_groups = experts.count / experts.groups * experts.groups_kept;
            if !experts.count.is_multiple_of(experts.groups) || in_groups < experts.per_element || experts.shared > 64 {
                return Err(format!("{} experts in {} groups are not possible", experts.count, experts.groups));
            }
        }
        if !(self.rope_theta > 0.0 && self.rms_norm_eps > 0.0) {
            return Err("rope_theta and rms_norm_eps must be positive".to_owned());
        }
        Ok(())
    }

    /// Rows of the fused query, key and value projection.
    pub fn qkv_rows(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Number of parameters in the blocks and the embedding, head included when it is not tied.
    pub fn parameters(&self) -> usize {
        let attention = self.hidden * self.qkv_rows() + self.heads * self.head_dim * self.hidden;
        let feed_forward = |layer: usize| match self.experts.filter(|experts| layer >= experts.dense_blocks) {
            Some(experts) => {
                (experts.count + experts.shared) * 3 * self.hidden * experts.intermediate + experts.count * self.hidden
            }
            None => 3 * self.hidden * self.intermediate,
        };
        let blocks: usize = (0..self.layers).map(|layer| attention + feed_forward(layer)).sum();
        let tables = if self.tied { 1 } else { 2 };
        blocks + tables * self.vocab * self.hidden
    }
}
