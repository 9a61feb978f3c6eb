use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::screen::colour::Depth;
use crate::screen::frame::Cell;
use crate::screen::frame::CellState;
use crate::screen::frame::Frame;
use crate::screen::frame::Part;
use crate::screen::frame::Progress;
use crate::screen::frame::Section;
use crate::tui::engine::Candidate;
use crate::tui::engine::Choices;
use crate::tui::engine::Engine;
use crate::tui::engine::SlotId;
use crate::tui::host::Opened;
use crate::tui::host::Refusal;
use crate::tui::input::MAX_INPUT;
use crate::tui::scripted::ScriptedEngine;
use crate::tui::state::EngineState;
use crate::tui::state::File;
use crate::tui::state::GitState;
use crate::tui::state::Look;
use crate::tui::state::MAX_HISTORY;
use crate::tui::state::picker::Kind;
use crate::tui::state::picker::Value;
use crate::tui::state::picker::filter;
use crate::tui::workers::symbol_items;

const TEXT: &str = "use std::fmt;\n\nfn main() {\n    let x = 1;\n    let y = 2;\n    println!(\"{}\", x + y);\n}\n";

/// A session without a terminal: effects are carried out at once, and files are texts in memory.
struct Session {
    state: State,
    keymap: Keymap,
    engine: ScriptedEngine,
    /// Texts before each written edit.
    undo: Vec<String>,
    redo: Vec<String>,
    /// What the host was asked for.
    jobs: Vec<String>,
    /// What the editor makes of a text.
    editor: fn(&str) -> Result<String, String>,
    copied: Vec<String>,
    mouse: Option<bool>,
    quit: bool,
}

impl Session {
    fn new(text: &str, engine: ScriptedEngine) -> Self {
        Self::open("main.rs", text, engine)
    }

    fn open(name: &str, text: &str, engine: ScriptedEngine) -> Self {
        let language = Language::from_path(std::path::Path::new(name));
        let state = State::new(File::new(name, text, language), Look::automatic(Depth::True, false), (80, 24));
        let mut session = Self {
            state,
            keymap: Keymap::default(),
            engine,
            undo: Vec::new(),
            redo: Vec::new(),
            jobs: Vec::new(),
            editor: |text| Ok(text.to_uppercase()),
            copied: Vec::new(),
            mouse: None,
            quit: false,
        };
        let effects = start(&mut session.state);
        session.carry_out(effects);
        session
    }

    fn send(&mut self, msg: Msg) {
        let effects = update(&mut self.state, &self.keymap, msg);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Parse(text, language) => {
                    let syntax = Syntax::parse(&text, language, Duration::from_secs(20)).ok().map(Arc::new);
                    self.send(Msg::Parsed(text, syntax));
                }
                Effect::Symbols(text, syntax) => {
                    self.send(Msg::Answer(Answer::Items(Kind::Symbols, Ok(symbol_items(&text, &syntax)))));
                }
                Effect::Filter { revision, items, query } => {
                    self.send(Msg::Filtered { revision, found: filter(&items, &query) });
                }
                Effect::Submit(request) => self.engine.submit(request),
                Effect::Steer(command) => self.engine.steer(command),
                Effect::Job(job) => {
                    let answer = self.host(job);
                    self.send(Msg::Answer(answer));
                }
                Effect::Edit { text, suffix } => {
                    assert!(suffix.starts_with('.'), "{suffix:?}");
                    self.send(Msg::Edited((self.editor)(&text)));
                }
                Effect::Copy(text) => self.copied.push(text),
                Effect::Mouse(on) => self.mouse = Some(on),
                Effect::Quit => self.quit = true,
                Effect::Redraw | Effect::Suspend => {}
            }
        }
    }

    fn host(&mut self, job: Job) -> Answer {
        self.jobs.push(format!("{job:?}").split(['(', ' ']).next().unwrap().to_owned());
        let opened = |text: &str| Opened { name: "main.rs".into(), text: text.into(), git: None };
        match job {
            Job::Files => {
                let names = ["main.rs", "src/other.py", "src/third.rs"];
                let item = |name: &&str| Item {
                    label: (*name).into(),
                    detail: String::new(),
                    badge: ' ',
                    value: Value::File((*name).into()),
                };
                Answer::Items(Kind::Files, Ok(names.iter().map(item).collect()))
            }
            Job::Open(name) if name == "src/third.rs" => Answer::Opened(Err("src/third.rs: not text".into())),
            Job::Open(name) => Answer::Opened(Ok(Opened { name, text: "def f():\n    pass\n".into(), git: None })),
            Job::Apply { text, hunks, allow_hidden, .. } => {
                assert_eq!(text, self.state.file.text);
                if hunks.iter().any(|hunk| hunk.new.contains('\u{202e}')) && !allow_hidden {
                    return Answer::Written(Err(Refusal::Hidden("main.rs: line 4 has a hidden character".into())));
                }
                let mut new = text.to_string();
                for hunk in hunks.iter().rev() {
                    assert_eq!(new[hunk.at.range()], hunk.old);
                    new.replace_range(hunk.at.range(), &hunk.new);
                }
                self.undo.push(text.to_string());
                Answer::Written(Ok((opened(&new), "edit 1: 1 hunk written".into())))
            }
            Job::Undo(_) | Job::Redo(_) => {
                let undo = matches!(job, Job::Undo(_));
                let (from, to) = if undo { (&mut self.undo, &mut self.redo) } else { (&mut self.redo, &mut self.undo) };
                let Some(text) = from.pop() else { return Answer::Written(Err(Refusal::Other("there is nothing".into()))) };
                to.push(self.state.file.text.to_string());
                Answer::Written(Ok((opened(&text), "edit 1 turned".into())))
            }
            Job::Git => Answer::Git("main.rs".into(), Some(GitState { branch: "main".into(), modified: false })),
            Job::Log => {
                let item = |(id, applied): (u64, bool)| Item {
                    label: format!("main.rs  edit {id}"),
                    detail: String::new(),
                    badge: ' ',
                    value: Value::Edit { id, applied },
                };
                Answer::Items(Kind::Log, Ok([(2, true), (1, false)].map(item).to_vec()))
            }
            Job::Changes(text) => Answer::Changes(text, Ok(vec![0..14, 27..42, 57..57])),
            Job::Export(recording) => {
                assert!(recording.svg().starts_with("<svg") && recording.cast().starts_with('{'));
                Answer::Exported(Ok("written: main-run-1.svg".into()))
            }
        }
    }

    fn keys(&mut self, keys: &str) {
        for key in keys.split_whitespace() {
            self.send(Msg::Key(key.parse().unwrap()));
        }
    }

    fn poll(&mut self) -> bool {
        let event = self.engine.poll();
        let any = event.is_some();
        if let Some(event) = event {
            self.send(Msg::Engine(event));
        }
        any
    }

    fn settle(&mut self) {
        while self.poll() {}
    }

    fn selected(&self) -> String {
        self.state.spans().into_iter().map(|span| self.state.file.text[span].to_owned()).collect()
    }

    fn told(&self) -> &str {
        self.state.message.as_ref().map_or("", |message| &message.text)
    }

    fn run(&self) -> &crate::tui::state::Run {
        self.state.run.as_ref().unwrap()
    }

    fn review(&self) -> &crate::tui::state::Review {
        self.state.review.as_ref().unwrap()
    }

    fn mouse(&mut self, kind: MouseKind, column: u16, row: u16) {
        self.send(Msg::Mouse(Mouse { kind, column, row }));
    }
}

pub(crate) fn frames() -> Vec<Frame> {
    let frame = |step: u32, cells: Vec<Cell>| {
        let masked = cells.iter().filter(|cell| cell.state.is_masked()).count();
        let progress = Progress { step, max_steps: 3, nfe: step, committed: cells.len() - masked, masked, ..Progress::default() };
        Frame { sections: vec![Section { first_line: 4, parts: vec![Part::Lines(cells)] }], progress, ..Frame::default() }
    };
    let word = |text: &str, step| Cell::committed(text, 0.8, step);
    vec![
        frame(1, vec![word("    let x", 1), Cell::masked(4), Cell::masked(3)]),
        frame(2, vec![word("    let x", 1), word(": u32", 2), Cell::masked(3)]),
        frame(3, vec![word("    let x", 1), word(": u32", 2), word(" = 7;\n", 3)]),
    ]
}

fn candidate(text: &str) -> Candidate {
    Candidate { texts: vec![text.to_owned()], parses: Some(true), confidence: 0.8 }
}

fn session() -> Session {
    let candidates = vec![candidate("    let x: u32 = 7;\n    let y = 3;\n"), candidate("    let x = 9;\n    let y = 2;\n")];
    Session::new(TEXT, ScriptedEngine::default().answer(frames(), candidates))
}

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
fn moving_around() {
    let text: String = (0..200).map(|line| format!("line {line}\n")).collect();
    let mut session = Session::new(&text, ScriptedEngine::default());
    let page = session.state.page();
    for (keys, line) in [
        ("down j", 2),
        ("up k", 0),
        ("page-down", page),
        ("ctrl-d", 2 * page),
        ("page-up", page),
        ("ctrl-u", 0),
        ("end", 199),
        ("home", 0),
        ("G", 199),
        ("g", 0),
    ] {
        session.keys(keys);
        assert_eq!(session.state.cursor, line, "{keys}");
        assert!((session.state.top..session.state.top + page).contains(&line));
    }
    session.keys("V down down");
    assert_eq!(session.selected(), "line 0\nline 1\nline 2\n");
    session.keys("esc");
    assert_eq!(session.state.selection, None);
}

#[test]
fn several_spans_are_kept_and_let_go() {
    let mut session = session();
    session.keys("m j j j m j j");
    assert_eq!(session.state.marks, [0..14, 27..42]);
    assert_eq!(session.selected(), "use std::fmt;\n    let x = 1;\n", "the line of the cursor is not among them");
    session.keys("i enter");
    assert_eq!(session.engine.requests[0].spans, [0..14, 27..42]);
    session.keys("esc k k m");
    assert_eq!(session.state.marks, [0..14], "the same key lets go");
    session.keys("esc");
    assert!(session.state.marks.is_empty());
    session.keys("v j m j m");
    assert_eq!(session.state.marks.len(), 1, "spans that touch are one");
}

#[test]
fn changed_lines_become_spans() {
    let mut session = session();
    session.keys("c");
    assert_eq!(session.state.marks, [0..14, 27..42], "deleted lines are nowhere");
    assert_eq!(session.state.cursor, 0);
    session.send(Msg::Answer(Answer::Changes("another text".into(), Ok(vec![1..2]))));
    assert_eq!(session.state.marks.len(), 2, "what is said of another text is dropped");
    session.send(Msg::Answer(Answer::Changes(session.state.file.text.clone(), Err("no repository".into()))));
    assert_eq!(session.told(), "no repository");
}

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

fn steered() -> Session {
    let mut session = session();
    session.keys("j j j v j i enter");
    session.poll();
    session.poll();
    session
}

fn slot(index: usize) -> SlotId {
    SlotId { span: 0, index }
}

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

#[test]
fn writing_happens_once_at_a_time() {
    let mut session = session();
    session.state.busy = true;
    session.keys("u");
    assert!(session.jobs == ["Git"] && session.told().contains("one moment"));
    session.send(Msg::Answer(Answer::Exported(Err("disk full".into()))));
    assert_eq!((session.state.busy, session.told()), (false, "disk full"));
}

#[test]
fn copying() {
    let mut session = session();
    session.keys("v j y");
    assert_eq!(session.copied, ["use std::fmt;\n\n"]);
    session.keys("esc j j j v j i enter");
    session.settle();
    session.keys("y");
    assert!(session.copied[1].contains("let x: u32 = 7;"));
    session.keys("esc");
    session.state.file = File::new("big", "x".repeat(100_000), None);
    session.state.cursor = 0;
    session.keys("y");
    assert!(session.told().contains("too long") && session.copied.len() == 2);
}

#[test]
fn the_mouse() {
    let mut session = session();
    session.mouse(MouseKind::Press, 10, 4);
    assert_eq!(session.state.cursor, 3);
    session.mouse(MouseKind::Drag, 2, 5);
    assert_eq!(session.selected(), "    let x = 1;\n    let y = 2;\n");
    session.mouse(MouseKind::WheelDown, 2, 5);
    session.mouse(MouseKind::WheelUp, 2, 5);
    assert_eq!(session.state.cursor, 3);
    session.mouse(MouseKind::Drag, 2, 5);
    session.keys("i enter");
    session.poll();
    session.poll();
    let row = layout_row(&session);
    session.mouse(MouseKind::Press, 8, row);
    assert_eq!(session.run().cursor, Some(slot(0)));
    session.mouse(MouseKind::Drag, 16, row);
    assert_eq!(session.run().chosen(), [slot(0), slot(1)]);
    let timeline = crate::tui::layout::areas(&session.state).timeline;
    session.mouse(MouseKind::Press, 1, timeline.y);
    assert_eq!(session.run().shown, Some(0));
    session.mouse(MouseKind::WheelDown, 1, 3);
    session.keys("esc esc o");
    session.mouse(MouseKind::Press, 20, 4);
    assert_eq!(session.state.file.name, "src/other.py", "the second item");
    session.keys("?");
    session.mouse(MouseKind::WheelDown, 1, 1);
    session.mouse(MouseKind::Press, 1, 1);
    assert!(session.state.overlay.is_none());
    session.keys("M");
    assert_eq!(session.mouse, Some(false));
    let cursor = session.state.cursor;
    session.mouse(MouseKind::Press, 10, 2);
    assert_eq!(session.state.cursor, cursor, "not listened to any more");
    session.keys("M");
    assert_eq!(session.mouse, Some(true));
}

/// The row of the screen where the span of the run begins.
fn layout_row(session: &Session) -> u16 {
    let area = crate::tui::layout::areas(&session.state).body;
    let view = crate::tui::layout::run_view(session.run(), area);
    area.y + view.rows.iter().position(|row| row.in_span).unwrap() as u16
}

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
fn growing_and_shrinking_the_selection() {
    let mut session = session();
    session.keys("j j j +");
    assert!(session.selected().starts_with("let"), "{:?}", session.selected());
    let first = session.state.selection.clone();
    session.keys("alt-o alt-o");
    assert!(session.selected().starts_with('{') || session.selected().starts_with("fn main"), "{:?}", session.selected());
    session.keys("minus alt-i");
    assert_eq!(session.state.selection, first);
    for _ in 0..20 {
        session.keys("+");
    }
    assert_eq!(session.selected(), TEXT);
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
    assert_eq!(session.state.history, ["?"], "a question mark is text while one types");
    session.keys("down");
    assert_eq!(session.state.input.text, "");
    session.state.history = vec!["x".into(); MAX_HISTORY];
    session.keys("n enter");
    assert_eq!(session.state.history.len(), MAX_HISTORY);
}

#[test]
fn an_old_parse_is_not_taken() {
    let mut session = session();
    let other: Arc<str> = "fn other() {}".into();
    let syntax = Syntax::parse(&other, Language::Rust, Duration::from_secs(20)).ok().map(Arc::new);
    session.send(Msg::Parsed(other.clone(), syntax));
    assert_eq!(session.state.file.syntax.as_ref().unwrap().text_len(), TEXT.len());
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

fn any_msg() -> impl Strategy<Value = Msg> {
    let context = crate::tui::keymap::Context::ALL;
    let keymap = Keymap::default();
    let mut keys: Vec<Key> = "backspace delete ctrl-a ctrl-e 日 x z".split_whitespace().map(|key| key.parse().unwrap()).collect();
    // Every key that means something, and some that are typed.
    for (_, bound) in context.into_iter().flat_map(|context| keymap.actions(context)) {
        keys.extend(bound.split(' ').map(|key| key.parse::<Key>().unwrap()));
    }
    let frame = frames().remove(1);
    let choices =
        Choices::from([(slot(0), vec![crate::tui::engine::Alternative { token: 1, text: "日".into(), probability: 0.5 }])]);
    let kind = prop_oneof![Just(MouseKind::Press), Just(MouseKind::Drag), Just(MouseKind::WheelUp), Just(MouseKind::WheelDown)];
    prop_oneof![
        20 => prop::sample::select(keys).prop_map(Msg::Key),
        1 => ".{0,20}".prop_map(Msg::Paste),
        1 => (0u16..300, 0u16..100).prop_map(|(width, height)| Msg::Resize(width, height)),
        2 => (kind, 0u16..90, 0u16..30).prop_map(|(kind, column, row)| Msg::Mouse(Mouse { kind, column, row })),
        3 => (0u64..4).prop_map(move |id| Msg::Engine(Event::Frame { id, frame: Arc::new(frame.clone()) })),
        1 => (0u64..4).prop_map(move |id| Msg::Engine(Event::Choices { id, choices: choices.clone() })),
        2 => ((0u64..4), prop::collection::vec("[a-z\n日]{0,12}", 0..3)).prop_map(|(id, texts)| {
            let candidates = texts.iter().map(|text| candidate(text)).collect();
            Msg::Engine(Event::Finished { id, candidates })
        }),
        1 => prop::option::of(0u64..4).prop_map(|id| Msg::Engine(Event::Failed { id, message: "failed".into() })),
        1 => any::<bool>().prop_map(|light| Msg::Background { light }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_sequence_of_messages_breaks_the_state(messages in prop::collection::vec(any_msg(), 0..120), text in "[a-z {}();\n\t日]{0,80}") {
        let mut session = Session::new(&text, ScriptedEngine::default());
        for message in messages {
            let before = (session.state.file.text.clone(), session.state.review.clone(), session.jobs.len());
            session.send(message);
            let state = &session.state;
            prop_assert!(state.cursor < state.file.line_count());
            prop_assert!(state.spans().into_iter().all(|span| state.file.text.get(span).is_some()));
            prop_assert!(state.input.text.is_char_boundary(state.input.cursor));
            if session.jobs[before.2..].iter().any(|job| job == "Apply") && state.file.text != before.0 {
                let spans = before.1.map(|review| review.spans).unwrap_or_default();
                let (old, new) = (before.0, &state.file.text);
                let (first, last) = (spans[0].start, spans[spans.len() - 1].end);
                prop_assert_eq!(&old[..first], &new[..first], "outside of the spans nothing changes");
                let behind = old.len() - last;
                prop_assert_eq!(&old[last..], &new[new.len() - behind..]);
            }
            let (width, height) = (state.size.0.clamp(1, 60), state.size.1.clamp(1, 20));
            let mut small = session.state.clone();
            small.size = (width, height);
            let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| crate::tui::view::view(&small, &small.look.theme, &session.keymap, frame)).unwrap();
        }
    }
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
    assert_eq!(session.state.history, ["x"], "the same instruction is kept once");
    assert!(session.state.run.is_none() && session.state.review.is_none() && session.state.marks.is_empty());
}

/// A session in each context, in states where its keys have something to do.
fn occasions(context: Context) -> Vec<Session> {
    let long: String = (0..200).map(|line| format!("fn line_{line}() {{ work({line}); }}\n")).collect();
    let several = vec![candidate("    let x = 9;\n    let y = 7;\n"), candidate("    let x = 9;\n    let y = 2;\n")];
    let reviewing = || {
        let two_hunks = vec![candidate("A\nb\nC\nd\ne\n"), candidate("a\nB\nc\n")];
        let mut session = Session::open("x.rs", "a\nb\nc\nd\ne\n", ScriptedEngine::default().answer(frames(), two_hunks));
        session.keys("v G i enter");
        session.settle();
        session
    };
    match context {
        Context::Browse | Context::Global => {
            let mut middle = Session::new(&long, ScriptedEngine::default());
            (0..50).for_each(|_| middle.keys("down"));
            let mut selected = Session::new(&long, ScriptedEngine::default());
            selected.keys("down + +");
            vec![middle, selected]
        }
        Context::Prompt => {
            let mut session = Session::new(TEXT, ScriptedEngine::default().answer(frames(), several));
            session.state.history = vec!["one".into(), "two".into()];
            session.keys("i up");
            vec![session]
        }
        Context::Run => {
            let mut held = steered();
            held.keys("right");
            held.settle();
            let alternative = crate::tui::engine::Alternative { token: 1, text: "x".into(), probability: 0.1 };
            if let Some(run) = &mut held.state.run {
                run.choices.insert(slot(0), vec![alternative; 8]);
            }
            let mut two_lines =
                Session::new(TEXT, ScriptedEngine::default().answer(vec![self::two_lines()], vec![candidate("x\n")]));
            two_lines.keys("i enter");
            two_lines.poll();
            two_lines.keys("right");
            let mut second_line =
                Session::new(TEXT, ScriptedEngine::default().answer(vec![self::two_lines()], vec![candidate("x\n")]));
            second_line.keys("i enter");
            second_line.poll();
            second_line.keys("right right right");
            vec![held, two_lines, second_line, steered()]
        }
        Context::Review => {
            let mut decided = reviewing();
            decided.keys("space n");
            let mut hidden = reviewing();
            hidden.keys("A");
            vec![reviewing(), decided, hidden]
        }
        Context::Picker => {
            let mut session = Session::new(TEXT, ScriptedEngine::default());
            session.keys("o down");
            vec![session]
        }
    }
}

fn two_lines() -> Frame {
    let cells = ["let a", ";\n", "let b", ";\n"].map(|text| Cell::committed(text, 0.95, 1)).to_vec();
    Frame { sections: vec![Section { first_line: 1, parts: vec![Part::Lines(cells)] }], ..Frame::default() }
}

/// No key of the keymap, and so of the help and of the tour, is without effect.
#[test]
fn every_key_of_every_context_does_something() {
    let keymap = Keymap::default();
    for context in Context::ALL {
        for (action, keys) in keymap.actions(context) {
            for key in keys.split(' ') {
                let key: Key = key.parse().unwrap();
                let does = occasions(context).into_iter().any(|mut session| {
                    session.state.message = None;
                    let before = format!("{:?}", session.state);
                    let effects = update(&mut session.state, &keymap, Msg::Key(key));
                    !effects.is_empty() || before != format!("{:?}", session.state)
                });
                assert!(does, "{}: {key} ({})", context.name(), action.name());
            }
        }
    }
}
