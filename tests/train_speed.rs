//! How much of the machine's matrix speed a step of training uses. A measurement, not a promise: `DCODE_MEASURE=1`, an idle machine
//! and `--nocapture`.

use std::time::Duration;
use std::time::Instant;

use burn::tensor::Device;
use burn::tensor::Distribution;
use burn::tensor::Tensor;
use dcode::model::config::TransformerConfig;
use dcode::model::spec::Attention;
use dcode::model::spec::Shift;
use dcode::train::batch::Batch;
use dcode::train::batch::Layout;
use dcode::train::example::Example;
use dcode::train::gradient::learn;
use dcode::train::loss::Loss;
use dcode::train::loss::Normalisation;
use dcode::train::model::TrainModel;
use dcode::train::optimiser::Optimiser;
use dcode::train::optimiser::OptimiserConfig;
use dcode::train::optimiser::Rule;
use dcode::train::parameters::read;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

/// The fastest of some runs.
fn fastest(runs: usize, mut work: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..runs).map(time).min().unwrap()
}

#[test]
fn a_step_uses_the_matrix_speed_of_the_machine() {
    if std::env::var_os("DCODE_MEASURE").is_none() {
        eprintln!("skipped: a measurement, see the module");
        return;
    }
    let device = Device::flex();
    let (rows, width) = (2048, 1024);
    let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, &device);
    let (a, b) = (random([rows, width]), random([width, width]));
    let product = fastest(7, || drop(read(a.clone().matmul(b.clone()).narrow(0, 0, 1)).unwrap()));
    let peak = 2.0 * (rows * width * width) as f64 / product.as_secs_f64();
    eprintln!("plain product {rows} x {width} x {width}: {:.1} GFLOP/s", peak / 1e9);
    // The nano recipe's model and batch, and a larger one.
    for (name, hidden, layers, heads, inner, vocab, seq, batch) in
        [("nano", 192, 4, 6, 512, 1024, 96, 24), ("medium", 512, 4, 8, 1408, 8192, 256, 8)]
    {
        let config = json!({
            "model_type": "llada", "d_model": hidden, "n_layers": layers, "n_heads": heads, "n_kv_heads": heads / 2,
            "mlp_hidden_size": inner, "vocab_size": vocab, "embedding_size": vocab, "max_sequence_length": 512, "weight_tying": true,
        });
        let config = TransformerConfig::from_json(&config.to_string(), "config.json".as_ref()).unwrap();
        let mut model = TrainModel::random(config, &device, &mut StdRng::seed_from_u64(1)).unwrap();
        let example = |b: usize| {
            let ids: Vec<u32> = (0..seq).map(|i| ((i * 37 + b * 101) % (vocab - 1)) as u32).collect();
            let masked = |i: usize| i.is_multiple_of(2);
            let tokens = ids.iter().enumerate().map(|(i, &id)| if masked(i) { vocab as u32 - 1 } else { id }).collect();
            let targets = ids.iter().enumerate().map(|(i, &id)| masked(i).then_some(id)).collect();
            Example { tokens, targets, context: 0, weights: vec![1.0; seq] }
        };
        let examples: Vec<Example> = (0..batch).map(example).collect();
        let mask = vocab as u32 - 1;
        let layout = Layout { attention: Attention::Bidirectional, shift: Shift::None, mask, look_ahead: None };
        let batch_of = Batch::new(&examples, &layout).unwrap();
        let config = OptimiserConfig {
            rule: Rule::Adamw,
            betas: [0.9, 0.95],
            epsilon: 1e-8,
            weight_decay: 0.0,
            momentum: 0.95,
            clip: 1.0,
        };
        let mut optimiser = Optimiser::new(config);
        let mut parts = [Duration::MAX; 2];
        for _ in 0..5 {
            let start = Instant::now();
            let loss = Loss::Weighted(Normalisation::Weight);
            let learned = learn(&mut model, std::slice::from_ref(&batch_of), loss).unwrap();
            parts[0] = parts[0].min(start.elapsed());
            let start = Instant::now();
            optimiser.step(model.parameters_mut(), learned.gradients, 1e-4).unwrap();
            parts[1] = parts[1].min(start.elapsed());
        }
        let elements = (seq * batch) as f64;
        // Scores and their use: two products forward, four backward, each 2 * seq * hidden for an element.
        let attention = 12.0 * (seq * hidden * layers) as f64;
        let flops = elements * (model.flops_per_element() + attention) + elements / 2.0 * model.flops_per_target();
        let whole = parts[0] + parts[1];
        eprintln!(
            "{name}: {:.2} M parameters, {elements} elements: gradients {:.0} ms, update {:.0} ms, {:.0} elements/s, {:.1} GFLOP/s, {:.2} of \
             the product's",
            model.parameters().counts().1 as f64 / 1e6,
            parts[0].as_secs_f64() * 1e3,
            parts[1].as_secs_f64() * 1e3,
            elements / whole.as_secs_f64(),
            flops / whole.as_secs_f64() / 1e9,
            flops / whole.as_secs_f64() / peak
        );
    }
}
