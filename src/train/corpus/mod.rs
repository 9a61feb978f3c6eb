//! The corpus: from source trees to files of tokens that training reads.
//!
//! Files are found ([`walk`]), filtered ([`filter`], [`licence`]), freed of duplicates ([`near`]), parsed ([`spans`]) and tokenised
//! into shards ([`shard`], [`writer`]); a [`manifest`] says what is there and what was left out. Edits come from git ([`history`]).
//! Nothing here prints.

pub mod build;
pub mod date;
pub mod error;
pub mod filter;
pub mod history;
mod judge;
pub mod licence;
pub mod manifest;
pub mod near;
pub mod open;
pub mod own;
pub mod rules;
pub mod shard;
pub mod spans;
pub mod spdx;
pub mod split;
pub mod walk;
pub mod writer;
