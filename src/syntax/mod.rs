//! What a file's text means: languages, trees, the syntax guard, selection by node and by name, highlighting.
//!
//! Knows no model and no terminal. A file of an unknown language simply has no syntax features.

pub mod completable;
mod definitions;
pub mod guard;
pub mod highlight;
pub mod language;
pub mod parse;
pub mod select;
pub mod symbols;
