use super::*;

/// Expands around the `|` in the text.
fn at(language: Language, marked: &str, kind: Expand) -> Result<String, SelectError> {
    let offset = marked.find('|').unwrap();
    let text = marked.replacen('|', "", 1);
    expand(&text, language, offset, kind).map(|range| text[range].to_owned())
}

const RUST: &str = "/// Doc.\nimpl A {\n    fn f(&self, n: u32) -> u32 {\n        if n > 1 {\n            return self.g(n |+ 1);\n        }\n        0\n    }\n}\n";

#[test]
fn every_kind_in_rust() {
    let of = |kind| at(Language::Rust, RUST, kind).unwrap();
    assert_eq!(of(Expand::Expr), "n + 1");
    assert_eq!(of(Expand::Stmt), "return self.g(n + 1);");
    assert_eq!(of(Expand::Block), "{\n            return self.g(n + 1);\n        }");
    assert!(of(Expand::Fn).starts_with("fn f(") && of(Expand::Fn).ends_with("0\n    }"));
    assert!(of(Expand::Impl).starts_with("impl A {") && of(Expand::Impl).ends_with('}'));
}

#[test]
fn other_languages() {
    let cases = [
        (Language::Python, "def f(a):\n    if a:\n        ret|urn g(a)\n    return 1\n", Expand::Stmt, "return g(a)"),
        (Language::Python, "def f(a):\n    if a:\n        ret|urn g(a)\n    return 1\n", Expand::Block, "return g(a)"),
        (Language::Python, "class A:\n    def f(a):\n        x| = 1\n", Expand::Fn, "def f(a):\n        x = 1"),
        (Language::Python, "class A:\n    def f(a):\n        x| = 1\n", Expand::Impl, "class A:\n    def f(a):\n        x = 1"),
        (Language::JavaScript, "const f = (a) => { re|turn a + 1; };", Expand::Fn, "(a) => { return a + 1; }"),
        (Language::JavaScript, "const f = (a) => { re|turn a + 1; };", Expand::Stmt, "return a + 1;"),
        (Language::TypeScript, "interface A { b: num|ber }", Expand::Impl, "interface A { b: number }"),
        (Language::Tsx, "const a = <b>{|x.y}</b>;", Expand::Expr, "x"),
        (Language::Tsx, "const a = <b>{x.|y}</b>;", Expand::Expr, "x.y"),
        (Language::Go, "package m\n\nfunc f() {\n\tx := 1\n\tg(x|)\n}\n", Expand::Stmt, "g(x)"),
        (Language::Go, "package m\n\nfunc (a *A) f() {\n\tx| := 1\n}\n", Expand::Fn, "func (a *A) f() {\n\tx := 1\n}"),
        (Language::C, "int f(void) {\n  ret|urn 1;\n}\n", Expand::Fn, "int f(void) {\n  return 1;\n}"),
        (Language::Java, "class A { int f() { re|turn 1; } }", Expand::Fn, "int f() { return 1; }"),
        (Language::Json, "{\"a\": {\"b\": 1|2}}", Expand::Stmt, "\"b\": 12"),
        (Language::Json, "{\"a\": {\"b\": 1|2}}", Expand::Block, "{\"b\": 12}"),
        (Language::Toml, "[a]\nb = 1|2\n", Expand::Stmt, "b = 12"),
        (Language::Toml, "[a]\nb = 1|2\n\n[c]\n", Expand::Impl, "[a]\nb = 12"),
    ];
    for (language, text, kind, expected) in cases {
        assert_eq!(at(language, text, kind).as_deref(), Ok(expected), "{language} {kind} {text:?}");
    }
}

#[test]
fn blanks_belong_to_the_line_they_stand_on() {
    assert_eq!(at(Language::Rust, "fn f() {\n|\t\ta();\r\n\tb();\r\n}\r\n", Expand::Stmt).as_deref(), Ok("a();"));
    assert_eq!(at(Language::Rust, "fn f() {\n\t\ta();|  \r\n\tb();\r\n}\r\n", Expand::Stmt).as_deref(), Ok("a();"));
    assert_eq!(at(Language::Rust, "fn f() { a(\"日本|語\"); }", Expand::Expr).as_deref(), Ok("\"日本語\""));
}

#[test]
fn nothing_of_the_kind_is_an_error_with_its_line() {
    assert_eq!(at(Language::Rust, "\n\nstruct |A;\n", Expand::Fn), Err(SelectError::Nothing { kind: Expand::Fn, line: 3 }));
    assert_eq!(at(Language::Python, "|", Expand::Stmt), Err(SelectError::Nothing { kind: Expand::Stmt, line: 1 }));
    assert_eq!(expand("a", Language::Rust, 9, Expand::Fn), Err(SelectError::PastEnd { len: 1 }));
    assert!("method".parse::<Expand>().is_err());
    assert_eq!("impl".parse(), Ok(Expand::Impl));
}

#[test]
fn broken_code_still_has_its_good_parts() {
    let text = "fn a() { let = ; }\n\nfn b() {\n    let x = 1|;\n}\n\nfn c( {\n";
    assert_eq!(at(Language::Rust, text, Expand::Fn).as_deref(), Ok("fn b() {\n    let x = 1;\n}"));
}

#[test]
fn growing_reaches_the_whole_text_and_shrinking_comes_back() {
    let text = RUST.replacen('|', "", 1);
    let syntax = Syntax::parse(&text, Language::Rust, PARSE_LIMIT).unwrap();
    let cursor = RUST.find('|').unwrap();
    let mut selection = cursor..cursor;
    let mut seen = vec![selection.clone()];
    while let Some(larger) = grow(&syntax, &text, &selection) {
        assert!(larger.start <= selection.start && selection.end <= larger.end && larger != selection, "{larger:?}");
        selection = larger;
        seen.push(selection.clone());
        assert!(seen.len() < 50);
    }
    assert_eq!(selection, 0..text.len());
    assert!(seen.iter().any(|range| &text[range.clone()] == "self.g(n + 1)"), "{seen:?}");
    while let Some(smaller) = shrink(&syntax, &text, &selection, cursor) {
        assert!(selection.start <= smaller.start && smaller.end <= selection.end && smaller != selection);
        selection = smaller;
    }
    assert!(selection.len() <= 5, "{:?}", &text[selection]);
}

#[test]
fn growing_and_shrinking_take_any_range() {
    for text in ["", "fn", "日本語 fn a() {}\r\n\t", "((((((((", "fn a() {\n\n\n}\n"] {
        let syntax = Syntax::parse(text, Language::Rust, PARSE_LIMIT).unwrap();
        for start in 0..text.len() + 3 {
            for end in start..text.len() + 3 {
                let range = start..end;
                let _ = grow(&syntax, text, &range);
                if let Some(smaller) = shrink(&syntax, text, &range, start) {
                    assert!(text.get(smaller).is_some());
                }
                assert!(text.get(whole_lines(text, &range)).is_some());
            }
        }
    }
}

#[test]
fn whole_lines_keep_their_ends() {
    let text = "a\r\nbc\r\n\r\nd";
    assert_eq!(&text[whole_lines(text, &(4..4))], "bc\r\n");
    assert_eq!(&text[whole_lines(text, &(0..4))], "a\r\nbc\r\n");
    assert_eq!(&text[whole_lines(text, &(3..7))], "bc\r\n");
    assert_eq!(&text[whole_lines(text, &(10..10))], "d");
}
