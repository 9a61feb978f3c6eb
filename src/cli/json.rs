//! Events as JSON Lines; the schema is `assets/schema/edit-events.v1.json`.

use serde_json::Value;
use serde_json::json;

use crate::document::Document;
use crate::document::ResolvedRange;
use crate::edit::candidate::Candidate;
use crate::edit::event::Event;

/// Version of the event format.
pub const SCHEMA: u32 = 1;

/// The first line.
pub fn start(document: &Document) -> Value {
    json!({ "type": "start", "schema": SCHEMA, "dcode": env!("CARGO_PKG_VERSION"), "file": document.path().to_string_lossy() })
}

/// What may change.
pub fn resolved(document: &Document, ranges: &[ResolvedRange]) -> Value {
    let position = |position: crate::document::range::Position| json!({ "line": position.line, "column": position.column });
    let span = |range: &ResolvedRange| json!({ "start": range.span.start, "end": range.span.end, "first": position(range.first), "last": position(range.last) });
    json!({
        "type": "resolved",
        "file": document.path().to_string_lossy(),
        "hash": document.hash().to_string(),
        "spans": ranges.iter().map(span).collect::<Vec<_>>(),
    })
}

/// An event of the engine, or `None` when it is not for the output.
pub fn event(event: &Event) -> Option<Value> {
    match event {
        Event::Ready(model) => {
            Some(json!({ "type": "model", "name": model.name, "device": model.device, "adapter": model.has_adapter }))
        }
        Event::Started { context, instruction_cut } => {
            Some(json!({ "type": "started", "context_tokens": context, "instruction_cut": instruction_cut }))
        }
        Event::Step(step) => {
            let slots = step.canvas.slots().iter().zip(&step.pieces);
            let slots: Vec<Value> = slots
                .map(|(slot, piece)| match slot.token {
                    None => Value::Null,
                    Some(_) => json!([piece, (f64::from(slot.confidence) * 1e4).round() / 1e4]),
                })
                .collect();
            Some(json!({ "type": "step", "nfe": step.nfe, "changed": step.changed, "slots": slots }))
        }
        Event::Candidate(candidate) => Some(json!({ "type": "candidate", "candidate": self::candidate(candidate) })),
        Event::Loading(_) | Event::Finished(_) | Event::Failed { .. } => None,
    }
}

/// A candidate.
pub fn candidate(candidate: &Candidate) -> Value {
    json!({
        "number": candidate.number,
        "texts": candidate.texts,
        "confidence": candidate.confidence,
        "least_confidence": candidate.least_confidence,
        "ending": match candidate.ending {
            crate::diffusion::denoise::Ending::Complete => "complete",
            crate::diffusion::denoise::Ending::CutShort => "cut-short",
            crate::diffusion::denoise::Ending::OutOfSlots => "out-of-slots",
        },
        "syntax": candidate.syntax_word(),
        "nfe": candidate.nfe,
        "tokens": candidate.tokens,
    })
}
