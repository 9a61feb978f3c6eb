//! `dcode config`.

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use serde_json::json;

use crate::cli::defaults;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::json;
use crate::cli::print;
use crate::cli::say;
use crate::cli::tui::keymap;
use crate::config::Key;
use crate::config::KeyBinding;
use crate::config::Setting;
use crate::config::Value;
use crate::config::places;
use crate::text::sanitise_line;
use crate::tui::keymap::Action;

/// Show settings and where each comes from
///
/// In order, each over the one before: built-in, your config.toml, .dcode.toml in the root of the repository (keys that run
/// programs only once `dcode trust` was told so), environment variables, flags.
#[derive(Args, Debug)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All keys with their values and where those come from
    List {
        /// Print JSON Lines: key, value, origin, about
        #[arg(long)]
        json: bool,
    },
    /// The value of one key
    Get {
        /// The key, such as verify.rounds
        key: String,
    },
    /// The files that are read, and the folder of the trust store
    Path,
}

/// Runs the command.
///
/// # Errors
/// A file or variable holds what it may not, or there is no such key.
pub fn run(args: &ConfigArgs) -> Result<Exit, Failure> {
    let here = Path::new(".");
    if matches!(args.what, What::Path) {
        return paths(here);
    }
    let layers = defaults::load(here)?;
    layers.notes.iter().for_each(|note| say(&format!("note: {note}")));
    match &args.what {
        What::List { json } => {
            layers.settings.iter().try_for_each(|setting| list(setting, *json))?;
            layers.keys.iter().try_for_each(|binding| list_key(binding, *json))?;
            // What cannot be bound so keeps the TUI from starting; here the list stands above the reason.
            keymap(&layers.keys)?;
        }
        What::Get { key } => {
            let setting = layers.get(key).ok_or_else(|| unknown(key))?;
            if let Some(value) = &setting.value {
                print(&sanitise_line(&value.to_string()))?;
            }
        }
        What::Path => {}
    }
    Ok(Exit::Ok)
}

fn list(setting: &Setting, as_json: bool) -> Result<(), Failure> {
    let (key, origin) = (setting.key, setting.origin.to_string());
    if as_json {
        let value = match &setting.value {
            None => serde_json::Value::Null,
            Some(Value::Text(text)) => json!(text),
            Some(Value::Integer(number)) => json!(number),
            Some(Value::Number(number)) => json!(number),
            Some(Value::Switch(on)) => json!(on),
            Some(Value::Commands(commands)) => json!(commands),
        };
        return print(&json::line(&json!({ "key": key.name, "value": value, "origin": origin, "about": key.about })));
    }
    let value = setting.value.as_ref().map(Value::to_string).unwrap_or_default();
    print(&sanitise_line(&format!("{:<17} = {value:<28} # {origin}: {}", key.name, key.about)))
}

fn list_key(binding: &KeyBinding, as_json: bool) -> Result<(), Failure> {
    let key = format!("keys.{}.{}", binding.context, binding.key);
    let origin = format!("{}:{}", binding.path.display(), binding.line);
    let action = Action::ALL.iter().find(|action| action.name() == binding.action);
    let about = action.map_or("", |action| action.help());
    if as_json {
        return print(&json::line(&json!({ "key": key, "value": binding.action, "origin": origin, "about": about })));
    }
    print(&sanitise_line(&format!("{key:<17} = {:<28} # {origin}: {about}", format!("{:?}", binding.action))))
}

fn unknown(key: &str) -> Failure {
    let hint = Key::nearest(key)
        .map_or_else(|| "`dcode config list` shows all keys".to_owned(), |key| format!("did you mean {}?", key.name));
    Failure::usage(format!("unknown key {key}; {hint}"))
}

fn paths(here: &Path) -> Result<Exit, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let line = |what: &str, path: Option<PathBuf>| {
        let shown = path.map_or_else(
            || "none".to_owned(),
            |path| format!("{}{}", path.display(), if path.exists() { "" } else { " (not there)" }),
        );
        print(&sanitise_line(&format!("{what:<11} {shown}")))
    };
    line("user", places::user_file(&variable).map(|(path, _)| path))?;
    line("repository", defaults::root(here).map(|root| places::repository_file(&root)))?;
    line("trust", places::trust_dir())?;
    line("cache", places::cache_dir())?;
    Ok(Exit::Ok)
}
