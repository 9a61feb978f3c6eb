//! A list to choose from by typing: files, symbols, commands, themes, written edits, findings, recorded runs.

use std::ops::Range;
use std::sync::Arc;

use nucleo_matcher::Config;
use nucleo_matcher::Matcher;
use nucleo_matcher::Utf32Str;
use nucleo_matcher::pattern::CaseMatching;
use nucleo_matcher::pattern::Normalization;
use nucleo_matcher::pattern::Pattern;

use crate::tui::keymap::Action;
use crate::tui::state::Input;

/// What is chosen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Files of the work tree.
    Files,
    /// Definitions of the open file.
    Symbols,
    /// Everything that can be done now.
    Commands,
    /// Themes; the one looked at is shown at once.
    Themes,
    /// Edits that were written.
    Log,
    /// What the recipes find in the open file; the place looked at is shown at once.
    Findings,
    /// Recorded runs.
    Recordings,
}

impl Kind {
    /// What stands above the list.
    pub fn title(self) -> &'static str {
        match self {
            Self::Files => "open a file",
            Self::Symbols => "go to a symbol",
            Self::Commands => "commands",
            Self::Themes => "theme",
            Self::Log => "written edits",
            Self::Findings => "what the recipes find",
            Self::Recordings => "replay a run",
        }
    }

    /// What is said when there is nothing to choose from.
    pub fn empty(self) -> &'static str {
        match self {
            Self::Files => "no files here",
            Self::Symbols => "no definitions in this file",
            Self::Commands => "no commands",
            Self::Themes => "no themes",
            Self::Log => "nothing was written yet",
            Self::Findings => "the recipes find nothing in this file",
            Self::Recordings => "no recorded runs here",
        }
    }
}

/// What choosing an item means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Opens a file.
    File(String),
    /// Selects bytes of the open file.
    Symbol(Range<usize>),
    /// Does something.
    Action(Action),
    /// Takes a theme.
    Theme(String),
    /// Takes up what a recipe found.
    Finding {
        /// The bytes that it is about.
        at: Range<usize>,
        /// What to do with them.
        instruction: String,
        /// What replaces which bytes, ascending; nothing when the model is to say it.
        rewrite: Vec<(Range<usize>, String)>,
    },
    /// Shows a recorded run.
    Recording {
        /// The file with it.
        path: String,
        /// The candidate.
        candidate: usize,
    },
    /// Takes back an edit that is applied, or brings back one that was taken back.
    Edit {
        /// Its number.
        id: u64,
        /// Whether it is in the files.
        applied: bool,
    },
}

/// Something to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What is matched and shown.
    pub label: String,
    /// What stands on the right, such as a key.
    pub detail: String,
    /// A letter before the label, such as git's `M`; a blank for none.
    pub badge: char,
    /// What choosing it means.
    pub value: Value,
}

/// An item that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Place in the list of all items.
    pub item: usize,
    /// Characters of the label that match, ascending.
    pub positions: Vec<u32>,
}

/// The items that match a query, best first; all of them, in their order, for an empty one.
pub fn filter(items: &[Item], query: &str) -> Vec<Found> {
    if query.trim().is_empty() {
        return (0..items.len()).map(|item| Found { item, positions: Vec::new() }).collect();
    }
    let paths = items.iter().any(|item| matches!(item.value, Value::File(_)));
    let mut matcher = Matcher::new(if paths { Config::DEFAULT.match_paths() } else { Config::DEFAULT });
    let pattern = Pattern::parse(query, CaseMatching::Smart, Normalization::Smart);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, usize)> = items
        .iter()
        .enumerate()
        .filter_map(|(index, item)| Some((pattern.score(Utf32Str::new(&item.label, &mut buffer), &mut matcher)?, index)))
        .collect();
    // Equal scores: the shorter label, then the order of the list.
    scored.sort_by_key(|(score, index)| (std::cmp::Reverse(*score), items[*index].label.len(), *index));
    let mut found: Vec<Found> = scored.into_iter().map(|(_, item)| Found { item, positions: Vec::new() }).collect();
    // The places are for the eye only: those of a screenful are enough.
    for each in found.iter_mut().take(SHOWN) {
        pattern.indices(Utf32Str::new(&items[each.item].label, &mut buffer), &mut matcher, &mut each.positions);
        each.positions.sort_unstable();
        each.positions.dedup();
    }
    found
}

/// Items whose matching characters are marked.
const SHOWN: usize = 200;

/// A list to choose from.
#[derive(Clone, Debug)]
pub struct Picker {
    /// What it is about.
    pub kind: Kind,
    /// What is typed.
    pub input: Input,
    /// All items.
    pub items: Arc<[Item]>,
    /// Those that match, best first.
    pub found: Vec<Found>,
    /// The one looked at, among `found`.
    pub at: usize,
    /// Whether the items are still to come.
    pub loading: bool,
    /// Told apart from answers to what was typed before.
    pub revision: u64,
    /// Whether the items that match what is typed are still to come.
    pub filtering: bool,
    /// Whether the best item is to be taken as soon as it is known.
    pub choosing: bool,
}

impl Picker {
    /// A list whose items are still to come.
    pub fn waiting(kind: Kind) -> Self {
        Self {
            kind,
            input: Input::default(),
            items: Arc::new([]),
            found: Vec::new(),
            at: 0,
            loading: true,
            revision: 0,
            filtering: false,
            choosing: false,
        }
    }

    /// A list of items.
    pub fn of(kind: Kind, items: Vec<Item>) -> Self {
        let found = filter(&items, "");
        Self { items: items.into(), found, loading: false, ..Self::waiting(kind) }
    }

    /// The item looked at.
    pub fn current(&self) -> Option<&Item> {
        self.items.get(self.found.get(self.at)?.item)
    }

    /// Moves to another item, and stays in the list.
    pub fn step(&mut self, by: isize) {
        self.at = self.at.saturating_add_signed(by).min(self.found.len().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(labels: &[&str]) -> Vec<Item> {
        let item = |label: &&str| Item {
            label: (*label).to_owned(),
            detail: String::new(),
            badge: ' ',
            value: Value::File((*label).to_owned()),
        };
        labels.iter().map(item).collect()
    }

    fn found(labels: &[&str], query: &str) -> Vec<String> {
        let items = items(labels);
        filter(&items, query).into_iter().map(|found| items[found.item].label.clone()).collect()
    }

    #[test]
    fn better_matches_come_first() {
        let labels = ["src/tui/state.rs", "src/start.rs", "tests/main.rs", "README.md"];
        assert_eq!(found(&labels, ""), labels);
        assert_eq!(found(&labels, "state")[0], "src/tui/state.rs");
        assert_eq!(found(&labels, "main rs"), ["tests/main.rs"]);
        assert_eq!(found(&labels, "README"), ["README.md"]);
        assert_eq!(found(&labels, "nothing like it"), [""; 0]);
    }

    #[test]
    fn the_matching_characters_are_marked() {
        let all = items(&["src/日本/main.rs"]);
        let found = filter(&all, "main");
        assert_eq!(found[0].positions, [7, 8, 9, 10]);
    }

    #[test]
    fn the_place_stays_in_the_list() {
        let mut picker = Picker::of(Kind::Files, items(&["a", "b"]));
        picker.step(5);
        assert_eq!(picker.at, 1);
        picker.step(-9);
        assert_eq!(picker.current().unwrap().label, "a");
        let mut empty = Picker::of(Kind::Files, Vec::new());
        empty.step(1);
        assert_eq!((empty.at, empty.current()), (0, None));
    }
}
