//! What a run tells: one JSON object a line for each step, in `metrics.jsonl`.

use std::fs::File;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use crate::train::checkpoint::write_file;
use crate::train::error::TrainError;

/// How well held-out text is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Mean cross-entropy of its targets, in nats.
    pub loss: f64,
    /// Share of the targets whose token is the most probable one.
    pub accuracy: f64,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Kind of the stage.
    pub stage: String,
    /// The step, counted from 1 over all stages.
    pub step: usize,
    /// The loss; `null` when it is no number.
    pub loss: Option<f64>,
    /// Elements learned from in a second, contexts included and pads not.
    pub tokens_per_second: f64,
    /// Mean cross-entropy of the targets, whatever the loss, in nats.
    pub cross_entropy: Option<f64>,
    /// Share of the targets whose token is the most probable one.
    pub accuracy: f64,
    /// Norm of the gradient, before it was bounded.
    pub norm: Option<f64>,
    /// The rate.
    pub rate: f64,
    /// Held-out text, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<HeldOut>,
    /// Denoiser calls for a span, in stages that sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<f64>,
}

/// The file of a run.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("metrics.jsonl")
}

/// Reads the lines of a run; a last one that is cut off is left out.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn read(path: &Path) -> Result<Vec<Line>, TrainError> {
    let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let line = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| TrainError::Data(format!("{}:{}: {error}", path.display(), number + 1)))
    };
    whole.lines().enumerate().filter(|(_, line)| !line.is_empty()).map(line).collect()
}

/// The file as it is written.
#[derive(Debug)]
pub struct Metrics {
    file: File,
    path: PathBuf,
}

impl Metrics {
    /// Begins a file, or goes on with one behind the lines up to `step`.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(folder: &Path, step: usize) -> Result<Self, TrainError> {
        let path = path(folder);
        let kept: Vec<Line> = if step > 0 && path.exists() { read(&path)? } else { Vec::new() };
        let kept: String = kept.iter().filter(|line| line.step <= step).filter_map(text).collect();
        write_file(&path, kept.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path).map_err(TrainError::io(&path))?;
        Ok(Self { file, path })
    }

    /// Writes a line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, line: &Line) -> Result<(), TrainError> {
        let text = text(line).unwrap_or_default();
        self.file.write_all(text.as_bytes()).map_err(TrainError::io(&self.path))
    }
}

fn text(line: &Line) -> Option<String> {
    serde_json::to_string(line).ok().map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_on_behind_its_step() {
        let folder = tempfile::tempdir().unwrap();
        let line = |step| Line {
            stage: "mask".to_owned(),
            step,
            loss: Some(1.5),
            tokens_per_second: 2.0,
            cross_entropy: None,
            accuracy: 0.5,
            norm: None,
            rate: 1e-3,
            held_out: None,
            calls: None,
        };
        let mut metrics = Metrics::open(folder.path(), 0).unwrap();
        (1..=5).for_each(|step| metrics.write(&line(step)).unwrap());
        drop(metrics);
        // A line that was cut off by the end of the process.
        let cut = OpenOptions::new().append(true).open(path(folder.path())).unwrap().write_all(b"{\"stage\": \"ma");
        cut.unwrap();
        let mut metrics = Metrics::open(folder.path(), 3).unwrap();
        metrics.write(&line(4)).unwrap();
        let steps: Vec<usize> = read(&path(folder.path())).unwrap().iter().map(|line| line.step).collect();
        assert_eq!(steps, [1, 2, 3, 4]);
        Metrics::open(folder.path(), 0).unwrap();
        assert!(read(&path(folder.path())).unwrap().is_empty(), "a new run begins with an empty file");
        std::fs::write(path(folder.path()), "{}\n").unwrap();
        assert!(read(&path(folder.path())).unwrap_err().to_string().contains("metrics.jsonl:1:"));
    }
}
