//! Commands on candidates: progress, complaints, and rounds of re-masking.

use super::*;
use crate::tui::verify::Diagnostic;
use crate::tui::verify::Level;
use crate::tui::verify::Verdict;

const TEXT: &str = "fn main() {\n    a();\n    b();\n    c();\n}\n";
const NEW: &str = "    A();\n    b();\n    C();\n";

fn diagnostic(file: Option<&str>, line: usize, level: Level, message: &str) -> Diagnostic {
    Diagnostic { file: file.map(str::to_owned), line, level, message: message.to_owned() }
}

/// A verdict that blames the last line of [`NEW`].
fn fails() -> Verdict {
    Verdict {
        passed: false,
        diagnostics: vec![
            diagnostic(None, 2, Level::Warning, "A is odd"),
            diagnostic(None, 4, Level::Error, "no C here"),
            diagnostic(Some("src/other.rs"), 7, Level::Error, "missing"),
        ],
        failure: "`cargo check` failed (exit code 101)".into(),
        masked: vec![(0, 18..27)],
        complaint: "no C here".into(),
    }
}

fn passes() -> Verdict {
    Verdict { passed: true, ..Verdict::default() }
}

/// A review of a candidate with two hunks; further answers are those of rounds.
fn reviewing(rounds: &[&[&str]], verdicts: Vec<Verdict>) -> Session {
    let first = ScriptedEngine::default().answer(frames(), vec![candidate(NEW)]);
    let answer =
        |engine: ScriptedEngine, texts: &&[&str]| engine.answer(frames(), texts.iter().map(|text| candidate(text)).collect());
    let mut session = Session::open("x.rs", TEXT, rounds.iter().fold(first, answer));
    session.keys("j v j j i d o enter");
    session.settle();
    session.verdicts = verdicts.into();
    session
}

#[test]
fn a_candidate_is_verified_as_far_as_it_is_not_rejected() {
    let mut session = reviewing(&[], Vec::new());
    session.keys("x v");
    let request = session.verified[0].clone();
    assert_eq!((&*request.text, request.texts[0].as_str()), (TEXT, "    a();\n    b();\n    C();\n"));
    assert_eq!(request.spans, session.review().spans);
    let progress = session.state.verifying.as_ref().unwrap().progress.clone().unwrap();
    assert_eq!((progress.command.as_str(), progress.at, progress.count), ("cargo check", 1, 2));
    // Everything else goes on meanwhile.
    session.keys("p d d c j");
    let id = request.id;
    session.send(Msg::Verify(verifier::Event::Finished { id: id + 7, verdict: passes() }));
    assert!(session.state.verifying.is_some(), "that is of another request");
    session.send(Msg::Verify(verifier::Event::Finished { id, verdict: passes() }));
    assert!(session.state.verifying.is_none() && session.told().contains("content"));
    assert!(session.review().judged(TEXT).is_some());
    session.keys("k space");
    assert!(session.review().judged(TEXT).is_none(), "another hunk is in it now");
    session.keys("]");
    assert!(session.told().contains("changed since: v runs"), "{}", session.told());
}

#[test]
fn commands_are_stopped_by_a_key_and_by_the_end_of_the_review() {
    let mut session = reviewing(&[], Vec::new());
    session.keys("v v");
    assert_eq!((session.stopped, session.state.verifying.is_some()), (1, false));
    session.keys("v esc");
    assert_eq!((session.stopped, session.state.mode), (2, Mode::Review), "the review stays");
    session.keys("v G");
    assert_eq!((session.stopped, session.state.verifying.is_some()), (3, false), "everything again");
    let mut session = reviewing(&[], Vec::new());
    session.keys("v A a");
    assert_eq!((session.stopped, session.state.mode), (1, Mode::Browse), "written: nobody waits for it");
    let mut session = reviewing(&[], Vec::new());
    session.keys("v");
    let id = session.verified[0].id;
    session.send(Msg::Verify(verifier::Event::Failed { id, message: "no commands\u{1b}[2J".into() }));
    assert_eq!((session.told(), session.state.verifying.is_some()), ("no commands␛[2J", false));
}

#[test]
fn complaints_are_gone_to_one_after_the_other() {
    let mut session = reviewing(&[], vec![fails()]);
    session.keys("]");
    assert!(session.told().contains("v runs the commands"));
    session.keys("v");
    assert!(session.told().contains("failed (exit code 101)") && session.told().contains("] goes to it, r re-masks"));
    session.keys("]");
    assert_eq!((session.told(), session.review().at()), ("1/3  warning: A is odd", 0));
    session.keys("]");
    assert_eq!((session.told(), session.review().at()), ("2/3  error: no C here", 1), "and its hunk is looked at");
    session.keys("]");
    assert_eq!(session.told(), "3/3  src/other.rs:7: error: missing");
    session.keys("]");
    assert!(session.told().starts_with("1/3"));
    session.keys("[");
    assert!(session.told().starts_with("3/3"));
    session.keys("p [");
    assert!(session.told().starts_with("3/3"), "a hunk was looked at meanwhile");
}

#[test]
fn what_is_blamed_is_masked_again_and_the_result_verified() {
    let mut session =
        reviewing(&[&["    A();\n    b();\n    D();\n", "    A();\n    b();\n    E();\n"]], vec![fails(), fails(), passes()]);
    session.keys("v r");
    let request = session.engine.requests[1].clone();
    let start = request.start.unwrap();
    assert_eq!((start.texts[0].as_str(), &start.texts[0][start.masked[0].1.clone()]), (NEW, "    C();\n"));
    assert_eq!((request.instruction.as_str(), request.complaint.as_str()), ("do", "no C here"));
    assert_eq!(request.options.candidates, 2);
    session.settle();
    assert_eq!(session.verified.len(), 3, "each candidate that came");
    assert!(session.verified[1].texts[0].contains("D();") && session.verified[2].texts[0].contains("E();"));
    assert_eq!((session.review().candidate, session.told()), (2, "the commands are content"));
    assert!(session.review().mending.is_none());
    session.keys("r");
    assert!(session.told().contains("nothing to re-mask"));
}

#[test]
fn rounds_go_on_until_the_commands_are_content() {
    let round = |word: &str| format!("    A();\n    b();\n    {word}();\n");
    let texts: Vec<String> = ["D", "E", "F"].map(round).to_vec();
    let answers: Vec<Vec<&str>> = texts.iter().map(|text| vec![text.as_str()]).collect();
    let answers: Vec<&[&str]> = answers.iter().map(Vec::as_slice).collect();
    // Not judged yet: the commands run first.
    let mut session = reviewing(&answers, vec![fails(), fails(), passes()]);
    session.keys("R");
    session.settle();
    assert_eq!((session.verified.len(), session.engine.requests.len()), (3, 3), "two rounds at most");
    assert!(session.told().contains("content") && session.review().candidates[session.review().candidate].texts[0].contains("E"));
    let seeds: Vec<u64> = session.engine.requests.iter().map(|request| request.options.seed).collect();
    assert!(seeds[1] != seeds[2], "the same draw would say the same");
    // They never are.
    let mut session = reviewing(&answers, vec![fails(), fails(), fails(), fails()]);
    session.keys("R");
    session.settle();
    assert_eq!((session.verified.len(), session.engine.requests.len()), (3, 3));
    assert!(session.told().contains("still complain") && session.review().mending.is_none(), "{}", session.told());
    session.state.rounds = 0;
    session.keys("R");
    assert!(session.told().contains("verify.rounds is 0"));
}

#[test]
fn a_round_that_ends_otherwise_ends_the_mending() {
    // The model says the same again.
    let mut session = reviewing(&[&[NEW]], vec![fails()]);
    session.keys("v r");
    session.settle();
    assert!(session.told().contains("the same again") && session.review().mending.is_none());
    // The user gives the run up.
    let mut session = reviewing(&[&[NEW]], vec![fails()]);
    session.keys("v r");
    session.poll();
    session.keys("esc");
    assert_eq!((session.state.mode, session.review().mending.is_none()), (Mode::Review, true));
    // The engine fails.
    let mut session = reviewing(&[], vec![fails()]);
    session.keys("v r");
    session.settle();
    assert!(session.state.message.as_ref().unwrap().is_error && session.review().mending.is_none());
    // The commands are stopped in the middle of a round.
    let mut session = reviewing(&[&["    A();\n    b();\n    D();\n"]], vec![fails()]);
    session.keys("v R");
    session.settle();
    assert!(session.state.verifying.is_some());
    session.keys("r");
    assert!(session.told().contains("still at work"));
    session.keys("v");
    assert!(session.state.verifying.is_none() && session.review().mending.is_none());
}

#[test]
fn a_failure_without_a_place_is_told() {
    let verdict = Verdict { diagnostics: Vec::new(), failure: "`./check` failed (exit code 1): no".into(), ..fails() };
    let mut session = reviewing(&[], vec![verdict]);
    session.keys("v");
    assert_eq!(session.told(), "`./check` failed (exit code 1): no");
    session.keys("]");
    assert_eq!(session.told(), "`./check` failed (exit code 1): no");
}
