//! Pairs of worse and good code: a rule breaks clean code, and the recipe that undoes it proves the pair.

use std::ops::Range;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;
use tree_sitter::Query;
use tree_sitter::QueryCursor;
use tree_sitter::StreamingIterator;

use super::fields::format_args;
use super::fields::format_call;
use super::rules::RULES;
use super::rules::Worse;
use crate::document::Document;
use crate::hook::condition::Condition;
use crate::hook::condition::Source;
use crate::hook::library::Library;
use crate::hook::place::Allowed;
use crate::hook::recipe::RecipeError;
use crate::hook::scan::Kit;
use crate::hook::template::Captures;
use crate::hook::template::Template;
use crate::syntax::language::Language;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::Syntax;
use crate::syntax::select::whole_lines;

/// Places of a file that are tried before it is given up.
const TRIES: usize = 12;

/// Code that was made worse, and what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The recipe that undoes it.
    pub recipe: String,
    /// What that recipe tells to do.
    pub instruction: String,
    /// Whole lines before, as they are in both texts.
    pub before: String,
    /// The lines that were made worse.
    pub worse: String,
    /// The same lines as they were.
    pub good: String,
    /// Whole lines behind.
    pub after: String,
}

/// The rules of one language, ready to use.
#[derive(Debug)]
pub struct Breaker {
    language: Language,
    query: Query,
    /// For each pattern of the query, its rule and conditions.
    patterns: Vec<(usize, Vec<Condition>)>,
    rules: Vec<Ready>,
}

#[derive(Debug)]
struct Ready {
    worse: Maker,
    instruction: String,
    kit: Kit,
    recipe: &'static str,
}

#[derive(Debug)]
enum Maker {
    Template(Template),
    FormatArgs,
    FormatCall,
}

/// A place where a rule applies.
struct Place<'t> {
    rule: usize,
    at: Range<usize>,
    captures: Captures<'t>,
}

impl Breaker {
    /// The rules of a language; `None` when there is none.
    ///
    /// # Errors
    /// A rule or its recipe is wrong: a fault of the build, which the tests rule out.
    pub fn new(language: Language) -> Result<Option<Breaker>, RecipeError> {
        let library = Library::embedded()?;
        let wrong = |reason: String| RecipeError { file: format!("{language}, rules of training"), reason };
        let (mut rules, mut sources, mut ends, mut end) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for rule in RULES.iter().filter(|rule| rule.language == language) {
            let recipe = library.recipes().iter().find(|recipe| recipe.language == language && recipe.name == rule.recipe);
            let recipe = recipe.ok_or_else(|| wrong(format!("there is no recipe {}", rule.recipe)))?;
            let worse = match rule.worse {
                Worse::Template(text) => Maker::Template(Template::parse(text).map_err(wrong)?),
                Worse::FormatArgs => Maker::FormatArgs,
                Worse::FormatCall => Maker::FormatCall,
            };
            let kit = Kit::new(language, vec![Arc::clone(recipe)])?;
            rules.push(Ready { worse, instruction: recipe.instruction.clone(), kit, recipe: rule.recipe });
            sources.push(rule.query);
            end += rule.query.len() + 1;
            ends.push(end);
        }
        if rules.is_empty() {
            return Ok(None);
        }
        // One query for all: the tree is walked once.
        let query = Query::new(&language.grammar(), &sources.join("\n")).map_err(|error| wrong(error.to_string()))?;
        let mut patterns = Vec::new();
        for index in 0..query.pattern_count() {
            let start = query.start_byte_for_pattern(index);
            let rule = ends.partition_point(|&end| end <= start).min(rules.len() - 1);
            patterns.push((rule, Condition::of_pattern(&query, index).map_err(wrong)?));
        }
        Ok(Some(Breaker { language, query, patterns, rules }))
    }

    /// The language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Makes one place of `text` worse. `None` when no rule applies at any of the places that were tried, or the text does not parse.
    ///
    /// A rule is drawn first, then one of its places: rules that apply everywhere would leave no room for the others.
    pub fn break_one(&self, text: &str, random: &mut StdRng) -> Option<Broken> {
        let name = match self.language {
            Language::Python => "code.py",
            _ => "code.rs",
        };
        let document = Document::from_bytes(name.into(), text.as_bytes().to_vec()).ok()?;
        let syntax = Syntax::parse(text, self.language, PARSE_LIMIT).ok().filter(Syntax::is_clean)?;
        let source = Source { document: &document, syntax: &syntax };
        let mut places = self.places(source);
        for _ in 0..TRIES {
            let mut rules: Vec<usize> = places.iter().map(|place| place.rule).collect();
            rules.sort_unstable();
            rules.dedup();
            if rules.is_empty() {
                return None;
            }
            let rule = rules[random.random_range(0..rules.len())];
            let of_rule: Vec<usize> = (0..places.len()).filter(|&index| places[index].rule == rule).collect();
            let place = places.swap_remove(of_rule[random.random_range(0..of_rule.len())]);
            if let Some(broken) = self.break_at(source, &place) {
                return Some(broken);
            }
        }
        None
    }

    /// Every place where a rule may apply.
    fn places<'t>(&self, source: Source<'t>) -> Vec<Place<'t>> {
        let mut cursor = QueryCursor::new();
        let mut matches = cursor.matches(&self.query, source.syntax.root(), source.document.bytes());
        let mut places = Vec::new();
        while let Some(found) = matches.next() {
            let Some((rule, conditions)) = self.patterns.get(found.pattern_index) else { continue };
            let mut captures = Captures::new();
            for capture in found.captures() {
                let name = self.query.capture_names().get(capture.index as usize).copied().unwrap_or_default();
                captures.entry(name.to_owned()).or_default().push(capture.node);
            }
            let Some(at) = captures.get("span").and_then(|nodes| nodes.first()).map(|node| node.byte_range()) else { continue };
            if conditions.iter().all(|condition| condition.holds(source, &captures)) {
                places.push(Place { rule: *rule, at, captures });
            }
        }
        // The order of matches is that of the text as far as the grammar says; the draw must not hang on more.
        places.sort_by_key(|place| (place.rule, place.at.start, place.at.end));
        places
    }

    /// Makes the code at a place worse; `None` unless the recipe gives it back.
    fn break_at(&self, source: Source<'_>, place: &Place<'_>) -> Option<Broken> {
        let rule = &self.rules[place.rule];
        let text = source.document.text();
        let span = text.get(place.at.clone())?;
        let worse = match &rule.worse {
            Maker::Template(template) => template.render(source.document, place.at.start, &place.captures, &[])?.text,
            Maker::FormatArgs => format_args(span)?,
            Maker::FormatCall => format_call(span)?,
        };
        let broken = [&text[..place.at.start], &worse, &text[place.at.end..]].concat();
        let document = Document::from_bytes(source.document.path().to_path_buf(), broken.clone().into_bytes()).ok()?;
        let here = place.at.start..place.at.start + worse.len();
        let first = document.lines().number_at(here.start) - 1;
        let last = document.lines().number_at(here.end.saturating_sub(1).max(here.start));
        // A rewriting may take the lines around with it.
        let allowed = Allowed::Lines(vec![first.saturating_sub(1)..(last + 1).min(document.lines().count())]);
        let found = rule.kit.scan(&document, &allowed, None, None).ok()?.findings;
        let undoes = |at: &Range<usize>, new: &str| [&broken[..at.start], new, &broken[at.end..]].concat() == text;
        found.iter().find(|finding| undoes(&finding.at, &finding.new))?;
        let lines = whole_lines(text, &place.at);
        let behind = text.len() - lines.end;
        Some(Broken {
            recipe: rule.recipe.to_owned(),
            instruction: rule.instruction.clone(),
            before: text[..lines.start].to_owned(),
            worse: broken[lines.start..broken.len() - behind].to_owned(),
            good: text[lines.clone()].to_owned(),
            after: text[lines.end..].to_owned(),
        })
    }
}

#[cfg(test)]
#[path = "breaking_tests.rs"]
mod tests;
