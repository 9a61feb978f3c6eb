//! Group B: sampler runs, canvas by canvas.

use dcode::diffusion::canvas::Canvas;
use dcode::diffusion::canvas::Slot;
use dcode::diffusion::denoise::Control;
use dcode::diffusion::denoise::Limits;
use dcode::diffusion::denoise::denoise;
use dcode::diffusion::filter::Filter;
use dcode::diffusion::sampler::Sampler;
use dcode::diffusion::samplers::blockwise::Blocks;
use dcode::diffusion::samplers::blockwise::Blockwise;
use dcode::diffusion::samplers::blockwise::Cache;
use dcode::diffusion::samplers::blockwise::CachePlan;
use dcode::diffusion::samplers::confidence::Confidence;
use dcode::diffusion::samplers::dreamon::DreamOn;
use dcode::diffusion::samplers::dreamon::DreamOnSettings;
use dcode::diffusion::samplers::dynamic::Dynamic;
use dcode::diffusion::samplers::entropy_bound::EntropyBound;
use dcode::diffusion::samplers::factor::Factor;
use dcode::diffusion::samplers::origin::Origin;
use dcode::diffusion::samplers::p2::PathPlanning;
use dcode::diffusion::samplers::quota::Quota;
use dcode::diffusion::samplers::rule::Rule;
use dcode::diffusion::samplers::schedule::Schedule;
use dcode::diffusion::samplers::threshold::AtLeast;
use dcode::diffusion::samplers::token_edit::TokenEditing;
use dcode::diffusion::samplers::token_edit::TokenEditor;
use dcode::model::sequence_denoiser::Forward;
use dcode::model::sequence_denoiser::ForwardKind;
use dcode::model::sequence_denoiser::SequenceDenoiser;
use dcode::model::spec::Attention;
use dcode::model::spec::ModelSpec;
use dcode::model::spec::PromptTemplate;
use dcode::model::spec::Shift;
use dcode::model::spec::SpecialTokens;
use dcode::model::spec::TokenId;

use super::case::Case;
use super::quirks::CappedThreshold;
use super::quirks::ForcedFirst;

/// What the reference runs: everything up to the given text is the prompt.
struct Start {
    elements: Vec<TokenId>,
    prompt: usize,
}

pub fn check(case: &Case) -> Result<(), String> {
    let start = start(case);
    let mask = case.id("mask");
    let canvas = canvas(&start.elements, mask);
    let mut denoiser = SequenceDenoiser::new(spec(case), case.transformer());
    if case.text("sampler") == "bd3lm" {
        denoiser = denoiser.blocks_end_at(start.prompt);
    }
    if let Some(scale) = case.get::<f32>("params", "cfg_scale") {
        denoiser = denoiser.guided(scale);
    }
    let mut samplers = [sampler(case, &start)];
    let limits = Limits { steps: 1000, slots: 1000, growth: 0 };
    let steps = case.json["expected"]["steps"].as_array().unwrap();
    let mut differs = None;
    let mut seen = 0;
    let mut observe = |report: dcode::diffusion::denoise::StepReport<'_>| {
        if let Some(step) = report.nfe.checked_sub(1) {
            seen = *report.nfe;
            let expected = steps.get(step).map(|step| expected_canvas(case, &step["canvas"], &start));
            let mut found = elements(&report.canvases[0], mask);
            // Where the reference adds blocks one by one, what is not there yet is masked.
            found.truncate(expected.as_ref().map_or(found.len(), |expected| expected.len().max(1)));
            if expected.as_ref() != Some(&found) {
                differs = Some(format!("step {}: {found:?}, expected {expected:?}", step + 1));
                return Ok(Control::Abort);
            }
        }
        Ok(Control::Continue)
    };
    let mut canvases = [canvas];
    denoise(&mut denoiser, &mut canvases, &mut samplers, limits, &mut observe).map_err(|error| error.to_string())?;
    if let Some(differs) = differs {
        return Err(differs);
    }
    if seen != steps.len() {
        return Err(format!("{seen} steps, expected {}", steps.len()));
    }
    let last = expected_canvas(case, &case.json["expected"]["final"], &start);
    if elements(&canvases[0], mask) != last {
        return Err(format!("the end is {:?}, expected {last:?}", elements(&canvases[0], mask)));
    }
    check_forwards(case, &denoiser.take_forwards())
}

/// Passes: their number, kind, first element and length.
fn check_forwards(case: &Case, found: &[Forward]) -> Result<(), String> {
    let kinds: Vec<String> = case.get("expected", "forward_kinds").unwrap();
    let starts: Vec<usize> = case.get("expected", "forward_start").unwrap();
    let lens: Vec<usize> = case.get("expected", "forward_len").unwrap();
    let mut expected: Vec<(String, usize, usize)> =
        kinds.into_iter().zip(starts).zip(lens).map(|((kind, start), len)| (kind, start, len)).collect();
    let word = |kind: ForwardKind| match kind {
        ForwardKind::Denoise => "denoise",
        ForwardKind::Prefill => "prefill",
        ForwardKind::Store => "store",
    };
    let found: Vec<(String, usize, usize)> =
        found.iter().map(|forward| (word(forward.kind).to_owned(), forward.start, forward.len)).collect();
    match case.text("sampler") {
        // The reference stores the last block too, although nothing reads it.
        "sdar" => drop(expected.pop_if(|(kind, ..)| kind == "store")),
        // The reference runs all that is finished again for each block; here the newest block is added to what is kept. So the
        // passes are as many, and shorter.
        "bd3lm" => {
            let (found, expected) = (found.len(), expected.len());
            return if found == expected { Ok(()) } else { Err(format!("{found} passes, expected {expected}")) };
        }
        // Rows behind the window are masked out there; here they do not run.
        "dreamon" => {
            let windows = case.json["expected"]["steps"].as_array().unwrap().iter();
            let windows = windows.map(|step| step["window_before"].as_u64().unwrap() as usize);
            expected.iter_mut().zip(windows).for_each(|((_, _, len), window)| *len = window);
        }
        _ => {}
    }
    if found == expected { Ok(()) } else { Err(format!("passes {found:?}, expected {expected:?}")) }
}

fn start(case: &Case) -> Start {
    let mask = case.id("mask");
    let initial: Vec<TokenId> = case.get("expected", "initial").unwrap();
    let prompt: Option<Vec<TokenId>> = case.get("inputs", "prompt");
    match (case.text("sampler"), prompt) {
        ("bd3lm", Some(prompt)) => {
            let last: Vec<TokenId> = case.get("expected", "final").unwrap();
            let new = last.len() - initial.len();
            Start { prompt: prompt.len(), elements: prompt.into_iter().chain(std::iter::repeat_n(mask, new)).collect() }
        }
        (_, Some(prompt)) => Start { prompt: prompt.len(), elements: initial },
        (_, None) => {
            let prompt = initial.iter().position(|&id| id == mask).unwrap();
            Start { prompt, elements: initial }
        }
    }
}

/// A canvas without the pads that a reference puts before the prompt.
fn expected_canvas(case: &Case, canvas: &serde_json::Value, start: &Start) -> Vec<TokenId> {
    let mut canvas: Vec<TokenId> = serde_json::from_value(canvas.clone()).unwrap();
    if case.text("sampler") == "bd3lm" {
        let initial = case.json["expected"]["initial"].as_array().unwrap().len();
        canvas.drain(..initial - start.prompt);
    }
    canvas
}

/// Text before the first mask is the context, text behind the last one follows; what is given in between is pinned.
fn canvas(elements: &[TokenId], mask: TokenId) -> Canvas {
    let first = elements.iter().position(|&id| id == mask).unwrap();
    let last = elements.iter().rposition(|&id| id == mask).unwrap();
    let slot = |&id: &TokenId| match id {
        id if id == mask => Slot::masked(0),
        id => Slot { pinned: true, ..Slot::original(0, id) },
    };
    let slots = elements[first..=last].iter().map(slot).collect();
    Canvas::new(elements[..first].to_vec(), slots, elements[last + 1..].to_vec())
}

fn elements(canvas: &Canvas, mask: TokenId) -> Vec<TokenId> {
    let slots = canvas.slots().iter().map(|slot| slot.token.unwrap_or(mask));
    canvas.context().iter().copied().chain(slots).chain(canvas.after().iter().copied()).collect()
}

fn spec(case: &Case) -> ModelSpec {
    let config = case.config();
    ModelSpec {
        name: case.name.clone(),
        family: config.family,
        attention: match case.text("attention") {
            "block_causal" => Attention::BlockCausal(case.json["block_size"].as_u64().unwrap() as usize),
            _ => Attention::Bidirectional,
        },
        shift: if case.text("shift") == "right" { Shift::Right } else { Shift::None },
        tokens: SpecialTokens { mask: case.id("mask"), ..SpecialTokens::default() },
        context_limit: config.context,
        prompt: PromptTemplate::Plain,
        licence: String::new(),
        sampler: None,
    }
}

fn sampler(case: &Case, start: &Start) -> Box<dyn Sampler> {
    let count = |key| case.count(key);
    let threshold = || case.param("threshold") as f32;
    let behind = start.elements.len() - start.prompt;
    let quota = |confidence, schedule, steps| Box::new(Quota::new(confidence, schedule, steps)) as Box<dyn Rule>;
    let cached = |lead| {
        let cache = match case.get::<String>("params", "use_cache").as_deref() {
            Some("prefix") => Cache::Prefix,
            Some("dual") => Cache::Dual,
            _ => Cache::Off,
        };
        CachePlan { cache, lead, ..CachePlan::default() }
    };
    let fast = || -> Box<dyn Rule> {
        match case.get::<f32>("params", "factor") {
            Some(factor) => Box::new(Factor::new(factor)),
            None => Box::new(AtLeast::new(threshold())),
        }
    };
    let blocks_at =
        || Blocks::At(case.get::<Vec<[usize; 2]>>("inputs", "blocks").unwrap().into_iter().map(|[a, b]| a..b).collect());
    let confidence = |alg: &str| match alg {
        "topk_margin" => Confidence::Margin,
        "entropy" => Confidence::NegativeEntropy,
        "maskgit_plus" => Confidence::Probability,
        other => panic!("alg {other}"),
    };
    let alg = case.get::<String>("params", "alg").unwrap_or_default();
    let every = |from| Blocks::Every {
        size: count(if case.text("sampler") == "llada_generate" || case.text("sampler") == "sdar" {
            "block_length"
        } else {
            "block_size"
        }),
        from,
    };
    match case.text("sampler") {
        "dream" if alg == "origin" => {
            let draws = case.get("inputs", "random_draws").unwrap();
            Box::new(Blockwise::new(Box::new(Origin::recorded(count("steps"), case.param("eps") as f32, draws)), Blocks::Whole))
        }
        "dream" => {
            let schedule = Schedule::Dream { eps: case.param("eps") as f32 };
            Box::new(Blockwise::new(quota(confidence(&alg), schedule, count("steps")), Blocks::Whole))
        }
        "dream_dllm_infill" => Box::new(Blockwise::new(quota(confidence(&alg), Schedule::Linear, count("steps")), Blocks::Whole)),
        "llada_generate" => {
            let steps = count("steps") / (behind / count("block_length"));
            Box::new(Blockwise::new(quota(Confidence::Probability, Schedule::Even, steps), every(start.prompt)))
        }
        "mdlm_infill" => {
            let blocks = start.elements.len().div_ceil(count("block_size"));
            let steps = count("steps").div_ceil(blocks);
            Box::new(Blockwise::new(quota(Confidence::Probability, Schedule::Linear, steps), every(0)))
        }
        "fast_llada" => Box::new(Blockwise::new(fast(), every(start.prompt)).cached(cached(0))),
        "fast_dream" => {
            let plan = cached(0);
            let rule: Box<dyn Rule> = match plan.cache {
                Cache::Off => Box::new(CappedThreshold { threshold: threshold(), steps: count("steps"), later: Vec::new() }),
                _ => Box::new(ForcedFirst(AtLeast::new(threshold()))),
            };
            // Without a cache the reference has no blocks.
            let blocks = if plan.cache == Cache::Off { Blocks::Whole } else { every(start.prompt) };
            Box::new(Blockwise::new(rule, blocks).cached(plan))
        }
        "definition_cached" => Box::new(Blockwise::new(fast(), blocks_at()).cached(cached(1))),
        "definition_full" => {
            let rule: Box<dyn Rule> = match case.get::<String>("params", "rule").as_deref() {
                Some("entropy_bound") => Box::new(EntropyBound::new(case.param("gamma") as f32)),
                _ => fast(),
            };
            Box::new(Blockwise::new(rule, blocks_at()))
        }
        "sdar" => {
            let steps = count("denoising_steps");
            let rule: Box<dyn Rule> = match case.get::<String>("params", "remasking_strategy").as_deref() {
                Some("low_confidence_static") => Box::new(Quota::new(Confidence::Probability, Schedule::Even, steps).by_places()),
                _ => Box::new(Dynamic::new(case.param("confidence_threshold") as f32, steps)),
            };
            Box::new(Blockwise::new(rule, every(0)).cached(CachePlan { cache: Cache::Blocks, ..CachePlan::default() }))
        }
        "bd3lm" => {
            let rule = quota(Confidence::Probability, Schedule::Linear, count("steps_per_block"));
            let plan = CachePlan { cache: Cache::Blocks, ..CachePlan::default() };
            Box::new(Blockwise::new(rule, every(start.prompt)).cached(plan))
        }
        "llada2" => Box::new(Blockwise::new(Box::new(Dynamic::new(threshold(), count("steps_per_block"))), every(0))),
        "llada21" => Box::new(TokenEditor::new(TokenEditing {
            threshold: threshold(),
            edit_threshold: case.param("editing_threshold") as f32,
            block: count("block_size"),
            rounds: count("max_post_steps"),
        })),
        "p2" => Box::new(PathPlanning::new(count("steps"), Filter::default(), 1)),
        "dreamon" => {
            let settings = DreamOnSettings {
                most: count("max_gen_len"),
                confidence: confidence(&alg),
                to_the_right: case.get("params", "pad_eos_to_right").unwrap(),
                ..DreamOnSettings::new(case.id("expand"), case.id("eos"))
            };
            Box::new(DreamOn::new(settings, 1))
        }
        other => panic!("sampler {other}"),
    }
}
