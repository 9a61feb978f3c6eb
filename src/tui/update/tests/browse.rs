//! Reading and selecting.

use super::*;

#[test]
fn moving_around() {
    let text: String = (0..200).map(|line| format!("line {line}\n")).collect();
    let mut session = Session::new(&text, ScriptedEngine::default());
    let page = session.state.page();
    for (keys, line) in [
        ("down j", 2),
        ("up k", 0),
        ("page-down", page),
        ("ctrl-d", 2 * page),
        ("page-up", page),
        ("ctrl-u", 0),
        ("end", 199),
        ("home", 0),
        ("G", 199),
        ("g", 0),
    ] {
        session.keys(keys);
        assert_eq!(session.state.cursor, line, "{keys}");
        assert!((session.state.top..session.state.top + page).contains(&line));
    }
    session.keys("V down down");
    assert_eq!(session.selected(), "line 0\nline 1\nline 2\n");
    session.keys("esc");
    assert_eq!(session.state.selection, None);
}

#[test]
fn several_spans_are_kept_and_let_go() {
    let mut session = session();
    session.keys("m j j j m j j");
    assert_eq!(session.state.marks, [0..14, 27..42]);
    assert_eq!(session.selected(), "use std::fmt;\n    let x = 1;\n", "the line of the cursor is not among them");
    session.keys("i enter");
    assert_eq!(session.engine.requests[0].spans, [0..14, 27..42]);
    session.keys("esc k k m");
    assert_eq!(session.state.marks, [0..14], "the same key lets go");
    session.keys("esc");
    assert!(session.state.marks.is_empty());
    session.keys("v j m j m");
    assert_eq!(session.state.marks.len(), 1, "spans that touch are one");
}

#[test]
fn changed_lines_become_spans() {
    let mut session = session();
    session.keys("c");
    assert_eq!(session.state.marks, [0..14, 27..42], "deleted lines are nowhere");
    assert_eq!(session.state.cursor, 0);
    session.send(Msg::Answer(Answer::Changes("another text".into(), Ok(vec![1..2]))));
    assert_eq!(session.state.marks.len(), 2, "what is said of another text is dropped");
    session.send(Msg::Answer(Answer::Changes(session.state.file.text.clone(), Err("no repository".into()))));
    assert_eq!(session.told(), "no repository");
}

#[test]
fn copying() {
    let mut session = session();
    session.keys("v j y");
    assert_eq!(session.copied, ["use std::fmt;\n\n"]);
    session.keys("esc j j j v j i enter");
    session.settle();
    session.keys("y");
    assert!(session.copied[1].contains("let x: u32 = 7;"));
    session.keys("esc");
    session.state.file = File::new("big", "x".repeat(100_000), None);
    session.state.cursor = 0;
    session.keys("y");
    assert!(session.told().contains("too long") && session.copied.len() == 2);
}

#[test]
fn growing_and_shrinking_the_selection() {
    let mut session = session();
    session.keys("j j j +");
    assert!(session.selected().starts_with("let"), "{:?}", session.selected());
    let first = session.state.selection.clone();
    session.keys("alt-o alt-o");
    assert!(session.selected().starts_with('{') || session.selected().starts_with("fn main"), "{:?}", session.selected());
    session.keys("minus alt-i");
    assert_eq!(session.state.selection, first);
    for _ in 0..20 {
        session.keys("+");
    }
    assert_eq!(session.selected(), TEXT);
}

#[test]
fn an_old_parse_is_not_taken() {
    let mut session = session();
    let other: Arc<str> = "fn other() {}".into();
    let syntax = Syntax::parse(&other, Language::Rust, Duration::from_secs(20)).ok().map(Arc::new);
    session.send(Msg::Parsed(other.clone(), syntax));
    assert_eq!(session.state.file.syntax.as_ref().unwrap().text_len(), TEXT.len());
}
