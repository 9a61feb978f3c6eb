//! How far a place is grown to a piece of syntax; what that means in each language is for the syntax layer to say.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

/// What is selected around a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expand {
    /// The smallest expression.
    Expr,
    /// The statement, declaration or entry.
    Stmt,
    /// The block in its brackets, or the indented lines of Python.
    Block,
    /// The function or method.
    Fn,
    /// The implementation, class, or other type with its body.
    Impl,
}

/// A word that names no kind of syntax.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be expanded to; choose expr, stmt, block, fn or impl")]
pub struct UnknownExpand(pub String);

impl Expand {
    /// All of them, in the order of their usual size.
    pub const ALL: [Expand; 5] = [Expand::Expr, Expand::Stmt, Expand::Block, Expand::Fn, Expand::Impl];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Expand::Expr => "expr",
            Expand::Stmt => "stmt",
            Expand::Block => "block",
            Expand::Fn => "fn",
            Expand::Impl => "impl",
        }
    }
}

impl fmt::Display for Expand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Expand {
    type Err = UnknownExpand;

    fn from_str(text: &str) -> Result<Expand, UnknownExpand> {
        Expand::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| UnknownExpand(text.into()))
    }
}
