//! Recorded runs.

use super::*;
use crate::tui::host::Replay;

pub(super) fn recordings() -> Vec<Item> {
    let item = |path: &str| Item {
        label: path.to_owned(),
        detail: String::new(),
        badge: ' ',
        value: Value::Recording { path: path.to_owned(), candidate: 0 },
    };
    vec![item("run.json"), item("damaged.json")]
}

pub(super) fn replayed(path: &str, candidate: usize) -> Result<Replay, String> {
    if path != "run.json" {
        return Err(format!("{path}: not a trajectory"));
    }
    let frames = frames().into_iter().map(Arc::new).collect();
    let (file, model) = ("src/recorded.rs".to_owned(), "a model".to_owned());
    Ok(Replay { file, model, candidate, text: String::new(), spans: vec![0..0], frames })
}

#[test]
fn a_recorded_run_is_gone_through_and_plays() {
    let mut session = session();
    session.keys("P enter");
    assert_eq!((session.state.mode, session.run().frames.len(), session.run().shown), (Mode::Run, 3, Some(0)));
    assert_eq!(session.run().recorded.as_deref(), Some("a model"));
    session.keys("] ]");
    assert_eq!(session.run().shown, None, "the last one");
    session.send(Msg::Tick);
    assert_eq!(session.run().place(), 2, "it plays when it is told to");
    session.keys("space");
    assert!(session.state.is_playing() && session.run().place() == 0, "from the start");
    session.send(Msg::Tick);
    assert_eq!(session.run().place(), 1);
    session.keys("space");
    session.send(Msg::Tick);
    assert_eq!(session.run().place(), 1, "held");
    session.keys("space");
    (0..5).for_each(|_| session.send(Msg::Tick));
    assert!(!session.state.is_playing() && session.run().place() == 2);
    session.keys("p n s +");
    assert!(session.told().contains("ended") && session.engine.commands.is_empty());
    session.keys("E");
    assert!(session.told().starts_with("written"));
    session.keys("esc");
    assert_eq!(session.state.mode, Mode::Browse);
    assert_eq!(&*session.state.file.text, TEXT, "the open file stays");
}

#[test]
fn a_recording_that_cannot_be_read_is_told() {
    let mut session = session();
    session.keys("P down enter");
    assert_eq!((session.told(), session.state.mode), ("damaged.json: not a trajectory", Mode::Browse));
    assert!(!session.state.busy);
}

#[test]
fn a_replay_is_shown_without_a_file() {
    let mut state = State::new(File::new("", "", None), Look::automatic(Depth::True, false), (80, 24));
    let keymap = Keymap::default();
    update(&mut state, &keymap, Msg::Answer(Answer::Replayed(replayed("run.json", 0))));
    assert!(start(&mut state).is_empty() && state.overlay.is_none(), "no list of files covers it");
    assert_eq!((state.mode, state.run.as_ref().unwrap().spans.len()), (Mode::Run, 1));
}

#[test]
fn a_run_keeps_what_is_needed_to_replay_it() {
    let mut session = steered();
    let id = session.run().id;
    session.send(Msg::Engine(Event::Recorded { id: id + 1, trajectory: "of another".into() }));
    assert!(session.run().trajectory.is_none());
    session.send(Msg::Engine(Event::Recorded { id, trajectory: "{}".into() }));
    assert_eq!(session.run().trajectory.as_deref(), Some("{}"));
}
