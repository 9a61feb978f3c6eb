//! Trajectories in a file: what is needed to show any step of a run without a model.
//!
//! One JSON object. Slots and operations are short arrays; texts of tokens stand there once.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde::Serialize;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::canvas::Origin;
use crate::diffusion::canvas::Slot;
use crate::diffusion::trajectory::Trajectory;
use crate::edit::candidate::Candidate;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;

/// Marks the files.
const FORMAT: &str = "dcode-trajectory";
/// Version of the format.
const VERSION: u32 = 1;
/// Slots that a canvas of a file may have at any step; a file that asks for more is damaged.
const MOST_SLOTS: usize = 1 << 16;
/// Bytes of a text up to which it is recorded around the spans.
const MOST_AROUND: usize = 1 << 18;

/// Trajectories of one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedRun {
    format: String,
    version: u32,
    /// The model that made it.
    pub model: String,
    /// The file that was edited.
    pub file: String,
    /// Text of each token that stands in a slot at some time.
    texts: BTreeMap<TokenId, String>,
    /// What stood before the first span, between the spans, and behind the last one; empty when that was too much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    around: Vec<String>,
    runs: Vec<Run>,
}

/// Token, whether it is pinned, confidence, origin, span.
type SavedSlot = (Option<TokenId>, bool, f32, Origin, Option<u16>);

/// One candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    candidate: usize,
    context: Vec<TokenId>,
    after: Vec<TokenId>,
    slots: Vec<SavedSlot>,
    /// Step, kind, slot or span, token or count, probability.
    ops: Vec<(u32, char, usize, u32, f32)>,
}

impl SavedRun {
    /// The trajectories of candidates. Drafts have none.
    pub fn new(model: &str, file: &str, tokenizer: &Tokenizer, candidates: &[Candidate]) -> Self {
        let mut texts = BTreeMap::new();
        let mut runs = Vec::new();
        for candidate in candidates {
            let Some(trajectory) = &candidate.trajectory else { continue };
            let run = Run::new(candidate.number, trajectory);
            let given = run.slots.iter().filter_map(|slot| slot.0);
            let committed = run.ops.iter().filter(|op| matches!(op.1, 'c' | 'p')).map(|op| op.3);
            for token in given.chain(committed) {
                texts.entry(token).or_insert_with(|| tokenizer.decode(&[token]));
            }
            runs.push(run);
        }
        let (model, file) = (model.to_owned(), file.to_owned());
        Self { format: FORMAT.to_owned(), version: VERSION, model, file, texts, around: Vec::new(), runs }
    }

    /// With the text that stands around the spans, ascending ranges of bytes in it, unless it is too long.
    #[must_use]
    pub fn within(mut self, text: &str, spans: &[Range<usize>]) -> Self {
        let starts = std::iter::once(0).chain(spans.iter().map(|span| span.end));
        let ends = spans.iter().map(|span| span.start).chain([text.len()]);
        let pieces: Option<Vec<&str>> = starts.zip(ends).map(|(start, end)| text.get(start..end)).collect();
        if let Some(pieces) = pieces.filter(|pieces| pieces.iter().map(|piece| piece.len()).sum::<usize>() <= MOST_AROUND) {
            self.around = pieces.into_iter().map(str::to_owned).collect();
        }
        self
    }

    /// What stood around `spans` spans, one piece more than there are spans; `None` when it was not recorded.
    pub fn around(&self, spans: usize) -> Option<&[String]> {
        (self.around.len() == spans + 1).then_some(self.around.as_slice())
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// It is no trajectory of this version, or an operation in it does not fit its canvas.
    pub fn read(text: &str) -> Result<Self, String> {
        let read: Self = serde_json::from_str(text).map_err(|error| format!("not a trajectory: {error}"))?;
        if read.format != FORMAT {
            return Err("not a trajectory".to_owned());
        }
        if read.version != VERSION {
            return Err(format!("version {} of the format is not known; this dcode reads {VERSION}", read.version));
        }
        read.runs.iter().try_for_each(Run::check)?;
        Ok(read)
    }

    /// The file's text.
    ///
    /// # Errors
    /// Never in practice: everything in it can be written.
    pub fn write(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Numbers of the candidates.
    pub fn candidates(&self) -> Vec<usize> {
        self.runs.iter().map(|run| run.candidate).collect()
    }

    /// The trajectory of a candidate.
    pub fn trajectory(&self, candidate: usize) -> Option<Trajectory> {
        self.runs.iter().find(|run| run.candidate == candidate).and_then(Run::trajectory)
    }

    /// Text of a token.
    pub fn text(&self, token: TokenId) -> &str {
        self.texts.get(&token).map_or("", String::as_str)
    }
}

impl Run {
    fn new(candidate: usize, trajectory: &Trajectory) -> Self {
        let start = &trajectory.start;
        let slot = |slot: &Slot| (slot.token, slot.pinned, slot.confidence, slot.origin, slot.span);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let op = |&(step, op): &(u32, Op)| match op {
            Op::Commit { slot, token, confidence } => (step, 'c', slot, token, confidence),
            Op::Remask { slot } => (step, 'r', slot, 0, 0.0),
            Op::Expand { slot } => (step, 'e', slot, 0, 0.0),
            Op::Delete { slot } => (step, 'd', slot, 0, 0.0),
            Op::Append { span, count } => (step, 'a', usize::from(span), number(count), 0.0),
            Op::Close { slot } => (step, 'x', slot, 0, 0.0),
            Op::Pin { slot, token } => (step, 'p', slot, token, 0.0),
            Op::Unpin { slot } => (step, 'u', slot, 0, 0.0),
        };
        Self {
            candidate,
            context: start.context().to_vec(),
            after: start.after().to_vec(),
            slots: start.slots().iter().map(slot).collect(),
            ops: trajectory.ops.iter().map(op).collect(),
        }
    }

    fn trajectory(&self) -> Option<Trajectory> {
        let slot = |&(token, pinned, confidence, origin, span): &(Option<TokenId>, bool, f32, Origin, Option<u16>)| Slot {
            token,
            pinned,
            confidence,
            origin,
            span,
        };
        let op = |&(step, kind, slot, value, confidence): &(u32, char, usize, u32, f32)| {
            let op = match kind {
                'c' => Op::Commit { slot, token: value, confidence },
                'r' => Op::Remask { slot },
                'e' => Op::Expand { slot },
                'd' => Op::Delete { slot },
                'a' => Op::Append { span: u16::try_from(slot).ok()?, count: value as usize },
                'x' => Op::Close { slot },
                'p' => Op::Pin { slot, token: value },
                'u' => Op::Unpin { slot },
                _ => return None,
            };
            Some((step, op))
        };
        let ops: Option<Vec<(u32, Op)>> = self.ops.iter().map(op).collect();
        let slots = self.slots.iter().map(slot).collect();
        Some(Trajectory { start: Canvas::new(self.context.clone(), slots, self.after.clone()), ops: ops? })
    }

    fn check(&self) -> Result<(), String> {
        let candidate = self.candidate;
        let grown: usize = self.ops.iter().map(|op| if op.1 == 'a' { op.3 as usize } else { usize::from(op.1 == 'e') }).sum();
        let spans = self.slots.iter().filter_map(|slot| slot.4).max().map_or(0, usize::from);
        if self.slots.len().saturating_add(grown) > MOST_SLOTS || spans > self.slots.len() {
            return Err(format!("candidate {candidate} is not possible: too many slots"));
        }
        let ascending = self.ops.windows(2).all(|pair| pair[0].0 <= pair[1].0);
        let last = self.ops.last().map_or(0, |op| op.0);
        if !ascending || last as usize > MOST_SLOTS * 16 {
            return Err(format!("candidate {candidate} is not possible: its steps are not in order"));
        }
        let fits = self.trajectory().and_then(|trajectory| trajectory.at(trajectory.steps()));
        fits.map(|_| ()).ok_or_else(|| format!("candidate {candidate} is not possible: a change does not fit its canvas"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn saved(trajectory: &Trajectory) -> SavedRun {
        let texts = BTreeMap::from([(5, "x".to_owned())]);
        let runs = vec![Run::new(3, trajectory)];
        let (model, file) = ("m".to_owned(), "f".to_owned());
        SavedRun { format: FORMAT.to_owned(), version: VERSION, model, file, texts, around: Vec::new(), runs }
    }

    fn any_op() -> impl Strategy<Value = Op> {
        let slot = 0usize..12;
        prop_oneof![
            (slot.clone(), 0u32..9, 0.0f32..1.0).prop_map(|(slot, token, confidence)| Op::Commit { slot, token, confidence }),
            slot.clone().prop_map(|slot| Op::Remask { slot }),
            slot.clone().prop_map(|slot| Op::Expand { slot }),
            slot.clone().prop_map(|slot| Op::Delete { slot }),
            (0u16..3, 0usize..4).prop_map(|(span, count)| Op::Append { span, count }),
            slot.clone().prop_map(|slot| Op::Close { slot }),
            (slot.clone(), 0u32..9).prop_map(|(slot, token)| Op::Pin { slot, token }),
            slot.prop_map(|slot| Op::Unpin { slot }),
        ]
    }

    #[test]
    fn what_stands_around_is_recorded_unless_it_is_long() {
        let start = Canvas::new(vec![1], vec![Slot::masked(0), Slot::masked(1)], vec![]);
        let run = saved(&Trajectory::new(start.clone(), &start));
        assert_eq!(run.around(2), None, "files of before have none");
        assert!(!run.write().unwrap().contains("around"));
        let found = SavedRun::read(&run.clone().within("a{x}b{y}c", &[2..3, 6..7]).write().unwrap()).unwrap();
        assert_eq!(found.around(2).unwrap(), ["a{", "}b{", "}c"]);
        assert_eq!(found.around(1), None, "the pieces do not fit the spans");
        assert_eq!(run.clone().within("ab", &[1..7]).around(1), None, "no such span");
        assert_eq!(run.within(&"x".repeat(MOST_AROUND + 2), &[0..1]).around(1), None, "too long");
    }

    proptest! {
        #[test]
        fn a_file_replays_to_the_canvas_it_was_made_from(ops in proptest::collection::vec((any::<bool>(), any_op()), 0..60)) {
            let slots = [vec![Slot::masked(0); 3], vec![Slot::between(7)], vec![Slot::masked(1); 4]].concat();
            let start = Canvas::new(vec![1, 2], slots, vec![3]);
            let mut canvas = start.clone();
            let mut states = vec![canvas.clone()];
            for (next, op) in ops {
                if next {
                    canvas.begin_step();
                    states.push(canvas.clone());
                }
                canvas.apply(op);
                *states.last_mut().unwrap() = canvas.clone();
            }
            let text = saved(&Trajectory::new(start, &canvas)).write().unwrap();
            let again = SavedRun::read(&text).unwrap();
            let trajectory = again.trajectory(3).unwrap();
            for (step, state) in (0..).zip(&states) {
                let found = trajectory.at(step).unwrap();
                prop_assert_eq!((found.slots(), found.ids()), (state.slots(), state.ids()));
            }
            let replayed = trajectory.at(u32::MAX).unwrap();
            prop_assert_eq!(replayed.ops(), canvas.ops());
            prop_assert_eq!(SavedRun::read(&text).unwrap().write().unwrap(), text);
        }

        #[test]
        fn damaged_files_are_refused(ops in proptest::collection::vec((0u32..4, any::<char>(), 0usize..1 << 40, any::<u32>()), 1..6)) {
            let ops: Vec<_> = ops.into_iter().map(|(step, kind, slot, value)| (step, kind, slot, value, 0.0f32)).collect();
            let start = Canvas::new(vec![1], vec![Slot::masked(0); 2], vec![]);
            let mut run = saved(&Trajectory::new(start.clone(), &start));
            run.runs[0].ops = ops;
            // Whatever it says: an answer, and no allocation beyond what a canvas may have.
            let _ = SavedRun::read(&run.write().unwrap());
        }
    }

    #[test]
    fn other_files_are_named() {
        let run =
            saved(&Trajectory::new(Canvas::new(vec![], vec![Slot::masked(0)], vec![]), &Canvas::new(vec![], vec![], vec![])));
        let text = run.write().unwrap();
        for (from, to, expected) in [
            ("dcode-trajectory", "dcode-plan", "not a trajectory"),
            ("\"version\":1", "\"version\":2", "version 2"),
            ("\"ops\":[]", "\"ops\":[[1,\"a\",0,4294967295,0.0]]", "too many slots"),
            ("\"ops\":[]", "\"ops\":[[1,\"r\",9,0,0.0]]", "does not fit"),
            ("\"ops\":[]", "\"ops\":[[4000000000,\"r\",0,0,0.0]]", "not in order"),
        ] {
            let damaged = text.replace(from, to);
            assert_ne!(damaged, text);
            assert!(SavedRun::read(&damaged).unwrap_err().contains(expected), "{expected}");
        }
    }
}
