//! Forward passes of the embedded model against the plain matrix products that they contain, and steps at two context lengths.
//!
//! `cargo bench --bench forward`. Each figure is the median of several runs; ratios come from the same process.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]
#![recursion_limit = "256"]

use std::time::Instant;

use burn::tensor::Device;
use burn::tensor::Distribution;
use burn::tensor::Tensor;
use dcode::diffusion::canvas::Canvas;
use dcode::diffusion::canvas::Slot;
use dcode::diffusion::denoiser::Ask;
use dcode::diffusion::denoiser::Denoiser;
use dcode::model::config::TransformerConfig;
use dcode::model::device;
use dcode::model::device::DeviceChoice;
use dcode::model::load::load;
use dcode::model::locate::locate;

fn main() {
    let device = device::open(DeviceChoice::Cpu).unwrap();
    let files = match locate(None) {
        Ok(files) => files,
        Err(error) => return println!("skipped: {error}"),
    };
    let start = Instant::now();
    let mut model = match load(&files, &device, &mut |_| {}) {
        Ok(model) => model,
        Err(error) => return println!("skipped: {error}"),
    };
    println!("load {:.2} s", start.elapsed().as_secs_f64());
    let config = model.denoiser.transformer().config().clone();
    let mut seed = 0u32;
    for rows in [1, 16, 32, 64, 256] {
        let products = median(5, || products(&config, rows, &device.device));
        let forward = median(5, || {
            // Ids that no earlier run shares, so that no cached context is reused.
            seed += 1;
            let ids: Vec<u32> = (0..rows as u32 + 1).map(|i| (i * 37 + seed * 1009) % 100_000).collect();
            model.denoiser.causal_logits(&ids, ids.len()).unwrap();
        });
        let flops = 2.0 * products_size(&config) as f64 * rows as f64;
        println!(
            "{rows} positions: products {:.0} ms ({:.0} GFLOP/s), forward {:.0} ms, ratio {:.2}",
            products * 1e3,
            flops / products / 1e9,
            forward * 1e3,
            forward / products
        );
    }
    let mut steps = Vec::new();
    for length in [64, 1024] {
        let context: Vec<u32> = (0..length).map(|i| (i * 53 + 7) % 100_000).collect();
        let canvas = Canvas::new(context, vec![Slot::masked(0); 32], vec![]);
        let asked = canvas.masked();
        let mut step = || drop(model.denoiser.predict(&[Ask { canvas: &canvas, slots: &asked, top_k: 8 }]).unwrap());
        step();
        let time = median(7, step);
        println!("step of 32 slots at a context of {length}: {:.0} ms", time * 1e3);
        steps.push(time);
    }
    println!("step at 1024 / step at 64: {:.2}", steps[1] / steps[0]);
}

/// Weights of the four products of all blocks.
fn products_size(config: &TransformerConfig) -> usize {
    let attention = config.hidden * config.qkv_rows() + config.heads * config.head_dim * config.hidden;
    config.layers * (attention + 3 * config.hidden * config.intermediate)
}

/// The matrix products of a pass over `rows` positions, and nothing else. Each block has weights of its own, as in the model:
/// weights that stay in the processor's cache would flatter the figure.
fn products(config: &TransformerConfig, rows: usize, device: &Device) {
    thread_local!(static WEIGHTS: std::cell::OnceCell<Vec<[Tensor<2>; 4]>> = const { std::cell::OnceCell::new() });
    let (hidden, inner) = (config.hidden, config.intermediate);
    let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, device);
    WEIGHTS.with(|weights| {
        let weights = weights.get_or_init(|| {
            let block = || [[config.qkv_rows(), hidden], [hidden, hidden], [2 * inner, hidden], [hidden, inner]].map(random);
            (0..config.layers).map(|_| block()).collect()
        });
        let (narrow, wide) = (Tensor::<2>::ones([rows, hidden], device), Tensor::<2>::ones([rows, inner], device));
        for [qkv, out, gate_up, down] in weights {
            for weight in [qkv, out, gate_up] {
                drop(narrow.clone().matmul(weight.clone().transpose()));
            }
            drop(wide.clone().matmul(down.clone().transpose()));
        }
    });
}

fn median(runs: usize, mut run: impl FnMut()) -> f64 {
    run();
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}
