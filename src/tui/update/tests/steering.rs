//! Tokens under the cursor.

use super::*;

#[test]
fn the_cursor_goes_from_token_to_token_and_holds_the_run() {
    let mut session = steered();
    session.keys("right");
    assert_eq!(session.run().cursor, Some(slot(0)), "the first slot that is not settled");
    assert!(session.run().paused);
    session.keys("l l l");
    assert_eq!(session.run().cursor, Some(slot(2)), "the last one");
    session.keys("left h");
    assert_eq!(session.run().cursor, Some(slot(0)));
    session.keys("down up j k");
    assert_eq!(session.run().cursor, Some(slot(0)), "there is one line");
    session.keys("page-down page-up");
    session.keys("esc");
    assert_eq!((session.run().cursor, session.state.mode), (None, Mode::Run), "first out of the tokens");
    session.keys("q");
    assert_eq!(session.state.mode, Mode::Browse);
}

#[test]
fn pin_remask_and_choose() {
    let mut session = steered();
    session.keys("p");
    assert!(session.told().contains("choose a token first"));
    session.keys("right right p");
    session.settle();
    let state = |session: &Session, index| session.run().cell(slot(index)).unwrap().state;
    assert_eq!(state(&session, 1), CellState::Pinned);
    session.keys("p");
    session.settle();
    assert!(!matches!(state(&session, 1), CellState::Pinned), "the same key lets it change again");
    session.keys("r");
    session.settle();
    assert!(state(&session, 1).is_masked());
    session.keys("p");
    assert!(session.told().contains("nothing stands here"));
    session.keys("2");
    session.settle();
    assert_eq!(session.run().cell(slot(1)).unwrap().text, ": u32_b");
    session.keys("8");
    assert!(session.told().contains("no alternative 8"));
    session.keys("[ r");
    assert!(session.told().contains("earlier step"));
    session.keys("} left v right r");
    session.settle();
    assert!(state(&session, 0).is_masked() && state(&session, 1) == CellState::Pinned, "what is pinned stays");
    session.keys("R");
    let commands = &session.engine.commands;
    assert_eq!(commands.last(), Some(&Command::Remask(vec![slot(0), slot(1), slot(2)])), "the slots of the line");
    assert!(commands.contains(&Command::Choose { slot: slot(1), token: 1 }));
    session.settle();
    session.keys("space");
    session.settle();
    assert_eq!(session.state.mode, Mode::Review);
}

#[test]
fn every_alternative_has_its_key() {
    let mut session = steered();
    session.keys("right");
    let alternatives: Vec<_> = (0..8)
        .map(|token| crate::tui::engine::Alternative { token: 100 + token, text: token.to_string(), probability: 0.1 })
        .collect();
    for digit in 1..=8u32 {
        if let Some(run) = &mut session.state.run {
            run.choices = Choices::from([(slot(0), alternatives.clone())]);
        }
        session.keys(&digit.to_string());
        assert_eq!(session.engine.commands.last(), Some(&Command::Choose { slot: slot(0), token: 99 + digit }));
        session.settle();
    }
}

#[test]
fn the_threshold_moves_in_its_bounds() {
    let mut session = steered();
    session.keys("<");
    assert_eq!(session.engine.commands.last(), Some(&Command::Threshold(0.85)));
    session.keys("> > > >");
    assert_eq!(session.run().threshold, 1.0);
    for _ in 0..40 {
        session.keys("<");
    }
    assert_eq!(session.run().threshold, 0.05);
}

#[test]
fn the_rules_come_one_after_the_other() {
    let mut session = steered();
    let rules = ["confidence", "entropy", "margin", "usual"];
    for rule in rules {
        session.keys("ctrl-t");
        assert_eq!(session.engine.commands.last(), Some(&Command::Sampler(rule)));
    }
}

#[test]
fn the_span_gets_more_slots_and_fewer_and_keeps_them() {
    let mut session = steered();
    session.keys("space +");
    session.poll();
    let count = |session: &Session| session.run().slots().len();
    assert_eq!((session.engine.commands.last(), count(&session)), (Some(&Command::Lengthen(0)), 4));
    session.keys("minus minus");
    session.poll();
    session.poll();
    assert_eq!((session.engine.commands.last(), count(&session)), (Some(&Command::Shorten(0)), 2));
    session.keys("=");
    assert!(session.run().fixed && session.engine.commands.last() == Some(&Command::FixLength(true)));
    session.keys("=");
    assert!(!session.run().fixed && session.engine.commands.last() == Some(&Command::FixLength(false)));
}

#[test]
fn what_is_not_known_of_a_slot_is_asked_for_one_slot_at_a_time() {
    let mut session = steered();
    session.keys("right right right");
    let asks = |session: &Session| session.engine.commands.iter().filter(|command| matches!(command, Command::Ask(_))).count();
    assert_eq!(asks(&session), 1, "the answer for the first slot is not there yet");
    session.settle();
    assert_eq!(asks(&session), 2, "then the slot where the cursor is by now");
    assert!(session.run().choices.contains_key(&slot(2)) && !session.run().choices.contains_key(&slot(1)));
    session.send(Msg::Engine(Event::Refused { id: session.run().id, message: "slot 2 is gone".into() }));
    assert_eq!((session.told(), session.run().asked), ("slot 2 is gone", None));
}
