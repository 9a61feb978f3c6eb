//! What a run needs to go on as if it had never stopped, in one file that is replaced as a whole.
//!
//! Examples depend on the seed and the number of the step alone, so neither the position in the data nor the state of a random
//! number generator has to be kept beside it.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use safetensors::Dtype;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use serde::Serialize;

use crate::train::error::TrainError;
use crate::train::metrics::HeldOut;
use crate::train::optimiser::Saved;

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Hash of the recipe, which must be the same.
    pub recipe: String,
    /// Hash of the texts, which must be the same too.
    pub texts: String,
    /// Steps done, of all stages together.
    pub step: usize,
    /// Steps that were left out because the loss was no number.
    pub skipped: usize,
    /// The first of the last such steps in a row, if the last step was one.
    pub skipping_since: Option<usize>,
    /// Losses of the last steps of the stage, the latest last; as bits, because they must come back exactly.
    pub recent: Vec<u64>,
    /// Held-out text before the first step.
    pub before: Option<HeldOut>,
    /// Held-out text after each stage.
    pub after: Vec<(String, HeldOut)>,
}

/// A checkpoint in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Where the run stands.
    pub progress: Progress,
    /// Tensors with their names and shapes.
    pub tensors: Vec<Saved>,
}

/// The key of the progress in the file's metadata.
const PROGRESS: &str = "dcode-progress";

impl Checkpoint {
    /// The file of a run.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("checkpoint.safetensors")
    }

    /// Writes the file: at every moment it is the old one or the new one.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let progress = serde_json::to_string(&self.progress).map_err(|error| damaged(path, &error.to_string()))?;
        write_tensors(path, &self.tensors, Dtype::F32, HashMap::from([(PROGRESS.to_owned(), progress)]))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file is missing or damaged.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let bytes = std::fs::read(path).map_err(TrainError::io(path))?;
        let broken = |error: &dyn std::fmt::Display| damaged(path, &format!("not a complete checkpoint ({error})"));
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| broken(&error))?;
        let progress = metadata.metadata().as_ref().and_then(|entries| entries.get(PROGRESS));
        let progress = progress.ok_or_else(|| damaged(path, "not a checkpoint of dcode"))?;
        let progress = serde_json::from_str(progress).map_err(|error| broken(&error))?;
        let views = SafeTensors::deserialize(&bytes).map_err(|error| broken(&error))?;
        let mut tensors = Vec::new();
        for (name, view) in views.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(damaged(path, &format!("tensor {name} is stored as {:?}", view.dtype())));
            }
            let words = view.data().chunks_exact(4).map(|word| word.try_into().map_or(0.0, f32::from_le_bytes));
            tensors.push((name.to_owned(), view.shape().to_vec(), words.collect()));
        }
        Ok(Self { progress, tensors })
    }

    /// The values of the tensor with this name.
    pub fn find(&self, name: &str) -> Option<&[f32]> {
        self.tensors.iter().find(|(known, ..)| known == name).map(|(.., values)| values.as_slice())
    }
}

fn damaged(path: &Path, reason: &str) -> TrainError {
    TrainError::Checkpoint { path: path.to_owned(), reason: reason.to_owned() }
}

/// Writes tensors as a safetensors file, as single or half floats.
///
/// # Errors
/// The file could not be written.
pub fn write_tensors(path: &Path, tensors: &[Saved], dtype: Dtype, metadata: HashMap<String, String>) -> Result<(), TrainError> {
    let encode = |values: &[f32]| -> Vec<u8> {
        match dtype {
            Dtype::F16 => values.iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    };
    let encoded: Vec<(&str, &[usize], Vec<u8>)> =
        tensors.iter().map(|(name, shape, values)| (name.as_str(), shape.as_slice(), encode(values))).collect();
    let views = encoded.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(dtype, shape.to_vec(), bytes).map_err(|error| damaged(path, &error.to_string()))?;
        Ok((*name, view))
    });
    let views = views.collect::<Result<Vec<_>, TrainError>>()?;
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| damaged(path, &error.to_string()))?;
    write_file(path, &bytes)
}

/// Writes a file as a whole: to a file beside it, onto the disk, then into its place.
///
/// # Errors
/// The file could not be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".dcode-");
        // As any file that a program makes, and not for this user alone as temporary ones are.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        // The name is on the disk when its folder is.
        #[cfg(unix)]
        std::fs::File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().map_err(TrainError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_bit_for_bit_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = Checkpoint::path(folder.path());
        let loss = 3.0f64 / 7.0;
        let progress = Progress { recipe: "r".to_owned(), step: 7, recent: vec![loss.to_bits()], ..Progress::default() };
        let tensors = vec![
            ("a".to_owned(), vec![2, 2], vec![f32::MIN_POSITIVE, -0.0, 1.0 / 3.0, 1e-45]),
            ("b".to_owned(), vec![1], vec![2.0]),
        ];
        let mut checkpoint = Checkpoint { progress, tensors };
        checkpoint.write(&path).unwrap();
        let mut read = Checkpoint::read(&path).unwrap();
        read.tensors.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(read, checkpoint);
        assert_eq!(read.find("a").unwrap()[1].to_bits(), (-0.0f32).to_bits());
        assert_eq!(read.find("c"), None);
        checkpoint.progress.step = 8;
        checkpoint.write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap().progress.step, 8);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left lying");
        let bytes = std::fs::read(&path).unwrap();
        for len in [0, 7, 40, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..len]).unwrap();
            assert!(matches!(Checkpoint::read(&path), Err(TrainError::Checkpoint { .. })), "{len}");
        }
        let (tensors, metadata) = (vec![("a".to_owned(), vec![1], vec![1.0])], HashMap::new());
        write_tensors(&path, &tensors, Dtype::F32, metadata).unwrap();
        assert!(Checkpoint::read(&path).unwrap_err().to_string().contains("not a checkpoint"));
    }
}
