//! A document: one file's bytes with its line index, line endings, indentation unit and byte order mark.
//!
//! A [`Span`] of a document may be rewritten; everything else is untouchable. [`Document::splice`] is the only way to make new
//! bytes, and it checks that what lies outside the spans is the same before and after.

mod error;
mod expand;
mod file;
mod fit;
mod hash;
mod indent;
mod lines;
pub mod range;
mod range_syntax;
mod span;

pub use error::DocumentError;
pub use error::SpanError;
pub use expand::Expand;
pub use expand::UnknownExpand;
pub use file::DEFAULT_SIZE_CAP;
pub use file::Document;
pub use hash::ContentHash;
pub use indent::IndentUnit;
pub use lines::Eol;
pub use lines::Line;
pub use lines::LineIndex;
pub use range::RangeError;
pub use range::RangeSpec;
pub use range::ResolvedRange;
pub use span::Span;
pub use span::Spans;
