//! From a candidate to the file: hunks, the unified diff, the atomic write with its journal, and undo.
//!
//! Nothing here knows a model or a terminal.

pub mod anchor;
pub mod apply;
pub mod changed;
mod crash;
pub mod disk;
pub mod entry;
pub mod git;
pub mod hunk;
pub mod journal;
pub mod lock;
mod partly;
pub mod path_json;
pub mod plan;
pub mod quote;
pub mod recover;
pub mod target;
mod tree_files;
pub mod undo;
pub mod unified;

#[cfg(test)]
mod apply_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod sim;

pub use apply::Applied;
pub use apply::ApplyError;
pub use apply::FileChange;
pub use entry::Entry;
pub use entry::Phase;
pub use git::GitError;
pub use git::WorkTree;
pub use hunk::Hunk;
pub use hunk::HunkError;
pub use journal::Journal;
pub use journal::JournalError;
pub use plan::Plan;
pub use plan::PlanError;
pub use recover::Outcome;
pub use recover::Recovery;
pub use target::Target;
pub use target::TargetError;
pub use undo::UndoError;
pub use unified::UnifiedOptions;
pub use unified::unified;
