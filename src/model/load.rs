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
use crate::model::overrides::TokenName;
use crate::model::recognise::Kind;
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
use crate::model::vocab_files;
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
    let by_kernels = kernels::run_on(&device.device);
    let weights = match files.quant {
        None => weights,
        Some(quant) if by_kernels => weights.quantised(quant)?,
        Some(quant) => {
            let what = format!("--quant {quant} runs on the CPU only, and this is {}", device.name);
            return Err(ModelError::Options(format!("{what}; add --device cpu or leave it out")));
        }
    };
    let unclear = |reason: String| ModelError::Options(format!("{}: {reason}", files.name));
    // A canvas adapter is made for a base that continues text.
    let is_base = files.adapter.is_some() && files.spec.attention.is_none() && !matches!(config.kind, Kind::Denoiser { .. });
    if !is_base {
        // What the configuration alone leaves open need not wait for the weights.
        config.kind.resolve(&files.spec, None).map_err(unclear)?;
    }
    // Building the tokenizer's tables takes as long as expanding a third of the weights, on one core: both at once.
    let (tokenizer, transformer) = std::thread::scope(|scope| {
        let tokenizer = scope.spawn(|| read_tokenizer(files, &weights));
        let transformer = Transformer::load(config, &weights, &device.device, progress);
        (tokenizer.join(), transformer)
    });
    let tokenizer = tokenizer.map_err(|_| ModelError::Mismatch("the tokenizer could not be built".to_owned()))??;
    let transformer = transformer?;
    if !by_kernels || files.quant.is_some() {
        weights.release_pages();
    }
    let config = transformer.config();
    if tokenizer.vocab_size() > config.vocab {
        let (tokens, rows) = (tokenizer.vocab_size(), config.vocab);
        return Err(ModelError::Mismatch(format!(
            "the tokenizer has {tokens} tokens, the weights have {rows}: they do not belong together"
        )));
    }
    let mask = MASKS.iter().find(|name| tokenizer.special(name).is_some()).copied();
    let kind = if is_base { None } else { config.kind.resolve(&files.spec, mask).map_err(unclear)? };
    if let Some((attention, shift)) = kind {
        let spec = sequence_spec(files, config, &tokenizer, attention, shift)?;
        let denoiser = LoadedDenoiser::Sequence(SequenceDenoiser::new(spec, transformer));
        return Ok(LoadedModel { denoiser, tokenizer: Arc::new(tokenizer), device: device.name.clone() });
    }
    let adapter = files.adapter.as_deref().map(|path| Adapter::load(path, config, &device.device)).transpose()?;
    let spec = spec(files, config, &tokenizer, adapter.as_ref())?;
    let denoiser = LoadedDenoiser::Canvas(CanvasDenoiser::new(spec, transformer, adapter));
    Ok(LoadedModel { denoiser, tokenizer: Arc::new(tokenizer), device: device.name.clone() })
}

/// Opens the weights of a model and reads its sizes.
///
/// # Errors
/// A file is missing or damaged.
pub fn open_base(files: &ModelFiles) -> Result<(Weights, TransformerConfig), ModelError> {
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

/// The tokenizer of a model, without its weights.
///
/// # Errors
/// A file is missing or damaged.
pub fn load_tokenizer(files: &ModelFiles) -> Result<Tokenizer, ModelError> {
    match (&files.tokenizer, files.base.as_slice()) {
        (Some(path), _) if path.file_name().is_some_and(|name| name == "vocab.json") => vocab_files::read(path),
        (Some(path), _) => Tokenizer::from_file(path),
        (None, [gguf]) if files.config.is_none() => Tokenizer::from_gguf(&Gguf::open(gguf)?),
        (None, _) => {
            let path = files.config.as_deref().map_or_else(Default::default, |config| config.with_file_name("tokenizer.json"));
            Err(ModelError::Missing { path, reason: "the tokenizer is missing".to_owned() })
        }
    }
}

/// Reads the tokenizer of a model.
///
/// # Errors
/// A file is missing or damaged.
pub fn read_tokenizer(files: &ModelFiles, weights: &Weights) -> Result<Tokenizer, ModelError> {
    match (&files.tokenizer, weights.stored()) {
        (Some(path), _) if path.file_name().is_some_and(|name| name == "vocab.json") => vocab_files::read(path),
        (Some(path), _) => Tokenizer::from_file(path),
        (None, Weights::Gguf(gguf)) => Tokenizer::from_gguf(gguf),
        (None, Weights::Safetensors { .. } | Weights::Quantised { .. }) => {
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
    let said = |token: &Option<TokenName>| token.as_ref().map(|token| token.find(tokenizer, config.vocab)).transpose();
    let usual = match &config.kind {
        Kind::Denoiser { mask, .. } => *mask,
        _ => None,
    };
    let found = config.mask_token.or_else(|| named(MASKS)).or(usual).filter(|mask| (*mask as usize) < config.vocab);
    let Some(mask) = said(&files.spec.mask)?.or(found) else {
        let reason = "neither config.json nor the tokenizer names a mask token";
        return Err(ModelError::Options(format!("{}: {reason}; name it with --spec mask=TOKEN", files.name)));
    };
    let eos = said(&files.spec.eos)?.or_else(|| named(ENDS));
    // DreamOn: a slot that becomes the end of the text disappears.
    let expand = said(&files.spec.expand)?.or_else(|| named(&["<|expand|>", "[expand]", "<expand>"]));
    let delete = said(&files.spec.delete)?.or_else(|| expand.and(eos));
    let rows = TokenId::try_from(config.vocab).unwrap_or(TokenId::MAX);
    let is_banned = |id: TokenId| id == mask || !tokenizer.is_text(id) && Some(id) != expand && Some(id) != delete;
    let banned = (0..rows).filter(|&id| is_banned(id)).collect();
    Ok(ModelSpec {
        name: files.name.clone(),
        family: config.family,
        attention,
        shift,
        tokens: SpecialTokens { mask, end: None, expand, delete, eos, banned },
        context_limit: files.spec.context.unwrap_or(config.context),
        prompt: PromptTemplate::Plain,
        licence: licence(files),
        sampler: files.sampler.clone(),
    })
}

/// Names that ends of a text have.
const ENDS: &[&str] = &["<|endoftext|>", "<|end_of_text|>", "</s>"];

fn licence(files: &ModelFiles) -> String {
    files.licence.clone().unwrap_or_else(|| "see the model's own".to_owned())
}

/// The spec of a base with or without a canvas adapter.
fn spec(
    files: &ModelFiles,
    config: &TransformerConfig,
    tokenizer: &Tokenizer,
    adapter: Option<&Adapter>,
) -> Result<ModelSpec, ModelError> {
    let named = |names: &[&str]| names.iter().find_map(|name| tokenizer.special(name));
    let said = files.spec.eos.as_ref().map(|token| token.find(tokenizer, config.vocab)).transpose()?;
    let eos = said.or_else(|| named(ENDS));
    let end = adapter.map(|adapter| adapter.end).or(eos);
    let mask = adapter.map(|adapter| adapter.mask).or_else(|| named(&["<|fim_pad|>"])).or(eos).unwrap_or(0);
    let rows = TokenId::try_from(config.vocab).unwrap_or(TokenId::MAX);
    let banned = (0..rows).filter(|&id| !tokenizer.is_text(id) && Some(id) != end).collect();
    let fim = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|im_start|>", "<|im_end|>"];
    let is_qwen_coder = config.family == Family::Qwen2 && fim.iter().all(|token| tokenizer.special(token).is_some());
    Ok(ModelSpec {
        name: files.name.clone(),
        family: config.family,
        attention: Attention::Canvas,
        shift: Shift::Right,
        tokens: SpecialTokens { mask, end, expand: None, delete: None, eos, banned },
        context_limit: files.spec.context.unwrap_or(config.context),
        prompt: if is_qwen_coder { PromptTemplate::QwenCoder } else { PromptTemplate::Plain },
        licence: if is_qwen_coder { "Apache-2.0".to_owned() } else { licence(files) },
        sampler: None,
    })
}
