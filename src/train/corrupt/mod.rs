//! Corruption: from clean text to what a model sees and what it shall say.
//!
//! Everything is a pure function of its input and the random numbers. [`slots`] is the common form: a run of [`slots::Slot`]s is masked
//! ([`mask`]), shortened or lengthened ([`length`]), given wrong tokens ([`edits`]) or brought into a state that a sampler meets
//! ([`canvas`]), and becomes an [`Example`](crate::train::example::Example). [`breaking`] makes worse code of good code by rules that the
//! hook's recipes undo. [`windows`] draws examples from a corpus, [`sources`] draws [`tasks`] for canvases.

pub mod breaking;
pub mod canvas;
pub mod defects;
pub mod edits;
pub mod fields;
pub mod length;
pub mod mask;
pub mod mixed;
pub mod noise;
pub mod rules;
pub mod slots;
pub mod sources;
pub mod tasks;
#[cfg(test)]
pub(crate) mod testing;
pub mod weighting;
pub mod windows;
