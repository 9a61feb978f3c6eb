//! `dcode model pull`: the only command that uses the network.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use std::time::Instant;

use clap::Args;

use super::cache;
use super::count;
use super::repo;
use super::size;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::print;
use crate::cli::progress::Progress;
use crate::cli::say;
use crate::hub::client::Client;
use crate::hub::client::ENDPOINT;
use crate::hub::client::Patience;
use crate::hub::error::HubError;
use crate::hub::listing::CONFIG;
use crate::hub::listing::Listing;
use crate::hub::pull;
use crate::hub::pull::Pull;
use crate::model::config::TransformerConfig;
use crate::model::locate::in_folder;
use crate::model::registry;

/// Download a model from the hub
///
/// Only the files that dcode needs come. Each is compared with the hub's hash before it counts. What was interrupted goes on where it
/// stopped when the same command runs again. HF_TOKEN is sent to the hub alone; HF_ENDPOINT names another hub than
/// https://huggingface.co.
#[derive(Args, Debug)]
pub struct PullArgs {
    /// A name of `dcode model list`, or ORG/NAME[@REVISION]
    pub model: String,
    /// The GGUF file to take where a repository holds several
    #[arg(long, value_name = "NAME")]
    pub file: Option<String>,
    /// Requests without progress before giving up
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub tries: u32,
}

/// Runs the command. Standard output is the folder of the model.
///
/// # Errors
/// See [`HubError`].
pub(super) fn run(args: &PullArgs) -> Result<Exit, Failure> {
    let repo = repo(&args.model)?;
    let entry = registry::of_repo(&repo);
    if let Some(reason) = entry.and_then(|entry| entry.unsupported.as_deref()) {
        return Err(Failure::usage(format!("dcode cannot run {} yet: {reason}", args.model)));
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if variable("HF_HUB_OFFLINE").is_some_and(|value| matches!(value.to_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")) {
        return Err(HubError::Offline.into());
    }
    let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
    let patience = Patience { tries: args.tries, ..Patience::default() };
    let client = Client::new(&endpoint, variable("HF_TOKEN").as_deref(), patience, stop_at_interrupt())?;
    let cache = cache()?;

    let listing = Listing::fetch(&client, &repo)?;
    say(&format!("{repo} at {}", &listing.commit()[..12]));
    let licence = listing.licence().or_else(|| entry.and_then(|entry| entry.licence.as_deref()));
    say(&format!("licence: {}", licence.unwrap_or("the model's card names none; look at its page before you use it")));
    let mut pull = Pull::new(&client, &cache, &listing, args.file.as_deref());
    pull.small()?;
    if let Some(path) = pull.path(CONFIG) {
        // Before gigabytes of weights come: can dcode run it at all?
        let text = std::fs::read_to_string(&path).map_err(|source| HubError::Io { path: path.clone(), source })?;
        TransformerConfig::from_json(&text, std::path::Path::new(CONFIG))
            .map_err(|error| HubError::Unusable { repo: repo.to_string(), reason: format!("dcode cannot run it: {error}") })?;
    }
    let (all, missing) = pull.weights()?;
    say(&match missing {
        0 => format!("{}, all here", size(all)),
        missing if missing == all => size(all),
        missing => format!("{}, of which {} are still to come", size(all), size(missing)),
    });
    let mut bar = Bar::new(all - missing);
    let fetched = pull.fetch(&mut |progress| bar.show(&progress));
    bar.line.clear();
    fetched?;
    let snapshot = pull.finish()?;
    in_folder(&snapshot, None)?;
    print(&snapshot.display().to_string())?;
    let name = entry.filter(|entry| entry.name == args.model).map_or(args.model.as_str(), |entry| &entry.name);
    say(&format!("use it with --model {name}"));
    Ok(Exit::Ok)
}

/// A flag that Ctrl-C and a request to end set; the second Ctrl-C ends the program at once.
fn stop_at_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        // Without them the signal ends the program, which leaves as good a state.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, Arc::clone(&stop));
        let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
    }
    stop
}

/// How often the line is written anew.
const REFRESH: Duration = Duration::from_millis(100);
/// Over how long the rate is measured.
const WINDOW: Duration = Duration::from_secs(5);
/// Cells of the bar.
const CELLS: usize = 20;

/// The line that shows how far a download is.
#[derive(Debug)]
struct Bar {
    line: Progress,
    shown: Option<Instant>,
    file: String,
    /// Bytes on disk at some moments of the last seconds.
    moments: Vec<(Instant, u64)>,
}

impl Bar {
    fn new(have: u64) -> Self {
        Self { line: Progress::new(), shown: None, file: String::new(), moments: vec![(Instant::now(), have)] }
    }

    fn show(&mut self, progress: &pull::Progress<'_>) {
        let now = Instant::now();
        let is_new = self.file != progress.file;
        if is_new {
            progress.file.clone_into(&mut self.file);
        }
        if !is_new && self.shown.is_some_and(|shown| now.duration_since(shown) < REFRESH) {
            return;
        }
        self.shown = Some(now);
        // A restarted file makes the number smaller; the rate begins anew.
        if self.moments.last().is_some_and(|(_, have)| *have > progress.have) {
            self.moments.clear();
        }
        self.moments.push((now, progress.have));
        let old = self.moments.iter().take_while(|(then, _)| now.duration_since(*then) > WINDOW).count();
        self.moments.drain(..old.min(self.moments.len().saturating_sub(2)));
        let (then, had) = self.moments.first().copied().unwrap_or((now, progress.have));
        let seconds = now.duration_since(then).as_secs_f64();
        let rate = if seconds > 0.2 { (progress.have - had) as f64 / seconds } else { 0.0 };
        self.line.line(&text(progress, rate));
    }
}

/// The line: bar, share, sizes, rate, time left, file.
fn text(progress: &pull::Progress<'_>, rate: f64) -> String {
    let share = progress.have as f64 / (progress.size.max(1)) as f64;
    let full = ((share * CELLS as f64) as usize).min(CELLS);
    let bar: String = (0..CELLS).map(|cell| if cell < full { '█' } else { '·' }).collect();
    let speed = if rate > 0.0 {
        let left = (progress.size - progress.have) as f64 / rate;
        format!("  {}/s  {} left", size(rate as u64), time(left as u64))
    } else {
        String::new()
    };
    let (number, count) = progress.number;
    let done = size(progress.have);
    let all = size(progress.size);
    format!("{bar} {:>3.0} %  {done} of {all}{speed}  {} ({number} of {count})", (share * 100.0).floor(), progress.file)
}

fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => count((seconds / 3600) as usize, "hour"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_and_how_long() {
        let progress = pull::Progress { file: "m.safetensors", number: (2, 3), have: 3_000_000_000, size: 4_000_000_000 };
        assert_eq!(
            text(&progress, 10e6),
            "███████████████·····  75 %  3.00 GB of 4.00 GB  10.0 MB/s  1:40 min left  m.safetensors (2 of 3)"
        );
        let begun = pull::Progress { have: 0, ..progress };
        assert_eq!(text(&begun, 0.0), "····················   0 %  0 B of 4.00 GB  m.safetensors (2 of 3)");
        let empty = pull::Progress { have: 0, size: 0, ..progress };
        assert!(text(&empty, 0.0).contains("0 %"));
        assert_eq!([5, 61, 7200].map(time), ["5 s", "1:01 min", "2 hours"]);
    }

    #[test]
    fn a_restart_does_not_make_the_rate_negative() {
        let mut bar = Bar::new(0);
        for have in [10, 20, 5, 30] {
            bar.shown = None;
            bar.show(&pull::Progress { file: "a", number: (1, 1), have, size: 100 });
        }
        assert!(bar.moments.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }
}
