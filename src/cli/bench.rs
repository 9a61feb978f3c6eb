//! `dcode bench`.

use std::time::Instant;

use clap::Args;
use serde_json::Value;
use serde_json::json;

use crate::bench::edits::edits;
use crate::bench::edits::in_a_file_of;
use crate::bench::edits::measure;
use crate::bench::forward::Products;
use crate::bench::forward::forward;
use crate::bench::forward::steps;
use crate::bench::peak_memory;
use crate::cli::common::ModelArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::print;
use crate::edit::request::Method;
use crate::model::device;
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
    /// Which model runs where
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &BenchArgs) -> Result<Exit, Failure> {
    let files = args.model.files()?;
    let device = device::open(args.model.device)?;
    let start = Instant::now();
    let mut model = load(&files, &device, &mut |_| {})?;
    let mut report = vec![("load_seconds", json!(rounded(start.elapsed().as_secs_f64())))];
    // Before anything that a user's edit does not do.
    let cold = measure(&mut model, &in_a_file_of(28), Method::Canvas)?;
    report.push(("start_to_first_step_seconds", json!(rounded(start.elapsed().as_secs_f64() - cold.seconds + cold.first_step))));
    report.push(("start_context_tokens", json!(cold.context)));
    report.push(("peak_memory_mib", peak_memory().map_or(Value::Null, |mib| json!(mib.round()))));
    let small = measure(&mut model, &in_a_file_of(100), Method::Canvas)?;
    let large = measure(&mut model, &in_a_file_of(100_000), Method::Canvas)?;
    report.push(("edit_100000_lines_to_100_lines", json!(rounded(large.seconds / small.seconds))));

    let mut table = Vec::new();
    for edit in edits().into_iter().take(if args.quick { 3 } else { usize::MAX }) {
        let new = measure(&mut model, &edit, Method::Auto)?;
        let causal = measure(&mut model, &edit, Method::Causal)?;
        table.push(json!({
            "edit": edit.name,
            "seconds": rounded(new.seconds),
            "forwards": new.nfe,
            "tokens": new.tokens,
            "causal_seconds": rounded(causal.seconds),
            "causal_forwards": causal.nfe,
            "causal_tokens": causal.tokens,
            "speedup": rounded(causal.seconds / new.seconds),
            "same_text": new.text == causal.text,
        }));
    }
    if let Some(rewrite) = table.last() {
        report.push(("rewrite_20_speedup_vs_ar", rewrite["speedup"].clone()));
    }
    let infills = table.iter().take(2);
    let sum = |key: &str| infills.clone().filter_map(|row| row[key].as_f64()).sum::<f64>();
    report.push(("infill_tokens_per_forward", json!(rounded(sum("tokens") / sum("forwards").max(1.0)))));

    let times = steps(&mut model.denoiser, 32, &[64, 1024], if args.quick { 3 } else { 7 })?;
    report.push(("step_1024_to_step_64", json!(rounded(times[1] / times[0]))));
    let products = Products::new(model.denoiser.transformer());
    let sizes: &[usize] = if args.quick { &[256] } else { &[1, 16, 32, 64, 256, 1024] };
    let forwards = forward(&mut model.denoiser, &products, sizes, if args.quick { 1 } else { 3 })?;
    for time in &forwards {
        if time.rows == 256 {
            report.push(("forward_256_fraction_of_matmul", json!(rounded(time.products / time.forward))));
        }
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
        let mut all: serde_json::Map<String, Value> = report.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        all.insert("device".to_owned(), json!(model.device));
        all.insert("edits".to_owned(), json!(table));
        all.insert("forward".to_owned(), json!(forwards));
        print(&Value::Object(all).to_string())?;
        return Ok(Exit::Ok);
    }
    print(&format!("Model {}, device {}, dcode {}.\n", files.name, model.device, env!("CARGO_PKG_VERSION")))?;
    print("| figure | value |\n| --- | --- |")?;
    for (key, value) in report {
        print(&format!("| {} | {value} |", key.replace('_', " ")))?;
    }
    print("")?;
    markdown(&table)?;
    print("")?;
    markdown(&forwards)?;
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
