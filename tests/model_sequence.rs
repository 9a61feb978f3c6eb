//! Models that see the whole sequence, from a folder to a full canvas: small ones with random weights.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use dcode::diffusion::canvas::Canvas;
use dcode::diffusion::canvas::Slot;
use dcode::diffusion::denoiser::Ask;
use dcode::diffusion::denoiser::Denoiser;
use dcode::diffusion::denoiser::Prediction;
use dcode::document::Document;
use dcode::document::Spans;
use dcode::edit::event::Event;
use dcode::edit::request::EditOptions;
use dcode::edit::request::EditRequest;
use dcode::edit::run::run;
use dcode::edit::steer::Steering;
use dcode::model::device;
use dcode::model::device::DeviceChoice;
use dcode::model::load::LoadedModel;
use dcode::model::load::load;
use dcode::model::locate::locate;
use dcode::model::spec::Attention;
use dcode::model::spec::Shift;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;
use serde_json::json;

const HIDDEN: usize = 32;
const INNER: usize = 48;
const VOCAB: usize = 260;

/// A tokenizer whose tokens are the 256 bytes, then the end of the text, the mask, and DreamOn's `expand` when it is wanted.
fn tokenizer(expand: bool) -> Value {
    let printable = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 0x100;
    let vocab: serde_json::Map<String, Value> = (0..256u32)
        .map(|byte| {
            let code = if printable(byte) {
                byte
            } else {
                next += 1;
                next - 1
            };
            (char::from_u32(code).unwrap().to_string(), json!(byte))
        })
        .collect();
    let special = |id: usize, content: &str| json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true });
    let mut added = vec![special(256, "<|endoftext|>"), special(257, "<|mask|>")];
    if expand {
        added.push(special(258, "<|expand|>"));
    }
    let level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "added_tokens": added,
        "pre_tokenizer": level, "decoder": level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": [],
        },
    })
}

/// Random weights of these shapes in a folder, in two shards with an index.
pub fn write(folder: &Path, config: &Value, shapes: &[(&str, Vec<usize>)], expand: bool) {
    let mut state = 7u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) / f64::from(1 << 24) - 0.5) as f32
    };
    let mut map = serde_json::Map::new();
    for (shard, shapes) in shapes.chunks(shapes.len().div_ceil(2)).enumerate() {
        let name = format!("model-{shard}.safetensors");
        let data: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
            .iter()
            .map(|(tensor, shape)| {
                map.insert((*tensor).to_owned(), json!(name));
                let values = (0..shape.iter().product::<usize>()).flat_map(|_| random().to_le_bytes()).collect();
                ((*tensor).to_owned(), shape.clone(), values)
            })
            .collect();
        let views =
            data.iter().map(|(name, shape, bytes)| (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
        let bytes = safetensors::serialize(views.collect::<HashMap<_, _>>(), None).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let put = |name: &str, value: &Value| std::fs::write(folder.join(name), value.to_string()).unwrap();
    put("model.safetensors.index.json", &json!({ "weight_map": map }));
    put("config.json", config);
    put("tokenizer.json", &tokenizer(expand));
}

/// A model with one weight that is no number.
#[test]
fn weights_that_are_no_numbers_are_named() {
    let mut shapes = llama();
    shapes.extend(biases());
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &config("Dream"), &shapes, false);
    let shard = folder.path().join("model-1.safetensors");
    let mut bytes = std::fs::read(&shard).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&shard, bytes).unwrap();
    let files = locate(Some(&folder.path().display().to_string())).unwrap();
    let mut model = load(&files, &device::open(DeviceChoice::Cpu).unwrap(), &mut |_| {}).unwrap();
    let document = Arc::new(Document::from_bytes("a.py".into(), b"x = 1\n".to_vec()).unwrap());
    let spans = Spans::new(&document, vec![document.line_span(1, 1).unwrap()]).unwrap();
    let request = EditRequest::new(document, spans, None, EditOptions::default());
    let error = run(&mut model, &request, &Steering::default(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("not numbers"), "{error}");
}

fn check(config: &Value, shapes: &[(&str, Vec<usize>)], expand: bool, attention: Attention, shift: Shift) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), config, shapes, expand);
    let files = locate(Some(&folder.path().display().to_string())).unwrap();
    let mut model = load(&files, &device::open(DeviceChoice::Cpu).unwrap(), &mut |_| {}).unwrap();
    let spec = model.denoiser.spec();
    assert_eq!((spec.attention, spec.shift, spec.tokens.mask), (attention, shift, 257));
    denoises(&mut model);
}

/// The model fills a span, with and without an instruction, and no special token comes of it.
pub fn denoises(model: &mut LoadedModel) {
    let document = Arc::new(Document::from_bytes("a.py".into(), b"x = 1\ny = 22\nz = 3\n".to_vec()).unwrap());
    let spans = Spans::new(&document, vec![document.line_span(2, 2).unwrap()]).unwrap();
    for instruction in [None, Some("Do it.".to_owned())] {
        let options = EditOptions { guard_rounds: 0, slots: 20, ..EditOptions::default() };
        let request = EditRequest::new(Arc::clone(&document), spans.clone(), instruction, options);
        let mut last = None;
        run(model, &request, &Steering::default(), &mut |event| {
            if let Event::Step(step) = event {
                last = Some(step);
            }
        })
        .unwrap();
        let last = last.unwrap();
        assert!(last.nfe > 0 && last.canvas.is_full());
        if model.denoiser.spec().tokens.expand.is_none() {
            assert_eq!(last.canvas.slots().len(), "y = 22\n".len(), "the length of the span");
        }
        let tokens: Vec<u32> = last.canvas.slots().iter().filter_map(|slot| slot.token).collect();
        assert!(tokens.iter().all(|&token| token < 256), "no special token comes into a file: {tokens:?}");
    }
}

/// A configuration in the form of the Llama family.
pub fn config(kind: &str) -> Value {
    json!({
        "model_type": kind, "hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
        "intermediate_size": INNER, "vocab_size": VOCAB, "max_position_embeddings": 512, "tie_word_embeddings": false,
    })
}

/// Its tensors.
pub fn llama() -> Vec<(&'static str, Vec<usize>)> {
    vec![
        ("model.embed_tokens.weight", vec![VOCAB, HIDDEN]),
        ("model.norm.weight", vec![HIDDEN]),
        ("lm_head.weight", vec![VOCAB, HIDDEN]),
        ("model.layers.0.input_layernorm.weight", vec![HIDDEN]),
        ("model.layers.0.post_attention_layernorm.weight", vec![HIDDEN]),
        ("model.layers.0.self_attn.q_proj.weight", vec![HIDDEN, HIDDEN]),
        ("model.layers.0.self_attn.k_proj.weight", vec![16, HIDDEN]),
        ("model.layers.0.self_attn.v_proj.weight", vec![16, HIDDEN]),
        ("model.layers.0.self_attn.o_proj.weight", vec![HIDDEN, HIDDEN]),
        ("model.layers.0.mlp.gate_proj.weight", vec![INNER, HIDDEN]),
        ("model.layers.0.mlp.up_proj.weight", vec![INNER, HIDDEN]),
        ("model.layers.0.mlp.down_proj.weight", vec![HIDDEN, INNER]),
    ]
}

/// And those of Qwen2 beside them.
pub fn biases() -> Vec<(&'static str, Vec<usize>)> {
    vec![
        ("model.layers.0.self_attn.q_proj.bias", vec![HIDDEN]),
        ("model.layers.0.self_attn.k_proj.bias", vec![16]),
        ("model.layers.0.self_attn.v_proj.bias", vec![16]),
    ]
}

/// Those of Qwen3.
pub fn norms() -> Vec<(&'static str, Vec<usize>)> {
    vec![("model.layers.0.self_attn.q_norm.weight", vec![16]), ("model.layers.0.self_attn.k_norm.weight", vec![16])]
}

#[test]
fn a_folder_of_each_family_denoises_an_infill_and_an_edit() {
    let mut dream = llama();
    dream.extend(biases());
    check(&config("Dream"), &dream, false, Attention::Bidirectional, Shift::Right);
    // With a token that expands it grows and shrinks as DreamOn does.
    check(&config("Dream"), &dream, true, Attention::Bidirectional, Shift::Right);
    let sdar = [llama(), norms()].concat();
    check(&config("sdar"), &sdar, false, Attention::BlockCausal(4), Shift::None);
    let llada = json!({
        "model_type": "llada", "d_model": HIDDEN, "n_layers": 1, "n_heads": 2, "n_kv_heads": 1, "mlp_hidden_size": INNER,
        "vocab_size": VOCAB, "embedding_size": VOCAB, "max_sequence_length": 512, "rms_norm_eps": 1e-5, "weight_tying": false,
    });
    let block = |part: &str| -> &'static str { Box::leak(format!("model.transformer.blocks.0.{part}.weight").into_boxed_str()) };
    let shapes = [
        ("model.transformer.wte.weight", vec![VOCAB, HIDDEN]),
        ("model.transformer.ln_f.weight", vec![HIDDEN]),
        ("model.transformer.ff_out.weight", vec![VOCAB, HIDDEN]),
        (block("attn_norm"), vec![HIDDEN]),
        (block("ff_norm"), vec![HIDDEN]),
        (block("q_proj"), vec![HIDDEN, HIDDEN]),
        (block("k_proj"), vec![16, HIDDEN]),
        (block("v_proj"), vec![16, HIDDEN]),
        (block("attn_out"), vec![HIDDEN, HIDDEN]),
        (block("ff_proj"), vec![INNER, HIDDEN]),
        (block("up_proj"), vec![INNER, HIDDEN]),
        (block("ff_out"), vec![HIDDEN, INNER]),
    ];
    check(&llada, &shapes, false, Attention::Bidirectional, Shift::None);
}

/// A model that sees everything at once and reads predictions in place.
fn in_place() -> (tempfile::TempDir, LoadedModel) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &config("llama"), &llama(), false);
    let files = locate(Some(&folder.path().display().to_string())).unwrap();
    let files = files.with("attention=bidirectional,shift=none".parse().unwrap(), None);
    let model = load(&files, &device::open(DeviceChoice::Cpu).unwrap(), &mut |_| {}).unwrap();
    (folder, model)
}

/// With one block of the transformer a shadow knows what a mask in the place of its token would know, and no more.
#[test]
fn a_shadow_sees_everything_but_its_token() {
    let (_folder, mut model) = in_place();
    let of = |tokens: [Option<u32>; 5]| {
        let slot = |token: Option<u32>| Slot { token, ..Slot::masked(0) };
        Canvas::new(vec![10, 20, 30], tokens.map(slot).to_vec(), vec![40, 50])
    };
    let canvas = of([Some(60), None, Some(70), Some(80), None]);
    let slots: Vec<usize> = (0..5).collect();
    let mut ask = |canvas: &Canvas, slots: &[usize], shadows| {
        let ask = Ask { shadows, ..Ask::new(canvas, slots, 256) };
        model.denoiser.predict(&[ask]).unwrap().remove(0)
    };
    let near = |a: &Prediction, b: &Prediction| {
        let sorted = |prediction: &Prediction| {
            let mut top = prediction.top.clone();
            top.sort_by_key(|(token, _)| *token);
            top
        };
        sorted(a).iter().zip(sorted(b)).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-4)
    };
    let (plain, shadowed) = (ask(&canvas, &slots, false), ask(&canvas, &slots, true));
    for masked in [1, 4] {
        assert!(near(&plain[masked], &shadowed[masked]), "a mask does not see shadows");
    }
    let without = [
        (0, of([None, None, Some(70), Some(80), None])),
        (2, of([Some(60), None, None, Some(80), None])),
        (3, of([Some(60), None, Some(70), None, None])),
    ];
    for (slot, without) in without {
        let expected = ask(&without, &[slot], false).remove(0);
        assert!(near(&shadowed[slot], &expected), "slot {slot}");
        assert!(!near(&plain[slot], &expected), "a token sees itself");
        let token = canvas.slots()[slot].token.unwrap();
        let log_prob = expected.top.iter().find(|(other, _)| *other == token).unwrap().1;
        assert!((shadowed[slot].current.unwrap() - log_prob).abs() < 1e-4);
    }
}

#[test]
fn rules_that_take_back_come_to_their_end_on_a_model() {
    let (_folder, mut model) = in_place();
    let document = Arc::new(Document::from_bytes("a.py".into(), b"x = 1\ny = 22\nz = 3\n".to_vec()).unwrap());
    let spans = Spans::new(&document, vec![document.line_span(2, 2).unwrap()]).unwrap();
    for sampler in ["wino", "wino:block=3,keep=1", "remdm:eta=0.5", "remdm-conf:steps=4"] {
        let options = EditOptions { guard_rounds: 0, sampler: Some(sampler.parse().unwrap()), ..EditOptions::default() };
        let request = EditRequest::new(Arc::clone(&document), spans.clone(), None, options);
        let mut last = None;
        run(&mut model, &request, &Steering::default(), &mut |event| {
            if let Event::Step(step) = event {
                last = Some(step);
            }
        })
        .unwrap();
        let last = last.unwrap();
        assert!(last.canvas.is_full() && (1..=8).contains(&last.nfe), "{sampler}: {} calls", last.nfe);
    }
}
