//! The languages with syntax features, and how a file's language is found.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use tree_sitter::Query;

/// A language whose grammar is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Rust.
    Rust,
    /// Python.
    Python,
    /// JavaScript, with JSX.
    JavaScript,
    /// TypeScript.
    TypeScript,
    /// TypeScript with JSX.
    Tsx,
    /// Go.
    Go,
    /// C, and headers that may be C++.
    C,
    /// Java.
    Java,
    /// JSON, with or without comments.
    Json,
    /// TOML.
    Toml,
}

impl Language {
    /// Every language, for tests and lists.
    pub const ALL: [Self; 10] = [
        Self::Rust,
        Self::Python,
        Self::JavaScript,
        Self::TypeScript,
        Self::Tsx,
        Self::Go,
        Self::C,
        Self::Java,
        Self::Json,
        Self::Toml,
    ];

    /// The language of a file by its name, else by the interpreter named in `first_line`; `None` for a language without a
    /// grammar, which is edited without syntax features.
    pub fn detect(path: &Path, first_line: &str) -> Option<Self> {
        Self::from_path(path).or_else(|| Self::from_shebang(first_line))
    }

    /// The language by file name or extension.
    pub fn from_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        match name {
            "Cargo.lock" | "Pipfile" | "poetry.lock" | "uv.lock" | "pdm.lock" => return Some(Self::Toml),
            "Pipfile.lock" | "composer.lock" | "flake.lock" | ".babelrc" | ".jshintrc" | ".swcrc" => return Some(Self::Json),
            "SConstruct" | "SConscript" | "wscript" => return Some(Self::Python),
            _ => {}
        }
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match extension.as_str() {
            "rs" => Self::Rust,
            "py" | "pyi" | "pyw" => Self::Python,
            "js" | "mjs" | "cjs" | "jsx" => Self::JavaScript,
            "ts" | "mts" | "cts" => Self::TypeScript,
            "tsx" => Self::Tsx,
            "go" => Self::Go,
            "c" | "h" => Self::C,
            "java" => Self::Java,
            "json" | "jsonc" | "geojson" | "webmanifest" | "ipynb" | "jsonld" => Self::Json,
            "toml" => Self::Toml,
            _ => return None,
        })
    }

    /// The language by the interpreter of a `#!` line.
    pub fn from_shebang(first_line: &str) -> Option<Self> {
        let rest = first_line.trim_start_matches('\u{feff}').strip_prefix("#!")?;
        // `env -S node --flag`: the first word that is neither env itself, an option, nor an assignment.
        let word = rest
            .split_whitespace()
            .map(|word| word.rsplit('/').next().unwrap_or(word))
            .find(|word| *word != "env" && !word.starts_with('-') && !word.contains('='))?;
        let stem = word.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        Some(match stem {
            "python" | "pypy" => Self::Python,
            "node" | "nodejs" => Self::JavaScript,
            "deno" | "bun" | "ts-node" | "tsx" => Self::TypeScript,
            "rust-script" | "run-cargo-script" => Self::Rust,
            _ => return None,
        })
    }

    /// The language of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.name() == name)
    }

    /// The name shown to users and written to JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
            Self::Tsx => "tsx",
            Self::Go => "go",
            Self::C => "c",
            Self::Java => "java",
            Self::Json => "json",
            Self::Toml => "toml",
        }
    }

    /// The tree-sitter grammar.
    pub fn grammar(self) -> tree_sitter::Language {
        match self {
            Self::Rust => tree_sitter_rust::LANGUAGE.into(),
            Self::Python => tree_sitter_python::LANGUAGE.into(),
            Self::JavaScript => tree_sitter_javascript::LANGUAGE.into(),
            Self::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
            Self::Tsx => tree_sitter_typescript::LANGUAGE_TSX.into(),
            Self::Go => tree_sitter_go::LANGUAGE.into(),
            Self::C => tree_sitter_c::LANGUAGE.into(),
            Self::Java => tree_sitter_java::LANGUAGE.into(),
            Self::Json => tree_sitter_json::LANGUAGE.into(),
            Self::Toml => tree_sitter_toml_ng::LANGUAGE.into(),
        }
    }

    /// The source of the highlight query. Where two patterns capture one node, the later one wins, so what a language adds to
    /// another's patterns comes behind them.
    fn highlight_source(self) -> String {
        let javascript = tree_sitter_javascript::HIGHLIGHT_QUERY;
        let jsx = tree_sitter_javascript::JSX_HIGHLIGHT_QUERY;
        let typescript = tree_sitter_typescript::HIGHLIGHTS_QUERY;
        match self {
            Self::Rust => tree_sitter_rust::HIGHLIGHTS_QUERY.to_owned(),
            Self::Python => tree_sitter_python::HIGHLIGHTS_QUERY.to_owned(),
            Self::JavaScript => format!("{javascript}\n{jsx}"),
            Self::TypeScript => format!("{javascript}\n{typescript}"),
            Self::Tsx => format!("{javascript}\n{jsx}\n{typescript}"),
            Self::Go => tree_sitter_go::HIGHLIGHTS_QUERY.to_owned(),
            Self::C => tree_sitter_c::HIGHLIGHT_QUERY.to_owned(),
            Self::Java => tree_sitter_java::HIGHLIGHTS_QUERY.to_owned(),
            Self::Json => tree_sitter_json::HIGHLIGHTS_QUERY.to_owned(),
            Self::Toml => tree_sitter_toml_ng::HIGHLIGHTS_QUERY.to_owned(),
        }
    }

    /// The compiled highlight query, made at first use and kept. `None` only when a grammar and its query do not fit, which the
    /// tests rule out; the text is then shown without colours.
    pub fn highlight_query(self) -> Option<&'static Query> {
        static QUERIES: [OnceLock<Option<Query>>; Language::ALL.len()] = [const { OnceLock::new() }; Language::ALL.len()];
        QUERIES[self as usize].get_or_init(|| Query::new(&self.grammar(), &self.highlight_source()).ok()).as_ref()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grammar_loads_and_every_query_compiles() {
        for language in Language::ALL {
            let mut parser = tree_sitter::Parser::new();
            parser.set_language(&language.grammar()).unwrap_or_else(|error| panic!("{language}: {error}"));
            let query = Query::new(&language.grammar(), &language.highlight_source());
            assert!(query.is_ok(), "{language}: {:?}", query.err());
            assert!(language.highlight_query().is_some());
        }
    }

    #[test]
    fn all_lists_the_languages_in_order_of_their_numbers() {
        for (index, language) in Language::ALL.into_iter().enumerate() {
            assert_eq!(language as usize, index, "{language}");
        }
    }

    #[test]
    fn by_name() {
        let cases = [
            ("src/main.rs", Some(Language::Rust)),
            ("a/b.PY", Some(Language::Python)),
            ("x.d.ts", Some(Language::TypeScript)),
            ("App.tsx", Some(Language::Tsx)),
            ("app.jsx", Some(Language::JavaScript)),
            ("Cargo.lock", Some(Language::Toml)),
            ("Pipfile.lock", Some(Language::Json)),
            ("wscript", Some(Language::Python)),
            ("README.md", None),
            ("rs", None),
            (".rs", None),
            ("", None),
            ("..", None),
        ];
        for (name, expected) in cases {
            assert_eq!(Language::from_path(Path::new(name)), expected, "{name:?}");
        }
    }

    #[test]
    fn by_shebang_only_when_the_name_says_nothing() {
        let detect = |name: &str, line: &str| Language::detect(Path::new(name), line);
        assert_eq!(detect("tool", "#!/usr/bin/env python3\n"), Some(Language::Python));
        assert_eq!(detect("tool", "#!/usr/bin/env -S FOO=1 node --test"), Some(Language::JavaScript));
        assert_eq!(detect("tool", "#!/usr/bin/python3.11\r\n"), Some(Language::Python));
        assert_eq!(detect("tool", "#! /usr/local/bin/deno run"), Some(Language::TypeScript));
        assert_eq!(detect("tool.rs", "#!/usr/bin/env python3"), Some(Language::Rust));
        assert_eq!(detect("tool", "#!/bin/sh"), None);
        assert_eq!(detect("tool", "#!"), None);
        assert_eq!(detect("tool", "#!/usr/bin/env"), None);
        assert_eq!(detect("tool", "import os"), None);
        assert_eq!(detect("tool", ""), None);
    }
}
