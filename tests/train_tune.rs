//! `dcode tune`: an adapter for one's own repository, measured on files that it did not see.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

use dcode::model::device;
use dcode::model::device::DeviceChoice;
use dcode::model::load::load;
use dcode::model::locate::locate;

use crate::train_run::MASK;
use crate::train_run::Place;
use crate::train_run::of_family;

const IGNORED: &str = "mark_that_is_ignored";

/// A folder with a small base and a repository.
struct Bench {
    place: Place,
    base: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let place = Place::new();
        place.recipe("base.toml", &(of_family("llama").replace("average = 0.9\n", "") + MASK));
        let base = place.trained(&["--recipe", "base.toml", "--out", "base", "--max-steps", "6"]);
        let repository = place.path("repository");
        std::fs::create_dir(&repository).unwrap();
        git(&repository, &["init", "-q"]);
        for entry in std::fs::read_dir(place.path("src")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, repository.join(path.file_name().unwrap())).unwrap();
        }
        std::fs::write(repository.join(".gitignore"), "/out.rs\n").unwrap();
        let ignored = format!("/// Not to be learned.\nfn {IGNORED}() -> u32 {{\n    let one = 1;\n    one\n}}\n");
        std::fs::write(repository.join("out.rs"), ignored).unwrap();
        git(&repository, &["add", "."]);
        git(&repository, &["commit", "-qm", "add the files"]);
        Self { place, base }
    }

    fn tune(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcode"));
        command.current_dir(self.place.path("repository")).env("DCODE_HOME", self.place.path("home")).arg("tune");
        command.args(["--model", self.base.to_str().unwrap()]).args(arguments).env("DCODE_DEVICE", "cpu");
        command.env_remove("DCODE_MODEL").env_remove("DCODE_ADAPTER").output().unwrap()
    }

    /// The adapter that was made, and what was said.
    fn tuned(&self, arguments: &[&str]) -> (PathBuf, String) {
        let output = self.tune(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        (PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end()), stderr)
    }

    fn refused(&self, arguments: &[&str], exit: i32, says: &str) {
        let output = self.tune(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    }
}

fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@a"];
    let done = Command::new("git").current_dir(folder).args(identity).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn an_adapter_gets_better_on_files_that_it_did_not_see() {
    let bench = Bench::new();
    let (adapter, said) = bench.tuned(&["--steps", "8", "--rate", "2e-3"]);
    assert!(adapter.ends_with("tuned/repository/result/adapter.safetensors") && adapter.is_file(), "{adapter:?}");
    let told = said.lines().find(|line| line.starts_with("held-out loss ")).unwrap();
    let losses: Vec<f64> = told.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    assert!(losses[1] < losses[0], "{told}");
    assert!(said.contains(&format!("dcode edit FILE --adapter {}", adapter.display())));
    // Nothing of an ignored file is anywhere in the run, as text or as the names of its records.
    let run = adapter.parent().unwrap().parent().unwrap();
    let shards: Vec<PathBuf> = files_below(&run.join("corpus"));
    assert!(shards.iter().any(|path| path.extension().is_some_and(|extension| extension == "shard")));
    for path in shards {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"out.rs"), "{}", path.display());
    }
    // The engine takes it.
    let mut files = locate(Some(bench.base.to_str().unwrap())).unwrap();
    files.adapter = Some(adapter.clone());
    load(&files, &device::open(DeviceChoice::Cpu).unwrap(), &mut |_| {}).unwrap();
    // A second run must not take its place, unless it is another folder's; and it goes on from an adapter.
    bench.refused(&["--steps", "8"], 4, "a run is there already");
    let (_, said) = bench.tuned(&["--steps", "2", "--out", "../again", "--adapter", adapter.to_str().unwrap()]);
    let begun = said.lines().find(|line| line.starts_with("held-out loss ")).unwrap();
    let begun: Vec<f64> = begun.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    assert!((begun[0] - losses[1]).abs() < 0.01, "it begins where the first one ended: {begun:?} {losses:?}");
    assert_ne!(std::fs::read(bench.place.path("again/result/adapter.safetensors")).unwrap(), std::fs::read(adapter).unwrap());
}

#[test]
fn what_cannot_be_tuned_on_is_refused() {
    let bench = Bench::new();
    let outside = bench.place.path("src");
    bench.refused(&[outside.to_str().unwrap()], 2, "not in a git work tree");
    bench.refused(&["nowhere"], 2, "nowhere: no such folder");
    bench.refused(&["--rate", "0"], 2, "optimiser.rate: 0 is not above 0");
    std::fs::create_dir(bench.place.path("repository/private")).unwrap();
    std::fs::write(bench.place.path("repository/.dcodeignore"), "private/\n").unwrap();
    bench.refused(&["private"], 4, "is ignored");
    bench.refused(&["--adapter", "none.safetensors"], 5, "none.safetensors");
}
