//! Sizes of a transformer, read from a Hugging Face `config.json` or from GGUF metadata.

use std::path::Path;

use serde::Deserialize;

use crate::model::error::ModelError;
use crate::model::gguf::Gguf;
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
    /// Whether the output head is the embedding.
    pub tied: bool,
    /// The mask id that the configuration names, if any.
    pub mask_token: Option<u32>,
}

/// The keys of `config.json` that matter.
#[derive(Deserialize)]
struct HfConfig {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    intermediate_size: usize,
    vocab_size: usize,
    #[serde(default = "default_eps")]
    rms_norm_eps: f64,
    #[serde(default = "default_theta")]
    rope_theta: f64,
    max_position_embeddings: Option<usize>,
    attention_bias: Option<bool>,
    tie_word_embeddings: Option<bool>,
    mask_token_id: Option<u32>,
    rope_scaling: Option<serde_json::Value>,
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
        let (family, bias) = match raw.model_type.to_lowercase().as_str() {
            "llama" => (Family::Llama, raw.attention_bias.unwrap_or(false)),
            "qwen2" | "dream" => (Family::Qwen2, true),
            other => return Err(damaged(format!("models of type {other} are not supported (llama, qwen2 and Dream are)"))),
        };
        if raw.rope_scaling.as_ref().is_some_and(|scaling| !scaling.is_null()) {
            return Err(damaged("scaled rotary positions (rope_scaling) are not supported".to_owned()));
        }
        let config = Self {
            family,
            hidden: raw.hidden_size,
            layers: raw.num_hidden_layers,
            heads: raw.num_attention_heads,
            kv_heads: raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
            head_dim: raw.head_dim.unwrap_or(raw.hidden_size / raw.num_attention_heads.max(1)),
            intermediate: raw.intermediate_size,
            vocab: raw.vocab_size,
            rms_norm_eps: raw.rms_norm_eps,
            rope_theta: raw.rope_theta,
            context: raw.max_position_embeddings.unwrap_or(2048),
            qkv_bias: bias,
            tied: raw.tie_word_embeddings.unwrap_or(false),
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
        let config = Self {
            family,
            hidden,
            layers: size("block_count")?,
            heads,
            kv_heads: size("attention.head_count_kv").unwrap_or(heads),
            head_dim: head_dim.unwrap_or(hidden / heads.max(1)),
            intermediate: size("feed_forward_length")?,
            vocab: embedding.shape.first().copied().unwrap_or(0),
            rms_norm_eps: gguf.float(&key("attention.layer_norm_rms_epsilon")).unwrap_or_else(default_eps),
            rope_theta: gguf.float(&key("rope.freq_base")).unwrap_or_else(default_theta),
            context: size("context_length").unwrap_or(2048),
            qkv_bias: gguf.tensor("blk.0.attn_q.bias").is_some(),
            tied: gguf.tensor("output.weight").is_none(),
            mask_token: gguf.integer("tokenizer.ggml.mask_token_id").and_then(|id| u32::try_from(id).ok()),
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
        let block = attention + 3 * self.hidden * self.intermediate;
        let tables = if self.tied { 1 } else { 2 };
        self.layers * block + tables * self.vocab * self.hidden
    }
}
