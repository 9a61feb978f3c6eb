//! A desk to run dcode at: a folder with files, which may be a repository, and a home of its own beside it.

use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use dcode::document::Document;
use dcode::document::Span;
use dcode::document::Spans;
use dcode::model::locate::locate;
use dcode::patch::Plan;
use dcode::patch::plan::PLAN_VERSION;
use dcode::patch::plan::PlanCandidate;
use dcode::patch::plan::PlanFile;

use crate::common::embedded_model;

/// See the module.
pub struct Desk {
    _temp: tempfile::TempDir,
    pub folder: PathBuf,
    pub home: PathBuf,
}

/// What a program said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let said = Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!said.err.contains("panicked") && !said.err.contains("internal fault"), "{}", said.err);
        said
    }
}

impl Desk {
    pub fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("work")).unwrap();
        std::fs::create_dir(base.join("home")).unwrap();
        Self { folder: base.join("work"), home: base.join("home"), _temp: temp }
    }

    /// In a repository without a commit.
    pub fn in_git() -> Self {
        let desk = Self::new();
        desk.git(&["init", "-q"]);
        desk
    }

    /// A program in the folder that sees no settings of the machine.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("HOME", &self.home).env("XDG_CONFIG_HOME", &self.home);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("DCODE_HOME", &self.home);
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "DCODE_MODEL", "DCODE_DEVICE", "DCODE_CONFIG", "GIT_DIR", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        command
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let mut git = self.command("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@a", "-c", "protocol.file.allow=always"]).args(arguments);
        let output = git.output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn commit(&self, name: &str, text: &str) {
        self.write(name, text);
        self.git(&["add", "."]);
        self.git(&["commit", "-q", "-m", "x"]);
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    pub fn dcode(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(env!("CARGO_BIN_EXE_dcode")).args(arguments).output().unwrap())
    }

    /// As [`Desk::dcode`], with something on standard input.
    pub fn dcode_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = self.command(env!("CARGO_BIN_EXE_dcode"));
        let mut child =
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Said::of(child.wait_with_output().unwrap())
    }

    /// A plan that replaces lines of a file, saved as `name` beside the folder.
    pub fn plan(&self, name: &str, file: &str, lines: (usize, usize), new: &str) -> PathBuf {
        let document = Document::read(&self.folder.join(file)).unwrap();
        let span: Span = document.line_span(lines.0, lines.1).unwrap();
        let files = vec![PlanFile::new(file.into(), &document, &Spans::new(&document, vec![span]).unwrap())];
        let candidates = vec![PlanCandidate::new(&[&document], &files, vec![vec![new.to_owned()]]).unwrap()];
        let plan = Plan { version: PLAN_VERSION, instruction: None, files, candidates };
        let path = self.home.with_file_name(name);
        std::fs::write(&path, plan.to_json().unwrap()).unwrap();
        path
    }
}

/// The folder of the embedded model; `None`, with the reason printed, when it is not complete.
pub fn model() -> Option<String> {
    static MODEL: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let find = || {
        embedded_model()?;
        locate(None).ok()?.base.first()?.parent().map(|folder: &Path| folder.display().to_string())
    };
    MODEL.get_or_init(find).clone()
}
