//! One stage of a run, in its recipe.

use serde::Deserialize;

use crate::train::corrupt::mask::Masking;
use crate::train::loss::Loss;
use crate::train::loss::Normalisation;

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
    /// How windows are masked, and what masked elements count.
    #[serde(default)]
    pub masking: Masking,
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

fn half() -> f64 {
    0.5
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
fn one() -> usize {
    1
}
