//! Commands to a running edit: hold it, step it, end it, and change its slots by hand.
//!
//! Commands come from another thread and are taken up between two denoiser calls, at once while the edit is held. Slots are
//! named by their [`SlotId`], which stays the same while other slots come and go, so that a command that was given on the sight
//! of an earlier step still means the slot it meant then; a slot that is gone by now refuses it.

use std::collections::VecDeque;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde::Deserialize;
use serde::Serialize;

use crate::diffusion::canvas::SlotId;
use crate::diffusion::denoise::Control;
use crate::model::spec::TokenId;

/// A command. Its serialised form is one line of `dcode edit --json --steer`; see `assets/schema/edit-commands.v1.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "command", deny_unknown_fields)]
pub enum Command {
    /// Hold before the next denoiser call.
    Pause,
    /// Go on.
    Continue,
    /// One denoiser call, then hold.
    Step,
    /// Fill what is masked in one pass, and end. The candidate counts as cut short.
    Finish,
    /// End without candidates.
    Abort,
    /// Commit slots out of turn from this probability on, in all candidates.
    Threshold {
        /// From 0 to 1.
        value: f32,
    },
    /// Fill the slots by another rule, in all candidates; the greedy form of it.
    Sampler {
        /// Its name as `--sampler` has it, or `usual` for the model's own.
        name: String,
    },
    /// Put slots back to masked.
    Remask {
        /// Number of the candidate.
        #[serde(default)]
        candidate: usize,
        /// The slots.
        slots: Vec<SlotId>,
    },
    /// Put all slots that have a part in these lines of a span's present text back to masked.
    RemaskLines {
        /// Number of the candidate.
        #[serde(default)]
        candidate: usize,
        /// The span.
        #[serde(default)]
        span: usize,
        /// First line, from 1.
        first: usize,
        /// Last line.
        last: usize,
    },
    /// Keep what stands in slots.
    Pin {
        /// Number of the candidate.
        #[serde(default)]
        candidate: usize,
        /// The slots.
        slots: Vec<SlotId>,
    },
    /// Let slots change again.
    Unpin {
        /// Number of the candidate.
        #[serde(default)]
        candidate: usize,
        /// The slots.
        slots: Vec<SlotId>,
    },
    /// Put a token in a slot and pin it.
    Choose {
        /// Number of the candidate.
        #[serde(default)]
        candidate: usize,
        /// The slot.
        slot: SlotId,
        /// The token, as an alternative names it.
        token: TokenId,
    },
    /// Add masked slots at the end of a span. One that is closed gets them in the place of its last slot, which is masked again.
    Lengthen {
        /// Number of the candidate.
        #[serde(default)]
        candidate: usize,
        /// The span.
        #[serde(default)]
        span: usize,
        /// How many.
        #[serde(default = "one")]
        count: usize,
    },
    /// Take masked slots away from the end of a span, down to one slot.
    Shorten {
        /// Number of the candidate.
        #[serde(default)]
        candidate: usize,
        /// The span.
        #[serde(default)]
        span: usize,
        /// How many.
        #[serde(default = "one")]
        count: usize,
    },
    /// Keep the number of slots as it is, in all candidates: nothing closes a span, and none grows; or let it be found again.
    FixLength {
        /// Whether it is kept.
        fixed: bool,
    },
    /// Ask what else could stand in slots, given everything else on the canvas; costs a denoiser call.
    Alternatives {
        /// Number of the candidate.
        #[serde(default)]
        candidate: usize,
        /// The slots, at most [`MOST_ASKED`].
        slots: Vec<SlotId>,
    },
}

fn one() -> usize {
    1
}

/// Slots that a span can be given by hand.
pub const MOST_SLOTS: usize = 1024;
/// Slots that can be asked about at once.
pub const MOST_ASKED: usize = 8;
/// Alternatives that are told for each of them.
pub const ALTERNATIVES: usize = 8;

impl Command {
    /// The candidate that it is about; 0 for commands to the whole request.
    pub fn candidate(&self) -> usize {
        match self {
            Self::Remask { candidate, .. }
            | Self::RemaskLines { candidate, .. }
            | Self::Pin { candidate, .. }
            | Self::Unpin { candidate, .. }
            | Self::Choose { candidate, .. }
            | Self::Lengthen { candidate, .. }
            | Self::Shorten { candidate, .. }
            | Self::Alternatives { candidate, .. } => *candidate,
            Self::Pause
            | Self::Continue
            | Self::Step
            | Self::Finish
            | Self::Abort
            | Self::Threshold { .. }
            | Self::Sampler { .. }
            | Self::FixLength { .. } => 0,
        }
    }

    /// Whether it is about slots.
    pub fn is_about_slots(&self) -> bool {
        !matches!(self, Self::Pause | Self::Continue | Self::Step | Self::Finish | Self::Abort | Self::Threshold { .. })
    }
}

/// What the user wants of a running request; shared with the engine thread.
#[derive(Debug, Default)]
pub struct Steering {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wish: Wish,
    paused: bool,
    /// Commands that wait for the next moment between two denoiser calls: single steps, and changes of slots and samplers. They
    /// are followed in their order.
    waiting: VecDeque<Command>,
}

/// How a request is to end. The stronger wish stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    #[default]
    GoOn,
    Finish,
    Abort,
    Close,
}

/// What a request does next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// Take up a command that changes or asks about slots or samplers, then ask again.
    Change(Command),
    /// Go on in this way.
    Go(Control),
}

impl Steering {
    /// Gives a command to the running request. One that came before the request began is forgotten.
    pub fn send(&self, command: Command) {
        let mut state = self.state();
        match command {
            Command::Pause => state.paused = true,
            Command::Continue => state.paused = false,
            Command::Step => {
                state.paused = true;
                state.waiting.push_back(command);
            }
            Command::Finish => state.wish = state.wish.max(Wish::Finish),
            Command::Abort => state.wish = state.wish.max(Wish::Abort),
            change => state.waiting.push_back(change),
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Fill what is masked in one pass, and end.
    pub fn finish(&self) {
        self.send(Command::Finish);
    }

    /// End at once, without candidates.
    pub fn abort(&self) {
        self.send(Command::Abort);
    }

    /// End at once, and end every request that follows.
    pub fn close(&self) {
        self.state().wish = Wish::Close;
        self.changed.notify_all();
    }

    /// Hold the request before its next step, or let it go on.
    pub fn pause(&self, paused: bool) {
        self.send(if paused { Command::Pause } else { Command::Continue });
    }

    /// Forget the wishes for an earlier request: a new one begins, held or not.
    pub fn begin(&self, paused: bool) {
        let mut state = self.state();
        // A wish to close stays.
        let wish = if state.wish == Wish::Close { Wish::Close } else { Wish::GoOn };
        *state = State { wish, paused, ..State::default() };
    }

    /// What to do next; waits while the request is held.
    pub(super) fn next(&self) -> Next {
        let mut state = self.state();
        loop {
            if state.wish >= Wish::Abort {
                return Next::Go(Control::Abort);
            }
            match state.waiting.pop_front() {
                Some(Command::Step) => return Next::Go(Control::Continue),
                Some(change) => return Next::Change(change),
                None if state.wish == Wish::Finish => return Next::Go(Control::Finish),
                None if !state.paused => return Next::Go(Control::Continue),
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Whether the request is to end, and how; does not wait.
    pub(super) fn wish(&self) -> Control {
        match self.state().wish {
            Wish::GoOn => Control::Continue,
            Wish::Finish => Control::Finish,
            Wish::Abort | Wish::Close => Control::Abort,
        }
    }

    /// A panic while the lock was held leaves nothing half done here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn commands_are_read_from_json_and_written_back() {
        for (text, command) in [
            (r#"{"command":"pause"}"#, Command::Pause),
            (r#"{"command":"step"}"#, Command::Step),
            (r#"{"command":"threshold","value":0.5}"#, Command::Threshold { value: 0.5 }),
            (r#"{"command":"remask","candidate":1,"slots":[3,4]}"#, Command::Remask { candidate: 1, slots: vec![3, 4] }),
            (r#"{"command":"choose","candidate":0,"slot":3,"token":7}"#, Command::Choose { candidate: 0, slot: 3, token: 7 }),
        ] {
            assert_eq!(serde_json::from_str::<Command>(text).unwrap(), command);
            assert_eq!(serde_json::to_string(&command).unwrap(), text);
        }
        let longer = serde_json::from_str::<Command>(r#"{"command":"lengthen","span":1}"#).unwrap();
        assert_eq!(longer, Command::Lengthen { candidate: 0, span: 1, count: 1 });
        let fixed = serde_json::from_str::<Command>(r#"{"command":"fix-length","fixed":true}"#).unwrap();
        assert_eq!(fixed, Command::FixLength { fixed: true });
        let lines = serde_json::from_str::<Command>(r#"{"command":"remask-lines","first":2,"last":3}"#).unwrap();
        assert_eq!(lines, Command::RemaskLines { candidate: 0, span: 0, first: 2, last: 3 });
        for text in [r#"{"command":"explode"}"#, r#"{"command":"pin"}"#, r#"{"command":"pin","slots":[-1]}"#, "7", "{}"] {
            assert!(serde_json::from_str::<Command>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_held_request_takes_up_changes_and_granted_steps_and_nothing_else() {
        let steering = Arc::new(Steering::default());
        steering.begin(true);
        steering.send(Command::Threshold { value: 0.2 });
        assert_eq!(steering.next(), Next::Change(Command::Threshold { value: 0.2 }));
        steering.send(Command::Step);
        steering.send(Command::Step);
        assert_eq!(steering.next(), Next::Go(Control::Continue));
        assert_eq!(steering.next(), Next::Go(Control::Continue));
        let waiting = Arc::clone(&steering);
        let waiter = thread::spawn(move || waiting.next());
        thread::sleep(Duration::from_millis(30));
        assert!(!waiter.is_finished(), "held, and no step left");
        steering.send(Command::Continue);
        assert_eq!(waiter.join().unwrap(), Next::Go(Control::Continue));
    }

    #[test]
    fn the_stronger_wish_stays_and_a_wish_to_close_outlives_the_request() {
        let steering = Steering::default();
        steering.begin(true);
        steering.abort();
        steering.finish();
        assert_eq!(steering.next(), Next::Go(Control::Abort));
        steering.begin(false);
        assert_eq!(steering.next(), Next::Go(Control::Continue));
        steering.pause(true);
        steering.finish();
        assert_eq!(steering.next(), Next::Go(Control::Finish), "a held request can be finished");
        steering.close();
        steering.begin(false);
        assert_eq!((steering.next(), steering.wish()), (Next::Go(Control::Abort), Control::Abort));
    }

    #[test]
    fn commands_are_followed_in_their_order_and_before_the_end() {
        let steering = Steering::default();
        steering.begin(false);
        steering.send(Command::Step);
        steering.send(Command::Pin { candidate: 0, slots: vec![1] });
        steering.send(Command::Finish);
        assert_eq!(steering.next(), Next::Go(Control::Continue));
        assert!(matches!(steering.next(), Next::Change(Command::Pin { .. })));
        assert_eq!(steering.next(), Next::Go(Control::Finish));
    }
}
