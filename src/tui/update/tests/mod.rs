//! A session without a terminal, engine or files, and what happens in it.

mod browse;
mod keys;
mod lists;
mod mouse;
mod prompt;
mod recipes;
mod replay;
mod review;
mod run;
mod search;
mod sessions;
mod steering;
mod verify;

use std::collections::VecDeque;
use std::time::Duration;

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
use crate::tui::state::search::find;
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
    /// What the commands will say, one after the other; without one they run on.
    verdicts: VecDeque<verifier::Verdict>,
    /// What was given to the commands.
    verified: Vec<verifier::Request>,
    /// How often they were stopped.
    stopped: usize,
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
            verdicts: VecDeque::new(),
            verified: Vec::new(),
            stopped: 0,
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
                Effect::Search { revision, text, query } => {
                    let matches = find(&text, &query);
                    self.send(Msg::Matches { revision, text, matches });
                }
                Effect::Verify(request) => self.verify(request),
                Effect::CancelVerify => self.stopped += 1,
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

    fn verify(&mut self, request: verifier::Request) {
        let id = request.id;
        self.verified.push(request);
        let progress = verifier::Progress { command: "cargo check".into(), baseline: false, at: 1, count: 2, seconds: 3 };
        self.send(Msg::Verify(verifier::Event::Running { id, progress }));
        if let Some(verdict) = self.verdicts.pop_front() {
            self.send(Msg::Verify(verifier::Event::Finished { id, verdict }));
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
            Job::History => Answer::History(vec!["of an earlier session".into()]),
            Job::Remember(_) => Answer::Remembered(Ok(())),
            Job::Findings(text) => Answer::Findings(text, Ok(recipes::findings())),
            Job::Recordings => Answer::Items(Kind::Recordings, Ok(replay::recordings())),
            Job::Replay { path, candidate } => Answer::Replayed(replay::replayed(&path, candidate)),
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
