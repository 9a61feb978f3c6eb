//! Attention by the device's own kernel, which keeps the scores of a tile in registers instead of writing all of them to memory
//! (FlashAttention, Dao et al. 2022). It multiplies in half precision, so only models whose weights are halves take it.

use burn::tensor::Bool;
use burn::tensor::Tensor;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;

use crate::model::kernels::HeadLayout;
use crate::model::kernels::PastBlock;

/// Query rows are filled up to a multiple of this: a kernel whose stage does not divide their number is not launched, and Burn then
/// takes separate kernels without a word. The largest stage is of 8 planes with 16 rows each.
const STAGE: usize = 128;

/// Query rows after filling up.
fn filled(rows: usize) -> usize {
    rows.next_multiple_of(STAGE)
}

/// Which keys each query row must not see, for all blocks of a pass, of `bias` (`[batch or 1, seq, seq]`, added to the scores) behind
/// `past` elements that all see: `[kv_heads, batch, rows, past + seq]`, rows filled up.
pub fn hidden_keys(bias: &Tensor<3>, layout: HeadLayout, past: usize) -> Tensor<4, Bool> {
    let HeadLayout { batch, seq, heads, kv_heads, .. } = layout;
    let (shared, group, device) = (bias.dims()[0], heads / kv_heads, bias.device());
    let bias =
        if past == 0 { bias.clone() } else { Tensor::cat(vec![Tensor::zeros([shared, seq, past], &device), bias.clone()], 2) };
    let rows = bias.reshape([shared, 1, seq, past + seq]).repeat_dim(1, group).reshape([shared, group * seq, past + seq]);
    let rows = fill(rows.reshape([1, shared, group * seq, past + seq]));
    rows.repeat_dim(0, kv_heads).repeat_dim(1, batch / shared).lower_elem(-1.0)
}

/// Fills `[a, b, rows, width]` up with rows of zeros.
fn fill(tensor: Tensor<4>) -> Tensor<4> {
    let [a, b, rows, width] = tensor.dims();
    let more = filled(rows) - rows;
    if more == 0 { tensor } else { Tensor::cat(vec![tensor.clone(), Tensor::zeros([a, b, more, width], &tensor.device())], 2) }
}

/// As [`super::attend`], which gives the shapes, with the keys not to be seen by [`hidden_keys`].
pub fn attend_on_device(
    queries: Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
    past: Option<PastBlock>,
    hidden: Option<Tensor<4, Bool>>,
) -> Tensor<2> {
    let [kv, batch, rows, d] = queries.dims();
    let seq = keys.dims()[2];
    let behind = |past: Tensor<3>, own: Tensor<4>| {
        let len = past.dims()[1];
        Tensor::cat(vec![past.reshape([kv, 1, len, d]).repeat_dim(1, batch), own], 2)
    };
    let (keys, values) = match past {
        Some((past_keys, past_values)) => (behind(past_keys, keys), behind(past_values, values)),
        None => (keys, values),
    };
    // The kernel scales by itself, and takes no other scale.
    let queries = fill(queries * (d as f64).sqrt());
    let attended = attention(queries, keys, values, hidden, None, AttentionModuleOptions::default());
    let attended = attended.narrow(2, 0, rows).reshape([kv, batch, rows / seq, seq, d]).permute([1, 3, 0, 2, 4]);
    attended.reshape([batch * seq, kv * (rows / seq) * d])
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use burn::tensor::Distribution;
    use burn::tensor::TensorData;
    use proptest::prelude::*;

    use super::*;
    use crate::model::kernels::attend;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn it_attends_as_the_other_kernels_do(batch in 1usize..3, seq in 1usize..20, kv_heads in 1usize..3, group in 1usize..8, past in 0usize..40, shared: bool) {
            let (device, d) = (Device::flex(), 16);
            let layout = HeadLayout { batch, seq, heads: kv_heads * group, kv_heads, head_dim: d };
            let random = |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Uniform(-1.0, 1.0), &device);
            let (queries, keys, values) =
                (random([kv_heads, batch, group * seq, d]), random([kv_heads, batch, seq, d]), random([kv_heads, batch, seq, d]));
            let past_of = |_| random([kv_heads, 1, past, d]).reshape([kv_heads, past, d]);
            let past_block = (past > 0).then(|| (past_of(0), past_of(1)));
            let rows = if shared { 1 } else { batch };
            let bias: Vec<f32> = (0..rows * seq * seq).map(|i| if i % seq <= i / seq % seq || i % 3 == 0 { 0.0 } else { -3.0e4 }).collect();
            let bias = Tensor::<3>::from_data(TensorData::new(bias, [rows, seq, seq]), &device);
            let expected = attend(queries.clone(), keys.clone(), values.clone(), past_block.clone(), Some(bias.clone()));
            let found = attend_on_device(queries, keys, values, past_block, Some(hidden_keys(&bias, layout, past)));
            let difference: f32 = (found - expected).abs().max().into_scalar();
            prop_assert!(difference < 1e-5);
        }
    }
}
