//! Watching a run, and how it ends.

use super::*;

#[test]
fn pause_scrub_and_stop() {
    let mut session = session();
    session.keys("j j j v j i enter");
    session.poll();
    session.poll();
    session.keys("[");
    assert!(session.run().paused && session.run().shown == Some(0));
    assert!(!session.poll(), "the engine holds");
    session.keys("[ [ ]");
    assert_eq!(session.run().shown, None, "the newest frame again");
    assert_eq!(session.run().changes, [1, 1]);
    session.keys("{");
    assert_eq!(session.run().shown, Some(0));
    session.keys("}");
    assert_eq!(session.run().shown, None);
    session.keys("n");
    assert!(session.poll(), "one step while it holds");
    assert!(!session.poll());
    assert_eq!(session.run().frames.len(), 3);
    session.keys("space");
    assert!(!session.run().paused);
    session.keys("s");
    assert!(session.poll());
    assert_eq!(session.state.mode, Mode::Review, "stopped, with what there was");
    session.keys("t [ [");
    assert_eq!((session.state.mode, session.run().shown), (Mode::Run, Some(0)), "the steps can be looked at afterwards");
    session.keys("p");
    assert!(session.told().contains("ended"));
    session.keys("E");
    assert!(session.told().starts_with("written"));
    session.keys("esc");
    assert_eq!(session.state.mode, Mode::Review);
}

#[test]
fn what_a_given_up_run_tells_is_dropped() {
    let mut session = session();
    session.keys("j j j v j i enter");
    session.poll();
    session.keys("esc");
    assert_eq!(session.state.mode, Mode::Browse);
    session.settle();
    assert_eq!(session.state.mode, Mode::Browse);
    assert!(session.state.review.is_none() && session.state.run.is_none());
}

#[test]
fn failures_are_told_and_leave_the_file() {
    let mut session = Session::new(TEXT, ScriptedEngine::default());
    session.keys("i enter");
    session.settle();
    assert_eq!(session.state.mode, Mode::Browse);
    assert!(session.state.message.as_ref().unwrap().is_error);
    session.send(Msg::Engine(Event::Failed { id: None, message: "device lost\u{1b}[2J".into() }));
    assert!(matches!(&session.state.engine, EngineState::Gone(_)));
    session.keys("i enter");
    let message = session.state.message.clone().unwrap();
    assert_eq!(message, Message { text: "device lost␛[2J".into(), is_error: true });
    assert_eq!(&*session.state.file.text, TEXT);
}

#[test]
fn a_candidate_that_changes_nothing_needs_no_review() {
    let engine = ScriptedEngine::default().answer(frames(), vec![candidate("    let x = 1;\n")]);
    let mut session = Session::new(TEXT, engine);
    session.keys("j j j i enter");
    session.settle();
    assert_eq!(session.state.mode, Mode::Browse);
    assert!(session.told().contains("nothing to change"));
}
