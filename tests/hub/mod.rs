//! `dcode model` against a small hub of our own, which can misbehave in every way that a server can.

mod pull;
mod server;

use std::path::PathBuf;
use std::process::Command;

use dcode::document::ContentHash;
use git2::ObjectType;
use git2::Oid;
use serde_json::Value;
use serde_json::json;

use crate::desk::Desk;
use crate::desk::Said;
use server::Hub;
use server::Reply;
use server::Request;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const REPO: &str = "some/small-model";

/// The files of a repository.
#[derive(Clone)]
pub struct Files(pub Vec<(&'static str, Vec<u8>)>);

impl Files {
    /// A model that dcode could load, as far as `pull` looks, and files that it has no use for.
    pub fn small() -> Self {
        let config = json!({
            "model_type": "Dream", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48,
            "vocab_size": 260, "max_position_embeddings": 512,
        });
        let weights: Vec<u8> = (0..300_000u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        Self(vec![
            ("README.md", b"# a model".to_vec()),
            ("config.json", config.to_string().into_bytes()),
            ("model.safetensors", weights),
            ("pytorch_model.bin", vec![0; 10]),
            ("tokenizer.json", b"{}".to_vec()),
        ])
    }

    pub fn get(&self, name: &str) -> &[u8] {
        self.0.iter().find(|(known, _)| *known == name).map_or(&[], |(_, bytes)| bytes)
    }

    pub fn set(&mut self, name: &'static str, bytes: Vec<u8>) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, bytes));
    }

    /// The digest by which the hub knows a file: weights lie in its large-file storage.
    pub fn digest(&self, name: &str) -> String {
        let bytes = self.get(name);
        if name.ends_with(".safetensors") {
            ContentHash::of(bytes).to_string()
        } else {
            Oid::hash_object(ObjectType::Blob, bytes).unwrap().to_string()
        }
    }

    pub fn listing(&self) -> Value {
        let siblings = self.0.iter().map(|(name, bytes)| {
            let digest = self.digest(name);
            match name.ends_with(".safetensors") {
                true => json!({ "rfilename": name, "size": bytes.len(), "blobId": "f".repeat(40), "lfs": { "sha256": digest, "size": bytes.len() } }),
                false => json!({ "rfilename": name, "size": bytes.len(), "blobId": digest }),
            }
        });
        json!({ "id": REPO, "sha": COMMIT, "cardData": { "license": "mit" }, "siblings": siblings.collect::<Vec<_>>() })
    }

    /// What an honest hub answers.
    pub fn answer(&self, request: &Request) -> Reply {
        if request.path.starts_with(&format!("/api/models/{REPO}/revision/")) {
            return Reply::ok(self.listing().to_string().into_bytes());
        }
        let name = request.path.strip_prefix(&format!("/{REPO}/resolve/{COMMIT}/"));
        match name.filter(|name| self.0.iter().any(|(known, _)| known == name)) {
            Some(name) => Reply::part(self.get(name), request),
            None => Reply::status(404),
        }
    }
}

/// A desk with a cache of its own.
pub struct Place {
    pub desk: Desk,
    pub cache: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let desk = Desk::new();
        let cache = desk.home.join("hub");
        Self { desk, cache }
    }

    pub fn command(&self, hub: Option<&Hub>, arguments: &[&str]) -> Command {
        let mut command = self.desk.command(env!("CARGO_BIN_EXE_dcode"));
        for name in [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "HF_HOME",
            "HF_TOKEN",
            "HF_HUB_OFFLINE",
        ] {
            command.env_remove(name);
        }
        command.env("HF_HUB_CACHE", &self.cache).arg("model").args(arguments);
        // Nothing listens there.
        command.env("HF_ENDPOINT", hub.map_or("http://127.0.0.1:9", Hub::url));
        command
    }

    pub fn model(&self, hub: Option<&Hub>, arguments: &[&str]) -> Said {
        Said::of(self.command(hub, arguments).output().unwrap())
    }

    pub fn pull(&self, hub: &Hub) -> Said {
        self.model(Some(hub), &["pull", REPO, "--tries", "2"])
    }

    pub fn folder(&self) -> PathBuf {
        self.cache.join("models--some--small-model")
    }

    pub fn blob(&self, digest: &str) -> PathBuf {
        self.folder().join("blobs").join(digest)
    }

    /// Nothing that dcode or another tool would take for a model.
    pub fn has_no_model(&self) {
        let said = self.model(None, &["path", REPO]);
        assert!(said.code == Some(5) && said.err.contains("dcode model pull"), "{:?} {}", said.code, said.err);
        assert!(!self.folder().join("snapshots").exists() && !self.folder().join("refs").exists());
    }

    /// The pull fails with this code and words, and leaves no model.
    pub fn refuses(&self, hub: &Hub, code: i32, says: &str) -> Said {
        let said = self.pull(hub);
        assert!(said.code == Some(code) && said.err.contains(says), "{says}: {:?} {}", said.code, said.err);
        assert_eq!(said.out, "");
        self.has_no_model();
        said
    }

    /// The model is there, byte for byte.
    pub fn has(&self, files: &Files) {
        let snapshot = self.folder().join("snapshots").join(COMMIT);
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            assert!(std::fs::read(snapshot.join(name)).unwrap() == files.get(name), "{name}");
            let target = std::fs::read_link(snapshot.join(name)).unwrap();
            assert_eq!(target, PathBuf::from("../../blobs").join(files.digest(name)));
        }
        assert_eq!(std::fs::read_to_string(self.folder().join("refs/main")).unwrap(), COMMIT);
        let blobs = std::fs::read_dir(self.folder().join("blobs")).unwrap().count();
        assert_eq!(blobs, 3, "nothing else came");
    }
}
