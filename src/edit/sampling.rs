//! Which rule fills the canvases of a request, at its beginning and after the user chose another.

use std::sync::Arc;

use crate::diffusion::constrained::Constrained;
use crate::diffusion::sampler::Pick;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::samplers::choice::Choice;
use crate::diffusion::threshold::Threshold;
use crate::edit::constrain::Check;
use crate::edit::layout::Layout;
use crate::edit::request::EditOptions;
use crate::edit::request::EditRequest;
use crate::model::loaded::LoadedDenoiser;
use crate::model::spec::ModelSpec;
use crate::model::tokenizer::Tokenizer;

/// The name of the rule that a model has by itself.
const USUAL: &str = "usual";

/// The rule called `name`, with its parameters behind a colon; `None` is the model's own.
///
/// # Errors
/// There is no such rule, or it has no such parameter.
pub(super) fn named(name: &str) -> Result<Option<Choice>, String> {
    if name == USUAL { Ok(None) } else { name.parse().map(Some) }
}

/// What the samplers of a request are made from.
pub(super) struct Sampling<'a> {
    options: EditOptions,
    layout: &'a Layout,
    check: Option<Check>,
    /// Whether the model is an autoregressive base.
    causal: bool,
    /// Whether it has an adapter.
    adapter: bool,
}

impl<'a> Sampling<'a> {
    /// For a request to this denoiser, of which nothing is kept but its kind.
    pub fn new(request: &EditRequest, layout: &'a Layout, tokenizer: &Arc<Tokenizer>, denoiser: &LoadedDenoiser) -> Self {
        let check = request.options.constrain.then(|| Check::new(tokenizer, layout, request)).flatten();
        Self { options: request.options, layout, check, causal: denoiser.is_causal(), adapter: denoiser.has_adapter() }
    }

    /// The sampler for a canvas with `masks` masked slots. With a seed it draws, without one it takes the best.
    ///
    /// # Errors
    /// The rule does not fit the model; in words for the user.
    pub fn sampler(
        &self,
        spec: &ModelSpec,
        choice: Option<Choice>,
        threshold: f32,
        masks: usize,
        seed: Option<u64>,
    ) -> Result<Box<dyn Sampler>, String> {
        // With an adapter slots can be committed out of turn; a base alone reads what is left of a slot only.
        let threshold = if self.adapter { threshold } else { f32::INFINITY };
        let constrained = |sampler: Box<dyn Sampler>| match &self.check {
            Some(check) => Box::new(Constrained::new(sampler, Box::new(check.clone()), spec.tokens.end)) as Box<dyn Sampler>,
            None => sampler,
        };
        let Some(mut choice) = choice.or_else(|| (!self.causal).then(|| Choice::usual(spec))) else {
            let pick = seed.map_or_else(Pick::greedy, |seed| Pick::seeded(self.options.temperature, seed));
            return Ok(constrained(Box::new(Threshold::new(threshold, spec.tokens.end, pick))));
        };
        if seed.is_some() && choice.filter.temperature <= 0.0 {
            choice.filter.temperature = self.options.temperature;
        }
        let (context, budget) = (self.layout.prompt.context.len(), self.layout.budget);
        choice.build(spec, context, masks, budget, seed.unwrap_or(self.options.seed)).map(constrained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_named_as_on_the_command_line() {
        assert!(named(USUAL).unwrap().is_none());
        assert!(named("entropy:steps=4").unwrap().is_some());
        assert!(named("luck").unwrap_err().contains("unknown sampler"));
    }
}
