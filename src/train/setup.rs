//! From a recipe to what its run needs: model, tokenizer, layout, texts.

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;

use crate::model::adapter::Header;
use crate::model::config::TransformerConfig;
use crate::model::device::OpenDevice;
use crate::model::error::ModelError;
use crate::model::load::open_base;
use crate::model::load::read_tokenizer;
use crate::model::locate::locate;
use crate::model::recognise::Kind;
use crate::model::spec::Attention;
use crate::model::spec::Family;
use crate::model::spec::PromptTemplate;
use crate::model::spec::Shift;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;
use crate::train::batch::Layout;
use crate::train::canvases::Pair;
use crate::train::canvases::read_pairs;
use crate::train::error::TrainError;
use crate::train::export::adapted_config_json;
use crate::train::export::config_json;
use crate::train::files;
use crate::train::files::SourceFiles;
use crate::train::model::TrainModel;
use crate::train::recipe::Base;
use crate::train::recipe::NewModel;
use crate::train::recipe::Recipe;
use crate::train::recipe::Trained;
use crate::train::vocabulary;

/// What a run needs.
#[derive(Debug)]
pub struct Setup {
    /// The model.
    pub model: TrainModel,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// The text of the tokenizer's file, for models that are exported with one.
    pub tokenizer_json: String,
    /// How examples are laid out.
    pub layout: Layout,
    /// The id that closes a span.
    pub end: TokenId,
    /// How requests are laid out.
    pub template: PromptTemplate,
    /// The `config.json` of the result; `None` when the result is an adapter.
    pub config: Option<Value>,
    /// What the model began with, for people.
    pub begun_with: String,
    /// Source files.
    pub files: SourceFiles,
    /// Edits.
    pub pairs: Vec<Pair>,
}

impl Setup {
    /// A hash of all texts: another one is another run.
    pub fn texts(&self) -> String {
        let mut hash = Sha256::new();
        for file in self.files.learned.iter().chain(&self.files.held_out) {
            hash.update((file.text.len() as u64).to_le_bytes());
            hash.update(&file.text);
        }
        for pair in &self.pairs {
            for text in [&pair.instr, &pair.pre, &pair.old, &pair.new, &pair.suf] {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            }
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Prepares a run in `folder`, where the vocabulary of a new model is kept.
///
/// # Errors
/// A text or a base is missing or does not fit the recipe.
pub fn prepare(recipe: &Recipe, folder: &Path, device: &OpenDevice) -> Result<Setup, TrainError> {
    let data = &recipe.data;
    let files = match data.folders.is_empty() {
        true => SourceFiles::default(),
        false => files::read(&data.folders, &data.extensions, data.held_out)?,
    };
    let pairs = data.pairs.as_deref().map(read_pairs).transpose()?.unwrap_or_default();
    match (&recipe.model.new, &recipe.model.base) {
        (Some(new), _) => new_model(recipe, new, folder, device, files),
        (None, Some(base)) => on_base(recipe, base, device, files, pairs),
        (None, None) => Err(TrainError::Data("the recipe has no model".to_owned())),
    }
}

fn new_model(
    recipe: &Recipe,
    new: &NewModel,
    folder: &Path,
    device: &OpenDevice,
    files: SourceFiles,
) -> Result<Setup, TrainError> {
    let path = folder.join("tokenizer.json");
    if !path.exists() {
        vocabulary::make(files.learned.iter().map(|file| file.text.as_str()), new.vocabulary, &path)?;
    }
    let tokenizer = Tokenizer::from_file(&path)?;
    let tokenizer_json = std::fs::read_to_string(&path).map_err(TrainError::io(&path))?;
    let special = |name: &str| {
        let reason = format!("{name} is missing");
        tokenizer.special(name).ok_or_else(|| ModelError::Damaged { path: path.clone(), reason })
    };
    let (mask, end) = (special(vocabulary::MASK)?, special(vocabulary::END)?);
    let json = config_json(new, tokenizer.vocab_size(), mask, end);
    let config = TransformerConfig::from_json(&json.to_string(), &recipe.path)?;
    let (attention, shift) = new.family.sees(new.block);
    let mut random = StdRng::seed_from_u64(recipe.seed);
    let model = TrainModel::random(config, &device.device, &mut random)?;
    Ok(Setup {
        model,
        tokenizer,
        tokenizer_json,
        layout: Layout { attention, shift, mask, look_ahead: None },
        end,
        template: PromptTemplate::Plain,
        config: Some(json),
        begun_with: "random weights".to_owned(),
        files,
        pairs: Vec::new(),
    })
}

fn on_base(recipe: &Recipe, base: &Base, device: &OpenDevice, files: SourceFiles, pairs: Vec<Pair>) -> Result<Setup, TrainError> {
    let name = base.path.as_ref().map(|path| path.to_string_lossy().into_owned());
    let found = locate(name.as_deref())?;
    let (weights, config) = open_base(&found)?;
    let tokenizer = read_tokenizer(&found, &weights)?;
    let name = found.name.clone();
    let mismatch = |reason: &str| ModelError::Mismatch(format!("{name}: {reason}"));
    if matches!(config.kind, Kind::Denoiser { .. }) && base.trained == Trained::Adapter {
        return Err(mismatch("a canvas adapter needs an autoregressive base").into());
    }
    let special = |names: &[&str]| names.iter().find_map(|name| tokenizer.special(name));
    let end =
        special(&["<|endoftext|>", "<|end_of_text|>", "</s>"]).ok_or_else(|| mismatch("it has no token that ends a text"))?;
    let mask = special(&["<|mask|>", "<|fim_pad|>"]).unwrap_or(end);
    let fim = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|im_start|>", "<|im_end|>"];
    let is_qwen_coder = config.family == Family::Qwen2 && fim.iter().all(|token| tokenizer.special(token).is_some());
    let template = if is_qwen_coder { PromptTemplate::QwenCoder } else { PromptTemplate::Plain };
    let family = config.family;
    let mut model = TrainModel::load(config, &weights, &device.device)?;
    let (attention, layout_mask, layout_end, config, tokenizer_json) = match base.trained {
        Trained::Adapter => {
            match (&found.adapter, base.go_on) {
                (Some(adapter), true) => model.load_adapter(adapter)?,
                (None, true) => return Err(mismatch("there is no adapter beside it to go on from").into()),
                (_, false) => {
                    let mut random = StdRng::seed_from_u64(recipe.seed);
                    model.add_adapter(Header { rank: base.rank, mask, end }, &mut random)?;
                }
            }
            let header = model.adapter_header().unwrap_or(Header { rank: base.rank, mask, end });
            (Attention::Canvas, header.mask, header.end, None, String::new())
        }
        Trained::Everything => {
            if family != Family::Qwen2 {
                return Err(mismatch("all weights are trained for bases of the Qwen2 family only").into());
            }
            let Some(path) = &found.tokenizer else {
                return Err(mismatch("all weights are trained from a folder with safetensors and tokenizer.json").into());
            };
            let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
            (Attention::Bidirectional, mask, end, Some(adapted_config_json(model.config(), mask, end)), text)
        }
    };
    Ok(Setup {
        model,
        tokenizer,
        tokenizer_json,
        layout: Layout { attention, shift: Shift::Right, mask: layout_mask, look_ahead: None },
        end: layout_end,
        template,
        config,
        begun_with: found.name,
        files,
        pairs,
    })
}
