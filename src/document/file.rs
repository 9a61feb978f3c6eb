//! Reading a file into a document, and writing new bytes from it.

use std::fs::File;
use std::fs::Metadata;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::ContentHash;
use super::DocumentError;
use super::Eol;
use super::IndentUnit;
use super::LineIndex;
use super::Span;
use super::SpanError;

/// Files larger than this are refused unless the settings say otherwise.
pub const DEFAULT_SIZE_CAP: u64 = 64 << 20;

const BOM: &str = "\u{feff}";

/// One file's bytes with its line index, line endings and indentation unit. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Document {
    path: PathBuf,
    text: Arc<str>,
    hash: ContentHash,
    lines: Arc<LineIndex>,
    indent: Option<IndentUnit>,
}

impl Document {
    /// Reads the file at `path`, up to [`DEFAULT_SIZE_CAP`] bytes.
    pub fn read(path: &Path) -> Result<Document, DocumentError> {
        Document::read_capped(path, DEFAULT_SIZE_CAP)
    }

    /// Reads the file at `path`, up to `cap` bytes.
    pub fn read_capped(path: &Path, cap: u64) -> Result<Document, DocumentError> {
        let io = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => DocumentError::NotFound { path: path.into() },
            _ => DocumentError::Io { path: path.into(), source },
        };
        // Asked before opening: opening a pipe would wait for its other end.
        regular(path, &std::fs::metadata(path).map_err(io)?)?;
        let file = open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        regular(path, &metadata)?;
        let too_large = |size| DocumentError::TooLarge { path: path.into(), size, cap };
        if metadata.len() > cap {
            return Err(too_large(metadata.len()));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
        file.take(cap.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > cap {
            return Err(too_large(bytes.len() as u64));
        }
        Document::from_bytes(path.into(), bytes)
    }

    /// A document of `bytes` that a file called `name` holds or would hold.
    pub fn from_bytes(name: PathBuf, bytes: Vec<u8>) -> Result<Document, DocumentError> {
        if let Some(offset) = bytes.iter().position(|&b| b == 0) {
            return Err(DocumentError::Binary { path: name, offset });
        }
        let hash = ContentHash::of(&bytes);
        let text: Arc<str> = match String::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(error) => {
                let offset = error.utf8_error().valid_up_to();
                let byte = error.as_bytes().get(offset).copied().unwrap_or_default();
                return Err(DocumentError::NotUtf8 { path: name, offset, byte });
            }
        };
        let skip = if text.starts_with(BOM) { BOM.len() } else { 0 };
        let lines = Arc::new(LineIndex::new(&text, skip));
        let indent = IndentUnit::detect(&text);
        Ok(Document { path: name, text, hash, lines, indent })
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text, byte order mark included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole text as bytes.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The sha256 of the bytes.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// The line index.
    pub fn lines(&self) -> &LineIndex {
        &self.lines
    }

    /// The indentation unit; `None` when nothing is indented.
    pub fn indent(&self) -> Option<IndentUnit> {
        self.indent
    }

    /// Bytes of the byte order mark: 3 or 0. It belongs to no line and to no span.
    pub fn bom_len(&self) -> usize {
        if self.text.starts_with(BOM) { BOM.len() } else { 0 }
    }

    /// Whether the text starts with a byte order mark.
    pub fn has_bom(&self) -> bool {
        self.bom_len() > 0
    }

    /// Whether the last line has a line ending; an empty document has none.
    pub fn has_final_newline(&self) -> bool {
        self.text.ends_with('\n')
    }

    /// The line ending that a new line at `offset` gets.
    pub fn eol_for(&self, offset: usize) -> Eol {
        self.lines.eol_around(offset..offset)
    }

    /// The span of everything but the byte order mark.
    pub fn whole(&self) -> Span {
        Span::new(self.bom_len(), self.text.len())
    }

    /// The span of lines `first` to `last`, counted from 1, with the line ending of the last one.
    pub fn line_span(&self, first: usize, last: usize) -> Option<Span> {
        Some(Span::new(self.lines.line(first)?.start, self.lines.line(last)?.end))
    }

    /// The text of a span; `None` when it does not lie in this document.
    pub fn span_text(&self, span: Span) -> Option<&str> {
        self.text.get(span.range())
    }

    /// The new bytes of the file: each span replaced by its text, all else as it is.
    ///
    /// The spans must be in order and apart. The result is compared with the document outside the spans before it is returned.
    pub fn splice(&self, changes: &[(Span, &str)]) -> Result<Vec<u8>, SpanError> {
        for pair in changes.windows(2) {
            if let [(first, _), (second, _)] = pair
                && (first.overlaps(second) || second.start < first.end)
            {
                return Err(SpanError::Overlap { first: *first, second: *second });
            }
        }
        let old = self.bytes();
        let mut new = Vec::with_capacity(old.len() + changes.iter().map(|(_, text)| text.len()).sum::<usize>());
        let mut written = Vec::with_capacity(changes.len());
        let mut kept = 0;
        for (span, text) in changes {
            span.check(self)?;
            new.extend_from_slice(&old[kept..span.start]);
            let at = new.len();
            new.extend_from_slice(text.as_bytes());
            written.push((*span, at..new.len()));
            kept = span.end;
        }
        new.extend_from_slice(&old[kept..]);
        same_outside(old, &new, &written)?;
        Ok(new)
    }
}

/// Checks that `new` equals `old` outside the spans; each span comes with the range of `new` that replaced it.
///
/// This reads the finished bytes and shares nothing with the code that made them, so that a fault there is found here.
pub(crate) fn same_outside(old: &[u8], new: &[u8], spans: &[(Span, Range<usize>)]) -> Result<(), SpanError> {
    let (mut kept, mut at) = (0, 0);
    let end = (Span::new(old.len(), old.len()), new.len()..new.len());
    for (span, range) in spans.iter().chain([&end]) {
        match (old.get(kept..span.start), new.get(at..range.start)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
                return Err(SpanError::OutsideChanged { offset: at + same });
            }
            _ => return Err(SpanError::OutsideChanged { offset: at }),
        }
        (kept, at) = (span.end, range.end);
    }
    Ok(())
}

/// Refuses everything but a regular file.
fn regular(path: &Path, metadata: &Metadata) -> Result<(), DocumentError> {
    if metadata.is_dir() {
        return Err(DocumentError::Directory { path: path.into() });
    }
    if metadata.is_file() { Ok(()) } else { Err(DocumentError::Special { path: path.into(), kind: kind(metadata) }) }
}

#[cfg(unix)]
fn kind(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_fifo() {
        "pipe"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "device"
    } else {
        "special file"
    }
}

#[cfg(not(unix))]
fn kind(_: &Metadata) -> &'static str {
    "special file"
}

/// Opens for reading without waiting, should a pipe have taken the place of the file.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(text: &str) -> Document {
        Document::from_bytes("t.rs".into(), text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn splices_and_keeps_the_rest() {
        let document = doc("\u{feff}one\r\ntwo\nthree");
        let new = document.splice(&[(Span::new(3, 6), "ONE"), (Span::new(8, 12), "")]).unwrap();
        assert_eq!(new, "\u{feff}ONE\r\nthree".as_bytes());
        assert_eq!(document.splice(&[]).unwrap(), document.bytes());
        assert!(document.splice(&[(Span::new(8, 12), ""), (Span::new(3, 6), "")]).is_err());
        assert!(document.splice(&[(Span::new(3, 9), ""), (Span::new(4, 12), "")]).is_err());
        assert!(document.splice(&[(Span::new(0, 99), "")]).is_err());
    }

    #[test]
    fn a_change_outside_is_found() {
        let span = [(Span::new(2, 4), 2..3)];
        assert_eq!(same_outside(b"abcdef", b"abXef", &span), Ok(()));
        for bad in [&b"abXeg"[..], b"aBXef", b"abXe", b"abXeff", b"a"] {
            assert!(same_outside(b"abcdef", bad, &span).is_err(), "{bad:?}");
        }
        assert_eq!(same_outside(b"abcdef", b"abXeg", &span), Err(SpanError::OutsideChanged { offset: 4 }));
    }

    #[test]
    fn refuses_what_is_no_text_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let error = |path: PathBuf| {
            let error = Document::read_capped(&path, 1000).unwrap_err();
            assert!(!error.to_string().contains('\n'), "{error}");
            error
        };
        assert!(matches!(error(dir.path().join("missing")), DocumentError::NotFound { .. }));
        assert!(matches!(error(file("a", b"x").join("b")), DocumentError::NotFound { .. }));
        assert!(matches!(error(dir.path().into()), DocumentError::Directory { .. }));
        assert!(matches!(error(file("nul", b"a\0b")), DocumentError::Binary { offset: 1, .. }));
        assert!(matches!(error(file("latin", b"a\xe9b")), DocumentError::NotUtf8 { offset: 1, byte: 0xe9, .. }));
        assert!(matches!(error(file("cut", b"ab\xe2\x82")), DocumentError::NotUtf8 { offset: 2, .. }));
        assert!(matches!(error(file("big", &[b'a'; 1001])), DocumentError::TooLarge { size: 1001, cap: 1000, .. }));
        assert!(Document::read_capped(&file("fits", &[b'a'; 1000]), 1000).is_ok());
        #[cfg(unix)]
        {
            assert!(matches!(error("/dev/null".into()), DocumentError::Special { kind: "device", .. }));
            let socket = dir.path().join("s");
            let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
            assert!(matches!(error(socket), DocumentError::Special { kind: "socket", .. }));
        }
    }
}
