//! Where the examples of a stage come from. All that is random comes from the recipe's seed and the number of the step.

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::model::spec::Attention;
use crate::train::batch::Batch;
use crate::train::corpus::open::Records;
use crate::train::corrupt::mask::Masking;
use crate::train::corrupt::mixed::Mixed;
use crate::train::corrupt::sources::Edits;
use crate::train::corrupt::sources::Infills;
use crate::train::corrupt::sources::Refactorings;
use crate::train::corrupt::tasks::Frame;
use crate::train::corrupt::tasks::Tasks;
use crate::train::corrupt::weighting::Weighting;
use crate::train::corrupt::windows::Corruption;
use crate::train::corrupt::windows::Windows;
use crate::train::error::TrainError;
use crate::train::example::Example;
use crate::train::example::Source;
use crate::train::order;
use crate::train::recipe::Recipe;
use crate::train::recipe::stage::StageKind;
use crate::train::recipe::stage::StageRecipe;
use crate::train::setup::Setup;
use crate::train::texts::Part;

/// Examples that are measured on.
const MEASURED: usize = 64;
/// Share of the slots of a held-out canvas that are masked.
const MEASURED_RATIO: f64 = 0.5;
/// Share of masked windows in which tokens anywhere are masked; in the others spans of syntax are, as an edit has them.
const ANYWHERE: f64 = 0.5;

/// The random numbers of one example: whatever ran before.
pub(super) fn random(seed: u64, step: usize, example: usize) -> StdRng {
    // The seed of `StdRng` is spread by its own mixing; the parts must only not meet.
    StdRng::seed_from_u64(seed ^ (step as u64) << 24 ^ (example as u64) << 1 ^ 1)
}

/// Where the examples of a stage come from.
pub(super) enum Feed {
    /// One by one.
    Single(Box<dyn Source>),
    /// Several corruptions of one context.
    Canvas(Frame, Mixed<dyn Tasks>),
}

impl Feed {
    /// The feed of the stage that `step` lies in. Before the first step of `order` its trajectories are sampled into `folder`.
    pub(super) fn new(
        recipe: &Recipe,
        stage: &StageRecipe,
        step: usize,
        setup: &mut Setup,
        folder: &Path,
    ) -> Result<Self, TrainError> {
        let files = setup.texts.learned.files.clone();
        let length = recipe.data.length;
        Ok(match (stage.kind, setup.layout.attention) {
            (_, Attention::Canvas) => {
                let frame = setup.frame(None);
                let tasks = tasks(recipe, &frame, &setup.texts.learned)?;
                Self::Canvas(frame, tasks)
            }
            (_, Attention::Causal) => Self::Single(Box::new(windows(setup, &files, length, Corruption::None))),
            (StageKind::Edit, _) => {
                let edits = Corruption::Edits { alpha: stage.alpha, kept_weight: stage.kept_weight };
                let edited: Box<dyn Source> = Box::new(windows(setup, &files, length, edits));
                let masked: Box<dyn Source> = Box::new(masked(setup, &files, length, stage.masking));
                Self::Single(Box::new(Mixed::new(vec![(stage.share, edited), (1.0 - stage.share, masked)])))
            }
            (StageKind::Order, _) => {
                let path = folder.join(order::FILE);
                let begins = recipe.stage_at(step).is_some_and(|(_, inside)| inside == 0);
                if begins || !path.exists() {
                    order::sample(setup, &files, length, stage, &mut random(recipe.seed, step, 0), &path)?;
                }
                let states: Box<dyn Source> = Box::new(order::States::read(&path, setup.layout.mask)?);
                let masked: Box<dyn Source> = Box::new(masked(setup, &files, length, stage.masking));
                Self::Single(Box::new(Mixed::new(vec![(stage.share, states), (1.0 - stage.share, masked)])))
            }
            (StageKind::Mask | StageKind::Policy, _) => Self::Single(Box::new(masked(setup, &files, length, stage.masking))),
        })
    }

    /// `count` examples of a step, behind the first `behind` of them; with canvases, `copies` of each context. `None` when nothing
    /// can be made of the texts.
    pub(super) fn examples(&mut self, recipe: &Recipe, step: usize, (behind, count): (usize, usize)) -> Option<Vec<Example>> {
        let random = |example| random(recipe.seed, step, behind + example);
        match self {
            Self::Single(source) => (0..count).map(|example| source.next(&mut random(example))).collect(),
            Self::Canvas(frame, tasks) => {
                let copies = recipe.data.copies;
                let groups = (0..count.div_ceil(copies)).map(|group| frame.group(tasks, copies, &mut random(group)));
                Some(groups.collect::<Option<Vec<_>>>()?.concat())
            }
        }
    }
}

/// The same masked held-out texts for every run of a recipe.
pub(super) fn held_out(recipe: &Recipe, setup: &Setup) -> Result<Vec<Batch>, TrainError> {
    let (texts, length) = (&setup.texts.held_out, recipe.data.length);
    let (mut feed, at_once) = match setup.layout.attention {
        Attention::Canvas => {
            let frame = setup.frame(Some(MEASURED_RATIO));
            let tasks = tasks(recipe, &frame, texts)?;
            (Feed::Canvas(frame, tasks), MEASURED / 8)
        }
        Attention::Causal => (Feed::Single(Box::new(windows(setup, &texts.files, length, Corruption::None))), MEASURED / 4),
        _ => {
            let masking = Masking { weighting: Weighting::Uniform, ..Masking::default() };
            (Feed::Single(Box::new(masked(setup, &texts.files, length, masking))), MEASURED / 4)
        }
    };
    let mut examples = Vec::new();
    for index in 0..MEASURED {
        let random = &mut random(0, 0, index);
        match &mut feed {
            Feed::Single(source) => examples.extend(source.next(random)),
            Feed::Canvas(frame, tasks) => examples.extend(frame.group(tasks, 1, random).into_iter().flatten()),
        }
    }
    examples.chunks(at_once).map(|part| Batch::new(part, &setup.layout)).collect()
}

/// Masked windows of files: tokens anywhere, or inside of spans of syntax.
fn masked(setup: &Setup, files: &Records, length: usize, masking: Masking) -> Mixed<dyn Source> {
    let source = |corruption| Box::new(windows(setup, files, length, corruption)) as Box<dyn Source>;
    let (anywhere, spans) = (source(Corruption::Tokens(masking)), source(Corruption::Spans(masking)));
    Mixed::new(vec![(ANYWHERE, anywhere), (1.0 - ANYWHERE, spans)])
}

fn windows(setup: &Setup, files: &Records, length: usize, corruption: Corruption) -> Windows {
    let (mask, shift) = (setup.layout.mask, setup.layout.shift);
    Windows { records: files.clone(), tokenizer: setup.texts.tokenizer.clone(), length, corruption, mask, shift }
}

/// What a canvas adapter learns of a part of the texts.
fn tasks(recipe: &Recipe, frame: &Frame, part: &Part) -> Result<Mixed<dyn Tasks>, TrainError> {
    let shares = recipe.data.shares;
    let (files, edits) = (part.files.clone(), part.edits.clone());
    let refactorings = Refactorings::new(frame.clone(), files.clone()).map_err(|error| TrainError::Data(error.to_string()))?;
    Ok(Mixed::new(vec![
        (shares.infill, Box::new(Infills { frame: frame.clone(), records: files }) as Box<dyn Tasks>),
        (shares.edit, Box::new(Edits { frame: frame.clone(), records: edits })),
        (shares.refactor, Box::new(refactorings)),
    ]))
}
