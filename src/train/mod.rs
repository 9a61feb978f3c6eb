//! Training: examples, the trainable transformer, losses, the loop and its checkpoints.

pub mod adapter;
pub mod alignment;
pub mod batch;
pub mod error;
pub mod example;
pub mod gradient;
pub mod loss;
pub mod mdlm;
pub mod model;
pub mod parameters;
pub mod visibility;
