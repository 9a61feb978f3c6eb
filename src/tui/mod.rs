//! The terminal interface: select spans, say what to do, watch and steer while they settle, accept what is right.
//!
//! [`state::State`] is everything; [`update::update`] changes it for a message and asks for effects; [`view::view`] draws it.
//! None of them reads, writes, waits, or knows a model: [`terminal`] runs the effects, files and git stand behind
//! [`host::Host`] on a thread of its own, the model behind [`engine::Engine`], and the user's commands behind
//! [`verify::Verifier`].

pub mod action;
pub mod background;
pub mod clipboard;
pub mod engine;
pub mod export;
pub mod host;
pub mod input;
pub mod keymap;
pub mod layout;
pub mod scripted;
pub mod sideways;
pub mod state;
pub mod terminal;
pub mod theme;
pub mod update;
pub mod verify;
pub mod view;
pub mod words;
pub mod workers;
