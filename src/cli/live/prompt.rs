//! The question after the live view: single keys on a terminal, lines elsewhere.

use std::io;
use std::io::BufRead;
use std::io::Write;

use crossterm::event;
use crossterm::event::Event;
use crossterm::event::KeyCode;
use crossterm::event::KeyEvent;
use crossterm::event::KeyEventKind;
use crossterm::event::KeyModifiers;

use crate::screen::modes::ModeGuard;
use crate::screen::modes::Modes;
use crate::screen::modes::Output;
use crate::screen::text::visible;

/// What the user answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Apply it.
    Accept,
    /// Do not.
    Reject,
    /// Apply this and all that follow.
    AcceptAll,
    /// Apply neither this nor what follows.
    RejectAll,
    /// Change it in an editor first.
    Edit,
    /// Show the diff.
    Diff,
    /// Ctrl-C, or the end of the input: stop, apply nothing.
    Interrupted,
}

/// A key of the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The key.
    pub key: char,
    /// What it means.
    pub answer: Answer,
    /// One line for `?`.
    pub help: &'static str,
}

/// Keys for one change.
pub const ONE: [Choice; 4] = [
    Choice { key: 'y', answer: Answer::Accept, help: "apply the change" },
    Choice { key: 'n', answer: Answer::Reject, help: "leave the file as it is" },
    Choice { key: 'e', answer: Answer::Edit, help: "edit the new text first, in $EDITOR" },
    Choice { key: 'd', answer: Answer::Diff, help: "show the diff" },
];

/// Keys for one hunk of several.
pub const HUNK: [Choice; 6] = [
    Choice { key: 'y', answer: Answer::Accept, help: "apply this hunk" },
    Choice { key: 'n', answer: Answer::Reject, help: "leave this hunk out" },
    Choice { key: 'a', answer: Answer::AcceptAll, help: "apply this hunk and all that follow" },
    Choice { key: 'q', answer: Answer::RejectAll, help: "leave out this hunk and all that follow" },
    Choice { key: 'e', answer: Answer::Edit, help: "edit the new text first, in $EDITOR" },
    Choice { key: 'd', answer: Answer::Diff, help: "show the diff" },
];

/// A key press, as far as the prompt cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// Escape.
    Escape,
    /// Ctrl-C or Ctrl-D.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Anything else.
    Other,
}

/// Where answers come from.
pub trait Keys {
    /// The next key; `None` at the end of the input.
    ///
    /// # Errors
    /// The terminal cannot be read.
    fn next(&mut self) -> io::Result<Option<Key>>;

    /// Stops the process for Ctrl-Z, where that can be done.
    ///
    /// # Errors
    /// The terminal cannot be set up again.
    fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Whether an answer is typed as a line and shown by the terminal.
    fn is_line_based(&self) -> bool {
        false
    }
}

/// Single keys of the terminal, in raw mode while this lives.
#[derive(Debug)]
pub struct TerminalKeys {
    guard: ModeGuard,
}

impl TerminalKeys {
    /// Enters raw mode.
    ///
    /// # Errors
    /// The terminal refused.
    pub fn enter(output: Output) -> io::Result<Self> {
        Ok(Self { guard: ModeGuard::enter(Modes { raw: true, output, ..Modes::default() })? })
    }
}

impl Keys for TerminalKeys {
    fn next(&mut self) -> io::Result<Option<Key>> {
        loop {
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
            {
                return Ok(Some(from_event(key)));
            }
        }
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.guard.suspend()
    }
}

fn from_event(key: KeyEvent) -> Key {
    match key.code {
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => match c.to_ascii_lowercase() {
            'c' | 'd' => Key::Interrupt,
            'z' => Key::Suspend,
            _ => Key::Other,
        },
        KeyCode::Char(c) if !key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SUPER) => Key::Char(c),
        KeyCode::Esc => Key::Escape,
        _ => Key::Other,
    }
}

/// Answers typed as lines: for dumb terminals, and for input that is no terminal.
#[derive(Debug)]
pub struct LineKeys<R> {
    input: R,
}

impl<R: BufRead> LineKeys<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self { input }
    }
}

impl<R: BufRead> Keys for LineKeys<R> {
    fn next(&mut self) -> io::Result<Option<Key>> {
        let mut line = Vec::new();
        // Bounded, and bytes: an answer is one letter, whatever the input is.
        let mut limited = io::Read::take(&mut self.input, 4096);
        if limited.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        Ok(Some(text.trim().chars().next().map_or(Key::Other, Key::Char)))
    }

    fn is_line_based(&self) -> bool {
        true
    }
}

/// Asks until one of `choices` is taken. Escape is a rejection when there is one among them; the end of the input and Ctrl-C
/// are [`Answer::Interrupted`]; `?` and unknown keys show the keys.
///
/// # Errors
/// The terminal cannot be written to or read.
pub fn ask(out: &mut impl Write, keys: &mut impl Keys, question: &str, choices: &[Choice]) -> io::Result<Answer> {
    let letters: Vec<String> = choices.iter().map(|choice| choice.key.to_string()).collect();
    let question = format!("{} [{}/?] ", visible(question), letters.join("/"));
    // In raw mode a line end needs its carriage return, and an answer its echo, so that the terminal keeps a record of it.
    let (end, echoes) = if keys.is_line_based() { ("\n", false) } else { ("\r\n", true) };
    loop {
        write!(out, "{question}")?;
        out.flush()?;
        let letter = match keys.next()? {
            None | Some(Key::Interrupt) => {
                write!(out, "{end}")?;
                out.flush()?;
                return Ok(Answer::Interrupted);
            }
            Some(Key::Suspend) => {
                write!(out, "{end}")?;
                out.flush()?;
                keys.suspend()?;
                continue;
            }
            Some(Key::Escape) => choices.iter().find(|choice| choice.answer == Answer::Reject).map_or('?', |choice| choice.key),
            Some(Key::Char(letter)) => letter.to_ascii_lowercase(),
            Some(Key::Other) => '?',
        };
        let chosen = choices.iter().find(|choice| choice.key == letter);
        if echoes {
            write!(out, "{}{end}", chosen.map_or('?', |choice| choice.key))?;
        }
        if let Some(choice) = chosen {
            out.flush()?;
            return Ok(choice.answer);
        }
        for choice in choices {
            write!(out, "  {}  {}{end}", choice.key, choice.help)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Script(Vec<Option<Key>>);

    impl Keys for Script {
        fn next(&mut self) -> io::Result<Option<Key>> {
            Ok(if self.0.is_empty() { None } else { self.0.remove(0) })
        }
    }

    fn run(keys: &[Key], choices: &[Choice]) -> (Answer, String) {
        let mut out = Vec::new();
        let mut script = Script(keys.iter().copied().map(Some).collect());
        let answer = ask(&mut out, &mut script, "Apply to a\u{1b}.rs?", choices).unwrap();
        (answer, String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_key_gives_its_answer() {
        for choice in HUNK {
            assert_eq!(run(&[Key::Char(choice.key)], &HUNK).0, choice.answer);
            assert_eq!(run(&[Key::Char(choice.key.to_ascii_uppercase())], &HUNK).0, choice.answer);
        }
        assert_eq!(run(&[Key::Escape], &ONE).0, Answer::Reject);
        assert_eq!(run(&[Key::Interrupt], &ONE).0, Answer::Interrupted);
        assert_eq!(run(&[], &ONE).0, Answer::Interrupted);
        assert_eq!(run(&[Key::Suspend, Key::Char('y')], &ONE).0, Answer::Accept);
    }

    #[test]
    fn help_and_unknown_keys_show_the_keys_and_ask_again() {
        for key in [Key::Char('?'), Key::Char('x'), Key::Char('a'), Key::Other] {
            let (answer, shown) = run(&[key, Key::Char('d')], &ONE);
            assert_eq!(answer, Answer::Diff);
            assert_eq!(shown.matches("[y/n/e/d/?]").count(), 2, "{shown:?}");
            assert!(shown.contains("  n  leave the file as it is\r\n"));
        }
    }

    #[test]
    fn the_question_is_made_safe_and_the_answer_kept() {
        assert_eq!(run(&[Key::Char('y')], &ONE).1, "Apply to a␛.rs? [y/n/e/d/?] y\r\n");
    }

    #[test]
    fn lines_work_without_a_terminal() {
        let answer = |input: &[u8]| {
            let mut out = Vec::new();
            let answer = ask(&mut out, &mut LineKeys::new(input), "Apply?", &ONE).unwrap();
            (answer, String::from_utf8(out).unwrap())
        };
        assert_eq!(answer(b"yes\n").0, Answer::Accept);
        assert_eq!(answer(b"\n? \r\n  n\r\n").0, Answer::Reject);
        assert_eq!(answer(b"").0, Answer::Interrupted);
        assert_eq!(answer(b"\xff\xfe\nd").0, Answer::Diff);
        assert!(!answer(b"what\ny\n").1.contains('\r'));
        let long = vec![b'z'; 1 << 20];
        assert_eq!(answer(&long).0, Answer::Interrupted, "endless input ends");
    }

    #[test]
    fn control_keys_are_told_from_letters() {
        let key = |code, modifiers| from_event(KeyEvent::new(code, modifiers));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Key::Interrupt);
        assert_eq!(key(KeyCode::Char('z'), KeyModifiers::CONTROL), Key::Suspend);
        assert_eq!(key(KeyCode::Char('y'), KeyModifiers::ALT), Key::Other);
        assert_eq!(key(KeyCode::Char('Y'), KeyModifiers::SHIFT), Key::Char('Y'));
        assert_eq!(key(KeyCode::Enter, KeyModifiers::NONE), Key::Other);
    }
}
