//! Names of the parts of a split model: `NAME-00001-of-00004.gguf`, llama.cpp's convention.

use std::path::Path;
use std::path::PathBuf;

use crate::model::error::ModelError;

/// All parts of the model that `path` belongs to, in order; `path` alone when its name is not that of a part.
///
/// # Errors
/// A part is not there.
pub fn parts_of(path: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let Some((stem, count)) = path.file_name().and_then(|name| name.to_str()).and_then(split_name) else {
        return Ok(vec![path.to_owned()]);
    };
    let parts: Vec<PathBuf> =
        (1..=count).map(|part| path.with_file_name(format!("{stem}-{part:05}-of-{count:05}.gguf"))).collect();
    match parts.iter().find(|part| !part.is_file()) {
        Some(missing) => {
            let there = parts.iter().filter(|part| part.is_file()).count();
            let reason = format!("this part is missing ({there} of {count} are there)");
            Err(ModelError::Missing { path: missing.clone(), reason })
        }
        None => Ok(parts),
    }
}

/// The common stem and the number of parts.
fn split_name(name: &str) -> Option<(&str, u32)> {
    let (head, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, part) = head.rsplit_once('-')?;
    let number = |digits: &str| (digits.len() == 5).then(|| digits.parse::<u32>().ok()).flatten();
    let (part, count) = (number(part)?, number(count)?);
    (1..=count).contains(&part).then_some((stem, count)).filter(|_| count <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_part_names_are_split() {
        assert_eq!(split_name("m-q4-00002-of-00004.gguf"), Some(("m-q4", 4)));
        for name in ["m.gguf", "m-00005-of-00004.gguf", "m-1-of-4.gguf", "m-00000-of-00004.gguf", "m-00001-of-00004.bin"] {
            assert_eq!(split_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_missing_part_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("m-00001-of-00002.gguf");
        std::fs::write(&first, b"").unwrap();
        let error = parts_of(&first).unwrap_err().to_string();
        assert!(error.contains("m-00002-of-00002.gguf") && error.contains("1 of 2"), "{error}");
    }
}
