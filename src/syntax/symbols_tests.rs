use super::*;
use crate::syntax::parse::PARSE_LIMIT;

fn parse(text: &str, language: Language) -> Syntax {
    Syntax::parse(text, language, PARSE_LIMIT).unwrap()
}

fn list(text: &str, language: Language) -> Vec<String> {
    let all = symbols(&parse(text, language), text);
    all.iter().map(|symbol| format!("{} {} {}-{}", symbol.kind.name(), symbol.path(), symbol.lines.0, symbol.lines.1)).collect()
}

const RUST: &str = "\
//! Crate.

use a::b;
// Not documentation.

/// Says hello.
#[derive(Debug)]
pub struct Hello {
a: u32,
}

impl std::fmt::Display for Hello {
/// Formats.
fn fmt(&self, f: &mut F) -> R {
    fn inner() {}
}
}

impl fmt::Debug for Hello<'_> {
fn fmt(&self, f: &mut F) -> R {}
}

impl Hello { #[inline] pub fn new() -> Self { todo!() } }

mod tests {
#[test]
fn new() {}
}

const N: u32 = 1;
";

#[test]
fn rust_symbols_with_their_documentation() {
    assert_eq!(
        list(RUST, Language::Rust),
        [
            "type Hello 6-10",
            "impl Display for Hello 12-17",
            "method <Hello as Display>::fmt 13-16",
            "function <Hello as Display>::fmt::inner 15-15",
            "impl Debug for Hello 19-21",
            "method <Hello as Debug>::fmt 20-20",
            "impl Hello 23-23",
            "method Hello::new 23-23",
            "module tests 25-28",
            "function tests::new 26-27",
            "constant N 30-30",
        ]
    );
}

#[test]
fn a_symbol_by_name() {
    let syntax = parse(RUST, Language::Rust);
    let find = |name: &str| symbol(&syntax, RUST, name).map(|symbol| symbol.path());
    assert_eq!(find("Hello::new").as_deref(), Ok("Hello::new"));
    assert_eq!(find("Display::fmt").as_deref(), Ok("<Hello as Display>::fmt"));
    assert_eq!(find("tests.new").as_deref(), Ok("tests::new"));
    assert_eq!(find("N").as_deref(), Ok("N"));
    let new = symbol(&syntax, RUST, "Hello::new").unwrap();
    assert_eq!(&RUST[new.item], "pub fn new() -> Self { todo!() }");
}

#[test]
fn ambiguous_and_unknown_names_say_what_to_do() {
    let syntax = parse(RUST, Language::Rust);
    let error = symbol(&syntax, RUST, "Hello::fmt").unwrap_err();
    let SymbolError::Ambiguous { matches, .. } = &error else { panic!("{error}") };
    assert_eq!(matches.len(), 2);
    let message = error.to_string();
    assert!(message.contains("<Hello as Display>::fmt (lines 13-16)") && !message.contains('\n'), "{message}");
    assert_eq!(symbol(&syntax, RUST, "Helo").unwrap_err().to_string(), "no symbol `Helo` in the file: did you mean `Hello`?");
    assert_eq!(
        symbol(&syntax, RUST, "zzzzzz").unwrap_err().to_string(),
        "no symbol `zzzzzz` in the file: give a range of lines with --range"
    );
    for odd in ["", "::", ".", "a::", "::Hello::"] {
        let _ = symbol(&syntax, RUST, odd);
    }
}

#[test]
fn other_languages() {
    let python = "X = 1\n\n# About A.\n@dec\nclass A:\n    @property\n    def f(self):\n        def g(): pass\n\n    async def h(self): ...\n\ndef top(): ...\n";
    assert_eq!(
        list(python, Language::Python),
        ["constant X 1-1", "type A 3-10", "method A::f 6-8", "function A::f::g 8-8", "method A::h 10-10", "function top 12-12"]
    );
    let typescript = "/** Doc. */\nexport const f = (a: number) => a;\n\nexport class A<T> {\n  // about m\n  m(): void {}\n}\ninterface B { x(): void }\ntype C = 1;\n";
    assert_eq!(
        list(typescript, Language::TypeScript),
        ["function f 1-2", "type A 4-7", "method A::m 5-6", "type B 8-8", "method B::x 8-8", "type C 9-9"]
    );
    let go = "package m\n\n// Run runs.\nfunc (s *Server[T]) Run() {}\n\ntype Server struct{}\n\nfunc main() {}\n\nconst N = 1\n";
    assert_eq!(list(go, Language::Go), ["method Server::Run 3-4", "type Server 6-6", "function main 8-8", "constant N 10-10"]);
    let c = "#define N 1\n/* Adds. */\nstatic int *add(int a) { return 0; }\nstruct s { int x; };\ntypedef struct { int y; } t;\nint x; // not about g\nvoid g(void) {}\n";
    assert_eq!(list(c, Language::C), ["macro N 1-1", "function add 2-3", "type s 4-4", "type t 5-5", "function g 7-7"]);
    let java = "/** Doc. */\npublic class A {\n  @Override\n  public String toString() { return \"\"; }\n  A() {}\n}\n";
    assert_eq!(list(java, Language::Java), ["type A 1-6", "method A::toString 3-4", "method A::A 5-5"]);
    let json = "{\"a\": {\"b\": 1}}";
    assert_eq!(list(json, Language::Json), ["key a 1-1", "key a::b 1-1"]);
    let toml = "x = 1\n# deps\n[dependencies]\nserde = \"1\"\n\n[[bin]]\nname = \"d\"\n";
    assert_eq!(
        list(toml, Language::Toml),
        ["key x 1-1", "key dependencies 2-4", "key dependencies::serde 4-4", "key bin 6-7", "key bin::name 7-7"]
    );
}

#[test]
fn odd_files() {
    assert_eq!(list("", Language::Rust), Vec::<String>::new());
    assert_eq!(list("fn a() {}\r\n\r\n/// Doc\r\nfn 日本() {}\r\n", Language::Rust), ["function a 1-1", "function 日本 3-4"]);
    assert!(list("fn ok() {}\nfn broken( {\nfn ", Language::Rust).contains(&"function ok 1-1".to_owned()));
}

#[test]
fn a_megabyte_on_one_line_is_listed() {
    let text = format!("{{{}\"z\": 0}}", "\"a\": {\"b\": [1, 2, 3]}, ".repeat(45_000));
    assert!(text.len() > 1_000_000);
    let syntax = Syntax::parse(&text, Language::Json, std::time::Duration::from_secs(60)).unwrap();
    assert_eq!(symbol(&syntax, &text, "z").map(|symbol| symbol.lines), Ok((1, 1)));
}
