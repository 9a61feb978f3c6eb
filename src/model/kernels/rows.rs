//! What happens to each row by itself: normalisation, the gate of the feed-forward part, rotary positions.

use burn::tensor::Tensor;
use burn::tensor::activation::silu;
use rayon::prelude::*;

use crate::model::kernels::flex;
use crate::model::kernels::flex::Values;
use crate::model::kernels::vector;
use crate::model::rope::Rotation;

/// Values for which a second thread is worth its hand-over.
const TASK: usize = 1 << 14;

/// Calls `each` with the index of a row and its output of `width` values, on all threads when there is enough to do.
fn for_each_row(out: &mut [f32], width: usize, each: impl Fn(usize, &mut [f32]) + Sync) {
    let width = width.max(1);
    let rows = (TASK / width).max(1);
    out.par_chunks_mut(rows * width).enumerate().for_each(|(task, out)| {
        out.chunks_exact_mut(width).enumerate().for_each(|(row, out)| each(task * rows + row, out));
    });
}

/// Divides each row by its root mean square and multiplies it by `weight`.
///
/// # Shapes
/// - input and output `[rows, hidden]`
/// - weight `[1, hidden]`
pub fn rms_norm(rows: Tensor<2>, weight: &Tensor<2>, eps: f64) -> Tensor<2> {
    let [count, width] = rows.dims();
    let (Some(values), Some(weights)) = (Values::of(&rows), Values::of(weight)) else {
        return rms_norm_composed(rows, weight, eps);
    };
    let (values, weights) = (values.get(), weights.get());
    let mut out = vec![0.0; count * width];
    for_each_row(&mut out, width, |row, out| {
        vector::normalise(&values[row * width..(row + 1) * width], weights, eps as f32, out);
    });
    flex::tensor(out, [count, width], &rows.device())
}

fn rms_norm_composed(rows: Tensor<2>, weight: &Tensor<2>, eps: f64) -> Tensor<2> {
    let mean_square = rows.clone().square().mean_dim(1);
    rows / (mean_square + eps).sqrt() * weight.clone()
}

/// `silu(gate) * up` of a fused projection.
///
/// # Shapes
/// - input `[rows, 2 * inner]`, gate before up
/// - output `[rows, inner]`
pub fn swiglu(gate_up: Tensor<2>) -> Tensor<2> {
    let [count, width] = gate_up.dims();
    let Some(values) = Values::of(&gate_up) else { return swiglu_composed(gate_up) };
    let (values, inner) = (values.get(), width / 2);
    let mut out = vec![0.0; count * inner];
    for_each_row(&mut out, inner, |row, out| {
        let (gate, up) = values[row * width..(row + 1) * width].split_at(inner);
        vector::gated(gate, up, out);
    });
    flex::tensor(out, [count, inner], &gate_up.device())
}

fn swiglu_composed(gate_up: Tensor<2>) -> Tensor<2> {
    let inner = gate_up.dims()[1] / 2;
    let (gate, up) = (gate_up.clone().narrow(1, 0, inner), gate_up.narrow(1, inner, inner));
    silu(gate) * up
}

/// How a fused projection is divided into heads.
#[derive(Clone, Copy, Debug)]
pub struct HeadLayout {
    /// Sequences.
    pub batch: usize,
    /// Elements of each.
    pub seq: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
}

/// Queries, keys and values.
pub type Heads = (Tensor<4>, Tensor<4>, Tensor<4>);

/// Splits a fused projection, rotates queries and keys, scales the queries, and folds those that share a key head.
///
/// # Shapes
/// - input `[batch * seq, (heads + 2 kv_heads) * head_dim]`
/// - output `[kv_heads, batch, group * seq, head_dim]`, and `[kv_heads, batch, seq, head_dim]` twice
pub fn split_heads(qkv: Tensor<2>, rotation: &Rotation, layout: HeadLayout) -> Heads {
    let (cos, sin) = rotation.tables();
    let (Some(values), Some(cos), Some(sin)) = (Values::of(&qkv), Values::of(cos), Values::of(sin)) else {
        return split_heads_composed(qkv, rotation, layout);
    };
    let (values, cos, sin) = (values.get(), cos.get(), sin.get());
    let HeadLayout { batch, seq, heads, kv_heads, head_dim } = layout;
    let (group, half, width) = (heads / kv_heads, head_dim / 2, (heads + 2 * kv_heads) * head_dim);
    let scale = (head_dim as f32).sqrt().recip();
    let head_of = |element: usize, head: usize| &values[element * width + head * head_dim..][..head_dim];
    let rotate = |element: usize, head: usize, scale: f32, out: &mut [f32]| {
        let (first, second) = head_of(element, head).split_at(half);
        let (cos, sin) = (&cos[element * half..][..half], &sin[element * half..][..half]);
        let (out_first, out_second) = out.split_at_mut(half);
        for i in 0..half {
            out_first[i] = (first[i] * cos[i] - second[i] * sin[i]) * scale;
            out_second[i] = (second[i] * cos[i] + first[i] * sin[i]) * scale;
        }
    };
    let elements = batch * seq;
    let (mut queries, mut keys, mut kept) =
        (vec![0.0; heads * elements * head_dim], vec![0.0; kv_heads * elements * head_dim], Vec::new());
    for_each_row(&mut queries, head_dim, |row, out| {
        // Rows are ordered by key head, sequence, head of the group, element.
        let (element, member, b, kv) = (row % seq, row / seq % group, row / (seq * group) % batch, row / (seq * group * batch));
        rotate(b * seq + element, kv * group + member, scale, out);
    });
    for_each_row(&mut keys, head_dim, |row, out| rotate(row % elements, heads + row / elements, 1.0, out));
    kept.reserve_exact(keys.len());
    for kv in 0..kv_heads {
        (0..elements).for_each(|element| kept.extend_from_slice(head_of(element, heads + kv_heads + kv)));
    }
    let device = qkv.device();
    let shape = [kv_heads, batch, seq, head_dim];
    (
        flex::tensor(queries, [kv_heads, batch, group * seq, head_dim], &device),
        flex::tensor(keys, shape, &device),
        flex::tensor(kept, shape, &device),
    )
}

fn split_heads_composed(qkv: Tensor<2>, rotation: &Rotation, layout: HeadLayout) -> Heads {
    let HeadLayout { batch, seq, heads, kv_heads, head_dim: d } = layout;
    let group = heads / kv_heads;
    let all = qkv.reshape([batch, seq, heads + 2 * kv_heads, d]);
    let rotated = rotation.apply(all.clone().narrow(2, 0, heads + kv_heads));
    let queries = rotated.clone().narrow(2, 0, heads) * (d as f64).sqrt().recip();
    let queries = queries.reshape([batch, seq, kv_heads, group, d]).permute([2, 0, 3, 1, 4]);
    let keys = rotated.narrow(2, heads, kv_heads).permute([2, 0, 1, 3]);
    let values = all.narrow(2, heads + kv_heads, kv_heads).permute([2, 0, 1, 3]);
    (queries.reshape([kv_heads, batch, group * seq, d]), keys, values)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use burn::tensor::Distribution;
    use proptest::prelude::*;

    use super::*;
    use crate::model::rope::Rope;

    fn largest_difference<const D: usize>(found: Tensor<D>, expected: Tensor<D>) -> f32 {
        assert_eq!(found.dims(), expected.dims());
        (found - expected).abs().max().into_scalar()
    }

    fn random(shape: [usize; 2], bound: f64) -> Tensor<2> {
        Tensor::random(shape, Distribution::Uniform(-bound, bound), &Device::flex())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn norms_and_gates_equal_their_compositions(rows in 1usize..60, width in 1usize..700) {
            let (x, weight) = (random([rows, width], 4.0), random([1, width], 2.0));
            let expected = rms_norm_composed(x.clone(), &weight, 1e-6);
            prop_assert!(largest_difference(rms_norm(x, &weight, 1e-6), expected) < 2e-5);
            let gate_up = random([rows, 2 * width], 20.0);
            prop_assert!(largest_difference(swiglu(gate_up.clone()), swiglu_composed(gate_up)) < 1e-4);
        }

        #[test]
        fn heads_equal_their_composition(batch in 1usize..4, seq in 1usize..9, kv_heads in 1usize..4, group in 1usize..4, half in 1usize..20) {
            let layout = HeadLayout { batch, seq, heads: kv_heads * group, kv_heads, head_dim: 2 * half };
            let positions: Vec<usize> = (0..batch * seq).map(|i| i * 5 % 77).collect();
            let rotation = Rope::new(2 * half, 10_000.0).rotation(&positions, batch, &Device::flex());
            let qkv = random([batch * seq, (layout.heads + 2 * kv_heads) * 2 * half], 1.0);
            let (found, expected) = (split_heads(qkv.clone(), &rotation, layout), split_heads_composed(qkv, &rotation, layout));
            prop_assert!(largest_difference(found.0, expected.0) < 1e-6);
            prop_assert!(largest_difference(found.1, expected.1) < 1e-6);
            prop_assert!(largest_difference(found.2, expected.2) == 0.0);
        }
    }
}
