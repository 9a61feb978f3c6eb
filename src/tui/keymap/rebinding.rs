//! Keys that the user binds, and what may be wrong with them.

use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Key;
use crate::tui::keymap::is_editing;

/// A key that cannot be bound so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeymapError {
    /// Not a key.
    #[error("`{0}` is not a key: write for example `x`, `ctrl-x`, `alt-o`, `space`, `page-down`")]
    Key(String),
    /// Not an action.
    #[error("`{0}` is not an action: docs/tui.md lists them; `none` frees a key")]
    Action(String),
    /// Not a part of the program.
    #[error("there are no keys for `{0}`: use {all}", all = names(&Context::ALL))]
    Context(String),
    /// An action that does nothing there.
    #[error("`{}` does nothing in {}: it belongs to {}", action.name(), context.name(), names(&action.contexts()))]
    Elsewhere {
        /// The action.
        action: Action,
        /// Where it was bound.
        context: Context,
    },
    /// The key is bound twice, in two spellings.
    #[error("the same key is bound to `{0}` too: keep one of them")]
    Twice(String),
    /// The key types or moves in a line of text.
    #[error("the key types here: take one with ctrl or alt, or a function key")]
    Types,
    /// Something would be left without a key.
    #[error("it is the only key of `{}`: bind that to another key too", .0.name())]
    Last(Action),
    /// A nearer context has the key.
    #[error("the key is `{}` in {}: free it there with `none`, or take another one", action.name(), context.name())]
    Hidden {
        /// What it does there.
        action: Action,
        /// Where.
        context: Context,
    },
}

/// Contexts in words.
fn names(contexts: &[Context]) -> String {
    contexts.iter().map(|context| context.name()).collect::<Vec<_>>().join(", ")
}

/// A key that the user binds, as it is written in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebinding {
    /// Name of the context.
    pub context: String,
    /// The key.
    pub key: String,
    /// Name of the action, or `none`.
    pub action: String,
}

impl Rebinding {
    /// What it says, as far as that can be told without the others.
    pub(super) fn read(&self) -> Result<(Context, Key, Option<Action>), KeymapError> {
        let context = Context::ALL.into_iter().find(|context| context.name() == self.context);
        let context = context.ok_or_else(|| KeymapError::Context(self.context.clone()))?;
        let key: Key = self.key.parse()?;
        if self.action == "none" {
            return Ok((context, key, None));
        }
        let action = Action::ALL.iter().copied().find(|each| each.name() == self.action);
        let action = action.ok_or_else(|| KeymapError::Action(self.action.clone()))?;
        let contexts = action.contexts();
        if !contexts.contains(&context) && !contexts.contains(&Context::Global) {
            return Err(KeymapError::Elsewhere { action, context });
        }
        if context.is_typed() && is_editing(key) {
            return Err(KeymapError::Types);
        }
        Ok((context, key, Some(action)))
    }
}
