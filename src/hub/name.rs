//! Names of repositories and revisions, as they are typed.

use std::fmt;
use std::str::FromStr;

use crate::hub::error::HubError;

/// The revision when none is named.
pub const MAIN: &str = "main";

/// A repository of models, with a revision when one was named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repo {
    /// `ORG/NAME`.
    id: String,
    revision: Option<String>,
}

impl Repo {
    /// `ORG/NAME`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The revision that was named: a branch, a tag or a commit.
    pub fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// The same with a revision, unless one was named.
    #[must_use]
    pub fn or_revision(self, revision: Option<&str>) -> Self {
        Self { revision: self.revision.or_else(|| revision.map(str::to_owned)), ..self }
    }

    /// Name of its folder in the cache, `models--ORG--NAME`.
    pub fn folder(&self) -> String {
        format!("models--{}", self.id.replace('/', "--"))
    }

    /// The repository of a folder of the cache.
    pub fn of_folder(name: &str) -> Option<Self> {
        let (org, name) = name.strip_prefix("models--")?.split_once("--")?;
        format!("{org}/{name}").parse().ok()
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))
    }
}

impl FromStr for Repo {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let wrong = || HubError::Name(text.to_owned());
        let (id, revision) = match text.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (text, None),
        };
        let (org, name) = id.split_once('/').ok_or_else(wrong)?;
        // The hub's own rules; they also keep a name from leaving its folder in the cache.
        let plain = |part: &str| {
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            (1..=96).contains(&part.len())
                && part.bytes().all(letters)
                && !part.starts_with(['-', '.'])
                && !part.ends_with(['-', '.'])
                && !part.contains("--")
                && !part.contains("..")
        };
        if !plain(org) || !plain(name) || revision.is_some_and(|revision| !is_revision(revision)) {
            return Err(wrong());
        }
        Ok(Self { id: id.to_owned(), revision: revision.map(str::to_owned) })
    }
}

/// Whether a text can be a branch, a tag (both may have slashes) or a commit.
fn is_revision(text: &str) -> bool {
    let part = |part: &str| {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !part.is_empty() && part.bytes().all(letters) && !part.starts_with(['.', '-'])
    };
    text.len() <= 200 && !text.contains("..") && text.split('/').all(part)
}

/// Whether a text is a commit: 40 hexadecimal digits.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_lead_nowhere_else() {
        let repo: Repo = "Dream-org/Dream-v0-Base-7B@refs/pr/1".parse().unwrap();
        assert_eq!((repo.id(), repo.revision()), ("Dream-org/Dream-v0-Base-7B", Some("refs/pr/1")));
        assert_eq!(repo.folder(), "models--Dream-org--Dream-v0-Base-7B");
        assert_eq!(Repo::of_folder(&repo.folder()).unwrap().id(), repo.id());
        assert_eq!(repo.to_string().parse::<Repo>().unwrap(), repo);
        for text in [
            "",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "../b",
            "a/..",
            "a/b@",
            "a/b@../x",
            "a/b@x//y",
            "a--b/c",
            ".a/b",
            "a/b@-x",
            "a\\b/c",
            "a/b c",
            "a/b@x y",
            "ä/b",
            "a/b@\u{1b}[2J",
        ] {
            assert!(text.parse::<Repo>().is_err(), "{text:?}");
        }
        for folder in ["datasets--a--b", "models--a", "models--..--b", "models--a--b--c"] {
            assert!(Repo::of_folder(folder).is_none(), "{folder}");
        }
    }

    #[test]
    fn a_revision_that_was_named_stays() {
        let named: Repo = "a/b@v1".parse().unwrap();
        assert_eq!(named.or_revision(Some("v2")).revision(), Some("v1"));
        assert_eq!("a/b".parse::<Repo>().unwrap().or_revision(Some("v2")).revision(), Some("v2"));
        assert!(is_commit(&"0a".repeat(20)) && !is_commit("main") && !is_commit(&"0A".repeat(20)));
    }
}
