//! What is said about a model beside its configuration: by `--spec KEY=VALUE,…`, by a `dcode.toml` beside `config.json`, or by the
//! registry. A checkpoint often calls itself by the type of what it was made from, and does not say that it is a denoiser.

use std::path::Path;
use std::str::FromStr;

use crate::model::error::ModelError;
use crate::model::spec::Attention;
use crate::model::spec::Shift;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;

/// Name of the file beside `config.json`.
pub const FILE: &str = "dcode.toml";
/// Largest such file that is read.
const LARGEST: u64 = 64 << 10;
const KEYS: &str = "attention, shift, mask, expand, delete, eos and context";

/// A token by its id or by its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenName {
    /// The id.
    Id(TokenId),
    /// The text of a special token.
    Text(String),
}

impl TokenName {
    /// The id of the token, below `rows`.
    ///
    /// # Errors
    /// The model has no such token.
    pub fn find(&self, tokenizer: &Tokenizer, rows: usize) -> Result<TokenId, ModelError> {
        let id = match self {
            Self::Id(id) => Some(*id),
            Self::Text(text) => tokenizer.special(text),
        };
        id.filter(|id| (*id as usize) < rows)
            .ok_or_else(|| ModelError::Options(format!("the model has no token {self}; name one of its special tokens or an id")))
    }
}

impl std::fmt::Display for TokenName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What is said; the rest is taken from the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecOverrides {
    /// Who sees whom; [`Attention::Causal`] says that the model is no denoiser.
    pub attention: Option<Attention>,
    /// Where predictions are read.
    pub shift: Option<Shift>,
    /// The mask.
    pub mask: Option<TokenName>,
    /// The token that becomes two masks.
    pub expand: Option<TokenName>,
    /// The token that disappears.
    pub delete: Option<TokenName>,
    /// The end of the sequence.
    pub eos: Option<TokenName>,
    /// Largest number of elements.
    pub context: Option<usize>,
}

impl SpecOverrides {
    /// What `self` says, and what `other` says where `self` says nothing.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        Self {
            attention: self.attention.or(other.attention),
            shift: self.shift.or(other.shift),
            mask: self.mask.or(other.mask),
            expand: self.expand.or(other.expand),
            delete: self.delete.or(other.delete),
            eos: self.eos.or(other.eos),
            context: self.context.or(other.context),
        }
    }

    /// Reads the `dcode.toml` in a folder; nothing when there is none.
    ///
    /// # Errors
    /// The file cannot be read, or says what is not possible.
    pub fn in_folder(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join(FILE);
        let damaged = |reason: String| ModelError::Damaged { path: path.clone(), reason };
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Ok(data) if data.len() > LARGEST => return Err(damaged(format!("{} bytes are too many", data.len()))),
            _ => {}
        }
        let text = std::fs::read_to_string(&path).map_err(|source| ModelError::Io { path: path.clone(), source })?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| damaged(error.message().to_owned()))?;
        Self::from_table(&table).map_err(damaged)
    }

    /// Reads a table with the keys of [`SpecOverrides`].
    ///
    /// # Errors
    /// An unknown key, or a value that is not possible.
    pub fn from_table(table: &toml::Table) -> Result<Self, String> {
        let mut said = Self::default();
        for (key, value) in table {
            match value {
                toml::Value::String(text) => said.set(key, text)?,
                toml::Value::Integer(number) => said.set(key, &number.to_string())?,
                other => return Err(format!("{key} is a {}; write text or a number", other.type_str())),
            }
        }
        Ok(said)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let token = || match value.parse() {
            Ok(id) => Ok(Some(TokenName::Id(id))),
            Err(_) if value.is_empty() => Err(format!("{key}={value} is not possible; write a token or its id")),
            Err(_) => Ok(Some(TokenName::Text(value.to_owned()))),
        };
        match key {
            "attention" => self.attention = Some(attention(value)?),
            "shift" => {
                self.shift = Some(match value {
                    "right" => Shift::Right,
                    "none" => Shift::None,
                    _ => return Err(format!("shift={value} is not possible; right and none are")),
                });
            }
            "mask" => self.mask = token()?,
            "expand" => self.expand = token()?,
            "delete" => self.delete = token()?,
            "eos" => self.eos = token()?,
            "context" => {
                let count = value.parse::<usize>().ok().filter(|count| (1..=1 << 28).contains(count));
                self.context = Some(count.ok_or_else(|| format!("context={value} is not possible; write a number of tokens"))?);
            }
            _ => return Err(format!("unknown key {key:?}; there are {KEYS}")),
        }
        Ok(())
    }
}

fn attention(value: &str) -> Result<Attention, String> {
    let block = |text: &str| text.parse::<usize>().ok().filter(|block| (1..=1 << 16).contains(block)).map(Attention::BlockCausal);
    let found = match value.split_once(':') {
        None if value == "bidirectional" => Some(Attention::Bidirectional),
        None if value == "causal" => Some(Attention::Causal),
        Some(("block-causal", size)) => block(size),
        _ => None,
    };
    found.ok_or_else(|| format!("attention={value} is not possible; bidirectional, block-causal:N and causal are"))
}

impl FromStr for SpecOverrides {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut said = Self::default();
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| format!("{pair:?} is not KEY=VALUE; the keys are {KEYS}"))?;
            said.set(key.trim(), value.trim())?;
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read() {
        let said: SpecOverrides = "attention=block-causal:4,shift=none,mask=5,eos=<|im_end|>,context=4096".parse().unwrap();
        assert_eq!((said.attention, said.shift), (Some(Attention::BlockCausal(4)), Some(Shift::None)));
        assert_eq!((said.mask, said.context), (Some(TokenName::Id(5)), Some(4096)));
        assert_eq!(said.eos, Some(TokenName::Text("<|im_end|>".to_owned())));
        assert_eq!("".parse::<SpecOverrides>().unwrap(), SpecOverrides::default());
        for wrong in [
            "attention",
            "attention=canvas",
            "attention=block-causal",
            "attention=block-causal:0",
            "attention=bidirectional:4",
            "shift=left",
            "mask=",
            "context=0",
            "context=x",
            "head=2",
        ] {
            assert!(wrong.parse::<SpecOverrides>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_flag_is_over_the_file_and_the_file_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(SpecOverrides::in_folder(folder.path()).unwrap(), SpecOverrides::default());
        let put = |text: &str| std::fs::write(folder.path().join(FILE), text).unwrap();
        put("attention = \"bidirectional\"\nmask = 7\nexpand = \"<|expand|>\"");
        let file = SpecOverrides::in_folder(folder.path()).unwrap();
        let flag: SpecOverrides = "attention=causal".parse().unwrap();
        let both = flag.over(file);
        assert_eq!((both.attention, both.mask), (Some(Attention::Causal), Some(TokenName::Id(7))));
        for wrong in ["attention = 4", "mask = -1.5", "mask = [1]", "x = 1", "attention = ", "[spec]\nmask = 1"] {
            put(wrong);
            let error = SpecOverrides::in_folder(folder.path()).unwrap_err().to_string();
            assert!(error.contains(FILE), "{error}");
        }
    }
}
