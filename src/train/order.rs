//! Constrained order (Seed Diffusion's third idea): trajectories of the trained model are sampled, the best by their likelihood among
//! those whose text parses are kept, and the model learns from the states on them, so from good orders instead of all.

use std::path::Path;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde::Serialize;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::filter::Filter;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::samplers::blockwise::Blocks;
use crate::diffusion::samplers::blockwise::Blockwise;
use crate::diffusion::samplers::confidence::Confidence;
use crate::diffusion::samplers::origin::Origin;
use crate::diffusion::samplers::quota::Quota;
use crate::diffusion::samplers::rule::Rule;
use crate::diffusion::samplers::schedule::DREAM_EPS;
use crate::diffusion::samplers::schedule::Schedule;
use crate::diffusion::trajectory::Trajectory;
use crate::model::spec::TokenId;
use crate::train::checkpoint::write_file;
use crate::train::corpus::open::Records;
use crate::train::error::TrainError;
use crate::train::example::Example;
use crate::train::example::Source;
use crate::train::recipe::stage::StageRecipe;
use crate::train::sampling::Spot;
use crate::train::sampling::run;
use crate::train::sampling::score;
use crate::train::sampling::state_example;
use crate::train::setup::Setup;

/// Where the kept trajectories of a run lie.
pub const FILE: &str = "trajectories.jsonl";
/// Spans that are denoised at once.
const AT_ONCE: usize = 16;

/// A kept trajectory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Mean log-probability of its commits.
    pub score: f64,
    /// The same of the other trajectories of its span, best first.
    pub others: Vec<f64>,
    /// The trajectory.
    pub trajectory: Trajectory,
}

/// Samples `trajectories` trajectories for each of `spans` spans in windows of `length` tokens, half of them in random order and half by confidence, one token a
/// step, and writes the best of each span whose text parses.
///
/// # Errors
/// The device failed, no trajectory parses, or the file could not be written.
pub fn sample(
    setup: &mut Setup,
    files: &Records,
    length: usize,
    stage: &StageRecipe,
    random: &mut StdRng,
    path: &Path,
) -> Result<usize, TrainError> {
    let mut lines = String::new();
    let (mut kept, mut left) = (0, stage.spans);
    while left > 0 {
        let count = left.min(AT_ONCE);
        left -= count;
        let tokenizer = setup.texts.tokenizer.clone();
        let spots: Vec<Spot> = (0..count).filter_map(|_| Spot::draw(files, length, &tokenizer, stage.slots, random)).collect();
        let starts: Vec<Canvas> = spots.iter().flat_map(|spot| std::iter::repeat_n(spot.canvas(), stage.trajectories)).collect();
        let mut canvases = starts.clone();
        let mut samplers: Vec<Box<dyn Sampler>> = (0..canvases.len()).map(|index| sampler(index, stage.slots, random)).collect();
        run(setup, &mut canvases, &mut samplers)?;
        for (spot, (canvases, starts)) in
            spots.iter().zip(canvases.chunks(stage.trajectories).zip(starts.chunks(stage.trajectories)))
        {
            let mut best: Vec<(f64, usize)> = canvases.iter().map(score).zip(0..).collect();
            best.sort_by(|a, b| b.0.total_cmp(&a.0));
            let parses = |index: usize| spot.parses(&tokenizer, &canvases[index].span_tokens(0));
            let Some(&(score, index)) = best.iter().find(|(_, index)| parses(*index)) else { continue };
            let others = best.iter().filter(|(_, other)| *other != index).map(|(score, _)| *score).collect();
            let trajectory = Trajectory::new(starts[index].clone(), &canvases[index]);
            let line = serde_json::to_string(&Kept { score, others, trajectory });
            lines.push_str(&line.map_err(|error| TrainError::Data(error.to_string()))?);
            lines.push('\n');
            kept += 1;
        }
    }
    if kept == 0 {
        return Err(TrainError::Data("no sampled trajectory gives text that parses; train longer before `order`".to_owned()));
    }
    write_file(path, lines.as_bytes())?;
    Ok(kept)
}

/// Drawn at temperature 1, so that the confidences are the model's probabilities.
fn sampler(index: usize, slots: usize, random: &mut StdRng) -> Box<dyn Sampler> {
    let seed = random.random();
    let rule: Box<dyn Rule> = if index.is_multiple_of(2) {
        Box::new(Quota::new(Confidence::Probability, Schedule::Even, slots))
    } else {
        Box::new(Origin::seeded(slots, DREAM_EPS, seed))
    };
    Box::new(Blockwise::new(rule, Blocks::Whole).filtered(Filter { temperature: 1.0, ..Filter::default() }, seed))
}

/// States on kept trajectories.
#[derive(Debug)]
pub struct States {
    kept: Vec<Kept>,
    mask: TokenId,
}

impl States {
    /// Reads kept trajectories.
    ///
    /// # Errors
    /// The file cannot be read, is damaged or empty.
    pub fn read(path: &Path, mask: TokenId) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let line = |(number, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|error| TrainError::Data(format!("{}:{}: {error}", path.display(), number + 1)))
        };
        let kept = text.lines().enumerate().map(line).collect::<Result<Vec<Kept>, _>>()?;
        if kept.is_empty() {
            return Err(TrainError::Data(format!("{} is empty", path.display())));
        }
        Ok(Self { kept, mask })
    }
}

impl Source for States {
    fn next(&mut self, random: &mut StdRng) -> Option<Example> {
        let trajectory = &self.kept[random.random_range(0..self.kept.len())].trajectory;
        let step = random.random_range(0..trajectory.steps().max(1));
        state_example(trajectory, step, self.mask, 1.0)
    }
}
