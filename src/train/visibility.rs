//! Who sees whom while a batch is learned from, as tables of booleans.

use burn::tensor::Device;
use burn::tensor::Tensor;
use burn::tensor::TensorData;

/// Added to scores that must not count; large enough for f32 and still finite in f16.
const HIDDEN: f32 = -3.0e4;

/// For each sequence, which keys each query sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visibility {
    /// Sequences; 1 when all of a batch see alike.
    pub batch: usize,
    /// Elements that look.
    pub queries: usize,
    /// Elements that are looked at.
    pub keys: usize,
    /// `[batch, queries, keys]`, row-major.
    pub sees: Vec<bool>,
}

impl Visibility {
    /// The table of `sees(sequence, query, key)`.
    pub fn of(batch: usize, queries: usize, keys: usize, sees: impl Fn(usize, usize, usize) -> bool) -> Self {
        let cells = (0..batch * queries * keys).map(|i| sees(i / (queries * keys), i / keys % queries, i % keys));
        Self { batch, queries, keys, sees: cells.collect() }
    }

    /// Everything sees all real elements, `real` being `[batch, seq]`. What is not real sees itself, so that no row is empty.
    pub fn bidirectional(real: &[bool], batch: usize) -> Self {
        let seq = real.len() / batch.max(1);
        Self::of(batch, seq, seq, |b, q, k| real[b * seq + k] || q == k)
    }

    /// An element sees those at or before its own place.
    pub fn causal(seq: usize) -> Self {
        Self::of(1, seq, seq, |_, q, k| k <= q)
    }

    /// Element q sees element k when `k / block <= q / block`.
    pub fn block_causal(seq: usize, block: usize) -> Self {
        Self::of(1, seq, seq, |_, q, k| k / block <= q / block)
    }

    /// Bidirectional attention that a causal model is led to: of what lies ahead, each element sees a share only, at places that are
    /// drawn by `draw(sequence, query, key)` from 0 to 1 (DiffuLLaMA's annealing).
    pub fn annealed(real: &[bool], batch: usize, share: f32, draw: impl Fn(usize, usize, usize) -> f32) -> Self {
        let seq = real.len() / batch.max(1);
        Self::of(batch, seq, seq, |b, q, k| q == k || (real[b * seq + k] && (k < q || draw(b, q, k) < share)))
    }

    /// BD3LM's training pass over `x_t` and `x_0`, `seq` elements each, one behind the other: a noisy element sees its own noisy
    /// block and the clean blocks before it; a clean element sees the clean blocks up to its own.
    pub fn block_diffusion(seq: usize, block: usize) -> Self {
        Self::of(1, 2 * seq, 2 * seq, |_, q, k| {
            let (noisy_query, noisy_key) = (q < seq, k < seq);
            let (query, key) = (q % seq / block, k % seq / block);
            match (noisy_query, noisy_key) {
                (true, true) => query == key,
                (true, false) => key < query,
                (false, true) => false,
                (false, false) => key <= query,
            }
        })
    }

    /// Canvas attention: a canvas element sees the real elements of the context, every real canvas element that is not masked,
    /// masked ones at or before its own place, and itself.
    ///
    /// # Shapes
    /// - context_real `[batch, context]`; masked, real `[batch, canvas]`
    /// - the table is `[batch, canvas, context + canvas]`
    pub fn canvas(context_real: &[bool], masked: &[bool], real: &[bool], batch: usize) -> Self {
        let (context, canvas) = (context_real.len() / batch.max(1), real.len() / batch.max(1));
        Self::of(batch, canvas, context + canvas, |b, q, k| {
            let Some(k) = k.checked_sub(context) else { return context_real[b * context + k] };
            q == k || (real[b * canvas + k] && (!masked[b * canvas + k] || k <= q))
        })
    }

    /// What is added to the scores, `[batch, 1, queries, keys]`; `None` when everything is seen.
    pub fn bias(&self, device: &Device) -> Option<Tensor<4>> {
        if self.sees.iter().all(|sees| *sees) {
            return None;
        }
        let values: Vec<f32> = self.sees.iter().map(|&sees| if sees { 0.0 } else { HIDDEN }).collect();
        Some(Tensor::from_data(TensorData::new(values, [self.batch, 1, self.queries, self.keys]), device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as a picture, a row a line.
    fn drawn(table: &Visibility) -> Vec<String> {
        table.sees.chunks(table.keys).map(|row| row.iter().map(|&sees| if sees { 'x' } else { '.' }).collect()).collect()
    }

    #[test]
    fn blocks_see_their_own_noise_and_clean_blocks_before() {
        let noisy = ["xx... .....", "xx... .....", "..xx. xx...", "..xx. xx...", "....x xxxx."];
        let clean = ["..... xx...", "..... xx...", "..... xxxx.", "..... xxxx.", "..... xxxxx"];
        let expected: Vec<String> = noisy.iter().chain(&clean).map(|row| row.replace(' ', "")).collect();
        assert_eq!(drawn(&Visibility::block_diffusion(5, 2)), expected);
    }

    #[test]
    fn a_canvas_sees_its_context_and_ahead_only_what_is_known() {
        // Anchor, mask, token, mask; one pad in the context and one on the canvas.
        let table =
            Visibility::canvas(&[true, true, false], &[false, true, false, true, true], &[true, true, true, true, false], 1);
        let expected = ["xx. x.x..", "xx. xxx..", "xx. xxx..", "xx. xxxx.", "xx. xxxxx"];
        assert_eq!(drawn(&table), expected.map(|row| row.replace(' ', "")));
    }

    #[test]
    fn annealing_goes_from_causal_to_everything() {
        let real = [true, true, true, false];
        let draw = |_: usize, q: usize, k: usize| if (q, k) == (0, 2) { 0.4 } else { 0.6 };
        assert_eq!(drawn(&Visibility::annealed(&real, 1, 0.0, draw)), ["x...", "xx..", "xxx.", "xxxx"]);
        assert_eq!(drawn(&Visibility::annealed(&real, 1, 0.5, draw)), ["x.x.", "xx..", "xxx.", "xxxx"]);
        assert_eq!(Visibility::annealed(&real, 1, 1.0, draw), Visibility::bidirectional(&real, 1));
        assert!(Visibility::bidirectional(&real[..3], 1).bias(&Device::flex()).is_none());
    }
}
