//! Keys to actions: one table, from which the `?` help is made and which the configuration changes.

mod key;
mod rebinding;

pub use self::key::Key;
pub use self::key::is_editing;
pub use self::rebinding::KeymapError;
pub use self::rebinding::Rebinding;
pub use crate::tui::action::Action;
use crate::tui::action::DEFAULTS;

/// Where a key means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    /// Reading and selecting.
    Browse,
    /// Typing the instruction.
    Prompt,
    /// Typing what is looked for in the file.
    Search,
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
    pub const ALL: [Self; 7] = [Self::Browse, Self::Prompt, Self::Search, Self::Run, Self::Review, Self::Picker, Self::Global];

    /// Its name in the configuration and in the help.
    pub fn name(self) -> &'static str {
        match self {
            Self::Browse => "browse",
            Self::Prompt => "prompt",
            Self::Search => "search",
            Self::Run => "run",
            Self::Review => "review",
            Self::Picker => "picker",
            Self::Global => "global",
        }
    }

    /// Whether keys that type go into a line of text.
    pub fn is_typed(self) -> bool {
        matches!(self, Self::Prompt | Self::Search | Self::Picker)
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
    /// The defaults changed by what the user binds.
    ///
    /// # Errors
    /// Something that cannot be bound so, with its place in the list: a context, key or action that does not exist, or keys that
    /// are in each other's way.
    pub fn with(rebindings: &[Rebinding]) -> Result<Self, (usize, KeymapError)> {
        let mut keymap = Self::default();
        let mut bound: Vec<(Context, Key, Option<Action>)> = Vec::new();
        for (index, rebinding) in rebindings.iter().enumerate() {
            let (context, key, action) = rebinding.read().map_err(|error| (index, error))?;
            let before = bound.iter().position(|(where_, other, _)| *where_ == context && *other == key);
            if let Some(before) = before.and_then(|before| rebindings.get(before)) {
                return Err((index, KeymapError::Twice(before.action.clone())));
            }
            keymap.bindings.retain(|(where_, other, _)| *where_ != context || *other != key);
            // What the user binds is what the help names first.
            keymap.bindings.splice(0..0, action.map(|action| (context, key, action)));
            bound.push((context, key, action));
        }
        for (index, (context, key, action)) in bound.iter().enumerate() {
            keymap.check(*context, *key, *action).map_err(|error| (index, error))?;
        }
        Ok(keymap)
    }

    /// Whether a key that the user bound is in the way of anything, once all of them are bound.
    fn check(&self, context: Context, key: Key, action: Option<Action>) -> Result<(), KeymapError> {
        let Some(action) = action else { return Ok(()) };
        let had = DEFAULTS.iter().find(|(where_, name, _)| *where_ == context && name.parse() == Ok(key));
        if let Some((.., had)) = had
            && *had != action
            && self.key(context, *had).is_none()
        {
            return Err(KeymapError::Last(*had));
        }
        let nearer = self.bindings.iter().find(|(where_, other, _)| *where_ != Context::Global && *other == key);
        match nearer.filter(|(.., other)| context == Context::Global && *other != action) {
            Some((where_, _, other)) => Err(KeymapError::Hidden { action: *other, context: *where_ }),
            None => Ok(()),
        }
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

    /// Everything that can be done in a context, also what has no key: for the list of commands.
    pub fn commands(&self, wanted: Context) -> Vec<(Action, String)> {
        let keys = self.actions(wanted);
        let of = |action: &Action| {
            let bound = keys.iter().find(|(bound, _)| bound == action).map(|(_, keys)| keys.clone());
            let belongs = action.contexts().contains(&wanted);
            (belongs || bound.is_some()).then(|| (*action, bound.unwrap_or_default()))
        };
        Action::ALL.iter().filter_map(of).collect()
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

    fn rebinding(context: &str, key: &str, action: &str) -> Rebinding {
        Rebinding { context: context.to_owned(), key: key.to_owned(), action: action.to_owned() }
    }

    fn with(all: &[(&str, &str, &str)]) -> Result<Keymap, (usize, KeymapError)> {
        Keymap::with(&all.iter().map(|(context, key, action)| rebinding(context, key, action)).collect::<Vec<_>>())
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
        let keymap = with(&[("review", "w", "accept")]).unwrap();
        assert_eq!(keymap.action(Context::Review, "w".parse().unwrap()), Some(Action::Accept));
        assert!(keymap.help(Context::Review).contains(&("w space".to_owned(), "accept the hunk")));
        assert_eq!(keymap.key(Context::Review, Action::Accept).unwrap().to_string(), "w");
        let keymap = with(&[("browse", "q", "none"), ("browse", "f", "none")]).unwrap();
        assert_eq!(keymap.action(Context::Browse, "q".parse().unwrap()), None);
        assert!(keymap.commands(Context::Browse).contains(&(Action::Quit, String::new())), "it can still be chosen");
    }

    #[test]
    fn every_action_can_be_bound_to_another_key() {
        for (context, _, action) in DEFAULTS {
            let keymap = with(&[(context.name(), "alt-x", action.name())]).unwrap();
            let key: Key = "alt-x".parse().unwrap();
            assert_eq!(keymap.action(*context, key), Some(*action), "{context:?} {action:?}");
            assert_eq!(keymap.key(*context, *action), Some(key));
            // And have that one alone.
            let old = DEFAULTS.iter().filter(|(where_, _, bound)| where_ == context && bound == action);
            let freed = old.map(|(_, key, _)| (context.name(), *key, "none"));
            let all: Vec<_> = freed.chain([(context.name(), "alt-x", action.name())]).collect();
            assert_eq!(with(&all).unwrap().actions(*context).iter().find(|(each, _)| each == action).unwrap().1, "alt-x");
        }
    }

    #[test]
    fn keys_in_each_others_way_are_refused_in_one_line() {
        let told = |all: &[(&str, &str, &str)]| {
            let (index, error) = with(all).unwrap_err();
            let error = error.to_string();
            assert!(!error.contains('\n'), "{error}");
            (index, error)
        };
        for (all, at, says) in [
            (&[("nowhere", "q", "quit")][..], 0, "no keys for `nowhere`: use browse, prompt, search"),
            (&[("browse", "hyper-q", "quit")], 0, "`hyper-q` is not a key"),
            (&[("browse", "q", "explode")], 0, "`explode` is not an action"),
            (&[("browse", "w", "accept")], 0, "`accept` does nothing in browse: it belongs to review"),
            (&[("review", " ", "reject"), ("review", "space", "accept")], 1, "the same key is bound to `reject` too"),
            (&[("review", "w", "accept"), ("review", "a", "accept")], 1, "it is the only key of `apply`"),
            (&[("prompt", "x", "submit")], 0, "the key types here"),
            (&[("picker", "ctrl-u", "up")], 0, "the key types here"),
            (&[("global", "x", "themes")], 0, "the key is `reject` in review: free it there"),
        ] {
            let (index, error) = told(all);
            assert!(index == at && error.contains(says), "{all:?}: {index} {error}");
        }
        assert!(with(&[("review", "w", "apply"), ("review", "a", "accept")]).is_ok(), "it has another key then");
        assert!(with(&[("review", "x", "none"), ("global", "x", "themes")]).is_ok());
        assert!(with(&[("review", "alt-t", "themes")]).is_ok(), "what can be done everywhere can be bound anywhere");
    }

    #[test]
    fn the_nearer_context_takes_a_key() {
        let keymap = with(&[("run", "?", "stop")]).unwrap();
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
