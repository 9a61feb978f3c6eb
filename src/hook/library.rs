//! The recipes that are built in, and those of the user.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::recipe::Recipe;
use super::recipe::RecipeError;
use super::scan::Kit;
use super::scan::check_query;
use crate::syntax::language::Language;

/// Largest recipe file that is read.
const CAP: u64 = 1 << 20;

macro_rules! embedded {
    ($folder:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../assets/recipes/", $folder, "/", $name, ".toml"))),)*]
    };
}

/// The built-in recipes for Rust: name and text.
pub const RUST: &[(&str, &str)] = embedded!("rust":
    "as-deref"
    "assign-op"
    "bool-comparison-false"
    "bool-comparison-true"
    "chars-last-cmp"
    "chars-next-cmp"
    "collapsible-else-if"
    "collapsible-if"
    "filter-next"
    "inline-format-args"
    "inverted-guard"
    "is-err"
    "is-none"
    "is-ok"
    "is-some"
    "iter-nth-zero"
    "len-not-zero"
    "len-zero"
    "manual-map"
    "matches-macro"
    "mem-replace-none"
    "mem-take"
    "missing-doc"
    "needless-bool"
    "needless-bool-not"
    "needless-else"
    "needless-range-loop"
    "needless-return"
    "needless-unit-return"
    "not-equal"
    "or-default"
    "println-empty"
    "question-mark"
    "question-mark-if-let"
    "question-mark-let-else"
    "redundant-closure"
    "redundant-field-names"
    "redundant-field-patterns"
    "redundant-static-lifetime"
    "single-match"
    "skip-next"
    "swapped-arguments"
    "unclear-name"
    "unused-enumerate-index"
    "unused-unit"
);

/// The built-in recipes for Python.
pub const PYTHON: &[(&str, &str)] = embedded!("python":
    "all-loop"
    "any-loop"
    "assert-tuple"
    "bare-except"
    "collapsible-if"
    "dict-keys"
    "dict-of-list"
    "else-after-return"
    "empty-dict"
    "empty-list"
    "empty-tuple"
    "encode-utf8"
    "endswith-or"
    "enumerate-loop"
    "format-call"
    "fstring-without-fields"
    "fstring-without-fields-single"
    "get-none"
    "if-or"
    "is-literal"
    "is-not-literal"
    "isinstance-or"
    "lambda-list"
    "list-append-loop"
    "list-of-generator"
    "list-of-list"
    "list-of-map"
    "list-of-sorted"
    "missing-docstring"
    "mutable-default-dict"
    "mutable-default-list"
    "native-literal"
    "needless-pass"
    "negated-equal"
    "negated-not-equal"
    "nested-with"
    "none-comparison"
    "none-comparison-not"
    "not-in"
    "not-is"
    "open-mode"
    "os-error-alias"
    "percent-format"
    "print-empty"
    "raise-not-implemented"
    "range-zero"
    "return-bool"
    "return-bool-not"
    "set-of-generator"
    "set-of-list"
    "sorted-of-list"
    "startswith-or"
    "super-arguments"
    "superfluous-parens"
    "suppress"
    "swapped-arguments"
    "ternary-bool"
    "ternary-not"
    "unclear-name"
    "unicode-prefix"
    "unicode-prefix-single"
    "useless-object"
    "useless-return"
    "verbose-raise"
);

/// Which recipes to use.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Only these; without any, those that are on by default.
    pub only: Vec<String>,
    /// Never these.
    pub without: Vec<String>,
    /// Leave out those that need the model.
    pub determined_only: bool,
    /// All there are, also those that are off by default.
    pub all: bool,
}

impl Choice {
    fn takes(&self, recipe: &Recipe) -> bool {
        let named = |names: &[String]| names.contains(&recipe.name);
        let wanted = if self.only.is_empty() { recipe.is_default || self.all } else { named(&self.only) };
        wanted && !named(&self.without) && (recipe.is_determined() || !self.determined_only)
    }
}

/// All recipes.
#[derive(Clone, Debug, Default)]
pub struct Library {
    recipes: Vec<Arc<Recipe>>,
}

impl Library {
    /// The built-in recipes.
    ///
    /// # Errors
    /// One of them is wrong: a fault of the build, which the tests rule out.
    pub fn embedded() -> Result<Library, RecipeError> {
        let mut library = Library::default();
        for (language, texts) in [(Language::Rust, RUST), (Language::Python, PYTHON)] {
            for (name, text) in texts {
                library.recipes.push(Arc::new(Recipe::parse(&format!("{language}/{name}.toml"), language, text)?));
            }
        }
        Ok(library)
    }

    /// Adds the recipes in `folder/<language>/*.toml`. One with the name of another replaces it. A missing folder is empty.
    ///
    /// # Errors
    /// A file cannot be read or is not a recipe.
    pub fn add_folder(&mut self, folder: &Path) -> Result<(), RecipeError> {
        for language in Language::ALL {
            for file in toml_files(&folder.join(language.name())) {
                let bad = |reason: String| RecipeError { file: file.display().to_string(), reason };
                let size = std::fs::metadata(&file).map_err(|error| bad(error.to_string()))?.len();
                if size > CAP {
                    return Err(bad(format!("{size} bytes are too many for a recipe")));
                }
                let text = std::fs::read_to_string(&file).map_err(|error| bad(error.to_string()))?;
                let recipe = Recipe::parse(&file.display().to_string(), language, &text)?;
                check_query(&recipe)?;
                self.recipes.retain(|known| known.language != language || known.name != recipe.name);
                self.recipes.push(Arc::new(recipe));
            }
        }
        Ok(())
    }

    /// Every recipe, in order.
    pub fn recipes(&self) -> &[Arc<Recipe>] {
        &self.recipes
    }

    /// The chosen recipes of a language, ready to search; `None` when there is none.
    ///
    /// # Errors
    /// A query is wrong.
    pub fn kit(&self, language: Language, choice: &Choice) -> Result<Option<Kit>, RecipeError> {
        let chosen: Vec<Arc<Recipe>> =
            self.recipes.iter().filter(|recipe| recipe.language == language && choice.takes(recipe)).cloned().collect();
        if chosen.is_empty() { Ok(None) } else { Kit::new(language, chosen).map(Some) }
    }

    /// The first chosen name that no recipe has.
    pub fn unknown<'c>(&self, choice: &'c Choice) -> Option<&'c str> {
        let known = |name: &&String| !self.recipes.iter().any(|recipe| recipe.name == **name);
        choice.only.iter().chain(&choice.without).find(known).map(String::as_str)
    }
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}
