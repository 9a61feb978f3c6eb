//! Forward passes of small random models against the reference implementations (group A of the goldens, Llama and Qwen2).

use std::path::Path;

use burn::tensor::Device;
use burn::tensor::Tensor;
use burn::tensor::TensorData;
use dcode::model::config::TransformerConfig;
use dcode::model::transformer::Pass;
use dcode::model::transformer::Transformer;
use dcode::model::weights::Weights;
use safetensors::SafeTensors;
use serde_json::Value;

use crate::common::shared;

/// Largest difference allowed, as a share of the largest expected value.
const TOLERANCE: f32 = 1e-4;

#[test]
fn forward_passes_equal_the_references() {
    let Some(goldens) = shared("goldens") else { return };
    let mut checked = Vec::new();
    for name in ["a01_dream_full", "a03_llama_tied_causal", "a04_llama_tied_full", "a05_llama_block_causal"] {
        check_case(&goldens.join(name));
        checked.push(name);
    }
    eprintln!("equal: {}", checked.join(", "));
}

fn check_case(folder: &Path) {
    let case: Value = serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
    let path = folder.join("config.json");
    let config = TransformerConfig::from_json(&std::fs::read_to_string(&path).unwrap(), &path).unwrap();
    let weights = Weights::open_safetensors(&[folder.join("model.safetensors")]).unwrap();
    let device = Device::flex();
    let mut transformer = Transformer::load(config, &weights, &device, &mut |_| {}).unwrap();
    let rows: Vec<Vec<u32>> = serde_json::from_value(case["inputs"]["input_ids"].clone()).unwrap();
    let (batch, seq) = (rows.len(), rows[0].len());
    let ids = rows.concat();
    let block = case["block_size"].as_u64().unwrap_or(1) as usize;
    let visible = |q: usize, k: usize| match case["attention"].as_str().unwrap() {
        "full" => true,
        "causal" => k <= q,
        "block_causal" => k / block <= q / block,
        other => panic!("attention {other}"),
    };
    let bias: Vec<f32> = (0..seq * seq).map(|i| if visible(i / seq, i % seq) { 0.0 } else { -3.0e4 }).collect();
    let bias = Tensor::from_data(TensorData::new(bias, [1, seq, seq]), &device);
    let positions: Vec<usize> = (0..batch).flat_map(|_| 0..seq).collect();
    let input = transformer.embed(&ids, batch);
    let bytes = std::fs::read(folder.join("expected.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    compare(folder, "embed", input.clone(), &expected);
    let pass = Pass { input, positions: &positions, bias: Some(bias), past: None, adapter: None };
    let passed = transformer.forward_traced(pass);
    for (layer, hidden) in passed.blocks.iter().enumerate() {
        compare(folder, &format!("hidden_{layer}"), hidden.clone(), &expected);
    }
    let width = passed.hidden.dims()[2];
    compare(folder, "final_norm", passed.hidden.clone(), &expected);
    compare(folder, "logits", transformer.logits(passed.hidden.reshape([batch * seq, width])), &expected);
}

fn compare<const D: usize>(folder: &Path, name: &str, found: Tensor<D>, expected: &SafeTensors<'_>) {
    let view = expected.tensor(name).unwrap();
    let expected: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let found: Vec<f32> = found.into_data().try_into_vec().unwrap();
    assert_eq!(found.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let difference = found.iter().zip(&expected).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(difference <= TOLERANCE * largest, "{}: {name} differs by {difference:.2e} of {largest:.2e}", folder.display());
}
