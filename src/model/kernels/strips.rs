//! Linear maps of several rows: a strip of weights at a time, expanded in the cache where it is stored in blocks, multiplied by the
//! library that Flex multiplies with. The tiles of [`tile`](super::tile) are for fewer rows than fill its registers.

use gemm::Parallelism;

use crate::model::kernels::blocks::Rows;

/// Rows of inputs from which strips are faster than tiles: each strip is laid out anew by the library, which takes as long for one row as
/// for many.
pub(super) const STRIP_ROWS: usize = 40;
/// Rows of weights in a strip: with the inputs they stay in the second-level cache, also at the depth of a feed-forward map.
pub(super) const STRIP: usize = 64;

/// Inputs and the weights that they are multiplied with.
pub(super) struct Product<'a> {
    /// Rows of weights, `[outs, depth]`.
    pub weights: &'a dyn Rows,
    /// `[rows, depth]`
    pub inputs: &'a [f32],
    pub depth: usize,
}

/// Adds the products to the outputs from `first` on, as many as each row of `column` has room for.
pub(super) fn add(products: &[Product<'_>], first: usize, column: &mut [&mut [f32]]) {
    let (rows, width) = (column.len(), column.first().map_or(0, |row| row.len()));
    let most = products.iter().filter(|product| product.weights.in_place(0..1).is_none()).map(|product| product.depth).max();
    let mut expanded = vec![0.0; most.unwrap_or(0) * STRIP.min(width)];
    let mut sums = vec![0.0; rows * STRIP.min(width)];
    for at in (0..width).step_by(STRIP) {
        let outs = STRIP.min(width - at);
        for (number, product) in products.iter().enumerate() {
            let of_strip = first + at..first + at + outs;
            let weights = match product.weights.in_place(of_strip.clone()) {
                Some(values) => values,
                None => {
                    let values = &mut expanded[..outs * product.depth];
                    let rows = of_strip.zip(values.chunks_exact_mut(product.depth.max(1)));
                    rows.for_each(|(row, out)| product.weights.expand(row, 0..product.depth, out));
                    &*values
                }
            };
            multiply(weights, product.inputs, product.depth, &mut sums[..rows * outs], outs, number > 0);
        }
        for (row, sums) in column.iter_mut().zip(sums.chunks_exact(outs)) {
            row[at..at + outs].iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
        }
    }
}

/// `sums[row][out]`, or what is added to it, is the product of a row of inputs with a row of weights. All are row-major.
///
/// # Panics
/// When the lengths do not fit each other.
fn multiply(weights: &[f32], inputs: &[f32], depth: usize, sums: &mut [f32], outs: usize, more: bool) {
    let rows = sums.len() / outs.max(1);
    assert!(weights.len() == outs * depth && inputs.len() == rows * depth && sums.len() == rows * outs);
    // SAFETY: with these strides every index below `outs`, `rows` and `depth` lies in its slice, which the assertion says; the slices
    // do not overlap, because one of them is borrowed for writing.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            outs,
            rows,
            depth,
            sums.as_mut_ptr(),
            outs as isize,
            1,
            more,
            weights.as_ptr(),
            1,
            depth as isize,
            inputs.as_ptr(),
            depth as isize,
            1,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            // The strips themselves are spread over the threads.
            Parallelism::None,
        );
    }
}
