//! `dcode config` and `dcode trust`: which settings hold, where they come from, and whom they obey.

use crate::desk::Desk;

const FILE: &str = "fn main() {}\n";

/// Runs an edit that gets as far as the model that its settings name.
fn model_of(desk: &Desk, more: &[&str]) -> (Option<i32>, String) {
    let said = desk.dcode(&[&["edit", "a.rs", "--range", "1:1"], more].concat());
    (said.code, said.err)
}

#[test]
fn values_with_their_origin() {
    let desk = Desk::in_git();
    std::fs::write(desk.home.join("config.toml"), "# mine\ncandidates = 3\nstpes = 1\n").unwrap();
    desk.write(".dcode.toml", "steps = 64\n[verify]\nrounds = 1\n");
    let said = desk.dcode(&["config", "list"]);
    assert_eq!(said.code, Some(0));
    let line = |key: &str| said.out.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("candidates").contains("= 3 ") && line("candidates").contains("config.toml:2"), "{}", said.out);
    assert!(line("steps").contains("= 64 ") && line("steps").contains("repository, ") && line("steps").contains(".dcode.toml:1"));
    assert!(line("verify.rounds").contains("= 1 ") && line("verify.rounds").contains(".dcode.toml:3"));
    assert!(line("device").contains("= \"auto\"") && line("device").contains("built-in"));
    assert!(said.err.contains("config.toml:3: unknown key stpes; did you mean steps?"), "{}", said.err);
    assert_eq!(desk.dcode(&["config", "get", "steps"]).out, "64\n");
    let json: serde_json::Value =
        serde_json::from_str(desk.dcode(&["config", "list", "--json"]).out.lines().next().unwrap()).unwrap();
    assert_eq!((json["key"].as_str(), json["origin"].as_str()), (Some("model"), Some("built-in")));
    let said = desk.dcode(&["config", "get", "stpes"]);
    assert!(said.code == Some(2) && said.err.contains("did you mean steps?"), "{}", said.err);
    let said = desk.dcode(&["config", "path"]);
    assert!(said.out.contains("config.toml\n") && said.out.contains("trust (not there)"), "{}", said.out);
}

#[test]
fn keys_are_listed_and_checked() {
    let desk = Desk::in_git();
    std::fs::write(desk.home.join("config.toml"), "[keys.review]\nw = \"accept\"\n").unwrap();
    desk.write(".dcode.toml", "[keys.review]\nx = \"accept\"\n");
    let said = desk.dcode(&["config", "list"]);
    let line = said.out.lines().find(|line| line.starts_with("keys.")).unwrap();
    assert!(
        line.starts_with("keys.review.w") && line.contains("= \"accept\"") && line.contains("config.toml:2: accept the hunk")
    );
    assert!(said.code == Some(0) && said.err.contains(".dcode.toml:2: keys ignored"), "{}", said.err);
    for (text, says) in [
        ("[keys.review]\nw = \"explode\"\n", "config.toml:2: keys.review.w: `explode` is not an action"),
        ("[keys.review]\n\na = \"accept\"\n", "config.toml:3: keys.review.a: it is the only key of `apply`"),
        ("keys = 1\n", "config.toml:1: keys must be a table"),
    ] {
        std::fs::write(desk.home.join("config.toml"), text).unwrap();
        let said = desk.dcode(&["config", "list"]);
        assert!(said.code == Some(2) && said.err.contains(says) && said.err.lines().count() <= 2, "{}", said.err);
    }
}

#[test]
fn each_layer_covers_the_one_before_up_to_the_flags() {
    let desk = Desk::new();
    desk.write("a.rs", FILE);
    assert!(std::fs::write(desk.home.join("config.toml"), "model = \"of-the-user\"\n").is_ok());
    assert!(matches!(model_of(&desk, &[]), (Some(5), err) if err.contains("of-the-user is not installed")));
    assert!(matches!(model_of(&desk, &["--model", "of-a-flag"]), (Some(5), err) if err.contains("of-a-flag")));
    let mut command = desk.command(env!("CARGO_BIN_EXE_dcode"));
    let output = command.args(["edit", "a.rs", "--range", "1:1"]).env("DCODE_MODEL", "of-the-environment").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("of-the-environment"));
    for (text, says) in [
        ("\ncandidates = 99\n", "config.toml:2: candidates must be a whole number from 1 to 16"),
        ("steps = [\n", "config.toml:"),
        ("device = \"tpu\"\n", "unknown device"),
    ] {
        std::fs::write(desk.home.join("config.toml"), text).unwrap();
        let (code, err) = model_of(&desk, &["--model", "none"]);
        assert!(code == Some(2) && err.contains(says), "{text}: {err}");
    }
    // Help shows what holds.
    std::fs::write(desk.home.join("config.toml"), "steps = 77\n").unwrap();
    assert!(!desk.dcode(&["edit", "--help"]).out.is_empty());
}

#[test]
fn a_repository_runs_nothing_until_it_is_trusted_and_again_when_it_changes() {
    let desk = Desk::in_git();
    desk.write("a.rs", FILE);
    let config = desk.write(".dcode.toml", "model = \"theirs\"\n[verify]\ncommands = [[\"touch\", \"ran\"]]\n");
    let ignored = |desk: &Desk| {
        let (code, err) = model_of(desk, &["--no-verify", "--steps", "1", "--model", "none"]);
        assert_eq!(code, Some(5));
        err.contains("model, verify.commands ignored; look at the file")
            && err.lines().filter(|line| line.contains("ignored")).count() == 1
    };
    assert!(ignored(&desk), "one notice");
    let said = desk.dcode(&["trust"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out, "model = \"theirs\"\nverify.commands = [[\"touch\", \"ran\"]]\n", "what it lets in is shown");
    let (code, err) = model_of(&desk, &[]);
    assert!(code == Some(5) && err.contains("theirs is not installed") && !err.contains("ignored"), "{err}");
    assert!(desk.dcode(&["config", "get", "verify.commands"]).out.contains("touch"));
    // Outside of the repository, for this user alone.
    assert!(desk.home.join("trust").is_dir() && !desk.folder.join(".git/dcode").exists());
    assert!(desk.dcode(&["trust", "--list"]).out.trim_end().ends_with(".dcode.toml"));
    desk.write(".dcode.toml", "model = \"theirs\"\n[verify]\ncommands = [[\"rm\", \"-r\", \".\"]]\n");
    assert!(ignored(&desk), "another content");
    assert!(desk.dcode(&["trust", "--list"]).out.contains("changed since"));
    assert_eq!(desk.dcode(&["trust"]).code, Some(0));
    assert!(!ignored(&desk));
    assert!(desk.dcode(&["trust", "--revoke"]).err.contains("no longer trusted"));
    assert!(ignored(&desk));
    // A copy of it elsewhere is not trusted.
    assert_eq!(desk.dcode(&["trust"]).code, Some(0));
    let clone = desk.home.with_file_name("clone");
    desk.git(&["init", "-q", clone.to_str().unwrap()]);
    std::fs::copy(&config, clone.join(".dcode.toml")).unwrap();
    std::fs::write(clone.join("a.rs"), FILE).unwrap();
    let said = desk.dcode(&["edit", clone.join("a.rs").to_str().unwrap(), "--range", "1:1", "--model", "none"]);
    assert!(said.err.contains("ignored"), "{}", said.err);
    std::fs::remove_file(&config).unwrap();
    assert_eq!(desk.dcode(&["trust"]).code, Some(2));
    assert!(!desk.folder.join("ran").exists(), "nothing ran");
}

#[test]
fn a_filter_says_nothing_of_settings() {
    let desk = Desk::in_git();
    desk.write(".dcode.toml", "modle = 1\nmodel = \"x\"\n");
    let said = desk.dcode_with(&["filter", "--stdin-filename", "a.rs", "--model", "none"], FILE);
    assert!(said.code == Some(5) && said.err.lines().count() == 1 && said.out == FILE, "{}", said.err);
}

#[test]
fn global_flags_stand_before_a_command_and_others_do_not() {
    let desk = Desk::new();
    for arguments in [&["--color", "never", "log"][..], &["log", "--color", "never"]] {
        let said = desk.dcode(arguments);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
    for (arguments, says) in [
        (&["--model", "x", "log"][..], "--model before `log`"),
        (&["a.rs", "log"], "a file before `log`"),
        (&["--device", "cpu", "undo"], "--device"),
    ] {
        let said = desk.dcode(arguments);
        assert!(said.code == Some(2) && said.err.contains(says), "{arguments:?}: {}", said.err);
    }
}
