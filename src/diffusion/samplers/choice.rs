//! A sampler by name, as `--sampler` gives it: `NAME` or `NAME:KEY=VALUE,KEY=VALUE`.

use std::str::FromStr;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::closing::Closing;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::denoiser::supports_shadows;
use crate::diffusion::filter::Filter;
use crate::diffusion::sampler::Question;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::samplers::blockwise::Blocks;
use crate::diffusion::samplers::blockwise::Blockwise;
use crate::diffusion::samplers::blockwise::Cache;
use crate::diffusion::samplers::blockwise::CachePlan;
use crate::diffusion::samplers::confidence::Confidence;
use crate::diffusion::samplers::dreamon::DreamOn;
use crate::diffusion::samplers::dreamon::DreamOnSettings;
use crate::diffusion::samplers::dynamic::Dynamic;
use crate::diffusion::samplers::entropy_bound::EntropyBound;
use crate::diffusion::samplers::factor::Factor;
use crate::diffusion::samplers::klass::Klass;
use crate::diffusion::samplers::origin::Origin;
use crate::diffusion::samplers::p2::PathPlanning;
use crate::diffusion::samplers::quota::Quota;
use crate::diffusion::samplers::remdm::Remasking;
use crate::diffusion::samplers::remdm::Remdm;
use crate::diffusion::samplers::rule::Rule;
use crate::diffusion::samplers::schedule::DREAM_EPS;
use crate::diffusion::samplers::schedule::Schedule;
use crate::diffusion::samplers::threshold::AtLeast;
use crate::diffusion::samplers::token_edit::TokenEditing;
use crate::diffusion::samplers::token_edit::TokenEditor;
use crate::diffusion::samplers::wino::Revoking;
use crate::diffusion::samplers::wino::Wino;
use crate::model::spec::Attention;
use crate::model::spec::ModelSpec;
use crate::model::spec::Shift;
use crate::model::spec::TokenId;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Slots at random.
    Random,
    /// The most probable slots, as many as a schedule says.
    Confidence,
    /// The slots with the largest margin.
    Margin,
    /// The slots with the smallest entropy.
    Entropy,
    /// Every slot from a probability on.
    Threshold,
    /// As many slots as are sure enough together.
    Factor,
    /// As many slots as an entropy allows.
    EntropyBound,
    /// Every slot above a probability, or as many as a schedule says.
    Dynamic,
    /// Sure slots that have stopped moving.
    Klass,
    /// Path planning: the least sure are masked again.
    P2,
    /// By the noise schedule, and committed tokens are masked again with a small probability.
    Remdm,
    /// The same, the likelier the less sure a token was.
    RemdmConf,
    /// What was committed is judged as if it were masked.
    Wino,
    /// Committed tokens are replaced too.
    TokenEdit,
    /// Slots expand and disappear.
    Dreamon,
}

/// Names, and what `--help` says about them.
const NAMES: &[(&str, Name)] = &[
    ("random", Name::Random),
    ("confidence", Name::Confidence),
    ("margin", Name::Margin),
    ("entropy", Name::Entropy),
    ("threshold", Name::Threshold),
    ("factor", Name::Factor),
    ("entropy-bound", Name::EntropyBound),
    ("dynamic", Name::Dynamic),
    ("klass", Name::Klass),
    ("p2", Name::P2),
    ("remdm", Name::Remdm),
    ("remdm-conf", Name::RemdmConf),
    ("wino", Name::Wino),
    ("token-edit", Name::TokenEdit),
    ("dreamon", Name::Dreamon),
];

/// A sampler that is never offered some tokens.
struct Without {
    inner: Box<dyn Sampler>,
    banned: Vec<TokenId>,
}

impl Sampler for Without {
    fn is_open(&self, canvas: &Canvas) -> bool {
        self.inner.is_open(canvas)
    }

    fn ask(&mut self, canvas: &Canvas) -> Question {
        let mut question = self.inner.ask(canvas);
        question.banned.extend_from_slice(&self.banned);
        question
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.inner.set_threshold(threshold);
    }

    fn step(&mut self, canvas: &Canvas, asked: &[usize], predictions: &[Prediction]) -> Vec<Op> {
        self.inner.step(canvas, asked, predictions)
    }
}

/// A rule with its parameters; what is not given is the reference's default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The rule.
    pub name: Name,
    /// Probability from which a slot is committed.
    pub threshold: Option<f32>,
    /// Probability above which a committed token is replaced (token-edit).
    pub edit: f32,
    /// The factor of the rule of this name.
    pub factor: f32,
    /// The bound of entropy-bound, in nats.
    pub gamma: f32,
    /// Divergence below which a slot counts as still (klass).
    pub divergence: f32,
    /// Probability below which a token is masked again (wino).
    pub keep: f32,
    /// Largest probability with which a token is masked again (remdm).
    pub eta: Option<f32>,
    /// Steps of a schedule, for each block.
    pub steps: Option<usize>,
    /// Elements of a block; `None` is one block.
    pub block: Option<usize>,
    /// Slots that a step of dreamon commits.
    pub at_once: usize,
    /// Filters of the predictions.
    pub filter: Filter,
    /// What is kept between calls, for models that see everything at once.
    pub cache: Cache,
    /// Every how many calls everything runs.
    pub refresh: usize,
    /// Elements on both sides of a block that run with it.
    pub around: usize,
}

impl Choice {
    /// A rule with the defaults of its reference.
    pub fn new(name: Name) -> Self {
        Self {
            name,
            threshold: None,
            edit: TokenEditing::default().edit_threshold,
            factor: 1.0,
            gamma: 0.1,
            divergence: 0.01,
            keep: Revoking::default().keep,
            eta: None,
            steps: None,
            block: None,
            at_once: 1,
            filter: Filter::default(),
            cache: Cache::Off,
            refresh: 8,
            around: 16,
        }
    }

    /// The rule that goes with a model that is a denoiser by itself: that of its reference where it is known, else DreamOn's where
    /// slots expand, SDAR's in blocks, Fast-dLLM's threshold otherwise.
    pub fn usual(spec: &ModelSpec) -> Self {
        if let Some(known) = spec.sampler.as_ref().and_then(|text| text.parse().ok()) {
            return known;
        }
        Self::new(match spec.attention {
            _ if spec.tokens.expand.is_some() && spec.tokens.delete.is_some() => Name::Dreamon,
            Attention::BlockCausal(_) => Name::Dynamic,
            _ => Name::Threshold,
        })
    }

    /// The sampler for a canvas with `context` elements before its slots and `masks` masked ones.
    ///
    /// # Errors
    /// The model lacks what the rule needs.
    pub fn build(
        &self,
        spec: &ModelSpec,
        context: usize,
        masks: usize,
        most: usize,
        seed: u64,
    ) -> Result<Box<dyn Sampler>, String> {
        let block_causal = match spec.attention {
            Attention::BlockCausal(size) => Some(size),
            _ => None,
        };
        let size = self.block.or(block_causal);
        // Without a number of steps each commits one slot.
        let steps = self.steps.unwrap_or_else(|| size.map_or(masks, |size| size.min(masks)).max(1));
        let quota = |confidence| Box::new(Quota::new(confidence, Schedule::Even, steps)) as Box<dyn Rule>;
        let threshold = |default: f32| self.threshold.unwrap_or(default);
        let rule: Box<dyn Rule> = match self.name {
            Name::Random => Box::new(Origin::seeded(steps, DREAM_EPS, seed)),
            Name::Confidence => quota(Confidence::Probability),
            Name::Margin => quota(Confidence::Margin),
            Name::Entropy => quota(Confidence::NegativeEntropy),
            Name::Threshold => Box::new(AtLeast::new(threshold(0.9))),
            Name::Factor => Box::new(Factor::new(self.factor)),
            Name::EntropyBound => Box::new(EntropyBound::new(self.gamma)),
            Name::Dynamic => Box::new(Dynamic::new(threshold(0.85), steps)),
            Name::Klass => Box::new(Klass::new(threshold(0.9), self.divergence, 2)),
            Name::P2 => {
                let steps = self.steps.unwrap_or(64);
                return Ok(self.closing(spec, Box::new(PathPlanning::new(steps, self.filter, seed))));
            }
            Name::Remdm | Name::RemdmConf => {
                let by_confidence = self.name == Name::RemdmConf;
                let eta = self.eta.unwrap_or(if by_confidence { 1.0 } else { 0.02 });
                let settings = Remasking { steps, eta, by_confidence };
                return Ok(self.closing(spec, Box::new(Remdm::new(settings, self.filter, seed))));
            }
            Name::Wino => {
                if !supports_shadows(spec) {
                    return Err(format!(
                        "the sampler wino needs a model that sees everything at once and reads predictions in place, as LLaDA does; \
                         {} does not",
                        spec.name
                    ));
                }
                let defaults = Revoking::default();
                let settings = Revoking { threshold: threshold(defaults.threshold), keep: self.keep, block: self.block };
                return Ok(self.closing(spec, Box::new(Wino::new(settings, self.filter, seed))));
            }
            Name::TokenEdit => {
                let settings = TokenEditing {
                    threshold: threshold(TokenEditing::default().threshold),
                    edit_threshold: self.edit,
                    block: size.unwrap_or(TokenEditing::default().block),
                    ..TokenEditing::default()
                };
                return Ok(self.closing(spec, Box::new(TokenEditor::new(settings))));
            }
            Name::Dreamon => {
                let (Some(expand), Some(delete)) = (spec.tokens.expand, spec.tokens.delete) else {
                    return Err(format!(
                        "the sampler dreamon needs a model with expand and delete tokens; {} has none",
                        spec.name
                    ));
                };
                let settings =
                    DreamOnSettings { most, at_once: self.at_once, filter: self.filter, ..DreamOnSettings::new(expand, delete) };
                return Ok(Box::new(DreamOn::new(settings, seed)));
            }
        };
        let blocks = match (size, block_causal) {
            (None, _) => Blocks::Whole,
            (Some(size), Some(_)) => Blocks::Every { size, from: 0 },
            (Some(size), None) => Blocks::Every { size, from: context },
        };
        let plan = CachePlan {
            cache: if block_causal.is_some() { Cache::Blocks } else { self.cache },
            lead: usize::from(spec.shift == Shift::Right && block_causal.is_none()),
            around: if block_causal.is_some() { 0 } else { self.around },
            refresh: self.refresh,
        };
        let sampler = Blockwise::new(rule, blocks).cached(plan).filtered(self.filter, seed);
        Ok(self.closing(spec, Box::new(sampler)))
    }

    fn closing(&self, spec: &ModelSpec, sampler: Box<dyn Sampler>) -> Box<dyn Sampler> {
        // Only dreamon knows what to do with tokens that expand and delete.
        let banned: Vec<TokenId> = spec.tokens.expand.iter().chain(&spec.tokens.delete).copied().collect();
        if !banned.is_empty() {
            return Box::new(Without { inner: sampler, banned });
        }
        match spec.tokens.end {
            Some(end) => Box::new(Closing::new(sampler, end)),
            None => sampler,
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let wrong = || format!("{key}={value} is not possible");
        let share = || value.parse::<f32>().ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(wrong);
        let positive = || value.parse::<f32>().ok().filter(|value| *value >= 0.0 && value.is_finite()).ok_or_else(wrong);
        let count = || value.parse::<usize>().ok().filter(|value| (1..=100_000).contains(value)).ok_or_else(wrong);
        match key {
            "threshold" => self.threshold = Some(share()?),
            "edit" => self.edit = share()?,
            "factor" => self.factor = positive()?,
            "gamma" => self.gamma = positive()?,
            "divergence" => self.divergence = positive()?,
            "keep" => self.keep = share()?,
            "eta" => self.eta = Some(share()?),
            "steps" => self.steps = Some(count()?),
            "block" => self.block = Some(count()?),
            "at-once" => self.at_once = count()?,
            "temperature" => self.filter.temperature = positive()?,
            "top-p" => self.filter.top_p = Some(share()?),
            "top-k" => self.filter.top_k = Some(count()?),
            "refresh" => self.refresh = count()?,
            "around" => self.around = value.parse::<usize>().ok().filter(|value| *value <= 100_000).ok_or_else(wrong)?,
            "cache" => {
                self.cache = match value {
                    "off" => Cache::Off,
                    "prefix" => Cache::Prefix,
                    "dual" => Cache::Dual,
                    _ => return Err(format!("cache={value} is not possible; off, prefix and dual are")),
                }
            }
            _ => {
                let known = "threshold, edit, factor, gamma, divergence, keep, eta, steps, block, at-once, temperature, top-p, top-k, cache, \
                             refresh and around";
                return Err(format!("unknown parameter {key:?}; there are {known}"));
            }
        }
        Ok(())
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, parameters) = text.split_once(':').unwrap_or((text, ""));
        let found = NAMES.iter().find(|(known, _)| *known == name);
        let Some((_, name)) = found else {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            return Err(format!("unknown sampler {name:?}; there are {}", names.join(", ")));
        };
        let mut choice = Self::new(*name);
        for parameter in parameters.split(',').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').ok_or_else(|| format!("{parameter:?} is not KEY=VALUE"))?;
            choice.set(key, value)?;
        }
        Ok(choice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::canvas::Slot;
    use crate::diffusion::denoise::Control;
    use crate::diffusion::denoise::Limits;
    use crate::diffusion::denoise::denoise;
    use crate::diffusion::denoiser::Denoiser;
    use crate::diffusion::scripted::Scripted;

    #[test]
    fn names_and_parameters_are_read() {
        for (name, known) in NAMES {
            assert_eq!(name.parse::<Choice>().unwrap(), Choice::new(*known));
        }
        let choice: Choice = "dynamic:threshold=0.7,steps=4,block=32,cache=dual,top-p=0.9".parse().unwrap();
        assert_eq!((choice.threshold, choice.steps, choice.block), (Some(0.7), Some(4), Some(32)));
        assert_eq!((choice.cache, choice.filter.top_p), (Cache::Dual, Some(0.9)));
        for text in ["", "magic", "p2:steps", "p2:steps=0", "p2:steps=x", "threshold:threshold=2", "p2:speed=1", "p2:cache=all"] {
            assert!(text.parse::<Choice>().is_err(), "{text}");
        }
    }

    /// Every rule comes to its end, and with a model that knows the answer it finds it.
    #[test]
    fn every_rule_finds_what_the_model_knows() {
        const END: TokenId = 99;
        let answer: Vec<TokenId> = (1..8).collect();
        for (name, known) in NAMES {
            for block in [None, Some(3)] {
                let mut denoiser = Scripted::new(answer.clone(), END);
                let choice = Choice { block, ..Choice::new(*known) };
                let built = choice.build(denoiser.spec(), 2, 10, 64, 1);
                if let Name::Dreamon | Name::Wino = known {
                    let says = if *known == Name::Wino { "reads predictions in place" } else { "expand and delete" };
                    assert!(built.err().unwrap().contains(says));
                    continue;
                }
                let mut canvases = [Canvas::new(vec![0, 0], vec![Slot::masked(0); 10], vec![])];
                let limits = Limits { steps: 500, slots: 10, growth: 0 };
                let mut observe = |_: crate::diffusion::denoise::StepReport<'_>| Ok(Control::Continue);
                let (_, nfe) = denoise(&mut denoiser, &mut canvases, &mut [built.unwrap()], limits, &mut observe).unwrap();
                assert_eq!(canvases[0].span_tokens(0), answer, "{name}");
                assert!(canvases[0].is_closed(0) && nfe <= 80, "{name}: {nfe} calls");
            }
        }
    }
}
