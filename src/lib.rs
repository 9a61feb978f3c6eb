//! dcode rewrites a selected span of a source file in place with a masked-diffusion code model.
//!
//! One direction of knowledge: `document` and `syntax` know no model; `diffusion` knows canvases and predictions but no tensor;
//! tensors live in `model` only; `patch` knows no model; `edit` joins them; `cli` and `tui` are thin shells over it.

#![recursion_limit = "256"]

pub mod bench;
pub mod cli;
pub mod config;
pub mod diffusion;
pub mod document;
pub mod edit;
pub mod hook;
pub mod model;
pub mod patch;
pub mod screen;
pub mod syntax;
pub mod text;
pub mod train;
pub mod tui;
pub mod verify;
