//! One configuration file: its keys with their lines, and what is wrong with it.

use std::path::Path;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use super::keys::Key;
use super::keys::Kind;
use super::keys::Value;
use crate::document::Document;
use crate::document::DocumentError;

/// Largest file that is read.
const CAP: u64 = 64 << 10;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read as text.
    #[error(transparent)]
    Read(#[from] DocumentError),
    /// It is no TOML.
    #[error("{}:{line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// A key holds what it may not.
    #[error("{}:{line}: {} must be {}", path.display(), key.name, key.kind)]
    Type {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: &'static Key,
    },
    /// What stands under `keys` is no table of keys.
    #[error("{}:{line}: {name} must be {what}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The name, as `keys.review.y`.
        name: String,
        /// What it must be.
        what: &'static str,
    },
    /// An environment variable holds what its key may not.
    #[error("{variable}: must be {}", key.kind)]
    Variable {
        /// The variable.
        variable: &'static str,
        /// The key.
        key: &'static Key,
    },
    /// The trust store.
    #[error("{}: {source}", path.display())]
    Trust {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A key that a file sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The key.
    pub key: &'static Key,
    /// What it holds.
    pub value: Value,
    /// Where it stands, from 1.
    pub line: usize,
}

/// A key of the keyboard that a file binds, as it stands there: `[keys.CONTEXT]` and below it `KEY = "ACTION"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBinding {
    /// The file.
    pub path: PathBuf,
    /// Where it stands, from 1.
    pub line: usize,
    /// The part of the program.
    pub context: String,
    /// The key.
    pub key: String,
    /// What it does.
    pub action: String,
}

/// What a file says.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes, for trust.
    pub bytes: Vec<u8>,
    /// What it sets.
    pub items: Vec<Item>,
    /// The keys of the keyboard that it binds.
    pub keys: Vec<KeyBinding>,
    /// One line for each key that is not known.
    pub notes: Vec<String>,
}

impl ConfigFile {
    /// Reads a file; `None` when there is none.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, or a key holds what it may not.
    pub fn read(path: &Path) -> Result<Option<Self>, ConfigError> {
        let document = match Document::read_capped(path, CAP) {
            Ok(document) => document,
            Err(DocumentError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Self::parse(path, document.text()).map(Some)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let source = text.strip_prefix('\u{feff}').unwrap_or(text);
        let line = |at: usize| 1 + source.as_bytes()[..at.min(source.len())].iter().filter(|&&byte| byte == b'\n').count();
        let table = DeTable::parse(source).map_err(|error| {
            let reason = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            ConfigError::Syntax { path: path.into(), line: line(error.span().map_or(0, |span| span.start)), reason }
        })?;
        let mut file =
            Self { path: path.into(), bytes: text.as_bytes().to_vec(), items: Vec::new(), keys: Vec::new(), notes: Vec::new() };
        file.table("", table.get_ref(), &line)?;
        Ok(file)
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>, line: &dyn Fn(usize) -> usize) -> Result<(), ConfigError> {
        for (name, value) in table {
            let line_number = line(name.span().start);
            let full = format!("{prefix}{}", name.get_ref());
            if full == "keys" {
                self.bindings(line_number, value.get_ref(), line)?;
            } else if let Some(key) = Key::named(&full) {
                let wrong = || ConfigError::Type { path: self.path.clone(), line: line_number, key };
                let value = value_of(key, value.get_ref()).filter(|value| key.takes(value)).ok_or_else(wrong)?;
                self.items.push(Item { key, value, line: line_number });
            } else if let (DeValue::Table(inner), "") = (value.get_ref(), prefix)
                && super::keys::KEYS.iter().any(|key| key.name.starts_with(&format!("{full}.")))
            {
                self.table(&format!("{full}."), inner, line)?;
            } else {
                let hint = Key::nearest(&full)
                    .map_or_else(|| "`dcode config list` shows all keys".to_owned(), |key| format!("did you mean {}?", key.name));
                self.notes.push(format!("{}:{line_number}: unknown key {full}; {hint}", self.path.display()));
            }
        }
        Ok(())
    }

    /// The table of keys: for each context keys with the names of actions.
    fn bindings(&mut self, at: usize, keys: &DeValue<'_>, line: &dyn Fn(usize) -> usize) -> Result<(), ConfigError> {
        let wrong =
            |line: usize, name: String, what: &'static str| ConfigError::Keys { path: self.path.clone(), line, name, what };
        const TABLE: &str = "a table, such as [keys.review] and below it y = \"accept\"";
        let contexts = keys.as_table().ok_or_else(|| wrong(at, "keys".to_owned(), TABLE))?;
        let mut found = Vec::new();
        for (context, keys) in contexts {
            let (context, at) = (context.get_ref().to_string(), line(context.span().start));
            let keys = keys.get_ref().as_table().ok_or_else(|| wrong(at, format!("keys.{context}"), TABLE))?;
            for (key, action) in keys {
                let (key, line) = (key.get_ref().to_string(), line(key.span().start));
                let no_name = || wrong(line, format!("keys.{context}.{key}"), "the name of an action, or \"none\"");
                let action = action.get_ref().as_str().ok_or_else(no_name)?.to_owned();
                found.push(KeyBinding { path: self.path.clone(), line, context: context.clone(), key, action });
            }
        }
        found.sort_by_key(|binding| binding.line);
        self.keys = found;
        Ok(())
    }

    /// The keys that a repository may not set unless it is trusted.
    pub fn guarded(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| !item.key.inert)
    }
}

fn value_of(key: &Key, value: &DeValue<'_>) -> Option<Value> {
    let integer = |value: &DeValue<'_>| {
        let digits = value.as_integer()?;
        i64::from_str_radix(digits.as_str(), digits.radix()).ok()
    };
    Some(match key.kind {
        Kind::Text | Kind::Word(_) => Value::Text(value.as_str()?.to_owned()),
        Kind::Integer(..) => Value::Integer(integer(value)?),
        Kind::Number(..) => match integer(value) {
            Some(whole) => Value::Number(whole as f64),
            None => Value::Number(value.as_float()?.as_str().parse().ok()?),
        },
        Kind::Switch => Value::Switch(value.as_bool()?),
        Kind::Commands => {
            let word = |word: &Spanned<DeValue<'_>>| word.get_ref().as_str().map(str::to_owned);
            let argv = |argv: &Spanned<DeValue<'_>>| argv.get_ref().as_array()?.iter().map(word).collect::<Option<Vec<_>>>();
            Value::Commands(value.as_array()?.iter().map(argv).collect::<Option<Vec<_>>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConfigFile, String> {
        ConfigFile::parse(Path::new("c.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_with_its_line() {
        let text = "\u{feff}# mine\nmodel = 'm'\nsteps = 0x40\ntime-limit = 3\nthreshold = 0.5\nallow-bidi = true\n\n[verify]\n\
                    commands = [[\"cargo\", \"check\"],\n  [\"a b\"]]\nrounds = 1\n";
        let file = parse(text).unwrap();
        let shown: Vec<_> = file.items.iter().map(|item| (item.key.name, item.value.flag(), item.line)).collect();
        let mut expected = vec![
            ("model", "m", 2),
            ("steps", "64", 3),
            ("time-limit", "3", 4),
            ("threshold", "0.5", 5),
            ("allow-bidi", "true", 6),
            ("verify.commands", "cargo check 'a b'", 9),
            ("verify.rounds", "1", 11),
        ];
        expected.sort();
        let mut found: Vec<_> = shown.iter().map(|(name, value, line)| (*name, value.as_str(), *line)).collect();
        found.sort();
        assert_eq!(found, expected);
        assert_eq!(file.bytes, text.as_bytes());
        assert!(file.notes.is_empty());
    }

    #[test]
    fn unknown_keys_are_named_with_the_nearest() {
        let file = parse("modle = 1\n[verify]\ncomands = []\n[other]\nx = 1\n").unwrap();
        assert_eq!(
            file.notes,
            [
                "c.toml:1: unknown key modle; did you mean model?",
                "c.toml:4: unknown key other; `dcode config list` shows all keys",
                "c.toml:3: unknown key verify.comands; did you mean verify.commands?",
            ]
        );
    }

    #[test]
    fn keys_of_the_keyboard_with_their_lines() {
        let file = parse("steps = 1\n[keys.review]\ny = \"accept\"\n\"ctrl-x\" = \"none\"\n[keys.browse]\nw = \"up\"\n").unwrap();
        let shown: Vec<String> =
            file.keys.iter().map(|each| format!("{} {}.{} {}", each.line, each.context, each.key, each.action)).collect();
        assert_eq!(shown, ["3 review.y accept", "4 review.ctrl-x none", "6 browse.w up"]);
        assert!(file.notes.is_empty() && file.items.len() == 1);
        for (text, says) in [
            ("\nkeys = 1", "c.toml:2: keys must be a table"),
            ("[keys]\nreview = \"accept\"", "c.toml:2: keys.review must be a table"),
            ("[keys.review]\n\ny = 1", "c.toml:3: keys.review.y must be the name of an action"),
            ("[keys.review]\ny = 'accept'\ny = 'reject'", "c.toml:3: duplicate key"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says) && !error.contains('\n'), "{text}: {error}");
        }
    }

    #[test]
    fn what_a_key_may_not_hold() {
        for (text, says) in [
            ("\nsteps = \"many\"", "c.toml:2: steps must be a whole number from 1 to 100000"),
            ("steps = 0", "steps must be"),
            ("candidates = 99999999999999999999", "candidates must be"),
            ("threshold = nan", "threshold must be a number from 0 to 1"),
            ("color = 'red'", "color must be one of auto, always, never"),
            ("verify.commands = [\"cargo check\"]", "verify.commands must be an array of commands, each an array"),
            ("verify.commands = [[]]", "verify.commands must be"),
            ("model = ''", "model must be a text"),
            ("a = 1\nb = [", "c.toml:2: "),
            ("a = 1\na = 2", "c.toml:2: duplicate key"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
