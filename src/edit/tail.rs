//! The rule of [`crate::edit::file_end`] on a canvas: closes a last span that nothing stands behind.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::edit::file_end::FileEnd;
use crate::edit::file_end::line_ends;
use crate::edit::layout::Layout;
use crate::edit::request::EditRequest;
use crate::model::tokenizer::Tokenizer;

/// Lines that a text is cut back by at most.
const MOST_LINES: usize = 64;

/// The last span of a request, at the end of its file.
pub(super) struct Tail {
    rule: FileEnd,
    span: usize,
}

impl Tail {
    /// The rule for a request; `None` where something stands behind its last span, where its text has another end (an instruction is
    /// answered in a fenced block), or where its length is given.
    pub(super) fn new(request: &EditRequest, layout: &Layout) -> Option<Self> {
        if request.instruction.is_some() || request.start.is_some() || layout.growth == 0 {
            return None;
        }
        let document = &request.document;
        let (text, last) = (document.text(), request.spans.as_slice().last()?);
        // Before a span on its own canvas; of several spans the text between is not settled yet, and its indentation is that of the file.
        let start = last.start - layout.blanks_of_last().len();
        let before = text.get(document.bom_len().min(start)..start)?.replace("\r\n", "\n");
        Some(Self { rule: FileEnd::new(&before, text.get(last.end..)?)?, span: request.spans.as_slice().len() - 1 })
    }

    /// Closes the span where its settled beginning has left the definition. Returns whether it did. What a user pinned is left alone.
    pub(super) fn leave(&self, tokenizer: &Tokenizer, layout: &Layout, canvas: &mut Canvas) -> bool {
        let Some((text, slots)) = self.beginning(tokenizer, layout, canvas) else { return false };
        let Some(end) = self.rule.end(&text) else { return false };
        slot_behind(&slots, end).is_some_and(|slot| canvas.apply(Op::Close { slot }))
    }

    /// Canvases that are cut back to whole lines, by one line more each: for a text that was broken off.
    pub(super) fn cut_back<'a>(
        &self,
        tokenizer: &Tokenizer,
        layout: &Layout,
        canvas: &'a Canvas,
    ) -> impl Iterator<Item = Canvas> + 'a {
        let (ends, slots) = match self.beginning(tokenizer, layout, canvas) {
            Some((text, slots)) => (line_ends(&text), slots),
            None => Default::default(),
        };
        ends.into_iter().take(MOST_LINES).filter_map(move |end| {
            let mut shorter = canvas.clone();
            shorter.apply(Op::Close { slot: slot_behind(&slots, end)? }).then_some(shorter)
        })
    }

    /// The text of the span up to its first mask, and where in it its slots begin; `None` when a slot is pinned.
    fn beginning(&self, tokenizer: &Tokenizer, layout: &Layout, canvas: &Canvas) -> Option<(String, Vec<(usize, usize)>)> {
        let mut bytes = Vec::new();
        let mut begins = Vec::new();
        let mut open = true;
        for (index, slot) in layout.slots_of(canvas, self.span) {
            if slot.pinned {
                return None;
            }
            open &= !slot.is_masked();
            if let (true, Some(token)) = (open, slot.token) {
                begins.push((index, bytes.len()));
                bytes.extend_from_slice(tokenizer.bytes(token));
            }
        }
        let whole = match std::str::from_utf8(&bytes) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        bytes.truncate(whole);
        Some((String::from_utf8(bytes).ok()?, begins))
    }
}

/// The first slot that begins at byte `end` or behind it.
fn slot_behind(slots: &[(usize, usize)], end: usize) -> Option<usize> {
    slots.iter().find(|(_, begin)| *begin >= end).map(|(slot, _)| *slot)
}
