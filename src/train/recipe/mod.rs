//! Recipes: what is trained on what, and how, in TOML. Paths in a recipe are relative to its folder.

mod check;
pub mod data;
pub mod stage;

use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use sha2::Digest;
use sha2::Sha256;

use crate::model::spec::Attention;
use crate::model::spec::Shift;
use crate::train::corpus::writer::hex;
use crate::train::error::TrainError;
use crate::train::optimiser::OptimiserConfig;
use crate::train::optimiser::Rule;
use crate::train::recipe::data::DataRecipe;
use crate::train::recipe::stage::StageRecipe;
use crate::train::schedule::Schedule;
use crate::train::schedule::Shape;

/// A recipe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the result.
    pub name: String,
    /// Decides everything that is random.
    #[serde(default)]
    pub seed: u64,
    /// Decay of a running average of the parameters, which is then what is exported.
    pub average: Option<f64>,
    /// Steps between checkpoints.
    #[serde(default = "hundred")]
    pub checkpoint_every: usize,
    /// The model.
    pub model: ModelRecipe,
    /// What it learns from.
    pub data: DataRecipe,
    /// Updates and rates.
    pub optimiser: OptimiserRecipe,
    /// Stages, in order.
    #[serde(rename = "stage")]
    pub stages: Vec<StageRecipe>,
    /// The recipe's file.
    #[serde(skip)]
    pub path: PathBuf,
    /// Hash of its text.
    #[serde(skip)]
    pub hash: String,
}

/// What is trained: a new model, or a base.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecipe {
    /// Sizes of a new model.
    pub new: Option<NewModel>,
    /// A model to begin with.
    pub base: Option<Base>,
}

/// Families of new models: what sees what, and where predictions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewFamily {
    /// Bidirectional, no shift.
    Llada,
    /// Bidirectional, right shift.
    Dream,
    /// In blocks, no shift.
    Sdar,
    /// Autoregressive.
    Llama,
}

impl NewFamily {
    /// Who sees whom, with blocks of this size where there are any, and where predictions are read.
    pub fn sees(self, block: Option<usize>) -> (Attention, Shift) {
        match self {
            Self::Llada => (Attention::Bidirectional, Shift::None),
            Self::Dream => (Attention::Bidirectional, Shift::Right),
            Self::Sdar => (Attention::BlockCausal(block.unwrap_or(1)), Shift::None),
            Self::Llama => (Attention::Causal, Shift::Right),
        }
    }
}

/// Sizes of a new model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewModel {
    /// Its family.
    pub family: NewFamily,
    /// Tokens of its vocabulary, which is made from the data; special ones included.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Inner width of the feed-forward part.
    pub intermediate: usize,
    /// Largest number of positions.
    pub context: usize,
    /// Whether the output head is the embedding.
    #[serde(default)]
    pub tied: bool,
    /// Elements of a block, for `sdar`.
    pub block: Option<usize>,
}

/// What of a base is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trained {
    /// The canvas adapter; the base is frozen.
    Adapter,
    /// All weights: the base becomes a denoiser by itself.
    Everything,
}

/// A model to begin with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// A folder or a GGUF file; without one, the embedded model.
    pub path: Option<PathBuf>,
    /// What is trained.
    pub trained: Trained,
    /// With an adapter: go on from the one that lies beside the base, or from `adapter`. A new one otherwise.
    #[serde(default)]
    pub go_on: bool,
    /// The adapter to go on from, in place of the one beside the base.
    pub adapter: Option<PathBuf>,
    /// Rank of a new adapter.
    #[serde(default = "rank")]
    pub rank: usize,
    /// With everything: steps in which causal attention becomes bidirectional (0: at once).
    #[serde(default)]
    pub annealing: usize,
}

/// Updates and rates.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimiserRecipe {
    /// Which rule updates matrices.
    #[serde(default)]
    pub rule: Rule,
    /// The largest rate.
    pub rate: f64,
    /// Steps in which it rises.
    #[serde(default)]
    pub warmup: usize,
    /// How it goes on.
    pub schedule: Shape,
    /// Decay of the mean and of the mean square of the gradient.
    #[serde(default = "betas")]
    pub betas: [f32; 2],
    /// Added to the root of the mean square.
    #[serde(default = "epsilon")]
    pub epsilon: f32,
    /// Weight decay.
    #[serde(default = "decay")]
    pub weight_decay: f32,
    /// Momentum of Muon.
    #[serde(default = "momentum")]
    pub momentum: f64,
    /// The largest norm of the gradient.
    #[serde(default = "clip")]
    pub clip: f64,
}

fn hundred() -> usize {
    100
}
fn rank() -> usize {
    32
}
fn betas() -> [f32; 2] {
    [0.9, 0.95]
}
fn epsilon() -> f32 {
    1e-8
}
fn decay() -> f32 {
    0.01
}
fn momentum() -> f64 {
    0.95
}
fn clip() -> f64 {
    1.0
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, has a key that is not known or lacks one, or a value cannot be; the message names the key.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        Self::parse(&text, path)
    }

    /// Reads the text of a recipe; `path` is for messages and relative paths.
    ///
    /// # Errors
    /// As [`Recipe::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, TrainError> {
        let mut recipe: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
            let reason = error.message().lines().collect::<Vec<_>>().join(" ");
            TrainError::Recipe { path: path.to_owned(), key: format!("line {line}"), reason }
        })?;
        recipe.path = path.to_owned();
        recipe.hash = hex(&Sha256::digest(text.as_bytes()));
        let folder = path.parent().unwrap_or(Path::new(""));
        let resolve = |path: &mut PathBuf| *path = folder.join(&*path);
        recipe.data.folders.iter_mut().for_each(resolve);
        recipe.data.corpus.iter_mut().chain(&mut recipe.data.own).for_each(resolve);
        if let Some(base) = &mut recipe.model.base {
            base.path.iter_mut().chain(&mut base.adapter).for_each(resolve);
        }
        recipe.check().map_err(|(key, reason)| TrainError::Recipe { path: path.to_owned(), key, reason })?;
        Ok(recipe)
    }

    /// Updates of all stages.
    pub fn steps(&self) -> usize {
        self.stages.iter().map(|stage| stage.steps).sum()
    }

    /// The stage of a step and the step's number in it.
    pub fn stage_at(&self, step: usize) -> Option<(usize, usize)> {
        let mut first = 0;
        for (index, stage) in self.stages.iter().enumerate() {
            if step < first + stage.steps {
                return Some((index, step - first));
            }
            first += stage.steps;
        }
        None
    }

    /// The rates.
    pub fn schedule(&self) -> Schedule {
        let OptimiserRecipe { rate, warmup, schedule, .. } = self.optimiser;
        Schedule { rate, warmup, shape: schedule, steps: self.steps() }
    }

    /// The constants of the updates.
    pub fn optimiser(&self) -> OptimiserConfig {
        let OptimiserRecipe { rule, betas, epsilon, weight_decay, momentum, clip, .. } = self.optimiser;
        OptimiserConfig { rule, betas, epsilon, weight_decay, momentum, clip }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::corrupt::noise::Noise;
    use crate::train::corrupt::weighting::Weighting;
    use crate::train::loss::Loss;
    use crate::train::loss::Normalisation;
    use crate::train::recipe::data::Shares;

    pub(super) const GOOD: &str = r#"
name = "tiny"
[model.new]
family = "llada"
vocabulary = 300
hidden = 16
layers = 1
heads = 2
kv_heads = 1
intermediate = 32
context = 64
[data]
folders = ["../src"]
length = 32
[optimiser]
rate = 1e-3
schedule = { wsd = { decay = 0.2, floor = 0.1 } }
[[stage]]
kind = "mask"
steps = 8
batch = 4
loss = { weighted = "token" }
masking = { weighting = { cart = 0.3 }, noise = "cosine" }
[[stage]]
kind = "edit"
steps = 2
batch = 4
"#;

    pub(super) fn parse(text: &str) -> Result<Recipe, String> {
        Recipe::parse(text, Path::new("recipes/r.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_recipe_is_read_with_its_defaults() {
        let recipe = parse(GOOD).unwrap();
        assert_eq!(recipe.data.folders, [Path::new("recipes/../src")]);
        assert_eq!(recipe.stages[0].loss, Loss::Weighted(Normalisation::Token));
        let masking = [0, 1].map(|stage| (recipe.stages[stage].masking.weighting, recipe.stages[stage].masking.noise));
        assert_eq!(masking, [(Weighting::Cart(0.3), Noise::Cosine), (Weighting::Noise, Noise::Linear)]);
        assert_eq!((recipe.data.languages.len(), recipe.data.shares), (8, Shares::default()));
        assert_eq!((recipe.steps(), recipe.stage_at(8), recipe.stage_at(10)), (10, Some((1, 0)), None));
        assert_eq!(recipe.hash.len(), 64);
    }
}
