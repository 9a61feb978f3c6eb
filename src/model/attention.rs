//! Grouped-query attention over a cached past that all canvases of a batch share, and over the elements of the pass.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

/// Keys and values of one block, `[kv_heads, len, head_dim]` each.
pub type PastBlock = (Tensor<3>, Tensor<3>);

/// Attends to the past (all of it) and to the elements of the pass (as far as `bias` lets).
///
/// The query heads that share a key head are folded into the rows of one matrix, so that keys and values are never repeated;
/// the past is shared by the batch, so that it is never copied for each canvas.
///
/// # Shapes
/// - queries `[kv_heads, batch, group * seq, head_dim]`, already scaled
/// - keys, values `[kv_heads, batch, seq, head_dim]`
/// - bias `[batch or 1, seq, seq]`, added to the scores
/// - output `[batch * seq, kv_heads * group * head_dim]`
pub fn attend(
    queries: Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
    past: Option<PastBlock>,
    bias: Option<Tensor<3>>,
) -> Tensor<2> {
    let [kv, batch, rows, d] = queries.dims();
    let seq = keys.dims()[2];
    let group = rows / seq;
    let mut scores = queries.clone().matmul(keys.swap_dims(2, 3));
    if let Some(bias) = bias {
        let shared = bias.dims()[0];
        let bias = bias.reshape([1, shared, 1, seq * seq]);
        scores = (scores.reshape([kv, batch, group, seq * seq]) + bias).reshape([kv, batch, rows, seq]);
    }
    let attended = match past {
        None => softmax(scores, 3).matmul(values),
        Some((past_keys, past_values)) => {
            let len = past_keys.dims()[1];
            let folded = queries.reshape([kv, batch * rows, d]);
            let past_scores = folded.matmul(past_keys.swap_dims(1, 2)).reshape([kv, batch, rows, len]);
            let weights = softmax(Tensor::cat(vec![past_scores, scores], 3), 3);
            let past_weights = weights.clone().narrow(3, 0, len).reshape([kv, batch * rows, len]);
            let from_past = past_weights.matmul(past_values).reshape([kv, batch, rows, d]);
            from_past + weights.narrow(3, len, seq).matmul(values)
        }
    };
    let attended = attended.reshape([kv, batch, group, seq, d]).permute([1, 3, 0, 2, 4]);
    attended.reshape([batch * seq, kv * group * d])
}

/// Keys and values of a context, one pair per block, with room to grow.
#[derive(Clone, Debug, Default)]
pub struct KvCache {
    blocks: Vec<PastBlock>,
    len: usize,
}

/// Room is made in steps of this many positions.
const GROWTH: usize = 256;

impl KvCache {
    /// Number of positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The first `len` positions of a block; `None` when there are none.
    pub fn block(&self, layer: usize, len: usize) -> Option<PastBlock> {
        let (keys, values) = self.blocks.get(layer)?;
        let len = len.min(self.len);
        (len > 0).then(|| (keys.clone().narrow(1, 0, len), values.clone().narrow(1, 0, len)))
    }

    /// Appends the keys and values of a pass with one sequence, `[kv_heads, 1, seq, head_dim]` per block.
    pub fn append(&mut self, passed: Vec<(Tensor<4>, Tensor<4>)>) {
        let Some([kv, _, seq, d]) = passed.first().map(|(keys, _)| keys.dims()) else { return };
        let needed = self.len + seq;
        let empty = self.blocks.is_empty();
        for (layer, (keys, values)) in passed.into_iter().enumerate() {
            let device = keys.device();
            let grown = |old: Option<Tensor<3>>| match old {
                Some(old) if old.dims()[1] >= needed => old,
                Some(old) => {
                    let more = (needed - old.dims()[1]).next_multiple_of(GROWTH);
                    Tensor::cat(vec![old, Tensor::zeros([kv, more, d], &device)], 1)
                }
                None => Tensor::zeros([kv, needed.next_multiple_of(GROWTH), d], &device),
            };
            let range = [0..kv, self.len..needed, 0..d];
            let (old_keys, old_values) = if empty { (None, None) } else { take(&mut self.blocks, layer) };
            let keys = grown(old_keys).slice_assign(range.clone(), keys.reshape([kv, seq, d]));
            let values = grown(old_values).slice_assign(range, values.reshape([kv, seq, d]));
            if empty {
                self.blocks.push((keys, values));
            } else {
                self.blocks[layer] = (keys, values);
            }
        }
        self.len = needed;
    }
}

/// Takes a block out, so that its buffers have one owner and can be written in place.
fn take(blocks: &mut [PastBlock], layer: usize) -> (Option<Tensor<3>>, Option<Tensor<3>>) {
    let hole = |tensor: &Tensor<3>| Tensor::zeros([1, 1, 1], &tensor.device());
    let Some(block) = blocks.get_mut(layer) else { return (None, None) };
    let holes = (hole(&block.0), hole(&block.1));
    let (keys, values) = std::mem::replace(block, holes);
    (Some(keys), Some(values))
}
