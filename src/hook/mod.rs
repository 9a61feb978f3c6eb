//! Small refactorings of staged lines: recipes find spans, a template or the model rewrites them, and only what provably holds is
//! kept.
//!
//! A file goes through [`scan`]: each match of a recipe's query that meets its conditions is rewritten and proven. Where the
//! rewriting is fully determined by the match it comes from a template; for the rest a request to the model is handed out, and its
//! answer is proven the same way. Nothing here prints.

pub mod cache;
pub mod condition;
pub mod finding;
pub mod fix;
pub mod install;
pub mod keep;
pub mod known;
pub mod library;
pub mod model;
pub mod package;
pub mod place;
pub mod prove;
pub mod recipe;
pub mod report;
pub mod rewrite;
pub mod sarif;
pub mod scan;
pub mod staged;
pub mod template;

#[cfg(test)]
mod recipe_tests;
