//! Recipes: what is trained on what, and how, in TOML. Paths in a recipe are relative to its folder.

use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use sha2::Digest;
use sha2::Sha256;

use crate::model::spec::Attention;
use crate::model::spec::Shift;
use crate::train::error::TrainError;
use crate::train::loss::Loss;
use crate::train::loss::Normalisation;
use crate::train::mdlm::Weighting;
use crate::train::optimiser::OptimiserConfig;
use crate::train::optimiser::Rule;
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
    /// With an adapter: go on from the one that lies beside the base. A new one otherwise.
    #[serde(default)]
    pub go_on: bool,
    /// Rank of a new adapter.
    #[serde(default = "rank")]
    pub rank: usize,
    /// With everything: steps in which causal attention becomes bidirectional (0: at once).
    #[serde(default)]
    pub annealing: usize,
}

/// What is learned from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// Folders with source files; what git ignores, and what `.dcodeignore` names, is left out.
    #[serde(default)]
    pub folders: Vec<PathBuf>,
    /// Extensions of the files.
    #[serde(default = "rust_and_python")]
    pub extensions: Vec<String>,
    /// Edits, one JSON object a line with `instr`, `pre`, `old`, `new` and `suf`, for the canvas adapter.
    pub pairs: Option<PathBuf>,
    /// Share of the examples that are such edits, when there are any.
    #[serde(default = "half")]
    pub pair_share: f64,
    /// Share of the files that nothing is learned from, to measure on.
    #[serde(default = "twentieth")]
    pub held_out: f64,
    /// Tokens of a window, for models that see whole sequences.
    #[serde(default = "window")]
    pub length: usize,
    /// Corruptions of one context after the other, for the canvas adapter.
    #[serde(default = "one")]
    pub copies: usize,
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

/// Kinds of stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageKind {
    /// Fill what is masked (of an autoregressive model: the next token).
    Mask,
    /// Put right what is wrong, too.
    Edit,
    /// Learn from the states of the best trajectories.
    Order,
    /// Shorten trajectories as long as a verifier holds.
    Policy,
}

impl StageKind {
    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Edit => "edit",
            Self::Order => "order",
            Self::Policy => "policy",
        }
    }
}

/// One stage.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRecipe {
    /// Its kind.
    pub kind: StageKind,
    /// Updates.
    pub steps: usize,
    /// Examples of an update.
    pub batch: usize,
    /// Passes in which they run, so that memory suffices.
    #[serde(default = "one")]
    pub passes: usize,
    /// Factor of the rate.
    #[serde(default = "whole")]
    pub rate: f64,
    /// The loss.
    #[serde(default = "weighted")]
    pub loss: Loss,
    /// How masked elements are weighted.
    #[serde(default)]
    pub weighting: Weighting,
    /// `edit`: the largest share of tokens that are edited.
    #[serde(default = "tenth")]
    pub alpha: f64,
    /// `edit`: share of the examples that are corrupted by edits; the others are masked.
    #[serde(default = "half")]
    pub share: f64,
    /// `edit`: weight of a token that is right already.
    #[serde(default = "tenth_weight")]
    pub kept_weight: f32,
    /// `order` and `policy`: slots of a span.
    #[serde(default = "sixteen")]
    pub slots: usize,
    /// `order` and `policy`: trajectories that are sampled for a span.
    #[serde(default = "four")]
    pub trajectories: usize,
    /// `order`: spans of which trajectories are sampled before the stage.
    #[serde(default = "two_hundred")]
    pub spans: usize,
    /// `policy`: sizes of blocks, one of which is drawn for each span; 0 is the whole span.
    #[serde(default = "whole_span")]
    pub blocks: Vec<usize>,
    /// The mean loss of the last steps must be below this.
    pub below: Option<f64>,
}

fn hundred() -> usize {
    100
}
fn rank() -> usize {
    32
}
fn rust_and_python() -> Vec<String> {
    vec!["rs".to_owned(), "py".to_owned()]
}
fn half() -> f64 {
    0.5
}
fn twentieth() -> f64 {
    0.05
}
fn window() -> usize {
    128
}
fn one() -> usize {
    1
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
fn whole() -> f64 {
    1.0
}
fn weighted() -> Loss {
    Loss::Weighted(Normalisation::Weight)
}
fn tenth() -> f64 {
    0.1
}
fn tenth_weight() -> f32 {
    0.1
}
fn sixteen() -> usize {
    16
}
fn four() -> usize {
    4
}
fn two_hundred() -> usize {
    200
}
fn whole_span() -> Vec<usize> {
    vec![0]
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
        recipe.hash = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = path.parent().unwrap_or(Path::new(""));
        let resolve = |path: &mut PathBuf| *path = folder.join(&*path);
        recipe.data.folders.iter_mut().for_each(resolve);
        recipe.data.pairs.iter_mut().for_each(resolve);
        if let Some(base) = &mut recipe.model.base {
            base.path.iter_mut().for_each(resolve);
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

    /// What types cannot say.
    fn check(&self) -> Result<(), (String, String)> {
        let at_least = |key: &str, value: usize, least: usize| {
            if value >= least { Ok(()) } else { Err((key.to_owned(), format!("{value} is too small; it is at least {least}"))) }
        };
        let within = |key: &str, value: f64, least: f64, most: f64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err((key.to_owned(), format!("{value} is not from {least} to {most}")))
            }
        };
        let positive = |key: &str, value: f64| {
            if value > 0.0 && value.is_finite() { Ok(()) } else { Err((key.to_owned(), format!("{value} is not above 0"))) }
        };
        let named = !self.name.is_empty() && self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !named || self.name.starts_with('.') {
            return Err(("name".to_owned(), "a name has letters, digits, `-`, `_` and `.`".to_owned()));
        }
        at_least("checkpoint_every", self.checkpoint_every, 1)?;
        if let Some(average) = self.average {
            within("average", average, 0.0, 0.99999)?;
        }
        match (&self.model.new, &self.model.base) {
            (Some(new), None) => {
                // 256 bytes and the special tokens.
                at_least("model.new.vocabulary", new.vocabulary, 260)?;
                for (key, value) in [("layers", new.layers), ("heads", new.heads), ("intermediate", new.intermediate)] {
                    at_least(&format!("model.new.{key}"), value, 1)?;
                }
                if !new.hidden.is_multiple_of(2 * new.heads) || new.hidden == 0 {
                    let reason = format!("{} is not divided by twice the {} heads", new.hidden, new.heads);
                    return Err(("model.new.hidden".to_owned(), reason));
                }
                if new.kv_heads == 0 || !new.heads.is_multiple_of(new.kv_heads) {
                    return Err(("model.new.kv_heads".to_owned(), format!("{} heads cannot share {}", new.heads, new.kv_heads)));
                }
                at_least("model.new.context", new.context, self.data.length)?;
                if (new.family == NewFamily::Sdar) != new.block.is_some_and(|block| block > 0) {
                    return Err(("model.new.block".to_owned(), "`sdar` needs one, the others have none".to_owned()));
                }
            }
            (None, Some(base)) => at_least("model.base.rank", base.rank, 1)?,
            _ => return Err(("model".to_owned(), "give either model.new or model.base".to_owned())),
        }
        if self.data.folders.is_empty() && self.data.pairs.is_none() {
            return Err(("data.folders".to_owned(), "there is no folder".to_owned()));
        }
        at_least("data.length", self.data.length, 8)?;
        at_least("data.copies", self.data.copies, 1)?;
        within("data.held_out", self.data.held_out, 0.0, 0.5)?;
        within("data.pair_share", self.data.pair_share, 0.0, 1.0)?;
        positive("optimiser.rate", self.optimiser.rate)?;
        positive("optimiser.clip", self.optimiser.clip)?;
        positive("optimiser.epsilon", f64::from(self.optimiser.epsilon))?;
        within("optimiser.weight_decay", f64::from(self.optimiser.weight_decay), 0.0, 1.0)?;
        within("optimiser.momentum", self.optimiser.momentum, 0.0, 0.9999)?;
        for beta in self.optimiser.betas {
            within("optimiser.betas", f64::from(beta), 0.0, 0.99999)?;
        }
        match self.optimiser.schedule {
            Shape::Constant => {}
            Shape::Cosine { floor } => within("optimiser.schedule.cosine.floor", floor, 0.0, 1.0)?,
            Shape::Wsd { decay, floor } => {
                within("optimiser.schedule.wsd.decay", decay, 0.0, 1.0)?;
                within("optimiser.schedule.wsd.floor", floor, 0.0, 1.0)?;
            }
        }
        if self.stages.is_empty() {
            return Err(("stage".to_owned(), "there is none".to_owned()));
        }
        for (index, stage) in self.stages.iter().enumerate() {
            let key = |part: &str| format!("stage {} ({}): {part}", index + 1, stage.kind.name());
            at_least(&key("steps"), stage.steps, 1)?;
            at_least(&key("batch"), stage.batch, 1)?;
            at_least(&key("passes"), stage.passes, 1)?;
            positive(&key("rate"), stage.rate)?;
            within(&key("alpha"), stage.alpha, 0.0, 1.0)?;
            within(&key("share"), stage.share, 0.0, 1.0)?;
            within(&key("kept_weight"), f64::from(stage.kept_weight), 0.0, 1.0)?;
            at_least(&key("slots"), stage.slots, 2)?;
            at_least(&key("trajectories"), stage.trajectories, 2)?;
            at_least(&key("spans"), stage.spans, 1)?;
            if let Weighting::Cart(p) = stage.weighting {
                within(&key("weighting.cart"), f64::from(p), 0.0, 1.0)?;
            }
            let sampled = matches!(stage.kind, StageKind::Order | StageKind::Policy);
            let denoises = self.model.new.as_ref().is_some_and(|new| matches!(new.family, NewFamily::Llada | NewFamily::Dream));
            if sampled && !denoises {
                return Err((
                    key("kind"),
                    "trajectories are sampled from new models of the family llada or dream only".to_owned(),
                ));
            }
            if sampled && stage.slots >= self.data.length {
                return Err((key("slots"), "a span is shorter than data.length".to_owned()));
            }
            let adapter = self.model.base.as_ref().is_some_and(|base| base.trained == Trained::Adapter);
            if stage.kind == StageKind::Edit && (adapter || self.model.new.as_ref().is_some_and(|n| n.family == NewFamily::Llama))
            {
                return Err((key("kind"), "this model learns to edit in the stage `mask` already, or not at all".to_owned()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
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
weighting = { cart = 0.3 }
[[stage]]
kind = "edit"
steps = 2
batch = 4
"#;

    fn parse(text: &str) -> Result<Recipe, String> {
        Recipe::parse(text, Path::new("recipes/r.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_recipe_is_read_with_its_defaults() {
        let recipe = parse(GOOD).unwrap();
        assert_eq!(recipe.data.folders, [Path::new("recipes/../src")]);
        assert_eq!(recipe.stages[0].loss, Loss::Weighted(Normalisation::Token));
        assert_eq!((recipe.stages[0].weighting, recipe.stages[1].weighting), (Weighting::Cart(0.3), Weighting::Uniform));
        assert_eq!((recipe.steps(), recipe.stage_at(8), recipe.stage_at(10)), (10, Some((1, 0)), None));
        assert_eq!(recipe.hash.len(), 64);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key() {
        for (from, to, expected) in [
            ("rate = 1e-3", "rate = -1.0", "recipes/r.toml: optimiser.rate: -1 is not above 0"),
            ("rate = 1e-3", "rate = nan", "optimiser.rate: NaN is not above 0"),
            ("rate = 1e-3", "ratio = 1e-3", "unknown field `ratio`"),
            ("vocabulary = 300", "vocabulary = 100", "model.new.vocabulary: 100 is too small; it is at least 260"),
            ("hidden = 16", "hidden = 18", "model.new.hidden: 18 is not divided by twice the 2 heads"),
            ("kv_heads = 1", "kv_heads = 3", "model.new.kv_heads"),
            ("context = 64", "context = 16", "model.new.context: 16 is too small; it is at least 32"),
            ("family = \"llada\"", "family = \"bert\"", "line 4: unknown variant `bert`"),
            ("family = \"llada\"", "family = \"sdar\"", "model.new.block"),
            ("decay = 0.2", "decay = 2.0", "optimiser.schedule.wsd.decay: 2 is not from 0 to 1"),
            ("[\"../src\"]", "[]", "data.folders"),
            ("kind = \"edit\"\nsteps = 2", "kind = \"edit\"\nsteps = 0", "stage 2 (edit): steps"),
            ("name = \"tiny\"", "name = \"../x\"", "name: a name has"),
            ("[model.new]", "[model.base]\ntrained = \"adapter\"\n[model.new]", "model: give either"),
            ("kind = \"edit\"", "kind = \"edits\"", "unknown variant `edits`"),
            ("rate = 1e-3\n", "", "missing field `rate`"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let message = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(message.contains(expected) && !message.contains('\n'), "{to}: {message}");
        }
    }
}
