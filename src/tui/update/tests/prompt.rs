//! The line for the instruction.

use super::*;

#[test]
fn settings_of_the_next_request() {
    let mut session = session();
    session.keys("i ctrl-n ctrl-n ctrl-t enter");
    let options = session.engine.requests[0].options;
    assert_eq!((options.candidates, options.method.name()), (3, "denoise"));
    session.keys("esc i ctrl-n ctrl-n ctrl-t ctrl-t");
    assert_eq!((session.state.options.candidates, session.state.options.method.name()), (1, "auto"));
}

#[test]
fn typing_pasting_and_history() {
    let mut session = session();
    session.keys("i");
    session.send(Msg::Paste("日本\r\nx\u{1b}[2J".into()));
    assert_eq!(session.state.input.text, "日本  x[2J");
    session.keys("home delete right");
    assert_eq!(session.state.input.text, "本  x[2J");
    session.send(Msg::Paste("z".repeat(1 << 20)));
    assert!(session.state.input.text.len() <= MAX_INPUT);
    session.keys("ctrl-e ctrl-u");
    assert_eq!(session.state.input, crate::tui::state::Input::default());
    session.keys("? enter");
    session.keys("esc i up");
    assert_eq!(session.state.history, ["of an earlier session", "?"], "a question mark is text while one types");
    assert_eq!(session.jobs.last().unwrap(), "Remember");
    session.keys("down");
    assert_eq!(session.state.input.text, "");
    session.state.history = vec!["x".into(); MAX_HISTORY];
    session.keys("n enter");
    assert_eq!(session.state.history.len(), MAX_HISTORY);
}
