use super::*;
use crate::diffusion::denoise::Ending;
use crate::syntax::guard::Report;
use crate::syntax::guard::Unjudged;
use crate::syntax::guard::Verdict as Syntax;
use crate::verify::CheckResult;
use crate::verify::Diagnostic;
use crate::verify::Level;
use crate::verify::Status;

pub(crate) fn candidate(number: usize, text: &str) -> Candidate {
    Candidate {
        number,
        texts: vec![text.to_owned()],
        confidence: 0.5,
        least_confidence: 0.5,
        ending: Ending::Complete,
        syntax: Report { verdict: Syntax::Unknown(Unjudged::UnsupportedLanguage), parsed_before: None },
        score: None,
        nfe: 1,
        tokens: 1,
        trajectory: None,
    }
}

fn part(text: &str) -> Part {
    let document = Document::from_bytes("f".into(), text.as_bytes().to_vec()).unwrap();
    let spans = Spans::new(&document, vec![document.line_span(2, 2).unwrap()]).unwrap();
    Part { document: Arc::new(document), spans, relative: "f".into() }
}

fn verdict(passed: bool, complaints: usize) -> Verdict {
    let complaint =
        |line| Diagnostic { file: "f".into(), line, last_line: line, column: None, level: Level::Warning, message: "m".into() };
    let new = (1..=complaints).map(complaint).collect();
    let (status, time) = (Status::Exited(i32::from(!passed)), std::time::Duration::ZERO);
    Verdict { results: vec![CheckResult { check: 0, status, passed, failed_before: false, time, new, tail: String::new() }] }
}

#[test]
fn verified_before_parsing_before_complaints_before_confidence_before_size() {
    let part = part("a\nbbbb\nc\n");
    let make = |number: usize, verdict: Option<Verdict>, ending, confidence, text: &str| {
        let candidate = Candidate { ending, confidence, ..candidate(number, text) };
        Proposal { number, parts: vec![candidate], verdict }
    };
    let mut proposals = vec![
        make(0, Some(verdict(false, 0)), Ending::Complete, 0.9, "x\n"),
        make(1, None, Ending::Complete, 0.9, "x\n"),
        make(2, Some(verdict(true, 2)), Ending::Complete, 0.9, "x\n"),
        make(3, Some(verdict(true, 1)), Ending::Complete, 0.5, "x\n"),
        make(4, Some(verdict(true, 1)), Ending::Complete, 0.8, "long\n"),
        make(5, Some(verdict(true, 1)), Ending::Complete, 0.8, "bbxb\n"),
        make(6, None, Ending::CutShort, 1.0, "x\n"),
        make(7, Some(verdict(false, 3)), Ending::Complete, 1.0, "x\n"),
    ];
    rank(std::slice::from_ref(&part), &mut proposals);
    assert_eq!(proposals.iter().map(|proposal| proposal.number).collect::<Vec<_>>(), [5, 4, 3, 2, 1, 6, 0, 7]);
    assert_eq!(proposals.iter().filter(|proposal| proposal.is_acceptable()).count(), 5, "none that failed or was cut short");
}

#[test]
fn candidates_of_several_files_stand_together() {
    let files = vec![vec![candidate(1, "a"), candidate(0, "b")], vec![candidate(0, "c")]];
    let texts: Vec<_> = combine(files).iter().map(Proposal::texts).collect();
    assert_eq!(texts, [[["a"], ["c"]], [["b"], ["c"]]]);
    assert!(combine(vec![vec![candidate(0, "a")], Vec::new()]).is_empty(), "a file without any");
    assert_eq!(combine(vec![vec![candidate(3, "a")]])[0].number, 3);
}

#[test]
fn a_spliced_file_knows_its_lines() {
    let part = part("a\r\nb\r\nc\r\n");
    let spliced = Spliced::new(&part, &["1\r\n2\r\n".to_owned()]).unwrap();
    assert_eq!(spliced.document.text(), "a\r\n1\r\n2\r\nc\r\n");
    assert_eq!(spliced.splice(&part).lines, [2..=3]);
    assert_eq!(Spliced::new(&part, &[String::new()]).unwrap().splice(&part).lines, [2..=2]);
}
