//! Group C: tables of schedules, confidences and filters.

use dcode::diffusion::filter::Filter;
use dcode::diffusion::samplers::confidence::Confidence;
use dcode::diffusion::samplers::schedule::DREAM_EPS;
use dcode::diffusion::samplers::schedule::Schedule;
use dcode::model::readout::Readout;
use dcode::model::readout::read_rows;

use super::case::Case;
use super::case::compare;

/// Whether a case is a table of what samplers use, and no loss or target of training.
pub fn is_one(case: &Case) -> bool {
    case.json["expected"]["table"].is_array() || case.has_tensor("logits")
}

pub fn check(case: &Case) -> Result<(), String> {
    match case.json["expected"]["table"].as_array() {
        Some(table) => schedules(table),
        None => confidences(case),
    }
}

fn schedules(table: &[serde_json::Value]) -> Result<(), String> {
    for row in table {
        let number = |key: &str| row[key].as_u64().unwrap() as usize;
        let (masks, steps) = (number("masks"), number("steps"));
        for (key, schedule) in [
            ("llada", Schedule::Even),
            ("sdar", Schedule::Even),
            ("dllm_linear", Schedule::Linear),
            ("dllm_cosine", Schedule::Cosine),
            ("dream", Schedule::Dream { eps: DREAM_EPS }),
        ] {
            let expected: Vec<usize> = serde_json::from_value(row[key].clone()).unwrap();
            let found = schedule.counts(masks, steps);
            if found != expected {
                return Err(format!("{key}, {masks} masks in {steps} steps: {found:?}, expected {expected:?}"));
            }
        }
    }
    Ok(())
}

/// The filter that a name such as `t0.6_p0.9_k20` or `t0_p95` stands for.
fn filter(name: &str) -> Filter {
    let mut filter = Filter::default();
    for part in name.split('_') {
        let (key, value) = part.split_at(1);
        match (key, value.parse::<f32>()) {
            ("t", Ok(temperature)) => filter.temperature = temperature,
            // `p95` and `p9` are short for 0.95 and 0.9.
            ("p", Ok(_)) if !value.contains('.') => filter.top_p = format!("0.{value}").parse().ok(),
            ("p", Ok(top_p)) => filter.top_p = Some(top_p),
            ("k", Ok(top_k)) => filter.top_k = Some(top_k as usize),
            ("p" | "k", Err(_)) if value == "None" => {}
            _ => panic!("{name}"),
        }
    }
    filter
}

fn confidences(case: &Case) -> Result<(), String> {
    let (shape, logits) = case.tensor("logits");
    let [rows, vocab] = shape[..] else { panic!("logits {shape:?}") };
    let names: Vec<String> = case.get("expected", "tensors").unwrap();
    for name in names.iter().filter(|name| *name != "logits") {
        let (kind, rest) = name.split_once('.').unwrap();
        let (settings, what) = match kind {
            "filtered_probs" => (rest, "probs"),
            _ => rest.rsplit_once('.').unwrap(),
        };
        let filter = filter(settings);
        let readouts = vec![Readout { top_k: vocab, current: None, filter }; rows];
        let predictions = read_rows(&mut logits.clone(), vocab, &readouts, &[]);
        let confidence = match kind {
            "topk_margin" => Confidence::Margin,
            "entropy" => Confidence::NegativeEntropy,
            _ => Confidence::Probability,
        };
        let found: Vec<f32> = match what {
            "token" => predictions.iter().map(|prediction| prediction.best().0 as f32).collect(),
            "confidence" => predictions.iter().map(|prediction| confidence.of(prediction)).collect(),
            _ => {
                let mut probabilities = vec![0.0; rows * vocab];
                for (row, prediction) in predictions.iter().enumerate() {
                    for &(token, log_prob) in &prediction.top {
                        probabilities[row * vocab + token as usize] = log_prob.exp();
                    }
                }
                probabilities
            }
        };
        compare(name, &found, &case.tensor(name).1, None)?;
    }
    Ok(())
}
