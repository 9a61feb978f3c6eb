use super::*;

const OLD: &str = "head\na\nb\nc\nd\nmiddle\ne\ntail\n";

fn plan(root: &Path) -> Plan {
    let path = root.join("f.rs");
    std::fs::write(&path, OLD).unwrap();
    let document = Document::read(&path).unwrap();
    let spans = vec![document.line_span(2, 5).unwrap(), document.line_span(7, 7).unwrap()];
    let files = vec![PlanFile::new("f.rs".into(), &document, &Spans::new(&document, spans).unwrap())];
    let texts = vec![vec!["a\nB\nc\nD\n".to_owned(), "E\n".to_owned()]];
    let candidate = PlanCandidate::new(&[&document], &files, texts).unwrap();
    Plan { version: PLAN_VERSION, instruction: None, files, candidates: vec![candidate] }
}

fn apply(plan: &Plan, root: &Path, chosen: &[usize]) -> Result<String, PlanError> {
    let plan = Plan::from_json(plan.to_json()?.as_bytes())?;
    let changes = plan.changes(Some(root), 1, chosen)?;
    Ok(String::from_utf8(hunk::apply(&changes[0].document, &changes[0].hunks)?).unwrap())
}

#[test]
fn applies_all_or_chosen_hunks() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path());
    assert_eq!(apply(&plan, dir.path(), &[]).unwrap(), "head\na\nB\nc\nD\nmiddle\nE\ntail\n");
    assert_eq!(apply(&plan, dir.path(), &[2, 3]).unwrap(), "head\na\nb\nc\nD\nmiddle\nE\ntail\n");
    assert!(matches!(apply(&plan, dir.path(), &[4]), Err(PlanError::Missing { what: "hunk", count: 3, .. })));
    assert!(matches!(plan.changes(Some(dir.path()), 2, &[]), Err(PlanError::Missing { what: "candidate", .. })));
}

#[test]
fn follows_its_spans_and_refuses_when_they_changed() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path());
    let file = dir.path().join("f.rs");
    std::fs::write(&file, format!("// new\n{OLD}// end\n")).unwrap();
    assert_eq!(apply(&plan, dir.path(), &[1]).unwrap(), format!("// new\n{}// end\n", OLD.replace("b\n", "B\n")));
    std::fs::write(&file, OLD.replace("c\n", "see\n")).unwrap();
    assert!(matches!(apply(&plan, dir.path(), &[1]), Err(PlanError::Stale { .. })));
}

#[test]
fn a_forged_plan_stays_in_its_spans_and_in_the_tree() {
    let dir = tempfile::tempdir().unwrap();
    let mut forged = plan(dir.path());
    forged.candidates[0].hunks[0][0] = Hunk { at: Span::new(0, 5), old: "head\n".into(), new: "evil\n".into() };
    assert!(matches!(apply(&forged, dir.path(), &[]), Err(PlanError::Outside { .. })));
    for path in ["../outside", "/etc/passwd", ".git/config"] {
        let mut forged = plan(dir.path());
        std::fs::create_dir_all(dir.path().join(".git")).unwrap();
        std::fs::write(dir.path().join(".git/config"), OLD).unwrap();
        forged.files[0].path = path.into();
        assert!(matches!(apply(&forged, dir.path(), &[]), Err(PlanError::Target(_))), "{path}");
    }
    // A span that claims to be longer than its text, in a file that changed: its hunk would lie outside of what was found.
    let mut forged = plan(dir.path());
    forged.files[0].spans.truncate(1);
    forged.files[0].spans[0].span.end = OLD.len();
    let at = OLD.find("tail").unwrap();
    forged.candidates[0].hunks[0] = vec![Hunk { at: Span::new(at, at + 5), old: "tail\n".into(), new: "evil\n".into() }];
    std::fs::write(dir.path().join("f.rs"), format!("// new\n{OLD}")).unwrap();
    assert!(matches!(apply(&forged, dir.path(), &[]), Err(PlanError::Outside { .. })));
    // Numbers at the end of what a number can be.
    let mut forged = plan(dir.path());
    let far = usize::MAX - 1;
    for span in &mut forged.files[0].spans {
        (span.span, span.anchor.start, span.anchor.rest) = (Span::new(far, usize::MAX), far, far);
    }
    forged.candidates[0].hunks[0][0].at = Span::new(far, usize::MAX);
    assert!(apply(&forged, dir.path(), &[]).is_err());
    std::fs::write(dir.path().join("f.rs"), "other\n").unwrap();
    assert!(matches!(apply(&forged, dir.path(), &[]), Err(PlanError::Stale { .. })));
    assert!(matches!(Plan::from_json(br#"{"version":2}"#), Err(PlanError::Version { found: 2 })));
    assert!(matches!(Plan::from_json(b"{}"), Err(PlanError::Format(_))));
    assert!(matches!(Plan::from_json(b"\xff"), Err(PlanError::Format(_))));
}

#[test]
fn the_rest_of_a_plan_goes_in_after_a_part_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path());
    let all = "head\na\nB\nc\nD\nmiddle\nE\ntail\n";
    let file = dir.path().join("f.rs");
    // Every order of two steps, with and without a change elsewhere between them.
    for first in [&[1][..], &[2], &[3], &[1, 3], &[2, 3], &[1, 2, 3]] {
        for (before, after) in [("", ""), ("// new\n", ""), ("", "// end\n")] {
            std::fs::write(&file, OLD).unwrap();
            let step = apply(&plan, dir.path(), first).unwrap();
            std::fs::write(&file, format!("{before}{step}{after}")).unwrap();
            let rest = apply(&plan, dir.path(), &[]).unwrap();
            assert_eq!(rest, format!("{before}{all}{after}"), "{first:?} {before:?} {after:?}");
            std::fs::write(&file, rest).unwrap();
            assert!(plan.changes(Some(dir.path()), 1, &[]).unwrap()[0].hunks.is_empty(), "all of it is there");
        }
    }
    std::fs::write(&file, all.replace("c\n", "see\n")).unwrap();
    assert!(matches!(apply(&plan, dir.path(), &[]), Err(PlanError::Stale { .. })), "text that is in no version of the plan");
}
