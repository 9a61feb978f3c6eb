//! Where a model is found: `--model` path or name, then the user's data directory, then `weights/` of the source tree.

use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;

use crate::model::error::ModelError;
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
    /// `tokenizer.json`, for safetensors.
    pub tokenizer: Option<PathBuf>,
    /// The canvas adapter.
    pub adapter: Option<PathBuf>,
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
    let mut places: Vec<PathBuf> = data_dir().map(|dir| dir.join("models").join(name)).into_iter().collect();
    if name == DEFAULT_MODEL {
        places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("weights"));
    }
    places
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
    let looks_like_path = name.contains(['/', '\\']) || name.ends_with(".gguf");
    if looks_like_path {
        return Err(ModelError::Missing { path: path.to_owned(), reason: "no such file or folder".to_owned() });
    }
    let places = places(name);
    let mut first_error = None;
    for place in places.iter().filter(|place| place.is_dir()) {
        match in_folder(place, Some(name)) {
            Ok(files) => return Ok(files),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| {
        let path = places.first().cloned().unwrap_or_else(|| path.to_owned());
        ModelError::Missing {
            path,
            reason: format!("the model {name} is not installed; name a folder or GGUF file with --model"),
        }
    }))
}

fn from_file(path: &Path) -> Result<ModelFiles, ModelError> {
    if path.extension().is_none_or(|extension| extension != "gguf") {
        let reason = "a model is a folder with config.json, or a .gguf file".to_owned();
        return Err(ModelError::Damaged { path: path.to_owned(), reason });
    }
    let name = path.file_stem().map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let adapter = path.parent().map(|folder| folder.join("adapter.safetensors")).filter(|adapter| adapter.is_file());
    Ok(ModelFiles { name, base: vec![path.to_owned()], config: None, tokenizer: None, adapter })
}

/// The model in a folder: a GGUF file or set of parts, or safetensors with `config.json` and `tokenizer.json`.
fn in_folder(folder: &Path, name: Option<&str>) -> Result<ModelFiles, ModelError> {
    let io = |source| ModelError::Io { path: folder.to_owned(), source };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        files.push(entry.map_err(io)?.path());
    }
    files.sort();
    let called = |name: &str| files.iter().find(|file| file.file_name().is_some_and(|other| other == name)).cloned();
    let with = |extension| files.iter().filter(move |file| file.extension().is_some_and(|other| other == extension)).cloned();
    let folder_name = folder.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned());
    let found = ModelFiles {
        name: name.map_or(folder_name, str::to_owned),
        base: Vec::new(),
        config: called("config.json"),
        tokenizer: called("tokenizer.json"),
        adapter: called("adapter.safetensors"),
    };
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
