//! Commands to a running edit, and edits that begin with a finished text, with the embedded model.

use std::collections::VecDeque;
use std::sync::Arc;

use dcode::diffusion::canvas::Op;
use dcode::diffusion::denoise::Ending;
use dcode::diffusion::denoiser::Denoiser;
use dcode::document::Document;
use dcode::document::Spans;
use dcode::edit::candidate::Candidate;
use dcode::edit::event::Event;
use dcode::edit::layout::Layout;
use dcode::edit::request::EditOptions;
use dcode::edit::request::EditRequest;
use dcode::edit::request::Method;
use dcode::edit::run::run;
use dcode::edit::start::Start;
use dcode::edit::steer::Command;
use dcode::edit::steer::Steering;
use dcode::model::load::LoadedModel;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::common::embedded_model;

const MEAN: &str =
    "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    return total / len(values)\n";

fn request(text: &str, (first, last): (usize, usize), instruction: Option<&str>) -> EditRequest {
    let document = Arc::new(Document::from_bytes("mean.py".into(), text.as_bytes().to_vec()).unwrap());
    let spans = Spans::new(&document, vec![document.line_span(first, last).unwrap()]).unwrap();
    let options = EditOptions { guard_rounds: 0, paused: true, ..EditOptions::default() };
    EditRequest::new(document, spans, instruction.map(str::to_owned), options)
}

/// Runs a held request; at each moment at which it waits, `next` says what to send, and nothing lets it go on.
fn steer(
    model: &mut LoadedModel,
    request: &EditRequest,
    mut next: impl FnMut(&Event) -> Vec<Command>,
) -> (Vec<Candidate>, Vec<Event>) {
    let steering = Steering::default();
    steering.begin(true);
    let mut events = Vec::new();
    let candidates = run(model, request, &steering, &mut |event| {
        next(&event).into_iter().for_each(|command| steering.send(command));
        events.push(event);
    });
    (candidates.unwrap(), events)
}

fn refusals(events: &[Event]) -> Vec<&str> {
    fn reason(event: &Event) -> Option<&str> {
        match event {
            Event::Refused { reason, .. } => Some(reason),
            _ => None,
        }
    }
    events.iter().filter_map(reason).collect()
}

fn replayed(candidate: &Candidate) -> dcode::diffusion::canvas::Canvas {
    let trajectory = candidate.trajectory.as_ref().unwrap();
    trajectory.at(trajectory.steps()).unwrap()
}

#[test]
fn the_rule_changes_in_the_middle_of_a_run() {
    let Some(mut model) = embedded_model() else { return };
    let mut infill = request(MEAN, (4, 4), None);
    infill.options.steps = 12;
    let mut begun = false;
    let (candidates, events) = steer(&mut model, &infill, |event| match event {
        Event::Step(_) if !std::mem::replace(&mut begun, true) => {
            let rules = dcode::tui::engine::RULES.iter().rev().copied().chain(["luck", "confidence:steps=3"]);
            rules.map(|name| Command::Sampler { name: name.to_owned() }).chain([Command::Continue]).collect()
        }
        _ => Vec::new(),
    });
    let reasons = refusals(&events);
    assert!(reasons.len() == 1 && reasons[0].contains("unknown sampler \"luck\""), "{reasons:?}");
    // A third of the slots in each call, where the model's own rule takes one after the other.
    let filled: Vec<usize> = events
        .iter()
        .filter_map(|event| if let Event::Step(step) = event { Some(step.canvas.masked().len()) } else { None })
        .collect();
    let (first, next) = (filled[0], filled.iter().find(|masked| **masked < filled[0]).unwrap());
    assert!(*next <= first - first.div_ceil(3), "{filled:?}");
    assert!(replayed(&candidates[0]).is_full());
}

#[test]
fn a_span_gets_more_slots_and_fewer_and_keeps_them() {
    let Some(mut model) = embedded_model() else { return };
    let infill = request(MEAN, (4, 4), None);
    let (mut begun, mut counts) = (false, Vec::new());
    let (candidates, events) = steer(&mut model, &infill, |event| match event {
        Event::Step(step) => {
            counts.push(step.canvas.slots().len());
            if std::mem::replace(&mut begun, true) {
                return Vec::new();
            }
            vec![
                Command::Shorten { candidate: 0, span: 0, count: 20 },
                Command::Lengthen { candidate: 0, span: 0, count: 3 },
                Command::Lengthen { candidate: 0, span: 7, count: 1 },
                Command::Lengthen { candidate: 0, span: 0, count: 5000 },
                Command::Shorten { candidate: 0, span: 0, count: 5000 },
                Command::Lengthen { candidate: 0, span: 0, count: 5 },
                Command::FixLength { fixed: true },
                Command::Continue,
            ]
        }
        _ => Vec::new(),
    });
    let first = counts[0];
    assert_eq!(counts[1..8], [first - 20, first - 17, first - 17, first - 17, 1, 6, 6]);
    let reasons = refusals(&events);
    assert!(reasons.len() == 3 && reasons[0].contains("span 7") && reasons[1].contains("1024"), "{reasons:?}");
    assert!(reasons[2].contains("one slot left"), "{reasons:?}");
    let end = replayed(&candidates[0]);
    assert!(end.is_full() && end.slots().len() == 6 && candidates[0].ending == Ending::Complete, "six slots, and no end");

    // A span that is closed is opened again by hand: its last slot is masked, and one comes behind it.
    let mut done = false;
    let (candidates, events) = steer(&mut model, &infill, |event| match event {
        Event::Step(step) if step.canvas.masked().is_empty() && !std::mem::replace(&mut done, true) => {
            counts = vec![step.canvas.slots().len()];
            vec![
                Command::Shorten { candidate: 0, span: 0, count: 1 },
                Command::Lengthen { candidate: 0, span: 0, count: 1 },
                Command::Continue,
            ]
        }
        Event::Step(step) => {
            counts.push(step.canvas.masked().len());
            vec![Command::Continue]
        }
        _ => Vec::new(),
    });
    assert!(refusals(&events).iter().any(|reason| reason.contains("no masked slot")), "{:?}", refusals(&events));
    assert_eq!(counts[2], 2, "{counts:?}");
    assert!(replayed(&candidates[0]).is_full());
}

#[test]
fn slots_are_asked_about_chosen_pinned_and_remasked_by_hand() {
    let Some(mut model) = embedded_model() else { return };
    let infill = request(MEAN, (4, 4), None);
    let (plain, _) = steer(&mut model, &infill, |_| vec![Command::Continue]);
    assert!(plain[0].texts[0].contains("total +="), "{:?}", plain[0].texts);

    // The second best token of the first slot, chosen by hand, changes what follows and stays.
    let (mut chosen, mut begun) = (String::new(), false);
    let (candidates, events) = steer(&mut model, &infill, |event| match event {
        Event::Step(step) if !std::mem::replace(&mut begun, true) => {
            assert_eq!((step.candidate, step.canvas.masked().len()), (0, step.canvas.slots().len()));
            vec![
                Command::Pin { candidate: 0, slots: vec![0] },
                Command::Remask { candidate: 0, slots: vec![999] },
                Command::Remask { candidate: 3, slots: vec![0] },
                Command::Threshold { value: 7.0 },
                Command::Choose { candidate: 0, slot: 0, token: 151_662 },
                Command::Alternatives { candidate: 0, slots: vec![0] },
            ]
        }
        Event::Alternatives { slots, .. } => {
            let [slot] = slots.as_slice() else { panic!("{slots:?}") };
            assert!(slot.tokens.windows(2).all(|pair| pair[0].probability >= pair[1].probability));
            chosen.clone_from(&slot.tokens[1].text);
            vec![Command::Choose { candidate: 0, slot: 0, token: slot.tokens[1].token }, Command::Continue]
        }
        _ => Vec::new(),
    });
    let reasons = refusals(&events);
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    assert!(reasons[0].contains("nothing to pin") && reasons[1].contains("gone") && reasons[2].contains("candidate 3"));
    assert!(reasons[3].contains("probability") && reasons[4].contains("text only"), "{reasons:?}");
    assert!(!chosen.is_empty() && candidates[0].texts[0].starts_with(&chosen), "{chosen:?}, {:?}", candidates[0].texts);
    let end = replayed(&candidates[0]);
    assert!(end.is_full() && end.slots()[0].pinned);

    // Single steps; then a line is put back to masked and comes again.
    let mut seen = VecDeque::new();
    let (candidates, events) = steer(&mut model, &infill, |event| match event {
        Event::Step(step) => {
            seen.push_back((step.nfe, step.canvas.masked().len()));
            match seen.len() {
                1..4 => vec![Command::Step],
                4 => vec![Command::RemaskLines { candidate: 0, span: 0, first: 1, last: 1 }],
                5 => vec![Command::RemaskLines { candidate: 0, span: 0, first: 9, last: 9 }, Command::Continue],
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    });
    assert!(seen.iter().take(4).map(|(nfe, _)| *nfe).eq([0, 1, 2, 3]), "{seen:?}");
    assert!(seen[3].1 < seen[0].1 && seen[4].1 > seen[3].1 && seen[4].0 == 3, "{seen:?}");
    assert_eq!(refusals(&events).len(), 1);
    assert_eq!((candidates[0].ending, replayed(&candidates[0]).is_full()), (Ending::Complete, true));
    let remasks = candidates[0].trajectory.as_ref().unwrap().ops.iter().filter(|(_, op)| matches!(op, Op::Remask { .. }));
    assert!(remasks.count() >= 3);

    // Stop now: everything in one pass, and marked.
    let (candidates, _) = steer(&mut model, &infill, |event| match event {
        Event::Step(step) if step.nfe == 0 => vec![Command::Finish],
        _ => Vec::new(),
    });
    assert_eq!((candidates[0].ending, candidates[0].nfe), (Ending::CutShort, 1));
    assert!(!candidates[0].is_acceptable() && replayed(&candidates[0]).is_full());
    let (candidates, _) = steer(&mut model, &infill, |_| vec![Command::Abort]);
    assert!(candidates.is_empty());
}

#[test]
fn a_command_about_slots_takes_a_draft_to_the_canvas() {
    let Some(mut model) = embedded_model() else { return };
    let edit = request(MEAN, (2, 4), Some("Rename total to result."));
    let (plain, _) = steer(&mut model, &edit, |_| vec![Command::Continue]);
    assert!(plain[0].trajectory.is_none(), "a draft");
    let (mut pinned, mut begun) = (String::new(), false);
    let (candidates, _) = steer(&mut model, &edit, |event| match event {
        Event::Step(step) if !std::mem::replace(&mut begun, true) => {
            // The first token of the original: pinned, it is there in the end whatever the model would do.
            assert!(step.nfe == 0 && step.canvas.is_full());
            pinned.clone_from(&step.pieces[0]);
            vec![Command::Pin { candidate: 0, slots: vec![0] }, Command::Continue]
        }
        _ => Vec::new(),
    });
    let end = replayed(&candidates[0]);
    assert!(end.is_full() && end.slots()[0].pinned, "a canvas");
    assert!(!pinned.is_empty() && candidates[0].texts[0].starts_with(&pinned), "{pinned:?}, {:?}", candidates[0].texts);
}

#[test]
fn what_is_kept_stays_and_the_rest_is_denoised_again() {
    let Some(mut model) = embedded_model() else { return };
    for instruction in [None, Some("Sum with a loop.")] {
        let kept = ["    total = 0\n", "        total += value\n"];
        let text = format!("{}    for x in xxx:\n{}", kept[0], kept[1]);
        let edit = request(MEAN, (2, 4), instruction).starting(Start::of(&[text]).mask_lines(0, 2, 2));
        let (candidates, _) = steer(&mut model, &edit, |_| vec![Command::Continue]);
        let found = &candidates[0].texts[0];
        assert!(found.starts_with(kept[0]) && found.ends_with(kept[1]), "{found:?}");
        assert!(found.contains("for value in values"), "{found:?}");
        assert_eq!(candidates[0].ending, Ending::Complete);
    }
    // With nothing to denoise the text comes back, without a call.
    let same = request(MEAN, (2, 4), None).starting(Start::of(&["    pass\n".to_owned()]));
    let (candidates, _) = steer(&mut model, &same, |_| vec![Command::Continue]);
    assert_eq!((candidates[0].texts[0].as_str(), candidates[0].nfe), ("    pass\n", 0));
}

/// Without the masks a canvas reads as the text does without the masked bytes, widened to tokens: nothing else is lost.
#[test]
fn a_start_keeps_everything_outside_of_what_is_masked() {
    let Some(model) = embedded_model() else { return };
    let tokenizer = &model.tokenizer;
    let strategy = ("[a-z =\n(){}é]{0,60}", proptest::collection::vec((0usize..80, 0usize..9), 0..4), any::<bool>());
    let check = |(text, masked, instructed): (String, Vec<(usize, usize)>, bool)| {
        let instruction = instructed.then_some("Do it.");
        let mut start = Start::of(std::slice::from_ref(&text));
        for (at, len) in masked {
            start = start.mask(0, at..at + len);
        }
        let masked = start.masked.clone();
        let request = request(MEAN, (2, 4), instruction).starting(start);
        let layout = Layout::new(tokenizer, model.denoiser.spec(), &request).unwrap();
        let canvas = layout.canvas();
        prop_assert_eq!(canvas.masked().is_empty(), masked.is_empty());
        // Each token is either kept as it is or covered by a masked range.
        let mut expected = tokenizer.encode(&text).into_iter();
        let mut at = 0;
        for slot in canvas.slots().iter().filter_map(|slot| slot.token) {
            for token in expected.by_ref() {
                let end = at + tokenizer.bytes(token).len();
                let hit = masked.iter().any(|range| range.bytes.start < end && range.bytes.end > at);
                at = end;
                if token == slot && !hit {
                    break;
                }
                prop_assert!(hit, "token {} of {:?} is lost", token, text);
            }
        }
        for token in expected {
            let end = at + tokenizer.bytes(token).len();
            prop_assert!(masked.iter().any(|range| range.bytes.start < end && range.bytes.end > at), "the end of {:?}", text);
            at = end;
        }
        Ok(())
    };
    TestRunner::new(ProptestConfig::with_cases(256)).run(&strategy, check).unwrap();
}

#[test]
fn a_canvas_run_can_be_asked_for_in_every_method() {
    let Some(mut model) = embedded_model() else { return };
    let mut edit = request(MEAN, (2, 4), Some("Rename total to result."));
    edit.options.method = Method::Canvas;
    let mut order = Vec::new();
    let (candidates, _) = steer(&mut model, &edit, |event| {
        if let Event::Step(step) = event {
            order.push(step.nfe);
        }
        vec![Command::Continue]
    });
    assert_eq!(candidates.len(), 1);
    assert!(order.windows(2).all(|pair| pair[1] == pair[0] + 1), "one event before the first call and one after each: {order:?}");
}
