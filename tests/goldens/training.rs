//! Group C: losses, gradients, masks and targets of training. Group A once more, by the transformer that can be trained.

use burn::tensor::Device;
use dcode::model::spec::Attention;
use dcode::model::spec::Shift;
use dcode::model::spec::TokenId;
use dcode::model::weights::Weights;
use dcode::train::alignment::EditOp;
use dcode::train::alignment::edit_targets;
use dcode::train::batch::Batch;
use dcode::train::batch::Layout;
use dcode::train::corrupt::mask::hide;
use dcode::train::corrupt::noise;
use dcode::train::corrupt::noise::Noise;
use dcode::train::corrupt::slots::clean;
use dcode::train::corrupt::slots::example;
use dcode::train::corrupt::weighting::Weighting;
use dcode::train::example::Example;
use dcode::train::gradient::learn;
use dcode::train::gradient::target_logits;
use dcode::train::loss::Loss;
use dcode::train::loss::Normalisation;
use dcode::train::model::Elements;
use dcode::train::model::TrainModel;
use dcode::train::parameters::read;
use dcode::train::visibility::Visibility;
use serde_json::Value;

use super::case::Case;
use super::case::compare;

/// Checks a case of group C that is no table of samplers.
pub fn check(case: &Case) -> Result<(), String> {
    match case.text("loss") {
        "mdlm" | "dream_cart" | "bd3lm" => check_masked(case),
        "opendllm" | "cdlm" => check_path(case),
        "" if case.json["expected"]["examples"].is_array() => check_edit_targets(case),
        "" if case.json["inputs"]["cases"].is_array() => check_visibility(case),
        other => Err(format!("loss {other:?} is not known")),
    }
}

fn model(case: &Case) -> TrainModel {
    let weights = Weights::open_safetensors(&[case.file("model.safetensors")]).unwrap();
    TrainModel::load(case.config(), &weights, &Device::flex()).unwrap()
}

fn layout(case: &Case) -> Layout {
    let attention = match case.text("attention") {
        "bd3lm_2L" => Attention::BlockCausal(case.json["block_size"].as_u64().unwrap() as usize),
        _ => Attention::Bidirectional,
    };
    let shift = if case.text("shift") == "right" { Shift::Right } else { Shift::None };
    Layout { attention, shift, mask: case.id("mask"), look_ahead: None }
}

/// -100 is the references' way to say that there is no label.
fn labels(values: &[i64]) -> Vec<Option<TokenId>> {
    values.iter().map(|&label| TokenId::try_from(label).ok()).collect()
}

fn check_masked(case: &Case) -> Result<(), String> {
    let mut rows: Vec<Vec<TokenId>> = case.get("inputs", "input_ids").unwrap();
    let mut given: Vec<Vec<Option<TokenId>>> =
        case.get::<Vec<Vec<i64>>>("inputs", "labels").unwrap().iter().map(|row| labels(row)).collect();
    let layout = layout(case);
    let prepended =
        layout.shift == Shift::Right && given.iter().any(|labels| labels[0].is_some()) && case.text("loss") != "bd3lm";
    if prepended != case.get::<bool>("expected", "bos_prepended").unwrap_or(false) {
        return Err(format!("a start is prepended: {prepended}"));
    }
    if prepended {
        // A start of text, which is no label, so that with the right shift each label can be read at the element before it.
        rows.iter_mut().for_each(|row| row.insert(0, case.id("bos")));
        given.iter_mut().for_each(|labels| labels.insert(0, None));
    }
    let real: Option<Vec<Vec<u8>>> = case.get("inputs", "attention_mask");
    let lengths: Vec<usize> = match &real {
        Some(real) => real.iter().map(|row| row.iter().map(|&one| usize::from(one)).sum()).collect(),
        None => rows.iter().map(Vec::len).collect(),
    };
    let (times, draws): (Vec<f64>, Vec<Vec<f32>>) = (case.get("inputs", "u_t").unwrap(), case.get("inputs", "u_mask").unwrap());
    let examples = |weighting| -> Vec<Example> {
        let sequence = |b: usize| {
            let len = lengths[b];
            let (time, labels) = (noise::time(times[b]), &given[b][..len]);
            let is_hidden = |&i: &usize| labels[i].is_some() && f64::from(draws[b][i]) < Noise::Linear.ratio(time);
            let hidden: Vec<(usize, f64)> = (0..len).filter(is_hidden).map(|i| (i, time)).collect();
            let mut slots = clean(&rows[b][..len]);
            hide(&mut slots, &hidden, Noise::Linear, weighting);
            Example { targets: labels.to_vec(), ..example(Vec::new(), &slots, layout.mask) }
        };
        (0..rows.len()).map(sequence).collect()
    };
    let mut model = model(case);
    let seq = rows[0].len();
    let masked: Vec<Vec<u8>> = case.get("expected", "masked").unwrap();
    for (key, expected) in case.json["expected"]["losses"].as_object().unwrap() {
        let (weighting, normalisation) = key.split_once('/').unwrap();
        let weighting = weighting_of(weighting);
        let normalisation = match normalisation {
            "token" => Normalisation::Token,
            "sequence" => Normalisation::Sequence,
            "batch" => Normalisation::Batch,
            other => panic!("{other}"),
        };
        let batch = Batch::new(&examples(weighting), &layout).map_err(|error| error.to_string())?;
        let learned = learn(&mut model, &[batch], Loss::Weighted(normalisation)).unwrap();
        close(key, learned.loss, expected.as_f64().unwrap(), 1e-5, 0.0)?;
    }
    let weighting = weighting_of(case.json["expected"]["loss_weight_type"].as_str().unwrap());
    let examples = examples(weighting);
    let model_input: Vec<Vec<TokenId>> = case.get("expected", "model_input").unwrap();
    let (_, weights) = case.tensor("loss_weights");
    for (b, example) in examples.iter().enumerate() {
        if example.tokens != model_input[b][..lengths[b]] {
            return Err(format!("sequence {b} is masked differently: {:?}", example.tokens));
        }
        let counted: Vec<bool> = masked[b][..lengths[b]].iter().map(|&one| one == 1).collect();
        let padded: Vec<f32> = counted.iter().zip(&weights[b * seq..]).map(|(&m, &w)| if m { w } else { 0.0 }).collect();
        compare(&format!("weights {b}"), &example.weights, &padded, None)?;
    }
    check_logits(case, &mut model, &rows, &examples, &lengths, &layout)?;
    let batch = Batch::new(&examples, &layout).map_err(|error| error.to_string())?;
    if case.text("loss") == "bd3lm" {
        if batch.rows.ids != model_input.concat() {
            return Err("the clean half differs".to_owned());
        }
        let positions: Vec<Vec<usize>> = case.get("expected", "position_ids").unwrap();
        if batch.rows.positions != positions.concat() || !sees_as(case, "attention_mask", &batch.rows.visibility) {
            return Err("positions or visibility differ".to_owned());
        }
    }
    let normalisation = match case.json["expected"]["loss_norm_type"].as_str().unwrap() {
        "token" => Normalisation::Token,
        other => panic!("{other}"),
    };
    let learned = learn(&mut model, &[batch], Loss::Weighted(normalisation)).unwrap();
    check_gradients(case, &model, &learned.gradients)?;
    // The same in passes of one sequence each: one step, whatever the memory.
    let apart: Vec<Batch> = examples.chunks(1).map(|one| Batch::new(one, &layout).unwrap()).collect();
    let learned = learn(&mut model, &apart, Loss::Weighted(normalisation)).unwrap();
    close("loss in two passes", learned.loss, case.get("expected", "loss").unwrap(), 1e-5, 0.0)?;
    check_gradients(case, &model, &learned.gradients)
}

fn weighting_of(name: &str) -> Weighting {
    match name {
        "scheduler" => Weighting::Noise,
        "uniform" => Weighting::Uniform,
        other => {
            let p = other.strip_prefix("cart[geo_p:").and_then(|rest| rest.strip_suffix(']')).expect(other);
            Weighting::Cart(p.parse().unwrap())
        }
    }
}

/// All rows of logits, where predictions are read.
fn check_logits(
    case: &Case,
    model: &mut TrainModel,
    rows: &[Vec<TokenId>],
    examples: &[Example],
    lengths: &[usize],
    layout: &Layout,
) -> Result<(), String> {
    let everywhere = |(example, row): (&Example, &Vec<TokenId>)| Example {
        targets: row[..example.len()].iter().copied().map(Some).collect(),
        ..example.clone()
    };
    let all: Vec<Example> = examples.iter().zip(rows).map(everywhere).collect();
    let found = read(target_logits(model, &Batch::new(&all, layout).unwrap())).unwrap();
    let (shape, logits) = case.tensor("logits_after_shift");
    let (seq, vocab) = (shape[1], shape[2]);
    let expected: Vec<f32> =
        lengths.iter().enumerate().flat_map(|(b, &len)| logits[b * seq * vocab..][..len * vocab].to_vec()).collect();
    compare("logits_after_shift", &found, &expected, None)
}

fn check_gradients(case: &Case, model: &TrainModel, gradients: &[Option<burn::tensor::Tensor<2>>]) -> Result<(), String> {
    let expected = case.json["expected"]["grad_l2"].as_object().unwrap();
    let naming = dcode::model::naming::Naming::detect(|name| expected.contains_key(name));
    let mut checked = 0;
    for (parameter, gradient) in model.parameters().iter().zip(gradients) {
        let name = naming.of(&parameter.name);
        let Some(expected) = expected.get(&*name).and_then(Value::as_f64) else { return Err(format!("no gradient of {name}")) };
        let gradient = gradient.clone().ok_or_else(|| format!("{name} got no gradient"))?;
        let norm = read(gradient).unwrap().iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        close(&format!("gradient of {name}"), norm, expected, 1e-4, 1e-6)?;
        checked += 1;
    }
    if checked == expected.len() { Ok(()) } else { Err(format!("{checked} of {} gradients", expected.len())) }
}

fn close(name: &str, found: f64, expected: f64, relative: f64, absolute: f64) -> Result<(), String> {
    // Not the other way round: a NaN must fail.
    if (found - expected).abs() <= relative * expected.abs() + absolute {
        Ok(())
    } else {
        Err(format!("{name} is {found}, expected {expected}"))
    }
}

fn check_path(case: &Case) -> Result<(), String> {
    let clean: Vec<TokenId> = case.get("inputs", "clean_ids").unwrap();
    let noised: Vec<TokenId> = case.get("inputs", "noised_ids").unwrap();
    let given = labels(&case.get::<Vec<i64>>("inputs", "labels").unwrap());
    let ratios: Vec<f32> = case.get("inputs", "mask_ratio").unwrap();
    let number = |key: &str| case.get::<f64>("inputs", key).unwrap_or(0.0);
    let (wrong, right) = (number("noise_token_wt"), number("clean_token_wt"));
    // Where a right token has a weight, it is a target too.
    let targets = given.iter().zip(&clean).map(|(label, &token)| label.or((right != 0.0).then_some(token))).collect();
    let example = Example { tokens: noised, targets, context: 0, weights: ratios.iter().map(|ratio| 1.0 / ratio).collect() };
    let mut model = model(case);
    let batch = Batch::new(&[example], &layout(case)).map_err(|error| error.to_string())?;
    let components = &case.json["expected"]["loss_components"];
    let component = |name: &str| components[name].as_f64();
    let mut loss_of = |loss| learn(&mut model, std::slice::from_ref(&batch), loss).unwrap();
    let both = component("mdm").unwrap() + component("path").unwrap();
    close("mdm and path", loss_of(Loss::Path).loss, both, 1e-5, 0.0)?;
    if let Some(noise) = component("noise") {
        let once = loss_of(Loss::Mixture { wrong: 1.0, right: 0.0 }).loss;
        close("noise", once - both, noise, 1e-5, 0.0)?;
    }
    let learned = loss_of(if case.text("loss") == "cdlm" { Loss::Mixture { wrong, right } } else { Loss::Path });
    close("loss", learned.loss, case.get("expected", "loss").unwrap(), 1e-5, 0.0)?;
    check_gradients(case, &model, &learned.gradients)
}

fn check_edit_targets(case: &Case) -> Result<(), String> {
    let mask = case.id("mask");
    for example in case.json["expected"]["examples"].as_array().unwrap() {
        fn field<T: serde::de::DeserializeOwned>(example: &Value, key: &str) -> T {
            serde_json::from_value(example[key].clone()).unwrap()
        }
        let (draft, target): (Vec<TokenId>, Vec<TokenId>) = (field(example, "draft"), field(example, "target"));
        let wildcard = field::<bool>(example, "mask_matches_any").then_some(mask);
        let found = edit_targets(&draft, &target, wildcard);
        let letter = |op: &EditOp| match op {
            EditOp::Keep => 'K',
            EditOp::Substitute => 'S',
            EditOp::Delete => 'D',
            EditOp::Insert => 'I',
        };
        let ops: String = found.ops.iter().map(letter).collect();
        let labels: Vec<Option<TokenId>> = field(example, "labels");
        let same = found.anchors == field::<Vec<(usize, usize)>>(example, "anchors")
            && ops == field::<String>(example, "ops")
            && found.labels == labels
            && found.apply(&draft, mask) == field::<Vec<TokenId>>(example, "after_edit");
        if !same {
            return Err(format!("{draft:?} to {target:?}: {ops}, expected {}", example["ops"]));
        }
    }
    Ok(())
}

fn sees_as(case: &Case, name: &str, found: &Visibility) -> bool {
    let (shape, expected) = case.tensor(name);
    shape == [found.queries, found.keys] && found.sees.iter().zip(&expected).all(|(&sees, &one)| sees == (one != 0.0))
}

fn check_visibility(case: &Case) -> Result<(), String> {
    for [len, block] in case.get::<Vec<[usize; 2]>>("inputs", "cases").unwrap() {
        if !sees_as(case, &format!("n{len}_b{block}"), &Visibility::block_diffusion(len, block)) {
            return Err(format!("{len} elements in blocks of {block} see differently"));
        }
    }
    Ok(())
}

/// Logits of a case of group A by the transformer that can be trained; it takes no cache and has no experts.
pub fn check_forward(case: &Case) -> Result<bool, String> {
    if case.text("attention") == "cached" || case.config().experts.is_some() {
        return Ok(false);
    }
    let rows: Vec<Vec<TokenId>> = case.get("inputs", "input_ids").unwrap();
    let (batch, seq) = (rows.len(), rows[0].len());
    let mask: Option<Vec<Vec<u8>>> = case.get("inputs", "attention_mask");
    let real: Vec<bool> = mask.map_or(vec![true; batch * seq], |mask| mask.concat().into_iter().map(|one| one == 1).collect());
    let visibility = match case.text("attention") {
        "causal" => Visibility::causal(seq),
        "block_causal" => Visibility::block_causal(seq, case.json["block_size"].as_u64().unwrap() as usize),
        _ => Visibility::bidirectional(&real, batch),
    };
    let prefix = if case.has_tensor("default_pos.logits") { "default_pos." } else { "" };
    let positions: Vec<usize> = (0..batch).flat_map(|_| 0..seq).collect();
    let mut model = model(case);
    let (ids, past) = (rows.concat(), None);
    let hidden = model
        .forward(&Elements { ids: &ids, batch, positions: &positions, visibility: &visibility, past, adapted: false })
        .hidden;
    let found = read(model.logits(hidden, false)).unwrap();
    compare("logits of the trainable model", &found, &case.tensor(&format!("{prefix}logits")).1, Some(&real))?;
    Ok(true)
}
