//! Canvas, samplers and the denoise loop: plain data, no tensors, no input or output.

pub mod canvas;
pub mod denoiser;
