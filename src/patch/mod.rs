//! From a candidate to the file: hunks, the unified diff, the atomic write with its journal, and undo.
//!
//! Nothing here knows a model or a terminal.

pub mod hunk;
pub mod quote;
pub mod unified;

pub use hunk::Hunk;
pub use hunk::HunkError;
pub use unified::UnifiedOptions;
pub use unified::unified;
