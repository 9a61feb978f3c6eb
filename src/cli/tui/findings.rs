//! What the recipes find in the open file, as a list to choose from.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use crate::cli::recipes::Kits;
use crate::cli::recipes::RecipeArgs;
use crate::cli::write::work_tree;
use crate::document::Document;
use crate::hook::fix::fix;
use crate::hook::package::rust_version;
use crate::hook::place::Allowed;
use crate::hook::recipe::Level;
use crate::hook::recipe::Recipe;
use crate::hook::scan::Skipped;
use crate::patch::Hunk;
use crate::patch::git::WorkTree;
use crate::patch::hunk;
use crate::syntax::language::Language;
use crate::tui::state::picker::Item;
use crate::tui::state::picker::Value;

/// Time for the search; a large file with many matches takes a fraction of it.
const TIME: Duration = Duration::from_secs(10);
/// What the log says about all rewritings that are taken together.
const ALL: &str = "what the recipes rewrite";

/// What the recipes find in `text`, the present text of `path`: what a template rewrites, and what the model is to.
///
/// # Errors
/// One line for the user: there are no recipes for the file, or it is not looked at.
pub fn findings(path: &Path, text: &str) -> Result<Vec<Item>, String> {
    let language = Language::detect(path, text.lines().next().unwrap_or(""));
    let language = language.ok_or("there are no recipes for this kind of file")?;
    let mut kits =
        Kits::new(&RecipeArgs { all_recipes: true, ..RecipeArgs::default() }, false).map_err(|failure| failure.message)?;
    let kit = kits.of(language).map_err(|failure| failure.message)?;
    let kit = kit.ok_or_else(|| format!("there are no recipes for {}; `dcode lint --list` shows all", language.name()))?;
    let document = Document::from_bytes(path.to_path_buf(), text.as_bytes().to_vec()).map_err(|error| error.to_string())?;
    let version = path.canonicalize().ok().and_then(|path| {
        let tree = work_tree(&path).ok().flatten();
        rust_version(&path, tree.as_ref().map_or(Path::new("/"), WorkTree::root))
    });
    let deadline = Some(Instant::now() + TIME);
    let scan = kit.scan(&document, &Allowed::All, version, deadline).map_err(|skipped| match skipped {
        Skipped::Budget => format!("the search took more than {} s", TIME.as_secs()),
        other => format!("the recipes leave this file alone: it {other}"),
    })?;
    let item = |recipe: &Recipe, at: &Range<usize>, by: &str, rewrite: Vec<(Range<usize>, String)>| {
        let line = document.lines().number_at(at.start);
        let unsure = if recipe.level == Level::Suggest { ", changes what it does" } else { "" };
        Item {
            label: format!("{line:>4}  {}", recipe.message),
            detail: format!("{} · {by}{unsure}", recipe.name),
            badge: ' ',
            value: Value::Finding { at: at.clone(), instruction: recipe.instruction.clone(), rewrite },
        }
    };
    let mut found: Vec<(usize, Item)> = scan
        .findings
        .iter()
        .map(|finding| (finding.at.start, item(&finding.recipe, &finding.at, "rewritten", changes(text, &finding.hunks))))
        .collect();
    found.extend(scan.open.iter().map(|open| (open.at.start, item(&open.recipe, &open.at, "for the model", Vec::new()))));
    found.sort_by_key(|(at, _)| *at);
    let mut items: Vec<Item> = found.into_iter().map(|(_, item)| item).collect();
    let together = fix(&document, &scan.findings);
    if together.taken.len() > 1 {
        let rewrite = changes(text, &together.hunks);
        let at = rewrite.first().map_or(0..0, |(at, _)| at.clone());
        let all = Item {
            label: format!(" all  the {} rewritings that keep the meaning", together.taken.len()),
            detail: String::new(),
            badge: ' ',
            value: Value::Finding { at, instruction: ALL.to_owned(), rewrite },
        };
        items.insert(0, all);
    }
    Ok(items)
}

/// What replaces which lines, as whole lines: a person compares lines.
fn changes(text: &str, hunks: &[Hunk]) -> Vec<(Range<usize>, String)> {
    let mut new = text.to_owned();
    for hunk in hunks.iter().rev() {
        if new.get(hunk.at.range()).is_some() {
            new.replace_range(hunk.at.range(), &hunk.new);
        }
    }
    hunk::hunks(0, text, &new).into_iter().map(|hunk| (hunk.at.range(), hunk.new)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "pub fn f(v: &[u32]) -> bool {\n    if v.len() == 0 {\n        g();\n    }\n    v.len() == 0\n}\n\n\
                        pub fn add(a: u8, b: u8) -> u8 {\n    a + b\n}\n";

    #[test]
    fn what_a_template_rewrites_and_what_the_model_is_to() {
        let items = findings(Path::new("a.rs"), TEXT).unwrap();
        let labels: Vec<&str> = items.iter().map(|item| item.label.as_str()).collect();
        assert!(labels[0].starts_with(" all  the "), "{labels:?}");
        let Value::Finding { rewrite: all, .. } = &items[0].value else { panic!("{:?}", items[0]) };
        let mut new = TEXT.to_owned();
        for (at, text) in all.iter().rev() {
            new.replace_range(at.clone(), text);
        }
        assert_eq!(new, TEXT.replace("v.len() == 0", "v.is_empty()"));
        let lines: Vec<&str> = all.iter().map(|(at, _)| &TEXT[at.clone()]).collect();
        assert_eq!(lines, ["    if v.len() == 0 {\n", "    v.len() == 0\n"], "whole lines");
        let of = |name: &str| items.iter().filter(|item| item.detail.starts_with(name)).collect::<Vec<_>>();
        assert_eq!(of("len-zero").len(), 2, "{items:?}");
        assert!(of("len-zero")[0].label.starts_with("   2  "));
        let Value::Finding { rewrite, at, .. } = &of("len-zero")[1].value else { panic!() };
        assert_eq!((rewrite.len(), &TEXT[at.clone()]), (1, "v.len() == 0"));
        let Some(Item { value: Value::Finding { rewrite, instruction, .. }, .. }) = of("missing-doc").first() else {
            panic!("{items:?}")
        };
        assert!(rewrite.is_empty() && !instruction.is_empty(), "the model writes it");
    }

    #[test]
    fn files_that_are_left_alone_say_why() {
        let told = |path: &str, text: &str| findings(Path::new(path), text).unwrap_err();
        assert!(told("a.rs", "fn f( {").contains("does not parse"));
        assert!(told("a.rs", "// @generated\nfn f() {}\n").contains("is generated"));
        assert!(told("a.json", "{}\n").contains("no recipes for"));
        assert!(told("a", "x\n").contains("no recipes for this kind"));
        assert!(findings(Path::new("a.py"), "x = 1\n").unwrap().is_empty());
    }
}
