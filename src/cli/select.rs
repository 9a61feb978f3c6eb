//! Joins the range syntax to the syntax layer: symbols and syntax nodes as spans.

use crate::document::Document;
use crate::document::Expand;
use crate::document::Span;
use crate::document::range::Select;
use crate::syntax::language::Language;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::Syntax;
use crate::syntax::select;
use crate::syntax::symbols;

/// Finds symbols and nodes by parsing the document.
#[derive(Clone, Copy, Debug)]
pub struct SyntaxSelect;

fn parse(document: &Document) -> Result<Syntax, String> {
    let text = document.text();
    let language = Language::detect(document.path(), text.lines().next().unwrap_or(""));
    let language = language.ok_or("the language of this file is not known; give lines instead, such as --range 10:40")?;
    Syntax::parse(text, language, PARSE_LIMIT).map_err(|error| error.to_string())
}

impl Select for SyntaxSelect {
    fn symbol(&self, document: &Document, path: &str) -> Result<Span, String> {
        let syntax = parse(document)?;
        let symbol = symbols::symbol(&syntax, document.text(), path).map_err(|error| error.to_string())?;
        let range = select::whole_lines(document.text(), &symbol.range);
        Ok(Span::new(range.start, range.end))
    }

    fn expand(&self, document: &Document, offset: usize, expand: Expand) -> Result<Span, String> {
        let syntax = parse(document)?;
        let range = select::expand_in(&syntax, document.text(), offset, expand).map_err(|error| error.to_string())?;
        Ok(Span::new(range.start, range.end))
    }
}
