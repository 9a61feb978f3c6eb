//! Infills that nothing stands behind, with the embedded model: they end with the definition that they stand in.

use std::sync::Arc;

use dcode::document::Document;
use dcode::document::Spans;
use dcode::edit::request::EditOptions;
use dcode::edit::request::EditRequest;
use dcode::edit::request::Method;
use dcode::edit::run::run;
use dcode::edit::steer::Steering;

use crate::common::embedded_model;

/// Files and the lines of their spans, which are the last of each.
const CASES: [(&str, &str, (usize, usize)); 3] = [
    (
        "mean.py",
        "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    return total / len(values)\n",
        (5, 5),
    ),
    ("shout.py", "import sys\n\n\ndef shout(text):\n    \"\"\"The text in capitals.\"\"\"\n    return text.upper()\n", (6, 6)),
    (
        "area.rs",
        "struct Square(f64);\n\nfn area(square: &Square) -> f64 {\n    let side = square.0;\n    side * side\n}\n",
        (5, 6),
    ),
];

#[test]
fn an_infill_ends_with_the_definition_it_stands_in() {
    let Some(mut model) = embedded_model() else { return };
    for (path, text, (first, last)) in CASES {
        let document = Arc::new(Document::from_bytes(path.into(), text.as_bytes().to_vec()).unwrap());
        let spans = Spans::new(&document, vec![document.line_span(first, last).unwrap()]).unwrap();
        let options = EditOptions { method: Method::Canvas, steps: 60, ..EditOptions::default() };
        let request = EditRequest::new(document, spans, None, options);
        let candidates = run(&mut model, &request, &Steering::default(), &mut |_| {}).unwrap();
        let (text, ending) = (&candidates[0].texts[0], candidates[0].ending);
        assert!(
            ending.is_own() && candidates[0].is_acceptable(),
            "{path}: {ending:?} after {} passes: {text:?}",
            candidates[0].nfe
        );
        let outside = text.lines().filter(|line| line.starts_with(char::is_alphabetic)).count();
        assert_eq!(outside, 0, "{path}: nothing behind the definition: {text:?}");
    }
}
