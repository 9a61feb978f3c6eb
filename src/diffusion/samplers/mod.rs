//! Published sampling rules, one file each, all through the one loop of `denoise.rs`.
//!
//! Most of them are a [`Rule`](rule::Rule), which picks slots of one block, inside [`Blockwise`](blockwise::Blockwise), which
//! knows the order of blocks and what may be cached. Rules that take back or change what was committed are samplers of their own.

pub mod blockwise;
pub mod choice;
pub mod confidence;
pub mod dreamon;
pub mod dynamic;
pub mod entropy_bound;
pub mod factor;
pub mod klass;
pub mod origin;
pub mod p2;
pub mod quota;
pub mod remdm;
pub mod rule;
pub mod schedule;
pub mod threshold;
pub mod token_edit;
pub mod wino;
