//! Forward passes against the plain matrix products that they contain, and steps at two context lengths.

use burn::tensor::Device;
use burn::tensor::Distribution;
use burn::tensor::Tensor;

use crate::bench::median;
use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Slot;
use crate::diffusion::denoiser::Ask;
use crate::diffusion::denoiser::Denoiser;
use crate::model::canvas_denoiser::CanvasDenoiser;
use crate::model::config::TransformerConfig;
use crate::model::error::ModelError;
use crate::model::kernels::linear;
use crate::model::spec::TokenId;

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

/// The weights of the products of all blocks, with random values. Each block has its own, as in the model: weights that stay in
/// the processor's cache would flatter the figure.
#[derive(Debug)]
pub struct Products {
    weights: Vec<[Tensor<2>; 4]>,
    hidden: usize,
    inner: usize,
    device: Device,
}

impl Products {
    /// Weights of the shapes of `config`.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        let (hidden, inner) = (config.hidden, config.intermediate);
        let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, device);
        let attention = config.heads * config.head_dim;
        let shapes = [[config.qkv_rows(), hidden], [hidden, attention], [2 * inner, hidden], [hidden, inner]];
        let weights = (0..config.layers).map(|_| shapes.map(random)).collect();
        Self { weights, hidden, inner, device: device.clone() }
    }

    /// Multiplies `rows` rows through all blocks by `product`.
    pub fn run(&self, rows: usize, product: &dyn Fn(Tensor<2>, &Tensor<2>) -> Tensor<2>) {
        let ones = |width| Tensor::<2>::ones([rows, width], &self.device);
        let (narrow, wide) = (ones(self.hidden), ones(self.inner));
        for [qkv, out, gate_up, down] in &self.weights {
            let attended = ones(out.dims()[1]);
            for (input, weight) in [(&narrow, qkv), (&attended, out), (&narrow, gate_up), (&wide, down)] {
                drop(product(input.clone(), weight));
            }
        }
        // A failure shows in the times that follow; there is nothing to return it to.
        let _ = self.device.sync();
    }

    /// Floating-point operations for one row.
    fn flops(&self) -> f64 {
        let block =
            |weights: &[Tensor<2>; 4]| weights.iter().map(|weight| weight.dims().iter().product::<usize>()).sum::<usize>();
        2.0 * self.weights.iter().map(block).sum::<usize>() as f64
    }
}

/// Times passes over the given numbers of positions.
///
/// # Errors
/// The model failed.
pub fn forward(
    model: &mut CanvasDenoiser,
    products: &Products,
    rows: &[usize],
    runs: usize,
) -> Result<Vec<ForwardTime>, ModelError> {
    let mut seed = 0;
    let mut times = Vec::new();
    for &rows in rows {
        let product_time = median(runs, || products.run(rows, &|input, weight| input.matmul(weight.clone().transpose())));
        let kernels = median(runs, || products.run(rows, &|input, weight| linear(input, weight, None, None)));
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
pub fn steps(model: &mut CanvasDenoiser, slots: usize, contexts: &[usize], runs: usize) -> Result<Vec<f64>, ModelError> {
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
