//! Ranges of files that are mapped into memory, and of memory that holds what was made of them.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use memmap2::MmapMut;

use crate::model::error::ModelError;

/// Bytes of a mapped file or of memory of its own; a clone refers to the same pages.
#[derive(Clone, Debug)]
pub struct Mapped {
    map: Arc<Mmap>,
    range: Range<usize>,
    /// Whether the pages can be read again from a file.
    from_file: bool,
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
        Ok(Self { map: Arc::new(map), range, from_file: true })
    }

    /// Memory of `len` bytes that `fill` writes.
    ///
    /// # Errors
    /// The system has no more memory, or `fill` failed.
    pub fn filled(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), ModelError>) -> Result<Self, ModelError> {
        let short = |source| ModelError::Mismatch(format!("no memory for {len} bytes of weights ({source})"));
        let mut map = MmapMut::map_anon(len).map_err(short)?;
        fill(&mut map)?;
        Ok(Self { map: Arc::new(map.make_read_only().map_err(short)?), range: 0..len, from_file: false })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.map.get(self.range.clone()).unwrap_or_default()
    }

    /// A part, counted from the start of this range; `None` when it reaches beyond the end.
    pub fn part(&self, start: usize, len: usize) -> Option<Self> {
        let end = start.checked_add(len).filter(|&end| end <= self.range.len())?;
        let range = self.range.start + start..self.range.start + end;
        Some(Self { map: Arc::clone(&self.map), range, from_file: self.from_file })
    }

    /// Tells the system that the pages are no longer needed; they would otherwise count as resident memory.
    pub fn release_pages(&self) {
        // Memory that is not of a file would be lost.
        if !self.from_file {
            return;
        }
        #[cfg(unix)]
        // SAFETY: the pages of a read-only file mapping are read again from the file when touched.
        #[allow(unsafe_code)]
        let _ = unsafe { self.map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_its_own_survives_a_release() {
        let made = Mapped::filled(1 << 16, |bytes| {
            bytes.fill(7);
            Ok(())
        })
        .unwrap();
        let part = made.part(100, 200).unwrap();
        part.release_pages();
        assert!(made.bytes().iter().all(|byte| *byte == 7) && part.bytes().len() == 200);
        assert!(made.part(1 << 16, 1).is_none());
        assert!(Mapped::filled(8, |_| Err(ModelError::Mismatch("x".to_owned()))).is_err());
        assert!(Mapped::filled(0, |_| Ok(())).unwrap().bytes().is_empty());
    }
}
