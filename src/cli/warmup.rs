//! `dcode warmup`.

use clap::Args;

use crate::cli::common::ModelArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::print;
use crate::cli::progress::Progress;
use crate::model::device;
use crate::model::load::load;
use crate::model::warmup::Warmed;
use crate::model::warmup::warm_up;

/// Run every kind of pass once, so that a GPU has its kernels before the first edit
///
/// A GPU compiles its kernels and tries which are fastest the first time that it meets a shape. They are kept in the `kernels` folder of
/// the data folder, for later runs too. On the CPU there is nothing to prepare; the times are still those of its passes.
#[derive(Args, Debug)]
pub struct WarmupArgs {
    /// Which model runs where
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Runs the command.
///
/// # Errors
/// The model is missing or does not run on the device.
pub fn run(args: &WarmupArgs) -> Result<Exit, Failure> {
    let files = args.model.files()?;
    let device = device::open(args.model.device)?;
    let mut progress = Progress::new();
    let mut model = load(&files, &device, &mut |share| progress.line(&format!("loading the model {:.0} %", share * 100.0)))?;
    progress.clear();
    print(&format!("{} on {}", files.name, model.device))?;
    print("context  slots  first time   again")?;
    let mut printed = Ok(());
    warm_up(&mut model.denoiser, &mut |warmed| {
        let Warmed { context, slots, first, second } = warmed;
        let slots = if slots == 0 { "-".to_owned() } else { slots.to_string() };
        let line = format!("{context:>7}  {slots:>5}  {:>8.2} s  {:>6.2} s", first.as_secs_f64(), second.as_secs_f64());
        if printed.is_ok() {
            printed = print(&line);
        }
    })?;
    printed.map(|()| Exit::Ok)
}
