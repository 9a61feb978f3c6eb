//! Whether a candidate holds: the user's commands, run on it in a shadow work tree.
//!
//! Nothing here knows a model or a terminal.

pub mod diagnostic;
pub mod process;
mod prune;
pub mod shadow;
pub mod verifier;
pub mod words;

pub use diagnostic::Diagnostic;
pub use diagnostic::Level;
pub use process::Cancel;
pub use process::Status;
pub use shadow::Shadow;
pub use shadow::ShadowError;
pub use verifier::Check;
pub use verifier::CheckResult;
pub use verifier::Splice;
pub use verifier::Verdict;
pub use verifier::Verifier;
pub use verifier::VerifyError;
