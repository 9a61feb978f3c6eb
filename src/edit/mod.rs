//! From a request to ranked candidates: the context window and prompt, the engine thread, the candidates.

pub mod candidate;
pub mod engine;
pub mod error;
pub mod event;
pub mod layout;
pub mod prompt;
pub mod rank;
pub mod request;
pub mod run;
