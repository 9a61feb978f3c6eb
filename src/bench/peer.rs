//! Another program that decodes the same model, for comparison.
//!
//! It is started with the path of the model's (first) GGUF file and the number of threads, and reads one JSON object a line:
//! `{"tokens": […], "count": N}`, the ids of a prompt and how many tokens to decode greedily behind it. For each it answers with a
//! line `{"seconds": S, "tokens": […]}`; the time is that of prompt and tokens together, with nothing kept of earlier ones.
//! `scripts/peer_llama.mjs` is such a program for llama.cpp.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

use crate::model::spec::TokenId;

/// Why there is no comparison.
#[derive(Debug, Error)]
#[error("the peer {program}: {reason}")]
pub struct PeerError {
    program: String,
    reason: String,
}

/// What a peer did.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct PeerAnswer {
    /// Seconds for the prompt and the tokens.
    pub seconds: f64,
    /// The tokens.
    pub tokens: Vec<TokenId>,
}

/// A peer that runs.
#[derive(Debug)]
pub struct Peer {
    program: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts `program`, a command line whose words are separated by blanks, for the model at `model`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(program: &str, model: &Path, threads: usize) -> Result<Self, PeerError> {
        let failed = |reason: String| PeerError { program: program.to_owned(), reason };
        let mut words = program.split_whitespace();
        let mut command = Command::new(words.next().ok_or_else(|| failed("give the name of a program".to_owned()))?);
        command.args(words).arg(model).arg(threads.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdout = stdout.ok_or_else(|| failed("it has no output".to_owned()))?;
        Ok(Self { program: program.to_owned(), child, stdin, stdout: BufReader::new(stdout) })
    }

    /// Lets it decode `count` tokens behind a prompt.
    ///
    /// # Errors
    /// It ended, or answered something else.
    pub fn decode(&mut self, prompt: &[TokenId], count: usize) -> Result<PeerAnswer, PeerError> {
        let failed = |reason: String| PeerError { program: self.program.clone(), reason };
        let stdin = self.stdin.as_mut().ok_or_else(|| failed("it has no input".to_owned()))?;
        writeln!(stdin, "{}", json!({ "tokens": prompt, "count": count })).map_err(|error| failed(error.to_string()))?;
        let mut line = String::new();
        self.stdout.read_line(&mut line).map_err(|error| failed(error.to_string()))?;
        if line.is_empty() {
            return Err(failed("it ended without an answer; run it by hand to see why".to_owned()));
        }
        let answer: PeerAnswer =
            serde_json::from_str(&line).map_err(|error| failed(format!("its answer is not one: {error}")))?;
        if !(answer.seconds.is_finite() && answer.seconds > 0.0) {
            return Err(failed(format!("its answer took {} seconds", answer.seconds)));
        }
        Ok(answer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Without input it ends by itself; whatever it does, it does not outlive the measurement.
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn peer(script: &str) -> Result<PeerAnswer, PeerError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), script).unwrap();
        let mut peer = Peer::start(&format!("sh {}", file.path().display()), Path::new("model.gguf"), 2)?;
        peer.decode(&[1, 2], 3)
    }

    #[test]
    fn an_answer_is_a_line_of_json() {
        let answer = peer(r#"read line; test "$1 $2" = "model.gguf 2" && echo '{"seconds": 0.5, "tokens": [7, 8, 9]}'"#).unwrap();
        assert_eq!(answer, PeerAnswer { seconds: 0.5, tokens: vec![7, 8, 9] });
    }

    #[test]
    fn whatever_else_it_does_is_told_in_one_line() {
        for (script, reason) in [
            ("exit 3", "ended without an answer"),
            ("read line; echo nonsense", "its answer is not one"),
            ("read line; echo '{\"seconds\": 0, \"tokens\": []}'", "took 0 seconds"),
        ] {
            let error = peer(script).unwrap_err().to_string();
            // A program that is gone at once may refuse the question already.
            assert!(error.contains(reason) || error.contains("roken pipe"), "{error}");
            assert!(!error.contains('\n'));
        }
        assert!(Peer::start("", Path::new("m"), 1).unwrap_err().to_string().contains("name of a program"));
        assert!(Peer::start("/no/such/program", Path::new("m"), 1).is_err());
    }
}
