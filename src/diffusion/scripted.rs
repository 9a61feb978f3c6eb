//! A denoiser that knows the answer: for tests of everything that stands on a denoiser.

use crate::diffusion::denoiser::Ask;
use crate::diffusion::denoiser::Causal;
use crate::diffusion::denoiser::Denoiser;
use crate::diffusion::denoiser::Prediction;
use crate::model::error::ModelError;
use crate::model::spec::Attention;
use crate::model::spec::Family;
use crate::model::spec::ModelSpec;
use crate::model::spec::PromptTemplate;
use crate::model::spec::Shift;
use crate::model::spec::SpecialTokens;
use crate::model::spec::TokenId;

/// Predicts a fixed sequence of tokens for the first span, with middling confidence everywhere.
#[derive(Debug)]
pub struct Scripted {
    spec: ModelSpec,
    script: Vec<TokenId>,
    /// Calls so far.
    pub calls: usize,
}

/// Below every threshold in use, so that a step commits one slot.
const CONFIDENCE: f32 = 0.5;

impl Scripted {
    /// Slot k is predicted to be `script[k]`, and `end` behind it.
    pub fn new(script: Vec<TokenId>, end: TokenId) -> Self {
        let spec = ModelSpec {
            name: "scripted".to_owned(),
            family: Family::Llama,
            attention: Attention::Canvas,
            shift: Shift::Right,
            tokens: SpecialTokens { mask: TokenId::MAX, end: Some(end), eos: Some(end), ..SpecialTokens::default() },
            context_limit: 1 << 16,
            prompt: PromptTemplate::Plain,
            licence: "none".to_owned(),
            sampler: None,
        };
        Self { spec, script, calls: 0 }
    }

    fn at(&self, place: usize) -> Prediction {
        let token = self.script.get(place).copied().or(self.spec.tokens.end).unwrap_or(0);
        Prediction { top: vec![(token, CONFIDENCE.ln())], entropy: 1.0, current: None }
    }
}

impl Denoiser for Scripted {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn predict(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Prediction>>, ModelError> {
        self.calls += 1;
        Ok(asks.iter().map(|ask| ask.slots.iter().map(|&slot| self.at(slot)).collect()).collect())
    }
}

impl Causal for Scripted {
    /// The script follows the first token of `ids`; behind anything else than the script comes nonsense.
    fn continue_from(&mut self, ids: &[TokenId], from: usize, _top_k: usize) -> Result<Vec<Prediction>, ModelError> {
        self.calls += 1;
        if from == 0 || from > ids.len() {
            return Err(ModelError::Mismatch("nothing to continue".to_owned()));
        }
        let kept = ids[1..].iter().zip(&self.script).take_while(|(a, b)| a == b).count();
        let nonsense = Prediction { top: vec![(0, CONFIDENCE.ln())], entropy: 1.0, current: None };
        Ok((from..=ids.len()).map(|place| if place - 1 <= kept { self.at(place - 1) } else { nonsense.clone() }).collect())
    }
}
