//! Whole runs of small recipes: what goes on after a kill, what a result is good for, and what is refused.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use dcode::diffusion::canvas::Canvas;
use dcode::diffusion::canvas::Slot;
use dcode::diffusion::denoiser::Ask;
use dcode::diffusion::denoiser::Denoiser;
use dcode::model::device;
use dcode::model::device::DeviceChoice;
use dcode::model::load::load;
use dcode::model::locate::locate;
use dcode::model::spec::Attention;
use dcode::model::spec::Shift;
use dcode::train::batch::Batch;
use dcode::train::batch::Layout;
use dcode::train::example::Example;
use dcode::train::gradient::target_logits;
use dcode::train::metrics;
use dcode::train::metrics::Line;
use dcode::train::model::TrainModel;
use dcode::train::parameters::read;
use tempfile::TempDir;

use crate::common::relative_error;

/// A folder with source files, recipes and runs.
pub struct Place {
    folder: TempDir,
}

const NEW: &str = r#"
name = "tiny"
seed = 3
average = 0.9
checkpoint_every = 4
[model.new]
family = "FAMILY"
vocabulary = 300
hidden = 32
layers = 2
heads = 4
kv_heads = 2
intermediate = 48
context = 128
[data]
folders = ["src"]
languages = ["rust"]
any_licence = true
length = 48
held_out = 0.3
[optimiser]
rule = "muon"
rate = 2e-3
warmup = 2
schedule = { cosine = { floor = 0.1 } }
"#;

const MORE: &str = "/// Adds.\nfn more(one: u32, other: u32) -> u32 {\n    let sum = one + other;\n    sum\n}\n";
pub const MASK: &str = "[[stage]]\nkind = \"mask\"\nsteps = 12\nbatch = 4\npasses = 2\n";
const EDIT: &str = "[[stage]]\nkind = \"edit\"\nsteps = 6\nbatch = 4\n";

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("src");
        std::fs::create_dir(&source).unwrap();
        for module in ["train", "diffusion", "text"] {
            for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    std::fs::copy(&path, source.join(format!("{module}-{}", path.file_name().unwrap().to_string_lossy())))
                        .unwrap();
                }
            }
        }
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn recipe(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcode"));
        command.current_dir(self.folder.path()).env("DCODE_HOME", self.path("home")).arg("train").args(arguments);
        command.env_remove("DCODE_MODEL").env("DCODE_DEVICE", "cpu");
        command
    }

    fn train(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs to the end and gives the folder of the result.
    pub fn trained(&self, arguments: &[&str]) -> PathBuf {
        let output = self.train(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        self.path(String::from_utf8(output.stdout).unwrap().trim_end())
    }

    fn refused(&self, arguments: &[&str], exit: i32, says: &str) {
        let output = self.train(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().filter(|line| line.starts_with("dcode: ")).count(), 1, "{stderr}");
    }

    fn lines(&self, run: &str) -> Vec<Line> {
        metrics::read(&self.path(run).join("metrics.jsonl")).unwrap()
    }
}

pub fn of_family(family: &str) -> String {
    NEW.replace("FAMILY", family)
}

/// Without what depends on the clock.
fn timeless(lines: Vec<Line>) -> Vec<Line> {
    lines.into_iter().map(|line| Line { tokens_per_second: 0.0, ..line }).collect()
}

#[test]
fn a_killed_run_goes_on_bit_for_bit() {
    let place = Place::new();
    place.recipe("r.toml", &(of_family("llada") + MASK + EDIT));
    let whole = place.trained(&["--recipe", "r.toml", "--out", "whole"]);
    // Killed in the first stage between two checkpoints, and once more in the second one.
    for (resume, line) in [(false, 6), (true, 15)] {
        let mut command = place.command(&["--recipe", "r.toml", "--out", "killed"]);
        command.args(resume.then_some("--resume")).stderr(Stdio::null()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (started, path) = (Instant::now(), place.path("killed/metrics.jsonl"));
        let written = || std::fs::read_to_string(&path).map_or(0, |text| text.lines().count());
        while written() < line && child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(120), "the run stands still");
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!place.path("killed/result").exists(), "it was killed before its end");
    }
    let resumed = place.trained(&["--recipe", "r.toml", "--out", "killed", "--resume"]);
    for name in ["model.safetensors", "config.json", "tokenizer.json"] {
        assert!(std::fs::read(whole.join(name)).unwrap() == std::fs::read(resumed.join(name)).unwrap(), "{name} differs");
    }
    let (one, other) = (place.lines("whole"), place.lines("killed"));
    assert_eq!(one.len(), 18);
    assert_eq!(timeless(one), timeless(other));
    // Another seed is another run.
    place.recipe("s.toml", &(of_family("llada").replace("seed = 3", "seed = 4") + MASK + EDIT));
    let other = place.trained(&["--recipe", "s.toml", "--out", "other"]);
    assert!(std::fs::read(whole.join("model.safetensors")).unwrap() != std::fs::read(other.join("model.safetensors")).unwrap());
}

#[test]
fn a_run_that_is_cut_short_says_so_and_goes_on() {
    let place = Place::new();
    place.recipe("r.toml", &(of_family("llada") + MASK + "below = 0.5\n"));
    // Cut short, nothing is promised.
    let result = place.trained(&["--recipe", "r.toml", "--out", "run", "--max-steps", "3"]);
    assert!(std::fs::read_to_string(result.join("README.md")).unwrap().contains("cut short after 3 of 12 steps"));
    assert_eq!(place.lines("run").iter().map(|line| (line.stage.as_str(), line.step)).next_back(), Some(("mask", 3)));
    place.refused(&["--recipe", "r.toml", "--out", "run"], 4, "a run is there already");
    place.recipe("other.toml", &(of_family("llada").replace("rate = 2e-3", "rate = 1e-3") + MASK));
    place.refused(&["--recipe", "other.toml", "--out", "run", "--resume"], 4, "made by another recipe");
    // The run keeps its corpus: what happens to the sources meanwhile does not matter, what happens to the corpus does.
    place.recipe("src/more.rs", MORE);
    let shard = std::fs::read_dir(place.path("run/corpus")).unwrap().map(|entry| entry.unwrap().path());
    let shard = shard.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "shard")).unwrap();
    let whole = std::fs::read(&shard).unwrap();
    std::fs::write(&shard, &whole[..whole.len() - 1]).unwrap();
    place.refused(&["--recipe", "r.toml", "--out", "run", "--resume"], 5, "by its header");
    std::fs::write(&shard, whole).unwrap();
    std::fs::rename(place.path("run/corpus"), place.path("kept")).unwrap();
    place.refused(&["--recipe", "r.toml", "--out", "run", "--resume"], 4, "the texts that the recipe names have changed");
    std::fs::remove_dir_all(place.path("run/corpus")).unwrap();
    std::fs::rename(place.path("kept"), place.path("run/corpus")).unwrap();
    place.refused(&["--recipe", "r.toml", "--out", "run", "--resume"], 6, "above the recipe's 0.5");
    let lines = place.lines("run");
    assert_eq!(lines.len(), 12);
    assert!(lines[11].held_out.is_some() && lines.iter().all(|line| line.tokens_per_second > 0.0));
    let checkpoint = place.path("run/checkpoint.safetensors");
    let bytes = std::fs::read(&checkpoint).unwrap();
    std::fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();
    place.refused(&["--recipe", "r.toml", "--out", "run", "--resume"], 4, "not a complete checkpoint");
    let picture = place.command(&["plot", "run"]).output().unwrap();
    assert!(picture.status.success());
    assert!(std::fs::read_to_string(place.path("run/curves.svg")).unwrap().starts_with("<svg"));
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let place = Place::new();
    place.refused(&[], 2, "--recipe FILE");
    place.refused(&["--recipe", "none.toml"], 2, "none.toml");
    place.recipe("bad.toml", &(of_family("llada").replace("rate = 2e-3", "rate = 0.0") + MASK));
    place.refused(&["--recipe", "bad.toml"], 2, "bad.toml: optimiser.rate: 0 is not above 0");
    place.recipe("bad.toml", "name = ");
    place.refused(&["--recipe", "bad.toml"], 2, "bad.toml: line 1:");
    place.recipe("bad.toml", &(of_family("llada").replace("\"src\"", "\"nowhere\"") + MASK));
    place.refused(&["--recipe", "bad.toml"], 2, "nowhere: not a folder");
    let base = "[model.base]\npath = \"nowhere\"\ntrained = \"adapter\"\n";
    let (before, behind) = NEW.split_at(NEW.find("[model.new]").unwrap());
    let behind = &behind[behind.find("[data]").unwrap()..];
    place.recipe("bad.toml", &[before, base, behind, MASK].concat());
    place.refused(&["--recipe", "bad.toml"], 5, "nowhere");
    place.refused(&["plot", "nowhere"], 2, "nowhere");
}

/// Rates far too high: the run stops by itself, with what to do.
#[test]
fn a_loss_that_is_no_number_is_guarded_against() {
    let place = Place::new();
    let wild = of_family("llada").replace("rate = 2e-3", "rate = 1e30").replace("warmup = 2", "warmup = 0");
    place.recipe("r.toml", &(wild + &MASK.replace("steps = 12", "steps = 60")));
    place.refused(&["--recipe", "r.toml", "--out", "run"], 6, "not a number since step");
    let text = std::fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    assert!(text.lines().last().unwrap().contains("\"norm\":null"), "{text}");
}

/// The result of a run is a model of the engine, with the same logits as in training.
#[test]
fn results_are_loaded_by_the_engine() {
    let place = Place::new();
    for (family, block) in [("llada", ""), ("dream", ""), ("sdar", "block = 4\n")] {
        let text =
            of_family(family).replace("context = 128\n", &format!("context = 128\n{block}")).replace("average = 0.9\n", "");
        place.recipe("r.toml", &(text + MASK));
        let result = place.trained(&["--recipe", "r.toml", "--out", family, "--max-steps", "5"]);
        let files = locate(Some(result.to_str().unwrap())).unwrap();
        let mut engine = load(&files, &device::open(DeviceChoice::Cpu).unwrap(), &mut |_| {}).unwrap();
        let spec = engine.denoiser.spec().clone();
        let mask = spec.tokens.mask;
        // A canvas of the engine, whose first block is the context.
        let (context, slots, after) = ((20..28).collect::<Vec<u32>>(), vec![Slot::masked(0); 4], (40..44).collect::<Vec<u32>>());
        let canvas = Canvas::new(context.clone(), slots, after.clone());
        let asked = [0, 1, 2, 3];
        let found = engine.denoiser.predict(&[Ask::new(&canvas, &asked, 300)]).unwrap();
        let tokens: Vec<u32> = context.into_iter().chain([mask; 4]).chain(after).collect();
        // In blocks the last one must not be seen, nor the noisy ones before: the training pass sees clean text there.
        let mut targets = vec![None; 16];
        (8..12).for_each(|element| targets[element] = Some(mask));
        let example = Example { tokens, targets, context: 0, weights: vec![1.0; 16] };
        let layout = Layout { attention: spec.attention, shift: spec.shift, mask, look_ahead: None };
        let mut trained = open(&result);
        let logits = read(target_logits(&mut trained, &Batch::new(&[example], &layout).unwrap())).unwrap();
        let vocab = trained.config().vocab;
        for (row, prediction) in logits.chunks(vocab).zip(&found[0]) {
            // The engine's rows are normalised without what must not stand in a slot; differences tell what was computed.
            let (first, base) = prediction.top[0];
            let differences: Vec<f32> = prediction.top.iter().map(|(_, log_prob)| log_prob - base).collect();
            let expected: Vec<f32> = prediction.top.iter().map(|(id, _)| row[*id as usize] - row[first as usize]).collect();
            let error = relative_error(&differences, &expected);
            assert!(error < 1e-4, "{family}: {error}");
        }
    }
}

/// The trainable model of a folder.
fn open(folder: &Path) -> TrainModel {
    let files = locate(Some(folder.to_str().unwrap())).unwrap();
    let (weights, config) = dcode::model::load::open_base(&files).unwrap();
    TrainModel::load(config, &weights, &device::open(DeviceChoice::Cpu).unwrap().device).unwrap()
}

/// An adapter on a small base: only it is trained, the engine loads it, and computes what was trained.
#[test]
fn an_adapter_is_trained_on_a_frozen_base() {
    let place = Place::new();
    place.recipe("base.toml", &(of_family("llama").replace("average = 0.9\n", "") + MASK));
    let base = place.trained(&["--recipe", "base.toml", "--out", "base", "--max-steps", "4"]);
    let recipe = format!(
        "name = \"adapter\"\n[model.base]\npath = {:?}\ntrained = \"adapter\"\nrank = 4\n[data]\nfolders = [\"src\"]\nany_licence = \
         true\ncopies = 2\nheld_out = 0.3\n[optimiser]\nrate = 1e-3\nschedule = \
         \"constant\"\n[[stage]]\nkind = \"mask\"\nsteps = 4\nbatch = 4\npasses = 2\n",
        base.display()
    );
    place.recipe("adapter.toml", &recipe);
    let result = place.trained(&["--recipe", "adapter.toml", "--out", "run"]);
    let adapter = result.join("adapter.safetensors");
    assert!(std::fs::read_to_string(result.join("README.md")).unwrap().contains("| after `mask` |"));
    let mut files = locate(Some(base.to_str().unwrap())).unwrap();
    files.adapter = Some(adapter.clone());
    let mut engine = load(&files, &device::open(DeviceChoice::Cpu).unwrap(), &mut |_| {}).unwrap();
    let mask = engine.denoiser.mask();
    let given = |slot: usize, token: u32| {
        let mut slots = vec![Slot::masked(0); 5];
        slots[slot] = Slot::original(0, token);
        slots
    };
    let context: Vec<u32> = (20..30).collect();
    let canvases = [Canvas::new(context.clone(), given(1, 50), vec![]), Canvas::new(context.clone(), given(4, 60), vec![])];
    let asked: Vec<Vec<usize>> = canvases.iter().map(Canvas::masked).collect();
    let asks: Vec<Ask<'_>> = canvases.iter().zip(&asked).map(|(canvas, slots)| Ask::new(canvas, slots, 1)).collect();
    let expected = engine.denoiser.canvas_logits(&asks).unwrap();
    let example = |canvas: &Canvas| {
        let slots = canvas.slots().iter().map(|slot| slot.token.unwrap_or(mask));
        let tokens: Vec<u32> = context.iter().copied().chain(slots).collect();
        let targets = tokens.iter().map(|&token| (token == mask).then_some(0)).collect();
        Example { weights: vec![1.0; tokens.len()], tokens, targets, context: context.len() }
    };
    let examples: Vec<Example> = canvases.iter().map(example).collect();
    let layout = Layout { attention: Attention::Canvas, shift: Shift::Right, mask, look_ahead: None };
    let batch = Batch::new(&examples, &layout).unwrap();
    let mut trained = open(&base);
    let before = read(target_logits(&mut trained, &batch)).unwrap();
    trained.load_adapter(&adapter).unwrap();
    let found = read(target_logits(&mut trained, &batch)).unwrap();
    let error = relative_error(&found, &expected);
    assert!(error < 1e-4, "{error}");
    assert!(relative_error(&before, &expected) > 1e-3, "the adapter does something");
    // Going on from it trains the same numbers further.
    std::fs::copy(&adapter, base.join("adapter.safetensors")).unwrap();
    place.recipe("on.toml", &recipe.replace("rank = 4", "go_on = true"));
    let on = place.trained(&["--recipe", "on.toml", "--out", "on"]);
    let lines = (place.lines("run"), place.lines("on"));
    assert!(lines.1[0].cross_entropy < lines.0[0].cross_entropy, "it begins where the other ended: {lines:?}");
    assert!(on.join("adapter.safetensors").is_file());
}

/// Both stages that sample go through on a model that has learned a little.
#[test]
fn order_and_policy_learn_from_the_models_own_trajectories() {
    let place = Place::new();
    let order = "[[stage]]\nkind = \"order\"\nsteps = 3\nbatch = 4\nslots = 3\nspans = 24\ntrajectories = 4\n";
    let policy = "[[stage]]\nkind = \"policy\"\nsteps = 3\nbatch = 8\nslots = 4\ntrajectories = 4\nblocks = [0, 2]\n";
    let mask = MASK.replace("steps = 12", "steps = 60").replace("batch = 4", "batch = 8");
    place.recipe("r.toml", &(of_family("llada") + &mask + order + policy));
    place.trained(&["--recipe", "r.toml", "--out", "run"]);
    let kept = std::fs::read_to_string(place.path("run/trajectories.jsonl")).unwrap();
    for line in kept.lines() {
        let kept: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(kept["score"].as_f64().unwrap() < 0.0 && kept["others"].as_array().unwrap().len() == 3);
    }
    let lines = place.lines("run");
    let calls: Vec<f64> = lines.iter().filter(|line| line.stage == "policy").filter_map(|line| line.calls).collect();
    assert_eq!((lines.len(), calls.len()), (66, 3));
    assert!(calls.iter().all(|calls| (1.0..=4.0).contains(calls)), "{calls:?}");
}
