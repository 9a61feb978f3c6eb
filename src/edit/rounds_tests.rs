//! Rounds with a scripted denoiser and real commands.

use std::sync::Arc;

use super::*;
use crate::edit::proposal::tests::candidate;
use crate::verify::Check;
use crate::verify::Shadow;

const FILE: &str = "one\ntwo\nthree\nfour\n";

struct Place {
    _temp: tempfile::TempDir,
    parts: Vec<Part>,
    verifier: Verifier,
}

/// A file of four lines, of which the middle two may change, and one command: a script that sees the file `f`.
fn place(script: &str) -> Place {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("work");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("f"), FILE).unwrap();
    let document = Document::read(&root.join("f")).unwrap();
    let spans = Spans::new(&document, vec![document.line_span(2, 3).unwrap()]).unwrap();
    let parts = vec![Part { document: Arc::new(document), spans, relative: "f".into() }];
    let shadow = Shadow::open(&temp.path().join("cache"), &root).unwrap();
    let check = Check { argv: ["sh", "-c", script].map(str::to_owned).to_vec(), folder: "".into() };
    let limit = Duration::from_secs(20);
    let verifier =
        Verifier::start(shadow, &["f".into()], &[], vec![check], limit, crate::verify::Cancel::default(), &mut |_, _, _, _| {})
            .unwrap();
    Place { _temp: temp, parts, verifier }
}

type Asked = Vec<(usize, Vec<String>, String)>;

/// Runs `rounds` rounds on `first`; each request is answered with the next texts of the script. Returns the ranked texts with
/// their verdicts, and what was asked.
fn run(place: &mut Place, first: &[&str], rounds: usize, script: &[&[&str]]) -> (Vec<(String, Option<bool>)>, Asked) {
    let proposals = first.iter().enumerate().map(|(number, text)| Proposal::new(number, vec![candidate(number, text)])).collect();
    let mut asked = Vec::new();
    let mut answers = script.iter();
    let mut denoise = |remask: &Remask| -> Result<Vec<Candidate>, VerifyError> {
        let spans = remask.spans.iter().map(|span| remask.document.span_text(span).unwrap().to_owned()).collect();
        asked.push((remask.round, spans, remask.complaint.clone()));
        let texts: Vec<String> = answers.next().unwrap().iter().map(|text| (*text).to_owned()).collect();
        Ok(texts.into_iter().map(|text| candidate(0, &text)).collect())
    };
    let parts = place.parts.clone();
    let ranked = verified(&mut place.verifier, &parts, proposals, rounds, &mut denoise, &mut |_| Ok(())).unwrap();
    let show = |proposal: &Proposal| (proposal.parts[0].texts[0].clone(), proposal.verdict.as_ref().map(Verdict::passed));
    (ranked.iter().map(show).collect(), asked)
}

/// Complains about each line that has an x.
const NO_X: &str = "grep -n x f | sed 's/:.*/:1: error: has an x/; s/^/f:/' | grep . && exit 1; exit 0";

#[test]
fn one_that_passes_ends_it() {
    let mut place = place(NO_X);
    let (ranked, asked) = run(&mut place, &["2x\n3\n", "2\n3\n"], 3, &[]);
    assert_eq!(ranked, [("2\n3\n".into(), Some(true)), ("2x\n3\n".into(), Some(false))]);
    assert!(asked.is_empty());
}

#[test]
fn only_the_lines_that_failed_are_masked_again() {
    let mut place = place(NO_X);
    let (ranked, asked) = run(&mut place, &["2\n3x\n"], 3, &[&["still x\n", "y\n"]]);
    assert_eq!(asked, [(1, vec!["3x\n".to_owned()], "has an x".to_owned())]);
    assert_eq!(ranked[0], ("2\ny\n".into(), Some(true)), "what was right is kept");
    assert_eq!(ranked.len(), 3);
    // Lines apart are spans of their own; a candidate of another number of texts is none.
    let (ranked, asked) = run(&mut place, &["x1\nkept\nx2\n"], 1, &[&["a\n"]]);
    assert_eq!(asked[0].1, ["x1\n", "x2\n"]);
    assert_eq!(ranked.len(), 1);
}

#[test]
fn rounds_go_on_from_the_best_and_end() {
    let mut place = place(NO_X);
    let (ranked, asked) = run(&mut place, &["x\nx\n"], 2, &[&["x\n"], &["more x\n"], &["never\n"]]);
    assert_eq!(asked.len(), 2, "the number of rounds is kept");
    assert!(ranked.iter().all(|(_, passed)| *passed == Some(false)));
    // The same text again is not run again.
    let (ranked, asked) = run(&mut place, &["x\n"], 3, &[&["x\n"], &[]]);
    assert_eq!((ranked.len(), asked.len()), (1, 1));
}

#[test]
fn without_a_place_all_is_masked_and_the_output_is_quoted() {
    let mut place = place("grep -q ok f && exit 0; grep -q two f && exit 0; echo 'assertion failed'; exit 1");
    let (ranked, asked) = run(&mut place, &["a\nb\n"], 2, &[&["ok\n"]]);
    assert_eq!(asked, [(1, vec!["a\nb\n".to_owned()], "assertion failed".to_owned())]);
    assert_eq!(ranked[0], ("ok\n".into(), Some(true)));
}
