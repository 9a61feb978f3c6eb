//! From a request to ranked proposals: the context window and prompt, the engine thread, the candidates, and the rounds in
//! which commands judge them.

pub mod candidate;
mod constrain;
mod drafted;
pub mod engine;
pub mod error;
pub mod event;
mod file_end;
pub mod layout;
pub mod prompt;
pub mod proposal;
pub mod rank;
pub mod request;
pub mod rounds;
pub mod run;
mod sampling;
pub mod saved;
pub mod start;
pub mod steer;
mod steered;
mod tail;
