//! Keeps candidates completable while they are denoised: what stands before the first mask is scanned behind the text of the
//! file, and a full canvas must leave brackets, strings and comments as the original does.

use std::sync::Arc;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::constrained::Completable;
use crate::edit::layout::Layout;
use crate::edit::request::EditRequest;
use crate::model::tokenizer::Tokenizer;
use crate::syntax::completable::Scanner;
use crate::syntax::language::Language;

/// The check for one request.
#[derive(Clone, Debug)]
pub(super) struct Check {
    tokenizer: Arc<Tokenizer>,
    /// Behind the text before the slots.
    before: Scanner,
    /// Behind the original text of the slots.
    expected: Scanner,
    /// The lines that follow, as far as they can tell whether indentation fits.
    following: String,
}

/// Bytes behind the slots that are read.
const FOLLOWING: usize = 2048;

impl Check {
    /// `None` where the language has no scanner, or the file itself is not read as it should be.
    pub(super) fn new(tokenizer: &Arc<Tokenizer>, layout: &Layout, request: &EditRequest) -> Option<Self> {
        let text = request.document.text();
        let language = Language::detect(request.document.path(), text.lines().next().unwrap_or(""))?;
        let slots = layout.covers();
        let lf = |text: &str| text.replace("\r\n", "\n");
        let mut before = Scanner::new(language)?;
        before.read(&lf(text.get(..slots.start)?.trim_start_matches('\u{feff}'))).ok()?;
        let mut expected = before.clone();
        expected.read(&lf(text.get(slots.clone())?)).ok()?;
        let rest = text.get(slots.end..)?;
        let following = lf(&rest[..rest.floor_char_boundary(FOLLOWING)]);
        expected.clone().read(&following).ok()?;
        Some(Self { tokenizer: Arc::clone(tokenizer), before, expected, following })
    }
}

impl Completable for Check {
    fn is_completable(&self, canvas: &Canvas) -> bool {
        let tokens: Vec<_> = canvas.slots().iter().map_while(|slot| slot.token).collect();
        let bytes = self.tokenizer.decode_bytes(&tokens);
        // A character may be spread over tokens: its beginning tells nothing yet.
        let text = String::from_utf8_lossy(&bytes);
        let mut scanner = self.before.clone();
        if scanner.read(&text).is_err() {
            return false;
        }
        !canvas.is_full() || (scanner.stands_as(&self.expected) && scanner.read(&self.following).is_ok())
    }
}
