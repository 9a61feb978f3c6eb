//! Damaged and hostile model folders: a named error, exit 5, and no allocation that a file only claims to need.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use burn::tensor::Device;
use dcode::model::config::TransformerConfig;
use dcode::model::error::ModelError;
use dcode::model::locate::locate;
use dcode::model::transformer::Transformer;
use dcode::model::weights::Weights;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use serde_json::json;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/goldens/b34_exactshift_threshold_dual_continuation").join(name)
}

fn config() -> Value {
    serde_json::from_slice(&std::fs::read(golden("config.json")).unwrap()).unwrap()
}

/// Loads a configuration with the bytes of a weight file.
fn load(config: &Value, weights: &[u8]) -> Result<Transformer, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, weights).unwrap();
    let config = TransformerConfig::from_json(&config.to_string(), &folder.path().join("config.json"))?;
    Transformer::load(config, &Weights::open_safetensors(&[path])?, &Device::flex(), &mut |_| {})
}

fn error(config: &Value, weights: &[u8]) -> String {
    load(config, weights).map(drop).expect_err("an error").to_string()
}

/// The header of a safetensors file and what follows it.
fn parts(bytes: &[u8]) -> (Value, &[u8]) {
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + len]).unwrap(), &bytes[8 + len..])
}

fn joined(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn files_that_do_not_fit_are_named() {
    let weights = std::fs::read(golden("model.safetensors")).unwrap();
    assert!(load(&config(), &weights).is_ok());
    let (header, data) = parts(&weights);
    let with = |key: &str, value: Value| {
        let mut config = config();
        config[key] = value;
        config
    };
    for (key, value, expected) in [
        ("hidden_size", json!(72), "model.embed_tokens.weight has shape"),
        ("num_hidden_layers", json!(3), "model.layers.2."),
        ("intermediate_size", json!(48), "gate_proj.weight has shape"),
        ("vocab_size", json!(1 << 20), "model.embed_tokens.weight has shape"),
        ("hidden_size", json!(1u64 << 40), "hidden_size"),
        ("vocab_size", json!(-1), "invalid value"),
        ("model_type", json!("mamba"), "\"mamba\" are not supported"),
        ("rope_scaling", json!({ "factor": 2.0 }), "rope_scaling"),
        ("num_key_value_heads", json!(3), "cannot share"),
        ("rms_norm_eps", json!(-1.0), "must be positive"),
    ] {
        let found = error(&with(key, value), &weights);
        assert!(found.contains(expected), "{key}: {found}");
    }
    let mut missing = header.clone();
    let tensor = missing.as_object_mut().unwrap().remove("model.norm.weight").unwrap();
    missing["another"] = tensor;
    assert!(error(&config(), &joined(&missing, data)).contains("tensor model.norm.weight is missing"));
    let mut other = header.clone();
    other["model.norm.weight"]["dtype"] = json!("I32");
    assert!(error(&config(), &joined(&other, data)).contains("stored as I32"));
    // Headers that lie about sizes and places.
    for (shape, offsets) in
        [(json!([1u64 << 60, 1u64 << 60]), json!([0, 16])), (json!([64]), json!([0, 1u64 << 50])), (json!([64]), json!([9, 2]))]
    {
        let mut lie = header.clone();
        lie["model.norm.weight"]["shape"] = shape;
        lie["model.norm.weight"]["data_offsets"] = offsets;
        assert!(error(&config(), &joined(&lie, data)).contains("not a complete safetensors file"));
    }
    let mut long = weights.clone();
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(error(&config(), &long).contains("not a complete safetensors file"));
}

#[test]
fn no_damage_ends_in_a_panic() {
    let weights = std::fs::read(golden("model.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let strategy = (proptest::collection::vec((0..header, any::<u8>()), 1..6), 0..weights.len());
    let check = |(changes, len): (Vec<(usize, u8)>, usize)| {
        let mut damaged = weights.clone();
        changes.into_iter().for_each(|(at, byte)| damaged[at] = byte);
        // What is read at all is read whole or refused; a change in a name or in blanks may be neither here nor there.
        let _ = load(&config(), &damaged);
        prop_assert!(load(&config(), &weights[..len]).is_err(), "cut to {} bytes", len);
        Ok(())
    };
    TestRunner::new(ProptestConfig::with_cases(96)).run(&strategy, check).unwrap();

    let text = std::fs::read_to_string(golden("config.json")).unwrap();
    let strategy = (0..text.len(), 0..text.len(), "[\\x20-\\x7e]{0,6}");
    let check = |(from, len, put): (usize, usize, String)| {
        let mut damaged = text.clone();
        damaged.replace_range(from..(from + len % 12).min(text.len()), &put);
        let _ = TransformerConfig::from_json(&damaged, Path::new("config.json"));
        Ok(())
    };
    TestRunner::new(ProptestConfig::with_cases(256)).run(&strategy, check).unwrap();
}

#[test]
fn folders_are_refused_with_exit_5() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    std::fs::create_dir(&model).unwrap();
    std::fs::write(folder.path().join("a.py"), "x = 1\n").unwrap();
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcode"));
        command.current_dir(folder.path()).env("DCODE_HOME", folder.path().join("home"));
        let output = command.args(["edit", "a.py", "--range", "1:1", "--device", "cpu", "--model", "./model"]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let weights = std::fs::read(golden("model.safetensors")).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(model.join(name), bytes).unwrap();
    put("model.safetensors", &weights);
    let expect = |expected: &str| {
        let (code, message) = run();
        assert!(code == Some(5) && message.contains(expected) && message.lines().count() <= 2, "{code:?} {message}");
    };
    expect("config.json is missing");
    put("config.json", br#"{"model_type":"mamba"}"#);
    expect("hidden_size");
    put("config.json", config().to_string().as_bytes());
    expect("tokenizer");
    put("tokenizer.json", b"{}");
    expect("tokenizer.json");
    put("model.safetensors.index.json", br#"{"weight_map":{"a":"../model.safetensors"}}"#);
    expect("is not the name of a safetensors file");
    put("model.safetensors.index.json", br#"{"weight_map":{"a":"2.safetensors"}}"#);
    expect("a part of the model is missing");
    assert!(locate(Some(&model.display().to_string())).is_err());
}
