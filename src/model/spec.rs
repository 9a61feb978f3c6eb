//! What distinguishes one model from another, as data: the engine has no branch per model name.

use serde::Deserialize;
use serde::Serialize;

/// A token id of a model's vocabulary.
pub type TokenId = u32;

/// The arithmetic of a transformer block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// No biases, pre-norm RMSNorm, SwiGLU.
    Llama,
    /// Llama with biases on the query, key and value projections.
    Qwen2,
    /// Llama with RMSNorm on each query and key head, and a head size of its own.
    Qwen3,
    /// The Llama arithmetic under the names of the LLaDA checkpoints.
    Llada,
    /// LLaDA 2: mixture of experts, partial rotary embedding.
    Llada2Moe,
}

/// Which elements an element may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attention {
    /// Every element sees every element.
    Bidirectional,
    /// Context elements run causally, once; canvas elements see the context, every canvas element that is not masked, and
    /// masked ones at or before their own place.
    Canvas,
    /// Element q sees element k when `k / block <= q / block`.
    BlockCausal(usize),
    /// Element q sees elements at or before q.
    Causal,
}

/// Where the prediction for an element is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shift {
    /// At the element before it, as in models adapted from autoregressive ones.
    Right,
    /// At the element itself.
    None,
}

/// How a request is laid out for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptTemplate {
    /// Qwen2.5-Coder: fill-in-the-middle markers for an infill, ChatML for an edit.
    QwenCoder,
    /// The text around the span as it is, the slots in between.
    Plain,
}

/// Ids that mean something to the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialTokens {
    /// The id that stands in a masked slot.
    pub mask: TokenId,
    /// Closes a span: surplus slots become `end`, the first one committed drops what follows in its span.
    pub end: Option<TokenId>,
    /// One slot that becomes two masks (DreamOn).
    pub expand: Option<TokenId>,
    /// A slot that disappears (DreamOn).
    pub delete: Option<TokenId>,
    /// End of the sequence.
    pub eos: Option<TokenId>,
    /// Ids that must never stand in a slot. `end`, `expand` and `delete` are not among them.
    pub banned: Vec<TokenId>,
}

/// Everything the engine must know about a model beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// Name for people, such as `qwen2.5-coder-0.5b-canvas`.
    pub name: String,
    /// Arithmetic of the blocks.
    pub family: Family,
    /// Who sees whom.
    pub attention: Attention,
    /// Where predictions are read.
    pub shift: Shift,
    /// Ids with a meaning.
    pub tokens: SpecialTokens,
    /// Largest number of elements, context and canvas together.
    pub context_limit: usize,
    /// Layout of a request.
    pub prompt: PromptTemplate,
    /// SPDX expression of the weights.
    pub licence: String,
    /// The sampler of the model's reference, as for `--sampler`, where it is known.
    #[serde(default)]
    pub sampler: Option<String>,
}
