//! `dcode bench`.

use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::bench::compare::TOLERANCE;
use crate::bench::compare::changes;
use crate::bench::edits::BenchEdit;
use crate::bench::edits::REWRITE;
use crate::bench::edits::edits;
use crate::bench::edits::holes;
use crate::bench::edits::in_a_file_of;
use crate::bench::edits::measure;
use crate::bench::forward::Products;
use crate::bench::forward::forward;
use crate::bench::forward::steps;
use crate::bench::peak_memory;
use crate::bench::peer::Peer;
use crate::cli::common::ModelArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::print;
use crate::diffusion::denoiser::Denoiser;
use crate::edit::layout::Layout;
use crate::edit::request::EditOptions;
use crate::edit::request::Method;
use crate::model::device;
use crate::model::load::LoadedModel;
use crate::model::load::load;

/// Measure the model and whole edits on this machine, as ratios within one run
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// Fewer runs and sizes
    #[arg(long)]
    pub quick: bool,
    /// Print JSON instead of Markdown
    #[arg(long)]
    pub json: bool,
    /// Fail when a ratio is worse by more than 15 % than in FILE, the JSON of an earlier run
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Another program that decodes the same model, such as "node scripts/peer_llama.mjs", to be timed beside
    #[arg(long, value_name = "PROGRAM")]
    pub peer: Option<String>,
    /// Which model runs where
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &BenchArgs) -> Result<Exit, Failure> {
    let before = args.compare.as_deref().map(read).transpose()?;
    let files = args.model.files()?;
    let device = device::open(args.model.device)?;
    let start = Instant::now();
    let mut model = load(&files, &device, &mut |_| {})?;
    let mut report = Map::new();
    let mut put = |key: &str, value: Value| report.insert(key.to_owned(), value);
    put("load_seconds", json!(rounded(start.elapsed().as_secs_f64())));
    // Before anything that a user's edit does not do.
    let canvas = EditOptions { method: Method::Canvas, ..EditOptions::default() };
    let cold = measure(&mut model, &in_a_file_of(36), canvas)?;
    put("start_to_first_step_seconds", json!(rounded(start.elapsed().as_secs_f64() - cold.seconds + cold.first_step)));
    put("start_context_tokens", json!(cold.context));
    put("peak_memory_mib", peak_memory().map_or(Value::Null, |mib| json!(mib.round())));
    let small = measure(&mut model, &in_a_file_of(100), canvas)?;
    let large = measure(&mut model, &in_a_file_of(100_000), canvas)?;
    put("edit_100000_lines_to_100_lines", json!(rounded(large.seconds / small.seconds)));

    let mut peer = match &args.peer {
        Some(program) => {
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            let file = files.base.first().map_or(Path::new(""), PathBuf::as_path);
            let peer = Peer::start(program, file, threads);
            Some(peer.map_err(|error| Failure::usage(error.to_string()))?)
        }
        None => None,
    };
    let mut table = Vec::new();
    for edit in edits().iter().take(if args.quick { 3 } else { usize::MAX }) {
        let row = beside_autoregressive(&mut model, edit, peer.as_mut())?;
        if edit.name == REWRITE {
            put("rewrite_20_speedup_vs_ar", row["speedup"].clone());
            put("rewrite_20_speedup_vs_lookup", row["lookup_speedup"].clone());
        }
        table.push(row);
    }
    let (free, one) = infills(&mut model, args.quick)?;
    put("infill_holes", json!(free.holes));
    put("infill_tokens_per_forward", json!(rounded(free.tokens_per_forward)));
    put("infill_pass_rate", json!(rounded(free.pass_rate)));
    put("infill_pass_rate_one_token", json!(rounded(one.pass_rate)));
    put("infill_speedup_vs_one_token", json!(rounded(one.seconds / free.seconds)));

    let times = steps(&mut model.denoiser, 32, &[64, 1024], if args.quick { 3 } else { 7 })?;
    put("step_1024_to_step_64", json!(rounded(times[1] / times[0])));
    let products = Products::new(model.denoiser.transformer());
    let sizes: &[usize] = if args.quick { &[256] } else { &[1, 16, 32, 64, 256, 1024] };
    let forwards = forward(&mut model.denoiser, &products, sizes, if args.quick { 1 } else { 3 })?;
    for time in forwards.iter().filter(|time| time.rows == 256) {
        put("forward_256_fraction_of_matmul", json!(rounded(time.products / time.forward)));
    }
    let forwards = forwards.iter().map(|time| {
        json!({
            "positions": time.rows,
            "products_ms": (time.products * 1e3).round(),
            "products_by_kernels_ms": (time.kernels * 1e3).round(),
            "forward_ms": (time.forward * 1e3).round(),
            "forward_to_products": rounded(time.forward / time.products),
            "products_gflops": (time.flops / 1e9).round(),
        })
    });
    let forwards: Vec<Value> = forwards.collect();
    if args.json {
        let mut all = report.clone();
        all.insert("device".to_owned(), json!(model.device));
        all.insert("edits".to_owned(), json!(table));
        all.insert("forward".to_owned(), json!(forwards));
        print(&Value::Object(all).to_string())?;
    } else {
        print(&format!("Model {}, device {}, dcode {}.\n", files.name, model.device, env!("CARGO_PKG_VERSION")))?;
        print("| figure | value |\n| --- | --- |")?;
        for (key, value) in &report {
            print(&format!("| {} | {value} |", key.replace('_', " ")))?;
        }
        print("")?;
        markdown(&table)?;
        print("")?;
        markdown(&forwards)?;
    }
    before.map_or(Ok(Exit::Ok), |before| compare(&before, &report))
}

/// An edit as dcode does it, beside autoregressive decoding in this engine, plain and with prompt lookup, and by a peer.
fn beside_autoregressive(model: &mut LoadedModel, edit: &BenchEdit, peer: Option<&mut Peer>) -> Result<Value, Failure> {
    // The base alone has no end of its own in the middle of a file: it is told how many lines the hole had.
    let lines = edit.instruction.is_none().then_some(edit.lines.1 + 1 - edit.lines.0);
    let by = |method| EditOptions { method, causal_lines: lines, ..EditOptions::default() };
    let new = measure(model, edit, by(Method::Auto))?;
    let causal = measure(model, edit, by(Method::Causal))?;
    let lookup = measure(model, edit, by(Method::Lookup))?;
    let mut row = json!({
        "edit": edit.name,
        "seconds": rounded(new.seconds),
        "context_seconds": rounded(new.first_step),
        "forwards": new.nfe,
        "tokens": new.tokens,
        "causal_seconds": rounded(causal.seconds),
        "causal_forwards": causal.nfe,
        "causal_tokens": causal.tokens,
        "speedup": rounded(causal.seconds / new.seconds),
        "lookup_seconds": rounded(lookup.seconds),
        "lookup_forwards": lookup.nfe,
        "lookup_speedup": rounded(lookup.seconds / new.seconds),
        "same_text": new.text == causal.text,
    });
    if let Some(peer) = peer {
        let layout = Layout::new(&model.tokenizer, model.denoiser.spec(), &edit.request(EditOptions::default())?)?;
        let answer = peer.decode(&layout.prompt.context, causal.tokens + 1);
        let answer = answer.map_err(|error| Failure::usage(error.to_string()))?;
        row["peer_seconds"] = json!(rounded(answer.seconds));
        row["peer_tokens"] = json!(answer.tokens.len());
        row["peer_speedup"] = json!(rounded(answer.seconds / new.seconds));
    }
    Ok(row)
}

/// How holes were filled.
struct Filled {
    holes: usize,
    pass_rate: f64,
    tokens_per_forward: f64,
    seconds: f64,
}

/// Fills holes with every slot that is sure enough, and with one token a pass.
fn infills(model: &mut LoadedModel, quick: bool) -> Result<(Filled, Filled), Failure> {
    let holes = holes();
    let holes = &holes[..if quick { 8.min(holes.len()) } else { holes.len() }];
    let mut fill = |threshold: f32| -> Result<Filled, Failure> {
        let (mut right, mut tokens, mut forwards, mut seconds) = (0, 0, 0, 0.0);
        for hole in holes {
            let options = EditOptions { method: Method::Canvas, threshold, ..EditOptions::default() };
            let filled = measure(model, hole, options)?;
            right += usize::from(filled.text == hole.original());
            // The `end` that closes the span is predicted as any other token.
            tokens += filled.tokens + 1;
            forwards += filled.nfe;
            seconds += filled.seconds;
        }
        let count = holes.len();
        let tokens_per_forward = tokens as f64 / forwards.max(1) as f64;
        Ok(Filled { holes: count, pass_rate: right as f64 / count.max(1) as f64, tokens_per_forward, seconds })
    };
    Ok((fill(EditOptions::default().threshold)?, fill(f32::INFINITY)?))
}

/// The figures of an earlier run.
fn read(path: &Path) -> Result<Map<String, Value>, Failure> {
    let named = |reason: String| Failure::usage(format!("{}: {reason}; give the output of `dcode bench --json`", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| named(error.to_string()))
}

/// Tells what changed since an earlier run.
fn compare(before: &Map<String, Value>, now: &Map<String, Value>) -> Result<Exit, Failure> {
    let changes = changes(before, now);
    if changes.is_empty() {
        return Err(Failure::usage("the two runs have no ratio in common; give the output of `dcode bench --json`"));
    }
    let mut worse = 0;
    for change in &changes {
        let word = if change.is_worse() { "worse" } else { "as good" };
        worse += usize::from(change.is_worse());
        crate::cli::say(&format!("{}: {} before, {} now: {word}", change.key, change.before, change.now));
    }
    if worse > 0 {
        let message = format!("{worse} of {} ratios are worse by more than {:.0} %", changes.len(), TOLERANCE * 100.0);
        return Err(Failure::new(Exit::Rejected, message));
    }
    Ok(Exit::Ok)
}

/// A table of objects with the same keys.
fn markdown(rows: &[Value]) -> Result<(), Failure> {
    let Some(first) = rows.first().and_then(Value::as_object) else { return Ok(()) };
    let keys: Vec<String> = first.keys().map(|key| key.replace('_', " ")).collect();
    print(&format!("| {} |\n|{}", keys.join(" | "), " --- |".repeat(keys.len())))?;
    for row in rows.iter().filter_map(Value::as_object) {
        let cells: Vec<String> =
            row.values().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
        print(&format!("| {} |", cells.join(" | ")))?;
    }
    Ok(())
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
