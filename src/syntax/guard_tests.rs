use super::*;

/// Replaces `old` in `text` by `new` and judges the result.
fn judge(language: Language, text: &str, old: &str, new: &str) -> (Report, String, Range<usize>) {
    let start = text.find(old).unwrap();
    let span = start..start + old.len();
    let guard = Guard::with_limit(text, Some(language), std::slice::from_ref(&span), Duration::from_secs(20));
    let mut result = text.to_owned();
    result.replace_range(span.clone(), new);
    let span = start..start + new.len();
    (guard.check(&result, std::slice::from_ref(&span)), result, span)
}

fn verdict(language: Language, text: &str, old: &str, new: &str) -> Verdict {
    judge(language, text, old, new).0.verdict
}

const RUST: &str = "fn a(x: u32) -> u32 {\n    let y = x + 1;\n    y\n}\n\n/* tail */\nfn b() {\n    a(2);\n}\n";

#[test]
fn good_candidates_parse() {
    for new in ["let y = x.wrapping_add(1);", "", "let y = { x };\n    dbg!(y);", "let s = \"}\"; let y = 1; // {"] {
        assert_eq!(verdict(Language::Rust, RUST, "let y = x + 1;", new), Verdict::Parses, "{new:?}");
    }
}

#[test]
fn an_error_inside_the_span_is_reported_and_blamed() {
    let (report, text, span) = judge(Language::Rust, RUST, "let y = x + 1;", "let y = x + ;\n    let z = 3;");
    assert_eq!(report.parsed_before, Some(true));
    let Verdict::Broken { problems, blame } = report.verdict else { panic!("{:?}", report.verdict) };
    assert!(problems.iter().all(|problem| problem.touches_span), "{problems:?}");
    assert!(!blame.is_empty());
    for range in &blame {
        assert!(span.start <= range.start && range.end <= span.end, "{range:?}");
        assert!(!text[range.clone()].contains("let z"), "{:?}", &text[range.clone()]);
    }
}

#[test]
fn an_unclosed_brace_is_blamed_on_itself() {
    let (report, text, _) = judge(Language::Rust, RUST, "let y = x + 1;", "let y = if x > 1 { x + 1;");
    let Verdict::Broken { blame, .. } = report.verdict else { panic!("{:?}", report.verdict) };
    assert!(blame.iter().any(|range| &text[range.clone()] == "{"), "{blame:?}");
}

#[test]
fn brackets_left_over_in_any_language_break() {
    let cases = [
        (Language::Python, "def f(a):\n    return g(a)\n\nx = 1\n", "g(a)", "g((a)"),
        (Language::JavaScript, "function f(a) {\n  return g(a);\n}\nlet x = 1;\n", "g(a);", "g(a); }"),
        (Language::TypeScript, "function f(a: number): number {\n  return a;\n}\n", "return a;", "return [a;"),
        (Language::Tsx, "const a = () => <b>{x}</b>;\n", "{x}", "{x"),
        (Language::Go, "package m\n\nfunc f() int {\n\treturn 1\n}\n", "return 1", "return (1"),
        (Language::C, "int f(void) {\n  return 1;\n}\nint g;\n", "return 1;", "return 1; }"),
        (Language::Java, "class A {\n  int f() {\n    return 1;\n  }\n}\n", "return 1;", "if (x) { return 1;"),
        (Language::Json, "{\"a\": 1, \"b\": [2]}\n", "1", "{\"c\": 1"),
        (Language::Toml, "a = 1\nb = [2]\n", "1", "[1"),
    ];
    for (language, text, old, new) in cases {
        assert_eq!(verdict(language, text, old, old), Verdict::Parses, "{language} itself");
        let result = verdict(language, text, old, new);
        assert!(matches!(result, Verdict::Broken { .. }), "{language}: {result:?}");
    }
}

#[test]
fn text_swallowed_by_a_comment_or_string_is_found() {
    let verdict_of = |new: &str| verdict(Language::C, "int a;\nint b;\n/* tail */\nint c;\n", "int a;", new);
    assert_eq!(verdict_of("int a; /* ok */"), Verdict::Parses);
    let Verdict::Broken { problems, .. } = verdict_of("int a; /* open") else { panic!("accepted") };
    assert_eq!(problems[0].fault, Fault::Swallows);
    let text = "let a = 1;\nlet b = `x`;\n";
    assert!(matches!(verdict(Language::JavaScript, text, "let a = 1;", "let a = `;"), Verdict::Broken { .. }));
}

#[test]
fn a_file_broken_elsewhere_is_still_judged() {
    let text = "fn a() {\n    let x = 1;\n}\n\nfn b() {\n    let = ;\n}\n";
    let (report, ..) = judge(Language::Rust, text, "let x = 1;", "let x = 22;");
    assert_eq!(report, Report { verdict: Verdict::Parses, parsed_before: Some(false) });
    let (report, ..) = judge(Language::Rust, text, "let x = 1;", "let x = (;");
    assert!(matches!(report.verdict, Verdict::Broken { .. }), "{report:?}");
    assert_eq!(report.parsed_before, Some(false));
}

#[test]
fn a_span_that_was_broken_is_unknown_unless_mended() {
    let text = "fn a() {\n    let x = (;\n}\n";
    assert_eq!(verdict(Language::Rust, text, "let x = (;", "let x = 1;"), Verdict::Parses);
    assert_eq!(verdict(Language::Rust, text, "let x = (;", "let x = [;"), Verdict::Unknown(Unjudged::AlreadyBroken));
}

#[test]
fn several_spans_are_judged_together() {
    let text = "fn a() {\n    one();\n    two();\n    three();\n}\n";
    let spans = [text.find("one();").unwrap(), text.find("three();").unwrap()];
    let spans = [spans[0]..spans[0] + 6, spans[1]..spans[1] + 8];
    let guard = Guard::new(text, Some(Language::Rust), &spans);
    let check = |first: &str, second: &str| {
        let new = text.replacen("one();", first, 1).replacen("three();", second, 1);
        let start = spans[1].start + first.len() - 6;
        guard.check(&new, &[spans[0].start..spans[0].start + first.len(), start..start + second.len()]).verdict
    };
    assert_eq!(check("if x {", "}"), Verdict::Parses, "the brace opened in one span is closed in the other");
    assert!(matches!(check("if x {", "three();"), Verdict::Broken { .. }));
    assert!(matches!(check("one();", "}"), Verdict::Broken { .. }));
}

#[test]
fn no_language_means_unknown() {
    let guard = Guard::new("((((", None, std::slice::from_ref(&(0..1)));
    let report = guard.check("[(((", std::slice::from_ref(&(0..1)));
    assert_eq!(report, Report { verdict: Verdict::Unknown(Unjudged::UnsupportedLanguage), parsed_before: None });
}

#[test]
fn line_endings_tabs_and_wide_characters_do_not_disturb() {
    let text = "def f():\r\n\treturn '日本語'\r\n\r\nprint(f())\r\n";
    assert_eq!(verdict(Language::Python, text, "return '日本語'", "return '🦀🦀'"), Verdict::Parses);
    assert!(matches!(verdict(Language::Python, text, "return '日本語'", "return '日本語"), Verdict::Broken { .. }));
}

#[test]
fn an_empty_file_can_be_filled() {
    let guard = Guard::new("", Some(Language::Rust), std::slice::from_ref(&(0..0)));
    assert_eq!(guard.check("fn a() {}", std::slice::from_ref(&(0..9))).verdict, Verdict::Parses);
    assert!(matches!(guard.check("fn a( {", std::slice::from_ref(&(0..7))).verdict, Verdict::Broken { .. }));
}

#[test]
fn a_parse_over_its_limit_is_unknown() {
    let text = "f(".repeat(200_000);
    let guard = Guard::with_limit(&text, Some(Language::Rust), std::slice::from_ref(&(0..1)), Duration::from_millis(1));
    assert_eq!(guard.check(&text, std::slice::from_ref(&(0..1))).verdict, Verdict::Unknown(Unjudged::Limit));
}
