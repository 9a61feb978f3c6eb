//! The denoiser of models that see the whole sequence at once: context, slots and the text behind them, in both directions or in
//! blocks.
//!
//! Three kinds of passes. *Everything* runs when nothing may be kept, and its keys and values are kept for the next ones. With
//! bidirectional attention a *window* of elements can run against the kept keys and values of all others (Fast-dLLM's prefix and
//! dual cache): an approximation, because those depend on the window too. With attention that never looks behind a block, the
//! blocks before are kept exactly, and a block costs its own elements only.
//!
//! Where the model reads the prediction for an element at the one before it, that row must be computed too: the sampler asks for
//! a window that begins one element earlier, or the row of the last kept block is remembered.

use std::collections::HashMap;
use std::ops::Range;

use burn::tensor::Int;
use burn::tensor::Tensor;
use burn::tensor::TensorData;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Origin;
use crate::diffusion::denoiser::Ask;
use crate::diffusion::denoiser::Denoiser;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::denoiser::Reuse;
use crate::diffusion::denoiser::supports_shadows;
use crate::model::context::HIDDEN;
use crate::model::error::ModelError;
use crate::model::kv_cache::KvCache;
use crate::model::readout::Readout;
use crate::model::readout::check;
use crate::model::readout::read_rows;
use crate::model::spec::Attention;
use crate::model::spec::ModelSpec;
use crate::model::spec::Shift;
use crate::model::spec::TokenId;
use crate::model::transformer::Pass;
use crate::model::transformer::Passed;
use crate::model::transformer::Transformer;

/// What a pass was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardKind {
    /// Predictions.
    Denoise,
    /// Keys and values of what stands before the first block.
    Prefill,
    /// Keys and values of a block that is finished.
    Store,
}

/// One pass: what it was for, its first element, and how many ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// What it was for.
    pub kind: ForwardKind,
    /// The first element.
    pub start: usize,
    /// Elements.
    pub len: usize,
}

/// Keys and values for each block of the transformer, `[kv_heads, 1, elements, head_dim]`.
type KeysValues = Vec<(Tensor<4>, Tensor<4>)>;

/// See the module.
#[derive(Debug)]
pub struct SequenceDenoiser {
    spec: ModelSpec,
    transformer: Transformer,
    /// Classifier-free guidance: how far predictions are pushed away from those without the given text.
    guidance: Option<f32>,
    /// With attention in blocks: the first block is shorter by so many elements.
    offset: usize,
    lanes: HashMap<usize, Lane>,
    forwards: Vec<Forward>,
}

/// What is kept of a canvas.
#[derive(Debug, Default)]
struct Lane {
    ids: Vec<TokenId>,
    /// Of all elements, as of the pass in which each last ran.
    everything: KeysValues,
    /// The elements outside of a window, with the window.
    outside: Option<(Range<usize>, KvCache)>,
    /// Keys and values of the window's last pass.
    window: KeysValues,
    /// Blocks that are finished, and the hidden state of their last element.
    finished: KvCache,
    last: Option<(usize, Tensor<2>)>,
}

impl SequenceDenoiser {
    /// A denoiser for a transformer; `spec` says who sees whom.
    pub fn new(spec: ModelSpec, transformer: Transformer) -> Self {
        Self { spec, transformer, guidance: None, offset: 0, lanes: HashMap::new(), forwards: Vec::new() }
    }

    /// The same with classifier-free guidance: logits become those without the given text plus `scale + 1` times the difference.
    #[must_use]
    pub fn guided(self, scale: f32) -> Self {
        Self { guidance: (scale != 0.0).then_some(scale), ..self }
    }

    /// The same with blocks that end where a context of `len` elements ends, as BD3LM lays them: the first one is shorter.
    #[must_use]
    pub fn blocks_end_at(self, len: usize) -> Self {
        let offset = match self.spec.attention {
            Attention::BlockCausal(block) => (block - len % block) % block,
            _ => 0,
        };
        Self { offset, ..self }
    }

    /// The transformer.
    pub fn transformer(&self) -> &Transformer {
        &self.transformer
    }

    /// Drops what is kept of earlier passes.
    pub fn forget(&mut self) {
        self.lanes.clear();
    }

    /// The passes since the last call of this function.
    pub fn take_forwards(&mut self) -> Vec<Forward> {
        std::mem::take(&mut self.forwards)
    }

    /// Logits of the asked slots of one canvas, `[slots, vocab]`.
    fn logits(&mut self, ask: &Ask<'_>) -> Result<Vec<f32>, ModelError> {
        let ids = self.elements(ask.canvas);
        let limit = self.spec.context_limit;
        if ids.len() > limit {
            return Err(ModelError::TooLong { elements: ids.len(), limit });
        }
        let shift = usize::from(self.spec.shift == Shift::Right);
        let context = ask.canvas.context().len();
        // The row that holds the prediction of each slot; element 0 has none before it.
        let rows: Vec<usize> = ask.slots.iter().map(|&slot| (context + slot).saturating_sub(shift)).collect();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        if ask.shadows && supports_shadows(&self.spec) {
            return self.with_shadows(ask, &ids);
        }
        let mut lane = self.lanes.remove(&ask.lane).unwrap_or_default();
        let result = match (self.spec.attention, ask.reuse, self.guidance) {
            (_, _, Some(scale)) => self.with_guidance(ask.canvas, &ids, &rows, scale),
            (Attention::BlockCausal(block), Reuse::Outside { start, end }, _) => {
                self.block(&mut lane, &ids, start..end.min(ids.len()), block, &rows)
            }
            (Attention::Bidirectional, Reuse::Outside { start, end }, _) if lane.everything_fits(&ids) => {
                // A row that was not asked to run is fresh enough nowhere: it runs.
                let start = rows.iter().copied().min().unwrap_or(start).min(start);
                self.window(&mut lane, &ids, start..end.clamp(start + 1, ids.len()), &rows)
            }
            _ => self.everything(&mut lane, &ids, &rows),
        };
        lane.ids = ids;
        self.lanes.insert(ask.lane, lane);
        result
    }

    /// Ids of all elements of a canvas.
    fn elements(&self, canvas: &Canvas) -> Vec<TokenId> {
        let mask = self.spec.tokens.mask;
        let slots = canvas.slots().iter().map(|slot| slot.token.unwrap_or(mask));
        canvas.context().iter().copied().chain(slots).chain(canvas.after().iter().copied()).collect()
    }

    /// One pass over everything. With attention in blocks it ends behind the last block that is asked about.
    fn everything(&mut self, lane: &mut Lane, ids: &[TokenId], rows: &[usize]) -> Result<Vec<f32>, ModelError> {
        let last = rows.iter().copied().max().unwrap_or(0);
        let shift = usize::from(self.spec.shift == Shift::Right);
        let end = match self.spec.attention {
            Attention::BlockCausal(block) => self.block_of(last + shift, block).end.min(ids.len()),
            _ => ids.len(),
        };
        let passed = self.pass(ForwardKind::Denoise, &ids[..end], 0, 1, None);
        let logits = self.read(&passed, rows.iter().copied())?;
        *lane = Lane { everything: passed.keys_values, ..Lane::default() };
        Ok(logits)
    }

    /// One pass over a window against the kept keys and values of all other elements.
    fn window(&mut self, lane: &mut Lane, ids: &[TokenId], window: Range<usize>, rows: &[usize]) -> Result<Vec<f32>, ModelError> {
        lane.open(&window, ids.len());
        let outside = lane.outside.as_ref().map(|(_, outside)| (outside, outside.len())).filter(|(_, len)| *len > 0);
        let passed = run(
            &mut self.transformer,
            &mut self.forwards,
            Step {
                kind: ForwardKind::Denoise,
                ids: &ids[window.clone()],
                start: window.start,
                batch: 1,
                bias: None,
                past: outside,
            },
        );
        let logits = self.read(&passed, rows.iter().map(|row| row - window.start))?;
        lane.window = passed.keys_values;
        Ok(logits)
    }

    /// A pass over one block against the blocks before it, which are made first where they are missing or have changed.
    fn block(
        &mut self,
        lane: &mut Lane,
        ids: &[TokenId],
        block: Range<usize>,
        size: usize,
        rows: &[usize],
    ) -> Result<Vec<f32>, ModelError> {
        let same = lane.ids.iter().zip(ids).take_while(|(a, b)| a == b).count();
        let known = lane.finished.len().min(same);
        // A block is known as a whole or not at all.
        let mut known = if known < lane.finished.len() { self.block_of(known, size).start } else { known }.min(block.start);
        let lead = rows.iter().any(|row| *row < block.start);
        // The row before the block is known of the block that was stored last; for an earlier one that block runs again.
        if lead && known == block.start && lane.last.as_ref().is_none_or(|(element, _)| element + 1 != block.start) {
            known = self.block_of(block.start - 1, size).start;
        }
        lane.finished.truncate(known);
        if known < block.start {
            let kind = if known == 0 { ForwardKind::Prefill } else { ForwardKind::Store };
            let bias = self.block_bias(known, block.start, size);
            let past = (known > 0).then_some((&lane.finished, known));
            let step = Step { kind, ids: &ids[known..block.start], start: known, batch: 1, bias, past };
            let passed = run(&mut self.transformer, &mut self.forwards, step);
            let [_, count, width] = passed.hidden.dims();
            lane.last = Some((block.start - 1, passed.hidden.reshape([count, width]).narrow(0, count - 1, 1)));
            lane.finished.append(passed.keys_values);
        }
        let bias = self.block_bias(block.start, block.end, size);
        let past = (block.start > 0).then_some((&lane.finished, block.start));
        let step = Step { kind: ForwardKind::Denoise, ids: &ids[block.clone()], start: block.start, batch: 1, bias, past };
        let passed = run(&mut self.transformer, &mut self.forwards, step);
        let [_, count, width] = passed.hidden.dims();
        let mut hidden = passed.hidden.reshape([count, width]);
        // A row directly before the block is the last one of what is finished.
        let lead = usize::from(lead);
        if let (1, Some((_, last))) = (lead, &lane.last) {
            hidden = Tensor::cat(vec![last.clone(), hidden], 0);
        }
        let rows: Vec<usize> = rows.iter().map(|row| row + lead - block.start.min(row + lead)).collect();
        self.logits_of(hidden, &rows)
    }

    /// Two passes at once: with what is given, and with all of it masked.
    fn with_guidance(&mut self, canvas: &Canvas, ids: &[TokenId], rows: &[usize], scale: f32) -> Result<Vec<f32>, ModelError> {
        let context = canvas.context().len();
        let given = |element: usize| match element.checked_sub(context).and_then(|slot| canvas.slots().get(slot)) {
            Some(slot) => slot.pinned || slot.origin == Origin::Original,
            None => true,
        };
        let mask = self.spec.tokens.mask;
        let without = ids.iter().enumerate().map(|(element, &id)| if given(element) { mask } else { id });
        let both: Vec<TokenId> = ids.iter().copied().chain(without).collect();
        let passed = self.pass(ForwardKind::Denoise, &both, 0, 2, None);
        let (with, without) = (rows.iter().copied(), rows.iter().map(|row| row + ids.len()));
        let mut logits = self.read(&passed, with.chain(without))?;
        let without = logits.split_off(logits.len() / 2);
        logits.iter_mut().zip(without).for_each(|(with, without)| *with = without + (scale + 1.0) * (*with - without));
        Ok(logits)
    }

    /// One pass over everything, with a mask behind it for each asked slot that holds a token: at the place of that slot, seeing all
    /// elements but it, and seen by none.
    fn with_shadows(&mut self, ask: &Ask<'_>, ids: &[TokenId]) -> Result<Vec<f32>, ModelError> {
        let (context, len) = (ask.canvas.context().len(), ids.len());
        let mut shadowed = Vec::new();
        let mut row = |&slot: &usize| match ask.canvas.slots().get(slot).and_then(|slot| slot.token) {
            Some(_) => {
                shadowed.push(context + slot);
                len + shadowed.len() - 1
            }
            None => context + slot,
        };
        let rows: Vec<usize> = ask.slots.iter().map(&mut row).collect();
        let all = len + shadowed.len();
        let ids: Vec<TokenId> = ids.iter().copied().chain(shadowed.iter().map(|_| self.spec.tokens.mask)).collect();
        let positions: Vec<usize> = (0..len).chain(shadowed.iter().copied()).collect();
        let visible = |q: usize, k: usize| match q.checked_sub(len) {
            None => k < len,
            Some(shadow) => k == q || k < len && k != shadowed[shadow],
        };
        let values: Vec<f32> = (0..all * all).map(|i| if visible(i / all, i % all) { 0.0 } else { HIDDEN }).collect();
        let bias = Tensor::from_data(TensorData::new(values, [1, all, all]), self.transformer.device());
        self.forwards.push(Forward { kind: ForwardKind::Denoise, start: 0, len: all });
        let input = self.transformer.embed(&ids, 1);
        let passed = self.transformer.forward(Pass { input, positions: &positions, bias: Some(bias), past: None, adapter: None });
        self.read(&passed, rows.into_iter())
    }

    fn pass(
        &mut self,
        kind: ForwardKind,
        ids: &[TokenId],
        start: usize,
        batch: usize,
        past: Option<(&KvCache, usize)>,
    ) -> Passed {
        let bias = match self.spec.attention {
            Attention::BlockCausal(size) => self.block_bias(start, start + ids.len() / batch, size),
            _ => None,
        };
        run(&mut self.transformer, &mut self.forwards, Step { kind, ids, start, batch, bias, past })
    }

    /// The block of an element.
    fn block_of(&self, element: usize, size: usize) -> Range<usize> {
        let number = (element + self.offset) / size;
        (number * size).saturating_sub(self.offset)..(number + 1) * size - self.offset
    }

    /// Hides what lies behind the block of each element; `None` when all elements are of one block.
    fn block_bias(&self, start: usize, end: usize, size: usize) -> Option<Tensor<3>> {
        let number = |element: usize| (element + self.offset) / size;
        if end <= start || number(start) == number(end - 1) {
            return None;
        }
        let seq = end - start;
        let visible = |q: usize, k: usize| number(start + k) <= number(start + q);
        let values: Vec<f32> = (0..seq * seq).map(|i| if visible(i / seq, i % seq) { 0.0 } else { HIDDEN }).collect();
        Some(Tensor::from_data(TensorData::new(values, [1, seq, seq]), self.transformer.device()))
    }

    fn read(&self, passed: &Passed, rows: impl Iterator<Item = usize>) -> Result<Vec<f32>, ModelError> {
        let [batch, seq, width] = passed.hidden.dims();
        self.logits_of(passed.hidden.clone().reshape([batch * seq, width]), &rows.collect::<Vec<_>>())
    }

    fn logits_of(&self, hidden: Tensor<2>, rows: &[usize]) -> Result<Vec<f32>, ModelError> {
        let indices: Vec<i32> = rows.iter().map(|&row| i32::try_from(row).unwrap_or(0)).collect();
        let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [rows.len()]), self.transformer.device());
        let logits = self.transformer.logits(hidden.select(0, indices));
        let data = logits.try_into_data().map_err(|error| ModelError::Device(error.to_string()))?;
        data.convert::<f32>().try_into_vec().map_err(|error| ModelError::Device(format!("{error:?}")))
    }
}

impl Lane {
    /// Whether everything of this sequence is kept, so that a window of it can run.
    fn everything_fits(&self, ids: &[TokenId]) -> bool {
        self.everything.first().is_some_and(|(keys, _)| keys.dims()[2] == ids.len()) && self.ids.len() == ids.len()
    }

    /// Makes `outside` that of a window; what the last window computed takes its place in everything first.
    fn open(&mut self, window: &Range<usize>, len: usize) {
        if self.outside.as_ref().is_some_and(|(open, _)| open == window) {
            return;
        }
        if let Some((last, _)) = self.outside.take() {
            for ((keys, values), (new_keys, new_values)) in self.everything.iter_mut().zip(self.window.drain(..)) {
                let [kv, batch, _, d] = keys.dims();
                let place = [0..kv, 0..batch, last.clone(), 0..d];
                *keys = keys.clone().slice_assign(place.clone(), new_keys);
                *values = values.clone().slice_assign(place, new_values);
            }
        }
        let mut outside = KvCache::default();
        for part in [0..window.start, window.end..len] {
            if !part.is_empty() {
                let cut = |tensor: &Tensor<4>| tensor.clone().narrow(2, part.start, part.len());
                outside.append(self.everything.iter().map(|(keys, values)| (cut(keys), cut(values))).collect());
            }
        }
        self.outside = Some((window.clone(), outside));
    }
}

/// A pass over some elements.
struct Step<'a> {
    kind: ForwardKind,
    /// Ids of `batch` sequences, one after the other.
    ids: &'a [TokenId],
    /// The first element of each.
    start: usize,
    batch: usize,
    bias: Option<Tensor<3>>,
    past: Option<(&'a KvCache, usize)>,
}

fn run(transformer: &mut Transformer, forwards: &mut Vec<Forward>, step: Step<'_>) -> Passed {
    let len = step.ids.len() / step.batch.max(1);
    forwards.push(Forward { kind: step.kind, start: step.start, len });
    let positions: Vec<usize> = (0..step.batch).flat_map(|_| step.start..step.start + len).collect();
    let input = transformer.embed(step.ids, step.batch);
    transformer.forward(Pass { input, positions: &positions, bias: step.bias, past: step.past, adapter: None })
}

impl Denoiser for SequenceDenoiser {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn predict(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Prediction>>, ModelError> {
        let vocab = self.transformer.config().vocab;
        let mut results = Vec::with_capacity(asks.len());
        for ask in asks {
            let mut logits = self.logits(ask)?;
            check(&logits, vocab)?;
            let current = |slot: &usize| ask.canvas.slots().get(*slot).and_then(|slot| slot.token);
            let readouts: Vec<Readout> =
                ask.slots.iter().map(|slot| Readout { top_k: ask.top_k, current: current(slot), filter: ask.filter }).collect();
            let banned = [self.spec.tokens.banned.as_slice(), ask.banned].concat();
            results.push(read_rows(&mut logits, vocab, &readouts, &banned));
        }
        Ok(results)
    }
}
