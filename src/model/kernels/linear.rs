//! Linear maps of few rows: each weight is read once, where it lies.

use std::ops::Range;

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::model::kernels::LowRankTerm;
use crate::model::kernels::flex;
use crate::model::kernels::flex::Values;
use crate::model::kernels::tile::OUTS;
use crate::model::kernels::tile::Pair;
use crate::model::kernels::tile::ROWS;
use crate::model::kernels::tile::Tile;
use crate::model::kernels::tile::prefetch;

/// Rows up to which the kernel is used. It is well ahead of Flex there; where Flex overtakes it has not been measured.
const FEW_ROWS: usize = 48;
/// Inputs are cut to this depth, so that a block of `FEW_ROWS` rows stays in the second-level cache.
const DEPTH: usize = 1280;

/// `rows · weightᵀ + bias`, and the low-rank term.
///
/// # Shapes
/// - rows `[rows, in]`
/// - weight `[out, in]`, bias `[1, out]`
/// - output `[rows, out]`
pub fn linear(rows: Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<2>>, update: Option<&LowRankTerm>) -> Tensor<2> {
    if rows.dims()[0] <= FEW_ROWS
        && let Some(out) = few_rows(&rows, weight, bias, update)
    {
        return out;
    }
    composed(rows, weight, bias, update)
}

/// The same in Burn's operations.
fn composed(rows: Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<2>>, update: Option<&LowRankTerm>) -> Tensor<2> {
    let mut out = rows.matmul(weight.clone().transpose());
    if let Some(bias) = bias {
        out = out + bias.clone();
    }
    match update {
        Some(update) => out + update.inner.clone().matmul(update.factor.clone().transpose()),
        None => out,
    }
}

/// The same by the kernel; `None` when the tensors are not its kind.
fn few_rows(rows: &Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<2>>, update: Option<&LowRankTerm>) -> Option<Tensor<2>> {
    let ([count, depth], [outs, _]) = (rows.dims(), weight.dims());
    let (inputs, weights) = (Values::of(rows)?, Values::of(weight)?);
    let bias = bias.map_or(Some(None), |bias| Values::of(bias).map(Some))?;
    let update = update.map_or(Some(None), |update| Some(Some((Values::of(&update.inner)?, Values::of(&update.factor)?))))?;
    let main = Factors { inputs: inputs.get(), weights: weights.get(), depth };
    let low_rank = update.as_ref().map(|(inner, factor)| {
        let inputs = inner.get();
        Factors { inputs, weights: factor.get(), depth: inputs.len() / count.max(1) }
    });
    let job = Job { rows: count, main, low_rank, bias: bias.as_ref().map(Values::get), tile: Tile::detect() };
    let mut out = vec![0.0; count * outs];
    job.run(outs, &mut out);
    Some(flex::tensor(out, [count, outs], &rows.device()))
}

/// The two factors of a product, row-major: `[rows, depth]` and `[outs, depth]`.
#[derive(Clone, Copy)]
struct Factors<'a> {
    inputs: &'a [f32],
    weights: &'a [f32],
    depth: usize,
}

impl<'a> Factors<'a> {
    const NONE: Self = Self { inputs: &[], weights: &[], depth: 0 };

    /// The tile of the weights from `out` on and the inputs from `row` on, cut to `depth`.
    fn pair<const O: usize, const R: usize>(&self, out: usize, row: usize, depth: &Range<usize>) -> Pair<'a, O, R> {
        let cut = |values: &'a [f32], at: usize| &values[at * self.depth + depth.start..at * self.depth + depth.end];
        Pair {
            weights: std::array::from_fn(|o| cut(self.weights, out + o)),
            inputs: std::array::from_fn(|r| cut(self.inputs, row + r)),
        }
    }
}

struct Job<'a> {
    rows: usize,
    main: Factors<'a>,
    low_rank: Option<Factors<'a>>,
    bias: Option<&'a [f32]>,
    tile: Tile,
}

impl Job<'_> {
    fn run(&self, outs: usize, out: &mut [f32]) {
        if self.rows == 0 || outs == 0 {
            return;
        }
        // Several tasks for each thread, so that a thread that is held up does not hold up all.
        let task = outs.div_ceil(8 * rayon::current_num_threads()).clamp(16, 512).next_multiple_of(OUTS);
        let mut columns: Vec<Vec<&mut [f32]>> = (0..outs.div_ceil(task)).map(|_| Vec::with_capacity(self.rows)).collect();
        for row in out.chunks_exact_mut(outs) {
            row.chunks_mut(task).zip(&mut columns).for_each(|(part, column)| column.push(part));
        }
        columns.into_par_iter().enumerate().for_each(|(index, mut column)| self.task(index * task, &mut column));
    }

    /// The outputs from `first` on, as many as each row of `column` has room for.
    fn task(&self, first: usize, column: &mut [&mut [f32]]) {
        let width = column.first().map_or(0, |row| row.len());
        if let Some(bias) = self.bias {
            column.iter_mut().for_each(|row| row.copy_from_slice(&bias[first..first + width]));
        }
        let cuts = self.main.depth.div_ceil(DEPTH).max(1);
        let cut = self.main.depth.div_ceil(cuts).next_multiple_of(16);
        for index in 0..cuts {
            let depth = index * cut..((index + 1) * cut).min(self.main.depth);
            // The low-rank term goes on with the sums of the last cut.
            let low_rank = self.low_rank.filter(|_| index + 1 == cuts).unwrap_or(Factors::NONE);
            let mut at = 0;
            while at + OUTS <= width {
                self.outs::<OUTS>(first, at, &depth, low_rank, column);
                at += OUTS;
            }
            for at in at..width {
                self.outs::<1>(first, at, &depth, low_rank, column);
            }
        }
    }

    /// All rows of the outputs from `first + at` on.
    fn outs<const O: usize>(
        &self,
        first: usize,
        at: usize,
        depth: &Range<usize>,
        low_rank: Factors<'_>,
        column: &mut [&mut [f32]],
    ) {
        let tiles = self.rows.div_ceil(ROWS);
        let mut row = 0;
        for index in 0..tiles {
            // A share of the next weights for each tile: all at once would wait for memory.
            let share = depth.start + index * depth.len() / tiles..depth.start + (index + 1) * depth.len() / tiles;
            for next in first + at + O..first + at + 2 * O {
                let begin = next * self.main.depth;
                if let Some(values) = self.main.weights.get(begin + share.start..begin + share.end) {
                    prefetch(values);
                }
            }
            // Tiles of even height: a tile of one row takes as long as one of two.
            let height = (self.rows - row).div_ceil(tiles - index);
            let rows = &mut column[row..row + height];
            match height {
                1 => self.tile::<O, 1>(first, at, row, depth, low_rank, rows),
                2 => self.tile::<O, 2>(first, at, row, depth, low_rank, rows),
                3 => self.tile::<O, 3>(first, at, row, depth, low_rank, rows),
                _ => self.tile::<O, ROWS>(first, at, row, depth, low_rank, rows),
            }
            row += height;
        }
    }

    fn tile<const O: usize, const R: usize>(
        &self,
        first: usize,
        at: usize,
        row: usize,
        depth: &Range<usize>,
        low_rank: Factors<'_>,
        rows: &mut [&mut [f32]],
    ) {
        let out = first + at;
        let second = if low_rank.depth == 0 {
            Pair { weights: [&[]; O], inputs: [&[]; R] }
        } else {
            low_rank.pair(out, row, &(0..low_rank.depth))
        };
        let sums = self.tile.products([self.main.pair(out, row, depth), second]);
        for (r, row) in rows.iter_mut().enumerate() {
            for (o, sums) in sums.iter().enumerate() {
                row[at + o] += sums[r];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use burn::tensor::Distribution;
    use proptest::prelude::*;

    use super::*;

    /// Largest difference, relative to the largest value expected.
    fn difference(found: Tensor<2>, expected: Tensor<2>) -> f32 {
        let largest: f32 = expected.clone().abs().max().into_scalar();
        (found - expected).abs().max().into_scalar::<f32>() / largest.max(f32::MIN_POSITIVE)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_kernel_equals_the_composition(
            rows in 1usize..50,
            depth in prop_oneof![1usize..70, 1200usize..1400, 2500usize..2700],
            outs in 1usize..150,
            rank in 1usize..40,
            biased: bool,
            updated: bool,
        ) {
            let device = Device::flex();
            let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Uniform(-1.0, 1.0), &device);
            let (x, weight) = (random([rows, depth]), random([outs, depth]));
            let bias = biased.then(|| random([1, outs]));
            let update = updated.then(|| LowRankTerm { inner: random([rows, rank]), factor: random([outs, rank]) });
            let expected = composed(x.clone(), &weight, bias.as_ref(), update.as_ref());
            let found = few_rows(&x, &weight, bias.as_ref(), update.as_ref()).unwrap();
            prop_assert!(difference(found, expected) < 1e-5);
        }
    }

    #[test]
    fn the_portable_tile_equals_the_detected_one() {
        let values: Vec<f32> = (0..4000).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        for depth in [1, 7, 16, 33, 900] {
            let factors = Factors { inputs: &values, weights: &values[100..], depth };
            let pairs = [factors.pair::<3, 4>(0, 0, &(0..depth)), factors.pair(0, 0, &(0..depth.min(5)))];
            let (found, expected) = (Tile::detect().products(pairs), Tile::Portable.products(pairs));
            for (found, expected) in found.as_flattened().iter().zip(expected.as_flattened()) {
                assert!((found - expected).abs() < 1e-3, "{depth}: {found} {expected}");
            }
        }
    }

    #[test]
    fn rows_that_do_not_lie_in_order_are_read_right() {
        let device = Device::flex();
        let x = Tensor::<2>::random([40, 6], Distribution::Default, &device);
        let weight = Tensor::<2>::random([9, 40], Distribution::Default, &device);
        let expected = composed(x.clone().transpose(), &weight, None, None);
        assert!(difference(few_rows(&x.transpose(), &weight, None, None).unwrap(), expected) < 1e-5);
    }
}
