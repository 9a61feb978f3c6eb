//! The transformer, its weights and its tokenizer. Tensors live here only.

pub mod error;
pub mod spec;
