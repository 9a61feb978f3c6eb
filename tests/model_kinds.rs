//! Checkpoints that call themselves by the type of what they were made from: small ones with random weights.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use dcode::diffusion::denoiser::Denoiser;
use dcode::model::device;
use dcode::model::device::DeviceChoice;
use dcode::model::error::ModelError;
use dcode::model::load::LoadedModel;
use dcode::model::load::load;
use dcode::model::locate::locate;
use dcode::model::spec::Attention;
use dcode::model::spec::Shift;
use serde_json::Value;
use serde_json::json;

use crate::model_sequence::biases;
use crate::model_sequence::config;
use crate::model_sequence::denoises;
use crate::model_sequence::llama;
use crate::model_sequence::norms;
use crate::model_sequence::write;

type Shapes = Vec<(&'static str, Vec<usize>)>;

/// A folder whose tokenizer has the mask `<|mask|>`, 257, or not.
fn make(folder: &Path, kind: &str, more: Value, shapes: &Shapes, mask: bool) {
    let mut config = config(kind);
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    write(folder, &config, shapes, false);
    if !mask {
        let path = folder.join("tokenizer.json");
        let mut tokenizer: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        tokenizer["added_tokens"].as_array_mut().unwrap().retain(|token| token["content"] != "<|mask|>");
        std::fs::write(path, tokenizer.to_string()).unwrap();
    }
}

fn open(folder: &Path, said: &str) -> Result<LoadedModel, ModelError> {
    let files = locate(Some(&folder.display().to_string()))?.with(said.parse().unwrap(), None);
    load(&files, &device::open(DeviceChoice::Cpu).unwrap(), &mut |_| {})
}

fn is(folder: &Path, said: &str, attention: Attention, shift: Shift, mask: u32) {
    let mut model = open(folder, said).unwrap_or_else(|error| panic!("{said}: {error}"));
    let spec = model.denoiser.spec();
    assert_eq!((spec.attention, spec.shift, spec.tokens.mask), (attention, shift, mask), "{said}");
    assert!(spec.tokens.banned.contains(&mask));
    denoises(&mut model);
}

/// Neither taken for one thing nor for the other: an error that says what to say.
fn is_asked_about(folder: &Path, said: &str, reason: &str) {
    let error = open(folder, said).map(drop).unwrap_err();
    assert!(matches!(error, ModelError::Options(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(reason) && text.contains("--spec") && !text.contains('\n'), "{text}");
}

fn qwen2() -> Shapes {
    [llama(), biases()].concat()
}

fn qwen3() -> Shapes {
    [llama(), norms()].concat()
}

#[test]
fn a_denoiser_that_calls_itself_qwen2_is_never_taken_for_an_autoregressive_model() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Open-dCoder and CDLM: nothing but a mask token in the vocabulary.
    make(at, "qwen2", json!({ "architectures": ["Qwen2ForCausalLM"] }), &qwen2(), true);
    is_asked_about(at, "", "its vocabulary has a mask token, <|mask|>");
    is_asked_about(at, "attention=bidirectional", "where its predictions are read");
    is_asked_about(at, "shift=right", "who sees whom");
    is(at, "attention=bidirectional,shift=right", Attention::Bidirectional, Shift::Right, 257);
    is(at, "attention=bidirectional,shift=right,mask=<|mask|>", Attention::Bidirectional, Shift::Right, 257);
    is(at, "attention=bidirectional,shift=none,mask=65", Attention::Bidirectional, Shift::None, 65);
    let error = open(at, "attention=bidirectional,shift=none,mask=<|no|>").map(drop).unwrap_err();
    assert!(error.to_string().contains("no token <|no|>"), "{error}");
    assert!(open(at, "attention=bidirectional,shift=none,mask=99999").is_err());
    // Said in a file beside it, and the flag over the file.
    std::fs::write(at.join("dcode.toml"), "attention = \"bidirectional\"\nshift = \"right\"\n").unwrap();
    is(at, "", Attention::Bidirectional, Shift::Right, 257);
    is(at, "attention=block-causal:8", Attention::BlockCausal(8), Shift::Right, 257);
    let causal = open(at, "attention=causal").unwrap();
    assert!(causal.denoiser.is_causal());
}

#[test]
fn a_plain_autoregressive_model_is_not_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, shapes, classes) in [
        ("qwen2", qwen2(), json!(["Qwen2ForCausalLM"])),
        ("llama", llama(), json!(["LlamaForCausalLM"])),
        ("llama", llama(), Value::Null),
    ] {
        make(folder.path(), kind, json!({ "architectures": classes }), &shapes, false);
        let model = open(folder.path(), "").unwrap();
        assert!(model.denoiser.is_causal(), "{kind}");
    }
    // A configuration that names a mask, or code that nobody knows.
    make(folder.path(), "qwen2", json!({ "mask_token_id": 9 }), &qwen2(), false);
    is_asked_about(folder.path(), "", "names a mask token");
    is(folder.path(), "attention=bidirectional,shift=none", Attention::Bidirectional, Shift::None, 9);
    let unknown = json!({ "architectures": ["Qwen2ForCausalLM"], "auto_map": { "AutoModelForCausalLM": "modeling.MyDiffuser" } });
    make(folder.path(), "qwen2", unknown, &qwen2(), false);
    is_asked_about(folder.path(), "", "MyDiffuser, is not known");
    let renamed = json!({ "auto_map": { "AutoConfig": "configuration.MyConfig", "AutoTokenizer": ["a.B", null] } });
    make(folder.path(), "qwen2", renamed, &qwen2(), false);
    assert!(open(folder.path(), "").unwrap().denoiser.is_causal());
}

#[test]
fn a_snapshot_of_a_registered_repository_needs_no_word() {
    let cache = tempfile::tempdir().unwrap();
    let snapshot = |repo: &str| -> PathBuf {
        let folder = cache.path().join(format!("models--{}", repo.replace('/', "--"))).join("snapshots").join("0".repeat(40));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    let open_dcoder = snapshot("fredzzp/open-dcoder-0.5B");
    make(&open_dcoder, "qwen2", json!({ "architectures": ["Qwen2ForCausalLM"] }), &qwen2(), true);
    is(&open_dcoder, "", Attention::Bidirectional, Shift::Right, 257);
    let model = open(&open_dcoder, "").unwrap();
    assert_eq!(model.denoiser.spec().sampler.as_deref(), Some("p2:steps=64"));
    let coder = snapshot("ByteDance-Seed/Stable-DiffCoder-8B-Base");
    make(&coder, "llama", json!({ "architectures": ["LlamaForCausalLM"] }), &llama(), true);
    is(&coder, "", Attention::BlockCausal(4), Shift::None, 257);
    assert_eq!(open(&coder, "").unwrap().denoiser.spec().licence, "MIT");
    let blocks = snapshot("dllm-hub/Qwen3-0.6B-diffusion-bd3lm-v0.1");
    make(&blocks, "a2d-qwen3", json!({ "architectures": ["A2DQwen3LMHeadModel"] }), &qwen3(), true);
    is(&blocks, "", Attention::BlockCausal(32), Shift::None, 257);
}

#[test]
fn classes_and_types_tell_denoisers_apart() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let class = |name: &str| json!({ "architectures": [name] });
    // Stable-DiffCoder, whose mask only its code names.
    make(at, "llama", class("StableDiffcoderForCausalLM"), &llama(), false);
    is(at, "", Attention::BlockCausal(4), Shift::None, 5);
    let mapped = json!({ "architectures": ["LlamaForCausalLM"], "auto_map": { "AutoModelForCausalLM": "modeling_stable.StableDiffcoderForCausalLM" } });
    make(at, "llama", mapped, &llama(), true);
    is(at, "", Attention::BlockCausal(4), Shift::None, 257);
    for (kind, more, shapes, attention, shift) in [
        ("CoDA", class("CoDALanguageModel"), qwen3(), Attention::Bidirectional, Shift::Right),
        ("qwen3", class("SDARForCausalLM"), qwen3(), Attention::BlockCausal(4), Shift::None),
        (
            "sdar",
            json!({ "architectures": ["SDARForCausalLM"], "block_size": 8 }),
            qwen3(),
            Attention::BlockCausal(8),
            Shift::None,
        ),
        ("Fast_dLLM_Qwen", json!({ "bd_size": 16 }), qwen2(), Attention::BlockCausal(16), Shift::Right),
        ("Dream", class("DreamModel"), qwen2(), Attention::Bidirectional, Shift::Right),
    ] {
        make(at, kind, more, &shapes, true);
        is(at, "", attention, shift, 257);
    }
    // Tiny-A2D: with masks everywhere or in blocks, which nothing in the folder tells.
    for (kind, shapes) in [("a2d-qwen2", qwen2()), ("a2d-qwen3", qwen3()), ("a2d-llama", llama())] {
        make(at, kind, json!({ "tie_word_embeddings": true }), &shapes, true);
        is_asked_about(at, "", "who sees whom");
        is(at, "attention=bidirectional", Attention::Bidirectional, Shift::None, 257);
        let model = open(at, "attention=block-causal:32").unwrap();
        assert_eq!(model.denoiser.spec().attention, Attention::BlockCausal(32));
        assert!(!model.denoiser.transformer().config().tied, "its head is its own");
    }
}

#[test]
fn a_mask_that_nothing_names_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), "Dream", json!({}), &qwen2(), false);
    is_asked_about(folder.path(), "", "neither config.json nor the tokenizer names a mask token");
    is(folder.path(), "mask=3", Attention::Bidirectional, Shift::Right, 3);
}

#[test]
fn the_command_line_says_it_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    make(&folder.path().join("."), "qwen2", json!({}), &qwen2(), true);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcode"));
        command.env("DCODE_HOME", folder.path().join("home")).current_dir(folder.path());
        let output = command.args(["doctor", "--device", "cpu", "--model", "."]).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, message) = run(&[]);
    assert!(code == Some(2) && message.contains("it may be a denoiser") && message.lines().count() == 1, "{code:?} {message}");
    assert_eq!(run(&["--spec", "attention=bidirectional,shift=right"]), (Some(0), String::new()));
    let (code, message) = run(&["--spec", "attention=all"]);
    assert!(code == Some(2) && message.contains("bidirectional, block-causal:N and causal are"), "{message}");
    std::fs::write(folder.path().join("dcode.toml"), "speed = 1").unwrap();
    let (code, message) = run(&[]);
    assert!(code == Some(5) && message.contains("dcode.toml: unknown key \"speed\""), "{code:?} {message}");
}

#[test]
fn every_kind_of_model_is_warmed_up() {
    let folder = tempfile::tempdir().unwrap();
    // In a window of 512 there is room for contexts of 64, 128 and 256 with slots, and for a causal pass over 512.
    for (mask, said, lines) in [(false, "attention=causal", 3 * 4 + 1), (true, "attention=bidirectional,shift=right", 3 * 3)] {
        make(folder.path(), "llama", json!({}), &llama(), mask);
        let output = Command::new(env!("CARGO_BIN_EXE_dcode"))
            .args(["warmup", "--device", "cpu", "--spec", said, "--model"])
            .arg(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(text.lines().filter(|line| line.ends_with(" s")).count(), lines, "{text}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_dcode")).args(["warmup", "--model", "/nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
}
