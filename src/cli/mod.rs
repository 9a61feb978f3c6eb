//! The command line: one file per command, whose doc comment is its help text.

pub mod answers;
pub mod apply;
pub mod bench;
pub mod common;
pub mod config;
pub mod corpus;
pub mod defaults;
pub mod doctor;
pub mod edit;
pub mod eval;
pub mod exit;
pub mod files;
pub mod filter;
pub mod findings;
pub mod frames;
pub mod guarded;
pub mod hidden;
pub mod hook;
pub mod hook_checks;
pub mod interactive;
pub mod json;
pub mod lint;
pub mod live;
pub mod log;
pub mod model;
pub mod plan;
pub mod progress;
pub mod recipes;
pub mod redo;
pub mod reference;
pub mod replay;
pub mod select;
pub mod session;
pub mod show;
pub mod steer;
pub mod train;
pub mod trust;
pub mod tui;
pub mod tune;
pub mod undo;
pub mod verify;
pub mod warmup;
pub mod work;
pub mod write;

use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use clap::FromArgMatches;
use clap::Parser;
use clap::Subcommand;

use self::common::ColorArg;
use self::exit::Exit;
use self::exit::Failure;
use crate::config::Layers;

/// Rewrite selected spans of source files in place with a masked-diffusion code model
#[derive(Debug, Parser)]
#[command(name = "dcode", version, max_term_width = 100)]
pub struct Cli {
    /// File to open in the TUI; without one, a list of the files here
    file: Option<PathBuf>,
    #[command(flatten)]
    model: common::ModelArgs,
    /// Colours of the full-screen view; auto looks at the terminal's background
    #[arg(long, value_name = "NAME", default_value = "auto")]
    theme: String,
    /// Colours in what people look at
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorArg::Auto)]
    color: ColorArg,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Edit(Box<edit::EditArgs>),
    Filter(Box<filter::FilterArgs>),
    Apply(apply::ApplyArgs),
    Hook(Box<hook::HookArgs>),
    Lint(Box<lint::LintArgs>),
    Undo(undo::UndoArgs),
    Redo(redo::RedoArgs),
    Log(log::LogArgs),
    Replay(replay::ReplayArgs),
    Config(config::ConfigArgs),
    Trust(trust::TrustArgs),
    Eval(Box<eval::EvalArgs>),
    Model(model::ModelCommandArgs),
    Doctor(doctor::DoctorArgs),
    Warmup(warmup::WarmupArgs),
    Bench(bench::BenchArgs),
    Train(Box<train::TrainArgs>),
    Tune(tune::TuneArgs),
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    quiet_drivers();
    quiet_panics();
    let code = code_of(|| {
        let (cli, layers) = parse()?;
        Ok(run(&cli, &layers)?)
    });
    // When the edit failed beside it, a command may still run.
    crate::verify::process::close();
    code.into()
}

/// How `work` ended, with what is to be said about it on standard error. A panic was told by its hook.
fn code_of(work: impl FnOnce() -> Result<Exit, Ended>) -> Exit {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(Ok(exit)) => exit,
        Ok(Err(Ended::Arguments(error))) => {
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        }
        Ok(Err(Ended::Failed(failure))) => {
            if !failure.message.is_empty() {
                say(&format!("dcode: {}", failure.message));
            }
            failure.exit
        }
        Err(_) => Exit::Internal,
    }
}

/// Why a command ended without its result.
enum Ended {
    /// The command line cannot be read, or help was asked for.
    Arguments(clap::Error),
    /// The command failed.
    Failed(Failure),
}

impl From<clap::Error> for Ended {
    fn from(error: clap::Error) -> Self {
        Ended::Arguments(error)
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Ended::Failed(failure)
    }
}

/// Reads the command line twice: the files on it tell whose settings are its defaults.
fn parse() -> Result<(Cli, Layers), Ended> {
    let matches = Cli::command().try_get_matches()?;
    let cli = Cli::from_arg_matches(&matches)?;
    cli.check(&matches)?;
    let layers = defaults::load(cli.place())?;
    let matches = defaults::apply(Cli::command(), &layers).try_get_matches()?;
    Ok((Cli::from_arg_matches(&matches)?, layers))
}

impl Cli {
    /// The file or folder whose repository may have settings.
    fn place(&self) -> &Path {
        let here = Path::new(".");
        match &self.command {
            None => self.file.as_deref().unwrap_or(here),
            Some(Command::Edit(args)) => args.files.first().map_or(here, PathBuf::as_path),
            Some(Command::Filter(args)) => &args.stdin_filename,
            Some(_) => here,
        }
    }

    /// What stands before a command must mean something to it.
    fn check(&self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        let Some((name, _)) = matches.subcommand() else { return Ok(()) };
        let typed = |id: &&str| matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
        match ["file", "model", "device", "adapter", "quant", "spec", "theme"].iter().find(|id| typed(id)) {
            Some(id) => {
                let what = if *id == "file" { "a file" } else { &format!("--{id}") };
                let message = format!("{what} before `{name}` means nothing to it; write it behind\n");
                Err(clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, message))
            }
            None => Ok(()),
        }
    }
}

fn run(cli: &Cli, layers: &Layers) -> Result<Exit, Failure> {
    let color = cli.color.into();
    // A filter is silent, and `dcode config` tells them itself.
    if matches!(cli.command, None | Some(Command::Edit(_) | Command::Apply(_))) {
        layers.notes.iter().for_each(|note| say(&format!("note: {note}")));
    }
    match &cli.command {
        None => tui::run(cli.file.as_deref(), &cli.model, &cli.theme, color, layers),
        Some(Command::Edit(args)) => edit::run(args, color, layers),
        Some(Command::Filter(args)) => filter::run(args),
        Some(Command::Apply(args)) => apply::run(args, color),
        Some(Command::Hook(args)) => hook::run(args, color, layers),
        Some(Command::Lint(args)) => lint::run(args, color),
        Some(Command::Undo(args)) => undo::run(args),
        Some(Command::Redo(args)) => redo::run(args),
        Some(Command::Log(args)) => log::run(args),
        Some(Command::Replay(args)) => replay::run(args, color, layers),
        Some(Command::Config(args)) => config::run(args),
        Some(Command::Trust(args)) => trust::run(args),
        Some(Command::Eval(args)) => eval::run(args),
        Some(Command::Model(args)) => model::run(args),
        Some(Command::Doctor(args)) => doctor::run(args),
        Some(Command::Warmup(args)) => warmup::run(args),
        Some(Command::Bench(args)) => bench::run(args),
        Some(Command::Train(args)) => train::run(args),
        Some(Command::Tune(args)) => tune::run(args),
        Some(Command::Completions { shell }) => completions(*shell),
    }
}

/// Mesa's Vulkan layer that orders GPUs asks the Wayland server, and libwayland complains on standard error where there can be none, as in
/// a container. There the layer is switched off; nothing else of it is needed.
fn quiet_drivers() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() && std::env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: this is the first thing that the program does, when it has no other thread that could read the environment.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
}

/// A panic is a fault of dcode: one line about it, no trace. Those of the engine thread become error events and are told there.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        if !crate::screen::modes::is_caught(std::thread::current().name()) {
            let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
            say(&format!("dcode: internal fault{place}; nothing was written, please report this"));
        }
    }));
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "dcode", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(Exit::Ok)
}

/// Writes one line to standard error, made safe to print: it may name files. A reader that is gone is no failure.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", crate::text::sanitise_line(line));
}

/// Writes a line to standard output.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_its_code() {
        assert_eq!(code_of(|| panic!("a fault")), Exit::Internal);
        let engine = crate::edit::error::EditError::Engine("device lost".to_owned());
        assert_eq!(code_of(|| Err(Failure::from(engine).into())), Exit::Internal);
        assert_eq!(Exit::Internal as u8, 70);
        assert_eq!(code_of(|| Err(Failure::usage("wrong").into())), Exit::Usage);
    }
}
