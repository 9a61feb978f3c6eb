//! A model as it was loaded: an autoregressive base with or without a canvas adapter, or a model that sees the whole sequence.

use std::time::Duration;

use crate::diffusion::denoiser::Ask;
use crate::diffusion::denoiser::Causal;
use crate::diffusion::denoiser::Denoiser;
use crate::diffusion::denoiser::Prediction;
use crate::model::canvas_denoiser::CanvasDenoiser;
use crate::model::error::ModelError;
use crate::model::sequence_denoiser::SequenceDenoiser;
use crate::model::spec::ModelSpec;
use crate::model::spec::TokenId;
use crate::model::transformer::Transformer;

/// See the module.
// There is one in a process.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum LoadedDenoiser {
    /// Canvas attention over a base.
    Canvas(CanvasDenoiser),
    /// Bidirectional or in blocks.
    Sequence(SequenceDenoiser),
}

impl LoadedDenoiser {
    /// The transformer.
    pub fn transformer(&self) -> &Transformer {
        match self {
            Self::Canvas(denoiser) => denoiser.transformer(),
            Self::Sequence(denoiser) => denoiser.transformer(),
        }
    }

    /// Whether slots can be committed out of turn: a base without an adapter predicts the leftmost one only.
    pub fn has_adapter(&self) -> bool {
        match self {
            Self::Canvas(denoiser) => denoiser.has_adapter(),
            Self::Sequence(_) => true,
        }
    }

    /// Whether it can continue text from left to right, and so check drafts and judge candidates.
    pub fn is_causal(&self) -> bool {
        matches!(self, Self::Canvas(_))
    }

    /// The id that stands in a masked slot.
    pub fn mask(&self) -> TokenId {
        self.spec().tokens.mask
    }

    /// Leaves a base alone.
    pub fn remove_adapter(&mut self) {
        if let Self::Canvas(denoiser) = self {
            denoiser.remove_adapter();
        }
    }

    /// Drops what is kept of earlier contexts, so that the next edit costs what it costs a new process.
    pub fn forget_contexts(&mut self) {
        match self {
            Self::Canvas(denoiser) => denoiser.forget_contexts(),
            Self::Sequence(denoiser) => denoiser.forget(),
        }
    }

    /// Time spent so far on contexts that are kept.
    pub fn context_time(&self) -> Duration {
        match self {
            Self::Canvas(denoiser) => denoiser.context_time(),
            Self::Sequence(_) => Duration::ZERO,
        }
    }

    /// See [`CanvasDenoiser::causal_logits`].
    ///
    /// # Errors
    /// As there, or the model cannot continue text.
    pub fn causal_logits(&mut self, ids: &[TokenId], from: usize) -> Result<Vec<f32>, ModelError> {
        self.base()?.causal_logits(ids, from)
    }

    /// See [`CanvasDenoiser::canvas_logits`].
    ///
    /// # Errors
    /// As there, or the model has no canvas attention.
    pub fn canvas_logits(&mut self, asks: &[Ask<'_>]) -> Result<Vec<f32>, ModelError> {
        self.base()?.canvas_logits(asks)
    }

    fn base(&mut self) -> Result<&mut CanvasDenoiser, ModelError> {
        match self {
            Self::Canvas(denoiser) => Ok(denoiser),
            Self::Sequence(denoiser) => {
                let name = &denoiser.spec().name;
                Err(ModelError::Mismatch(format!(
                    "{name} reads text in both directions and cannot continue it from left to right"
                )))
            }
        }
    }
}

impl Denoiser for LoadedDenoiser {
    fn spec(&self) -> &ModelSpec {
        match self {
            Self::Canvas(denoiser) => denoiser.spec(),
            Self::Sequence(denoiser) => denoiser.spec(),
        }
    }

    fn predict(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Prediction>>, ModelError> {
        match self {
            Self::Canvas(denoiser) => denoiser.predict(asks),
            Self::Sequence(denoiser) => denoiser.predict(asks),
        }
    }
}

impl Causal for LoadedDenoiser {
    fn continue_from(&mut self, ids: &[TokenId], from: usize, top_k: usize) -> Result<Vec<Prediction>, ModelError> {
        self.base()?.continue_from(ids, from, top_k)
    }
}
