//! Which recipes a command uses: the built-in ones, and those of the user.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::Failure;
use crate::hook::library::Choice;
use crate::hook::library::Library;
use crate::hook::recipe::RecipeError;
use crate::hook::scan::Kit;
use crate::syntax::language::Language;

/// Which recipes to use.
#[derive(Args, Clone, Debug, Default)]
pub struct RecipeArgs {
    /// Use this recipe only; repeat for several
    #[arg(long = "recipe", value_name = "NAME")]
    pub only: Vec<String>,
    /// Leave this recipe out; repeat for several
    #[arg(long, value_name = "NAME", conflicts_with = "only")]
    pub without: Vec<String>,
    /// Use the recipes that are off by default too
    #[arg(long, conflicts_with = "only")]
    pub all_recipes: bool,
}

impl RecipeArgs {
    fn choice(&self, determined_only: bool) -> Choice {
        Choice { only: self.only.clone(), without: self.without.clone(), determined_only, all: self.all_recipes }
    }
}

/// The folder of the user's recipes, with a folder for each language in it.
pub fn folder() -> Option<PathBuf> {
    match std::env::var_os("DCODE_HOME") {
        Some(home) if !home.is_empty() => Some(PathBuf::from(home).join("recipes")),
        _ => directories::ProjectDirs::from("", "", "dcode").map(|dirs| dirs.config_dir().join("recipes")),
    }
}

/// The chosen recipes, made ready for a language when its first file comes.
#[derive(Debug)]
pub struct Kits {
    library: Library,
    choice: Choice,
    ready: HashMap<Language, Option<Kit>>,
}

impl Kits {
    /// Reads the recipes; with `determined_only`, those that need the model are left out.
    ///
    /// # Errors
    /// A recipe of the user is wrong, or one is named that does not exist.
    pub fn new(args: &RecipeArgs, determined_only: bool) -> Result<Kits, Failure> {
        let mut library = Library::embedded()?;
        if let Some(folder) = folder() {
            library.add_folder(&folder)?;
        }
        let choice = args.choice(determined_only);
        if let Some(name) = library.unknown(&choice) {
            return Err(Failure::usage(format!("there is no recipe `{name}`; `dcode lint --list` shows them")));
        }
        Ok(Kits { library, choice, ready: HashMap::new() })
    }

    /// The recipes of a language; `None` when there is none.
    ///
    /// # Errors
    /// A query is wrong.
    pub fn of(&mut self, language: Language) -> Result<Option<&Kit>, Failure> {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.ready.entry(language) {
            entry.insert(self.library.kit(language, &self.choice)?);
        }
        Ok(self.ready.get(&language).and_then(Option::as_ref))
    }

    /// All recipes.
    pub fn library(&self) -> &Library {
        &self.library
    }
}

impl From<RecipeError> for Failure {
    fn from(error: RecipeError) -> Self {
        Self::usage(error.to_string())
    }
}
