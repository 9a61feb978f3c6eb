//! The denoiser with canvas attention: a frozen base that runs the context causally, once, and a low-rank adapter for the canvas.
//!
//! Context elements run through the base alone; their keys and values are exact for the whole edit and shared by all
//! candidates. A step runs the anchor (the last context element) and the slots only. The prediction for a slot is read at the
//! element before it. With no adapter the leftmost masked slot is predicted exactly as the base would continue the text.

use std::time::Duration;

use burn::tensor::Int;
use burn::tensor::Tensor;
use burn::tensor::TensorData;

use crate::diffusion::denoiser::Ask;
use crate::diffusion::denoiser::Causal;
use crate::diffusion::denoiser::Denoiser;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::filter::Filter;
use crate::model::adapter::Adapter;
use crate::model::context::Contexts;
use crate::model::context::HIDDEN;
use crate::model::error::ModelError;
use crate::model::readout::Readout;
use crate::model::readout::check;
use crate::model::readout::read_rows;
use crate::model::spec::ModelSpec;
use crate::model::spec::TokenId;
use crate::model::transformer::Pass;
use crate::model::transformer::Transformer;

/// Elements of a canvas are filled up to a multiple of this on devices that compile and try kernels for the sizes they meet.
const BUCKET: usize = 8;

/// A base with or without its adapter, and the context caches of recent requests.
#[derive(Debug)]
pub struct CanvasDenoiser {
    spec: ModelSpec,
    transformer: Transformer,
    adapter: Option<Adapter>,
    contexts: Contexts,
}

impl CanvasDenoiser {
    /// Joins a base and an adapter made for it.
    pub fn new(spec: ModelSpec, transformer: Transformer, adapter: Option<Adapter>) -> Self {
        Self { spec, transformer, adapter, contexts: Contexts::default() }
    }

    /// The base.
    pub fn transformer(&self) -> &Transformer {
        &self.transformer
    }

    /// Whether an adapter is present; without one only the leftmost slot is predicted well.
    pub fn has_adapter(&self) -> bool {
        self.adapter.is_some()
    }

    /// The id that stands in a masked slot.
    pub fn mask(&self) -> TokenId {
        self.spec.tokens.mask
    }

    /// Leaves the base alone.
    pub fn remove_adapter(&mut self) {
        self.adapter = None;
    }

    /// Drops what is kept of earlier contexts, so that the next edit costs what it costs a new process.
    pub fn forget_contexts(&mut self) {
        self.contexts.forget();
    }

    /// Time spent so far on contexts: what an edit pays before its first step, and not again for another candidate.
    pub fn context_time(&self) -> Duration {
        self.contexts.spent()
    }

    /// Raw logits of the base for `ids[from..]` and for the id that would follow, `[rows, vocab]`; `from` is at least 1.
    ///
    /// # Errors
    /// The device failed, or `ids` is longer than the model's context limit.
    pub fn causal_logits(&mut self, ids: &[TokenId], from: usize) -> Result<Vec<f32>, ModelError> {
        if from == 0 || from > ids.len() {
            return Err(ModelError::Mismatch("a continuation needs at least one token before it".to_owned()));
        }
        self.check_length(ids.len())?;
        let hidden = self.contexts.run(&mut self.transformer, ids, from - 1)?;
        read(self.transformer.logits(hidden))
    }

    fn check_length(&self, elements: usize) -> Result<(), ModelError> {
        let limit = self.spec.context_limit;
        if elements <= limit { Ok(()) } else { Err(ModelError::TooLong { elements, limit }) }
    }

    /// Raw logits of the asked slots of canvases with one context, `[rows, vocab]`; rows in the order of `asks`.
    ///
    /// # Errors
    /// The device failed, a canvas is longer than the model's context limit, or the context is empty.
    pub fn canvas_logits(&mut self, asks: &[Ask<'_>]) -> Result<Vec<f32>, ModelError> {
        let Some(first) = asks.first() else { return Ok(Vec::new()) };
        let Some((&anchor, context)) = first.canvas.context().split_last() else {
            return Err(ModelError::Mismatch("a canvas needs at least one token of context".to_owned()));
        };
        let longest = asks.iter().map(|ask| ask.canvas.slots().len()).max().unwrap_or(0);
        self.check_length(context.len() + 1 + longest)?;
        self.contexts.prepare(&mut self.transformer, context)?;
        let elements = longest + 1;
        let (batch, seq) =
            (asks.len(), if self.transformer.wants_buckets() { elements.next_multiple_of(BUCKET) } else { elements });
        let layout = Layout::new(asks, anchor, seq, self.spec.tokens.mask);
        let positions: Vec<usize> = (0..batch).flat_map(|_| context.len()..context.len() + seq).collect();
        let device = self.transformer.device().clone();
        let mut input = self.transformer.embed(&layout.ids, batch);
        if let Some(adapter) = &self.adapter {
            let masked = Tensor::<3>::from_data(TensorData::new(layout.masked.clone(), [batch, seq, 1]), &device);
            let mask_in = adapter.mask_in.clone().reshape([1, 1, input.dims()[2]]);
            input = input * (1.0 - masked.clone()) + masked * mask_in;
        }
        let bias =
            Tensor::from_data(TensorData::new(layout.bias(batch, seq, self.adapter.is_none()), [batch, seq, seq]), &device);
        let past = self.contexts.cache(context).map(|cache| (cache, context.len()));
        let passed = self.transformer.forward(Pass {
            input,
            positions: &positions,
            bias: Some(bias),
            past,
            adapter: self.adapter.as_ref(),
        });
        let rows: Vec<i32> = asks
            .iter()
            .enumerate()
            .flat_map(|(b, ask)| ask.slots.iter().map(move |&slot| i32::try_from(b * seq + slot).unwrap_or(0)))
            .collect();
        let count = rows.len();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &device);
        let hidden = passed.hidden.reshape([batch * seq, self.transformer.config().hidden]).select(0, rows);
        let mut logits = self.transformer.logits(hidden.clone());
        if let Some(adapter) = &self.adapter {
            let (own, end) = (hidden.matmul(adapter.end_out.clone().reshape([-1, 1])), adapter.end as usize);
            logits = logits.slice_assign([0..count, end..end + 1], own);
        }
        read(logits)
    }
}

/// Ids and visibility of the elements of a batch of canvases, padded on the right to one length.
struct Layout {
    ids: Vec<TokenId>,
    /// 1 where an element is masked.
    masked: Vec<f32>,
    /// Elements of each canvas, anchor included.
    lengths: Vec<usize>,
}

impl Layout {
    fn new(asks: &[Ask<'_>], anchor: TokenId, seq: usize, mask: TokenId) -> Self {
        let mut layout = Self { ids: Vec::new(), masked: Vec::new(), lengths: Vec::new() };
        for ask in asks {
            let slots = ask.canvas.slots();
            layout.lengths.push(slots.len() + 1);
            layout.push(Some(anchor), mask);
            slots.iter().for_each(|slot| layout.push(slot.token, mask));
            (slots.len() + 1..seq).for_each(|_| layout.push(None, mask));
        }
        layout
    }

    fn push(&mut self, token: Option<TokenId>, mask: TokenId) {
        self.ids.push(token.unwrap_or(mask));
        self.masked.push(if token.is_none() { 1.0 } else { 0.0 });
    }

    /// An element sees every element that is not masked, masked ones at or before its own place, and itself. A base without
    /// adapter was never taught to look ahead, so there an element sees what is at or before its own place.
    fn bias(&self, batch: usize, seq: usize, causal: bool) -> Vec<f32> {
        let mut bias = vec![HIDDEN; batch * seq * seq];
        for (b, rows) in bias.chunks_exact_mut((seq * seq).max(1)).enumerate() {
            let masked = &self.masked[b * seq..(b + 1) * seq];
            for (q, row) in rows.chunks_exact_mut(seq).enumerate() {
                for (k, value) in row.iter_mut().enumerate() {
                    let visible = k <= q || (!causal && masked[k] == 0.0);
                    if k == q || (k < self.lengths[b] && visible) {
                        *value = 0.0;
                    }
                }
            }
        }
        bias
    }
}

/// Reads a tensor back as f32 values.
fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ModelError> {
    let device_error = |error: &dyn std::fmt::Display| ModelError::Device(error.to_string());
    let data = tensor.try_into_data().map_err(|error| device_error(&error))?;
    data.convert::<f32>().try_into_vec().map_err(|error| ModelError::Device(format!("{error:?}")))
}

impl Denoiser for CanvasDenoiser {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn predict(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Prediction>>, ModelError> {
        let vocab = self.transformer.config().vocab;
        let mut results = Vec::with_capacity(asks.len());
        // Canvases with one context run as one batch; requests for different files would come one after the other.
        for group in asks.chunk_by(|a, b| a.canvas.context() == b.canvas.context()) {
            let mut logits = self.canvas_logits(group)?;
            check(&logits, vocab)?;
            let mut rest = logits.as_mut_slice();
            for ask in group {
                let (rows, others) = rest.split_at_mut(ask.slots.len() * vocab);
                let readouts: Vec<Readout> = ask.slots.iter().map(|&slot| readout(ask, slot)).collect();
                let banned = [self.spec.tokens.banned.as_slice(), ask.banned].concat();
                results.push(read_rows(rows, vocab, &readouts, &banned));
                rest = others;
            }
        }
        Ok(results)
    }
}

fn readout(ask: &Ask<'_>, slot: usize) -> Readout {
    Readout { top_k: ask.top_k, current: ask.canvas.slots().get(slot).and_then(|slot| slot.token), filter: ask.filter }
}

impl Causal for CanvasDenoiser {
    fn continue_from(&mut self, ids: &[TokenId], from: usize, top_k: usize) -> Result<Vec<Prediction>, ModelError> {
        let mut logits = self.causal_logits(ids, from)?;
        let following = ids[from..].iter().copied().map(Some).chain([None]);
        let readouts: Vec<Readout> = following.map(|current| Readout { top_k, current, filter: Filter::default() }).collect();
        Ok(read_rows(&mut logits, self.transformer.config().vocab, &readouts, &[]))
    }
}
