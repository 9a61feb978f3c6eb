//! Looking for text, and long lines.

use super::*;

const TEXT: &str = "one Two\nthree\ntwo two\nfour\nTWO\n";

fn session() -> Session {
    Session::open("x.txt", TEXT, ScriptedEngine::default())
}

#[test]
fn matches_are_gone_to_as_they_are_typed() {
    let mut session = session();
    session.keys("j / t w o");
    assert_eq!((session.state.search.matches.len(), session.state.cursor), (4, 2), "the first from where it began");
    session.keys("down");
    assert_eq!((session.state.cursor, session.state.search.at), (2, Some(2)), "the second one of the line");
    session.keys("ctrl-n up ctrl-p ctrl-n enter");
    assert_eq!((session.state.mode, session.state.cursor, session.state.search.at), (Mode::Browse, 2, Some(2)));
    session.keys("n");
    assert_eq!(session.state.cursor, 4);
    session.keys("n");
    assert_eq!((session.state.cursor, session.state.search.at), (0, Some(0)), "round the end");
    session.keys("N N N");
    assert_eq!((session.state.cursor, session.state.search.at), (2, Some(1)));
    // From elsewhere it goes on from there.
    session.keys("G n");
    assert_eq!(session.state.search.at, Some(0), "the cursor has left the matches: nothing is behind the last line");
    session.keys("j N");
    assert_eq!(session.state.search.at, Some(0));
}

#[test]
fn capitals_count_when_there_are_any() {
    let mut session = session();
    session.keys("/ T w o enter");
    assert_eq!(session.state.search.matches.len(), 1);
    session.keys("/");
    session.send(Msg::Paste("TWO".into()));
    session.keys("enter");
    assert_eq!((session.state.search.matches.len(), session.state.cursor), (1, 4));
}

#[test]
fn giving_up_goes_back_and_nothing_found_is_told() {
    let mut session = session();
    session.keys("j / f o u r");
    assert_eq!(session.state.cursor, 3);
    session.keys("backspace x");
    assert_eq!((session.state.cursor, session.state.search.matches.len()), (1, 0), "back while it is nowhere");
    session.keys("enter");
    assert_eq!((session.told(), session.state.mode), ("`foux` is nowhere in this file", Mode::Browse));
    session.keys("n");
    assert!(session.told().contains("nowhere"));
    session.keys("esc n");
    assert!(session.told().contains("/ looks for something"));
    session.keys("/ f esc");
    assert_eq!((session.state.cursor, session.state.mode, session.state.search.query.as_str()), (1, Mode::Browse, ""));
    session.keys("/ f backspace enter");
    assert_eq!((session.state.cursor, session.state.search.query.as_str()), (1, ""), "nothing typed is no search");
}

#[test]
fn what_is_found_belongs_to_its_text() {
    let mut session = session();
    session.keys("/ t w o enter");
    let (revision, other): (u64, Arc<str>) = (session.state.search.revision, TEXT.into());
    session.send(Msg::Matches { revision, text: other, matches: vec![0..1] });
    assert_eq!(session.state.search.matches.len(), 4, "an answer about another text is dropped");
    session.keys("f5");
    assert_eq!(&*session.state.file.text, "def f():\n    pass\n");
    assert!(session.state.search.matches.is_empty() && session.state.search.query == "two", "looked for again in the new text");
    session.keys("/ p a s s enter");
    assert_eq!(session.state.cursor, 1);
}

#[test]
fn steps_asked_for_early_are_done_when_the_matches_come() {
    let mut session = session();
    session.keys("/ t w o enter");
    let (revision, text) = (session.state.search.revision, session.state.file.text.clone());
    let matches = session.state.search.matches.to_vec();
    // As it is in a large file: the key comes before the answer.
    (session.state.search.matches, session.state.search.at) = (Arc::new([]), None);
    (session.state.search.waiting, session.state.search.seeking) = (true, true);
    session.keys("n n N n");
    assert_eq!(session.state.search.at, None);
    session.send(Msg::Matches { revision, text, matches });
    assert_eq!(session.state.search.at, Some(2), "the first one, and two on");
    session.keys("n");
    assert_eq!(session.state.search.at, Some(3));
}

#[test]
fn a_selection_of_lines_grows_to_the_match() {
    let mut session = session();
    session.keys("v / f o u r enter");
    assert_eq!(session.selected(), "one Two\nthree\ntwo two\nfour\n");
}

#[test]
fn long_lines_are_moved_sideways() {
    let long = format!("short\n{}needle\n", "x".repeat(300));
    let mut session = Session::open("x.txt", &long, ScriptedEngine::default());
    session.keys("h left");
    assert_eq!(session.state.left, 0);
    session.keys("right");
    let step = session.state.left;
    assert!((30..45).contains(&step), "{step}");
    session.keys("l l l l l l l l l l");
    assert!(session.state.left + 80 > 306 && session.state.left < 306, "not beyond the longest line: {}", session.state.left);
    session.keys("left h");
    session.keys("g / n e e d l e enter");
    assert!((session.state.left..session.state.left + 70).contains(&300), "a match comes into view: {}", session.state.left);
    session.keys("/ s h o r t enter");
    assert_eq!(session.state.left, 0, "and so does one at the beginning");
    // In the review as well.
    let engine = ScriptedEngine::default().answer(frames(), vec![candidate(&format!("{}\n", "y".repeat(200)))]);
    let mut session = Session::open("x.rs", "short\n", engine);
    session.keys("i enter");
    session.settle();
    session.keys("right l");
    assert!(session.state.left > 40);
    session.keys("left h left h");
    assert_eq!(session.state.left, 0);
}
