//! Every embedded recipe: its query compiles, its example is what it does, and it leaves alone what it must.

use std::path::Path;
use std::sync::Arc;

use super::condition::Source;
use super::keep::keeps;
use super::library::Choice;
use super::library::Library;
use super::library::PYTHON;
use super::library::RUST;
use super::place::Allowed;
use super::recipe::Recipe;
use super::scan::Kit;
use super::scan::Scan;
use super::scan::check_query;
use crate::document::Document;
use crate::syntax::language::Language;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::Syntax;

fn document(language: Language, text: &str) -> Document {
    let name = if language == Language::Rust { "example.rs" } else { "example.py" };
    Document::from_bytes(name.into(), text.as_bytes().to_vec()).unwrap()
}

fn scan(recipe: &Arc<Recipe>, text: &str) -> Scan {
    let kit = Kit::new(recipe.language, vec![Arc::clone(recipe)]).unwrap();
    let scan = kit.scan(&document(recipe.language, text), &Allowed::All, None, None);
    scan.unwrap_or_else(|error| panic!("{recipe}: {error}\n{text}"))
}

fn apply(recipe: &Arc<Recipe>, text: &str) -> Option<String> {
    let found = scan(recipe, text);
    let [finding] = found.findings.as_slice() else { return None };
    Some([&text[..finding.at.start], &finding.new, &text[finding.at.end..]].concat())
}

#[test]
fn there_are_enough_and_the_table_is_the_folder() {
    for (folder, table) in [("rust", RUST), ("python", PYTHON)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/recipes").join(folder);
        let mut files: Vec<String> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
        assert_eq!(files, names, "{folder}");
        assert!(names.len() >= 20);
    }
    let library = Library::embedded().unwrap();
    for recipe in library.recipes() {
        let table = if recipe.language == Language::Rust { RUST } else { PYTHON };
        assert!(table.iter().any(|(name, _)| *name == recipe.name), "{recipe} lies in a file of another name");
    }
}

#[test]
fn every_query_compiles_alone_and_with_the_others() {
    let library = Library::embedded().unwrap();
    for recipe in library.recipes() {
        check_query(recipe).unwrap_or_else(|error| panic!("{error}"));
    }
    let choice = Choice { all: true, ..Choice::default() };
    for language in [Language::Rust, Language::Python] {
        assert!(library.kit(language, &choice).unwrap().is_some());
    }
    assert!(library.kit(Language::Go, &choice).unwrap().is_none());
}

#[test]
fn examples_are_what_the_recipes_do() {
    let library = Library::embedded().unwrap();
    let mut wrong = Vec::new();
    for recipe in library.recipes() {
        let (before, after) = (&recipe.example.before, &recipe.example.after);
        if recipe.is_determined() {
            match apply(recipe, before) {
                Some(found) if found == *after => {}
                Some(found) => wrong.push(format!("{recipe}: expected\n{after}found\n{found}")),
                None => wrong.push(format!("{recipe}: found {:?}", scan(recipe, before))),
            }
            if let Some(again) = apply(recipe, after) {
                wrong.push(format!("{recipe} finds its own result:\n{again}"));
            }
            continue;
        }
        let found = scan(recipe, before);
        let [open] = found.open.as_slice() else {
            wrong.push(format!("{recipe}: found {} spans for the model", found.open.len()));
            continue;
        };
        let document = document(recipe.language, before);
        let syntax = Syntax::parse(before, recipe.language, PARSE_LIMIT).unwrap();
        let source = Source { document: &document, syntax: &syntax };
        let behind = before.len() - open.at.end;
        let answer = &after[open.at.start..after.len() - behind];
        if !keeps(source, recipe, &open.at, answer) {
            wrong.push(format!("{recipe}: the answer of the example would be refused:\n{answer}"));
        }
        if keeps(source, recipe, &open.at, &before[open.at.clone()]) {
            wrong.push(format!("{recipe}: takes an answer that changes nothing"));
        }
        let broken = format!("{}(\n", answer.trim_end());
        if keeps(source, recipe, &open.at, &broken) {
            wrong.push(format!("{recipe}: takes an answer that does not parse:\n{broken}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn recipes_leave_alone_what_they_must() {
    let library = Library::embedded().unwrap();
    let mut wrong = Vec::new();
    for recipe in library.recipes() {
        assert!(!recipe.refuses.is_empty(), "{recipe} has no case that it refuses");
        for text in &recipe.refuses {
            let found = scan(recipe, text);
            if !found.findings.is_empty() || !found.open.is_empty() {
                wrong.push(format!("{recipe}:\n{text}{:?}", found.findings.first().map(|finding| &finding.new)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
