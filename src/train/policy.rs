//! On-policy shortening (Seed Diffusion's fourth idea): the model denoises spans by confidence threshold, and learns from those of its
//! own trajectories that took fewer steps than the others of the same span and whose text a verifier accepts.
//!
//! The length of a trajectory is not differentiable. Its surrogate is the edit distance between the states before and after each
//! step: the more a step changes, the fewer there are. The gradient is that of reward-weighted regression: a trajectory's weight is
//! its advantage over the mean of its span's trajectories where that is positive, and nothing is learned from the others.

use rand::Rng;
use rand::rngs::StdRng;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::filter::Filter;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::samplers::blockwise::Blocks;
use crate::diffusion::samplers::blockwise::Blockwise;
use crate::diffusion::samplers::threshold::AtLeast;
use crate::diffusion::threshold::DEFAULT_THRESHOLD;
use crate::diffusion::trajectory::Trajectory;
use crate::model::spec::TokenId;
use crate::train::alignment::distance;
use crate::train::corpus::open::Records;
use crate::train::error::TrainError;
use crate::train::example::Example;
use crate::train::recipe::stage::StageRecipe;
use crate::train::sampling::Spot;
use crate::train::sampling::run;
use crate::train::sampling::sequence;
use crate::train::sampling::state_example;
use crate::train::setup::Setup;

/// What a step learns from.
#[derive(Debug)]
pub struct Sampled {
    /// Examples.
    pub examples: Vec<Example>,
    /// Mean number of denoiser calls for a span.
    pub calls: f64,
}

/// The largest weight of a trajectory.
const LARGEST_WEIGHT: f64 = 3.0;

/// Samples trajectories of the model as it stands, in windows of `length` tokens, and makes examples of states on those that did well:
/// fewer than the stage's batch.
///
/// # Errors
/// The device failed.
pub fn sample(
    setup: &mut Setup,
    files: &Records,
    length: usize,
    stage: &StageRecipe,
    random: &mut StdRng,
) -> Result<Sampled, TrainError> {
    let count = (stage.batch / stage.trajectories).max(1);
    let tokenizer = setup.texts.tokenizer.clone();
    let spots: Vec<Spot> = (0..count).filter_map(|_| Spot::draw(files, length, &tokenizer, stage.slots, random)).collect();
    let mut starts = Vec::new();
    let mut samplers: Vec<Box<dyn Sampler>> = Vec::new();
    for spot in &spots {
        let size = stage.blocks.get(random.random_range(0..stage.blocks.len().max(1))).copied().unwrap_or(0);
        let blocks = match size {
            0 => Blocks::Whole,
            size => Blocks::Every { size, from: spot.before.len() },
        };
        for _ in 0..stage.trajectories {
            starts.push(spot.canvas());
            let filter = Filter { temperature: 1.0, ..Filter::default() };
            let rule = Box::new(AtLeast::new(DEFAULT_THRESHOLD));
            samplers.push(Box::new(Blockwise::new(rule, blocks.clone()).filtered(filter, random.random())));
        }
    }
    let mut canvases: Vec<Canvas> = starts.clone();
    run(setup, &mut canvases, &mut samplers)?;
    let mask = setup.layout.mask;
    let mut examples = Vec::new();
    let trajectories: Vec<Trajectory> =
        starts.into_iter().zip(&canvases).map(|(start, canvas)| Trajectory::new(start, canvas)).collect();
    for (spot, (canvases, trajectories)) in
        spots.iter().zip(canvases.chunks(stage.trajectories).zip(trajectories.chunks(stage.trajectories)))
    {
        let holds = |canvas: &Canvas| {
            let tokens = canvas.span_tokens(0);
            tokens == spot.truth || spot.parses(&tokenizer, &tokens)
        };
        let rewards: Vec<f64> = canvases
            .iter()
            .zip(trajectories)
            .map(|(canvas, trajectory)| if holds(canvas) { speed(trajectory, mask) } else { 0.0 })
            .collect();
        for (trajectory, weight) in trajectories.iter().zip(weights(&rewards)) {
            if weight > 0.0 {
                let step = random.random_range(0..trajectory.steps().max(1));
                examples.extend(state_example(trajectory, step, mask, weight as f32));
            }
        }
    }
    let calls = canvases.iter().map(|canvas| f64::from(canvas.step())).sum::<f64>() / canvases.len().max(1) as f64;
    Ok(Sampled { examples, calls })
}

/// The mean edit distance between consecutive states, as a share of the slots: 1 when one step fills the span.
fn speed(trajectory: &Trajectory, mask: TokenId) -> f64 {
    let slots = trajectory.start.slots().len().max(1);
    let states: Vec<Vec<TokenId>> =
        (0..=trajectory.steps()).filter_map(|step| trajectory.at(step)).map(|canvas| sequence(&canvas, mask)).collect();
    let steps = states.len().saturating_sub(1).max(1);
    let moved: usize = states.windows(2).map(|pair| distance(&pair[0], &pair[1])).sum();
    moved as f64 / (steps * slots) as f64
}

/// The positive advantages over the mean, in units of the deviation.
fn weights(rewards: &[f64]) -> Vec<f64> {
    let count = rewards.len().max(1) as f64;
    let mean = rewards.iter().sum::<f64>() / count;
    let deviation = (rewards.iter().map(|reward| (reward - mean).powi(2)).sum::<f64>() / count).sqrt();
    if deviation < 1e-9 {
        return vec![0.0; rewards.len()];
    }
    rewards.iter().map(|reward| ((reward - mean) / deviation).clamp(0.0, LARGEST_WEIGHT)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::canvas::Op;
    use crate::diffusion::canvas::Slot;

    const MASK: TokenId = 99;

    fn trajectory(steps: &[&[usize]]) -> Trajectory {
        let start = Canvas::new(vec![1], vec![Slot::masked(0); 4], vec![2]);
        let mut canvas = start.clone();
        for slots in steps {
            canvas.begin_step();
            for &slot in *slots {
                canvas.apply(Op::Commit { slot, token: 10 + slot as TokenId, confidence: 0.5 });
            }
        }
        Trajectory::new(start, &canvas)
    }

    #[test]
    fn fewer_steps_are_faster() {
        let one = speed(&trajectory(&[&[0, 1, 2, 3]]), MASK);
        let two = speed(&trajectory(&[&[0, 3], &[1, 2]]), MASK);
        let four = speed(&trajectory(&[&[0], &[1], &[2], &[3]]), MASK);
        assert_eq!((one, two, four), (1.0, 0.5, 0.25));
    }

    #[test]
    fn only_what_did_better_than_its_like_is_learned_from() {
        assert_eq!(weights(&[0.5, 0.5, 0.5]), [0.0; 3]);
        let found = weights(&[1.0, 0.0, 0.0, 0.0]);
        assert!(found[0] > 1.0 && found[1..].iter().all(|&weight| weight == 0.0));
        assert!(weights(&[]).is_empty());
    }

    #[test]
    fn a_state_asks_for_what_its_trajectory_ended_with() {
        let trajectory = trajectory(&[&[2], &[0, 1, 3]]);
        let example = state_example(&trajectory, 1, MASK, 2.0).unwrap();
        assert_eq!(example.tokens, [1, MASK, MASK, 12, MASK, 2]);
        assert_eq!(example.targets, [None, Some(10), Some(11), None, Some(13), None]);
        assert_eq!(example.weights, [0.0, 2.0, 2.0, 0.0, 2.0, 0.0]);
        assert!(state_example(&trajectory, 2, MASK, 1.0).is_none());
    }
}
