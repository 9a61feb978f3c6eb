//! Small plausible defects of code: a swapped operator, a line lost or twice, a character lost. What is learned is to put them right.

use rand::Rng;
use rand::rngs::StdRng;

/// Texts that take each other's place by mistake.
const SWAPS: [(&str, &str); 23] = [
    ("==", "!="),
    ("<", "<="),
    (">", ">="),
    ("+", "-"),
    ("&&", "||"),
    ("and", "or"),
    ("true", "false"),
    ("True", "False"),
    ("0", "1"),
    ("+ 1", "- 1"),
    ("Some", "None"),
    ("Ok", "Err"),
    ("is None", "is not None"),
    ("&mut ", "&"),
    (".iter()", ".into_iter()"),
    ("let mut", "let"),
    ("return ", ""),
    ("self.", ""),
    ("?", ""),
    (";", ""),
    (":", ""),
    ("()", ""),
    ("not ", ""),
];

/// Tries before a text is given up.
const TRIES: usize = 6;

/// Instructions that say no more than that something is wrong.
pub const INSTRUCTIONS: [&str; 4] = ["Fix the bug.", "Fix this code.", "fix bug", "Correct the mistake."];

/// `text` with one defect, and never the same text; `None` when none could be made.
pub fn defect(text: &str, random: &mut StdRng) -> Option<String> {
    (0..TRIES).find_map(|_| one(text, random).filter(|broken| broken != text))
}

fn one(text: &str, random: &mut StdRng) -> Option<String> {
    let kind = random.random::<f64>();
    if kind < 0.7 {
        let (mut from, mut to) = SWAPS[random.random_range(0..SWAPS.len())];
        if !to.is_empty() && random.random::<f64>() < 0.5 {
            (from, to) = (to, from);
        }
        let places: Vec<usize> = text.match_indices(from).map(|(at, _)| at).collect();
        if places.is_empty() {
            return None;
        }
        let at = places[random.random_range(0..places.len())];
        return Some([&text[..at], to, &text[at + from.len()..]].concat());
    }
    if kind < 0.9 {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        if lines.len() < 3 {
            return None;
        }
        let line = random.random_range(0..lines.len());
        let (before, behind) = (lines[..line].concat(), lines[line + 1..].concat());
        let twice = if kind < 0.8 { String::new() } else { lines[line].repeat(2) };
        return Some([before, twice, behind].concat());
    }
    let places: Vec<(usize, char)> = text.char_indices().filter(|(_, c)| *c != '\n').collect();
    if places.len() < 4 {
        return None;
    }
    let (at, character) = places[random.random_range(0..places.len())];
    Some([&text[..at], &text[at + character.len_utf8()..]].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use similar::TextDiff;

    use super::*;

    const CODE: &str =
        "fn f(x: &mut Option<u8>) -> bool {\n    let mut y = x.is_none() && true;\n    y = y || 0 < 1;\n    return y;\n}\n";

    proptest! {
        #[test]
        fn one_place_changes(seed: u64) {
            let run = |seed| defect(CODE, &mut StdRng::seed_from_u64(seed));
            let broken = run(seed);
            prop_assert_eq!(&broken, &run(seed));
            if let Some(broken) = broken {
                prop_assert_ne!(&broken, CODE);
                let diff = TextDiff::from_lines(CODE, &broken);
                let changed = diff.ops().iter().filter(|op| op.tag() != similar::DiffTag::Equal).count();
                prop_assert_eq!(changed, 1);
            }
        }

        #[test]
        fn any_text_will_do(text: String, seed: u64) {
            if let Some(broken) = defect(&text, &mut StdRng::seed_from_u64(seed)) {
                prop_assert_ne!(broken, text);
            }
        }
    }

    #[test]
    fn most_code_can_be_broken_in_many_ways() {
        let mut random = StdRng::seed_from_u64(1);
        let found: Vec<String> = (0..500).filter_map(|_| defect(CODE, &mut random)).collect();
        let kinds: std::collections::HashSet<&String> = found.iter().collect();
        assert!(found.len() > 450 && kinds.len() > 40, "{} {}", found.len(), kinds.len());
        assert_eq!(defect("", &mut random), None);
    }
}
