//! The terminal interface: select a span, say what to do, watch it settle, accept what is right.
//!
//! [`state::State`] is everything; [`update::update`] changes it for a message and asks for effects; [`view::view`] draws it.
//! None of them reads, writes, waits, or knows a model: [`terminal`] runs the effects, and the model stands behind
//! [`engine::Engine`].

pub mod engine;
pub mod input;
pub mod keymap;
pub mod state;
pub mod terminal;
pub mod theme;
pub mod update;
pub mod view;
