//! Range syntax: what `--range` accepts, and what it means in a document.
//!
//! Lines and columns count from 1 and both ends are included; a column is a character. A range past the end is an error, never
//! clamped. `file.rs:10:40` names a position, so it is not taken for a range.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use super::Document;
use super::Expand;
use super::Span;

/// A line and a column, both counted from 1; a column is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line; the line ending is the one behind the last.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A range as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RangeSpec {
    /// `10:40`, `10-40`, `10,40`, `L10-L40`, or `10` for one line.
    Lines {
        /// The first line.
        first: usize,
        /// The last line.
        last: usize,
    },
    /// `10,+5`: so many lines from the first.
    Count {
        /// The first line.
        first: usize,
        /// Number of lines.
        count: usize,
    },
    /// `10:5-40:12`
    Columns {
        /// The first character.
        first: Position,
        /// The last character.
        last: Position,
    },
    /// `Type::function`, or a plain name: found by the syntax layer.
    Symbol(String),
    /// `--at 12:8 --expand fn`: grown by the syntax layer.
    At {
        /// The position.
        position: Position,
        /// How far it is grown.
        expand: Expand,
    },
}

/// What the syntax layer does for ranges that text alone cannot resolve. Errors are one line for the user.
pub trait Select {
    /// The span of the symbol `path`, such as `Type::function`.
    fn symbol(&self, document: &Document, path: &str) -> Result<Span, String>;
    /// The span of the piece of syntax around the byte at `offset`.
    fn expand(&self, document: &Document, offset: usize, expand: Expand) -> Result<Span, String>;
}

/// A range that does not parse, or does not fit the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// No form that is known.
    #[error("{0:?} is not a range; write 10:40, 10,+5, 10:5-40:12 or Type::function")]
    Syntax(String),
    /// A file with a position.
    #[error("{0:?} names a position in a file, not a range; write the file first, then --range 10:40")]
    FilePosition(String),
    /// No position.
    #[error("{0:?} is not a position; write line:column, such as 12:8")]
    Position(String),
    /// A line or column 0, or a count of 0.
    #[error("{0}: lines, columns and counts start at 1")]
    Zero(RangeSpec),
    /// End before start.
    #[error("{0}: ends before it starts; swap its ends")]
    Reversed(RangeSpec),
    /// Past the last line.
    #[error("{range}: past the end, the file has {lines} line{}; give lines it has", if *.lines == 1 { "" } else { "s" })]
    PastEnd {
        /// The range.
        range: RangeSpec,
        /// Lines of the document.
        lines: usize,
    },
    /// Past the end of a line.
    #[error("{range}: line {line} ends at column {columns}; give columns it has")]
    PastLine {
        /// The range.
        range: RangeSpec,
        /// The line.
        line: usize,
        /// Its last column.
        columns: usize,
    },
    /// The document has no line at all.
    #[error("{0}: the file is empty, there is nothing to select")]
    EmptyFile(RangeSpec),
    /// A symbol or a syntax node where no grammar is at hand.
    #[error("{0}: needs a language that dcode knows; give lines instead, such as --range 10:40")]
    NeedsSyntax(RangeSpec),
    /// What the syntax layer said.
    #[error("{range}: {reason}")]
    Select {
        /// The range.
        range: RangeSpec,
        /// The reason.
        reason: String,
    },
}

/// A range of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedRange {
    /// The bytes.
    pub span: Span,
    /// The first character.
    pub first: Position,
    /// The last character.
    pub last: Position,
    /// Whether it is made of whole lines.
    pub whole_lines: bool,
}

impl fmt::Display for ResolvedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.whole_lines {
            write!(f, "{}:{} (bytes {})", self.first.line, self.last.line, self.span)
        } else {
            write!(f, "{}-{} (bytes {})", self.first, self.last, self.span)
        }
    }
}

impl ResolvedRange {
    /// Names `span` by lines and columns. An empty span has its one place as both ends.
    pub fn of(document: &Document, span: Span) -> ResolvedRange {
        let position = |offset: usize| {
            let line = document.lines().number_at(offset);
            let start = document.lines().line(line).map_or(document.text().len(), |line| line.start);
            let before = document.text().get(start..offset).unwrap_or_default();
            Position { line, column: before.chars().count() + 1 }
        };
        let last_start = document.text().get(span.range()).map_or(span.start, |text| {
            // A CR LF pair is one column.
            let last = if text.ends_with("\r\n") { 2 } else { text.chars().next_back().map_or(0, char::len_utf8) };
            span.end - last
        });
        let (first, last) = (position(span.start), position(last_start));
        let whole_lines = !span.is_empty() && document.line_span(first.line, last.line) == Some(span);
        ResolvedRange { span, first, last, whole_lines }
    }
}

impl RangeSpec {
    /// Finds the range in `document`; symbols and syntax nodes are errors.
    pub fn resolve(&self, document: &Document) -> Result<ResolvedRange, RangeError> {
        self.resolve_with(document, None)
    }

    /// Finds the range in `document`, with the help of the syntax layer where it is needed.
    pub fn resolve_with(&self, document: &Document, select: Option<&dyn Select>) -> Result<ResolvedRange, RangeError> {
        let needs = || RangeError::NeedsSyntax(self.clone());
        let failed = |reason| RangeError::Select { range: self.clone(), reason };
        let span = match self {
            RangeSpec::Lines { first, last } => self.lines(document, *first, *last)?,
            RangeSpec::Count { first, count } => {
                let more = count.checked_sub(1).ok_or_else(|| RangeError::Zero(self.clone()))?;
                self.lines(document, *first, first.saturating_add(more))?
            }
            RangeSpec::Columns { first, last } => {
                if [first.line, first.column, last.line, last.column].contains(&0) {
                    return Err(RangeError::Zero(self.clone()));
                }
                if last < first {
                    return Err(RangeError::Reversed(self.clone()));
                }
                Span::new(self.column(document, *first)?.start, self.column(document, *last)?.end)
            }
            RangeSpec::Symbol(path) => select.ok_or_else(needs)?.symbol(document, path).map_err(failed)?,
            RangeSpec::At { position, expand } => {
                let select = select.ok_or_else(needs)?;
                if position.line == 0 || position.column == 0 {
                    return Err(RangeError::Zero(self.clone()));
                }
                let at = self.column(document, *position)?.start;
                select.expand(document, at, *expand).map_err(failed)?
            }
        };
        Ok(ResolvedRange::of(document, span))
    }

    fn lines(&self, document: &Document, first: usize, last: usize) -> Result<Span, RangeError> {
        if first == 0 || last == 0 {
            return Err(RangeError::Zero(self.clone()));
        }
        if last < first {
            return Err(RangeError::Reversed(self.clone()));
        }
        document.line_span(first, last).ok_or_else(|| self.past_end(document))
    }

    fn past_end(&self, document: &Document) -> RangeError {
        match document.lines().count() {
            0 => RangeError::EmptyFile(self.clone()),
            lines => RangeError::PastEnd { range: self.clone(), lines },
        }
    }

    /// The bytes of the character at `position`; the line ending counts as one character.
    fn column(&self, document: &Document, position: Position) -> Result<Span, RangeError> {
        let line = document.lines().line(position.line).ok_or_else(|| self.past_end(document))?;
        let content = &document.text()[line.content()];
        let index = position.column.saturating_sub(1);
        if let Some((at, character)) = content.char_indices().nth(index) {
            return Ok(Span::new(line.start + at, line.start + at + character.len_utf8()));
        }
        let columns = content.chars().count();
        if index == columns && line.eol.is_some() {
            return Ok(Span::new(line.content().end, line.end));
        }
        let columns = columns + usize::from(line.eol.is_some());
        Err(RangeError::PastLine { range: self.clone(), line: position.line, columns })
    }
}

impl fmt::Display for RangeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RangeSpec::Lines { first, last } => write!(f, "{first}:{last}"),
            RangeSpec::Count { first, count } => write!(f, "{first},+{count}"),
            RangeSpec::Columns { first, last } => write!(f, "{first}-{last}"),
            // `{:?}` without its quotes: a name on the command line may hold escape sequences.
            RangeSpec::Symbol(path) => write!(f, "{}", path.escape_debug()),
            RangeSpec::At { position, expand } => write!(f, "{position} expanded to {}", expand.name()),
        }
    }
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
