//! One case: its parameters, its expected tensors, and its model.

use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use dcode::model::config::TransformerConfig;
use dcode::model::transformer::Transformer;
use dcode::model::weights::Weights;
use safetensors::Dtype;
use safetensors::SafeTensors;
use serde_json::Value;

use crate::common::test_device;

/// The largest error of a value so far, relative to the largest of its tensor, as bits: those of positive numbers are in their order.
static WORST: AtomicU32 = AtomicU32::new(0);

/// The largest error that [`compare`] has met.
pub fn worst() -> f32 {
    f32::from_bits(WORST.load(Ordering::Relaxed))
}

/// A case.
pub struct Case {
    pub name: String,
    pub group: String,
    pub json: Value,
    folder: PathBuf,
    tensors: Vec<u8>,
}

impl Case {
    pub fn read(folder: &Path) -> Self {
        let read = |name: &str| std::fs::read(folder.join(name));
        let json: Value = serde_json::from_slice(&read("case.json").unwrap()).unwrap();
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        let (name, group) = (text("name"), text("group"));
        Self { name, group, json, folder: folder.to_owned(), tensors: read("expected.safetensors").unwrap_or_default() }
    }

    /// A file of the case.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn config(&self) -> TransformerConfig {
        let path = self.folder.join("config.json");
        TransformerConfig::from_json(&std::fs::read_to_string(&path).unwrap(), &path).unwrap()
    }

    pub fn transformer(&self) -> Transformer {
        let weights = Weights::open_safetensors(&[self.folder.join("model.safetensors")]).unwrap();
        Transformer::load(self.config(), &weights, &test_device().device, &mut |_| {}).unwrap()
    }

    /// A value of `inputs`, `params` or `expected`.
    pub fn get<T: serde::de::DeserializeOwned>(&self, part: &str, key: &str) -> Option<T> {
        let value = &self.json[part][key];
        (!value.is_null()).then(|| serde_json::from_value(value.clone()).unwrap())
    }

    pub fn param(&self, key: &str) -> f64 {
        self.get("params", key).unwrap_or_else(|| panic!("{}: no parameter {key}", self.name))
    }

    pub fn count(&self, key: &str) -> usize {
        self.param(key) as usize
    }

    pub fn id(&self, key: &str) -> u32 {
        self.get("ids", key).unwrap_or_else(|| panic!("{}: no id {key}", self.name))
    }

    pub fn text(&self, key: &str) -> &str {
        self.json[key].as_str().unwrap_or_default()
    }

    /// An expected tensor with its shape, as f32.
    pub fn tensor(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let tensors = SafeTensors::deserialize(&self.tensors).unwrap();
        let view = tensors.tensor(name).unwrap_or_else(|error| panic!("{}: {name}: {error}", self.name));
        let words = view.data().chunks_exact(4).map(|bytes| <[u8; 4]>::try_from(bytes).unwrap());
        let values = match view.dtype() {
            Dtype::U8 => view.data().iter().map(|&byte| f32::from(byte)).collect(),
            Dtype::F32 => words.map(f32::from_le_bytes).collect(),
            Dtype::I32 => words.map(|word| i32::from_le_bytes(word) as f32).collect(),
            other => panic!("{}: {name} is {other:?}", self.name),
        };
        (view.shape().to_vec(), values)
    }

    pub fn has_tensor(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.tensors).is_ok_and(|tensors| tensors.tensor(name).is_ok())
    }
}

/// Compares values as the goldens ask for: the largest difference against a share of the largest expected value. Where `counts` is
/// false for a row, the row is undefined.
pub fn compare(name: &str, found: &[f32], expected: &[f32], counts: Option<&[bool]>) -> Result<(), String> {
    const TOLERANCE: f32 = 1e-4;
    if found.len() != expected.len() {
        return Err(format!("{name} has {} values, expected {}", found.len(), expected.len()));
    }
    let width = counts.map_or(1, |counts| found.len() / counts.len().max(1));
    let counted = |index: &usize| counts.is_none_or(|counts| counts[index / width]);
    let largest = (0..found.len()).filter(counted).fold(0.0f32, |most, index| most.max(expected[index].abs()));
    let difference = (0..found.len()).filter(counted).map(|index| (found[index] - expected[index]).abs());
    // A NaN must not hide behind a comparison.
    let most = difference.fold(0.0f32, |most, value| if value.is_nan() { f32::INFINITY } else { most.max(value) });
    WORST.fetch_max((most / largest.max(f32::MIN_POSITIVE)).to_bits(), Ordering::Relaxed);
    if most <= TOLERANCE * largest { Ok(()) } else { Err(format!("{name} differs by {most:.2e} of {largest:.2e}")) }
}
