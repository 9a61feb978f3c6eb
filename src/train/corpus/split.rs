//! Which files are kept apart to measure on: decided by the name of a file alone, so that a file stays on its side when it changes,
//! when others come and go, and when its edits are taken from the history.

use crate::document::ContentHash;

/// Which part of a corpus something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// To learn from.
    Train,
    /// To measure on, never learned from.
    HeldOut,
}

impl Set {
    /// Both, in order.
    pub const ALL: [Set; 2] = [Set::Train, Set::HeldOut];

    /// In one word, for people and names of files.
    pub fn name(self) -> &'static str {
        match self {
            Set::Train => "train",
            Set::HeldOut => "held-out",
        }
    }
}

/// The set of the file called `name` when a share of `held_out` (0 to 1) of all files is to be held out.
///
/// The first 52 bits of the name's sha256, as a number from 0 to 1, are compared with the share; so a larger share holds out all that a
/// smaller one does, and more.
pub fn set_of(name: &str, held_out: f64) -> Set {
    let hash = ContentHash::of(name.as_bytes()).to_string();
    let number = u64::from_str_radix(&hash[..13], 16).unwrap_or(u64::MAX);
    let place = number as f64 / (1_u64 << 52) as f64;
    if place < held_out { Set::HeldOut } else { Set::Train }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_and_sets_only_grow() {
        let names: Vec<String> = (0..10_000).map(|number| format!("src/file{number}.rs")).collect();
        let held = |share: f64| names.iter().filter(|name| set_of(name, share) == Set::HeldOut).collect::<Vec<_>>();
        assert!(held(0.0).is_empty());
        assert_eq!(held(1.0).len(), names.len());
        let (small, large) = (held(0.02), held(0.1));
        // Five standard deviations of a binomial count.
        assert!(small.len().abs_diff(200) < 70 && large.len().abs_diff(1000) < 150, "{} {}", small.len(), large.len());
        assert!(small.iter().all(|name| large.contains(name)));
    }
}
