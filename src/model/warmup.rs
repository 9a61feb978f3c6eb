//! The passes of an edit, run once, so that a device has compiled and tried its kernels before someone waits for them.

use std::time::Duration;
use std::time::Instant;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Slot;
use crate::diffusion::denoiser::Ask;
use crate::diffusion::denoiser::Causal;
use crate::diffusion::denoiser::Denoiser;
use crate::model::error::ModelError;
use crate::model::loaded::LoadedDenoiser;
use crate::model::spec::TokenId;

/// Lengths of contexts. Kernels are chosen by sizes that are rounded up to powers of two.
const CONTEXTS: [usize; 5] = [64, 128, 256, 512, 1024];
/// Numbers of slots.
const SLOTS: [usize; 3] = [8, 32, 128];

/// How long a pass took.
#[derive(Clone, Copy, Debug)]
pub struct Warmed {
    /// Elements of the context.
    pub context: usize,
    /// Slots denoised; 0 for a causal pass over the context alone.
    pub slots: usize,
    /// The first time, with everything that the device did for it.
    pub first: Duration,
    /// The second time.
    pub second: Duration,
}

/// Runs each pass that fits into the model's window twice on text without meaning; `observe` is told after each.
///
/// # Errors
/// The model failed.
pub fn warm_up(model: &mut LoadedDenoiser, observe: &mut dyn FnMut(Warmed)) -> Result<(), ModelError> {
    let window = model.spec().context_limit;
    for context in CONTEXTS.into_iter().filter(|context| *context <= window) {
        let ids = context_ids(model, context);
        if model.is_causal() {
            let mut run = || timed(|| model.continue_from(&ids, ids.len() / 2, 1).map(drop));
            let (first, second) = (run()?, run()?);
            observe(Warmed { context, slots: 0, first, second });
        }
        for slots in SLOTS.into_iter().filter(|slots| context + slots <= window) {
            let canvas = Canvas::new(ids.clone(), vec![Slot::masked(0); slots], Vec::new());
            let masked = canvas.masked();
            let mut run = || {
                model.forget_contexts();
                timed(|| model.predict(&[Ask::new(&canvas, &masked, 1)]).map(drop))
            };
            let (first, second) = (run()?, run()?);
            observe(Warmed { context, slots, first, second });
        }
    }
    Ok(())
}

/// Ids that every vocabulary has, none twice in a row.
fn context_ids(model: &LoadedDenoiser, len: usize) -> Vec<TokenId> {
    let plain = model.transformer().config().vocab.clamp(1, 20_000);
    (0..len).map(|place| TokenId::try_from(place * 7919 % plain).unwrap_or(0)).collect()
}

fn timed(work: impl FnOnce() -> Result<(), ModelError>) -> Result<Duration, ModelError> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}
