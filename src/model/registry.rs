//! The open models that dcode knows by name: `assets/models.toml`.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::hub::name::Repo;
use crate::model::overrides::SpecOverrides;

const TEXT: &str = include_str!("../../assets/models.toml");

/// A model that is registered.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is called here.
    pub name: String,
    /// Where it is on the hub, with the commit that is pinned.
    pub repo: Repo,
    /// What it was made from.
    pub about: String,
    /// Its parameters, in billions.
    pub parameters: f64,
    /// Licence of the weights, where its authors' repository names it.
    pub licence: Option<String>,
    /// The rule of its reference, as for `--sampler`.
    pub sampler: Option<String>,
    /// What its authors run it with, for people.
    pub recommended: Option<String>,
    /// Why dcode cannot run it.
    pub unsupported: Option<String>,
    /// What the checkpoint does not say of itself.
    pub spec: SpecOverrides,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    repo: String,
    revision: Option<String>,
    about: String,
    parameters: f64,
    licence: Option<String>,
    sampler: Option<String>,
    recommended: Option<String>,
    unsupported: Option<String>,
    #[serde(default)]
    spec: toml::Table,
}

fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let entry = |raw: Raw| -> Result<Entry, String> {
        let repo = raw.repo.parse::<Repo>().map_err(|error| format!("{}: {error}", raw.name))?;
        Ok(Entry {
            repo: repo.or_revision(raw.revision.as_deref()),
            spec: SpecOverrides::from_table(&raw.spec).map_err(|error| format!("{}: {error}", raw.name))?,
            name: raw.name,
            about: raw.about,
            parameters: raw.parameters,
            licence: raw.licence,
            sampler: raw.sampler,
            recommended: raw.recommended,
            unsupported: raw.unsupported,
        })
    };
    file.model.into_iter().map(entry).collect()
}

/// All entries, in the order of the file.
pub fn entries() -> &'static [Entry] {
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    // A test reads the file; a program that could not would still edit with the models that it finds.
    ENTRIES.get_or_init(|| parse(TEXT).unwrap_or_default())
}

/// The entry called `name`.
pub fn named(name: &str) -> Option<&'static Entry> {
    entries().iter().find(|entry| entry.name == name)
}

/// The entry of a repository, whatever its revision.
pub fn of_repo(repo: &Repo) -> Option<&'static Entry> {
    entries().iter().find(|entry| entry.repo.id().eq_ignore_ascii_case(repo.id()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::diffusion::samplers::choice::Choice;
    use crate::hub::name::is_commit;
    use crate::model::spec::Attention;
    use crate::model::spec::Shift;

    #[test]
    fn the_file_is_right() {
        let entries = parse(TEXT).unwrap();
        assert!(entries.len() >= 30);
        let names: HashSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let repos: HashSet<&str> = entries.iter().map(|entry| entry.repo.id()).collect();
        assert_eq!((names.len(), repos.len()), (entries.len(), entries.len()), "each is there once");
        for entry in &entries {
            assert!(entry.name.chars().all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '-' | '.')), "{}", entry.name);
            assert!(entry.repo.revision().is_none_or(is_commit), "{}", entry.name);
            assert!(entry.sampler.as_deref().is_none_or(|sampler| sampler.parse::<Choice>().is_ok()), "{}", entry.name);
            assert!((0.1..=100.0).contains(&entry.parameters), "{}", entry.name);
            // What says who sees whom says where predictions are read, too.
            assert_eq!(entry.spec.attention.is_some(), entry.spec.shift.is_some(), "{}", entry.name);
        }
    }

    #[test]
    fn entries_are_found() {
        let entry = named("stable-diffcoder-8b-base").unwrap();
        assert_eq!((entry.spec.attention, entry.spec.shift), (Some(Attention::BlockCausal(4)), Some(Shift::None)));
        assert_eq!(of_repo(&"bytedance-seed/Stable-DiffCoder-8B-Base@main".parse().unwrap()).unwrap().name, entry.name);
        assert!(named("none").is_none() && of_repo(&"a/b".parse().unwrap()).is_none());
    }

    #[test]
    fn a_wrong_file_is_refused() {
        let with = |line: &str| parse(&format!("[[model]]\nname = \"a\"\nrepo = \"o/n\"\nabout = \"\"\nparameters = 1\n{line}"));
        assert!(with("").is_ok());
        for wrong in ["speed = 1", "spec = { attention = \"all\" }", "spec = { head = 1 }", "licence = 1"] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
        assert!(parse("[[model]]\nname = \"a\"\nrepo = \"..\"\nabout = \"\"\nparameters = 1\n").is_err());
    }
}
