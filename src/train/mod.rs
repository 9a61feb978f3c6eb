//! Training: the corpus and how it is corrupted, examples, the trainable transformer, losses, the loop and its checkpoints.

pub mod corpus;
pub mod corrupt;
pub mod example;
