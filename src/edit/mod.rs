//! From a request to ranked candidates: the context window and prompt, the engine thread, the candidates.

pub mod candidate;
mod constrain;
mod drafted;
pub mod engine;
pub mod error;
pub mod event;
pub mod layout;
pub mod prompt;
pub mod rank;
pub mod request;
pub mod run;
pub mod saved;
pub mod start;
pub mod steer;
mod steered;
