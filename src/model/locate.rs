//! Where a model is found: `--model` path or name, then the user's data directory, the cache of downloads, and `weights/` of the
//! source tree.

use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;

use crate::hub::cache::Cache;
use crate::hub::name::MAIN;
use crate::hub::name::Repo;
use crate::model::error::ModelError;
use crate::model::overrides::SpecOverrides;
use crate::model::quantise::Quant;
use crate::model::registry;
use crate::model::registry::Entry;
use crate::model::shards;

/// Name of the embedded model.
pub const DEFAULT_MODEL: &str = "qwen2.5-coder-0.5b-canvas";

/// The files of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFiles {
    /// Name for people: that of the folder or file.
    pub name: String,
    /// A GGUF file (the first part of a split one), or safetensors files in order.
    pub base: Vec<PathBuf>,
    /// `config.json`, for safetensors.
    pub config: Option<PathBuf>,
    /// `tokenizer.json`, for safetensors; or `vocab.json`, with `merges.txt` beside it.
    pub tokenizer: Option<PathBuf>,
    /// The canvas adapter.
    pub adapter: Option<PathBuf>,
    /// What is said about the model beside its configuration.
    pub spec: SpecOverrides,
    /// Licence of the weights, where it is known.
    pub licence: Option<String>,
    /// The sampler of the model's reference, where it is known.
    pub sampler: Option<String>,
    /// The form that weights are brought to when they are loaded.
    pub quant: Option<Quant>,
}

impl ModelFiles {
    /// No files yet.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base: Vec::new(),
            config: None,
            tokenizer: None,
            adapter: None,
            spec: SpecOverrides::default(),
            licence: None,
            sampler: None,
            quant: None,
        }
    }

    /// The same with what the registry says where nothing else does.
    fn registered(self, entry: Option<&Entry>) -> Self {
        let Some(entry) = entry else { return self };
        Self { spec: self.spec.over(entry.spec.clone()), licence: entry.licence.clone(), sampler: entry.sampler.clone(), ..self }
    }

    /// The same with what the user says over everything else.
    #[must_use]
    pub fn with(self, said: SpecOverrides, quant: Option<Quant>) -> Self {
        Self { spec: said.over(self.spec), quant, ..self }
    }
}

/// The folder for dcode's own data: `DCODE_HOME`, or the one of the platform.
pub fn data_dir() -> Option<PathBuf> {
    match std::env::var_os("DCODE_HOME") {
        Some(home) if !home.is_empty() => Some(PathBuf::from(home)),
        _ => directories::ProjectDirs::from("", "", "dcode").map(|dirs| dirs.data_dir().to_owned()),
    }
}

/// The places that are searched for the model called `name`, in order.
pub fn places(name: &str) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    if !name.contains(['/', '\\']) {
        places.extend(data_dir().map(|dir| dir.join("models").join(name)));
    }
    if let (Some(cache), Some(repo)) = (Cache::find(), repo_of(name)) {
        let unknown = || cache.snapshot_of(&repo, repo.revision().unwrap_or(MAIN));
        places.push(cache.snapshot(&repo).unwrap_or_else(unknown));
    }
    if name == DEFAULT_MODEL {
        places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("weights"));
    }
    places
}

/// The repository of the hub that a name stands for: that of a registered model, or `ORG/NAME[@REVISION]`.
pub fn repo_of(name: &str) -> Option<Repo> {
    match registry::named(name) {
        Some(entry) => Some(entry.repo.clone()),
        None => {
            let repo: Repo = name.parse().ok()?;
            // The commit that is pinned, unless another one was named.
            let pinned = registry::of_repo(&repo).and_then(|entry| entry.repo.revision());
            Some(repo.or_revision(pinned))
        }
    }
}

/// Finds the files of the model that `--model` names, or of the default one.
///
/// # Errors
/// Nothing is there, or files are missing; the message names them and what to do.
pub fn locate(model: Option<&str>) -> Result<ModelFiles, ModelError> {
    let name = model.unwrap_or(DEFAULT_MODEL);
    let path = Path::new(name);
    if model.is_some() && path.exists() {
        return if path.is_dir() { in_folder(path, None) } else { from_file(path) };
    }
    let repo = repo_of(name);
    let looks_like_path = name.contains(['/', '\\']) || name.ends_with(".gguf");
    if looks_like_path && repo.is_none() {
        return Err(ModelError::Missing { path: path.to_owned(), reason: "no such file or folder".to_owned() });
    }
    let mut first_error = None;
    for place in places(name).iter().filter(|place| place.is_dir()) {
        match in_folder(place, Some(name)) {
            Ok(files) => return Ok(files),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| {
        let reason = match repo {
            Some(_) => format!("the model {name} is not installed; `dcode model pull {name}` downloads it"),
            None => format!("the model {name} is not installed; `dcode model list` shows what there is"),
        };
        let path = places(name).first().cloned().unwrap_or_else(|| path.to_owned());
        ModelError::Missing { path, reason }
    }))
}

fn from_file(path: &Path) -> Result<ModelFiles, ModelError> {
    if path.extension().is_none_or(|extension| extension != "gguf") {
        let reason = "a model is a folder with config.json, or a .gguf file".to_owned();
        return Err(ModelError::Damaged { path: path.to_owned(), reason });
    }
    let name = path.file_stem().map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let adapter = path.parent().map(|folder| folder.join("adapter.safetensors")).filter(|adapter| adapter.is_file());
    let spec = path.parent().map(SpecOverrides::in_folder).transpose()?.unwrap_or_default();
    Ok(ModelFiles { base: vec![path.to_owned()], adapter, spec, ..ModelFiles::new(name) }.registered(entry_of(path.parent())))
}

/// The entry of the registry for a folder: that of its repository, when it is a snapshot of one.
fn entry_of(folder: Option<&Path>) -> Option<&'static Entry> {
    let folder = folder?.canonicalize().ok()?;
    registry::of_repo(&Cache::repo_of(&folder)?.0)
}

/// The model in a folder: a GGUF file or set of parts, or safetensors with `config.json` and a tokenizer.
///
/// # Errors
/// Something is missing; the message names it.
pub fn in_folder(folder: &Path, name: Option<&str>) -> Result<ModelFiles, ModelError> {
    let io = |source| ModelError::Io { path: folder.to_owned(), source };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        files.push(entry.map_err(io)?.path());
    }
    files.sort();
    let called = |name: &str| files.iter().find(|file| file.file_name().is_some_and(|other| other == name)).cloned();
    let with = |extension| files.iter().filter(move |file| file.extension().is_some_and(|other| other == extension)).cloned();
    let folder_name = folder.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned());
    let entry = name.and_then(registry::named).or_else(|| entry_of(Some(folder)));
    let found = ModelFiles {
        config: called("config.json"),
        tokenizer: called("tokenizer.json").or_else(|| called("vocab.json").filter(|_| called("merges.txt").is_some())),
        adapter: called("adapter.safetensors"),
        spec: SpecOverrides::in_folder(folder)?,
        ..ModelFiles::new(name.map_or(folder_name, str::to_owned))
    };
    let found = found.registered(entry);
    if let Some(first) = with(OsStr::new("gguf")).next() {
        return Ok(ModelFiles { base: vec![first], ..found });
    }
    if let (Some(index), true) = (called(shards::INDEX), found.config.is_some()) {
        return Ok(ModelFiles { base: shards::shards(&index)?, ..found });
    }
    let base: Vec<PathBuf> = with(OsStr::new("safetensors")).filter(|file| found.adapter.as_ref() != Some(file)).collect();
    let missing = |what: &str| ModelError::Missing { path: folder.to_owned(), reason: format!("{what} is missing") };
    if base.is_empty() {
        return Err(missing("the base model (a .gguf file, or .safetensors files)"));
    }
    if found.config.is_none() {
        return Err(missing("config.json"));
    }
    Ok(ModelFiles { base, ..found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_a_repository() {
        let repo = |name: &str| repo_of(name).map(|repo| repo.to_string());
        assert_eq!(repo("open-dcoder-0.5b").as_deref(), Some("fredzzp/open-dcoder-0.5B"));
        assert_eq!(repo("a/b@v1").as_deref(), Some("a/b@v1"));
        let pinned = repo("dream-7b-instruct").unwrap();
        assert!(pinned.starts_with("Dream-org/Dream-v0-Instruct-7B@"));
        assert_eq!(repo("Dream-org/Dream-v0-Instruct-7B"), Some(pinned));
        assert_eq!(repo("Dream-org/Dream-v0-Instruct-7B@main").as_deref(), Some("Dream-org/Dream-v0-Instruct-7B@main"));
        assert_eq!((repo("nothing"), repo("./folder"), repo("../a/b")), (None, None, None));
    }

    #[test]
    fn a_snapshot_is_known_by_its_repository() {
        let cache = tempfile::tempdir().unwrap();
        let commit = "0".repeat(40);
        let folder = cache.path().join("models--fredzzp--open-dcoder-0.5B/snapshots").join(&commit);
        std::fs::create_dir_all(&folder).unwrap();
        ["config.json", "model.safetensors", "vocab.json", "merges.txt"]
            .iter()
            .for_each(|file| std::fs::write(folder.join(file), "").unwrap());
        let files = in_folder(&folder, None).unwrap();
        assert_eq!(files.spec, registry::named("open-dcoder-0.5b").unwrap().spec);
        assert_eq!((files.sampler.as_deref(), files.name), (Some("p2:steps=64"), commit));
        assert_eq!(files.tokenizer, Some(folder.join("vocab.json")));
        // A file beside the configuration is over the registry, and the user over both.
        std::fs::write(folder.join("dcode.toml"), "shift = \"none\"").unwrap();
        let files = in_folder(&folder, None).unwrap();
        assert_eq!(files.spec.shift, Some(crate::model::spec::Shift::None));
        let said = files.with("attention=causal".parse().unwrap(), None);
        assert_eq!(
            (said.spec.attention, said.spec.shift),
            (Some(crate::model::spec::Attention::Causal), Some(crate::model::spec::Shift::None))
        );
    }
}
