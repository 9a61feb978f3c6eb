//! The embedded model's greedy edits against the reference sampler, commit by commit.

use std::path::PathBuf;
use std::sync::Arc;

use dcode::diffusion::canvas::Op;
use dcode::document::Document;
use dcode::document::Span;
use dcode::document::Spans;
use dcode::edit::request::EditOptions;
use dcode::edit::request::EditRequest;
use dcode::edit::request::Method;
use dcode::edit::run::run;
use dcode::edit::steer::Steering;
use serde::Deserialize;

use crate::common::reference_model;
use crate::common::shared;

#[derive(Deserialize)]
struct Reference {
    id: String,
    output: String,
    forwards: usize,
    trace: Vec<Vec<(usize, u32, f32)>>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    path: PathBuf,
    prefix: String,
    span: String,
    suffix: String,
    instruction: Option<String>,
}

/// Cases that a usual test run checks; `DCODE_ALL_REFERENCES=1` checks all of them, which takes some minutes.
const USUAL: usize = 4;

#[test]
fn greedy_edits_equal_the_reference_commit_by_commit() {
    let (Some(weights), Some(eval), Some(mut model)) = (shared("weights"), shared("eval"), reference_model()) else { return };
    let lines = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    let cases = lines(eval.join("infill-single-200.jsonl")) + &lines(eval.join("editeval-183.jsonl"));
    let cases: Vec<Case> = cases.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let references = lines(weights.join("reference-outputs.jsonl"));
    let references: Vec<Reference> = references.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let all = std::env::var_os("DCODE_ALL_REFERENCES").is_some();
    let count = if all { references.len() } else { USUAL };
    for reference in references.iter().take(count) {
        let case = cases.iter().find(|case| case.id == reference.id).unwrap();
        let text = format!("{}{}{}", case.prefix, case.span, case.suffix);
        let document = Arc::new(Document::from_bytes(case.path.clone(), text.into_bytes()).unwrap());
        let span = Span::new(case.prefix.len(), case.prefix.len() + case.span.len());
        let spans = Spans::new(&document, vec![span]).unwrap();
        let options = EditOptions { method: Method::Canvas, guard_rounds: 0, ..EditOptions::default() };
        let request = EditRequest::new(document, spans, case.instruction.clone(), options);
        let candidates = run(&mut model, &request, &Steering::default(), &mut |_| {}).unwrap();
        let candidate = &candidates[0];
        let trajectory = candidate.trajectory.as_ref().unwrap();
        let mut trace: Vec<Vec<(usize, u32, f32)>> = Vec::new();
        for &(step, op) in &trajectory.ops {
            trace.resize(step as usize, Vec::new());
            if let Op::Commit { slot, token, confidence } = op {
                trace.last_mut().unwrap().push((slot, token, confidence));
            }
        }
        for (step, (found, expected)) in trace.iter().zip(&reference.trace).enumerate() {
            let tokens =
                |commits: &[(usize, u32, f32)]| commits.iter().map(|(slot, token, _)| (*slot, *token)).collect::<Vec<_>>();
            assert_eq!(tokens(found), tokens(expected), "{}, step {}", case.id, step + 1);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found.2 - expected.2).abs() < 1e-3, "{}, step {}: {found:?} {expected:?}", case.id, step + 1);
            }
        }
        assert_eq!(candidate.nfe, reference.forwards, "{}", case.id);
        assert_eq!(candidate.texts[0], reference.output, "{}", case.id);
    }
    eprintln!("{count} of {} references reproduced", references.len());
}
