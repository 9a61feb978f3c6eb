//! Whether a file may be in a corpus, by itself: its language, size, text and licence.

use std::path::Path;
use std::path::PathBuf;

use super::build::Options;
use super::filter::MOST_BYTES;
use super::filter::Reason;
use super::filter::judge_text;
use super::filter::normalised;
use super::licence::Licences;
use super::near::Signature;
use super::near::shingles;
use super::walk::SourceFile;
use crate::document::ContentHash;
use crate::syntax::language::Language;
use crate::text::secret::is_secret_name;

/// A file that may stay.
#[derive(Debug)]
pub(super) struct Kept {
    pub hash: ContentHash,
    pub file: SourceFile,
    pub language: Language,
    pub licence: String,
    pub signature: Signature,
}

/// Judges files.
#[derive(Debug)]
pub(super) struct Judge<'o> {
    pub options: &'o Options,
    pub licences: Licences,
    /// For each tree, the folder up to which licences are looked for.
    pub tops: Vec<PathBuf>,
}

impl Judge<'_> {
    /// Whether a file may stay, before it is compared with others.
    pub fn file(&self, file: &SourceFile) -> Result<Kept, Reason> {
        let size = std::fs::metadata(&file.path).map_err(|_| Reason::Unreadable)?.len();
        let by_name = Language::from_path(&file.path);
        let wanted = |language: &Language| self.options.languages.contains(language);
        // Without an extension the first line may tell; anything with one is what it says.
        if by_name.is_some_and(|language| !wanted(&language)) || (by_name.is_none() && file.path.extension().is_some()) {
            return Err(Reason::Language);
        }
        if size > MOST_BYTES {
            return Err(if by_name.is_some() { Reason::Large } else { Reason::Language });
        }
        if file.path.file_name().is_some_and(is_secret_name) {
            return Err(Reason::Secret);
        }
        let bytes = std::fs::read(&file.path).map_err(|_| Reason::Unreadable)?;
        let text = text_of(&bytes).ok_or(if by_name.is_some() { Reason::NotText } else { Reason::Language })?;
        let language = by_name.or_else(|| Language::from_shebang(text.lines().next().unwrap_or_default()));
        let language = language.filter(wanted).ok_or(Reason::Language)?;
        if let Some(reason) = judge_text(&text) {
            return Err(reason);
        }
        let folder = file.path.parent().unwrap_or(Path::new("/"));
        let licence = self.licences.of(&text, folder, &self.tops[file.tree]);
        match &licence {
            None if !self.options.any_licence => return Err(Reason::UnknownLicence),
            Some(licence) if !licence.is_permissive && !self.options.any_licence => return Err(Reason::Licence),
            _ => {}
        }
        let normal = normalised(&text);
        Ok(Kept {
            hash: ContentHash::of(normal.as_bytes()),
            file: file.clone(),
            language,
            licence: licence.map(|licence| licence.expression).unwrap_or_default(),
            signature: Signature::of(&shingles(&normal)),
        })
    }
}

/// Text as it is learned: without a byte order mark, with `\n`. `None` when it is no text.
pub(super) fn text_of(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    Some(text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n"))
}
