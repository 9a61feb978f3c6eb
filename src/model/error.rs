//! Errors of models and their files.

use std::path::PathBuf;

/// Why a model could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No model under the name or path.
    #[error("no model at {path}: {reason}")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// What is not there.
        reason: String,
    },
    /// A file does not hold what it must.
    #[error("{path}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Parts that are right by themselves but do not belong together.
    #[error("{0}")]
    Mismatch(String),
    /// Options that do not fit the model or the device, or are missing.
    #[error("{0}")]
    Options(String),
    /// The file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// More elements than the model can see.
    #[error("{elements} tokens do not fit into the model's {limit}; select fewer lines")]
    TooLong {
        /// Elements asked for.
        elements: usize,
        /// The model's limit.
        limit: usize,
    },
    /// No such device, or the device stopped working.
    #[error("device: {0}")]
    Device(String),
}
