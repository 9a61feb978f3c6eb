//! The transformer, its weights and its tokenizer. Tensors live here, and in `train`.

pub mod adapter;
pub mod agreement;
pub mod canvas_denoiser;
pub mod config;
pub mod context;
pub mod device;
pub mod error;
pub mod experts;
pub mod gguf;
pub mod kernels;
pub mod kv_cache;
pub mod load;
pub mod loaded;
pub mod locate;
pub mod mapped;
pub mod matrix;
pub mod naming;
pub mod readout;
pub mod rope;
pub mod sequence_denoiser;
pub mod shards;
pub mod spec;
pub mod tokenizer;
pub mod transformer;
mod vector_units;
pub mod weights;
