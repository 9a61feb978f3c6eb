//! Forward passes against the plain matrix products that they contain, and steps at two context lengths.

use burn::tensor::Device;
use burn::tensor::Tensor;

use crate::bench::median;
use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Slot;
use crate::diffusion::denoiser::Ask;
use crate::diffusion::denoiser::Denoiser;
use crate::model::error::ModelError;
use crate::model::kernels::linear;
use crate::model::loaded::LoadedDenoiser;
use crate::model::spec::TokenId;
use crate::model::transformer::Transformer;

/// Time of a forward pass beside that of its products.
#[derive(Clone, Copy, Debug)]
pub struct ForwardTime {
    /// Positions.
    pub rows: usize,
    /// Seconds for the products of all blocks through the backend's own matmul, and nothing else.
    pub products: f64,
    /// Seconds for the same products as the model computes them.
    pub kernels: f64,
    /// Seconds for the whole pass, logits of one position included.
    pub forward: f64,
    /// Floating-point operations of the products per second.
    pub flops: f64,
}

/// The weights of the products of all blocks, expanded to f32. All are there, as in the model: weights that stay in the
/// processor's cache would flatter the figure.
#[derive(Debug)]
pub struct Products {
    weights: Vec<Tensor<2>>,
    device: Device,
}

impl Products {
    /// The weights of a transformer.
    pub fn new(transformer: &Transformer) -> Self {
        let device = transformer.device().clone();
        let weights = transformer.linear_maps().flatten().map(|matrix| matrix.to_dense(&device)).collect();
        Self { weights, device }
    }

    /// Multiplies `rows` rows through all blocks by the backend's own matmul.
    pub fn run(&self, rows: usize) {
        for weight in &self.weights {
            let ones = Tensor::<2>::ones([rows, weight.dims()[1]], &self.device);
            drop(ones.matmul(weight.clone().transpose()));
        }
        // A failure shows in the times that follow; there is nothing to return it to.
        let _ = self.device.sync();
    }

    /// Floating-point operations for one row.
    fn flops(&self) -> f64 {
        2.0 * self.weights.iter().map(|weight| weight.dims().iter().product::<usize>()).sum::<usize>() as f64
    }
}

/// The same products as the model computes them.
fn through_kernels(transformer: &Transformer, rows: usize) {
    for matrix in transformer.linear_maps().flatten() {
        drop(linear(Tensor::<2>::ones([rows, matrix.dims()[1]], transformer.device()), matrix, None, None));
    }
    let _ = transformer.device().sync();
}

/// Times passes over the given numbers of positions.
///
/// # Errors
/// The model failed.
pub fn forward(
    model: &mut LoadedDenoiser,
    products: &Products,
    rows: &[usize],
    runs: usize,
) -> Result<Vec<ForwardTime>, ModelError> {
    let mut seed = 0;
    let mut times = Vec::new();
    for &rows in rows {
        let product_time = median(runs, || products.run(rows));
        let kernels = median(runs, || through_kernels(model.transformer(), rows));
        let mut failure = None;
        let forward = median(runs, || {
            // Ids that no earlier run began with, so that no cached context is reused.
            seed += 1;
            let ids = ids(rows, seed);
            failure = model.causal_logits(&ids, ids.len()).err().or(failure.take());
        });
        failure.map_or(Ok(()), Err)?;
        times.push(ForwardTime {
            rows,
            products: product_time,
            kernels,
            forward,
            flops: products.flops() * rows as f64 / product_time,
        });
    }
    Ok(times)
}

/// Seconds of a denoiser step over `slots` masked slots, at each context length.
///
/// # Errors
/// The model failed.
pub fn steps(model: &mut LoadedDenoiser, slots: usize, contexts: &[usize], runs: usize) -> Result<Vec<f64>, ModelError> {
    let mut times = Vec::new();
    for &context in contexts {
        let canvas = Canvas::new(ids(context, 7), vec![Slot::masked(0); slots], Vec::new());
        let asked = canvas.masked();
        let mut failure = None;
        let mut step = || failure = model.predict(&[Ask::new(&canvas, &asked, 1)]).err().or(failure.take());
        times.push(median(runs, &mut step));
        failure.map_or(Ok(()), Err)?;
    }
    Ok(times)
}

/// Ids that stand for text: what they are does not change the time.
fn ids(count: usize, seed: TokenId) -> Vec<TokenId> {
    (0..TokenId::try_from(count).unwrap_or(TokenId::MAX)).map(|i| (i * 37 + seed * 1009) % 20_000).collect()
}
