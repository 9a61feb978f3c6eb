//! Ranges of files that are mapped into memory.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::model::error::ModelError;

/// Bytes of a mapped file; a clone refers to the same pages.
#[derive(Clone, Debug)]
pub struct Mapped {
    map: Arc<Mmap>,
    range: Range<usize>,
}

impl Mapped {
    /// The whole of a file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let io = |source| ModelError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        // SAFETY: the map is only read. A file truncated by another process while mapped would raise SIGBUS, as it would in
        // every program that maps model files; dcode replaces model files by rename, never in place.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let range = 0..map.len();
        Ok(Self { map: Arc::new(map), range })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.map.get(self.range.clone()).unwrap_or_default()
    }

    /// A part, counted from the start of this range; `None` when it reaches beyond the end.
    pub fn part(&self, start: usize, len: usize) -> Option<Self> {
        let end = start.checked_add(len).filter(|&end| end <= self.range.len())?;
        Some(Self { map: Arc::clone(&self.map), range: self.range.start + start..self.range.start + end })
    }

    /// Tells the system that the pages are no longer needed; they would otherwise count as resident memory.
    pub fn release_pages(&self) {
        #[cfg(unix)]
        // SAFETY: the pages of a read-only file mapping are read again from the file when touched.
        #[allow(unsafe_code)]
        let _ = unsafe { self.map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
    }
}
