//! Grouped-query attention: the scores of a few query rows at a time, which never leave the processor's cache.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use rayon::prelude::*;

use crate::model::kernels::flex;
use crate::model::kernels::flex::Values;
use crate::model::kernels::tile::OUTS;
use crate::model::kernels::tile::Pair;
use crate::model::kernels::tile::ROWS;
use crate::model::kernels::tile::Tile;
use crate::model::kernels::vector;

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
    match fused(&queries, &keys, &values, past.as_ref(), bias.as_ref()) {
        Some(attended) => attended,
        None => composed(queries, keys, values, past, bias),
    }
}

fn composed(
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

/// The same by the kernel; `None` when the tensors are not its kind.
fn fused(
    queries: &Tensor<4>,
    keys: &Tensor<4>,
    values: &Tensor<4>,
    past: Option<&PastBlock>,
    bias: Option<&Tensor<3>>,
) -> Option<Tensor<2>> {
    let [kv, batch, rows, d] = queries.dims();
    let seq = keys.dims()[2];
    let (queries_of, keys_of, values_of) = (Values::of(queries)?, Values::of(keys)?, Values::of(values)?);
    let bias_of = bias.map_or(Some(None), |bias| Values::of(bias).map(Some))?;
    let past_of = past.map_or(Some(None), |(keys, values)| Some(Some((Past::of(keys)?, Past::of(values)?))))?;
    let past_len = past_of.as_ref().map_or(0, |(keys, _)| keys.len);
    let tile = Tile::detect();
    // Values by column, once for all query rows: the sums over elements then run along memory, as those over a head's width do.
    let past_columns: Vec<Vec<f32>> = match &past_of {
        Some((_, values)) => (0..kv).into_par_iter().map(|head| columns(values.head(head, d), d)).collect(),
        None => vec![Vec::new(); kv],
    };
    let pairs: Vec<Head<'_>> = (0..kv * batch)
        .map(|pair| {
            let (head, b) = (pair / batch, pair % batch);
            Head {
                past_keys: past_of.as_ref().map_or(&[][..], |(keys, _)| keys.head(head, d)),
                past_columns: &past_columns[head],
                keys: &keys_of.get()[pair * seq * d..(pair + 1) * seq * d],
                columns: columns(&values_of.get()[pair * seq * d..(pair + 1) * seq * d], d),
                bias: bias_of.as_ref().map(|bias| {
                    let bias = bias.get();
                    if bias.len() == seq * seq { bias } else { &bias[b * seq * seq..(b + 1) * seq * seq] }
                }),
                sizes: Sizes { past: past_len, seq, d },
            }
        })
        .collect();
    // Four rows' scores are a few kilobytes even over thousands of elements.
    let blocks = rows.div_ceil(ROWS);
    let attended: Vec<(usize, Vec<f32>)> = (0..kv * batch * blocks)
        .into_par_iter()
        .with_min_len(4)
        .map_init(Vec::new, |scores, index| {
            let (pair, first) = (index / blocks, index % blocks * ROWS);
            let count = ROWS.min(rows - first);
            let from = (pair * rows + first) * d;
            let queries = &queries_of.get()[from..from + count * d];
            let out = match count {
                1 => pairs[pair].attend::<1>(queries, first, scores, tile),
                2 => pairs[pair].attend::<2>(queries, first, scores, tile),
                3 => pairs[pair].attend::<3>(queries, first, scores, tile),
                _ => pairs[pair].attend::<ROWS>(queries, first, scores, tile),
            };
            (pair * rows + first, out)
        })
        .collect();
    let group = rows / seq;
    let width = kv * group * d;
    let mut out = vec![0.0; batch * seq * width];
    for (first, block) in attended {
        for (row, values) in block.chunks_exact(d).enumerate() {
            let row = first + row;
            let (element, member, b, head) = (row % seq, row / seq % group, row / rows % batch, row / (rows * batch));
            let at = (b * seq + element) * width + (head * group + member) * d;
            out[at..at + d].copy_from_slice(values);
        }
    }
    Some(flex::tensor(out, [batch * seq, width], &queries.device()))
}

/// Keys or values of the past where they lie in the cache, whose heads are farther apart than their positions reach.
struct Past {
    values: burn::backend::flex::FlexTensor,
    len: usize,
}

impl Past {
    fn of(tensor: &Tensor<3>) -> Option<Self> {
        let [_, len, d] = tensor.dims();
        let primitive = Values::strided(tensor)?;
        let in_order = matches!(*primitive.layout().strides(), [_, row, 1] if row == d as isize || len == 1);
        Some(Self { values: if in_order { primitive } else { primitive.to_contiguous() }, len })
    }

    /// One head, `[len, d]`.
    fn head(&self, head: usize, d: usize) -> &[f32] {
        let layout = self.values.layout();
        let stride = layout.strides().first().copied().unwrap_or(0) as usize;
        &self.values.storage::<f32>()[layout.start_offset() + head * stride..][..self.len * d]
    }
}

/// `[len, d]` to `[d, len]`.
fn columns(values: &[f32], d: usize) -> Vec<f32> {
    let len = values.len() / d.max(1);
    let mut out = vec![0.0; values.len()];
    // Sixteen rows at a time, so that the lines written to stay in the cache.
    for block in (0..len).step_by(16) {
        let end = (block + 16).min(len);
        for column in 0..d {
            for row in block..end {
                out[column * len + row] = values[row * d + column];
            }
        }
    }
    out
}

#[derive(Clone, Copy)]
struct Sizes {
    past: usize,
    seq: usize,
    d: usize,
}

/// What the query rows of one sequence see through one key head.
struct Head<'a> {
    /// `[past, d]`
    past_keys: &'a [f32],
    /// `[d, past]`
    past_columns: &'a [f32],
    /// `[seq, d]`
    keys: &'a [f32],
    /// `[d, seq]`
    columns: Vec<f32>,
    /// `[seq, seq]`
    bias: Option<&'a [f32]>,
    sizes: Sizes,
}

impl Head<'_> {
    /// The outputs of `R` query rows, the first of which is row `first` of the folded ones: `[R, d]`.
    fn attend<const R: usize>(&self, queries: &[f32], first: usize, scores: &mut Vec<f32>, tile: Tile) -> Vec<f32> {
        let Sizes { past, seq, d } = self.sizes;
        let len = past + seq;
        scores.clear();
        scores.resize(R * len, 0.0);
        let inputs: [&[f32]; R] = std::array::from_fn(|r| &queries[r * d..(r + 1) * d]);
        for (keys, at) in [(self.past_keys, 0), (self.keys, past)] {
            products::<R>(keys, d, inputs, tile, |key, r, product| scores[r * len + at + key] = product);
        }
        let mut sums = [0.0; R];
        for (r, (row, sum)) in scores.chunks_exact_mut(len).zip(&mut sums).enumerate() {
            if let Some(bias) = self.bias {
                let element = (first + r) % seq;
                let bias = &bias[element * seq..(element + 1) * seq];
                row[past..].iter_mut().zip(bias).for_each(|(score, bias)| *score += bias);
            }
            let top = vector::largest(row);
            *sum = vector::exponentials(row, top);
        }
        let mut out = vec![0.0; R * d];
        let (before, own): ([&[f32]; R], [&[f32]; R]) = (
            std::array::from_fn(|r| &scores[r * len..r * len + past]),
            std::array::from_fn(|r| &scores[r * len + past..(r + 1) * len]),
        );
        for (columns, weights) in [(self.past_columns, before), (&self.columns, own)] {
            products::<R>(columns, weights[0].len(), weights, tile, |column, r, product| out[r * d + column] += product);
        }
        out.chunks_exact_mut(d).zip(sums).for_each(|(row, sum)| row.iter_mut().for_each(|value| *value /= sum));
        out
    }
}

/// The products of each row of `rows` (of `depth` values) with each of the inputs.
fn products<const R: usize>(rows: &[f32], depth: usize, inputs: [&[f32]; R], tile: Tile, mut put: impl FnMut(usize, usize, f32)) {
    let count = rows.len() / depth.max(1);
    let row = |index: usize| &rows[index * depth..(index + 1) * depth];
    let mut at = 0;
    while at + OUTS <= count {
        let none = Pair { weights: [&[]; OUTS], inputs: [&[]; R] };
        let found = tile.products([Pair { weights: std::array::from_fn(|o| row(at + o)), inputs }, none]);
        found.iter().enumerate().for_each(|(o, sums)| sums.iter().enumerate().for_each(|(r, &sum)| put(at + o, r, sum)));
        at += OUTS;
    }
    for at in at..count {
        let none = Pair { weights: [&[]; 1], inputs: [&[]; R] };
        let [sums] = tile.products([Pair { weights: [row(at)], inputs }, none]);
        sums.iter().enumerate().for_each(|(r, &sum)| put(at, r, sum));
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use burn::tensor::Distribution;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_kernel_equals_the_composition(
            kv in 1usize..4, batch in 1usize..4, group in 1usize..5, seq in 1usize..20, d in 1usize..40,
            past in prop_oneof![Just(0usize), 1usize..40, 300usize..320], capacity in 0usize..20,
            biased: bool, shared: bool,
        ) {
            let device = Device::flex();
            let uniform = Distribution::Uniform(-2.0, 2.0);
            // Scaled, as callers do: the rounding of larger scores would show in both.
            let queries = Tensor::<4>::random([kv, batch, group * seq, d], uniform, &device) / (d as f64).sqrt();
            let [keys, values] = [0, 1].map(|_| Tensor::<4>::random([kv, batch, seq, d], uniform, &device));
            let cached = || Tensor::<3>::random([kv, past + capacity, d], uniform, &device).narrow(1, 0, past);
            let past = (past > 0).then(|| (cached(), cached()));
            let bias = biased.then(|| {
                let shape = [if shared { 1 } else { batch }, seq, seq];
                Tensor::<3>::random(shape, Distribution::Uniform(0.0, 1.0), &device).round() * -3.0e4
            });
            let expected = composed(queries.clone(), keys.clone(), values.clone(), past.clone(), bias.clone());
            let found = fused(&queries, &keys, &values, past.as_ref(), bias.as_ref()).unwrap();
            prop_assert_eq!(found.dims(), expected.dims());
            let difference: f32 = (found - expected).abs().max().into_scalar();
            prop_assert!(difference < 1e-5, "{}", difference);
        }
    }
}
