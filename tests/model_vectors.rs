//! The embedded model against the reference implementation: logits, tokenizer, prompts.

use dcode::diffusion::canvas::Canvas;
use dcode::diffusion::canvas::Op;
use dcode::diffusion::canvas::Slot;
use dcode::diffusion::denoiser::Ask;
use dcode::model::load::LoadedModel;
use serde::Deserialize;

use crate::common::embedded_model;
use crate::common::reference_model;
use crate::common::relative_error;
use crate::common::shared;

#[derive(Deserialize)]
struct Vectors {
    tokenizer_checks: Vec<TokenizerCheck>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct TokenizerCheck {
    text: String,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    context: Vec<u32>,
    slots: Vec<u32>,
    adapter: bool,
    top5_ids: Vec<Vec<u32>>,
    top5_logits: Vec<Vec<f32>>,
}

/// The references' logits hold every 101st id.
const STRIDE: usize = 101;

/// Relative L2 error of a row that is allowed. In half precision each weight and each product is rounded to 11 bits.
fn tolerance(model: &LoadedModel) -> f64 {
    if model.denoiser.transformer().is_half() { 5e-3 } else { 1e-4 }
}

#[test]
fn logits_equal_those_of_the_reference() {
    let (Some(folder), Some(mut model)) = (shared("weights"), reference_model()) else { return };
    let vectors: Vectors = serde_json::from_slice(&std::fs::read(folder.join("vectors.json")).unwrap()).unwrap();
    let bytes = std::fs::read(folder.join("vectors.safetensors")).unwrap();
    let expected = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (mut worst, mut ranked, mut places) = (0.0f64, 0, 0);
    let half = model.denoiser.transformer().is_half();
    let allowed = tolerance(&model);
    for case in &vectors.cases {
        let mut worst_here = 0.0f64;
        let rows = logits(&mut model, case);
        let view = expected.tensor(&case.name).unwrap();
        let strided: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let width = strided.len() / rows.len();
        for (slot, (row, expected)) in rows.iter().zip(strided.chunks_exact(width)).enumerate() {
            let found: Vec<f32> = row.iter().step_by(STRIDE).copied().collect();
            let error = relative_error(&found, expected);
            assert!(error <= allowed, "{}, slot {slot}: relative error {error:.2e}", case.name);
            worst_here = worst_here.max(error);
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0 as u32;
            places += 1;
            ranked += usize::from(best == case.top5_ids[slot][0]);
            if half {
                assert!(case.top5_ids[slot].contains(&best), "{}, slot {slot}", case.name);
                continue;
            }
            assert_eq!(best, case.top5_ids[slot][0], "{}, slot {slot}", case.name);
            for (id, logit) in case.top5_ids[slot].iter().zip(&case.top5_logits[slot]) {
                assert!((row[*id as usize] - logit).abs() < 5e-3, "{}, slot {slot}, id {id}", case.name);
            }
        }
        eprintln!("{}: largest relative error of a row {worst_here:.2e}", case.name);
        worst = worst.max(worst_here);
    }
    eprintln!(
        "{} cases, largest relative error of a row {worst:.2e}; best token the same in {ranked} of {places}",
        vectors.cases.len()
    );
}

fn logits(model: &mut LoadedModel, case: &Case) -> Vec<Vec<f32>> {
    let flat = if case.adapter {
        let mask = model.denoiser.mask();
        let slots = case.slots.iter().map(|&id| if id == mask { Slot::masked(0) } else { Slot::original(0, id) }).collect();
        let canvas = Canvas::new(case.context.clone(), slots, vec![]);
        let asked: Vec<usize> = (0..case.slots.len()).collect();
        model.denoiser.canvas_logits(&[Ask::new(&canvas, &asked, 1)]).unwrap()
    } else {
        let ids: Vec<u32> = case.context.iter().chain(&case.slots).copied().collect();
        let all = model.denoiser.causal_logits(&ids, case.context.len()).unwrap();
        let vocab = all.len() / (case.slots.len() + 1);
        all[..case.slots.len() * vocab].to_vec()
    };
    let vocab = flat.len() / case.slots.len();
    flat.chunks_exact(vocab).map(<[f32]>::to_vec).collect()
}

#[test]
fn the_tokenizer_equals_the_official_one_and_keeps_special_strings_as_text() {
    let (Some(folder), Some(model)) = (shared("weights"), embedded_model()) else { return };
    let vectors: Vectors = serde_json::from_slice(&std::fs::read(folder.join("vectors.json")).unwrap()).unwrap();
    for check in &vectors.tokenizer_checks {
        let ids = model.tokenizer.encode(&check.text);
        if check.text.contains("<|") {
            // The reference reads special strings in text as special tokens; here text is text.
            assert!(ids.iter().all(|&id| model.tokenizer.is_text(id)), "{ids:?}");
            assert_eq!(model.tokenizer.decode(&ids), check.text);
        } else {
            assert_eq!(ids, check.ids, "{:?}", check.text);
        }
    }
}

/// With no adapter, canvas attention must predict the leftmost masked slot exactly as the base continues the text.
#[test]
fn the_leftmost_slot_of_the_base_alone_is_its_continuation() {
    let Some(mut model) = embedded_model() else { return };
    let text = "fn main() {\n    println!(\"hello\");\n    let numbers = vec![1, 2, 3];\n    for";
    let ids = model.tokenizer.encode(text);
    model.denoiser.remove_adapter();
    let (context, shown) = ids.split_at(ids.len() - 4);
    let mut canvas = Canvas::new(context.to_vec(), vec![Slot::masked(0); 9], vec![]);
    for (slot, &token) in shown.iter().enumerate() {
        canvas.apply(Op::Commit { slot, token, confidence: 1.0 });
    }
    let on_canvas = model.denoiser.canvas_logits(&[Ask::new(&canvas, &[4], 1)]).unwrap();
    let continued = model.denoiser.causal_logits(&ids, ids.len()).unwrap();
    assert!(relative_error(&on_canvas, &continued) < tolerance(&model));
}

/// A batch of canvases of different lengths over one context gives what each gives alone.
#[test]
fn a_batch_equals_its_canvases_one_by_one() {
    let Some(mut model) = embedded_model() else { return };
    let context = model.tokenizer.encode("def add(a, b):\n    return");
    let canvases: Vec<Canvas> =
        [3, 8, 5].iter().map(|&n| Canvas::new(context.clone(), vec![Slot::masked(0); n], vec![])).collect();
    let slots: Vec<Vec<usize>> = canvases.iter().map(|canvas| canvas.masked()).collect();
    let asks: Vec<Ask<'_>> = canvases.iter().zip(&slots).map(|(canvas, slots)| Ask::new(canvas, slots, 1)).collect();
    let together = model.denoiser.canvas_logits(&asks).unwrap();
    let alone: Vec<f32> = asks.iter().flat_map(|ask| model.denoiser.canvas_logits(&[*ask]).unwrap()).collect();
    assert!(relative_error(&together, &alone) < tolerance(&model) / 10.0);
}
