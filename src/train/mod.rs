//! Training: examples, the trainable transformer, losses, the loop and its checkpoints.

pub mod example;
