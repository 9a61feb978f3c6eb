//! What the live view and the TUI share: frames of a denoising run, diffs for people, text made safe and measured, colours, terminal modes.
//!
//! Knows no model and no file: a frame is plain data that a shell fills in.

pub mod colour;
pub mod diff;
pub mod frame;
pub mod modes;
pub mod text;
