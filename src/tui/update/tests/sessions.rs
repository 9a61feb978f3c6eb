//! Whole sessions.

use super::*;

#[test]
fn the_whole_story() {
    let mut session = session();
    session.keys("j j j v j");
    assert_eq!(session.selected(), "    let x = 1;\n    let y = 2;\n");
    session.keys("i t y p e space x backspace enter");
    assert_eq!(session.state.mode, Mode::Run);
    assert_eq!(session.engine.requests[0].instruction, "type");
    assert_eq!(session.engine.requests[0].spans.first(), Some(&(27..57)));
    assert!(session.poll());
    assert_eq!(session.run().frames.len(), 1);
    session.settle();
    assert_eq!(session.state.mode, Mode::Review);
    session.keys("space a");
    assert_eq!(&*session.state.file.text, TEXT.replace("x = 1", "x: u32 = 7").replace("y = 2", "y = 3").as_str());
    assert_eq!(session.state.mode, Mode::Browse);
    assert!(session.state.file.syntax.is_some(), "parsed again");
    session.keys("u");
    assert_eq!(&*session.state.file.text, TEXT);
    session.keys("U");
    assert!(session.state.file.text.contains("u32"));
    session.keys("q");
    assert!(session.quit);
}

#[test]
fn help_scrolls_closes_and_leaves_with_ctrl_c() {
    let mut session = session();
    session.keys("? j page-down k page-up");
    assert!(matches!(session.state.overlay, Some(Overlay::Help { .. })));
    session.keys("x");
    assert!(session.state.overlay.is_none() && session.state.cursor == 0);
    session.keys("f1 ctrl-l ctrl-z ctrl-l");
    session.keys("? ctrl-c");
    assert!(session.quit);
}

/// What one edit leaves behind, over and over: nothing grows with the number of edits.
#[test]
fn a_thousand_edits_leave_no_more_than_one() {
    let answers = (0..1000).fold(ScriptedEngine::default(), |engine, number| {
        engine.answer(frames(), vec![candidate(&format!("    let x = {number};\n"))])
    });
    let mut session = Session::new(TEXT, answers);
    session.undo.reserve(1000);
    session.keys("j j j i x enter");
    session.settle();
    session.keys("A a");
    for _ in 1..1000 {
        session.keys("i enter");
        session.settle();
        session.keys("A a");
        session.engine.requests.clear();
        session.engine.commands.clear();
    }
    assert!(session.state.file.text.contains("x = 999"));
    assert_eq!(session.state.history, ["of an earlier session", "x"], "the same instruction is kept once");
    assert!(session.state.run.is_none() && session.state.review.is_none() && session.state.marks.is_empty());
}
