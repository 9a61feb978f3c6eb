//! Why a file is refused, and why spans do not fit a document.

use std::path::PathBuf;

use super::Span;

/// A file that is not edited, with the reason; its bytes are untouched.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Nothing under this name.
    #[error("{}: no such file; check the spelling and the current directory", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// A directory.
    #[error("{}: is a directory; name one file in it", path.display())]
    Directory {
        /// The path as given.
        path: PathBuf,
    },
    /// A pipe, a socket or a device.
    #[error("{}: is a {kind}, not a regular file; use `dcode filter` for streams", path.display())]
    Special {
        /// The path as given.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// Over the cap.
    #[error("{}: {size} bytes are over the limit of {cap}; raise `limits.file-size` to edit it", path.display())]
    TooLarge {
        /// The path as given.
        path: PathBuf,
        /// Bytes of the file.
        size: u64,
        /// The limit.
        cap: u64,
    },
    /// A NUL byte: not text.
    #[error("{}: binary file (NUL byte at offset {offset}); only text is edited", path.display())]
    Binary {
        /// The path as given.
        path: PathBuf,
        /// Where the first NUL byte is.
        offset: usize,
    },
    /// Text in another encoding.
    #[error("{}: not UTF-8 (byte 0x{byte:02x} at offset {offset}); convert it first, for example with iconv", path.display())]
    NotUtf8 {
        /// The path as given.
        path: PathBuf,
        /// Where the first bad byte is.
        offset: usize,
        /// The bad byte.
        byte: u8,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Spans that cannot be taken from a document or replaced in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// End before start.
    #[error("span {span} ends before it starts; swap its ends")]
    Reversed {
        /// The span.
        span: Span,
    },
    /// Beyond the last byte.
    #[error("span {span} reaches past the end of the file ({len} bytes)")]
    PastEnd {
        /// The span.
        span: Span,
        /// Length of the document.
        len: usize,
    },
    /// Inside a character, inside a CR LF pair, or inside the byte order mark.
    #[error("span {span} cuts {what} at byte {offset} in two; move that end by a byte")]
    Cuts {
        /// The span.
        span: Span,
        /// The end that cuts.
        offset: usize,
        /// What is cut.
        what: &'static str,
    },
    /// Two spans share bytes.
    #[error("spans {first} and {second} overlap; join them into one or move them apart")]
    Overlap {
        /// The span that starts first.
        first: Span,
        /// The other.
        second: Span,
    },
    /// No span at all.
    #[error("no span selected; name one with --range")]
    None,
    /// A fault of dcode: the spliced bytes differ outside the spans.
    #[error("internal: bytes outside the spans would change at offset {offset}; nothing was written, please report this")]
    OutsideChanged {
        /// The first offset of the new bytes that differs.
        offset: usize,
    },
}
