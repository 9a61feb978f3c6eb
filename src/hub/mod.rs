//! Models of the Hugging Face hub: its cache on disk, which other tools share, and downloads into it.
//!
//! The only code of dcode that opens a socket, and only when it is asked to: `cache` and `name` read the disk alone, `client` is
//! made by `dcode model pull` and nothing else.

pub mod cache;
pub mod client;
pub mod digest;
pub mod download;
pub mod error;
pub mod listing;
pub mod name;
pub mod pull;
pub mod remove;
