//! An engine that plays a script: for tests, tours and measurements.
//!
//! It can be steered like a model: pinned slots stay, masks that a command makes are filled again in the next step with what the
//! script says they hold at the end, and a token that is chosen stays.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::screen::frame::Cell;
use crate::screen::frame::CellState;
use crate::screen::frame::Frame;
use crate::screen::frame::Part;
use crate::tui::engine::Alternative;
use crate::tui::engine::Candidate;
use crate::tui::engine::Choices;
use crate::tui::engine::Command;
use crate::tui::engine::Engine;
use crate::tui::engine::Event;
use crate::tui::engine::Request;
use crate::tui::engine::SlotId;

/// One answer.
#[derive(Clone, Debug, Default)]
struct Script {
    frames: VecDeque<Frame>,
    candidates: Vec<Candidate>,
    /// Whether it panics after the last frame, as a model might.
    panics: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct ScriptedEngine {
    runs: VecDeque<Script>,
    events: VecDeque<Event>,
    current: Option<(u64, Script)>,
    /// The frame shown last: what commands change.
    frame: Option<Frame>,
    changed: bool,
    paused: bool,
    /// The requests that came.
    pub requests: Vec<Request>,
    /// The commands that came.
    pub commands: Vec<Command>,
}

impl ScriptedEngine {
    /// Answers the next request without an answer with these frames and candidates.
    pub fn answer(mut self, frames: Vec<Frame>, candidates: Vec<Candidate>) -> Self {
        self.runs.push_back(Script { frames: frames.into(), candidates, panics: false });
        self
    }

    /// Answers the next request without an answer with these frames and a panic.
    pub fn answer_with_a_panic(mut self, frames: Vec<Frame>) -> Self {
        self.runs.push_back(Script { frames: frames.into(), candidates: Vec::new(), panics: true });
        self
    }

    /// The next event of the running request.
    fn step(&mut self) -> Option<Event> {
        let (id, script) = self.current.as_mut()?;
        let id = *id;
        if let Some(mut frame) = script.frames.pop_front() {
            if let Some(last) = &self.frame {
                carry(last, &mut frame);
            }
            self.frame = Some(frame);
            return self.show();
        }
        // What a command masked is filled before the end.
        if self.changed {
            self.changed = false;
            let frame = self.frame.as_mut()?;
            frame.progress.step += 1;
            let step = frame.progress.step;
            for cell in cells_mut(frame).flatten() {
                if cell.state.is_masked() {
                    let text = if cell.text.is_empty() { "_" } else { &cell.text };
                    *cell = Cell::committed(text, 0.6, step);
                }
            }
            return self.show();
        }
        let (_, script) = self.current.take()?;
        #[allow(clippy::panic, reason = "a script that panics stands for a model that does")]
        if script.panics {
            panic!("the script panics here");
        }
        Some(Event::Finished { id, candidates: script.candidates })
    }

    fn show(&mut self) -> Option<Event> {
        let id = self.current.as_ref()?.0;
        let frame = self.frame.as_mut()?;
        let masked = cells(frame).flatten().filter(|cell| cell.state.is_masked()).count();
        frame.progress.committed = cells(frame).map(Vec::len).sum::<usize>() - masked;
        frame.progress.masked = masked;
        let frame = frame.clone();
        Some(Event::Frame { id, frame: Arc::new(frame) })
    }

    fn choices(&self, slot: SlotId) -> Option<Event> {
        let (id, _) = self.current.as_ref()?;
        let cell = self.frame.as_ref().and_then(|frame| cells(frame).nth(slot.span)?.get(slot.index));
        let of = |(rank, text): (usize, String)| Alternative { token: rank as u32, text, probability: 0.8 / (1 << rank) as f32 };
        let texts = cell.map(|cell| [cell.text.clone(), format!("{}_b", cell.text.trim_end()), "c".to_owned()]);
        let all = texts.map(|texts| (slot, texts.into_iter().enumerate().map(of).collect()));
        Some(Event::Choices { id: *id, choices: all.into_iter().collect::<Choices>() })
    }

    fn resize(&mut self, span: usize, change: impl Fn(&mut Vec<Cell>)) {
        let Some(frame) = &mut self.frame else { return };
        cells_mut(frame).nth(span).into_iter().for_each(change);
        self.changed = true;
        let event = self.show();
        self.events.extend(event);
    }

    fn change(&mut self, slots: &[SlotId], change: impl Fn(&mut Cell)) {
        let Some(frame) = &mut self.frame else { return };
        for (span, cells) in cells_mut(frame).enumerate() {
            let chosen = slots.iter().filter(|slot| slot.span == span).map(|slot| slot.index);
            for index in chosen {
                cells.get_mut(index).into_iter().for_each(&change);
            }
        }
        self.changed = true;
        let event = self.show();
        self.events.extend(event);
    }
}

impl Engine for ScriptedEngine {
    fn submit(&mut self, request: Request) {
        let id = request.id;
        self.requests.push(request);
        self.paused = false;
        self.changed = false;
        self.frame = None;
        self.events.clear();
        self.current = self.runs.pop_front().map(|script| (id, script));
        if self.current.is_none() {
            self.events.push_back(Event::Failed { id: Some(id), message: "the script has no answer left".to_owned() });
        }
    }

    fn steer(&mut self, command: Command) {
        self.commands.push(command.clone());
        match command {
            Command::Pause => self.paused = true,
            Command::Resume => self.paused = false,
            Command::Step => {
                let event = self.step();
                self.events.extend(event);
            }
            Command::Finish => {
                self.paused = false;
                if let Some((_, script)) = &mut self.current {
                    script.frames.clear();
                }
            }
            Command::Abort => self.current = None,
            Command::Pin(slots) => self.change(&slots, |cell| cell.state = CellState::Pinned),
            Command::Unpin(slots) => {
                self.change(&slots, |cell| cell.state = CellState::Committed { confidence: 1.0, step: 0 });
            }
            Command::Remask(slots) => self.change(&slots, |cell| {
                if cell.state != CellState::Pinned {
                    cell.state = CellState::Masked { columns: cell.text.chars().count().max(1) };
                }
            }),
            Command::Choose { slot, token } => self.change(&[slot], |cell| {
                let text = match token {
                    0 => cell.text.clone(),
                    1 => format!("{}_b", cell.text.trim_end()),
                    _ => "c".to_owned(),
                };
                *cell = Cell::pinned(text);
            }),
            Command::Ask(slot) => {
                let event = self.choices(slot);
                self.events.extend(event);
            }
            Command::Threshold(_) | Command::FixLength(_) | Command::Sampler(_) => {}
            Command::Lengthen(span) => self.resize(span, |cells| cells.push(Cell::masked(4))),
            Command::Shorten(span) => self.resize(span, |cells| {
                if let Some(last) = cells.iter().rposition(|cell| cell.state.is_masked()) {
                    cells.remove(last);
                }
            }),
        }
    }

    fn poll(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        if self.paused { None } else { self.step() }
    }
}

fn cells(frame: &Frame) -> impl Iterator<Item = &Vec<Cell>> {
    frame.sections.iter().flat_map(|section| &section.parts).filter_map(|part| match part {
        Part::Span(cells) | Part::Lines(cells) => Some(cells),
        Part::Text(_) => None,
    })
}

fn cells_mut(frame: &mut Frame) -> impl Iterator<Item = &mut Vec<Cell>> {
    frame.sections.iter_mut().flat_map(|section| &mut section.parts).filter_map(|part| match part {
        Part::Span(cells) | Part::Lines(cells) => Some(cells),
        Part::Text(_) => None,
    })
}

/// What was pinned stays pinned in the next frame of the script.
fn carry(last: &Frame, next: &mut Frame) {
    for (before, now) in cells(last).zip(cells_mut(next)) {
        for (before, now) in before.iter().zip(now) {
            if before.state == CellState::Pinned {
                *now = before.clone();
            }
        }
    }
}
