//! What a repository holds at a revision, and which of it dcode needs.

use std::collections::BTreeSet;
use std::collections::HashMap;

use serde::Deserialize;

use crate::hub::client::Client;
use crate::hub::client::encoded;
use crate::hub::digest::Digest;
use crate::hub::digest::LARGEST_SMALL;
use crate::hub::error::HubError;
use crate::hub::name::MAIN;
use crate::hub::name::Repo;
use crate::hub::name::is_commit;

/// Largest list of files that is read; real ones are below 1 MB.
const LARGEST_LISTING: u64 = 16 << 20;
/// Largest file that can be right: four times the largest model there is.
const LARGEST_FILE: u64 = 1 << 43;
/// Index of the files of a sharded model.
pub const INDEX: &str = "model.safetensors.index.json";
/// The configuration.
pub const CONFIG: &str = "config.json";

/// The answer of the hub, as far as it matters.
#[derive(Deserialize)]
struct Answer {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(default, rename = "cardData")]
    card: Option<Card>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Card {
    license: Option<serde_json::Value>,
    license_name: Option<String>,
}

#[derive(Deserialize)]
struct Sibling {
    #[serde(rename = "rfilename")]
    name: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

/// A file in the root of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name.
    pub name: String,
    /// Its bytes and their hash; `None` where the list does not say.
    pub known: Option<(u64, Digest)>,
}

/// The files of a repository at a commit.
#[derive(Clone, Debug)]
pub struct Listing {
    repo: Repo,
    commit: String,
    licence: Option<String>,
    files: Vec<RemoteFile>,
}

impl Listing {
    /// Asks the hub.
    ///
    /// # Errors
    /// The repository is not there or not open, or the answer is not a list of files, or one that names places elsewhere.
    pub fn fetch(client: &Client, repo: &Repo) -> Result<Self, HubError> {
        let revision = encoded(repo.revision().unwrap_or(MAIN));
        let url = client.url(&format!("api/models/{}/revision/{revision}?blobs=true", repo.id()));
        let text = client.text(&url, LARGEST_LISTING)?;
        Self::parse(repo, &url, &text)
    }

    fn parse(repo: &Repo, url: &str, text: &str) -> Result<Self, HubError> {
        let wrong = |reason: String| HubError::Listing { url: url.to_owned(), reason };
        let answer: Answer = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if !is_commit(&answer.sha) {
            return Err(wrong("its commit is not 40 hexadecimal digits".to_owned()));
        }
        let (mut files, mut seen) = (Vec::new(), BTreeSet::new());
        for sibling in answer.siblings {
            if !is_inside(&sibling.name) {
                return Err(HubError::UnsafePath { repo: repo.to_string(), name: sibling.name });
            }
            if !seen.insert(sibling.name.clone()) {
                return Err(wrong(format!("{} is there twice", sibling.name)));
            }
            // What lies in folders of a repository is of no use here.
            if sibling.name.contains('/') {
                continue;
            }
            let lfs = sibling.lfs.as_ref();
            let hash = lfs.and_then(|lfs| lfs.sha256.as_deref()).or(sibling.blob.as_deref().filter(|_| lfs.is_none()));
            let known = lfs.and_then(|lfs| lfs.size).or(sibling.size).zip(hash.and_then(Digest::parse));
            if let Some((size, digest)) = &known
                && (*size > LARGEST_FILE || matches!(digest, Digest::Blob(_)) && *size > LARGEST_SMALL)
            {
                return Err(wrong(format!("{} has an impossible size of {size} bytes", sibling.name)));
            }
            files.push(RemoteFile { name: sibling.name, known });
        }
        let licence = answer.card.and_then(|card| match (card.license, card.license_name) {
            (Some(serde_json::Value::String(licence)), Some(name)) if licence == "other" => Some(name),
            (Some(serde_json::Value::String(licence)), _) => Some(licence),
            _ => None,
        });
        let licence = licence.or_else(|| answer.tags.iter().find_map(|tag| Some(tag.strip_prefix("license:")?.to_owned())));
        Ok(Self { repo: repo.clone(), commit: answer.sha, licence, files })
    }

    /// The repository.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The commit.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The licence that the model's card names.
    pub fn licence(&self) -> Option<&str> {
        self.licence.as_deref()
    }

    /// Where a file is fetched from: at the commit, so that a branch that moves meanwhile does not matter.
    pub(super) fn url(&self, client: &Client, name: &str) -> String {
        client.url(&format!("{}/resolve/{}/{}", self.repo.id(), self.commit, encoded(name)))
    }

    fn file(&self, name: &str) -> Option<&RemoteFile> {
        self.files.iter().find(|file| file.name == name)
    }

    fn unusable(&self, reason: impl Into<String>) -> HubError {
        HubError::Unusable { repo: self.repo.to_string(), reason: reason.into() }
    }

    /// What is fetched first: licence, configuration, tokenizer, index. With `wanted` a GGUF file, which has all of it in itself,
    /// is meant.
    ///
    /// # Errors
    /// Something that dcode needs is not there.
    pub fn small(&self, wanted: Option<&str>) -> Result<Vec<RemoteFile>, HubError> {
        let mut files: Vec<RemoteFile> = self.files.iter().filter(|file| is_licence(&file.name)).cloned().collect();
        if self.is_gguf(wanted) {
            return Ok(files);
        }
        let config =
            self.file(CONFIG).ok_or_else(|| self.unusable("it has no config.json, so it is no model that dcode can load"))?;
        files.push(config.clone());
        match (self.file("tokenizer.json"), self.file("vocab.json"), self.file("merges.txt")) {
            (Some(tokenizer), ..) => files.push(tokenizer.clone()),
            (None, Some(vocab), Some(merges)) => {
                files.extend([vocab.clone(), merges.clone()]);
                let others = ["added_tokens.json", "tokenizer_config.json"];
                files.extend(others.iter().filter_map(|name| self.file(name)).cloned());
            }
            _ => return Err(self.unusable("it has neither tokenizer.json nor vocab.json and merges.txt")),
        }
        files.extend(self.file(INDEX).cloned());
        Ok(files)
    }

    /// The weights, in the order of their parts, given the text of the index where there is one.
    ///
    /// # Errors
    /// There are none in a form that dcode reads, or several GGUF files to choose from.
    pub fn weights(&self, wanted: Option<&str>, index: Option<&str>) -> Result<Vec<RemoteFile>, HubError> {
        let adapter = "adapter.safetensors";
        let with_adapter = |mut files: Vec<RemoteFile>| {
            files.extend(self.file(adapter).cloned());
            files
        };
        if self.is_gguf(wanted) {
            return self.gguf(wanted).map(with_adapter);
        }
        if let Some(index) = index {
            #[derive(Deserialize)]
            struct Index {
                weight_map: HashMap<String, String>,
            }
            let read: Index = serde_json::from_str(index).map_err(|error| self.unusable(format!("{INDEX}: {error}")))?;
            let names: BTreeSet<String> = read.weight_map.into_values().collect();
            let find = |name: &String| {
                let file = self.file(name).filter(|file| file.name.ends_with(".safetensors"));
                file.cloned().ok_or_else(|| self.unusable(format!("{INDEX} names {name:?}, which is not there")))
            };
            return names.iter().map(find).collect::<Result<_, _>>().map(with_adapter);
        }
        let safetensors = || self.files.iter().filter(|file| file.name.ends_with(".safetensors") && file.name != adapter);
        match self.file("model.safetensors") {
            Some(file) => Ok(with_adapter(vec![file.clone()])),
            None if safetensors().next().is_some() => Ok(with_adapter(safetensors().cloned().collect())),
            None => Err(self.unusable("it has no weights as .safetensors or .gguf; dcode reads no pickled ones (.bin, .pt)")),
        }
    }

    /// Whether the model is a GGUF file: when one is wanted, or there is nothing else.
    fn is_gguf(&self, wanted: Option<&str>) -> bool {
        let has = |ending| self.files.iter().any(|file| file.name.ends_with(ending));
        wanted.is_some() || has(".gguf") && self.file(CONFIG).is_none_or(|_| !has(".safetensors"))
    }

    /// All parts of one GGUF model.
    fn gguf(&self, wanted: Option<&str>) -> Result<Vec<RemoteFile>, HubError> {
        let files = self.files.iter().filter(|file| file.name.ends_with(".gguf"));
        let mut models: Vec<(&str, Vec<RemoteFile>)> = Vec::new();
        for file in files {
            let stem = stem(&file.name);
            match models.iter_mut().find(|(other, _)| *other == stem) {
                Some((_, parts)) => parts.push(file.clone()),
                None => models.push((stem, vec![file.clone()])),
            }
        }
        let mut chosen = match wanted {
            Some(wanted) => {
                models.retain(|(stem, parts)| *stem == wanted || parts.iter().any(|part| part.name == wanted));
                models
            }
            None => models,
        };
        match (chosen.pop(), chosen.is_empty()) {
            (Some((_, mut parts)), true) => {
                parts.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(parts)
            }
            (Some((last, _)), false) => {
                let names: Vec<&str> = chosen.iter().map(|(stem, _)| *stem).chain([last]).collect();
                Err(self.unusable(format!("it holds several GGUF files; choose one with --file: {}", names.join(", "))))
            }
            (None, _) => Err(self.unusable(format!("it holds no GGUF file {:?}", wanted.unwrap_or("*.gguf")))),
        }
    }
}

/// Whether a name stays inside of the repository, in any system's reading.
fn is_inside(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.len() <= 1024
        && name.split('/').all(|inner| part(inner) && inner.len() <= 255)
        && !name.chars().any(|character| character.is_control() || matches!(character, '\\' | ':'))
}

fn is_licence(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.eq_ignore_ascii_case("license") || stem.eq_ignore_ascii_case("licence")
}

/// A GGUF file's name without its ending and the number of its part.
fn stem(name: &str) -> &str {
    let name = name.strip_suffix(".gguf").unwrap_or(name);
    let numbered = name.rsplit_once("-of-").and_then(|(head, count)| {
        let (stem, part) = head.rsplit_once('-')?;
        let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        (digits(part) && digits(count)).then_some(stem)
    });
    numbered.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    fn parse(files: &[&str], extra: Value) -> Result<Listing, HubError> {
        let siblings: Vec<Value> =
            files.iter().map(|name| json!({ "rfilename": name, "size": 3, "blobId": "0".repeat(40) })).collect();
        let mut answer = json!({ "sha": "a".repeat(40), "siblings": siblings });
        answer.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Listing::parse(&"o/n".parse().unwrap(), "u", &answer.to_string())
    }

    fn names(files: Result<Vec<RemoteFile>, HubError>) -> Result<Vec<String>, String> {
        files.map(|files| files.into_iter().map(|file| file.name).collect()).map_err(|error| error.to_string())
    }

    fn list(files: &[&str]) -> Listing {
        parse(files, json!({})).unwrap()
    }

    #[test]
    fn only_what_is_needed_is_taken() {
        let all = [
            "README.md",
            "LICENSE",
            "config.json",
            "modeling_x.py",
            "tokenizer.json",
            "vocab.json",
            "merges.txt",
            INDEX,
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "consolidated.safetensors",
            "pytorch_model.bin",
            "onnx/model.onnx",
            "runs/model.safetensors",
        ];
        let listing = list(&all);
        assert_eq!(names(listing.small(None)).unwrap(), ["LICENSE", "config.json", "tokenizer.json", INDEX]);
        let index = json!({ "weight_map": { "b": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors" } });
        let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        assert_eq!(names(listing.weights(None, Some(&index.to_string()))).unwrap(), shards);
        for index in
            [json!({ "weight_map": { "a": "../x.safetensors" } }), json!({ "weight_map": { "a": "README.md" } }), json!([])]
        {
            assert!(names(listing.weights(None, Some(&index.to_string()))).unwrap_err().contains(INDEX));
        }
        let old =
            list(&["config.json", "vocab.json", "merges.txt", "added_tokens.json", "model.safetensors", "other.safetensors"]);
        assert_eq!(names(old.small(None)).unwrap(), ["config.json", "vocab.json", "merges.txt", "added_tokens.json"]);
        assert_eq!(names(old.weights(None, None)).unwrap(), ["model.safetensors"]);
        for (files, missing) in [
            (&["README.md"][..], "no config.json"),
            (&["config.json", "model.safetensors"], "neither tokenizer.json"),
            (&["config.json", "tokenizer.json", "pytorch_model.bin"], "no weights as .safetensors"),
        ] {
            let listing = list(files);
            let error = names(listing.small(None).and_then(|_| listing.weights(None, None))).unwrap_err();
            assert!(error.contains(missing), "{error}");
        }
    }

    #[test]
    fn a_gguf_model_is_all_its_parts() {
        let split = list(&["README.md", "m-q4-00002-of-00002.gguf", "m-q4-00001-of-00002.gguf", "adapter.safetensors"]);
        assert!(names(split.small(None)).unwrap().is_empty());
        let parts = ["m-q4-00001-of-00002.gguf", "m-q4-00002-of-00002.gguf", "adapter.safetensors"];
        assert_eq!(names(split.weights(None, None)).unwrap(), parts);
        let several = list(&["m-q4.gguf", "m-q8.gguf"]);
        assert!(names(several.weights(None, None)).unwrap_err().contains("--file: m-q4, m-q8"));
        assert_eq!(names(several.weights(Some("m-q8.gguf"), None)).unwrap(), ["m-q8.gguf"]);
        assert_eq!(names(several.weights(Some("m-q4"), None)).unwrap(), ["m-q4.gguf"]);
        assert!(names(several.weights(Some("x"), None)).unwrap_err().contains("no GGUF file \"x\""));
        let both = list(&["config.json", "tokenizer.json", "model.safetensors", "m.gguf"]);
        assert_eq!(names(both.weights(None, None)).unwrap(), ["model.safetensors"]);
        assert_eq!(names(both.weights(Some("m"), None)).unwrap(), ["m.gguf"]);
    }

    #[test]
    fn names_that_lead_elsewhere_refuse_the_whole_list() {
        for name in ["../x", "a/../../x", "/etc/x", "a\\b", "c:x", "a//b", "./x", "x\u{1b}[2J", "", "..", "a\n"] {
            assert!(matches!(parse(&["config.json", name], json!({})), Err(HubError::UnsafePath { .. })), "{name:?}");
        }
    }

    #[test]
    fn sizes_hashes_and_licence() {
        let sha256 = "b".repeat(64);
        let extra = json!({
            "siblings": [
                { "rfilename": "m.safetensors", "size": 9, "blobId": "c".repeat(40), "lfs": { "sha256": sha256, "size": 9, "pointerSize": 1 } },
                { "rfilename": "config.json" },
            ],
            "cardData": { "license": "other", "license_name": "apple-ascl" }, "tags": ["license:other"],
        });
        let listing = parse(&[], extra).unwrap();
        assert_eq!(listing.licence(), Some("apple-ascl"));
        assert_eq!(listing.file("m.safetensors").unwrap().known, Some((9, Digest::Sha256(sha256.clone()))));
        assert_eq!(listing.file("config.json").unwrap().known, None);
        assert_eq!(parse(&[], json!({ "tags": ["x", "license:mit"] })).unwrap().licence(), Some("mit"));
        for wrong in [
            json!({ "sha": "main" }),
            json!({ "siblings": [{ "rfilename": "a", "lfs": { "sha256": sha256, "size": 1u64 << 60 } }] }),
            json!({ "siblings": [{ "rfilename": "a", "size": 1 << 30, "blobId": "c".repeat(40) }] }),
            json!({ "siblings": [{ "rfilename": "a" }, { "rfilename": "a" }] }),
            json!({ "siblings": "a" }),
        ] {
            assert!(matches!(parse(&[], wrong.clone()), Err(HubError::Listing { .. })), "{wrong}");
        }
    }
}
