use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

use rand::SeedableRng;

use super::*;

/// The good code of each recipe's own example is made worse, and the recipe gives it back: every rule works.
#[test]
fn every_rule_breaks_what_its_recipe_mends() {
    let library = Library::embedded().unwrap();
    let mut random = StdRng::seed_from_u64(1);
    let breakers = [Language::Rust, Language::Python].map(|language| Breaker::new(language).unwrap().unwrap());
    for (number, rule) in RULES.iter().enumerate() {
        let breaker = breakers.iter().find(|breaker| breaker.language() == rule.language).unwrap();
        let recipe =
            library.recipes().iter().find(|recipe| recipe.language == rule.language && recipe.name == rule.recipe).unwrap();
        // Rules of one recipe for several forms: its example has one of them.
        let same: Vec<usize> = (0..RULES.len())
            .filter(|&other| RULES[other].recipe == rule.recipe && RULES[other].language == rule.language)
            .collect();
        if same[0] != number {
            continue;
        }
        let mut found = BTreeSet::new();
        for _ in 0..200 {
            if let Some(broken) = breaker.break_one(&recipe.example.after, &mut random) {
                assert_ne!(broken.worse, broken.good);
                assert_eq!([&*broken.before, &broken.good, &broken.after].concat(), recipe.example.after);
                found.insert(broken.recipe);
            }
            if found.contains(rule.recipe) {
                break;
            }
        }
        assert!(found.contains(rule.recipe), "{}/{}: {found:?}", rule.language, rule.recipe);
    }
}

#[test]
fn forms_beside_the_examples() {
    let mut random = StdRng::seed_from_u64(2);
    let mut all = |language: Language, text: &str| {
        let breaker = Breaker::new(language).unwrap().unwrap();
        (0..300).filter_map(|_| breaker.break_one(text, &mut random)).map(|broken| broken.worse).collect::<BTreeSet<String>>()
    };
    let rust = all(
        Language::Rust,
        "static A: &str = \"a\";\n\nfn f(mut x: u8) {\n    x -= 1;\n    x *= 2;\n    println!(\"{x:?}\");\n}\n",
    );
    for worse in ["static A: &'static str = \"a\";\n", "    x = x - 1;\n", "    x = x * 2;\n", "    println!(\"{:?}\", x);\n"] {
        assert!(rust.contains(worse), "{worse} {rust:?}");
    }
    let python = all(Language::Python, "def f(x):\n    while x > 1:\n        x = g(x)\n    raise NotImplementedError(x)\n");
    for worse in ["    while (x > 1):\n", "    raise NotImplemented(x)\n"] {
        assert!(python.contains(worse), "{worse} {python:?}");
    }
}

#[test]
fn nothing_to_break() {
    let mut random = StdRng::seed_from_u64(3);
    assert!(Breaker::new(Language::Go).unwrap().is_none());
    let breaker = Breaker::new(Language::Rust).unwrap().unwrap();
    for text in ["", "struct A;\n", "fn f( {\n", "// Code generated. DO NOT EDIT.\nfn f() -> u8 {\n    1\n}\n"] {
        assert_eq!(breaker.break_one(text, &mut random), None, "{text}");
    }
}

/// On this package's own sources: rules apply, and what they make is told apart by the seed alone.
#[test]
fn real_files() {
    let breaker = Breaker::new(Language::Rust).unwrap().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/hook");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().extension().is_some_and(|e| e == "rs"))
    {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let run = |seed| breaker.break_one(&text, &mut StdRng::seed_from_u64(seed));
        for seed in 0..2 {
            let broken = run(seed);
            assert_eq!(broken, run(seed));
            if let Some(broken) = broken {
                assert_eq!([&*broken.before, &broken.good, &broken.after].concat(), text);
                *counts.entry(broken.recipe).or_default() += 1;
            }
        }
    }
    assert!(counts.values().sum::<usize>() >= 20 && counts.len() >= 4, "{counts:?}");
}
