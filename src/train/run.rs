//! The loop: examples, gradients, updates, checkpoints, stage by stage.
//!
//! All that is random comes from the recipe's seed and the number of the step, and results of a device are the same each time. So a
//! run that was killed goes on from its last checkpoint as if it had never stopped, bit for bit.

use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

use crate::model::device::OpenDevice;
use crate::model::spec::Attention;
use crate::model::spec::TokenId;
use crate::train::batch::Batch;
use crate::train::checkpoint;
use crate::train::checkpoint::Checkpoint;
use crate::train::checkpoint::write_file;
use crate::train::corpus::build::Progress;
use crate::train::error::TrainError;
use crate::train::example::Example;
use crate::train::export;
use crate::train::export::Manifest;
use crate::train::feed;
use crate::train::feed::Feed;
use crate::train::gradient::Measured;
use crate::train::gradient::learn;
use crate::train::gradient::measure;
use crate::train::metrics::HeldOut;
use crate::train::metrics::Line;
use crate::train::metrics::Metrics;
use crate::train::model::TrainModel;
use crate::train::optimiser::Average;
use crate::train::optimiser::Optimiser;
use crate::train::parameters::read;
use crate::train::parameters::tensor;
use crate::train::policy;
use crate::train::recipe::Recipe;
use crate::train::recipe::stage::StageKind;
use crate::train::recipe::stage::StageRecipe;
use crate::train::setup::Place;
use crate::train::setup::Setup;
use crate::train::setup::prepare;

/// Steps whose mean loss tells how a stage ended.
const RECENT: usize = 20;
/// Steps in a row that may be left out because their loss is no number.
const SKIPPED: usize = 10;

/// How a recipe is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the run.
    pub out: PathBuf,
    /// Steps after which it is cut short.
    pub max_steps: Option<usize>,
    /// Go on from the checkpoint in the folder.
    pub resume: bool,
}

/// What happens in a run.
#[derive(Clone, Copy, Debug)]
pub enum Event<'l> {
    /// How far its corpus is.
    Corpus(Progress),
    /// All is prepared; the first step comes.
    Begins,
    /// A step was done, of so many.
    Step(&'l Line, usize),
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// What it was.
    pub manifest: Manifest,
    /// Where the result lies.
    pub result: PathBuf,
}

/// Runs a recipe. `report` is told what happens.
///
/// # Errors
/// The folder is in use, texts or a base are missing, the loss is no number any more, or it ends above what the recipe promises.
pub fn run(
    recipe: &Recipe,
    device: &OpenDevice,
    options: &Options,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, TrainError> {
    let folder = &options.out;
    let path = Checkpoint::path(folder);
    let checkpoint = match (options.resume, path.exists()) {
        (true, true) => Some(Checkpoint::read(&path)?),
        // Killed before the first checkpoint: it begins again.
        (true, false) => None,
        (false, true) => {
            let reason = "a run is there already; go on with it by --resume, or name another folder with --out".to_owned();
            return Err(TrainError::Checkpoint { path, reason });
        }
        (false, false) => None,
    };
    if let Some(checkpoint) = checkpoint.as_ref().filter(|checkpoint| checkpoint.progress.recipe != recipe.hash) {
        let step = checkpoint.progress.step;
        let reason = format!("made by another recipe, or this one was changed after step {step}; begin anew with another --out");
        return Err(TrainError::Checkpoint { path, reason });
    }
    std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let mut progress = |progress| report(Event::Corpus(progress));
    let place = &mut Place { folder, goes_on: checkpoint.is_some(), device, progress: &mut progress };
    let setup = prepare(recipe, place)?;
    let mut run = Run::new(recipe, setup, folder, checkpoint)?;
    report(Event::Begins);
    let last = options.max_steps.unwrap_or(usize::MAX).min(recipe.steps());
    run.go_on(last, report)?;
    run.finish(device)
}

struct Run<'a> {
    recipe: &'a Recipe,
    setup: Setup,
    folder: &'a Path,
    held_out: Vec<Batch>,
    feed: Option<(usize, Feed)>,
    optimiser: Optimiser,
    average: Option<Average>,
    progress: checkpoint::Progress,
    metrics: Metrics,
}

impl<'a> Run<'a> {
    fn new(recipe: &'a Recipe, mut setup: Setup, folder: &'a Path, checkpoint: Option<Checkpoint>) -> Result<Self, TrainError> {
        let held_out = feed::held_out(recipe, &setup)?;
        let mut optimiser = Optimiser::new(recipe.optimiser());
        let texts = setup.texts.hash.clone();
        let progress = match &checkpoint {
            Some(checkpoint) if checkpoint.progress.texts != texts => {
                let reason = "the texts that the recipe names have changed since; begin anew with another --out".to_owned();
                return Err(TrainError::Checkpoint { path: Checkpoint::path(folder), reason });
            }
            Some(checkpoint) => {
                restore(&mut setup.model, checkpoint, &Checkpoint::path(folder))?;
                let find = |name: &str| checkpoint.find(&format!("optimiser.{name}")).map(<[f32]>::to_vec);
                optimiser.restore(setup.model.parameters(), find);
                checkpoint.progress.clone()
            }
            None => checkpoint::Progress { recipe: recipe.hash.clone(), texts, ..checkpoint::Progress::default() },
        };
        let average = recipe.average.map(|decay| {
            let mut average = Average::new(decay, setup.model.parameters());
            if let Some(checkpoint) = &checkpoint {
                let find = |name: &str| checkpoint.find(&format!("average.{name}")).map(<[f32]>::to_vec);
                average.restore(setup.model.parameters(), find);
            }
            average
        });
        let metrics = Metrics::open(folder, progress.step)?;
        Ok(Self { recipe, setup, folder, held_out, feed: None, optimiser, average, progress, metrics })
    }

    /// Steps up to `last`.
    fn go_on(&mut self, last: usize, report: &mut dyn FnMut(Event<'_>)) -> Result<(), TrainError> {
        if self.progress.step == 0 {
            self.progress.before = self.measure()?;
        }
        while self.progress.step < last {
            let step = self.progress.step;
            let Some((index, inside)) = self.recipe.stage_at(step) else { break };
            let stage = &self.recipe.stages[index];
            if inside == 0 {
                self.progress.recent.clear();
            }
            let mut line = self.step(index, stage, step)?;
            self.progress.step += 1;
            let ended = inside + 1 == stage.steps;
            if ended {
                line.held_out = self.measure()?;
                let after = line.held_out.map(|held_out| (stage.kind.name().to_owned(), held_out));
                self.progress.after.extend(after);
            }
            self.metrics.write(&line)?;
            report(Event::Step(&line, last));
            let step = self.progress.step;
            if ended || step == last || step.is_multiple_of(self.recipe.checkpoint_every) {
                self.checkpoint()?;
            }
            if ended && let Some(below) = stage.below {
                let recent = self.progress.recent.iter().map(|&bits| f64::from_bits(bits));
                let loss = recent.sum::<f64>() / self.progress.recent.len().max(1) as f64;
                // Not the other way round: a NaN must fail.
                let reached = loss < below;
                if !reached {
                    return Err(TrainError::Above { stage: stage.kind.name().to_owned(), loss, below });
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, index: usize, stage: &StageRecipe, step: usize) -> Result<Line, TrainError> {
        let started = Instant::now();
        let rate = self.recipe.schedule().at(step) * stage.rate;
        self.lead_to_full_attention(step);
        let (examples, calls) = self.examples(index, stage, step)?;
        let copies = self.copies();
        let size = examples.len().div_ceil(stage.passes).next_multiple_of(copies);
        let batches = examples.chunks(size.max(1)).map(|part| Batch::new(part, &self.setup.layout));
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        let learned = learn(&mut self.setup.model, &batches, stage.loss)?;
        let mut norm = f64::NAN;
        if learned.loss.is_finite() {
            norm = self.optimiser.step(self.setup.model.parameters_mut(), learned.gradients, rate)?;
        }
        if norm.is_finite() {
            self.progress.skipping_since = None;
            if let Some(average) = &mut self.average {
                average.update(self.setup.model.parameters());
            }
        } else {
            self.progress.skipped += 1;
            let since = *self.progress.skipping_since.get_or_insert(step + 1);
            if step + 1 - since >= SKIPPED {
                return Err(TrainError::Diverged { step: since });
            }
        }
        self.progress.recent.push(learned.loss.to_bits());
        if self.progress.recent.len() > RECENT {
            self.progress.recent.remove(0);
        }
        let finite = |value: f64| value.is_finite().then_some(value);
        Ok(Line {
            stage: stage.kind.name().to_owned(),
            step: step + 1,
            loss: finite(learned.loss),
            tokens_per_second: elements(&examples) as f64 / started.elapsed().as_secs_f64().max(1e-9),
            cross_entropy: finite(learned.measured.mean()),
            accuracy: learned.measured.accuracy(),
            norm: finite(norm),
            rate,
            held_out: None,
            calls,
        })
    }

    /// Lets an adapted causal model see more of what lies ahead.
    fn lead_to_full_attention(&mut self, step: usize) {
        let annealing = self.recipe.model.base.as_ref().map_or(0, |base| base.annealing);
        self.setup.layout.look_ahead = (step < annealing).then(|| step as f32 / annealing as f32);
    }

    /// Corruptions of a context that must stay in one pass.
    fn copies(&self) -> usize {
        if self.setup.layout.attention == Attention::Canvas { self.recipe.data.copies } else { 1 }
    }

    /// The examples of a step, and the denoiser calls for a span where they were sampled.
    fn examples(&mut self, index: usize, stage: &StageRecipe, step: usize) -> Result<(Vec<Example>, Option<f64>), TrainError> {
        if self.feed.as_ref().is_none_or(|(known, _)| *known != index) {
            self.feed = Some((index, Feed::new(self.recipe, stage, step, &mut self.setup, self.folder)?));
        }
        let (mut examples, mut calls) = (Vec::new(), None);
        if stage.kind == StageKind::Policy {
            let files = self.setup.texts.learned.files.clone();
            let random = &mut feed::random(self.recipe.seed, step, 0);
            let sampled = policy::sample(&mut self.setup, &files, self.recipe.data.length, stage, random)?;
            (examples, calls) = (sampled.examples, Some(sampled.calls));
        }
        // Where all are sampled there may be too few; 0 is the number of the sampling's own random numbers.
        let behind = usize::from(stage.kind == StageKind::Policy) + examples.len();
        let missing = stage.batch.saturating_sub(examples.len());
        let more = self.feed.as_mut().and_then(|(_, feed)| feed.examples(self.recipe, step, (behind, missing)));
        examples.extend(more.ok_or_else(|| TrainError::Data("no example could be made of the texts".to_owned()))?);
        Ok((examples, calls))
    }

    /// How well held-out text is predicted; `None` when nothing is held out.
    fn measure(&mut self) -> Result<Option<HeldOut>, TrainError> {
        let mut sum = Measured::default();
        for batch in &self.held_out {
            let measured = measure(&mut self.setup.model, batch)?;
            sum.targets += measured.targets;
            sum.sum += measured.sum;
            sum.right += measured.right;
        }
        Ok((sum.targets > 0).then(|| HeldOut { loss: sum.mean(), accuracy: sum.accuracy() }))
    }

    fn checkpoint(&self) -> Result<(), TrainError> {
        let mut tensors = Vec::new();
        for parameter in self.setup.model.parameters().iter().filter(|parameter| parameter.trained) {
            tensors.push((format!("model.{}", parameter.name), parameter.shape.clone(), parameter.to_vec()?));
        }
        let saved = self.optimiser.save(self.setup.model.parameters())?;
        tensors.extend(saved.into_iter().map(|(name, shape, values)| (format!("optimiser.{name}"), shape, values)));
        if let Some(average) = &self.average {
            for (parameter, value) in self.setup.model.parameters().iter().zip(average.values()) {
                if let Some(value) = value {
                    tensors.push((format!("average.{}", parameter.name), parameter.shape.clone(), read(value.clone())?));
                }
            }
        }
        Checkpoint { progress: self.progress.clone(), tensors }.write(&Checkpoint::path(self.folder))
    }

    fn finish(self, device: &OpenDevice) -> Result<Outcome, TrainError> {
        let texts = &self.setup.texts;
        let manifest = Manifest {
            name: self.recipe.name.clone(),
            dcode: env!("CARGO_PKG_VERSION").to_owned(),
            recipe: self.recipe.hash.clone(),
            seed: self.recipe.seed,
            device: device.name.clone(),
            begun_with: self.setup.begun_with.clone(),
            parameters: self.setup.model.parameters().counts(),
            files: texts.learned.files.len(),
            tokens: texts.learned.files.tokens(),
            edits: texts.learned.edits.len(),
            held_out_files: texts.held_out.files.len(),
            stages: self.recipe.stages.iter().map(|stage| (stage.kind.name().to_owned(), stage.steps)).collect(),
            steps: self.progress.step,
            skipped: self.progress.skipped,
            before: self.progress.before,
            after: self.progress.after.clone(),
        };
        let text = serde_json::to_string_pretty(&manifest).unwrap_or_default() + "\n";
        write_file(&self.folder.join("manifest.json"), text.as_bytes())?;
        let result = self.folder.join("result");
        let (model, average) = (&self.setup.model, self.average.as_ref());
        match &self.setup.config {
            Some(config) => export::folder(model, average, config, &self.setup.tokenizer_json, &manifest, &result)?,
            None => export::adapter(model, average, &manifest, &result)?,
        }
        Ok(Outcome { manifest, result })
    }
}

/// Puts the parameters of a checkpoint into the model.
fn restore(model: &mut TrainModel, checkpoint: &Checkpoint, path: &Path) -> Result<(), TrainError> {
    let device = model.device().clone().inner();
    for parameter in model.parameters_mut().iter_mut().filter(|parameter| parameter.trained) {
        let values = checkpoint.find(&format!("model.{}", parameter.name)).filter(|values| values.len() == parameter.len());
        let Some(values) = values else {
            let reason = format!("{} is missing or has another size", parameter.name);
            return Err(TrainError::Checkpoint { path: path.to_owned(), reason });
        };
        let shape = parameter.plain().dims();
        parameter.set(tensor(values.to_vec(), shape, &device));
    }
    Ok(())
}

/// Elements that are learned from; a context counts once for the examples that share it.
fn elements(examples: &[Example]) -> usize {
    let mut last: &[TokenId] = &[];
    let mut sum = 0;
    for example in examples {
        let context = &example.tokens[..example.context];
        sum += example.len() - if context == last { context.len() } else { 0 };
        last = context;
    }
    sum
}
