//! Linear maps through the matrix unit: weights are expanded and cut into tiles in the first-level cache, inputs once for all.

use std::ops::Range;

use rayon::prelude::*;

use crate::model::kernels::matrix_unit::BLOCK;
use crate::model::kernels::matrix_unit::DEEP;
use crate::model::kernels::matrix_unit::Line;
use crate::model::kernels::matrix_unit::MatrixUnit;
use crate::model::kernels::matrix_unit::SIDE;
use crate::model::kernels::matrix_unit::STEP;
use crate::model::kernels::matrix_unit::SUMS;
use crate::model::kernels::matrix_unit::Sums;

/// Weights are cut to a depth at which the tiles of a block stay in the first-level cache, 32 KiB.
const DEPTH: usize = 256;

/// Rows of weights that can be expanded piece by piece.
pub(super) trait Rows: Sync {
    /// Expansions start at multiples of this many columns.
    fn unit(&self) -> usize;
    /// Writes some columns of a row.
    fn expand(&self, row: usize, columns: Range<usize>, out: &mut [f32]);
    /// The values of some rows, where they lie in memory as they are.
    fn in_place(&self, _rows: Range<usize>) -> Option<&[f32]> {
        None
    }
}

/// Inputs in the order in which the unit takes them: for each block of 32 rows the steps over the depth.
pub(super) struct Inputs {
    lines: Vec<Line>,
    steps: usize,
    depth: usize,
}

impl Inputs {
    /// `values` is `[rows, depth]`, row-major.
    pub(super) fn new(unit: MatrixUnit, values: &[f32], rows: usize, depth: usize) -> Self {
        let steps = depth.div_ceil(DEEP);
        let mut lines = vec![Line::default(); rows.div_ceil(BLOCK) * steps * STEP];
        lines.par_chunks_exact_mut((steps * STEP).max(1)).enumerate().for_each(|(block, lines)| {
            let mut halves = [Line::default(); STEP];
            for row in (block * BLOCK..rows.min((block + 1) * BLOCK)).map(|row| row % BLOCK) {
                let values = &values[(block * BLOCK + row) * depth..][..depth];
                for (values, step) in values.chunks(DEEP).zip(lines.chunks_exact_mut(STEP)) {
                    unit.cut(values, &mut halves, 0);
                    for half in [0, BLOCK] {
                        // A line of the unit has two values of each row.
                        let tile = &mut step[half + row / SIDE * SIDE..][..SIDE];
                        tile.iter_mut().zip(halves[half].0).for_each(|(line, word)| line.0[row % SIDE] = word);
                    }
                }
            }
        });
        Self { lines, steps, depth }
    }

    /// The lines of some steps of each block.
    fn blocks(&self, steps: Range<usize>) -> impl Iterator<Item = &[Line]> {
        self.lines.chunks_exact((self.steps * STEP).max(1)).map(move |block| &block[steps.start * STEP..steps.end * STEP])
    }

    /// Number of blocks of rows.
    fn count(&self) -> usize {
        self.lines.len() / (self.steps * STEP).max(1)
    }
}

/// Adds `inputs · weightsᵀ` to the outputs from `first` on, as many as each row of `column` has room for.
pub(super) fn add(unit: MatrixUnit, weights: &[(&dyn Rows, &Inputs)], first: usize, column: &mut [&mut [f32]]) {
    let width = column.first().map_or(0, |row| row.len());
    let most = weights.iter().map(|(rows, _)| cut(*rows)).max().unwrap_or(0);
    let blocks = weights.iter().map(|(_, inputs)| inputs.count()).max().unwrap_or(0);
    let mut tiles = vec![Line::default(); most / DEEP * STEP];
    let mut expanded = vec![0.0; most];
    let mut sums = vec![[Sums::default(); SUMS]; blocks];
    for at in (0..width).step_by(BLOCK) {
        sums.fill([Sums::default(); SUMS]);
        let outs = BLOCK.min(width - at);
        for &(rows, inputs) in weights {
            for start in (0..inputs.depth).step_by(cut(rows)) {
                let columns = start..(start + cut(rows)).min(inputs.depth);
                let steps = start / DEEP..columns.end.div_ceil(DEEP);
                let tiles = &mut tiles[..steps.len() * STEP];
                for out in 0..outs {
                    let values = &mut expanded[..columns.len()];
                    rows.expand(first + at + out, columns.clone(), values);
                    unit.cut(values, tiles, out);
                }
                for (inputs, sums) in inputs.blocks(steps).zip(&mut sums) {
                    unit.multiply(tiles, inputs, sums);
                }
            }
        }
        for (rows, sums) in column.chunks_mut(BLOCK).zip(&sums) {
            for (row, out) in rows.iter_mut().enumerate() {
                for (half, out) in out[at..at + outs].chunks_mut(SIDE).enumerate() {
                    // Tiles lie by weights first; a line of sums belongs to a row of weights.
                    let tile = &sums[(2 * half + row / SIDE) * SIDE..][..SIDE];
                    out.iter_mut().zip(tile).for_each(|(out, sums)| *out += sums.0[row % SIDE]);
                }
            }
        }
    }
}

/// The depth of a cut: whole steps, and a multiple of what an expansion can begin with.
fn cut(rows: &dyn Rows) -> usize {
    DEPTH.next_multiple_of(rows.unit().max(DEEP))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Plain<'a>(&'a [f32], usize);

    impl Rows for Plain<'_> {
        fn unit(&self) -> usize {
            1
        }

        fn expand(&self, row: usize, columns: Range<usize>, out: &mut [f32]) {
            out.copy_from_slice(&self.0[row * self.1..][columns]);
        }
    }

    fn values(seed: usize, count: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    fn check(unit: MatrixUnit, rows: usize, depth: usize, outs: usize, rank: usize, first: usize) {
        let (inputs, inner) = (values(1, rows * depth), values(2, rows * rank));
        let (weights, factor) = (values(3, (first + outs) * depth), values(4, (first + outs) * rank));
        let mut found = vec![0.25; rows * outs];
        let mut column: Vec<&mut [f32]> = found.chunks_exact_mut(outs).collect();
        let packed = [Inputs::new(unit, &inputs, rows, depth), Inputs::new(unit, &inner, rows, rank)];
        let (weights_of, factor_of) = (Plain(&weights, depth), Plain(&factor, rank));
        add(unit, &[(&weights_of, &packed[0]), (&factor_of, &packed[1])], first, &mut column);
        for row in 0..rows {
            for out in 0..outs {
                // The sum of the products, and that of their sizes: of each, 2^-17 may be lost, and the sum is rounded.
                let product = |a: &[f32], b: &[f32], len: usize| -> (f64, f64) {
                    let (a, b) = (&a[row * len..][..len], &b[(first + out) * len..][..len]);
                    let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
                    products.fold((0.0, 0.25), |(sum, size), product| (sum + product, size + product.abs()))
                };
                let (one, two) = (product(&inputs, &weights, depth), product(&inner, &factor, rank));
                let expected = 0.25 + one.0 + two.0;
                let found = f64::from(found[row * outs + out]);
                let bound = 1.5e-5 * (one.1 + two.1);
                assert!((found - expected).abs() < bound, "{rows} {depth} {outs}: {found} {expected}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_shape_gives_the_products(
            rows in 1usize..80,
            depth in prop_oneof![1usize..70, 250usize..600],
            outs in 1usize..70,
            rank in 1usize..40,
            first in 0usize..5,
        ) {
            check(MatrixUnit::Emulated, rows, depth, outs, rank, first);
            if let Some(unit) = MatrixUnit::detect() {
                check(unit, rows, depth, outs, rank, first);
            }
        }
    }
}
