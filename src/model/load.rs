//! From files to a model that is ready to denoise.

use std::sync::Arc;

use crate::model::adapter::Adapter;
use crate::model::canvas_denoiser::CanvasDenoiser;
use crate::model::config::TransformerConfig;
use crate::model::device::OpenDevice;
use crate::model::error::ModelError;
use crate::model::gguf::Gguf;
use crate::model::kernels;
use crate::model::loaded::LoadedDenoiser;
use crate::model::locate::ModelFiles;
use crate::model::sequence_denoiser::SequenceDenoiser;
use crate::model::spec::Attention;
use crate::model::spec::Family;
use crate::model::spec::ModelSpec;
use crate::model::spec::PromptTemplate;
use crate::model::spec::Shift;
use crate::model::spec::SpecialTokens;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;
use crate::model::transformer::Transformer;
use crate::model::weights::Weights;

/// A denoiser and the tokenizer that belongs to it.
#[derive(Debug)]
pub struct LoadedModel {
    /// The denoiser.
    pub denoiser: LoadedDenoiser,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Where it runs.
    pub device: String,
}

/// Loads a model. `progress` is called with the share that is done, 0 to 1, on the calling thread.
///
/// # Errors
/// A file is missing, damaged or does not fit the others.
pub fn load(files: &ModelFiles, device: &OpenDevice, progress: &mut dyn FnMut(f32)) -> Result<LoadedModel, ModelError> {
    let (weights, config) = open_base(files)?;
    // Building the tokenizer's tables takes as long as expanding a third of the weights, on one core: both at once.
    let (tokenizer, transformer) = std::thread::scope(|scope| {
        let tokenizer = scope.spawn(|| read_tokenizer(files, &weights));
        let transformer = Transformer::load(config, &weights, &device.device, progress);
        (tokenizer.join(), transformer)
    });
    let tokenizer = tokenizer.map_err(|_| ModelError::Mismatch("the tokenizer could not be built".to_owned()))??;
    let transformer = transformer?;
    if !kernels::run_on(&device.device) {
        weights.release_pages();
    }
    let config = transformer.config();
    if tokenizer.vocab_size() > config.vocab {
        let (tokens, rows) = (tokenizer.vocab_size(), config.vocab);
        return Err(ModelError::Mismatch(format!(
            "the tokenizer has {tokens} tokens, the weights have {rows}: they do not belong together"
        )));
    }
    if let Some((attention, shift)) = config.diffusion {
        let spec = sequence_spec(files, config, &tokenizer, attention, shift)?;
        let denoiser = LoadedDenoiser::Sequence(SequenceDenoiser::new(spec, transformer));
        return Ok(LoadedModel { denoiser, tokenizer: Arc::new(tokenizer), device: device.name.clone() });
    }
    let adapter = files.adapter.as_deref().map(|path| Adapter::load(path, config, &device.device)).transpose()?;
    let spec = spec(files, config, &tokenizer, adapter.as_ref());
    let denoiser = LoadedDenoiser::Canvas(CanvasDenoiser::new(spec, transformer, adapter));
    Ok(LoadedModel { denoiser, tokenizer: Arc::new(tokenizer), device: device.name.clone() })
}

fn open_base(files: &ModelFiles) -> Result<(Weights, TransformerConfig), ModelError> {
    match (&files.config, files.base.as_slice()) {
        (None, [gguf]) => {
            let gguf = Gguf::open(gguf)?;
            let config = TransformerConfig::from_gguf(&gguf)?;
            Ok((Weights::Gguf(gguf), config))
        }
        (Some(config), base) => {
            let text = std::fs::read_to_string(config).map_err(|source| ModelError::Io { path: config.clone(), source })?;
            let config = TransformerConfig::from_json(&text, config)?;
            Ok((Weights::open_safetensors(base)?, config))
        }
        (None, _) => Err(ModelError::Mismatch("safetensors need a config.json beside them".to_owned())),
    }
}

fn read_tokenizer(files: &ModelFiles, weights: &Weights) -> Result<Tokenizer, ModelError> {
    match (&files.tokenizer, weights) {
        (Some(path), _) => Tokenizer::from_file(path),
        (None, Weights::Gguf(gguf)) => Tokenizer::from_gguf(gguf),
        (None, Weights::Safetensors { .. }) => {
            let path = weights.path().with_file_name("tokenizer.json");
            Err(ModelError::Missing { path, reason: "the tokenizer is missing".to_owned() })
        }
    }
}

/// Names that mask tokens have in the vocabularies of denoisers.
const MASKS: &[&str] = &["<|mask|>", "<|mdm_mask|>", "<|MASK|>", "<MASK>", "[MASK]", "<M>"];

/// The spec of a model that is a denoiser by itself.
fn sequence_spec(
    files: &ModelFiles,
    config: &TransformerConfig,
    tokenizer: &Tokenizer,
    attention: Attention,
    shift: Shift,
) -> Result<ModelSpec, ModelError> {
    let named = |names: &[&str]| names.iter().find_map(|name| tokenizer.special(name));
    let mask = config.mask_token.or_else(|| named(MASKS)).filter(|mask| (*mask as usize) < config.vocab);
    let Some(mask) = mask else {
        let reason = "neither config.json nor the tokenizer names a mask token";
        return Err(ModelError::Mismatch(format!("{}: {reason}; set mask_token_id in config.json", files.name)));
    };
    let eos = named(&["<|endoftext|>", "<|end_of_text|>", "</s>"]);
    // DreamOn: a slot that becomes the end of the text disappears.
    let expand = named(&["<|expand|>", "[expand]", "<expand>"]);
    let delete = expand.and(eos);
    let rows = TokenId::try_from(config.vocab).unwrap_or(TokenId::MAX);
    let banned = (0..rows).filter(|&id| !tokenizer.is_text(id) && Some(id) != expand && Some(id) != delete).collect();
    Ok(ModelSpec {
        name: files.name.clone(),
        family: config.family,
        attention,
        shift,
        tokens: SpecialTokens { mask, end: None, expand, delete, eos, banned },
        context_limit: config.context,
        prompt: PromptTemplate::Plain,
        licence: "see the model's own".to_owned(),
    })
}

/// The spec of a base with or without a canvas adapter.
fn spec(files: &ModelFiles, config: &TransformerConfig, tokenizer: &Tokenizer, adapter: Option<&Adapter>) -> ModelSpec {
    let named = |names: &[&str]| names.iter().find_map(|name| tokenizer.special(name));
    let eos = named(&["<|endoftext|>", "<|end_of_text|>", "</s>"]);
    let end = adapter.map(|adapter| adapter.end).or(eos);
    let mask = adapter.map(|adapter| adapter.mask).or_else(|| named(&["<|fim_pad|>"])).or(eos).unwrap_or(0);
    let rows = TokenId::try_from(config.vocab).unwrap_or(TokenId::MAX);
    let banned = (0..rows).filter(|&id| !tokenizer.is_text(id) && Some(id) != end).collect();
    let fim = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|im_start|>", "<|im_end|>"];
    let is_qwen_coder = config.family == Family::Qwen2 && fim.iter().all(|token| tokenizer.special(token).is_some());
    ModelSpec {
        name: files.name.clone(),
        family: config.family,
        attention: Attention::Canvas,
        shift: Shift::Right,
        tokens: SpecialTokens { mask, end, expand: None, delete: None, eos, banned },
        context_limit: config.context,
        prompt: if is_qwen_coder { PromptTemplate::QwenCoder } else { PromptTemplate::Plain },
        licence: if is_qwen_coder { "Apache-2.0".to_owned() } else { "see the model's own".to_owned() },
    }
}

/// The tokenizer of a model, without its weights.
///
/// # Errors
/// A file is missing or damaged.
pub fn load_tokenizer(files: &ModelFiles) -> Result<Tokenizer, ModelError> {
    match (&files.tokenizer, files.base.as_slice()) {
        (Some(path), _) => Tokenizer::from_file(path),
        (None, [gguf]) if files.config.is_none() => Tokenizer::from_gguf(&Gguf::open(gguf)?),
        (None, _) => {
            let path = files.config.as_deref().map_or_else(Default::default, |config| config.with_file_name("tokenizer.json"));
            Err(ModelError::Missing { path, reason: "the tokenizer is missing".to_owned() })
        }
    }
}
