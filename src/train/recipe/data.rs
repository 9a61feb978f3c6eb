//! What a run learns from, in its recipe.

use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;

use crate::syntax::language::Language;
use crate::train::corpus::build::DEFAULT_LANGUAGES;

/// What is learned from: a corpus.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// Folders with source files, of which the run makes its corpus; what git ignores, and what `.dcodeignore` names, is left out.
    #[serde(default)]
    pub folders: Vec<PathBuf>,
    /// A corpus of `dcode train corpus`, in place of folders.
    pub corpus: Option<PathBuf>,
    /// A folder of one's own repository, in place of others: its files and edits, of whatever licence, a tenth of them held out.
    pub own: Option<PathBuf>,
    /// Languages of the files.
    #[serde(default = "default_languages", deserialize_with = "languages")]
    pub languages: Vec<Language>,
    /// Whether files of unknown licence, and of licences that are not permissive, are taken too.
    #[serde(default)]
    pub any_licence: bool,
    /// Whether the edits in the histories of the folders' repositories are taken too, for the canvas adapter.
    #[serde(default)]
    pub edits: bool,
    /// Share of the files that nothing is learned from, to measure on.
    #[serde(default = "twentieth")]
    pub held_out: f64,
    /// What the canvas adapter learns, and how much of it.
    #[serde(default)]
    pub shares: Shares,
    /// Tokens of a window, for models that see whole sequences.
    #[serde(default = "window")]
    pub length: usize,
    /// Corruptions of one context after the other, for the canvas adapter.
    #[serde(default = "one")]
    pub copies: usize,
}

impl DataRecipe {
    /// The folders as a corpus takes them.
    pub fn folder_paths(&self) -> Vec<&Path> {
        self.folders.iter().map(PathBuf::as_path).collect()
    }
}

/// Shares of the tasks of a canvas adapter; they need not add up to 1. What there is nothing of is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shares {
    /// Pieces of files to fill in.
    pub infill: f64,
    /// Edits from histories, and defects in them.
    pub edit: f64,
    /// Code that was made worse by a rule, to be made good by the instruction of a recipe of the hook.
    pub refactor: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { infill: 0.5, edit: 0.3, refactor: 0.2 }
    }
}

fn default_languages() -> Vec<Language> {
    DEFAULT_LANGUAGES.to_vec()
}

fn languages<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Language>, D::Error> {
    let known = |name: String| {
        Language::from_name(&name).ok_or_else(|| {
            let names = Language::ALL.map(Language::name).join(", ");
            serde::de::Error::custom(format!("{name} is none of {names}"))
        })
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(known).collect()
}

fn twentieth() -> f64 {
    0.05
}
fn window() -> usize {
    128
}
fn one() -> usize {
    1
}
