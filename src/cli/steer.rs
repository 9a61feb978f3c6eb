//! Commands to a running edit, one a line, from whoever started dcode.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::sync::Arc;
use std::thread;

use serde_json::Value;
use serde_json::json;

use crate::edit::steer::Command;
use crate::edit::steer::Steering;

/// Longest line that can be a command; whatever is longer is no command.
const LONGEST: u64 = 1 << 16;

/// Gives the commands that `input` holds to the running edit, on a thread of its own; the end of `input` lets the edit go on.
/// What is no command is answered through `answer`.
///
/// # Errors
/// The system gives no thread.
pub fn follow<R>(input: R, steering: &Arc<Steering>, answer: impl Fn(Value) + Send + 'static) -> std::io::Result<()>
where
    R: Read + Send + 'static,
{
    let steering = Arc::clone(steering);
    thread::Builder::new().name("commands".to_owned()).spawn(move || read(BufReader::new(input), &steering, &answer))?;
    Ok(())
}

fn read(mut input: impl BufRead, steering: &Steering, answer: &dyn Fn(Value)) {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        match input.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(_) => match serde_json::from_slice::<Command>(&line) {
                Ok(command) => steering.send(command),
                Err(error) => {
                    answer(json!({ "type": "refused", "command": null, "reason": format!("line {number}: {error}") }));
                }
            },
        }
    }
    steering.send(Command::Continue);
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn commands_are_passed_on_and_the_rest_is_answered() {
        let steering = Steering::default();
        steering.begin(true);
        let answers = RefCell::new(Vec::new());
        let input = b"\n{\"command\":\"abort\"}\nnonsense\n{\"command\":\"pin\",\"slots\":3}\n\xff\xfe\n{\"command\":\"step\"";
        read(&input[..], &steering, &|answer| answers.borrow_mut().push(answer["reason"].as_str().unwrap().to_owned()));
        let answers = answers.into_inner();
        let lines: Vec<&str> = answers.iter().map(|answer| answer.split(':').next().unwrap()).collect();
        assert_eq!(lines, ["line 3", "line 4", "line 5", "line 6"]);
    }
}
