//! Errors of training.

use std::path::Path;
use std::path::PathBuf;

use crate::model::error::ModelError;
use crate::train::corpus::error::CorpusError;

/// Why a run could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A key of a recipe has a value that cannot be.
    #[error("{path}: {key}: {reason}")]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// The key, with its tables: `model.layers`.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The base or the result is not what it must be.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The corpus could not be made or read.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// There is nothing to learn from.
    #[error("no examples: {0}")]
    Data(String),
    /// A checkpoint does not fit the recipe, or is damaged.
    #[error("{path}: {reason}")]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The loss is no number any more.
    #[error(
        "the loss or its gradient is not a number since step {step}; lower optimiser.rate or raise optimiser.warmup, then go on with --resume"
    )]
    Diverged {
        /// The first of the steps that were left out.
        step: usize,
    },
    /// The run ended above the loss that its recipe promises.
    #[error("the {stage} stage ended at a loss of {loss:.3}, above the recipe's {below}; it needs more steps or another rate")]
    Above {
        /// The stage.
        stage: String,
        /// Mean of its last steps.
        loss: f64,
        /// What the recipe promises.
        below: f64,
    },
}

impl TrainError {
    /// A failure to read or write `path`.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
