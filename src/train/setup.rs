//! From a recipe to what its run needs: model, tokenizer, layout, texts.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

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
use crate::train::corpus::build::Options;
use crate::train::corpus::build::Progress;
use crate::train::corpus::build::build;
use crate::train::corpus::build::gather;
use crate::train::corpus::history::Period;
use crate::train::corpus::manifest::MANIFEST;
use crate::train::corpus::own::build_own;
use crate::train::corrupt::tasks::Frame;
use crate::train::error::TrainError;
use crate::train::export::adapted_config_json;
use crate::train::export::config_json;
use crate::train::model::TrainModel;
use crate::train::recipe::Base;
use crate::train::recipe::NewModel;
use crate::train::recipe::Recipe;
use crate::train::recipe::Trained;
use crate::train::recipe::data::DataRecipe;
use crate::train::texts::Texts;
use crate::train::vocabulary;

/// What a run needs.
#[derive(Debug)]
pub struct Setup {
    /// The model.
    pub model: TrainModel,
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
    /// What is learned from and measured on.
    pub texts: Texts,
}

impl Setup {
    /// How tasks for a canvas are laid out; see [`Frame::measured`].
    pub fn frame(&self, measured: Option<f64>) -> Frame {
        let (tokenizer, template) = (self.texts.tokenizer.clone(), self.template);
        Frame { tokenizer, template, mask: self.layout.mask, end: self.end, measured }
    }
}

/// Where a run is prepared.
pub struct Place<'p> {
    /// The folder of the run, which keeps the vocabulary of a new model, and the corpus where the recipe names folders.
    pub folder: &'p Path,
    /// Whether what it keeps is that of this run, which goes on.
    pub goes_on: bool,
    /// Device.
    pub device: &'p OpenDevice,
    /// Told how far the corpus is.
    pub progress: &'p mut dyn FnMut(Progress),
}

impl Place<'_> {
    fn corpus(&self) -> PathBuf {
        self.folder.join("corpus")
    }

    fn vocabulary(&self) -> PathBuf {
        self.folder.join("tokenizer.json")
    }

    /// Whether nothing has to be made again.
    fn is_complete(&self) -> bool {
        self.goes_on && self.corpus().join(MANIFEST).is_file()
    }
}

/// Prepares a run.
///
/// # Errors
/// A text or a base is missing or does not fit the recipe.
pub fn prepare(recipe: &Recipe, place: &mut Place<'_>) -> Result<Setup, TrainError> {
    match (&recipe.model.new, &recipe.model.base) {
        (Some(new), _) => new_model(recipe, new, place),
        (None, Some(base)) => on_base(recipe, base, place),
        (None, None) => Err(TrainError::Data("the recipe has no model".to_owned())),
    }
}

/// What of its folders a recipe takes.
fn options(data: &DataRecipe) -> Options {
    Options {
        languages: data.languages.clone(),
        any_licence: data.any_licence,
        held_out: data.held_out,
        edits: data.edits.then(Period::default),
        ..Options::default()
    }
}

fn new_model(recipe: &Recipe, new: &NewModel, place: &mut Place<'_>) -> Result<Setup, TrainError> {
    let (path, corpus) = (place.vocabulary(), place.corpus());
    if !(place.is_complete() && path.is_file()) {
        let options = options(&recipe.data);
        let gathered = gather(&recipe.data.folder_paths(), &corpus, &options, place.progress)?;
        vocabulary::make(gathered.texts(), new.vocabulary, &path)?;
        gathered.write((&recipe.name, &Tokenizer::from_file(&path)?), place.progress)?;
    }
    let tokenizer = Arc::new(Tokenizer::from_file(&path)?);
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
    let model = TrainModel::random(config, &place.device.device, &mut random)?;
    Ok(Setup {
        model,
        tokenizer_json,
        layout: Layout { attention, shift, mask, look_ahead: None },
        end,
        template: PromptTemplate::Plain,
        config: Some(json),
        begun_with: "random weights".to_owned(),
        texts: Texts::open(&corpus, tokenizer)?,
    })
}

fn on_base(recipe: &Recipe, base: &Base, place: &mut Place<'_>) -> Result<Setup, TrainError> {
    let name = base.path.as_ref().map(|path| path.to_string_lossy().into_owned());
    let found = locate(name.as_deref())?;
    let (weights, config) = open_base(&found)?;
    let tokenizer = Arc::new(read_tokenizer(&found, &weights)?);
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
    let mut model = TrainModel::load(config, &weights, &place.device.device)?;
    let (attention, layout_mask, layout_end, config, tokenizer_json) = match base.trained {
        Trained::Adapter => {
            match (base.adapter.as_ref().or(found.adapter.as_ref()), base.go_on) {
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
    let data = &recipe.data;
    let corpus = data.corpus.clone().unwrap_or_else(|| place.corpus());
    if data.corpus.is_none() && !place.is_complete() {
        let tokenizer = (found.name.as_str(), tokenizer.as_ref());
        match &data.own {
            Some(own) => build_own(own, &corpus, tokenizer, Vec::new(), place.progress)?,
            None => build(&data.folder_paths(), &corpus, tokenizer, &options(data), place.progress)?,
        };
    }
    Ok(Setup {
        model,
        tokenizer_json,
        layout: Layout { attention, shift: Shift::Right, mask: layout_mask, look_ahead: None },
        end: layout_end,
        template,
        config,
        begun_with: found.name,
        texts: Texts::open(&corpus, tokenizer)?,
    })
}
