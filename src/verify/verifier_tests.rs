//! Verdicts of real commands: `sh` scripts and rustc.

use super::*;

struct Place {
    _temp: tempfile::TempDir,
    root: PathBuf,
    cache: PathBuf,
}

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().canonicalize().unwrap();
        let root = base.join("work");
        for (name, text) in files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { cache: base.join("cache"), root, _temp: temp }
    }

    fn start(&self, files: &[&str], commands: &[&str], seconds: u64) -> Result<Verifier, VerifyError> {
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        let checks = commands.iter().map(|line| Check { argv: words::split(line).unwrap(), folder: PathBuf::new() });
        let shadow = Shadow::open(&self.cache, &self.root).unwrap();
        Verifier::start(
            shadow,
            &files,
            &[],
            checks.collect(),
            Duration::from_secs(seconds),
            Cancel::default(),
            &mut |_, _, _, _| {},
        )
    }
}

/// The verdict on a file with this content, of which all lines are the candidate's.
fn verify(verifier: &mut Verifier, path: &str, text: &str) -> Verdict {
    let lines = vec![1..=text.lines().count().max(1)];
    let splice = Splice { path: Path::new(path), bytes: text.as_bytes(), lines };
    verifier.verify(&[splice], &mut |_| {}).unwrap()
}

const LIB: &str = "pub fn f() -> u32 {\n    1\n}\n";
const RUSTC: &str = "rustc --crate-type=lib --emit=metadata -o out.rmeta --error-format=json lib.rs";

#[test]
fn a_candidate_passes_or_fails_with_the_place() {
    let place = Place::new(&[("lib.rs", LIB)]);
    let mut verifier = place.start(&["lib.rs"], &[RUSTC, "grep -q f lib.rs"], 60).unwrap();
    assert!(verify(&mut verifier, "lib.rs", &LIB.replace('1', "2")).passed());
    let verdict = verify(&mut verifier, "lib.rs", &LIB.replace('1', "\"x\""));
    assert!(!verdict.passed());
    assert_eq!(verdict.results.len(), 1, "the second command is not run on what does not compile");
    let new: Vec<_> = verdict.complaints().collect();
    assert_eq!((new.len(), new[0].line, new[0].level), (1, 2, Level::Error));
    assert!(new[0].message.starts_with("mismatched types"), "{}", new[0].message);
    assert!(verify(&mut verifier, "lib.rs", LIB).passed(), "an earlier candidate leaves nothing behind");
    assert_eq!(std::fs::read_to_string(place.root.join("lib.rs")).unwrap(), LIB);
}

#[test]
fn old_failures_are_not_blamed() {
    let broken = format!("{LIB}pub fn g() -> u32 {{\n    \"old\"\n}}\n");
    let place = Place::new(&[("lib.rs", &broken)]);
    let mut verifier = place.start(&["lib.rs"], &[RUSTC], 60).unwrap();
    let verdict = verify(&mut verifier, "lib.rs", &format!("// more\n// lines\n{broken}"));
    assert!(verdict.passed() && verdict.results[0].failed_before && verdict.complaints().count() == 0);
    let verdict = verify(&mut verifier, "lib.rs", &broken.replace("    1\n", "    nothing\n"));
    assert!(!verdict.passed());
    assert_eq!(verdict.complaints().map(|new| new.line).collect::<Vec<_>>(), [2]);
    // The same complaint once more, in the lines of the candidate.
    let twice = broken.replace("    1\n", "    \"new\"\n");
    let splice = Splice { path: Path::new("lib.rs"), bytes: twice.as_bytes(), lines: vec![1..=3] };
    let verdict = verifier.verify(&[splice], &mut |_| {}).unwrap();
    assert_eq!(verdict.complaints().map(|new| new.line).collect::<Vec<_>>(), [2]);
}

#[test]
fn failures_without_a_place_must_be_the_same_ones() {
    let place = Place::new(&[("f", "one\n")]);
    let mut verifier = place.start(&["f"], &["sh -c 'echo took $$ ms; cat f; exit 1'"], 60).unwrap();
    assert!(verify(&mut verifier, "f", "one\none\n").passed());
    assert!(!verify(&mut verifier, "f", "two\n").passed());
    let mut verifier = place.start(&["f"], &["sh -c 'grep -q two f && exit 2; exit 1'"], 60).unwrap();
    assert!(!verify(&mut verifier, "f", "two\n").passed(), "another exit code");
}

/// Times, environment and folders.
#[test]
fn limits_and_surroundings() {
    let place = Place::new(&[("f", "1\n"), ("sub/g", "")]);
    let error = place.start(&["f"], &["sleep 60"], 1).unwrap_err();
    assert!(error.to_string().contains("raise --verify-time-limit"), "{error}");
    let error = place.start(&["f"], &["no-such-program --x"], 1).unwrap_err();
    assert!(error.to_string().starts_with("--verify no-such-program --x: cannot be started"), "{error}");
    let mut verifier = place.start(&["f"], &["sh -c 'grep -q 1 f || sleep 60'"], 1).unwrap();
    let verdict = verify(&mut verifier, "f", "2\n");
    assert_eq!(verdict.failure().unwrap().status, Status::TimedOut);
    let script = "sh -c 'test -z \"$GIT_DIR\" && case $CARGO_TARGET_DIR in */build) ;; *) exit 1;; esac && test ! -e ../.git && test -e f'";
    let mut verifier = place.start(&["f"], &[script], 60).unwrap();
    assert!(verify(&mut verifier, "f", "2\n").passed());
    let shadow = Shadow::open(&place.cache, &place.root).unwrap();
    let check = Check { argv: vec!["test".into(), "-e".into(), "g".into()], folder: "sub".into() };
    let files = [PathBuf::from("sub/g")];
    let mut status = None;
    let told = &mut |_, _: &Check, ended, _| status = Some(ended);
    Verifier::start(shadow, &files, &[], vec![check], Duration::from_secs(60), Cancel::default(), told).unwrap();
    assert_eq!(status, Some(Status::Exited(0)));
}
