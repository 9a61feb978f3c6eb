//! SPDX licence expressions, as far as one question goes: may the code be used in whatever one makes?

/// Licences that ask for no more than that notices are kept.
const PERMISSIVE: [&str; 33] = [
    "0BSD",
    "Apache-2.0",
    "Artistic-2.0",
    "BlueOak-1.0.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-2-Clause-Patent",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "curl",
    "FTL",
    "HPND",
    "IJG",
    "ISC",
    "Libpng",
    "libpng-2.0",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "NCSA",
    "PostgreSQL",
    "PSF-2.0",
    "Python-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "UPL-1.0",
    "WTFPL",
    "X11",
    "Zlib",
];

/// Levels of parentheses that are followed; an expression is a line of a manifest.
const DEPTH: usize = 16;

/// Whether the licence that `expression` names is permissive: with `OR` one of them, with `AND` all of them. Cargo's old `/` is `OR`. An
/// exception (`WITH`) only ever adds to what is allowed. What cannot be read is not permissive.
pub fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest, DEPTH).is_some_and(|permissive| permissive && rest.is_empty())
}

/// `a OR b …`: whether one of them is permissive; `None` where the expression is wrong.
fn either(rest: &mut &[&str], depth: usize) -> Option<bool> {
    let mut permissive = both(rest, depth)?;
    while takes(rest, "OR") {
        permissive |= both(rest, depth)?;
    }
    Some(permissive)
}

fn both(rest: &mut &[&str], depth: usize) -> Option<bool> {
    let mut permissive = one(rest, depth)?;
    while takes(rest, "AND") {
        permissive &= one(rest, depth)?;
    }
    Some(permissive)
}

fn one(rest: &mut &[&str], depth: usize) -> Option<bool> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    if *first == "(" {
        let inside = either(rest, depth.checked_sub(1)?)?;
        return takes(rest, ")").then_some(inside);
    }
    if [")", "OR", "AND", "WITH"].iter().any(|word| first.eq_ignore_ascii_case(word)) {
        return None;
    }
    if takes(rest, "WITH") {
        *rest = rest.split_first()?.1;
    }
    Some(PERMISSIVE.iter().any(|licence| licence.eq_ignore_ascii_case(first)))
}

fn takes(rest: &mut &[&str], word: &str) -> bool {
    match rest.split_first() {
        Some((first, behind)) if first.eq_ignore_ascii_case(word) => {
            *rest = behind;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for yes in [
            "MIT",
            "mit",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
            "GPL-2.0-only OR MIT",
            "MIT AND (GPL-3.0 OR BSD-3-Clause)",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        ] {
            assert!(is_permissive(yes), "{yes}");
        }
        for no in [
            "",
            "GPL-3.0-or-later",
            "MIT AND GPL-3.0-only",
            "LGPL-2.1 OR MPL-2.0",
            "proprietary",
            "UNLICENSED",
            "MIT OR",
            "OR MIT",
            "(MIT",
            "MIT)",
            "MIT Apache-2.0",
            "MIT WITH",
            "SEE LICENSE IN LICENSE.md",
            "CC-BY-NC-4.0",
        ] {
            assert!(!is_permissive(no), "{no}");
        }
        let deep = format!("{}MIT{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(!is_permissive(&deep));
    }

    #[test]
    fn the_list_is_in_order_and_has_no_double() {
        let lower: Vec<String> = PERMISSIVE.iter().map(|licence| licence.to_lowercase()).collect();
        assert!(lower.is_sorted_by(|a, b| a < b));
    }
}
