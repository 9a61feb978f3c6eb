//! Keys to actions: one table, from which the `?` help is made and which the configuration changes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crossterm::event::KeyCode;
use crossterm::event::KeyEvent;
use crossterm::event::KeyModifiers;

pub use crate::tui::action::Action;
use crate::tui::action::DEFAULTS;

/// Where a key means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    /// Reading and selecting.
    Browse,
    /// Typing the instruction.
    Prompt,
    /// Watching and steering a run.
    Run,
    /// Reviewing hunks.
    Review,
    /// Choosing from a list.
    Picker,
    /// Everywhere, where nothing nearer takes the key.
    Global,
}

impl Context {
    /// All, in the order of the help.
    pub const ALL: [Self; 6] = [Self::Browse, Self::Prompt, Self::Run, Self::Review, Self::Picker, Self::Global];

    /// Its name in the configuration and in the help.
    pub fn name(self) -> &'static str {
        match self {
            Self::Browse => "browse",
            Self::Prompt => "prompt",
            Self::Run => "run",
            Self::Review => "review",
            Self::Picker => "picker",
            Self::Global => "global",
        }
    }
}

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The key; a letter carries its own case.
    pub code: KeyCode,
    /// Ctrl and Alt; Shift only with keys that are no characters.
    pub modifiers: KeyModifiers,
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let mut code = event.code;
        if let KeyCode::Char(c) = code {
            modifiers -= KeyModifiers::SHIFT;
            if modifiers.contains(KeyModifiers::CONTROL) {
                code = KeyCode::Char(c.to_ascii_lowercase());
            }
        }
        // Shift is in the name of the key already.
        if code == KeyCode::BackTab {
            modifiers -= KeyModifiers::SHIFT;
        }
        Self { code, modifiers }
    }
}

/// A key that cannot be read, or an action that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeymapError {
    /// Not a key.
    #[error("`{0}` is not a key: write for example `x`, `ctrl-x`, `alt-o`, `space`, `page-down`")]
    Key(String),
    /// Not an action.
    #[error("`{0}` is not an action: press ? to see them, or use `none` to free a key")]
    Action(String),
    /// Not a part of the program.
    #[error("`keys.{0}` does not exist: use browse, prompt, run, review, picker or global")]
    Context(String),
    /// Not a table of keys.
    #[error("`keys.{0}` is not a table of keys: write for example `[keys.review]` and below it `y = \"accept\"`")]
    Table(String),
}

const NAMED: [(&str, KeyCode); 18] = [
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("page-up", KeyCode::PageUp),
    ("page-down", KeyCode::PageDown),
    ("minus", KeyCode::Char('-')),
    ("f1", KeyCode::F(1)),
    ("f5", KeyCode::F(5)),
];

impl FromStr for Key {
    type Err = KeymapError;

    fn from_str(text: &str) -> Result<Self, KeymapError> {
        let error = || KeymapError::Key(text.to_owned());
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        loop {
            let (modifier, prefix) = match rest {
                _ if rest.starts_with("ctrl-") => (KeyModifiers::CONTROL, 5),
                _ if rest.starts_with("alt-") => (KeyModifiers::ALT, 4),
                _ if rest.starts_with("shift-") => (KeyModifiers::SHIFT, 6),
                _ => break,
            };
            modifiers |= modifier;
            rest = &rest[prefix..];
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() => KeyCode::Char(c),
            _ => NAMED.iter().find(|(name, _)| *name == rest).map(|(_, code)| *code).ok_or_else(error)?,
        };
        // Terminals send the letter itself for shift, so a binding with both would never be met.
        if matches!(code, KeyCode::Char(_)) && modifiers.contains(KeyModifiers::SHIFT) {
            return Err(error());
        }
        Ok(Self { code, modifiers })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")] {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match (NAMED.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, code) => write!(f, "{code}"),
        }
    }
}

/// The bindings in force.
#[derive(Clone, Debug)]
pub struct Keymap {
    bindings: Vec<(Context, Key, Action)>,
}

impl Default for Keymap {
    fn default() -> Self {
        // A default that is no key would be lost; a test sees to it that there is none.
        let bindings =
            DEFAULTS.iter().filter_map(|(context, key, action)| Some((*context, key.parse().ok()?, *action))).collect();
        Self { bindings }
    }
}

impl Keymap {
    /// The defaults changed by the table `[keys]` of a configuration: for each context, keys with the names of actions, or
    /// `none`.
    ///
    /// # Errors
    /// A context, key or action that does not exist, or something that is no table of keys.
    pub fn from_table(keys: &toml::Table) -> Result<Self, KeymapError> {
        let mut overrides = BTreeMap::new();
        for (context, bindings) in keys {
            let table = bindings.as_table().ok_or_else(|| KeymapError::Table(context.clone()))?;
            let binding = |(key, action): (&String, &toml::Value)| {
                let action = action.as_str().ok_or_else(|| KeymapError::Table(context.clone()))?;
                Ok((key.clone(), action.to_owned()))
            };
            overrides.insert(context.clone(), table.iter().map(binding).collect::<Result<BTreeMap<_, _>, KeymapError>>()?);
        }
        Self::with(&overrides)
    }

    /// The defaults changed by overrides: for each context, keys with the names of actions, or `none`.
    ///
    /// # Errors
    /// A context, key or action that does not exist.
    pub fn with(overrides: &BTreeMap<String, BTreeMap<String, String>>) -> Result<Self, KeymapError> {
        let mut keymap = Self::default();
        for (name, keys) in overrides {
            let context = Context::ALL
                .into_iter()
                .find(|context| context.name() == name)
                .ok_or_else(|| KeymapError::Context(name.clone()))?;
            for (key, action) in keys {
                let key: Key = key.parse()?;
                keymap.bindings.retain(|(where_, bound, _)| *where_ != context || *bound != key);
                if action == "none" {
                    continue;
                }
                let action =
                    *Action::ALL.iter().find(|each| each.name() == action).ok_or_else(|| KeymapError::Action(action.clone()))?;
                // What the user binds is what the help names first.
                keymap.bindings.insert(0, (context, key, action));
            }
        }
        Ok(keymap)
    }

    /// What a key does in a context.
    pub fn action(&self, context: Context, key: Key) -> Option<Action> {
        let find = |wanted: Context| self.bindings.iter().find(|(context, bound, _)| *context == wanted && *bound == key);
        find(context).or_else(|| find(Context::Global)).map(|(_, _, action)| *action)
    }

    /// The first key for an action in a context, for hints.
    pub fn key(&self, context: Context, action: Action) -> Option<Key> {
        let find = |wanted: Context| self.bindings.iter().find(|(context, _, bound)| *context == wanted && *bound == action);
        find(context).or_else(|| find(Context::Global)).map(|(_, key, _)| *key)
    }

    /// The first key for an action in a context, in words.
    pub fn key_text(&self, context: Context, action: Action) -> String {
        self.key(context, action).map_or_else(|| format!("`{}`", action.name()), |key| key.to_string())
    }

    /// What can be done in a context: for each action its keys and what it does.
    pub fn actions(&self, wanted: Context) -> Vec<(Action, String)> {
        Action::ALL
            .iter()
            .filter_map(|action| {
                let keys: Vec<String> = self
                    .bindings
                    .iter()
                    .filter(|(context, _, bound)| *context == wanted && bound == action)
                    .map(|(_, key, _)| key.to_string())
                    .collect();
                (!keys.is_empty()).then(|| (*action, keys.join(" ")))
            })
            .collect()
    }

    /// The help of a context: for each action its keys and what it does. Actions that go with a number share a line.
    pub fn help(&self, wanted: Context) -> Vec<(String, &'static str)> {
        let mut lines: Vec<(String, &'static str)> = Vec::new();
        for (action, keys) in self.actions(wanted) {
            match lines.last_mut() {
                Some((first, help)) if *help == action.help() => {
                    let start = first.split('–').next().unwrap_or_default().to_owned();
                    *first = format!("{start}–{keys}");
                }
                _ => lines.push((keys, action.help())),
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(context: &str, key: &str, action: &str) -> BTreeMap<String, BTreeMap<String, String>> {
        BTreeMap::from([(context.to_owned(), BTreeMap::from([(key.to_owned(), action.to_owned())]))])
    }

    #[test]
    fn the_defaults_are_keys_and_no_key_means_two_things() {
        let keymap = Keymap::default();
        assert_eq!(keymap.bindings.len(), DEFAULTS.len());
        for (index, (context, key, _)) in keymap.bindings.iter().enumerate() {
            assert!(
                !keymap.bindings[..index].iter().any(|(other, bound, _)| other == context && bound == key),
                "{context:?} {key}"
            );
            assert_eq!(key.to_string().parse(), Ok(*key));
        }
        for action in Action::ALL {
            assert!(keymap.bindings.iter().any(|(_, _, bound)| bound == action), "{action:?} has no key");
        }
    }

    #[test]
    fn a_configuration_changes_keys_and_the_help_follows() {
        let keymap = Keymap::with(&overrides("review", "y", "accept")).unwrap();
        assert_eq!(keymap.action(Context::Review, "y".parse().unwrap()), Some(Action::Accept));
        assert!(keymap.help(Context::Review).contains(&("y space".to_owned(), "accept the hunk")));
        assert_eq!(keymap.key(Context::Review, Action::Accept).unwrap().to_string(), "y");
        let keymap = Keymap::with(&overrides("browse", "q", "none")).unwrap();
        assert_eq!(keymap.action(Context::Browse, "q".parse().unwrap()), None);
        assert_eq!(Keymap::with(&overrides("browse", "q", "explode")).unwrap_err(), KeymapError::Action("explode".into()));
        assert_eq!(Keymap::with(&overrides("browse", "hyper-q", "quit")).unwrap_err(), KeymapError::Key("hyper-q".into()));
        assert_eq!(Keymap::with(&overrides("nowhere", "q", "quit")).unwrap_err(), KeymapError::Context("nowhere".into()));
    }

    #[test]
    fn the_table_of_a_configuration_file() {
        let table = |text: &str| text.parse::<toml::Table>().unwrap();
        let keymap = Keymap::from_table(&table("[review]\ny = \"accept\"\n\"ctrl-x\" = \"reject\"\n")).unwrap();
        assert_eq!(keymap.action(Context::Review, "ctrl-x".parse().unwrap()), Some(Action::Reject));
        assert_eq!(Keymap::from_table(&table("review = 1")).unwrap_err(), KeymapError::Table("review".into()));
        assert_eq!(Keymap::from_table(&table("[review]\ny = 1")).unwrap_err(), KeymapError::Table("review".into()));
    }

    #[test]
    fn events_become_keys() {
        let key = |code, modifiers| Key::from(KeyEvent::new(code, modifiers)).to_string();
        assert_eq!(key(KeyCode::Char('A'), KeyModifiers::SHIFT), "A");
        assert_eq!(key(KeyCode::Char('C'), KeyModifiers::CONTROL | KeyModifiers::SHIFT), "ctrl-c");
        assert_eq!(key(KeyCode::Char(' '), KeyModifiers::NONE), "space");
        assert_eq!(key(KeyCode::PageUp, KeyModifiers::SHIFT), "shift-page-up");
        assert_eq!(key(KeyCode::BackTab, KeyModifiers::SHIFT), "backtab");
        assert!("shift-a".parse::<Key>().is_err() && "".parse::<Key>().is_err() && "ctrl-".parse::<Key>().is_err());
    }

    #[test]
    fn the_nearer_context_takes_a_key() {
        let keymap = Keymap::with(&overrides("run", "?", "stop")).unwrap();
        let help = "?".parse().unwrap();
        assert_eq!(keymap.action(Context::Run, help), Some(Action::Stop));
        assert_eq!(keymap.action(Context::Review, help), Some(Action::Help));
    }

    #[test]
    fn numbered_actions_share_a_line_of_the_help() {
        let help = Keymap::default().help(Context::Run);
        assert_eq!(help.iter().filter(|(_, help)| help.contains("alternative")).count(), 1);
        assert!(help.iter().any(|(keys, _)| keys == "1–8"), "{help:?}");
    }
}
