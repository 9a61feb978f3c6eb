//! The canvas: the token sequence under diffusion, as plain data.
//!
//! A canvas is `context`, then one run of slots per span with pinned text between two runs, then `after`. Slots are addressed by
//! their present index in the run of all slots; expanding or deleting moves the ones behind. Every change goes through one method
//! and is recorded as an [`Op`], so that a trajectory is the list of operations and replaying it gives the same canvas.

use serde::Deserialize;
use serde::Serialize;

use crate::model::spec::TokenId;

/// How the content of a slot came to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Masked from the start.
    Initial,
    /// Text of the file: of the span, or between two spans.
    Original,
    /// Committed by the sampler in this step.
    Committed(u32),
    /// A mask made by an expansion or by adding slots in this step.
    Inserted(u32),
    /// Set or pinned by the user.
    User,
}

/// Names a slot for as long as it lives, whatever happens to those around it. Slots of a fresh canvas are numbered from 0; a slot
/// that is made later gets the next number.
pub type SlotId = u32;

/// One position of a span, or of the pinned text between two spans.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// The token, or `None` while masked.
    pub token: Option<TokenId>,
    /// A pinned slot is never changed by the sampler.
    pub pinned: bool,
    /// Probability the model gave the token when it was committed; 1 for text that was given.
    pub confidence: f32,
    /// Where the content came from.
    pub origin: Origin,
    /// The span it belongs to; `None` for text between two spans.
    pub span: Option<u16>,
}

impl Slot {
    /// A masked slot of `span`.
    pub fn masked(span: u16) -> Self {
        Self { token: None, pinned: false, confidence: 0.0, origin: Origin::Initial, span: Some(span) }
    }

    /// A slot of `span` holding text of the file, free to be remasked.
    pub fn original(span: u16, token: TokenId) -> Self {
        Self { token: Some(token), pinned: false, confidence: 1.0, origin: Origin::Original, span: Some(span) }
    }

    /// A pinned slot of text between two spans.
    pub fn between(token: TokenId) -> Self {
        Self { token: Some(token), pinned: true, confidence: 1.0, origin: Origin::Original, span: None }
    }

    /// Whether the slot waits for a token.
    pub fn is_masked(&self) -> bool {
        self.token.is_none()
    }
}

/// One recorded change. Slot indices are those at the moment of the change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "op")]
pub enum Op {
    /// A masked slot received a token, or a token was replaced by another (token editing).
    Commit {
        /// Slot index.
        slot: usize,
        /// The new token.
        token: TokenId,
        /// Its probability.
        confidence: f32,
    },
    /// A slot was put back to masked.
    Remask {
        /// Slot index.
        slot: usize,
    },
    /// One slot became two masks, or a mask was added behind it.
    Expand {
        /// Slot index.
        slot: usize,
    },
    /// The slot disappeared.
    Delete {
        /// Slot index.
        slot: usize,
    },
    /// `count` masks were appended to a span.
    Append {
        /// Span number.
        span: u16,
        /// Number of masks.
        count: usize,
    },
    /// The span ends before this slot: it and all that follow it in its span disappeared.
    Close {
        /// Slot index.
        slot: usize,
    },
    /// The user set a token, which is pinned from now on, or pinned what stood there.
    Pin {
        /// Slot index.
        slot: usize,
        /// The token.
        token: TokenId,
    },
    /// The user released a pinned slot.
    Unpin {
        /// Slot index.
        slot: usize,
    },
}

/// Context, slots, and text after them, with the record of every change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canvas {
    context: Vec<TokenId>,
    slots: Vec<Slot>,
    ids: Vec<SlotId>,
    next_id: SlotId,
    after: Vec<TokenId>,
    closed: Vec<bool>,
    step: u32,
    ops: Vec<(u32, Op)>,
}

impl Canvas {
    /// A canvas over `context` (the last id is the anchor) and `slots`. `after` is the text behind the slots for models that see
    /// it there; models with canvas attention read it in the context and have none.
    pub fn new(context: Vec<TokenId>, slots: Vec<Slot>, after: Vec<TokenId>) -> Self {
        let spans = slots.iter().filter_map(|slot| slot.span).max().map_or(0, |last| usize::from(last) + 1);
        let next_id = SlotId::try_from(slots.len()).unwrap_or(SlotId::MAX);
        let ids = (0..next_id).collect();
        Self { context, slots, ids, next_id, after, closed: vec![false; spans], step: 0, ops: Vec::new() }
    }

    /// Ids before the slots.
    pub fn context(&self) -> &[TokenId] {
        &self.context
    }

    /// The slots of all spans, with the pinned text between them.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The names of the slots, in their order.
    pub fn ids(&self) -> &[SlotId] {
        &self.ids
    }

    /// The present index of a slot.
    pub fn index_of(&self, id: SlotId) -> Option<usize> {
        self.ids.iter().position(|&each| each == id)
    }

    /// Ids behind the slots.
    pub fn after(&self) -> &[TokenId] {
        &self.after
    }

    /// The slots alone, for whoever looks on, each in the span that `owners` says.
    pub fn shown(&self, owners: &[Option<u16>]) -> Canvas {
        let owner = |index: usize, slot: &Slot| owners.get(index).copied().unwrap_or(slot.span);
        let slots = self.slots.iter().enumerate().map(|(index, slot)| Slot { span: owner(index, slot), ..*slot });
        let mut shown = Self::new(Vec::new(), slots.collect(), Vec::new());
        shown.ids.clone_from(&self.ids);
        (shown.next_id, shown.step) = (self.next_id, self.step);
        shown
    }

    /// Number of spans.
    pub fn spans(&self) -> usize {
        self.closed.len()
    }

    /// Whether an `end` closed the span, so that it can no longer grow.
    pub fn is_closed(&self, span: u16) -> bool {
        self.closed.get(usize::from(span)).copied().unwrap_or(true)
    }

    /// Indices of the masked slots, ascending.
    pub fn masked(&self) -> Vec<usize> {
        (0..self.slots.len()).filter(|&slot| self.slots[slot].is_masked()).collect()
    }

    /// Whether no slot is masked.
    pub fn is_full(&self) -> bool {
        self.slots.iter().all(|slot| !slot.is_masked())
    }

    /// Index behind the last slot of `span`, or `None` when the span has no slot.
    pub fn span_end(&self, span: u16) -> Option<usize> {
        self.slots.iter().rposition(|slot| slot.span == Some(span)).map(|last| last + 1)
    }

    /// The tokens that stand in `span`, masks left out.
    pub fn span_tokens(&self, span: u16) -> Vec<TokenId> {
        self.slots.iter().filter(|slot| slot.span == Some(span)).filter_map(|slot| slot.token).collect()
    }

    /// The present step: 0 before the first denoiser call.
    pub fn step(&self) -> u32 {
        self.step
    }

    /// Begins the next step: operations recorded from now on belong to it.
    pub fn begin_step(&mut self) {
        self.step += 1;
    }

    /// All operations so far, each with its step.
    pub fn ops(&self) -> &[(u32, Op)] {
        &self.ops
    }

    /// Applies an operation and records it. Returns false, and changes nothing, when it does not fit the canvas: a slot that
    /// is not there, a pinned slot, a closed span.
    pub fn apply(&mut self, op: Op) -> bool {
        let step = self.step;
        let free = |slots: &[Slot], slot: usize| slots.get(slot).is_some_and(|slot| !slot.pinned);
        let done = match op {
            Op::Commit { slot, token, confidence } if free(&self.slots, slot) => {
                let place = &mut self.slots[slot];
                place.token = Some(token);
                place.confidence = confidence;
                place.origin = Origin::Committed(step);
                true
            }
            Op::Remask { slot } if free(&self.slots, slot) => {
                let place = &mut self.slots[slot];
                place.token = None;
                place.confidence = 0.0;
                true
            }
            Op::Expand { slot } if free(&self.slots, slot) => {
                let span = self.slots[slot].span;
                let mask = Slot { token: None, pinned: false, confidence: 0.0, origin: Origin::Inserted(step), span };
                self.slots[slot] = mask;
                self.insert(slot + 1, mask, 1);
                true
            }
            Op::Delete { slot } if free(&self.slots, slot) => {
                self.slots.remove(slot);
                self.ids.remove(slot);
                true
            }
            Op::Append { span, count } if !self.is_closed(span) => {
                let mask = Slot { token: None, pinned: false, confidence: 0.0, origin: Origin::Inserted(step), span: Some(span) };
                match self.span_end(span) {
                    Some(end) => {
                        self.insert(end, mask, count);
                        true
                    }
                    None => false,
                }
            }
            Op::Close { slot } => self.close(slot),
            Op::Pin { slot, token } if self.slots.get(slot).is_some_and(|slot| slot.span.is_some()) => {
                let place = &mut self.slots[slot];
                place.token = Some(token);
                place.pinned = true;
                place.confidence = 1.0;
                place.origin = Origin::User;
                true
            }
            Op::Unpin { slot } if self.slots.get(slot).is_some_and(|slot| slot.pinned && slot.span.is_some()) => {
                self.slots[slot].pinned = false;
                true
            }
            _ => false,
        };
        if done {
            self.ops.push((step, op));
        }
        done
    }

    fn insert(&mut self, at: usize, slot: Slot, count: usize) {
        self.slots.splice(at..at, std::iter::repeat_n(slot, count));
        let first = self.next_id;
        self.next_id = first.saturating_add(SlotId::try_from(count).unwrap_or(SlotId::MAX));
        self.ids.splice(at..at, first..self.next_id);
    }

    /// Drops `slot` and what follows it in its span, up to the next pinned slot: what stands behind that was wanted there. The
    /// span is closed when nothing of it is left behind.
    fn close(&mut self, slot: usize) -> bool {
        let Some(span) = self.slots.get(slot).filter(|slot| !slot.pinned).and_then(|slot| slot.span) else { return false };
        let own = |index: &usize| self.slots[*index].span == Some(span);
        let end = (slot..self.slots.len()).find(|index| !own(index) || self.slots[*index].pinned).unwrap_or(self.slots.len());
        let Some(closed) = self.closed.get_mut(usize::from(span)) else { return false };
        *closed = !(end..self.slots.len()).any(|index| self.slots[index].span == Some(span));
        self.slots.drain(slot..end);
        self.ids.drain(slot..end);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas() -> Canvas {
        let slots = vec![Slot::masked(0), Slot::masked(0), Slot::between(7), Slot::masked(1), Slot::masked(1), Slot::masked(1)];
        Canvas::new(vec![1, 2], slots, vec![])
    }

    #[test]
    fn close_drops_the_rest_of_one_span_only() {
        let mut canvas = canvas();
        assert!(canvas.apply(Op::Commit { slot: 3, token: 9, confidence: 0.5 }));
        assert!(canvas.apply(Op::Close { slot: 4 }));
        assert_eq!(canvas.slots().len(), 4);
        assert_eq!(canvas.span_tokens(1), [9]);
        assert!(canvas.is_closed(1) && !canvas.is_closed(0));
        assert!(!canvas.apply(Op::Append { span: 1, count: 3 }));
        assert!(canvas.apply(Op::Append { span: 0, count: 2 }));
        assert_eq!(canvas.masked(), [0, 1, 2, 3]);
        assert_eq!(canvas.slots()[4].token, Some(7));
    }

    #[test]
    fn close_stops_at_a_pinned_slot() {
        let mut canvas = Canvas::new(vec![1], vec![Slot::masked(0); 6], vec![]);
        assert!(canvas.apply(Op::Pin { slot: 3, token: 5 }));
        assert!(canvas.apply(Op::Close { slot: 1 }));
        assert_eq!(canvas.ids(), [0, 3, 4, 5]);
        assert!(!canvas.is_closed(0), "masks behind the pinned slot are still to be denoised");
        assert!(!canvas.apply(Op::Close { slot: 1 }), "a pinned slot stays");
        assert!(canvas.apply(Op::Close { slot: 2 }));
        assert_eq!(canvas.ids(), [0, 3]);
        assert!(canvas.is_closed(0));
    }

    #[test]
    fn a_slot_keeps_its_name() {
        let mut canvas = canvas();
        assert_eq!(canvas.ids(), [0, 1, 2, 3, 4, 5]);
        canvas.apply(Op::Expand { slot: 0 });
        canvas.apply(Op::Append { span: 0, count: 2 });
        canvas.apply(Op::Delete { slot: 2 });
        assert_eq!(canvas.ids(), [0, 6, 7, 8, 2, 3, 4, 5]);
        assert_eq!((canvas.index_of(4), canvas.index_of(1)), (Some(6), None));
        assert_eq!(canvas.slots().len(), canvas.ids().len());
    }

    #[test]
    fn pinned_slots_refuse_changes() {
        let mut canvas = canvas();
        assert!(!canvas.apply(Op::Remask { slot: 2 }));
        assert!(!canvas.apply(Op::Unpin { slot: 2 }), "text between spans stays pinned");
        assert!(!canvas.apply(Op::Pin { slot: 2, token: 5 }), "and stays as it is");
        assert!(canvas.apply(Op::Pin { slot: 0, token: 5 }));
        assert!(!canvas.apply(Op::Commit { slot: 0, token: 6, confidence: 1.0 }));
        assert!(canvas.apply(Op::Unpin { slot: 0 }));
        assert!(canvas.apply(Op::Remask { slot: 0 }));
        assert_eq!(canvas.ops().len(), 3);
    }

    #[test]
    fn replaying_the_record_gives_the_same_canvas() {
        let start = canvas();
        let mut canvas = start.clone();
        canvas.begin_step();
        canvas.apply(Op::Expand { slot: 1 });
        canvas.apply(Op::Commit { slot: 2, token: 3, confidence: 0.25 });
        canvas.begin_step();
        canvas.apply(Op::Close { slot: 5 });
        let mut again = start;
        for &(step, op) in canvas.ops() {
            while again.step() < step {
                again.begin_step();
            }
            assert!(again.apply(op));
        }
        assert_eq!(again, canvas);
    }
}
