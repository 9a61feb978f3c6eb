//! Input that cannot be edited: one clear line, its exit code, and the file as it was.

use std::path::Path;
use std::process::Command;
use std::process::Output;

use tempfile::TempDir;

/// A folder with a file in it, and dcode with a home of its own.
struct Place {
    folder: TempDir,
}

const FILE: &str = "fn main() {\n    let x = 1;\n    println!(\"{x}\");\n}\n";

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.rs"), FILE).unwrap();
        Self { folder }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn dcode(&self, arguments: &[&str]) -> Output {
        dcode_in(self.folder.path()).args(arguments).output().unwrap()
    }

    /// Runs `dcode edit` and checks that it refuses as it should.
    fn refuses(&self, arguments: &[&str], exit: i32, says: &str) {
        let before = snapshot(self.folder.path());
        let output = self.dcode(&[&["edit"], arguments].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        // The resolved ranges may stand before it; usage errors of the argument parser have their own form.
        let (errors, other): (Vec<&str>, Vec<&str>) = stderr.lines().partition(|line| line.starts_with("dcode: "));
        assert!(exit == 2 || (errors.len() == 1 && other.iter().all(|line| line.contains("(bytes "))), "one line: {stderr}");
        assert_eq!(snapshot(self.folder.path()), before, "{arguments:?} changed a file");
    }
}

fn dcode_in(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dcode"));
    command.current_dir(folder).env("DCODE_HOME", folder.join("home")).env_remove("DCODE_MODEL").env_remove("DCODE_DEVICE");
    command
}

fn snapshot(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn files_that_are_no_text_or_not_there() {
    let place = Place::new();
    place.write("nul.rs", b"fn a() {}\0\n");
    place.write("latin1.rs", b"// caf\xe9\n");
    place.refuses(&["missing.rs", "--range", "1:2"], 2, "no such file");
    place.refuses(&[".", "--range", "1:2"], 2, "is a directory");
    place.refuses(&["nul.rs", "--range", "1:1"], 4, "binary file");
    place.refuses(&["latin1.rs", "--range", "1:1"], 4, "not UTF-8");
}

#[test]
fn ranges_that_do_not_fit() {
    let place = Place::new();
    place.refuses(&["a.rs"], 2, "--range 10:40");
    place.refuses(&["a.rs", "--range", ""], 2, "range");
    place.refuses(&["a.rs", "--range", "3:2"], 2, "ends before it starts");
    place.refuses(&["a.rs", "--range", "0:2"], 2, "start at 1");
    place.refuses(&["a.rs", "--range", "3:9"], 2, "past the end, the file has 4 lines");
    place.refuses(&["a.rs", "--range", "1:2", "--range", "2:3"], 2, "overlap");
    place.refuses(&["a.rs", "--range", "2:5-2:4"], 2, "ends before it starts");
    place.refuses(&["a.rs", "--range", "a.rs:1:2"], 2, "names a position in a file");
    place.refuses(&["a.rs", "--range", "nothing::here"], 2, "nothing::here");
    place.write("empty.rs", b"");
    place.refuses(&["empty.rs", "--range", "1:1"], 2, "empty");
    // Known to no grammar: lines work, symbols say why they do not.
    place.write("notes.xyz", b"some text\n");
    place.refuses(&["notes.xyz", "--range", "a::b"], 2, "language");
}

#[test]
fn flags_that_contradict_each_other() {
    let place = Place::new();
    place.refuses(&["a.rs", "--range", "1:2", "--dry-run", "--in-place"], 2, "cannot be used with");
    place.refuses(&["a.rs", "--range", "1:2", "--json", "--stdout"], 2, "cannot be used with");
    place.refuses(&["a.rs", "--range", "1:2", "--device", "tpu"], 2, "unknown device");
    place.refuses(&["a.rs", "--range", "1:2", "--time-limit", "0"], 2, "above 0");
    place.refuses(&["a.rs", "--range", "1:2", "--candidates", "0"], 2, "candidates");
}

/// What is expected is compared before any model is loaded; with what is there the edit goes on, to the missing model.
#[test]
fn what_is_not_expected() {
    let place = Place::new();
    let hash = dcode::document::ContentHash::of(FILE.as_bytes()).to_string();
    let missing = ["--model", "no-such-model"];
    let goes_on = |arguments: &[&str]| place.refuses(&[&["a.rs"], arguments, &missing].concat(), 5, "is not installed");
    goes_on(&["--range", "2:2", "--expect-hash", &hash]);
    goes_on(&["--range", "2:2", "--expect", "    let x = 1;"]);
    goes_on(&["--range", "3:3", "--range", "2:2", "--expect", "    let x = 1;\n", "--expect", "    println!(\"{x}\");"]);
    goes_on(&["--at", "2:9", "--expand", "fn", "--expect", FILE]);
    goes_on(&["--at", "2:9", "--expand", "stmt", "--expect", "let x = 1;"]);
    place.refuses(&["a.rs", "--range", "2:2", "--expect-hash", &"0".repeat(64)], 4, "look at its lines again");
    place.refuses(&["a.rs", "--range", "2:2", "--expect-hash", "12ab"], 2, "is not a sha256");
    place.refuses(&["a.rs", "--range", "2:2", "--expect", "let x = 1;"], 4, "but \"    let x = 1;\"");
    place.refuses(&["a.rs", "--range", "1:2", "--expect", "a", "--expect", "b"], 2, "2 times for 1 spans");
    place.refuses(&["a.rs", "--at", "9:1", "--expand", "fn"], 2, "the file has 4 lines");
    place.refuses(&["a.rs", "--at", "2:9"], 2, "--expand");
    place.refuses(&["a.rs", "--at", "2", "--expand", "fn"], 2, "is not a position");
    place.refuses(&["a.rs", "--at", "2:9", "--expand", "word"], 2, "choose expr, stmt, block, fn or impl");
}

#[test]
fn destinations_that_cannot_be() {
    let place = Place::new();
    place.write("b.rs", b"fn other() {}\n");
    place.refuses(&["a.rs", "--range", "1:2", "--plan", "p", "--in-place"], 2, "cannot be used with");
    place.refuses(&["a.rs", "--range", "1:2", "--plan", "b.rs"], 4, "is no plan");
    place.refuses(&["a.rs", "--range", "1:2", "--plan", "a.rs"], 4, "is no plan");
    place.refuses(&["a.rs", "--range", "1:2", "--plan", "-", "--json"], 2, "name a file for the plan");
    place.refuses(&["a.rs", "--range", "1:2", "--index", "--dry-run"], 2, "cannot be used with");
    place.refuses(&["a.rs", "--range", "1:2", "--index"], 2, "add --in-place");
    place.refuses(&["a.rs", "--range", "1:2", "--index", "--in-place"], 2, "needs a git work tree");
}

#[test]
fn models_that_are_missing_or_damaged() {
    let place = Place::new();
    let edit = |model: &str, says: &str| place.refuses(&["a.rs", "--range", "1:2", "--model", model], 5, says);
    edit("no-such-model", "is not installed");
    edit("./no/such/folder", "no such file or folder");
    place.write("text.gguf", b"this is not a model");
    edit("text.gguf", "not a GGUF file");
    place.write(
        "lies.gguf",
        &[b"GGUF".as_slice(), &3u32.to_le_bytes(), &u64::MAX.to_le_bytes(), &u64::MAX.to_le_bytes()].concat(),
    );
    edit("lies.gguf", "more than the file can hold");
    place.write("part-00001-of-00003.gguf", b"GGUF");
    edit("part-00001-of-00003.gguf", "1 of 3 are there");
    std::fs::create_dir(place.folder.path().join("hf")).unwrap();
    edit("hf", "base model");
    place.write("hf/model.safetensors", b"");
    edit("hf", "config.json is missing");
    place.write("hf/config.json", br#"{"model_type": "unheard-of", "hidden_size": 8}"#);
    edit("hf", "config.json");
}

#[test]
fn a_filter_that_fails_echoes_its_input() {
    use std::io::Write;
    let place = Place::new();
    let input = b"fn a() {}\r\n\xff\n".as_slice();
    for (arguments, exit) in [
        (&["filter", "--stdin-filename", "a.rs", "--range", "1:1"][..], 4),
        (&["filter", "--stdin-filename", "a.rs", "--range", "1:1", "--model", "no-such-model"][..], 4),
    ] {
        let mut child = dcode_in(place.folder.path())
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(exit));
        assert_eq!(output.stdout, input, "the input comes back as it was");
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
    }
}
