//! Results in the forms that others read: a Hugging Face folder (`config.json`, `model.safetensors`, `tokenizer.json`), or an adapter
//! file; with a model card that is written from the run's manifest.

use std::collections::HashMap;
use std::path::Path;

use safetensors::Dtype;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::model::config::TransformerConfig;
use crate::model::naming::Naming;
use crate::model::spec::TokenId;
use crate::train::checkpoint::write_file;
use crate::train::checkpoint::write_tensors;
use crate::train::error::TrainError;
use crate::train::metrics::HeldOut;
use crate::train::model::TrainModel;
use crate::train::optimiser::Average;
use crate::train::optimiser::Saved;
use crate::train::parameters::read;
use crate::train::recipe::NewFamily;
use crate::train::recipe::NewModel;

/// What a run was: enough to do it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the result.
    pub name: String,
    /// Version of dcode.
    pub dcode: String,
    /// SHA-256 of the recipe.
    pub recipe: String,
    /// Seed.
    pub seed: u64,
    /// Device.
    pub device: String,
    /// What it began with: the base's name, or `random weights`.
    pub begun_with: String,
    /// Parameters that were trained, and all.
    pub parameters: (usize, usize),
    /// Files learned from.
    pub files: usize,
    /// Their tokens.
    pub tokens: u64,
    /// Edits learned from.
    pub edits: usize,
    /// Files that were held out.
    pub held_out_files: usize,
    /// Steps of each stage, in order.
    pub stages: Vec<(String, usize)>,
    /// Steps done; fewer than those of the stages when the run was cut short.
    pub steps: usize,
    /// Steps that were left out.
    pub skipped: usize,
    /// Held-out text before the first step.
    pub before: Option<HeldOut>,
    /// Held-out text after each stage.
    pub after: Vec<(String, HeldOut)>,
}

/// The `config.json` of a new model.
pub fn config_json(new: &NewModel, vocabulary: usize, mask: TokenId, end: TokenId) -> Value {
    let head_dim = new.hidden / new.heads;
    let common = |model_type: &str, architecture: &str| {
        json!({
            "model_type": model_type, "architectures": [architecture], "vocab_size": vocabulary, "hidden_size": new.hidden,
            "intermediate_size": new.intermediate, "num_hidden_layers": new.layers, "num_attention_heads": new.heads,
            "num_key_value_heads": new.kv_heads, "head_dim": head_dim, "max_position_embeddings": new.context,
            "rope_theta": THETA, "rms_norm_eps": EPS, "hidden_act": "silu", "tie_word_embeddings": new.tied,
            "mask_token_id": mask, "eos_token_id": end, "pad_token_id": end, "torch_dtype": "float32",
        })
    };
    match new.family {
        NewFamily::Llama => common("llama", "LlamaForCausalLM"),
        NewFamily::Dream => common("Dream", "DreamModel"),
        NewFamily::Sdar => {
            let mut config = common("sdar", "SDARForCausalLM");
            config["block_size"] = json!(new.block);
            config
        }
        NewFamily::Llada => json!({
            "model_type": "llada", "architectures": ["LLaDAModelLM"], "vocab_size": vocabulary, "embedding_size": vocabulary,
            "d_model": new.hidden, "mlp_hidden_size": new.intermediate, "n_layers": new.layers, "n_heads": new.heads,
            "n_kv_heads": new.kv_heads, "max_sequence_length": new.context, "rope_theta": THETA, "rms_norm_eps": EPS,
            "rope": true, "activation_type": "silu", "block_type": "llama", "layer_norm_type": "rms",
            "include_bias": false, "include_qkv_bias": false, "weight_tying": new.tied,
            "mask_token_id": mask, "eos_token_id": end, "pad_token_id": end,
        }),
    }
}

const THETA: f64 = 10_000.0;
const EPS: f64 = 1e-6;

/// The `config.json` of a base that became a denoiser with right shift and full attention, in the form of Dream.
pub fn adapted_config_json(c: &TransformerConfig, mask: TokenId, end: TokenId) -> Value {
    json!({
        "model_type": "Dream", "architectures": ["DreamModel"], "vocab_size": c.vocab, "hidden_size": c.hidden,
        "intermediate_size": c.intermediate, "num_hidden_layers": c.layers, "num_attention_heads": c.heads,
        "num_key_value_heads": c.kv_heads, "head_dim": c.head_dim, "max_position_embeddings": c.context,
        "rope_theta": c.rope_theta, "rms_norm_eps": c.rms_norm_eps, "hidden_act": "silu", "tie_word_embeddings": c.tied,
        "mask_token_id": mask, "eos_token_id": end, "pad_token_id": end, "torch_dtype": "float32",
    })
}

/// The trained parameters as files have them, the average where there is one; frozen ones when `all` is wanted.
fn saved(model: &TrainModel, average: Option<&Average>, all: bool) -> Result<Vec<Saved>, TrainError> {
    let mut saved = Vec::new();
    for (index, parameter) in model.parameters().iter().enumerate().filter(|(_, parameter)| all || parameter.trained) {
        let averaged = average.and_then(|average| average.values().get(index).cloned().flatten());
        let values = read(averaged.unwrap_or_else(|| parameter.plain()))?;
        saved.push((parameter.name.clone(), parameter.shape.clone(), values));
    }
    Ok(saved)
}

/// Writes a folder that `--model` loads.
///
/// # Errors
/// A file could not be written, or the device failed.
pub fn folder(
    model: &TrainModel,
    average: Option<&Average>,
    config: &Value,
    tokenizer: &str,
    manifest: &Manifest,
    folder: &Path,
) -> Result<(), TrainError> {
    std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let naming = if config["model_type"] == "llada" { Naming::Llada } else { Naming::Llama };
    let mut tensors = saved(model, average, true)?;
    tensors.iter_mut().for_each(|(name, ..)| *name = naming.of(name).into_owned());
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    write_tensors(&folder.join("model.safetensors"), &tensors, Dtype::F32, metadata)?;
    write_file(&folder.join("config.json"), pretty(config).as_bytes())?;
    write_file(&folder.join("tokenizer.json"), tokenizer.as_bytes())?;
    write_file(&folder.join("README.md"), card(manifest, "--model").as_bytes())
}

/// Writes an adapter that `--adapter` loads, as half floats.
///
/// # Errors
/// The model has no adapter, the file could not be written, or the device failed.
pub fn adapter(model: &TrainModel, average: Option<&Average>, manifest: &Manifest, folder: &Path) -> Result<(), TrainError> {
    let header = model.adapter_header().ok_or_else(|| TrainError::Data("the model has no adapter".to_owned()))?;
    std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let path = folder.join("adapter.safetensors");
    write_tensors(&path, &saved(model, average, false)?, Dtype::F16, header.metadata())?;
    write_file(&folder.join("README.md"), card(manifest, "--adapter").as_bytes())
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// The model card.
pub fn card(manifest: &Manifest, flag: &str) -> String {
    let m = manifest;
    let stages: Vec<String> = m.stages.iter().map(|(kind, steps)| format!("{kind} ({steps} steps)")).collect();
    let all: usize = m.stages.iter().map(|(_, steps)| steps).sum();
    let cut = if m.steps < all { format!(" The run was cut short after {} of {all} steps.", m.steps) } else { String::new() };
    let skipped = if m.skipped > 0 {
        format!(" {} steps were left out because their loss was no number.", m.skipped)
    } else {
        String::new()
    };
    let measured = |name: &str, held_out: &HeldOut| format!("| {name} | {:.3} | {:.3} |\n", held_out.loss, held_out.accuracy);
    let mut table = m.before.iter().map(|before| measured("before", before)).collect::<String>();
    table.extend(m.after.iter().map(|(stage, after)| measured(&format!("after `{stage}`"), after)));
    let table = if table.is_empty() {
        "Nothing was held out.\n".to_owned()
    } else {
        format!(
            "| {} files held out | cross-entropy of masked tokens, nats | accuracy |\n| --- | --- | --- |\n{table}",
            m.held_out_files
        )
    };
    format!(
        "# {}\n\nMade by `dcode train` (dcode {}, recipe {}, seed {}, device {}). dcode loads it with `{flag}`.\n\n\
         Begun with {}; {} of {} parameters were trained: {}.{cut}{skipped}\n\n\
         Learned from {} source files ({} tokens) and {} edits. The licence of these texts holds for what is made from them.\n\n{table}",
        m.name,
        m.dcode,
        m.recipe.get(..12).unwrap_or(&m.recipe),
        m.seed,
        m.device,
        m.begun_with,
        m.parameters.0,
        m.parameters.1,
        stages.join(", "),
        m.files,
        m.tokens,
        m.edits,
    )
}
