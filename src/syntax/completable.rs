//! Whether the beginning of a text can still be completed: brackets, strings, comments, and the indentation of Python.
//!
//! A scanner reads the text once from the left. What it refuses no continuation can repair: a bracket that closes another than
//! the open one, a line end inside a string that has to end on its line, a line of Python that is indented without reason or less
//! than that to no level that is open. What it cannot tell it accepts. Languages whose strings cannot be told without parsing (the
//! JavaScript family, with its regular expressions) have no scanner.

use crate::syntax::language::Language;

/// Where a scan stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanner {
    rules: Rules,
    mode: Mode,
    /// Brackets that are open, the innermost last.
    open: Vec<char>,
    layout: Layout,
}

/// What the text cannot be completed after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incompletable;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Code,
    LineComment,
    /// With the depth, where comments nest.
    BlockComment(usize),
    /// The quote, how many of them end it, and whether a backslash escapes.
    String {
        quote: char,
        count: usize,
        escapes: bool,
    },
    /// Rust's, with the number of hashes.
    Raw(usize),
}

/// What differs between languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rules {
    hash_comments: bool,
    slash_comments: bool,
    nested: bool,
    triple_quotes: bool,
    single_quotes: bool,
    /// Rust: a quote may begin a lifetime, and `r#"` a raw string.
    lifetimes: bool,
    backticks: bool,
    /// A double-quoted string may hold line ends.
    long_strings: bool,
    indented: bool,
}

/// Lines and levels, for languages in which they mean something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Layout {
    levels: Vec<usize>,
    /// Columns of blanks so far; `None` behind the first thing on a line.
    blanks: Option<usize>,
    /// The last thing on a line of code outside of brackets.
    last: Option<char>,
    /// Whether a line began and its indentation is not known to be right yet.
    continued: bool,
}

impl Scanner {
    /// At the beginning of a text in `language`; `None` for a language without a scanner.
    pub fn new(language: Language) -> Option<Self> {
        let plain = Rules {
            hash_comments: false,
            slash_comments: false,
            nested: false,
            triple_quotes: false,
            single_quotes: false,
            lifetimes: false,
            backticks: false,
            long_strings: false,
            indented: false,
        };
        let rules = match language {
            Language::Rust => Rules { slash_comments: true, nested: true, lifetimes: true, long_strings: true, ..plain },
            Language::Python => Rules { hash_comments: true, triple_quotes: true, single_quotes: true, indented: true, ..plain },
            Language::Go => Rules { slash_comments: true, single_quotes: true, backticks: true, ..plain },
            Language::C | Language::Java => Rules { slash_comments: true, single_quotes: true, ..plain },
            Language::Json => plain,
            Language::Toml => Rules { hash_comments: true, triple_quotes: true, single_quotes: true, ..plain },
            Language::JavaScript | Language::TypeScript | Language::Tsx => return None,
        };
        let layout = Layout { levels: vec![0], blanks: Some(0), ..Layout::default() };
        Some(Self { rules, mode: Mode::Code, open: Vec::new(), layout })
    }

    /// Reads on. The last characters of `text` may be the beginning of something longer; they are read as what they are so far, so
    /// a text that grows is scanned from a copy of the state before it.
    ///
    /// # Errors
    /// Nothing that follows can make this right.
    pub fn read(&mut self, text: &str) -> Result<(), Incompletable> {
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let taken = match self.mode {
                Mode::Code => self.code(rest, character)?,
                Mode::LineComment => {
                    if character == '\n' {
                        self.mode = Mode::Code;
                        self.line_end();
                    }
                    character.len_utf8()
                }
                Mode::BlockComment(depth) => self.block_comment(rest, character, depth),
                Mode::String { quote, count, escapes } => self.string(rest, character, quote, count, escapes)?,
                Mode::Raw(hashes) => {
                    let end = format!("\"{}", "#".repeat(hashes));
                    if rest.starts_with(&end) {
                        self.mode = Mode::Code;
                        end.len()
                    } else {
                        character.len_utf8()
                    }
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Whether what follows is read as it would be behind `other`: the same brackets are open, in the same string or comment.
    pub fn stands_as(&self, other: &Self) -> bool {
        // The end of a line comment is a line end away.
        let mode = |mode| if mode == Mode::LineComment { Mode::Code } else { mode };
        self.open == other.open && mode(self.mode) == mode(other.mode)
    }

    fn code(&mut self, rest: &str, character: char) -> Result<usize, Incompletable> {
        match character {
            '\n' => {
                self.line_end();
                return Ok(1);
            }
            ' ' | '\t' | '\r' | '\x0c' => {
                if let Some(blanks) = &mut self.layout.blanks {
                    *blanks += if character == '\t' { 8 - *blanks % 8 } else { usize::from(character == ' ') };
                }
                return Ok(1);
            }
            '#' if self.rules.hash_comments => {
                // A comment has no indentation of its own.
                self.mode = Mode::LineComment;
                return Ok(1);
            }
            '/' if self.rules.slash_comments && rest.starts_with("//") => {
                self.mode = Mode::LineComment;
                return Ok(2);
            }
            '/' if self.rules.slash_comments && rest.starts_with("/*") => {
                self.mode = Mode::BlockComment(1);
                return Ok(2);
            }
            _ => {}
        }
        self.line_begins()?;
        self.layout.last = Some(character);
        match character {
            '(' | '[' | '{' => self.open.push(character),
            ')' | ']' | '}' => {
                let opening = match character {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if self.open.pop() != Some(opening) {
                    return Err(Incompletable);
                }
            }
            '"' | '\'' if self.rules.triple_quotes && rest.starts_with(&character.to_string().repeat(3)) => {
                self.mode = Mode::String { quote: character, count: 3, escapes: true };
                return Ok(3);
            }
            '"' => self.mode = Mode::String { quote: '"', count: 1, escapes: true },
            '\'' if self.rules.lifetimes => return Ok(character_literal(rest)),
            '\'' if self.rules.single_quotes => self.mode = Mode::String { quote: '\'', count: 1, escapes: true },
            '`' if self.rules.backticks => self.mode = Mode::String { quote: '`', count: 1, escapes: false },
            'r' | 'b' | 'c' if self.rules.lifetimes => {
                let behind = rest.trim_start_matches(['b', 'c']).strip_prefix('r').unwrap_or("");
                let quoted = behind.trim_start_matches('#');
                if quoted.starts_with('"') {
                    self.mode = Mode::Raw(behind.len() - quoted.len());
                    return Ok(rest.len() - quoted.len() + 1);
                }
            }
            _ => {}
        }
        // A name is one thing: the `r` at its end begins no string.
        if character.is_alphanumeric() || character == '_' {
            let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            return Ok(name);
        }
        Ok(character.len_utf8())
    }

    fn block_comment(&mut self, rest: &str, character: char, depth: usize) -> usize {
        if rest.starts_with("*/") {
            self.mode = if depth > 1 { Mode::BlockComment(depth - 1) } else { Mode::Code };
            return 2;
        }
        if self.rules.nested && rest.starts_with("/*") {
            self.mode = Mode::BlockComment(depth + 1);
            return 2;
        }
        character.len_utf8()
    }

    fn string(&mut self, rest: &str, character: char, quote: char, count: usize, escapes: bool) -> Result<usize, Incompletable> {
        if escapes && character == '\\' {
            return Ok(1 + rest[1..].chars().next().map_or(0, char::len_utf8));
        }
        if rest.starts_with(&quote.to_string().repeat(count)) {
            self.mode = Mode::Code;
            return Ok(count * quote.len_utf8());
        }
        let may_go_on = count == 3 || quote == '`' || self.rules.long_strings;
        if character == '\n' && !may_go_on { Err(Incompletable) } else { Ok(character.len_utf8()) }
    }

    /// The first thing on a line: its indentation must fit where lines have levels.
    fn line_begins(&mut self) -> Result<(), Incompletable> {
        let Some(blanks) = self.layout.blanks.take() else { return Ok(()) };
        if !self.rules.indented || !self.open.is_empty() || std::mem::take(&mut self.layout.continued) {
            return Ok(());
        }
        let level = self.layout.levels.last().copied().unwrap_or(0);
        match self.layout.last {
            Some(':') if blanks > level => self.layout.levels.push(blanks),
            Some(':') => return Err(Incompletable),
            _ if blanks > level => return Err(Incompletable),
            _ => {
                while self.layout.levels.last().is_some_and(|level| *level > blanks) {
                    self.layout.levels.pop();
                }
                if self.layout.levels.last() != Some(&blanks) {
                    return Err(Incompletable);
                }
            }
        }
        Ok(())
    }

    fn line_end(&mut self) {
        // Inside brackets, and behind a backslash, a line goes on.
        self.layout.continued = self.layout.last == Some('\\') && self.layout.blanks.is_none();
        self.layout.blanks = Some(0);
    }
}

/// Length of a character literal of Rust, or of the quote alone where it begins a lifetime or is not complete.
fn character_literal(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => {
            // The escaped character may be a quote itself.
            characters.next();
            characters.find(|(_, c)| *c == '\'' || *c == '\n').map_or(rest.len(), |(at, c)| if c == '\'' { at + 1 } else { at })
        }
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            Some(_) => 1,
            // It may still become a literal.
            None => rest.len(),
        },
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::parse::PARSE_LIMIT;
    use crate::syntax::parse::Syntax;

    fn read(language: Language, text: &str) -> Result<Scanner, Incompletable> {
        let mut scanner = Scanner::new(language).unwrap();
        scanner.read(text).map(|()| scanner)
    }

    #[test]
    fn what_no_continuation_repairs_is_refused() {
        for (language, text) in [
            (Language::Rust, "fn f() { (a] "),
            (Language::Rust, "} fn"),
            (Language::Python, "x = 'a\n"),
            (Language::Python, "def f():\nx = 1"),
            (Language::Python, "x = 1\n    y = 2"),
            (Language::Python, "if a:\n        x\n    y = 2"),
            (Language::Go, "x := \"a\n\""),
            (Language::Json, "{\"a\": [1}"),
            (Language::C, "char c = '(\n"),
        ] {
            assert_eq!(read(language, text), Err(Incompletable), "{text:?}");
        }
    }

    #[test]
    fn what_may_still_become_right_is_accepted() {
        for (language, text) in [
            (Language::Rust, "fn f<'a>(x: &'a str) -> char { '(' /* ) /* } */ ] */; r#\"}\"}\"#; \"}\n\"; '\\'' "),
            (Language::Rust, "let bar = r\"(\"; let for_r = \")\"; // ]\n("),
            (Language::Python, "def f(a,\n  b):  # )\n    '''\n  x (\n'''\n    return [1,\n2]\n\nclass A:\n\tx = 'it\\'s'\n"),
            (Language::Python, "if a:\n    b\n  # comment\nelse:\n    c = \\\n  d\n"),
            (Language::Go, "x := `a\n(`; y := ')' // ]\n"),
            (Language::Toml, "a = '''x\n]'''\nb = [\n"),
            (Language::Java, "String s = \"\\\"(\"; char c = '\\'';"),
        ] {
            assert!(read(language, text).is_ok(), "{text:?}");
        }
        assert!(Scanner::new(Language::Tsx).is_none());
    }

    #[test]
    fn two_texts_stand_alike_when_what_follows_means_the_same() {
        let at = |text: &str| read(Language::Rust, text).unwrap();
        assert!(at("fn f() { a(").stands_as(&at("{ b; (")));
        assert!(!at("fn f() { a(").stands_as(&at("fn f() { a()")));
        assert!(!at("x = \"(").stands_as(&at("x = (")));
    }

    /// A beginning of a text that parses can be completed, wherever it is cut: the sources of dcode are such texts.
    #[test]
    fn no_beginning_of_a_text_that_parses_is_refused() {
        let sources = [include_str!("completable.rs"), include_str!("guard.rs"), include_str!("../diffusion/canvas.rs")];
        for source in sources {
            assert!(Syntax::parse(source, Language::Rust, PARSE_LIMIT).is_ok());
            let mut state = Scanner::new(Language::Rust).unwrap();
            for line in source.split_inclusive('\n') {
                for (end, _) in line.char_indices() {
                    assert_eq!(state.clone().read(&line[..end]), Ok(()), "{:?}", &line[..end]);
                }
                state.read(line).unwrap();
            }
            assert!(state.stands_as(&Scanner::new(Language::Rust).unwrap()));
        }
    }
}
