//! Random sequences of edits, choices of hunks, undo, redo, and saves by others, against a model of what must hold.

use std::path::Path;
use std::path::PathBuf;

use dcode::document::Document;
use dcode::document::Spans;
use dcode::patch::FileChange;
use dcode::patch::Journal;
use dcode::patch::Plan;
use dcode::patch::Target;
use dcode::patch::hunk;
use dcode::patch::plan::PLAN_VERSION;
use dcode::patch::plan::PlanCandidate;
use dcode::patch::plan::PlanFile;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Lines are rewritten; of the hunks, those that are chosen are applied.
    Edit {
        first: usize,
        count: usize,
        new: Vec<String>,
        chosen: Vec<bool>,
    },
    /// A plan is made, and applied hunk by hunk in this order.
    Plan {
        first: usize,
        new: Vec<String>,
        order: usize,
    },
    Undo,
    Redo,
    /// Somebody else puts a line of their own there.
    Foreign {
        line: usize,
    },
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![Just("a\n"), Just("b\n"), Just("\tc\n"), Just("é\r\n"), Just("\n")].prop_map(str::to_owned)
}

fn step() -> impl Strategy<Value = Step> {
    let new = || prop::collection::vec(line(), 0..4);
    prop_oneof![
        4 => (0usize..12, 1usize..4, new(), prop::collection::vec(prop::bool::ANY, 8))
            .prop_map(|(first, count, new, chosen)| Step::Edit { first, count, new, chosen }),
        1 => (0usize..12, new(), 0usize..6).prop_map(|(first, new, order)| Step::Plan { first, new, order }),
        3 => Just(Step::Undo),
        2 => Just(Step::Redo),
        1 => (0usize..12).prop_map(|line| Step::Foreign { line }),
    ]
}

struct World {
    _temp: tempfile::TempDir,
    tree: PathBuf,
    file: PathBuf,
    journal: Journal,
    /// What each undo, and each redo, must bring back, as long as nobody else wrote anything.
    undo: Vec<String>,
    redo: Vec<String>,
    /// Lines of others; each is in the file for ever, unless an edit of its own line took it.
    foreign: Vec<String>,
    /// Lines of others so far: no two have the same text, so one cannot stand for another.
    marks: usize,
}

impl World {
    fn new(text: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let tree = temp.path().canonicalize().unwrap().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let file = tree.join("f");
        std::fs::write(&file, text).unwrap();
        let journal = Journal::open(&temp.path().join("state")).unwrap();
        Self { tree, file, journal, undo: Vec::new(), redo: Vec::new(), foreign: Vec::new(), marks: 0, _temp: temp }
    }

    fn read(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    /// Lines of others are kept by everything but an edit of those very lines.
    fn edited(&mut self, before: String) {
        let now = self.read();
        self.foreign.retain(|line| now.contains(line));
        if now != before {
            self.undo.push(before);
            self.redo.clear();
        }
    }

    fn run(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let before = self.read();
        match step {
            Step::Edit { first, count, new, chosen } => {
                let document = Document::read(&self.file).unwrap();
                let lines = document.lines().count();
                if lines == 0 {
                    return Ok(());
                }
                let first = first % lines + 1;
                let span = document.line_span(first, (first + count - 1).min(lines)).unwrap();
                let all = hunk::of_spans(&document, &[(span, &new.concat())]).unwrap();
                let hunks: Vec<_> = all.into_iter().zip(chosen).filter(|(_, chosen)| **chosen).map(|(hunk, _)| hunk).collect();
                let expected = hunk::apply(&document, &hunks).unwrap();
                let target = Target::resolve(&self.file, Some(&self.tree)).unwrap();
                self.journal.apply(vec![FileChange { target, document, hunks }], "").unwrap();
                prop_assert_eq!(self.read().into_bytes(), expected);
                self.edited(before);
            }
            Step::Plan { first, new, order } => self.plan(*first, new, *order)?,
            Step::Undo => match self.journal.undo(None, Some(&self.tree)) {
                Ok(_) => {
                    let now = self.read();
                    if let Some(expected) = self.undo.pop() {
                        prop_assert_eq!(&now, &expected, "undo");
                        self.redo.push(before);
                    } else {
                        self.redo.clear();
                    }
                }
                Err(error) => {
                    prop_assert!(self.undo.is_empty(), "undo after an edit: {}", error);
                    prop_assert_eq!(self.read(), before, "a refused undo changes nothing");
                }
            },
            Step::Redo => match self.journal.redo(None, Some(&self.tree)) {
                Ok(_) => {
                    let now = self.read();
                    match self.redo.pop() {
                        Some(expected) => {
                            prop_assert_eq!(&now, &expected, "redo");
                            self.undo.push(before);
                        }
                        // An edit that was undone before others were made: nothing is known but that it can be undone again.
                        None => self.undo = vec![before],
                    }
                }
                Err(error) => {
                    prop_assert!(self.redo.is_empty(), "redo after an undo: {}", error);
                    prop_assert_eq!(self.read(), before, "a refused redo changes nothing");
                }
            },
            Step::Foreign { line } => {
                let mark = format!("line {} of somebody else\n", self.marks);
                self.marks += 1;
                let mut lines: Vec<&str> = before.split_inclusive('\n').collect();
                lines.insert(line % (lines.len() + 1), &mark);
                std::fs::write(&self.file, lines.concat()).unwrap();
                self.foreign.push(mark);
                (self.undo, self.redo) = (Vec::new(), Vec::new());
            }
        }
        let now = self.read();
        if !matches!(step, Step::Edit { .. } | Step::Plan { .. }) {
            for line in &self.foreign {
                prop_assert!(now.contains(line), "{:?} lost {:?}", step, line);
            }
        }
        let names: Vec<_> = std::fs::read_dir(&self.tree).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        prop_assert_eq!(names, ["f"], "nothing else lies around");
        Ok(())
    }

    /// All hunks of a plan, one at a time in any order, give what they give together.
    fn plan(&mut self, first: usize, new: &[String], order: usize) -> Result<(), TestCaseError> {
        let before = self.read();
        let document = Document::read(&self.file).unwrap();
        let lines = document.lines().count();
        if lines == 0 {
            return Ok(());
        }
        let first = first % lines + 1;
        let span = document.line_span(first, (first + 4).min(lines)).unwrap();
        let spans = Spans::new(&document, vec![span]).unwrap();
        let files = vec![PlanFile::new("f".into(), &document, &spans)];
        let candidates = vec![PlanCandidate::new(&[&document], &files, vec![vec![new.concat()]]).unwrap()];
        let plan = Plan { version: PLAN_VERSION, instruction: None, files, candidates };
        let hunks = &plan.candidates[0].hunks[0];
        let together = String::from_utf8(hunk::apply(&document, hunks).unwrap()).unwrap();
        let mut numbers: Vec<usize> = (1..=hunks.len()).collect();
        numbers.rotate_left(order % hunks.len().max(1));
        for number in numbers {
            let step = self.read();
            // Text that can be read in two ways is refused, and nothing is written then.
            let Ok(changes) = plan.changes(Some(&self.tree), 1, &[number]) else {
                prop_assert_ne!(&step, &before, "the first hunk always fits");
                return Ok(());
            };
            self.journal.apply(changes, "").unwrap();
            self.edited(step);
        }
        prop_assert_eq!(self.read(), together);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_keeps_every_promise(
        text in prop::collection::vec(line(), 0..10),
        last in prop_oneof![Just(""), Just("no newline")],
        steps in prop::collection::vec(step(), 1..14),
    ) {
        let mut world = World::new(&format!("{}{last}", text.concat()));
        for step in &steps {
            world.run(step)?;
        }
        // What is left to undo leads back to where it began, unless somebody else wrote.
        while let Some(expected) = world.undo.pop() {
            world.journal.undo(None, Some(Path::new(&world.tree))).unwrap();
            prop_assert_eq!(world.read(), expected);
        }
    }
}
