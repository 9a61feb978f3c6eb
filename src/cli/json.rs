//! Events as JSON Lines; the schema is `assets/schema/edit-events.v1.json`.

use serde_json::Value;
use serde_json::json;

use crate::document::Document;
use crate::document::ResolvedRange;
use crate::edit::candidate::Candidate;
use crate::edit::event::Alternative;
use crate::edit::event::Event;

/// Version of the event format.
pub const SCHEMA: u32 = 1;

/// A value as one line of JSON in which nothing acts on a terminal: hidden characters become escapes.
pub fn line(value: &Value) -> String {
    let text = value.to_string();
    let unsafe_to_print = crate::text::sanitise::is_unsafe;
    if !text.contains(unsafe_to_print) {
        return text;
    }
    // Outside of strings JSON is ASCII, so an escape may stand wherever such a character is.
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if unsafe_to_print(character) {
            let mut units = [0; 2];
            character.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(character);
        }
    }
    out
}

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
                    Some(_) => json!([piece, rounded(slot.confidence)]),
                })
                .collect();
            let pinned = step.canvas.slots().iter().zip(step.canvas.ids()).filter(|(slot, _)| slot.pinned && slot.span.is_some());
            Some(json!({
                "type": "step",
                "candidate": step.candidate,
                "nfe": step.nfe,
                "changed": step.changed,
                "slots": slots,
                "ids": step.canvas.ids(),
                "pinned": pinned.map(|(_, id)| *id).collect::<Vec<_>>(),
            }))
        }
        Event::Alternatives { candidate, slots } => {
            let tokens = |tokens: &[Alternative]| -> Vec<Value> {
                let token = |each: &Alternative| json!([each.token, each.text, rounded(each.probability)]);
                tokens.iter().map(token).collect()
            };
            let slots: Vec<Value> =
                slots.iter().map(|each| json!({ "slot": each.slot, "tokens": tokens(&each.tokens) })).collect();
            Some(json!({ "type": "alternatives", "candidate": candidate, "slots": slots }))
        }
        Event::Refused { command, reason } => Some(json!({ "type": "refused", "command": command, "reason": reason })),
        Event::Candidate(candidate) => Some(json!({ "type": "candidate", "candidate": self::candidate(candidate) })),
        Event::Loading(_) | Event::Recorded(_) | Event::Finished(_) | Event::Failed { .. } => None,
    }
}

/// A probability as people read it.
fn rounded(probability: f32) -> f64 {
    (f64::from(probability) * 1e4).round() / 1e4
}

/// An object with one more field.
pub fn with(mut value: Value, field: &str, content: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.insert(field.to_owned(), content);
    }
    value
}

/// A candidate.
pub fn candidate(candidate: &Candidate) -> Value {
    json!({
        "number": candidate.number,
        "texts": candidate.texts,
        "confidence": candidate.confidence,
        "least_confidence": candidate.least_confidence,
        "unsure": candidate.unsure(),
        "ending": match candidate.ending {
            crate::diffusion::denoise::Ending::Complete => "complete",
            crate::diffusion::denoise::Ending::Left => "left",
            crate::diffusion::denoise::Ending::CutShort => "cut-short",
            crate::diffusion::denoise::Ending::OutOfSlots => "out-of-slots",
        },
        "syntax": candidate.syntax_word(),
        "nfe": candidate.nfe,
        "tokens": candidate.tokens,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_means_the_same_and_hides_nothing() {
        let value = json!({ "a\u{202e}": "x\u{9b}31m\u{e0041}\n é 🦀" });
        let line = line(&value);
        assert!(line.contains("\\u202e") && line.contains("\\u009b31m\\udb40\\udc41\\n é 🦀"), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
