//! Keys and values of a cached past, which all canvases of a batch share.

use burn::tensor::Tensor;

use crate::model::kernels::PastBlock;

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
