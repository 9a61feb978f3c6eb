//! Paths in JSON: a string where the path is UTF-8, else its bytes in hexadecimal, so that no path is lost or changed.

use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes { hex: String },
}

fn form(path: &Path) -> Form {
    match path.to_str() {
        Some(text) => Form::Text(text.to_owned()),
        None => Form::Bytes { hex: super::quote::path_bytes(path).iter().map(|byte| format!("{byte:02x}")).collect() },
    }
}

fn path(form: Form) -> Result<PathBuf, &'static str> {
    let hex = match form {
        Form::Text(text) => return Ok(text.into()),
        Form::Bytes { hex } => hex,
    };
    if !hex.is_ascii() || hex.len() % 2 != 0 {
        return Err("a path is not in hexadecimal");
    }
    let bytes: Result<Vec<u8>, _> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16)).collect();
    from_bytes(bytes.map_err(|_| "a path is not in hexadecimal")?)
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> Result<PathBuf, &'static str> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn from_bytes(_: Vec<u8>) -> Result<PathBuf, &'static str> {
    Err("a path was written on another system")
}

/// Writes a path.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    form(path).serialize(serializer)
}

/// Reads a path.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    path(Form::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// The same for a path that may be missing.
pub mod option {
    use super::*;

    /// Writes a path or `null`.
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_deref().map(form).serialize(serializer)
    }

    /// Reads a path or `null`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        Option::<Form>::deserialize(deserializer)?.map(path).transpose().map_err(serde::de::Error::custom)
    }
}
