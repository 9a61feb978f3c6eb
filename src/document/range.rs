//! Range syntax: what `--range` accepts, and what it means in a document.
//!
//! Lines and columns count from 1 and both ends are included; a column is a character. A range past the end is an error, never
//! clamped. `file.rs:10:40` names a position, so it is not taken for a range.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

use super::Document;
use super::Span;

/// How far a position is grown to a piece of syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expand {
    /// The smallest expression.
    Expr,
    /// The smallest statement.
    Stmt,
    /// The smallest block.
    Block,
    /// The function.
    Fn,
    /// The type, trait or implementation.
    Impl,
}

impl Expand {
    /// All of them, smallest first.
    pub const ALL: [Expand; 5] = [Expand::Expr, Expand::Stmt, Expand::Block, Expand::Fn, Expand::Impl];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Expand::Expr => "expr",
            Expand::Stmt => "stmt",
            Expand::Block => "block",
            Expand::Fn => "fn",
            Expand::Impl => "impl",
        }
    }
}

impl FromStr for Expand {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Expand, RangeError> {
        Expand::ALL.into_iter().find(|e| e.name() == text).ok_or_else(|| RangeError::Expand(text.into()))
    }
}

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

impl FromStr for Position {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Position, RangeError> {
        match text.split_once(':').map(|(line, column)| (number(line), number(column))) {
            Some((Some(line), Some(column))) => Ok(Position { line, column }),
            _ => Err(RangeError::Position(text.into())),
        }
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
    /// No kind of syntax.
    #[error("{0:?} cannot be expanded to; choose expr, stmt, block, fn or impl")]
    Expand(String),
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

impl FromStr for RangeSpec {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<RangeSpec, RangeError> {
        parse(text).ok_or_else(|| {
            let mut tail = text.rsplitn(3, ':');
            let (last, middle, head) = (tail.next(), tail.next(), tail.next());
            let numbers = [last, middle].into_iter().flatten().all(|part| number(part).is_some());
            match head {
                Some(head) if numbers && number(head).is_none() && !head.is_empty() => RangeError::FilePosition(text.into()),
                _ => RangeError::Syntax(text.into()),
            }
        })
    }
}

fn parse(text: &str) -> Option<RangeSpec> {
    if let Some((first, count)) = text.split_once(",+") {
        return Some(RangeSpec::Count { first: number(first)?, count: number(count)? });
    }
    if let Some((first, last)) = text.split_once('-') {
        if let (Some(first), Some(last)) = (position(first), position(last)) {
            return Some(RangeSpec::Columns { first, last });
        }
        return Some(RangeSpec::Lines { first: line(first)?, last: line(last)? });
    }
    if let Some((first, last)) = text.split_once(',') {
        return Some(RangeSpec::Lines { first: number(first)?, last: number(last)? });
    }
    if let Some(only) = line(text) {
        return Some(RangeSpec::Lines { first: only, last: only });
    }
    if let Some((first, last)) = text.split_once(':')
        && let (Some(first), Some(last)) = (number(first), number(last))
    {
        return Some(RangeSpec::Lines { first, last });
    }
    is_symbol(text).then(|| RangeSpec::Symbol(text.to_owned()))
}

/// `10:5`, or `L10C5` as in a link to a forge.
fn position(text: &str) -> Option<Position> {
    let (line, column) = match text.strip_prefix('L') {
        Some(rest) => rest.split_once('C')?,
        None => text.split_once(':')?,
    };
    Some(Position { line: number(line)?, column: number(column)? })
}

/// `10` or `L10`.
fn line(text: &str) -> Option<usize> {
    number(text.strip_prefix('L').unwrap_or(text))
}

/// Digits alone; `usize::from_str` would take a sign too.
fn number(text: &str) -> Option<usize> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// Names joined by `::` or `.`; a name starts with a letter or an underscore.
fn is_symbol(text: &str) -> bool {
    text.split("::").flat_map(|part| part.split('.')).all(|name| {
        let mut characters = name.chars();
        characters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && characters.all(|c| c.is_alphanumeric() || "_'$#<>".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, range: &str) -> Result<String, String> {
        let document = Document::from_bytes("t".into(), text.as_bytes().to_vec()).unwrap();
        let spec: RangeSpec = range.parse().map_err(|e: RangeError| e.to_string())?;
        spec.resolve(&document).map(|r| r.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn every_form() {
        let text = "aé\nb\r\n\nd\nlast";
        for (range, resolved) in [
            ("1:2", "1:2 (bytes 0..7)"),
            ("1-2", "1:2 (bytes 0..7)"),
            ("1,2", "1:2 (bytes 0..7)"),
            ("1,+2", "1:2 (bytes 0..7)"),
            ("L1-L2", "1:2 (bytes 0..7)"),
            ("L1-2", "1:2 (bytes 0..7)"),
            ("3", "3:3 (bytes 7..8)"),
            ("5:5", "5:5 (bytes 10..14)"),
            ("1:2-2:1", "1:2-2:1 (bytes 1..5)"),
            ("L1C2-L2C1", "1:2-2:1 (bytes 1..5)"),
            ("1:1-1:3", "1:1 (bytes 0..4)"),
            ("2:1-2:2", "2:2 (bytes 4..7)"),
            ("5:2-5:4", "5:2-5:4 (bytes 11..14)"),
        ] {
            assert_eq!(resolve(text, range), Ok(resolved.to_owned()), "{range}");
        }
        assert_eq!(resolve("\u{feff}a\nb\n", "1:1"), Ok("1:1 (bytes 3..5)".into()));
    }

    #[test]
    fn resolved_line_ranges_parse_back() {
        let document = Document::from_bytes("t".into(), b"a\nb\nc\n".to_vec()).unwrap();
        for spec in ["1:3", "2:2-3:1"] {
            let resolved = spec.parse::<RangeSpec>().unwrap().resolve(&document).unwrap();
            let printed = resolved.to_string();
            let again = printed.split(' ').next().unwrap().parse::<RangeSpec>().unwrap();
            assert_eq!(again.resolve(&document).unwrap(), resolved);
        }
    }

    #[test]
    fn refusals_are_one_line_and_say_what_to_do() {
        let text = "a\nb\nc";
        for (range, part) in [
            ("0:2", "start at 1"),
            ("1,+0", "start at 1"),
            ("1:0-2:1", "start at 1"),
            ("3:1", "swap its ends"),
            ("2:1-1:1", "swap its ends"),
            ("1:4", "the file has 3 lines"),
            ("4", "the file has 3 lines"),
            ("1,+99999999999999999999", "is not a range"),
            ("18446744073709551615,+18446744073709551615", "the file has 3 lines"),
            ("1:1-1:3", "line 1 ends at column 2"),
            ("1:1-3:2", "line 3 ends at column 1"),
            ("", "is not a range"),
            ("1:", "is not a range"),
            (":4", "is not a range"),
            ("-1:4", "is not a range"),
            ("+1:4", "is not a range"),
            ("1:2:3", "is not a range"),
            ("f.rs:10:40", "names a position"),
            ("src/a.rs:10:40", "names a position"),
            ("Type::name", "needs a language"),
        ] {
            let error = resolve(text, range).unwrap_err();
            assert!(error.contains(part), "{range}: {error}");
            assert!(!error.contains('\n'));
        }
        assert!(resolve("", "1:1").unwrap_err().contains("empty"));
        assert!(resolve("one\n", "2").unwrap_err().contains("1 line;"));
    }

    #[test]
    fn symbols_go_to_the_syntax_layer() {
        struct Fixed;
        impl Select for Fixed {
            fn symbol(&self, _: &Document, path: &str) -> Result<Span, String> {
                if path == "T::f" { Ok(Span::new(2, 4)) } else { Err("no such name".into()) }
            }
            fn expand(&self, _: &Document, offset: usize, _: Expand) -> Result<Span, String> {
                Ok(Span::new(offset, offset + 1))
            }
        }
        let document = Document::from_bytes("t".into(), b"a\nb\nc\n".to_vec()).unwrap();
        let with = |spec: RangeSpec| spec.resolve_with(&document, Some(&Fixed)).map(|r| r.span).map_err(|e| e.to_string());
        assert_eq!(with("T::f".parse().unwrap()), Ok(Span::new(2, 4)));
        assert_eq!(with("g".parse().unwrap()), Err("g: no such name".into()));
        let position = "3:1".parse().unwrap();
        assert_eq!(with(RangeSpec::At { position, expand: Expand::Fn }), Ok(Span::new(4, 5)));
    }
}
