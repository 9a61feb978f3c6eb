//! From spans of a document to a canvas, and from a full canvas back to the spans' texts.

use std::ops::Range;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Slot;
use crate::diffusion::length::Length;
use crate::document::Document;
use crate::document::Span;
use crate::document::Spans;
use crate::edit::error::EditError;
use crate::edit::prompt;
use crate::edit::prompt::Prompt;
use crate::edit::prompt::Window;
use crate::edit::prompt::closed;
use crate::edit::request::EditRequest;
use crate::model::spec::Attention;
use crate::model::spec::ModelSpec;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;

/// Slots of an infill at first; the reference was measured with these.
const INFILL_SLOTS: usize = 24;
/// Slots beyond the present length of a span with an instruction.
pub(super) const EDIT_SURPLUS: usize = 10;
/// Slots of a span that expands, as DreamOn's reference begins.
const EXPANDING_SLOTS: usize = 4;
/// Most slots given at first.
const MOST_AT_FIRST: usize = 128;
/// Tokens from the first selected byte to the last; more would not be an edit of a span any more.
const LONGEST: usize = 4096;

/// How the spans of a request stand on a canvas.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Ids before the slots.
    pub prompt: Prompt,
    /// Slots at first: masks for the spans, pinned text between and around them.
    pub slots: Vec<Slot>,
    /// Text behind the slots, for models that see it there.
    after: Vec<TokenId>,
    /// Masks to add to a span that is full and not closed; 0 where spans have a fixed length.
    pub growth: usize,
    /// Slots a span may have.
    pub budget: usize,
    /// The present tokens of the lines, for a draft: one span of whole lines with an instruction.
    pub draft: Option<Vec<TokenId>>,
    /// Whether the answer is a fenced block, as it is with an instruction.
    pub fenced: bool,
    /// The span of the request that each span of the canvas belongs to. They are the same, unless parts of a text are kept: then
    /// every part that is denoised again is a span of the canvas, so that it can be closed and grow by itself.
    runs: Vec<u16>,
    /// The same for each slot outside of the canvas's spans, in order; `None` is text between the spans of the request.
    kept: Vec<Option<u16>>,
    /// Blanks before each span that stand in its slots, because tokens break before blanks.
    blanks: Vec<String>,
    /// Bytes of the document that the slots stand for.
    covers: Range<usize>,
    /// Spans whose answer ends in a newline that is not theirs.
    drop_newline: bool,
}

impl Layout {
    /// Lays out a request.
    ///
    /// # Errors
    /// The spans are too long.
    pub fn new(tokenizer: &Tokenizer, spec: &ModelSpec, request: &EditRequest) -> Result<Self, EditError> {
        let (template, sees_after) = (spec.prompt, spec.attention != Attention::Canvas);
        let (document, spans, start) = (&*request.document, &request.spans, request.start.as_ref());
        let instruction = request.instruction.as_deref();
        let text = document.text();
        let lf = |start: usize, end: usize| document.span_text_lf(Span::new(start, end)).unwrap_or_default();
        let all = spans.as_slice();
        let blanks: Vec<&str> = all.iter().map(|span| blanks_before(text, span.start)).collect();
        let starts: Vec<usize> = all.iter().zip(&blanks).map(|(span, blanks)| span.start - blanks.len()).collect();
        let (first, last) = (starts[0], all[all.len() - 1].end);
        let lengths: Vec<usize> = all.iter().map(|span| tokenizer.encode(&lf(span.start, span.end)).len()).collect();
        let covered = if last - first > LONGEST * 16 { LONGEST + 1 } else { tokenizer.encode(&lf(first, last)).len() };
        if covered > LONGEST {
            return Err(EditError::SpanTooLong { tokens: covered, limit: LONGEST });
        }
        // With an instruction the answer is made of whole lines: what the spans leave of theirs is pinned text.
        let line_start = text[..first].rfind('\n').map_or(document.bom_len(), |newline| newline + 1);
        let at_line_end = text[..last].ends_with('\n') || text[last..].is_empty() || text[last..].starts_with(['\n', '\r']);
        let line_end = if at_line_end { last } else { text[last..].find('\n').map_or(text.len(), |newline| last + newline + 1) };
        let (lead, tail) = if instruction.is_some() { (line_start.min(first), line_end) } else { (first, last) };
        let (before, after) = (lf(document.bom_len().min(lead), lead), lf(tail, text.len()));
        let behind = match instruction {
            _ if !sees_after => Vec::new(),
            None => prompt::head(tokenizer, &after, Window::INFILL.after),
            Some(_) => tokenizer.encode("```"),
        };
        let (prompt, fenced) = match instruction {
            None => (prompt::infill(tokenizer, template, &before, &after, Window::INFILL), false),
            Some(instruction) => {
                let after = after.strip_prefix('\n').filter(|_| !text[..tail].ends_with('\n')).unwrap_or(&after);
                let lines = lf(lead, tail);
                (prompt::edit(tokenizer, template, instruction, &lines, (&before, after), Window::EDIT), true)
            }
        };
        let drop_newline = fenced && at_line_end && !text[..last].ends_with('\n');
        let mut slots = Slots::default();
        slots.pin(&tokenizer.encode(&lf(lead, first)), None);
        for (index, (span, length)) in all.iter().zip(&lengths).enumerate() {
            if index > 0 {
                slots.pin(&tokenizer.encode(&lf(all[index - 1].end, starts[index])), None);
            }
            let number = u16::try_from(index).unwrap_or(u16::MAX);
            let masks = match (request.options.length, instruction) {
                (Length::Fixed(count), _) => count,
                // Without a token that closes a span it stays as long as it is; one that expands grows from few slots.
                _ if spec.tokens.expand.is_some() => EXPANDING_SLOTS,
                _ if spec.tokens.end.is_none() => (*length).max(1),
                (_, None) => INFILL_SLOTS,
                (_, Some(_)) => (length + EDIT_SURPLUS).min(MOST_AT_FIRST),
            };
            match start {
                None => slots.mask(masks, number),
                Some(start) => {
                    let text = start.texts.get(index).map_or("", String::as_str).replace("\r\n", "\n");
                    let text = format!("{}{text}{}", blanks[index], if drop_newline { "\n" } else { "" });
                    let masked = start.masked_lf(index).into_iter();
                    let masked = masked.map(|range| range.start + blanks[index].len()..range.end + blanks[index].len());
                    slots.keep(tokenizer, &tokenizer.encode(&text), &masked.collect::<Vec<_>>(), number);
                }
            }
            if index + 1 == all.len() && !at_line_end {
                slots.pin(&tokenizer.encode(&lf(span.end, tail)), None);
            }
        }
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let growth = if instruction.is_none() { INFILL_SLOTS } else { (longest + EDIT_SURPLUS).min(MOST_AT_FIRST) };
        let whole_lines =
            !sees_after && start.is_none() && fenced && all.len() == 1 && lead == first && blanks[0].is_empty() && at_line_end;
        let draft = whole_lines.then(|| tokenizer.encode(&closed(&lf(first, last))));
        Ok(Self {
            prompt,
            covers: if instruction.is_some() { lead..tail } else { starts[0]..last },
            slots: slots.slots,
            after: behind,
            growth: if spec.tokens.end.is_some() && request.options.length == Length::Auto { growth } else { 0 },
            budget: request.options.slots.max(2 * longest + EDIT_SURPLUS),
            draft,
            fenced,
            runs: slots.runs,
            kept: slots.kept,
            blanks: blanks.into_iter().map(str::to_owned).collect(),
            drop_newline,
        })
    }

    /// The bytes of the document that the slots stand for.
    pub(super) fn covers(&self) -> Range<usize> {
        self.covers.clone()
    }

    /// The blanks before the last span that stand in its slots.
    pub(super) fn blanks_of_last(&self) -> &str {
        self.blanks.last().map_or("", String::as_str)
    }

    /// A fresh canvas.
    pub fn canvas(&self) -> Canvas {
        Canvas::new(self.prompt.context.clone(), self.slots.clone(), self.after.clone())
    }

    /// A fresh canvas whose spans have `count` masks each.
    pub fn canvas_of(&self, count: usize) -> Canvas {
        let mut slots: Vec<Slot> = Vec::new();
        for run in self.slots.chunk_by(|a, b| a.span.is_some() && a.span == b.span) {
            match run.first() {
                Some(&mask) if mask.is_masked() => slots.extend(std::iter::repeat_n(mask, count)),
                _ => slots.extend_from_slice(run),
            }
        }
        Canvas::new(self.prompt.context.clone(), slots, self.after.clone())
    }

    /// The spans' new texts, with the line endings of the file; `None` when the tokens are not text.
    pub fn texts(&self, tokenizer: &Tokenizer, canvas: &Canvas, document: &Document, spans: &Spans) -> Option<Vec<String>> {
        let tokens: Vec<Vec<TokenId>> = (0..spans.as_slice().len())
            .map(|span| self.slots_of(canvas, span).filter_map(|(_, slot)| slot.token).collect())
            .collect();
        self.texts_of(tokenizer, &tokens, document, spans)
    }

    /// The span of the request that each slot of a canvas belongs to.
    pub fn owners(&self, canvas: &Canvas) -> Vec<Option<u16>> {
        // Slots outside of the canvas's spans never come or go, so their order is enough to know them.
        let mut kept = self.kept.iter();
        let owner = |slot: &Slot| match slot.span {
            Some(run) => self.runs.get(usize::from(run)).copied(),
            None => kept.next().copied().flatten(),
        };
        canvas.slots().iter().map(owner).collect()
    }

    /// The slots of a span of the request, with their indices.
    pub fn slots_of<'c>(&self, canvas: &'c Canvas, span: usize) -> impl Iterator<Item = (usize, &'c Slot)> {
        let owners = self.owners(canvas);
        canvas.slots().iter().enumerate().filter(move |(index, _)| owners[*index].map(usize::from) == Some(span))
    }

    /// As [`Layout::texts`], from the tokens of each span.
    pub fn texts_of(
        &self,
        tokenizer: &Tokenizer,
        tokens: &[Vec<TokenId>],
        document: &Document,
        spans: &Spans,
    ) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        for (index, span) in spans.iter().enumerate() {
            let tokens = tokens.get(index).map_or(&[][..], Vec::as_slice);
            let text = String::from_utf8(tokenizer.decode_bytes(tokens)).ok()?;
            let text = self.own_part(index, &text);
            texts.push(document.fit(span, text).into_owned());
        }
        Some(texts)
    }

    /// Bytes at the start of a span's decoded text that stand before the span in the file.
    pub fn lead_in(&self, index: usize, text: &str) -> usize {
        text.len() - self.own_part(index, text).len().max(if self.drop_newline { text.len().saturating_sub(1) } else { 0 })
    }

    /// What belongs to the span: without the blanks before it, which the file keeps.
    fn own_part<'t>(&self, index: usize, text: &'t str) -> &'t str {
        let blanks = self.blanks.get(index).map_or("", String::as_str);
        let text = match text.strip_prefix(blanks) {
            Some(text) => text,
            None => text.trim_start_matches([' ', '\t']),
        };
        // The last newline belongs to what follows the span.
        if self.drop_newline { text.strip_suffix('\n').unwrap_or(text) } else { text }
    }
}

/// Slots in the making.
#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    runs: Vec<u16>,
    kept: Vec<Option<u16>>,
}

impl Slots {
    fn pin(&mut self, tokens: &[TokenId], owner: Option<u16>) {
        self.slots.extend(tokens.iter().map(|&token| Slot::between(token)));
        self.kept.extend(tokens.iter().map(|_| owner));
    }

    fn mask(&mut self, count: usize, owner: u16) {
        let run = u16::try_from(self.runs.len()).unwrap_or(u16::MAX);
        self.slots.extend(std::iter::repeat_n(Slot::masked(run), count));
        self.runs.push(owner);
    }

    /// Pins the tokens of a span, except those that have a part in `masked`, which become runs of masks; an empty range becomes a
    /// run at the next border of tokens.
    fn keep(&mut self, tokenizer: &Tokenizer, tokens: &[TokenId], masked: &[Range<usize>], owner: u16) {
        let inserts_at = |at: usize| masked.iter().any(|range| range.is_empty() && range.start == at);
        let (mut at, mut run) = (0, None);
        for &token in tokens {
            let end = at + tokenizer.bytes(token).len();
            if inserts_at(at) {
                run = run.or(Some(0));
            }
            // An empty range inside of a token takes the token along.
            if masked.iter().any(|range| range.start < end && range.end > at && (!range.is_empty() || range.start > at)) {
                run = Some(run.unwrap_or(0) + 1);
            } else {
                self.end_run(run.take(), owner);
                self.pin(&[token], Some(owner));
            }
            at = end;
        }
        self.end_run(run.or(inserts_at(at).then_some(0)), owner);
    }

    fn end_run(&mut self, tokens: Option<usize>, owner: u16) {
        if let Some(tokens) = tokens {
            self.mask((tokens + EDIT_SURPLUS).min(MOST_AT_FIRST), owner);
        }
    }
}

/// The blanks directly before `start`, when it lies inside a line.
fn blanks_before(text: &str, start: usize) -> &str {
    let before = &text[..start];
    let kept = before.trim_end_matches([' ', '\t']);
    &before[kept.len()..]
}
