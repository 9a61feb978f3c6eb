//! `dcode doctor`.

use clap::Args;

use crate::cli::common::ModelArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::print;
use crate::model::agreement::compare;
use crate::model::device;
use crate::model::device::DeviceChoice;
use crate::model::load::load;
use crate::model::loaded::LoadedDenoiser;
use crate::model::locate::DEFAULT_MODEL;
use crate::model::locate::places;

/// Show devices, the model and where it was looked for, and versions
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Which model runs where
    #[command(flatten)]
    pub model: ModelArgs,
    /// Do not load the model
    #[arg(long)]
    pub quick: bool,
    /// Compare what the model computes on the device with what it computes on the CPU
    #[arg(long, conflicts_with = "quick")]
    pub check: bool,
}

/// Error of a logit, relative to the largest of its row, up to which a device counts as right. Weights in
/// half precision cost up to some 1e-3 (7.5e-4 was measured on an emulated GPU); in f32 the order of sums costs 1e-5, a wrong kernel far
/// more than both. No real GPU has been measured yet.
const TOLERANCE: f32 = 2e-3;

/// Runs the command.
///
/// # Errors
/// The model is missing or does not load; everything else was printed before.
pub fn run(args: &DoctorArgs) -> Result<Exit, Failure> {
    print(&format!("dcode      {}", env!("CARGO_PKG_VERSION")))?;
    print(&format!(
        "backends   {}",
        if cfg!(feature = "wgpu") { "burn 0.22.1: flex (cpu), wgpu (gpu)" } else { "burn 0.22.1: flex (cpu)" }
    ))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    print(&format!("cpu        {threads} threads{}", cpu_features()))?;
    let gpu = device::open(DeviceChoice::Gpu(None)).map_or_else(|error| error.to_string(), |device| device.name);
    print(&format!("gpu        {gpu}"))?;
    let name = args.model.model.as_deref().unwrap_or(DEFAULT_MODEL);
    let files = match args.model.files() {
        Ok(files) => files,
        Err(error) => {
            print(&format!("model      {name}: not found; looked in"))?;
            for place in places(name) {
                print(&format!("           {}", place.display()))?;
            }
            return Err(Failure::new(Exit::Model, error.to_string()));
        }
    };
    print(&format!("model      {}", files.name))?;
    for file in files.base.iter().chain(&files.adapter) {
        print(&format!("           {}", file.display()))?;
    }
    if args.quick {
        return Ok(Exit::Ok);
    }
    let device = device::open(args.model.device)?;
    let start = std::time::Instant::now();
    let mut model = load(&files, &device, &mut |_| {})?;
    print(match &model.denoiser {
        LoadedDenoiser::Sequence(_) => "           a denoiser by itself",
        LoadedDenoiser::Canvas(_) if model.denoiser.has_adapter() => "           a base with a canvas adapter",
        LoadedDenoiser::Canvas(_) => "           no canvas adapter: text is decoded from left to right",
    })?;
    let config = model.denoiser.transformer().config();
    let millions = config.parameters() as f64 / 1e6;
    print(&format!(
        "loaded     {millions:.0} M parameters on {} in {:.1} s; {} layers, width {}, vocabulary {}",
        model.device,
        start.elapsed().as_secs_f64(),
        config.layers,
        config.hidden,
        config.vocab
    ))?;
    if !args.check {
        return Ok(Exit::Ok);
    }
    let mut reference = load(&files, &device::open(DeviceChoice::Cpu)?, &mut |_| {})?;
    let agreement = compare(&mut model.denoiser, &mut reference.denoiser)?;
    print(&format!(
        "check      {}: largest relative error of a logit {:.1e} (allowed {TOLERANCE:.0e}), best token the same in {} of {} places",
        model.device, agreement.error, agreement.same, agreement.places
    ))?;
    if agreement.error > TOLERANCE {
        let reason = format!("{} computes other results than the CPU; use --device cpu", model.device);
        return Err(Failure::new(Exit::Model, reason));
    }
    Ok(Exit::Ok)
}

fn cpu_features() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return ", AVX-512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return ", AVX2 and FMA";
        }
    }
    ""
}
