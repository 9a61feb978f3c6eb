//! What is kept between passes: exact where it is said to be, and no more than an approximation elsewhere.

use std::cell::RefCell;
use std::path::Path;

use dcode::diffusion::canvas::Canvas;
use dcode::diffusion::canvas::Op;
use dcode::diffusion::canvas::Slot;
use dcode::diffusion::denoise::Control;
use dcode::diffusion::denoise::Limits;
use dcode::diffusion::denoise::denoise;
use dcode::diffusion::denoiser::Ask;
use dcode::diffusion::denoiser::Denoiser;
use dcode::diffusion::denoiser::Prediction;
use dcode::diffusion::denoiser::Reuse;
use dcode::diffusion::sampler::Sampler;
use dcode::diffusion::samplers::blockwise::Blocks;
use dcode::diffusion::samplers::blockwise::Blockwise;
use dcode::diffusion::samplers::blockwise::Cache;
use dcode::diffusion::samplers::blockwise::CachePlan;
use dcode::diffusion::samplers::threshold::AtLeast;
use dcode::model::sequence_denoiser::SequenceDenoiser;
use dcode::model::spec::Attention;
use dcode::model::spec::ModelSpec;
use dcode::model::spec::PromptTemplate;
use dcode::model::spec::Shift;
use dcode::model::spec::SpecialTokens;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::case::Case;

const MASK: u32 = 158;
const BLOCK: usize = 4;

fn denoiser(attention: Attention, shift: Shift) -> SequenceDenoiser {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/goldens/b34_exactshift_threshold_dual_continuation");
    let case = Case::read(&folder);
    let spec = ModelSpec {
        name: case.name.clone(),
        family: case.config().family,
        attention,
        shift,
        tokens: SpecialTokens { mask: MASK, ..SpecialTokens::default() },
        context_limit: 256,
        prompt: PromptTemplate::Plain,
        licence: String::new(),
        sampler: None,
    };
    SequenceDenoiser::new(spec, case.transformer())
}

/// 6 elements of context, 12 slots of which `given` have a token, 5 elements behind them.
fn canvas(given: &[(usize, u32)]) -> Canvas {
    let mut canvas = Canvas::new((20..26).collect(), vec![Slot::masked(0); 12], (40..45).collect());
    for &(slot, token) in given {
        canvas.apply(Op::Commit { slot, token, confidence: 1.0 });
    }
    canvas
}

fn same(found: &[Vec<Prediction>], expected: &[Vec<Prediction>]) -> Result<(), TestCaseError> {
    for (found, expected) in found.concat().iter().zip(expected.concat()) {
        let probability = |prediction: &Prediction, token: u32| {
            prediction.top.iter().find(|(id, _)| *id == token).map_or(0.0, |(_, log_prob)| log_prob.exp())
        };
        for (token, log_prob) in &expected.top {
            prop_assert!((probability(found, *token) - log_prob.exp()).abs() < 1e-4);
        }
    }
    Ok(())
}

fn given() -> impl Strategy<Value = Vec<(usize, u32)>> {
    proptest::collection::vec((0usize..12, 0u32..150), 0..8)
}

/// Directly after a pass over everything a window computes what everything does: its place, its positions and the row before it
/// are right, whatever the shift.
#[test]
fn a_window_against_fresh_keys_and_values_is_exact() {
    for shift in [Shift::Right, Shift::None] {
        let denoiser = RefCell::new(denoiser(Attention::Bidirectional, shift));
        let strategy = (given(), 0usize..12, 1usize..6, 0usize..4);
        let check = |(given, slot, len, around): (Vec<(usize, u32)>, usize, usize, usize)| {
            let canvas = canvas(&given);
            let slots: Vec<usize> = (slot..(slot + len).min(12)).collect();
            let ask = Ask { lane: 3, ..Ask::new(&canvas, &slots, 160) };
            let mut denoiser = denoiser.borrow_mut();
            let expected = denoiser.predict(&[ask]).unwrap();
            let reuse = Reuse::Outside { start: (6 + slot).saturating_sub(around), end: 6 + slot + len + around };
            let found = denoiser.predict(&[Ask { reuse, ..ask }]).unwrap();
            let forwards = denoiser.take_forwards();
            prop_assert!(forwards[1].len < forwards[0].len);
            same(&found, &expected)
        };
        TestRunner::new(ProptestConfig::with_cases(40)).run(&strategy, check).unwrap();
    }
}

/// Blocks that attention never looks behind: what is kept of those before is exact at every state of the canvas, also after a
/// token of an earlier block has changed.
#[test]
fn what_is_kept_of_finished_blocks_is_exact() {
    for shift in [Shift::Right, Shift::None] {
        let kept = RefCell::new(denoiser(Attention::BlockCausal(BLOCK), shift));
        let fresh = RefCell::new(denoiser(Attention::BlockCausal(BLOCK), shift));
        let strategy = proptest::collection::vec((given(), 1usize..4), 1..4);
        let check = |states: Vec<(Vec<(usize, u32)>, usize)>| {
            for (given, block) in states {
                let canvas = canvas(&given);
                // Blocks 2 to 4 are elements 8 to 19; slots begin at element 6.
                let start = (block + 1) * BLOCK;
                let slots: Vec<usize> = (start - 6..(start + BLOCK - 6).min(12)).collect();
                let ask = Ask::new(&canvas, &slots, 160);
                let reuse = Reuse::Outside { start, end: start + BLOCK };
                let found = kept.borrow_mut().predict(&[Ask { reuse, ..ask }]).unwrap();
                same(&found, &fresh.borrow_mut().predict(&[ask]).unwrap())?;
            }
            Ok(())
        };
        TestRunner::new(ProptestConfig::with_cases(40)).run(&strategy, check).unwrap();
    }
}

/// A cache that is refreshed at every call is no cache; one that is never refreshed saves elements.
#[test]
fn refreshing_at_every_call_equals_no_cache() {
    let run = |plan: CachePlan, given: &[(usize, u32)]| {
        let mut denoiser = denoiser(Attention::Bidirectional, Shift::Right);
        let mut canvases = [canvas(given)];
        let sampler = Blockwise::new(Box::new(AtLeast::new(0.9)), Blocks::Whole).cached(plan);
        let mut samplers: [Box<dyn Sampler>; 1] = [Box::new(sampler)];
        let limits = Limits { steps: 100, slots: 100, growth: 0 };
        denoise(&mut denoiser, &mut canvases, &mut samplers, limits, &mut |_| Ok(Control::Continue)).unwrap();
        let elements: usize = denoiser.take_forwards().iter().map(|forward| forward.len).sum();
        let [canvas] = canvases;
        (canvas.slots().to_vec(), elements)
    };
    let check = |given: Vec<(usize, u32)>| {
        let plan = |cache, refresh| CachePlan { cache, lead: 1, around: 1, refresh };
        let (expected, elements) = run(plan(Cache::Off, 0), &given);
        for cache in [Cache::Prefix, Cache::Dual] {
            prop_assert_eq!(&run(plan(cache, 1), &given), &(expected.clone(), elements));
        }
        let (_, fewer) = run(plan(Cache::Dual, 0), &given);
        prop_assert!(fewer <= elements);
        Ok(())
    };
    TestRunner::new(ProptestConfig::with_cases(8)).run(&given(), check).unwrap();
}
