//! The command line: one file per command, whose doc comment is its help text.

pub mod answers;
pub mod apply;
pub mod bench;
pub mod common;
pub mod doctor;
pub mod edit;
pub mod eval;
pub mod exit;
pub mod filter;
pub mod findings;
pub mod frames;
pub mod hidden;
pub mod hook;
pub mod interactive;
pub mod json;
pub mod lint;
pub mod live;
pub mod log;
pub mod plan;
pub mod progress;
pub mod recipes;
pub mod redo;
pub mod reference;
pub mod replay;
pub mod select;
pub mod show;
pub mod steer;
pub mod tui;
pub mod undo;
pub mod work;
pub mod write;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

use self::common::ColorArg;
use self::exit::Exit;
use self::exit::Failure;

/// Rewrite selected spans of source files in place with a masked-diffusion code model
#[derive(Debug, Parser)]
#[command(name = "dcode", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// File to open in the TUI; without one, a list of the files here
    file: Option<std::path::PathBuf>,
    #[command(flatten)]
    model: common::ModelArgs,
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
    Eval(Box<eval::EvalArgs>),
    Doctor(doctor::DoctorArgs),
    Bench(bench::BenchArgs),
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    quiet_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    let color = cli.color.into();
    let result = match &cli.command {
        None => tui::run(cli.file.as_deref(), &cli.model, color),
        Some(Command::Edit(args)) => edit::run(args, color),
        Some(Command::Filter(args)) => filter::run(args),
        Some(Command::Apply(args)) => apply::run(args, color),
        Some(Command::Hook(args)) => hook::run(args, color),
        Some(Command::Lint(args)) => lint::run(args, color),
        Some(Command::Undo(args)) => undo::run(args),
        Some(Command::Redo(args)) => redo::run(args),
        Some(Command::Log(args)) => log::run(args),
        Some(Command::Replay(args)) => replay::run(args),
        Some(Command::Eval(args)) => eval::run(args),
        Some(Command::Doctor(args)) => doctor::run(args),
        Some(Command::Bench(args)) => bench::run(args),
        Some(Command::Completions { shell }) => completions(*shell),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.message.is_empty() {
                say(&format!("dcode: {}", failure.message));
            }
            failure.exit.into()
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
    use clap::CommandFactory;
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
