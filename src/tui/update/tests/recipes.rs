//! What the recipes find.

use super::*;

/// Findings in the text of the sessions: one of a template, one for the model.
pub(super) fn findings() -> Vec<Item> {
    let item = |label: &str, at, rewrite| Item {
        label: label.to_owned(),
        detail: String::new(),
        badge: ' ',
        value: Value::Finding { at, instruction: format!("do {label}"), rewrite },
    };
    vec![item("template", 31..41, vec![(27..42, "    let x = 3;\n".to_owned())]), item("model", 42..57, Vec::new())]
}

#[test]
fn places_are_shown_as_they_are_looked_at() {
    let mut session = session();
    session.keys("v j r");
    assert_eq!((session.state.cursor, session.selected().as_str()), (3, "let x = 1;"));
    session.keys("down");
    assert_eq!((session.state.cursor, session.selected().as_str()), (4, "    let y = 2;\n"));
    session.keys("esc");
    assert_eq!((session.state.cursor, session.selected().as_str()), (1, "use std::fmt;\n\n"), "as it was before");
}

#[test]
fn a_rewriting_goes_to_the_review_and_is_applied() {
    let mut session = session();
    session.keys("r enter");
    assert_eq!((session.state.mode, session.review().hunks().len()), (Mode::Review, 1));
    assert_eq!(session.state.input.text, "do template", "what the log will say");
    session.keys("t");
    assert!(session.told().contains("no steps"));
    session.keys("space a");
    assert_eq!(&*session.state.file.text, TEXT.replace("x = 1", "x = 3").as_str());
    assert!(session.engine.requests.is_empty(), "no model was asked");
}

#[test]
fn what_is_for_the_model_becomes_span_and_instruction() {
    let mut session = session();
    session.keys("r m o d e enter");
    assert_eq!((session.state.mode, session.state.input.text.as_str()), (Mode::Prompt, "do model"));
    session.keys("enter");
    let request = &session.engine.requests[0];
    assert_eq!((request.instruction.as_str(), request.spans.as_slice()), ("do model", &[42..57][..]));
}

#[test]
fn findings_of_another_text_are_dropped() {
    let mut session = session();
    session.keys("r");
    session.send(Msg::Answer(Answer::Findings("another".into(), Ok(Vec::new()))));
    assert!(matches!(&session.state.overlay, Some(Overlay::Picker(list)) if list.items.len() == 2));
    session.keys("esc");
    let waiting = update(&mut session.state, &session.keymap, Msg::Key("r".parse().unwrap()));
    let text = session.state.file.text.clone();
    session.send(Msg::Answer(Answer::Findings(text, Err("the recipes leave this file alone".into()))));
    assert!(session.state.overlay.is_none() && session.told().contains("leave this file alone"));
    assert!(matches!(&waiting[..], [Effect::Job(Job::Findings(_))]));
}
