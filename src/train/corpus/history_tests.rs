use git2::Signature;
use git2::Time;

use super::*;

struct Repo {
    temp: tempfile::TempDir,
    repository: Repository,
    clock: i64,
}

const FILE: &str = "def one(value):\n    return value\n\n\ndef two(value):\n    result = value + 2\n    return result\n\n\ndef three(value):\n    return value * 3\n";

impl Repo {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let repository = Repository::init(temp.path()).unwrap();
        std::fs::write(temp.path().join("LICENSE"), include_str!("../../../LICENSE")).unwrap();
        Self { temp, repository, clock: 1_000_000 }
    }

    /// Commits files at the next second.
    fn commit(&mut self, subject: &str, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.temp.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut index = self.repository.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::FORCE, None).unwrap();
        index.write().unwrap();
        let tree = self.repository.find_tree(index.write_tree().unwrap()).unwrap();
        self.clock += 1;
        let author = Signature::new("a", "a@a", &Time::new(self.clock, 0)).unwrap();
        let parent = self.repository.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        self.repository.commit(Some("HEAD"), &author, &author, subject, &tree, &parents).unwrap();
    }

    fn history(&self, period: Period, any_licence: bool) -> History {
        let licences = Licences::new();
        let tree = Tree { name: "r".to_owned(), ..Tree::new(self.temp.path()).unwrap() };
        let wanted = Wanted { languages: &[Language::Python], period, any_licence, licences: &licences };
        history(&tree, &wanted, &mut |_| {}).unwrap()
    }
}

#[test]
fn one_hunk_with_its_subject() {
    let mut repo = Repo::new();
    repo.commit("add the functions", &[("a.py", FILE)]);
    let second = FILE.replace("    result = value + 2\n    return result\n", "    return value + 2\n");
    repo.commit("return the sum directly (#12)", &[("a.py", &second)]);
    let third = second.replace("def three", "def zero():\n    return 0\n\n\ndef three");
    repo.commit("add a function zero", &[("a.py", &third)]);
    let found = repo.history(Period::default(), false);
    assert_eq!(found.commits, 3);
    assert_eq!(found.commits_left_out.0, [(Reason::Merge, 1)].into());
    let [insertion, edit] = found.edits.as_slice() else { panic!("{found:?}") };
    assert_eq!((edit.file.as_str(), edit.instruction.as_str(), edit.date), ("r/a.py", "return the sum directly", 1_000_002));
    assert_eq!((edit.old.as_str(), edit.new.as_str()), ("    result = value + 2\n    return result\n", "    return value + 2\n"));
    assert_eq!((insertion.old.as_str(), insertion.new.as_str()), ("", "def zero():\n    return 0\n\n\n"));
    for (edit, old, new) in [(edit, FILE, &second), (insertion, &second, &third)] {
        // The file is small enough to be there as a whole.
        assert_eq!([edit.before.as_str(), &edit.old, &edit.after].concat(), old);
        assert_eq!([edit.before.as_str(), &edit.new, &edit.after].concat(), *new);
    }
    // By date: from the second on, until before the third.
    let dated = repo.history(Period { since: Some(1_000_002), before: Some(1_000_003) }, false);
    assert_eq!((dated.commits, dated.edits.len()), (1, 1));
}

#[test]
fn what_is_no_edit() {
    let mut repo = Repo::new();
    repo.commit(
        "add the functions",
        &[("a.py", FILE), ("b.py", FILE), ("c.txt", "x\n"), ("private/d.py", FILE), ("e.py", FILE), ("credentials", FILE)],
    );
    let reasons = |repo: &Repo| repo.history(Period { since: Some(repo.clock), before: None }, false).left_out.0;
    let changed = FILE.replace("value * 3", "3 * value");
    repo.commit(
        "swap the factors here",
        &[("a.py", &changed.replace("def one", "def eins")), ("c.txt", "yy\n"), ("new.py", FILE)],
    );
    assert_eq!(reasons(&repo), [(Reason::Language, 1), (Reason::NotModified, 1), (Reason::Hunks, 1)].into());
    std::fs::write(repo.temp.path().join(".dcodeignore"), "private/\n").unwrap();
    std::fs::write(repo.temp.path().join(".gitignore"), "b.py\n").unwrap();
    repo.commit("swap the factors there", &[("private/d.py", &changed), ("b.py", &changed)]);
    assert_eq!(reasons(&repo)[&Reason::Ignored], 2, "tracked files that are ignored stay out too");
    repo.commit("indent with more blanks", &[("e.py", &FILE.replace("    return value * 3", "        return value * 3"))]);
    assert_eq!(reasons(&repo), [(Reason::Shape, 1)].into());
    repo.commit("put the key in place", &[("e.py", &FILE.replace("value * 3", "'-----BEGIN'\n-----BEGIN RSA PRIVATE KEY-----"))]);
    assert_eq!(reasons(&repo), [(Reason::Secret, 1)].into());
    let many: Vec<String> = (0..6).map(|number| format!("many{number}.py")).collect();
    let files = |text: &'static str| many.iter().map(|name| (name.as_str(), text)).collect::<Vec<_>>();
    repo.commit("add many files", &files(FILE));
    let found = repo.history(Period { since: Some(repo.clock), before: None }, false);
    assert_eq!(found.commits_left_out.0, [(Reason::Wide, 1)].into());
    repo.commit("wip", &[("e.py", FILE)]);
    let found = repo.history(Period { since: Some(repo.clock), before: None }, false);
    assert_eq!(found.commits_left_out.0, [(Reason::Subject, 1)].into());
    std::fs::remove_file(repo.temp.path().join("LICENSE")).unwrap();
    repo.commit("swap the factors at last", &[("e.py", &changed)]);
    assert_eq!(reasons(&repo)[&Reason::UnknownLicence], 1);
    let period = Period { since: Some(repo.clock), before: None };
    assert_eq!(repo.history(period, true).edits.len(), 1);
}

#[test]
fn without_a_history() {
    let temp = tempfile::tempdir().unwrap();
    let licences = Licences::new();
    let tree = Tree::new(temp.path()).unwrap();
    let wanted = Wanted { languages: &[Language::Python], period: Period::default(), any_licence: true, licences: &licences };
    assert!(matches!(history(&tree, &wanted, &mut |_| {}), Err(CorpusError::NoHistory { .. })));
    Repository::init(temp.path()).unwrap();
    assert!(history(&tree, &wanted, &mut |_| {}).unwrap().edits.is_empty(), "no commit yet");
}

#[test]
fn subjects() {
    for (subject, expected) in [
        ("Fix the off-by-one in the parser (#123)", Some("Fix the off-by-one in the parser")),
        ("fix(parser): handle empty input", Some("fix(parser): handle empty input")),
        ("Merge branch 'main'", None),
        ("Revert \"Fix it all\"", None),
        ("bump serde to 1.0.200", None),
        ("fixes", None),
        ("refactoring", None),
        ("use api_key = 'q8Zr0vXk3LmT1yBn7WdG5sHj' for now", None),
        ("v1.2.3 (2024-01-01)", None),
        ("thanks to someone@example.org", None),
        ("", None),
    ] {
        assert_eq!(instruction(subject).as_deref(), expected, "{subject}");
    }
}
