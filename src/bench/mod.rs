//! Measurements of the model and of whole edits, as ratios within one run: shared machines are too noisy for anything else.

pub mod compare;
pub mod edits;
pub mod forward;
pub mod peer;

use std::time::Instant;

/// The median time of `runs` runs, in seconds, after one that is not counted.
pub fn median(runs: usize, mut run: impl FnMut()) -> f64 {
    run();
    let mut times: Vec<f64> = (0..runs.max(1))
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Largest resident memory of this process so far, in MiB; `None` where the system does not tell.
pub fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
