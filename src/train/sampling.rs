//! Trajectories of the model that is being trained: spans of files are masked and denoised by the samplers of the engine.

use std::ops::Range;

use rand::Rng;
use rand::rngs::StdRng;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::canvas::Slot;
use crate::diffusion::denoise::Control;
use crate::diffusion::denoise::Limits;
use crate::diffusion::denoise::denoise;
use crate::diffusion::denoiser::Ask;
use crate::diffusion::denoiser::Denoiser;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::trajectory::Trajectory;
use crate::model::error::ModelError;
use crate::model::readout::Readout;
use crate::model::readout::read_rows;
use crate::model::spec::ModelSpec;
use crate::model::spec::SpecialTokens;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;
use crate::syntax::guard::Guard;
use crate::syntax::guard::Verdict;
use crate::syntax::language::Language;
use crate::train::batch::Batch;
use crate::train::corpus::open::Records;
use crate::train::corrupt::windows::draw_window;
use crate::train::error::TrainError;
use crate::train::example::Example;
use crate::train::gradient::target_logits;
use crate::train::parameters::read;
use crate::train::setup::Setup;

/// A span of a file, in a window around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Tokens of the window before the span.
    pub before: Vec<TokenId>,
    /// What stands in the span.
    pub truth: Vec<TokenId>,
    /// Tokens of the window behind the span.
    pub after: Vec<TokenId>,
    /// The whole file, and where the span lies in it.
    text: Vec<u8>,
    range: Range<usize>,
    language: Language,
}

impl Spot {
    /// A span of `slots` tokens in a window of `length` tokens somewhere in the files; `None` when the window is shorter.
    pub fn draw(files: &Records, length: usize, tokenizer: &Tokenizer, slots: usize, random: &mut StdRng) -> Option<Self> {
        let (record, window) = draw_window(files, length, random)?;
        let file = record.tokens(0..usize::MAX);
        // A token before the span, at least: a right shift reads there.
        let last = window.len().checked_sub(slots + 1)?;
        let start = window.start + 1 + random.random_range(0..=last);
        let span = start..start + slots;
        let bytes = |tokens: &[TokenId]| tokens.iter().map(|&id| tokenizer.bytes(id).len()).sum::<usize>();
        let begin = bytes(&file[..span.start]);
        Some(Self {
            before: file[window.start..span.start].to_vec(),
            truth: file[span.clone()].to_vec(),
            after: file[span.end..window.end].to_vec(),
            range: begin..begin + bytes(&file[span]),
            text: tokenizer.decode_bytes(&file),
            language: record.language(),
        })
    }

    /// The canvas with the span masked.
    pub fn canvas(&self) -> Canvas {
        Canvas::new(self.before.clone(), vec![Slot::masked(0); self.truth.len()], self.after.clone())
    }

    /// Whether the file still parses with these tokens in the span.
    pub fn parses(&self, tokenizer: &Tokenizer, tokens: &[TokenId]) -> bool {
        let bytes = tokenizer.decode_bytes(tokens);
        let new = [&self.text[..self.range.start], &bytes, &self.text[self.range.end..]].concat();
        let (Ok(old), Ok(new)) = (std::str::from_utf8(&self.text), std::str::from_utf8(&new)) else { return false };
        let (start, end) = (self.range.start, self.range.start + bytes.len());
        let whole = |text: &str, range: &Range<usize>| text.is_char_boundary(range.start) && text.is_char_boundary(range.end);
        if !whole(old, &self.range) || !whole(new, &(start..end)) {
            return false;
        }
        let guard = Guard::new(old, Some(self.language), std::slice::from_ref(&self.range));
        guard.check(new, std::slice::from_ref(&(start..end))).verdict == Verdict::Parses
    }
}

/// All elements of a canvas, `mask` where slots are masked.
pub fn sequence(canvas: &Canvas, mask: TokenId) -> Vec<TokenId> {
    let slots = canvas.slots().iter().map(|slot| slot.token.unwrap_or(mask));
    canvas.context().iter().copied().chain(slots).chain(canvas.after().iter().copied()).collect()
}

/// An example of the state of a trajectory after `step` steps: what is masked is to become what the trajectory ended with.
/// `None` when nothing is masked.
pub fn state_example(trajectory: &Trajectory, step: u32, mask: TokenId, weight: f32) -> Option<Example> {
    let (state, ended) = (trajectory.at(step)?, trajectory.at(trajectory.steps())?);
    let tokens = sequence(&state, mask);
    let wanted = sequence(&ended, mask);
    let masked: Vec<bool> = tokens.iter().zip(&wanted).map(|(&token, &wanted)| token == mask && wanted != mask).collect();
    let targets = masked.iter().zip(&wanted).map(|(&masked, &token)| masked.then_some(token)).collect();
    let weights = masked.iter().map(|&masked| if masked { weight } else { 0.0 }).collect();
    masked.contains(&true).then_some(Example { tokens, targets, context: 0, weights })
}

/// The mean log-probability of the commits of a canvas: the bound of the likelihood of its text along its trajectory, for a token.
pub fn score(canvas: &Canvas) -> f64 {
    let commits = canvas.ops().iter().filter_map(|(_, op)| match op {
        Op::Commit { confidence, .. } => Some(f64::from(confidence.max(f32::MIN_POSITIVE)).ln()),
        _ => None,
    });
    let (sum, count) = commits.fold((0.0, 0usize), |(sum, count), log| (sum + log, count + 1));
    if count == 0 { f64::NEG_INFINITY } else { sum / count as f64 }
}

/// Denoises canvases by the model as it stands, each by its sampler.
///
/// # Errors
/// The device failed.
pub fn run(setup: &mut Setup, canvases: &mut [Canvas], samplers: &mut [Box<dyn Sampler>]) -> Result<(), TrainError> {
    let most = canvases.iter().map(|canvas| canvas.slots().len()).max().unwrap_or(0);
    let spec = spec(setup);
    let mut denoiser = TrainDenoiser { setup, spec };
    // A schedule may commit nothing in a step, but never in as many as there are slots.
    let limits = Limits { steps: 4 * most + 4, slots: most, growth: 0 };
    denoise(&mut denoiser, canvases, samplers, limits, &mut |_| Ok(Control::Continue))?;
    Ok(())
}

fn spec(setup: &Setup) -> ModelSpec {
    let config = setup.model.config();
    let rows = TokenId::try_from(config.vocab).unwrap_or(TokenId::MAX);
    let banned = (0..rows).filter(|&id| !setup.texts.tokenizer.is_text(id)).collect();
    ModelSpec {
        name: setup.begun_with.clone(),
        family: config.family,
        attention: setup.layout.attention,
        shift: setup.layout.shift,
        tokens: SpecialTokens { mask: setup.layout.mask, eos: Some(setup.end), banned, ..SpecialTokens::default() },
        context_limit: config.context,
        prompt: setup.template,
        licence: String::new(),
        sampler: None,
    }
}

/// The model that is being trained, as samplers see one.
struct TrainDenoiser<'a> {
    setup: &'a mut Setup,
    spec: ModelSpec,
}

impl Denoiser for TrainDenoiser<'_> {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn predict(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Prediction>>, ModelError> {
        let mask = self.spec.tokens.mask;
        let example = |ask: &Ask<'_>| {
            let tokens = sequence(ask.canvas, mask);
            let mut targets = vec![None; tokens.len()];
            // Only where it is read matters here.
            ask.slots.iter().for_each(|&slot| targets[ask.canvas.context().len() + slot] = Some(mask));
            let weights = vec![1.0; tokens.len()];
            Example { tokens, targets, context: 0, weights }
        };
        let examples: Vec<Example> = asks.iter().map(example).collect();
        let batch = Batch::new(&examples, &self.setup.layout).map_err(|error| ModelError::Mismatch(error.to_string()))?;
        let mut logits = self.setup.model.without_graph(|model| read(target_logits(model, &batch)))?;
        let vocab = self.setup.model.config().vocab;
        let mut rest = logits.as_mut_slice();
        let mut predictions = Vec::with_capacity(asks.len());
        for ask in asks {
            let (rows, others) = rest.split_at_mut(ask.slots.len() * vocab);
            let current = |&slot: &usize| ask.canvas.slots()[slot].token;
            let readouts = ask.slots.iter().map(|slot| Readout { top_k: ask.top_k, current: current(slot), filter: ask.filter });
            let banned = [self.spec.tokens.banned.as_slice(), ask.banned].concat();
            predictions.push(read_rows(rows, vocab, &readouts.collect::<Vec<_>>(), &banned));
            rest = others;
        }
        Ok(predictions)
    }
}
