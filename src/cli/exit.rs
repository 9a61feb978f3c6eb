//! Exit codes: one table, for all commands.

use std::fmt;
use std::process::ExitCode;

use crate::document::DocumentError;
use crate::document::RangeError;
use crate::document::SpanError;
use crate::edit::error::EditError;
use crate::hub::error::HubError;
use crate::model::error::ModelError;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Ok = 0,
    /// `--check` found changes, or the user rejected all of them.
    Rejected = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// No candidate parsed or verified; nothing was written.
    NoCandidate = 3,
    /// Refused: the file changed meanwhile, an unsafe path, not text, hidden characters, a plan that no longer fits.
    Refused = 4,
    /// The model is missing or damaged.
    Model = 5,
    /// Steps, time or slots were used up without an acceptable result.
    Budget = 6,
    /// A fault of dcode.
    Internal = 70,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// An error with its exit code: one line for the user.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened and what to do.
    pub message: String,
}

impl Failure {
    /// A failure with this code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<DocumentError> for Failure {
    fn from(error: DocumentError) -> Self {
        let exit = match error {
            DocumentError::NotFound { .. } | DocumentError::Directory { .. } => Exit::Usage,
            _ => Exit::Refused,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<RangeError> for Failure {
    fn from(error: RangeError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<SpanError> for Failure {
    fn from(error: SpanError) -> Self {
        let exit = if matches!(error, SpanError::OutsideChanged { .. }) { Exit::Internal } else { Exit::Usage };
        Self::new(exit, error.to_string())
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        let hint = match &error {
            ModelError::Missing { .. } | ModelError::Damaged { .. } | ModelError::Mismatch(_) | ModelError::Io { .. } => {
                "; run `dcode doctor` to see where models are looked for"
            }
            ModelError::TooLong { .. } | ModelError::Device(_) | ModelError::Options(_) => "",
        };
        let exit = match &error {
            ModelError::TooLong { .. } | ModelError::Device(_) | ModelError::Options(_) => Exit::Usage,
            _ => Exit::Model,
        };
        Self::new(exit, format!("{error}{hint}"))
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        let exit = match &error {
            HubError::Name(_)
            | HubError::Endpoint(_)
            | HubError::Token
            | HubError::TokenInTheClear(_)
            | HubError::Offline
            | HubError::NoCache => Exit::Usage,
            HubError::UnsafePath { .. } | HubError::Space { .. } | HubError::Locked { .. } | HubError::Io { .. } => Exit::Refused,
            HubError::Interrupted => Exit::Interrupted,
            _ => Exit::Model,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Model(error) => error.into(),
            EditError::Span(error) => error.into(),
            EditError::SpanTooLong { .. } | EditError::Sampler(_) => Self::usage(error.to_string()),
            EditError::Engine(_) => Self::new(Exit::Internal, error.to_string()),
        }
    }
}

/// Failures of the system while reading standard input or writing results.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Refused, error.to_string())
    }
}
