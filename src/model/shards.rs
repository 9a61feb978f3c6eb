//! A checkpoint in several safetensors files: the index names the file of each tensor.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;

use crate::model::error::ModelError;

/// Name of the index file.
pub const INDEX: &str = "model.safetensors.index.json";
/// Largest index that is read; real ones are below 10 MB.
const LARGEST: u64 = 64 << 20;

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

/// The files that an index names, in order. All lie in the folder of the index: a name that leads elsewhere is refused.
///
/// # Errors
/// The index cannot be read, names no file, a file that is not there, or one outside of its folder.
pub fn shards(index: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let damaged = |reason: String| ModelError::Damaged { path: index.to_owned(), reason };
    let io = |source| ModelError::Io { path: index.to_owned(), source };
    let len = std::fs::metadata(index).map_err(io)?.len();
    if len > LARGEST {
        return Err(damaged(format!("{len} bytes are too many for an index")));
    }
    let text = std::fs::read_to_string(index).map_err(io)?;
    let read: Index = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    let names: BTreeSet<String> = read.weight_map.into_values().collect();
    if names.is_empty() {
        return Err(damaged("it names no file".to_owned()));
    }
    let folder = index.parent().unwrap_or(Path::new("."));
    let file = |name: String| {
        let plain = Path::new(&name).file_name().is_some_and(|file| file == name.as_str()) && !name.contains('\\');
        if !plain || !name.ends_with(".safetensors") {
            return Err(damaged(format!("{name:?} is not the name of a safetensors file beside it")));
        }
        let path = folder.join(&name);
        if path.is_file() {
            Ok(path)
        } else {
            Err(ModelError::Missing { path, reason: "a part of the model is missing".to_owned() })
        }
    };
    names.into_iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, files: &[&str]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|file| std::fs::write(folder.path().join(file), b"").unwrap());
        let index = folder.path().join(INDEX);
        std::fs::write(&index, text).unwrap();
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        shards(&index).map(|paths| paths.iter().map(name).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_index_names_the_files_beside_it_and_no_others() {
        let good = r#"{"metadata":{"total_size":2},"weight_map":{"a":"2.safetensors","b":"1.safetensors","c":"2.safetensors"}}"#;
        let names = read(good, &["1.safetensors", "2.safetensors"]).unwrap();
        assert_eq!(names, ["1.safetensors", "2.safetensors"]);
        assert!(read(good, &["1.safetensors"]).unwrap_err().contains("2.safetensors: a part of the model is missing"));
        for name in ["../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "a\\\\b.safetensors", "..", "", "model.bin"] {
            let error = read(&format!(r#"{{"weight_map":{{"a":"{name}"}}}}"#), &[]).unwrap_err();
            assert!(error.contains("is not the name"), "{name}: {error}");
        }
        for text in ["", "[]", "{}", r#"{"weight_map":{}}"#, r#"{"weight_map":{"a":1}}"#] {
            assert!(read(text, &[]).is_err(), "{text}");
        }
    }
}
