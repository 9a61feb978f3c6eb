//! Canvas, samplers and the denoise loop: plain data, no tensors, no input or output.

pub mod canvas;
pub mod closing;
pub mod constrained;
pub mod denoise;
pub mod denoiser;
pub mod draft;
pub mod filter;
pub mod length;
pub mod sampler;
pub mod samplers;
pub mod scripted;
pub mod threshold;
pub mod trajectory;
