//! Threads beside the loop: the host with files and git, and short work such as parsing. Their channels are bounded.

use std::io;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::screen::modes::ASIDE;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::Syntax;
use crate::syntax::symbols::symbols;
use crate::tui::host::Answer;
use crate::tui::host::Host;
use crate::tui::host::Job;
use crate::tui::state::picker::Item;
use crate::tui::state::picker::Kind;
use crate::tui::state::picker::Value;
use crate::tui::state::picker::filter;
use crate::tui::state::search::find;
use crate::tui::update::Effect;
use crate::tui::update::Msg;

/// Jobs that may wait for the host: few, since each comes from a key.
const WAITING: usize = 8;
/// Messages that may wait for the loop; a thread with one more waits itself.
const UNREAD: usize = 64;

/// The threads, and what they have to tell.
#[derive(Debug)]
pub struct Workers {
    jobs: SyncSender<Job>,
    outbox: SyncSender<Msg>,
    inbox: Receiver<Msg>,
    /// Work that is not answered yet.
    open: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts the host's thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(mut host: impl Host) -> io::Result<Self> {
        let (jobs, waiting) = sync_channel::<Job>(WAITING);
        let (outbox, inbox) = sync_channel(UNREAD);
        let answers = outbox.clone();
        let work = move || {
            for job in waiting {
                let answer = catch_unwind(AssertUnwindSafe(|| host.answer(job)));
                let failed = || Answer::Opened(Err("internal fault while files were at work; please report this".to_owned()));
                if answers.send(Msg::Answer(answer.unwrap_or_else(|_| failed()))).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name(ASIDE.to_owned()).spawn(work)?;
        Ok(Self { jobs, outbox, inbox, open: Arc::default() })
    }

    /// Whether something is being worked at.
    pub fn is_busy(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// What was told since the last call.
    pub fn poll(&self) -> Vec<Msg> {
        let messages: Vec<Msg> = self.inbox.try_iter().collect();
        for _ in &messages {
            let _ = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| open.checked_sub(1));
        }
        messages
    }

    /// Takes up work; what can be said about it at once. Never waits.
    pub fn take(&self, effect: Effect) -> Option<Msg> {
        match effect {
            Effect::Job(job) => {
                if self.jobs.try_send(job).is_err() {
                    let why = "one moment: earlier requests are still at work".to_owned();
                    return Some(Msg::Answer(Answer::Opened(Err(why))));
                }
                self.open.fetch_add(1, Ordering::Relaxed);
            }
            Effect::Parse(text, language) => self.aside(move || {
                let syntax = Syntax::parse(&text, language, PARSE_LIMIT).ok().map(Arc::new);
                Msg::Parsed(text, syntax)
            }),
            Effect::Symbols(text, syntax) => {
                self.aside(move || Msg::Answer(Answer::Items(Kind::Symbols, Ok(symbol_items(&text, &syntax)))));
            }
            Effect::Filter { revision, items, query } => {
                self.aside(move || Msg::Filtered { revision, found: filter(&items, &query) });
            }
            Effect::Search { revision, text, query } => self.aside(move || {
                let matches = find(&text, &query);
                Msg::Matches { revision, text, matches }
            }),
            _ => {}
        }
        None
    }

    /// Works on a thread of its own. Without the thread there is no answer: colours or a list are missing, nothing else.
    fn aside(&self, work: impl FnOnce() -> Msg + Send + 'static) {
        let (outbox, open) = (self.outbox.clone(), Arc::clone(&self.open));
        let work = move || {
            if let Ok(message) = catch_unwind(AssertUnwindSafe(work)) {
                // Nobody listens when the program has ended meanwhile.
                let _ = outbox.send(message);
            } else {
                open.fetch_sub(1, Ordering::Relaxed);
            }
        };
        if thread::Builder::new().name(ASIDE.to_owned()).spawn(work).is_ok() {
            self.open.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The definitions of a file as items.
pub fn symbol_items(text: &str, syntax: &Syntax) -> Vec<Item> {
    let all = symbols(syntax, text);
    all.into_iter()
        .map(|symbol| Item {
            label: symbol.path(),
            detail: format!("{}  {}", symbol.kind.name(), symbol.lines.0),
            badge: ' ',
            value: Value::Symbol(symbol.range),
        })
        .collect()
}
