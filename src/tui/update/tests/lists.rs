//! Lists to choose from.

use super::*;

#[test]
fn files_are_chosen_by_typing() {
    let mut session = Session::open("", "", ScriptedEngine::default());
    assert!(matches!(&session.state.overlay, Some(Overlay::Picker(list)) if list.kind == Kind::Files), "without a file");
    session.keys("esc i");
    assert!(session.told().contains("no file is open"));
    session.keys("o");
    for key in ["t", "h", "enter"] {
        session.keys(key);
    }
    assert!(session.told().contains("not text") && !session.state.file.is_open());
    session.keys("ctrl-o down up ctrl-n ctrl-p page-down page-up");
    session.send(Msg::Paste("oth".into()));
    session.keys("enter");
    assert_eq!(session.state.file.name, "src/other.py");
    assert!(session.state.file.syntax.is_some(), "parsed as what it is");
    session.keys("f5");
    assert_eq!(session.jobs.last().unwrap(), "Open");
}

#[test]
fn enter_waits_for_what_was_typed() {
    let mut session = Session::new(TEXT, ScriptedEngine::default());
    let key = |key: &str| Msg::Key(key.parse().unwrap());
    let keymap = Keymap::default();
    // Nothing is answered while these keys arrive.
    let mut waiting: Vec<Effect> = ["o", "o", "t", "h", "e", "r", "enter"]
        .into_iter()
        .flat_map(|each| update(&mut session.state, &keymap, key(each)))
        .collect();
    assert!(session.state.overlay.is_some());
    waiting.rotate_left(1);
    session.carry_out(waiting);
    assert_eq!(session.state.file.name, "src/other.py");
}

#[test]
fn symbols_themes_and_commands() {
    let mut session = session();
    session.keys("s m a i enter");
    assert!(session.selected().starts_with("fn main()"), "{}", session.selected());
    let first = session.state.look.theme.name.clone();
    session.keys("T down");
    assert_ne!(session.state.look.theme.name, first, "a theme is tried when it is looked at");
    session.keys("esc");
    assert_eq!(session.state.look.theme.name, first);
    session.keys("T e m b e r enter");
    assert_eq!(session.state.look.theme.name, "ember");
    session.send(Msg::Background { light: true });
    assert_eq!(session.state.look.theme.name, "ember", "a choice stays");
    session.keys(":");
    for key in "last line".chars() {
        session.send(Msg::Key(Key::from(crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Char(key)))));
    }
    session.keys("enter");
    assert_eq!(session.state.cursor, session.state.file.line_count() - 1);
    session.keys("ctrl-p esc");
    assert!(session.state.overlay.is_none());
}

#[test]
fn the_background_decides_until_the_user_does() {
    let mut session = session();
    session.send(Msg::Background { light: true });
    assert_eq!(session.state.look.theme.name, "light");
    session.send(Msg::Background { light: false });
    assert_eq!(session.state.look.theme.name, "dark");
}

#[test]
fn written_edits_are_taken_back_from_the_log() {
    let mut session = session();
    session.keys("j j j v j i enter");
    session.settle();
    session.keys("A a L enter");
    assert_eq!(session.jobs.last().unwrap(), "Undo");
    assert_eq!(&*session.state.file.text, TEXT);
    session.keys("L down enter");
    assert_eq!(session.jobs.last().unwrap(), "Redo");
    session.keys("u u");
    assert!(session.told().contains("there is nothing"));
}
