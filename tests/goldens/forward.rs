//! Group A: forward passes, layer by layer.

use burn::tensor::Tensor;
use burn::tensor::TensorData;
use dcode::model::kv_cache::KvCache;
use dcode::model::transformer::Pass;
use dcode::model::transformer::Transformer;

use super::case::Case;
use super::case::compare;

pub fn check(case: &Case) -> Result<(), String> {
    let mut transformer = case.transformer();
    if case.text("attention") == "cached" {
        return check_cached(case, &mut transformer);
    }
    let rows: Vec<Vec<u32>> = case.get("inputs", "input_ids").unwrap();
    let (batch, seq) = (rows.len(), rows[0].len());
    let mask: Option<Vec<Vec<u8>>> = case.get("inputs", "attention_mask");
    let counts: Option<Vec<bool>> = mask.as_ref().map(|mask| mask.concat().into_iter().map(|one| one == 1).collect());
    let block = case.json["block_size"].as_u64().unwrap_or(1) as usize;
    let visible = |b: usize, q: usize, k: usize| match case.text("attention") {
        "full" => true,
        "causal" => k <= q,
        "block_causal" => k / block <= q / block,
        // Whether pads see anything does not matter: their rows are undefined.
        "pad2d" => counts.as_ref().is_some_and(|counts| counts[b * seq + k]),
        other => panic!("attention {other}"),
    };
    let bias = |i: usize| if visible(i / (seq * seq), i / seq % seq, i % seq) { 0.0 } else { -3.0e4 };
    let bias: Vec<f32> = (0..batch * seq * seq).map(bias).collect();
    let straight: Vec<usize> = (0..batch).flat_map(|_| 0..seq).collect();
    let sets: Vec<(&str, Vec<usize>)> = match &mask {
        None => vec![("", straight)],
        Some(mask) => {
            let counted = mask.iter().flat_map(|row| {
                let mut valid = 0;
                row.iter().map(move |&one| {
                    valid += usize::from(one);
                    if one == 1 { valid - 1 } else { 1 }
                })
            });
            vec![("default_pos.", straight), ("tok_idx.", counted.collect())]
        }
    };
    for (prefix, positions) in sets {
        if !case.has_tensor(&format!("{prefix}logits")) {
            continue;
        }
        let input = transformer.embed(&rows.concat(), batch);
        let found = values(input.clone());
        compare("embed", &found, &case.tensor(&format!("{prefix}embed")).1, counts.as_deref())?;
        let bias = Tensor::from_data(TensorData::new(bias.clone(), [batch, seq, seq]), transformer.device());
        let pass = Pass { input, positions: &positions, bias: Some(bias), past: None, adapter: None };
        let passed = transformer.forward_traced(pass);
        let mut named: Vec<(String, Vec<f32>)> =
            passed.blocks.into_iter().enumerate().map(|(layer, hidden)| (format!("hidden_{layer}"), values(hidden))).collect();
        let width = passed.hidden.dims()[2];
        named.push(("final_norm".to_owned(), values(passed.hidden.clone())));
        named.push(("logits".to_owned(), values(transformer.logits(passed.hidden.reshape([batch * seq, width])))));
        for (name, found) in named {
            let name = format!("{prefix}{name}");
            compare(&name, &found, &case.tensor(&name).1, counts.as_deref())?;
        }
    }
    Ok(())
}

/// A window of rows against the keys and values that a pass over another sequence left of all other rows.
fn check_cached(case: &Case, transformer: &mut Transformer) -> Result<(), String> {
    let rows: Vec<Vec<u32>> = case.get("inputs", "input_ids").unwrap();
    let after: Vec<Vec<u32>> = case.get("inputs", "input_ids_after").unwrap();
    let [start, end]: [usize; 2] = case.get("inputs", "block").unwrap();
    let (before, after) = (&rows[0], &after[0]);
    let len = before.len();
    let mut pass = |ids: &[u32], from: usize, past: Option<&KvCache>| {
        let positions: Vec<usize> = (from..from + ids.len()).collect();
        let input = transformer.embed(ids, 1);
        let past = past.map(|past| (past, past.len()));
        let passed = transformer.forward(Pass { input, positions: &positions, bias: None, past, adapter: None });
        let width = passed.hidden.dims()[2];
        (values(transformer.logits(passed.hidden.reshape([ids.len(), width]))), passed.keys_values)
    };
    let (full, keys_values) = pass(before, 0, None);
    let cut = |parts: &[std::ops::Range<usize>]| {
        let mut cache = KvCache::default();
        for part in parts {
            let narrow = |tensor: &Tensor<4>| tensor.clone().narrow(2, part.start, part.len());
            cache.append(keys_values.iter().map(|(keys, values)| (narrow(keys), narrow(values))).collect());
        }
        cache
    };
    let (prefix, _) = pass(&after[start..], start, Some(&cut(&[0..start])));
    let (dual, _) = pass(&after[start..end], start, Some(&cut(&[0..start, end..len])));
    let (uncached, _) = pass(after, 0, None);
    for (name, found) in [("full", full), ("prefix", prefix), ("dual", dual), ("uncached", uncached)] {
        let name = format!("{name}_logits");
        compare(&name, &found, &case.tensor(&name).1, None)?;
    }
    Ok(())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}
