//! What is looked for in the file, and where it is.

use std::ops::Range;
use std::sync::Arc;

use crate::tui::keymap::Action;
use crate::tui::state::Input;
use crate::tui::state::Place;

/// Matches kept at most; what is behind them is not found.
pub const MOST_MATCHES: usize = 100_000;

/// A search in the open file.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What is typed.
    pub input: Input,
    /// What the matches are of; empty when nothing is looked for.
    pub query: String,
    /// The matches, ascending and apart.
    pub matches: Arc<[Range<usize>]>,
    /// The match that was gone to last.
    pub at: Option<usize>,
    /// Where the search began.
    pub origin: Option<Place>,
    /// Told apart from answers to what was typed before.
    pub revision: u64,
    /// Whether matches are still to come.
    pub waiting: bool,
    /// Whether to go to the first match when they come.
    pub seeking: bool,
    /// Steps to the next match and the one before that were asked for while they were still to come.
    pub steps: Vec<Action>,
}

impl Search {
    /// The matches that touch some bytes.
    pub fn within(&self, bytes: &Range<usize>) -> &[Range<usize>] {
        let first = self.matches.partition_point(|found| found.end <= bytes.start);
        let end = self.matches.partition_point(|found| found.start < bytes.end);
        self.matches.get(first..end.max(first)).unwrap_or_default()
    }

    /// The match gone to last.
    pub fn current(&self) -> Option<&Range<usize>> {
        self.matches.get(self.at?)
    }
}

/// All places of `query` in `text`. A query without capital letters finds them in either case.
pub fn find(text: &str, query: &str) -> Vec<Range<usize>> {
    if query.is_empty() {
        return Vec::new();
    }
    if query.chars().any(char::is_uppercase) {
        return text.match_indices(query).map(|(at, found)| at..at + found.len()).take(MOST_MATCHES).collect();
    }
    let query: Vec<char> = query.chars().collect();
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut next = 0;
    for (at, c) in text.char_indices() {
        if at < next || !same(c, query[0]) {
            continue;
        }
        if let Some(len) = begins(&text[at..], &query) {
            next = at + len;
            found.push(at..next);
            if found.len() == MOST_MATCHES {
                break;
            }
        }
    }
    found
}

/// Bytes of the beginning of `text` that are the query, whatever their case.
fn begins(text: &str, query: &[char]) -> Option<usize> {
    let mut chars = text.chars();
    query.iter().try_fold(0, |len, &wanted| chars.next().filter(|&c| same(c, wanted)).map(|c| len + c.len_utf8()))
}

/// Whether two characters are one but for their case; `lower` has no capitals.
fn same(c: char, lower: char) -> bool {
    c == lower || if c.is_ascii() { c.to_ascii_lowercase() == lower } else { c.to_lowercase().eq([lower]) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str, query: &str) -> Vec<String> {
        find(text, query).into_iter().map(|range| text[range].to_owned()).collect()
    }

    #[test]
    fn small_letters_find_capitals_and_capitals_only_themselves() {
        let text = "Map map MAP ÄÖ äö ẞ";
        assert_eq!(texts(text, "map"), ["Map", "map", "MAP"]);
        assert_eq!(texts(text, "Map"), ["Map"]);
        assert_eq!(texts(text, "äö"), ["ÄÖ", "äö"]);
        assert_eq!(texts(text, "Ä"), ["Ä"]);
        assert_eq!(texts("aaaa", "aa"), ["aa", "aa"], "matches do not overlap");
        assert!(find(text, "").is_empty() && find("", "x").is_empty());
        assert_eq!(find(&"a".repeat(MOST_MATCHES + 5), "a").len(), MOST_MATCHES);
    }

    #[test]
    fn the_matches_in_some_bytes() {
        let search = Search { matches: find("ab ab ab", "ab").into(), at: Some(1), ..Search::default() };
        assert_eq!(search.within(&(0..8)).len(), 3);
        assert_eq!(search.within(&(1..4)), [0..2, 3..5]);
        assert!(search.within(&(2..3)).is_empty() && search.within(&(8..9)).is_empty());
        assert_eq!(search.current(), Some(&(3..5)));
    }

    proptest! {
        /// The same as looking in small letters, where small letters have the same bytes.
        #[test]
        fn as_in_a_text_of_small_letters(text in "[aAbB\n ]{0,40}", query in "[ab]{1,3}") {
            let small = text.to_lowercase();
            let expected: Vec<Range<usize>> = small.match_indices(&query).map(|(at, found)| at..at + found.len()).collect();
            prop_assert_eq!(find(&text, &query), expected);
        }
    }
}
