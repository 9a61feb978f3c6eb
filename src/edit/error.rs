//! Why a request gives no candidate.

use crate::document::SpanError;
use crate::model::error::ModelError;

/// Errors of a request.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The spans do not fit the document.
    #[error(transparent)]
    Span(#[from] SpanError),
    /// More than can be rewritten at once.
    #[error("the span has {tokens} tokens, at most {limit} can be rewritten at once; select fewer lines")]
    SpanTooLong {
        /// Tokens from the first selected byte to the last.
        tokens: usize,
        /// The limit.
        limit: usize,
    },
    /// The sampler that was asked for does not go with the model.
    #[error("{0}; choose another --sampler")]
    Sampler(String),
    /// The engine thread ended; what it said last.
    #[error("internal: the engine stopped: {0}")]
    Engine(String),
}
