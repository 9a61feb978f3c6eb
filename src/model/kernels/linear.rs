//! Linear maps: each weight is read once, where it lies; by tiles, by strips or by the matrix unit, as the number of rows says.

use std::ops::Range;

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::model::kernels::LowRankTerm;
use crate::model::kernels::blocks;
use crate::model::kernels::blocks::Inputs;
use crate::model::kernels::blocks::Rows;
use crate::model::kernels::flex;
use crate::model::kernels::flex::Values;
use crate::model::kernels::matrix_unit::BLOCK;
use crate::model::kernels::matrix_unit::MatrixUnit;
use crate::model::kernels::strips;
use crate::model::kernels::strips::Product;
use crate::model::kernels::strips::STRIP;
use crate::model::kernels::strips::STRIP_ROWS;
use crate::model::kernels::tile::OUTS;
use crate::model::kernels::tile::OUTS_WIDE;
use crate::model::kernels::tile::Pair;
use crate::model::kernels::tile::ROWS;
use crate::model::kernels::tile::Tile;
use crate::model::kernels::tile::prefetch;
use crate::model::matrix::Matrix;
use crate::model::matrix::Stored;

/// Rows from which stored weights go through the matrix unit of a machine that has one: it takes 32 at a time. Weights in f32 never
/// do: who keeps them so wants all their bits.
const UNIT_ROWS: usize = 5;
/// The depth of a cut, at most: expanded weights of a tile and the inputs of a tile share the first-level cache.
const DEPTH: usize = 1024;

/// `rows · weightᵀ + bias`, and the low-rank term.
///
/// # Shapes
/// - rows `[rows, in]`
/// - weight `[out, in]`, bias `[1, out]`
/// - output `[rows, out]`
pub fn linear(rows: Tensor<2>, weight: &Matrix, bias: Option<&Tensor<2>>, update: Option<&LowRankTerm>) -> Tensor<2> {
    match weight {
        Matrix::Dense(dense) => {
            if let Some(weights) = dense.whole().and_then(Values::of)
                && let Some(out) = kernel(&rows, &Weights::Dense(weights.get()), dense.dims(), bias, update)
            {
                return out;
            }
            composed(dense.product(rows), bias, update)
        }
        Matrix::Stored(stored) => kernel(&rows, &Weights::Stored(stored), weight.dims(), bias, update).unwrap_or_else(|| {
            let weight = weight.to_dense(&rows.device());
            composed(rows.matmul(weight.transpose()), bias, update)
        }),
    }
}

/// The rest in Burn's operations, from `rows · weightᵀ`.
fn composed(product: Tensor<2>, bias: Option<&Tensor<2>>, update: Option<&LowRankTerm>) -> Tensor<2> {
    let mut out = product;
    if let Some(bias) = bias {
        out = out + bias.clone();
    }
    match update {
        Some(update) => out + update.inner.clone().matmul(update.factor.clone().transpose()),
        None => out,
    }
}

/// The same by the kernel; `None` when the tensors are not its kind.
fn kernel(
    rows: &Tensor<2>,
    weights: &Weights<'_>,
    [outs, _]: [usize; 2],
    bias: Option<&Tensor<2>>,
    update: Option<&LowRankTerm>,
) -> Option<Tensor<2>> {
    let [count, depth] = rows.dims();
    let inputs = Values::of(rows)?;
    let bias = bias.map_or(Some(None), |bias| Values::of(bias).map(Some))?;
    let update = update.map_or(Some(None), |update| Some(Some((Values::of(&update.inner)?, Values::of(&update.factor)?))))?;
    let low_rank = update.as_ref().map(|(inner, factor)| {
        let inputs = inner.get();
        LowRank { inputs, weights: factor.get(), depth: inputs.len() / count.max(1) }
    });
    let job = Job {
        rows: count,
        inputs: inputs.get(),
        weights,
        depth,
        low_rank,
        bias: bias.as_ref().map(Values::get),
        tile: Tile::detect(),
    };
    let mut out = vec![0.0; count * outs];
    match (weights, MatrixUnit::detect()) {
        (Weights::Stored(stored), Some(unit)) if count >= UNIT_ROWS && !stored.has_singles() => {
            job.run_by_unit(unit, stored, outs, &mut out)
        }
        _ if count >= STRIP_ROWS => job.run_by_strips(outs, &mut out),
        _ => job.run(outs, &mut out),
    }
    Some(flex::tensor(out, [count, outs], &rows.device()))
}

/// Rows of weights, `[outs, depth]`.
#[derive(Clone, Copy)]
enum Weights<'a> {
    /// Values in order.
    Dense(&'a [f32]),
    /// Expanded when they are needed.
    Stored(&'a Stored),
}

/// The factors of the low-rank term, row-major: `[rows, depth]` and `[outs, depth]`.
#[derive(Clone, Copy)]
struct LowRank<'a> {
    inputs: &'a [f32],
    weights: &'a [f32],
    depth: usize,
}

struct Job<'a> {
    rows: usize,
    /// `[rows, depth]`
    inputs: &'a [f32],
    weights: &'a Weights<'a>,
    depth: usize,
    low_rank: Option<LowRank<'a>>,
    bias: Option<&'a [f32]>,
    tile: Tile,
}

/// Outputs that are computed together: the rows of weights from `out` on, cut to `depth`.
struct Strip<'a, const O: usize> {
    weights: [&'a [f32]; O],
    depth: Range<usize>,
    low_rank: Option<LowRank<'a>>,
    /// Place of the first row of weights, in the matrix and in the columns.
    out: usize,
    at: usize,
}

impl Job<'_> {
    fn run(&self, outs: usize, out: &mut [f32]) {
        if self.rows == 0 || outs == 0 {
            return;
        }
        self.tasks(self.tile.outs(), outs, out, |first, column| match self.tile.outs() {
            OUTS_WIDE => self.task::<OUTS_WIDE>(first, column),
            _ => self.task::<OUTS>(first, column),
        });
    }

    /// The same through the matrix unit.
    fn run_by_unit(&self, unit: MatrixUnit, stored: &Stored, outs: usize, out: &mut [f32]) {
        if outs == 0 {
            return;
        }
        let inputs = Inputs::new(unit, self.inputs, self.rows, self.depth);
        let low_rank = self.low_rank.as_ref().map(|term| {
            let inputs = Inputs::new(unit, term.inputs, self.rows, term.depth);
            (Dense { weights: term.weights, depth: term.depth }, inputs)
        });
        let mut products: Vec<(&dyn Rows, &Inputs)> = vec![(stored, &inputs)];
        products.extend(low_rank.as_ref().map(|(weights, inputs)| (weights as &dyn Rows, inputs)));
        self.tasks(BLOCK, outs, out, |first, column| {
            self.begin(first, column);
            blocks::add(unit, &products, first, column);
        });
    }

    /// The same by strips.
    fn run_by_strips(&self, outs: usize, out: &mut [f32]) {
        if outs == 0 {
            return;
        }
        let dense;
        let weights: &dyn Rows = match *self.weights {
            Weights::Dense(weights) => {
                dense = Dense { weights, depth: self.depth };
                &dense
            }
            Weights::Stored(stored) => stored,
        };
        let mut products = vec![Product { weights, inputs: self.inputs, depth: self.depth }];
        let factor = self.low_rank.map(|term| (term.inputs, Dense { weights: term.weights, depth: term.depth }));
        products.extend(factor.as_ref().map(|(inputs, factor)| Product { weights: factor, inputs, depth: factor.depth }));
        self.tasks(STRIP, outs, out, |first, column| {
            self.begin(first, column);
            strips::add(&products, first, column);
        });
    }

    /// Splits the outputs into tasks of whole tiles of `tile` columns, and runs each with its first column and its part of every row.
    fn tasks(&self, tile: usize, outs: usize, out: &mut [f32], run: impl Fn(usize, &mut [&mut [f32]]) + Sync) {
        // Several tasks for each thread, so that a thread that is held up does not hold up all.
        let task = outs.div_ceil(8 * rayon::current_num_threads()).clamp(16, 512).next_multiple_of(tile);
        let mut columns: Vec<Vec<&mut [f32]>> = (0..outs.div_ceil(task)).map(|_| Vec::with_capacity(self.rows)).collect();
        for row in out.chunks_exact_mut(outs) {
            row.chunks_mut(task).zip(&mut columns).for_each(|(part, column)| column.push(part));
        }
        columns.into_par_iter().enumerate().for_each(|(index, mut column)| run(index * task, &mut column));
    }

    /// What the sums begin with.
    fn begin(&self, first: usize, column: &mut [&mut [f32]]) {
        let width = column.first().map_or(0, |row| row.len());
        if let Some(bias) = self.bias {
            column.iter_mut().for_each(|row| row.copy_from_slice(&bias[first..first + width]));
        }
    }

    /// The depth of a cut: a multiple of what the storage can begin with, and of a vector.
    fn cut(&self) -> usize {
        let unit = match self.weights {
            Weights::Dense(_) => 16,
            Weights::Stored(stored) => stored.unit().max(16),
        };
        let cuts = self.depth.div_ceil(DEPTH).max(1);
        self.depth.div_ceil(cuts).next_multiple_of(unit)
    }

    /// The outputs from `first` on, as many as each row of `column` has room for.
    fn task<const O: usize>(&self, first: usize, column: &mut [&mut [f32]]) {
        let width = column.first().map_or(0, |row| row.len());
        self.begin(first, column);
        let cut = self.cut();
        let mut expanded = match self.weights {
            Weights::Dense(_) => Vec::new(),
            Weights::Stored(_) => vec![0.0; O * cut],
        };
        let mut start = 0;
        while start < self.depth {
            let depth = start..(start + cut).min(self.depth);
            start = depth.end;
            // The low-rank term goes on with the sums of the last cut.
            let low_rank = self.low_rank.filter(|_| depth.end == self.depth);
            let mut at = 0;
            while at + O <= width {
                self.strip::<O>(first, at, &depth, low_rank, &mut expanded, column);
                at += O;
            }
            for at in at..width {
                self.strip::<1>(first, at, &depth, low_rank, &mut expanded, column);
            }
        }
    }

    /// All rows of the `O` outputs from `first + at` on.
    fn strip<const O: usize>(
        &self,
        first: usize,
        at: usize,
        depth: &Range<usize>,
        low_rank: Option<LowRank<'_>>,
        expanded: &mut [f32],
        column: &mut [&mut [f32]],
    ) {
        let out = first + at;
        let weights: [&[f32]; O] = match self.weights {
            Weights::Dense(values) => std::array::from_fn(|o| row_of(values, out + o, self.depth, depth)),
            Weights::Stored(stored) => {
                let mut rest = expanded;
                std::array::from_fn(|o| {
                    let (row, more) = std::mem::take(&mut rest).split_at_mut(depth.len());
                    rest = more;
                    stored.expand(out + o, depth.clone(), row);
                    &*row
                })
            }
        };
        let strip = Strip { weights, depth: depth.clone(), low_rank, out, at };
        let tiles = self.rows.div_ceil(ROWS);
        let mut row = 0;
        for index in 0..tiles {
            if let Weights::Dense(values) = self.weights {
                // A share of the next weights for each tile: all at once would wait for memory.
                let share = depth.start + index * depth.len() / tiles..depth.start + (index + 1) * depth.len() / tiles;
                for next in out + O..out + 2 * O {
                    values.get(next * self.depth + share.start..next * self.depth + share.end).into_iter().for_each(prefetch);
                }
            }
            // Tiles of even height: a tile of one row takes as long as one of two.
            let height = (self.rows - row).div_ceil(tiles - index);
            let rows = &mut column[row..row + height];
            match height {
                1 => self.tile::<O, 1>(&strip, row, rows),
                2 => self.tile::<O, 2>(&strip, row, rows),
                3 => self.tile::<O, 3>(&strip, row, rows),
                _ => self.tile::<O, ROWS>(&strip, row, rows),
            }
            row += height;
        }
    }

    fn tile<const O: usize, const R: usize>(&self, strip: &Strip<'_, O>, row: usize, rows: &mut [&mut [f32]]) {
        let inputs = std::array::from_fn(|r| row_of(self.inputs, row + r, self.depth, &strip.depth));
        let low_rank = strip.low_rank.map_or(Pair { weights: [&[]; O], inputs: [&[]; R] }, |low_rank| Pair {
            weights: std::array::from_fn(|o| row_of(low_rank.weights, strip.out + o, low_rank.depth, &(0..low_rank.depth))),
            inputs: std::array::from_fn(|r| row_of(low_rank.inputs, row + r, low_rank.depth, &(0..low_rank.depth))),
        });
        let sums = self.tile.products([Pair { weights: strip.weights, inputs }, low_rank]);
        for (r, row) in rows.iter_mut().enumerate() {
            for (o, sums) in sums.iter().enumerate() {
                row[strip.at + o] += sums[r];
            }
        }
    }
}

impl Rows for Stored {
    fn unit(&self) -> usize {
        Stored::unit(self)
    }

    fn expand(&self, row: usize, columns: Range<usize>, out: &mut [f32]) {
        Stored::expand(self, row, columns, out);
    }
}

/// Weights that lie in memory as they are, `[outs, depth]`.
#[derive(Clone, Copy)]
struct Dense<'a> {
    weights: &'a [f32],
    depth: usize,
}

impl Rows for Dense<'_> {
    fn unit(&self) -> usize {
        1
    }

    fn expand(&self, row: usize, columns: Range<usize>, out: &mut [f32]) {
        out.copy_from_slice(row_of(self.weights, row, self.depth, &columns));
    }

    fn in_place(&self, rows: Range<usize>) -> Option<&[f32]> {
        self.weights.get(rows.start * self.depth..rows.end * self.depth)
    }
}

/// Some columns of a row of a matrix of `width` columns.
fn row_of<'a>(values: &'a [f32], row: usize, width: usize, columns: &Range<usize>) -> &'a [f32] {
    &values[row * width + columns.start..row * width + columns.end]
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use burn::tensor::Distribution;
    use proptest::prelude::*;

    use super::*;
    use crate::model::gguf::BlockType;
    use crate::model::matrix::tests::random;

    /// Largest difference, relative to the largest value expected.
    fn difference(found: Tensor<2>, expected: Tensor<2>) -> f32 {
        let largest: f32 = expected.clone().abs().max().into_scalar();
        (found - expected).abs().max().into_scalar::<f32>() / largest.max(f32::MIN_POSITIVE)
    }

    fn by_kernel(x: &Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<2>>, update: Option<&LowRankTerm>) -> Tensor<2> {
        kernel(x, &Weights::Dense(Values::of(weight).unwrap().get()), weight.dims(), bias, update).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_kernel_equals_the_composition(
            rows in prop_oneof![1usize..STRIP_ROWS, STRIP_ROWS..70],
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
            let expected = composed(x.clone().matmul(weight.clone().transpose()), bias.as_ref(), update.as_ref());
            let found = by_kernel(&x, &weight, bias.as_ref(), update.as_ref());
            prop_assert!(difference(found, expected) < 1e-5);
        }
    }

    #[test]
    fn the_portable_tile_equals_the_detected_one() {
        let values: Vec<f32> = (0..4000).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        for depth in [1, 7, 16, 33, 900] {
            let pair = |depth: usize| Pair::<'_, 3, 4> {
                weights: std::array::from_fn(|o| row_of(&values[100..], o, depth, &(0..depth))),
                inputs: std::array::from_fn(|r| row_of(&values, r, depth, &(0..depth))),
            };
            let pairs = [pair(depth), pair(depth.min(5))];
            let (found, expected) = (Tile::detect().products(pairs), Tile::Portable.products(pairs));
            for (found, expected) in found.as_flattened().iter().zip(expected.as_flattened()) {
                assert!((found - expected).abs() < 1e-3, "{depth}: {found} {expected}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn stored_weights_give_what_expanded_ones_give(
            rows in prop_oneof![1usize..STRIP_ROWS, STRIP_ROWS..60, 250usize..300],
            blocks in 1usize..9,
            outs in (1usize..40, 1usize..40),
            updated: bool,
        ) {
            let (device, depth) = (Device::flex(), blocks * 256);
            let mut stored = Stored::new(depth);
            for (block, outs) in [(BlockType::Q5_0, outs.0), (BlockType::Q6K, outs.1)] {
                stored.push(block, random(block, block.bytes(&[outs, depth]).unwrap(), 1), outs, None);
            }
            let outs = stored.rows();
            let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Uniform(-1.0, 1.0), &device);
            let x = random([rows, depth]);
            let update = updated.then(|| LowRankTerm { inner: random([rows, 5]), factor: random([outs, 5]) });
            let matrix = Matrix::Stored(stored);
            let expected = composed(x.clone().matmul(matrix.to_dense(&device).transpose()), None, update.as_ref());
            prop_assert!(difference(linear(x, &matrix, None, update.as_ref()), expected) < 1e-5);
        }
    }

    #[test]
    fn rows_that_do_not_lie_in_order_are_read_right() {
        let device = Device::flex();
        let x = Tensor::<2>::random([40, 6], Distribution::Default, &device);
        let weight = Tensor::<2>::random([9, 40], Distribution::Default, &device);
        let expected = composed(x.clone().transpose().matmul(weight.clone().transpose()), None, None);
        assert!(difference(by_kernel(&x.transpose(), &weight, None, None), expected) < 1e-5);
    }
}
