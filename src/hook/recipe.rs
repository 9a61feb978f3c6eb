//! A recipe: which spans, what to do with them, and what must hold afterwards. Plain data from a TOML file.

use std::fmt;

use serde::Deserialize;

use super::rewrite::Rewrite;
use super::template::Template;
use crate::document::ContentHash;
use crate::syntax::language::Language;

/// A named refactoring.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Its name, unique in a language.
    pub name: String,
    /// The language whose files it is for.
    pub language: Language,
    /// What is said about a span it finds, in a few words.
    pub message: String,
    /// What to do, for the model and for people.
    pub instruction: String,
    /// Lints of other tools that say the same; where a file allows them, it allows this.
    pub lints: Vec<String>,
    /// Whether its rewriting may be written without a person looking at it.
    pub level: Level,
    /// Whether it is used when no recipe is named.
    pub is_default: bool,
    /// Whether the commands of the settings must pass with it before it is written.
    pub verify: bool,
    /// A tree-sitter query with a capture `@span`.
    pub query: String,
    /// Where the new text comes from.
    pub action: Action,
    /// What a model's answer must leave as it is.
    pub keep: Vec<Keep>,
    /// Words that the answer may bring.
    pub adds: Vec<String>,
    /// Words that the answer may drop.
    pub drops: Vec<String>,
    /// The oldest compiler that takes the new text, as `rust-version` names it.
    pub rust_version: Option<(u32, u32)>,
    /// An example, which is a test.
    pub example: Example,
    /// Code that it must leave alone, which is a test.
    pub refuses: Vec<String>,
    /// Hash of the file it was read from.
    pub hash: ContentHash,
}

/// How sure a rewriting is to keep the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// It keeps the meaning: `--fix` writes it.
    Fix,
    /// It changes what the program does, for the better in most cases: it is shown, never written.
    Suggest,
}

/// Where the new text of a span comes from.
#[derive(Clone, Debug)]
pub enum Action {
    /// The match determines it.
    Template(Template),
    /// The match determines it by a rule that a template cannot express.
    Rewrite(Rewrite),
    /// The model writes it.
    Model,
}

/// What a model's answer must leave as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The identifiers, each as often as before or more rarely, but not gone; none comes.
    Identifiers,
    /// The names of what is called, each as often as before.
    Calls,
    /// Numbers and strings, each as often as before.
    Literals,
    /// All code: only comments and documentation strings may differ.
    Code,
    /// The kinds of all nodes in order: only names may differ.
    Shape,
}

/// Code before and after.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Code in which the recipe finds one span.
    pub before: String,
    /// The same code rewritten.
    pub after: String,
}

/// A recipe that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("recipe {file}: {reason}; correct it or remove the file")]
pub struct RecipeError {
    /// The file.
    pub file: String,
    /// What is wrong.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    message: String,
    instruction: String,
    #[serde(default)]
    lints: Vec<String>,
    #[serde(default = "fix")]
    level: Level,
    #[serde(default = "yes")]
    default: bool,
    #[serde(default)]
    verify: bool,
    query: String,
    template: Option<String>,
    rewrite: Option<Rewrite>,
    #[serde(default)]
    keep: Vec<Keep>,
    #[serde(default)]
    adds: Vec<String>,
    #[serde(default)]
    drops: Vec<String>,
    rust_version: Option<String>,
    example: Example,
    #[serde(default)]
    refuses: Vec<String>,
}

fn fix() -> Level {
    Level::Fix
}

fn yes() -> bool {
    true
}

impl Recipe {
    /// Reads a recipe for `language` from the text of the file called `file`.
    ///
    /// # Errors
    /// The text is not a recipe.
    pub fn parse(file: &str, language: Language, text: &str) -> Result<Recipe, RecipeError> {
        let bad = |reason: String| RecipeError { file: file.to_owned(), reason };
        let raw: File = toml::from_str(text).map_err(|error| bad(one_line(&error.to_string())))?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if raw.name.is_empty() || !raw.name.chars().all(is_name) {
            return Err(bad("`name` is made of lower-case letters, digits and `-`".to_owned()));
        }
        let action = match (&raw.template, raw.rewrite) {
            (Some(_), Some(_)) => {
                return Err(bad("has both `template` and `rewrite`; one of them makes the new text".to_owned()));
            }
            (Some(template), None) => Action::Template(Template::parse(template).map_err(bad)?),
            (None, Some(rewrite)) => Action::Rewrite(rewrite),
            (None, None) if raw.keep.is_empty() => {
                return Err(bad("needs `keep`: what the model's answer must leave as it is".to_owned()));
            }
            (None, None) => Action::Model,
        };
        let rust_version = match &raw.rust_version {
            None => None,
            Some(version) => {
                Some(parse_version(version).ok_or_else(|| bad(format!("`rust_version` {version:?} is no version")))?)
            }
        };
        Ok(Recipe {
            name: raw.name,
            language,
            message: raw.message,
            instruction: raw.instruction,
            lints: raw.lints,
            level: raw.level,
            is_default: raw.default,
            verify: raw.verify,
            query: raw.query,
            action,
            keep: raw.keep,
            adds: raw.adds,
            drops: raw.drops,
            rust_version,
            example: raw.example,
            refuses: raw.refuses,
            hash: ContentHash::of(text.as_bytes()),
        })
    }

    /// Whether the new text is made without the model.
    pub fn is_determined(&self) -> bool {
        !matches!(self.action, Action::Model)
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.language, self.name)
    }
}

/// Major and minor number of a version such as `1.70` or `1.70.0`.
pub fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next().unwrap_or("0").parse().ok()?;
    Some((major, minor))
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = r#"
name = "x"
message = "m"
instruction = "i"
query = "(identifier) @span"
keep = ["calls"]
[example]
before = "a"
after = "b"
"#;

    fn error(text: &str) -> String {
        Recipe::parse("x.toml", Language::Rust, text).unwrap_err().to_string()
    }

    #[test]
    fn reads_a_recipe_and_names_what_is_wrong_with_another() {
        let recipe = Recipe::parse("x.toml", Language::Rust, MODEL).unwrap();
        assert!(!recipe.is_determined() && recipe.is_default && recipe.level == Level::Fix);
        assert!(error(&MODEL.replace("keep = [\"calls\"]", "")).contains("needs `keep`"));
        assert!(error(&MODEL.replace("keep = [\"calls\"]", "run = \"rm\"")).contains("unknown field `run`"));
        assert!(error(&MODEL.replace("\"x\"", "\"X y\"")).contains("lower-case"));
        assert!(error("").contains("x.toml: "));
        let both = MODEL.replace("keep = [\"calls\"]", "template = \"$a\"\nrewrite = \"format-args\"");
        assert!(error(&both).contains("both"));
        assert_eq!(error("name = 3").lines().count(), 1);
    }

    #[test]
    fn versions() {
        assert_eq!(parse_version("1.70"), Some((1, 70)));
        assert_eq!(parse_version("1.70.0"), Some((1, 70)));
        assert_eq!(parse_version("2"), Some((2, 0)));
        assert_eq!(parse_version("x"), None);
    }
}
