//! Keys and values of contexts that were run through the base, kept for what shares their beginning.

use std::time::Duration;
use std::time::Instant;

use burn::tensor::Tensor;
use burn::tensor::TensorData;

use crate::model::error::ModelError;
use crate::model::kv_cache::KvCache;
use crate::model::spec::TokenId;
use crate::model::transformer::Pass;
use crate::model::transformer::Transformer;

/// An edit needs the context of its canvas and that of the ranking; more would only hold memory.
const KEPT: usize = 2;
/// Positions run at once: long enough for full matrix speed, short enough that scores stay small.
const CHUNK: usize = 256;
/// Added to scores that must not count; large enough for f32 and still finite in f16.
pub(super) const HIDDEN: f32 = -3.0e4;

/// The most recent contexts, the latest last.
#[derive(Debug, Default)]
pub struct Contexts {
    kept: Vec<Context>,
    spent: Duration,
}

#[derive(Debug, Default)]
struct Context {
    ids: Vec<TokenId>,
    cache: KvCache,
}

impl Contexts {
    /// Makes sure that the keys and values of all of `ids` are there.
    ///
    /// # Errors
    /// The device failed.
    pub fn prepare(&mut self, transformer: &mut Transformer, ids: &[TokenId]) -> Result<(), ModelError> {
        let started = Instant::now();
        let context = self.select(ids);
        let known = context.shared(ids);
        context.extend(transformer, ids, known, None);
        self.spent += started.elapsed();
        Ok(())
    }

    /// Drops all contexts.
    pub fn forget(&mut self) {
        self.kept.clear();
    }

    /// Time spent so far on what an edit reads before its first token. Where one pass went on with tokens of the answer, their
    /// share is left out. On a device that works in the background this is the time to hand over the work.
    pub fn spent(&self) -> Duration {
        self.spent
    }

    /// The cache that holds `ids`, after [`Contexts::prepare`].
    pub fn cache(&self, ids: &[TokenId]) -> Option<&KvCache> {
        self.kept.last().filter(|context| context.ids.starts_with(ids)).map(|context| &context.cache)
    }

    /// Runs `ids` causally and gives the hidden states of those from `from` on, `[rows, hidden]`.
    ///
    /// # Errors
    /// The device failed.
    pub fn run(&mut self, transformer: &mut Transformer, ids: &[TokenId], from: usize) -> Result<Tensor<2>, ModelError> {
        let started = Instant::now();
        let context = self.select(ids);
        let start = context.shared(ids).min(from);
        let mut hidden = Vec::new();
        context.extend(transformer, ids, start, Some(&mut hidden));
        self.spent += started.elapsed().mul_f64((from - start) as f64 / (ids.len() - start).max(1) as f64);
        if hidden.is_empty() {
            return Err(ModelError::Mismatch("nothing to run".to_owned()));
        }
        let all = Tensor::cat(hidden, 0);
        let rows = all.dims()[0];
        let wanted = ids.len() - from;
        Ok(all.narrow(0, rows - wanted, wanted))
    }

    /// The kept context that shares the longest beginning with `ids`, moved to the end; a new one when none shares at least
    /// half of it.
    fn select(&mut self, ids: &[TokenId]) -> &mut Context {
        let best = self.kept.iter().enumerate().map(|(index, context)| (context.shared(ids), index)).max();
        let chosen = match best {
            Some((shared, index)) if 2 * shared >= ids.len().min(self.kept[index].ids.len()) => self.kept.remove(index),
            _ => {
                if self.kept.len() == KEPT {
                    self.kept.remove(0);
                }
                Context::default()
            }
        };
        self.kept.push(chosen);
        let last = self.kept.len() - 1;
        &mut self.kept[last]
    }
}

impl Context {
    fn shared(&self, ids: &[TokenId]) -> usize {
        self.ids.iter().zip(ids).take_while(|(a, b)| a == b).count()
    }

    /// Runs `ids[start..]` behind the first `start` positions. Positions behind `ids` stay when they are all known already.
    fn extend(&mut self, transformer: &mut Transformer, ids: &[TokenId], start: usize, mut hidden: Option<&mut Vec<Tensor<2>>>) {
        if start >= ids.len() {
            return;
        }
        self.ids.truncate(start);
        self.cache.truncate(start);
        let device = transformer.device().clone();
        for chunk in ids[start..].chunks(CHUNK) {
            let (len, n) = (self.cache.len(), chunk.len());
            let positions: Vec<usize> = (len..len + n).collect();
            let bias = (n > 1).then(|| {
                let values: Vec<f32> = (0..n * n).map(|i| if i % n <= i / n { 0.0 } else { HIDDEN }).collect();
                Tensor::from_data(TensorData::new(values, [1, n, n]), &device)
            });
            let input = transformer.embed(chunk, 1);
            let past = (len > 0).then_some((&self.cache, len));
            let passed = transformer.forward(Pass { input, positions: &positions, bias, past, adapter: None });
            self.cache.append(passed.keys_values);
            self.ids.extend_from_slice(chunk);
            if let Some(hidden) = hidden.as_deref_mut() {
                let [_, rows, width] = passed.hidden.dims();
                hidden.push(passed.hidden.reshape([rows, width]));
            }
        }
    }
}
