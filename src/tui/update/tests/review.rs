//! Hunks of candidates.

use super::*;

#[test]
fn another_candidate_and_rejected_hunks() {
    let mut session = session();
    session.keys("j j j v j i enter");
    session.settle();
    session.keys("a");
    assert!(session.told().contains("nothing is accepted"));
    session.keys("x tab");
    assert_eq!(session.review().hunks()[0].accepted, None, "decisions belong to one candidate");
    session.keys("backtab");
    assert_eq!(session.review().hunks()[0].accepted, Some(false));
    session.keys("tab A a");
    assert_eq!(&*session.state.file.text, TEXT.replace("x = 1", "x = 9").as_str());
}

#[test]
fn hunks_one_by_one() {
    let text = "a\nb\nc\nd\ne\n";
    let engine = ScriptedEngine::default().answer(frames(), vec![candidate("A\nb\nC\nd\nE\n")]);
    let mut session = Session::open("x.rs", text, engine);
    session.keys("v G i enter");
    session.settle();
    for (key, at) in [("n", 1), ("down", 2), ("j", 2), ("p", 1), ("up", 0), ("k", 0)] {
        session.keys(key);
        assert_eq!(session.review().at(), at, "{key}");
    }
    session.keys("space");
    assert_eq!(session.review().at(), 1, "goes on to the next that is open");
    session.keys("p p x");
    assert_eq!(session.review().hunks()[0].accepted, Some(false), "a decision can be changed");
    session.keys("p p space space");
    session.keys("d");
    assert_eq!(session.review().layout, crate::tui::state::Layout::SideBySide);
    session.keys("d d page-down page-up");
    session.keys("S");
    assert_eq!(&*session.state.file.text, "A\nb\nC\nd\ne\n");
}

#[test]
fn one_hunk_again_around_what_is_kept() {
    let text = "fn main() {\n    a();\n    b();\n    c();\n}\n";
    let first = candidate("    A();\n    b();\n    C();\n");
    let again = ["c", "D"].map(|word| candidate(&format!("    A();\n    b();\n    {word}();\n"))).to_vec();
    let engine = ScriptedEngine::default().answer(frames(), vec![first]).answer(frames(), again);
    let mut session = Session::open("x.rs", text, engine);
    session.keys("j v j j i d o enter");
    session.settle();
    assert_eq!(session.review().hunks().len(), 2);
    session.keys("space g");
    let request = session.engine.requests[1].clone();
    assert_eq!(&*request.text, text);
    let start = request.start.unwrap();
    assert_eq!(start.texts, ["    A();\n    b();\n    C();\n"], "what is kept around the hunk");
    assert_eq!(&start.texts[0][start.masked[0].1.clone()], "    C();\n");
    assert_eq!((request.instruction.as_str(), request.options.candidates), ("do", 2));
    session.settle();
    assert_eq!(session.state.mode, Mode::Review);
    assert_eq!(session.review().candidates.len(), 3);
    assert_eq!(session.review().candidate, 1);
    assert_eq!(session.review().hunks()[0].accepted, Some(true), "what was accepted stays so");
    session.keys("tab");
    assert_eq!(session.review().candidates[2].texts, ["    A();\n    b();\n    D();\n"]);
    session.keys("A a");
    assert_eq!(&*session.state.file.text, text.replace("a();", "A();").replace("c();", "D();").as_str());
}

#[test]
fn the_same_again_is_no_candidate() {
    let engine = ScriptedEngine::default()
        .answer(frames(), vec![candidate("    let x = 9;\n")])
        .answer(frames(), vec![candidate("    let x = 9;\n")])
        .answer(frames(), vec![candidate("    let x = 8;\n")]);
    let mut session = Session::new(TEXT, engine);
    session.keys("j j j i enter");
    session.settle();
    session.keys("g");
    session.settle();
    assert_eq!((session.review().candidates.len(), session.state.mode), (1, Mode::Review));
    assert!(session.told().contains("the same again"));
    session.keys("G");
    assert_eq!(&*session.engine.requests[2].text, TEXT, "everything again, from the file");
    session.settle();
    assert_eq!(session.review().candidates[0].texts, ["    let x = 8;\n"]);
}

#[test]
fn a_follow_up_is_about_the_candidate() {
    let engine = ScriptedEngine::default()
        .answer(frames(), vec![candidate("    let x = 9;\n")])
        .answer(frames(), vec![candidate("    let z = 9;\n")]);
    let mut session = Session::new(TEXT, engine);
    session.keys("j j j i enter");
    session.settle();
    session.keys("i esc");
    assert_eq!(session.state.mode, Mode::Review, "back to the review");
    session.keys("i z enter");
    assert_eq!(&*session.engine.requests[1].text, TEXT.replace("x = 1", "x = 9").as_str());
    session.settle();
    assert_eq!(session.review().candidates.len(), 2);
    session.keys("c");
    assert!(session.review().compare);
    session.keys("esc A a");
    assert_eq!(&*session.state.file.text, TEXT.replace("let x = 1", "let z = 9").as_str());
}

#[test]
fn giving_up_a_second_run_goes_back_to_the_review() {
    let engine = ScriptedEngine::default().answer(frames(), vec![candidate("    let x = 9;\n")]).answer(frames(), vec![]);
    let mut session = Session::new(TEXT, engine);
    session.keys("j j j i enter");
    session.settle();
    session.keys("g");
    session.poll();
    session.keys("esc");
    assert_eq!((session.state.mode, session.review().candidates.len()), (Mode::Review, 1));
    session.keys("g");
    session.settle();
    assert!(session.state.message.as_ref().unwrap().is_error, "the script has nothing more");
    assert_eq!(session.state.mode, Mode::Review);
    session.keys("q");
    assert_eq!(session.state.mode, Mode::Browse);
}

#[test]
fn a_hunk_is_edited_by_hand() {
    let mut session = session();
    session.keys("j j j v j i enter");
    session.settle();
    session.keys("e");
    assert_eq!(session.review().hunks()[0].accepted, Some(true), "who edits a hunk wants it");
    assert_eq!(session.review().candidates[0].parses, None);
    session.editor = |_| Err("no editor".into());
    session.keys("e");
    assert_eq!(session.told(), "no editor");
    session.editor = |text| Ok(text.trim_end().to_owned());
    session.keys("e a");
    assert!(session.state.file.text.contains("    LET X: U32 = 7;\n    LET Y = 3;\n    println"), "{}", session.state.file.text);
}

#[test]
fn hidden_characters_need_a_key_of_their_own() {
    let engine = ScriptedEngine::default().answer(frames(), vec![candidate("    let x\u{202e} = 1;\n")]);
    let mut session = Session::new(TEXT, engine);
    session.keys("j j j i enter");
    session.settle();
    session.keys("A a");
    assert_eq!(session.state.mode, Mode::Review);
    assert!(session.told().ends_with("nothing was written: ! takes it all the same"), "{}", session.told());
    session.keys("!");
    assert!(session.state.file.text.contains('\u{202e}'));
}

#[test]
fn writing_happens_once_at_a_time() {
    let mut session = session();
    session.state.busy = true;
    session.keys("u");
    assert!(session.jobs == ["History", "Git"] && session.told().contains("one moment"));
    session.send(Msg::Answer(Answer::Exported(Err("disk full".into()))));
    assert_eq!((session.state.busy, session.told()), (false, "disk full"));
}
