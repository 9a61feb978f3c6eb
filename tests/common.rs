//! What several test modules need.

use std::path::Path;
use std::path::PathBuf;

use dcode::model::device;
use dcode::model::device::DeviceChoice;
use dcode::model::device::OpenDevice;
use dcode::model::load::LoadedModel;
use dcode::model::load::load;
use dcode::model::locate::ModelFiles;
use dcode::model::locate::locate;

/// The folder `name` of the material that lies beside the repository, when it is there.
pub fn shared(name: &str) -> Option<PathBuf> {
    let folder =
        std::env::var_os("DCODE_SHARED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// The device that `DCODE_TEST_DEVICE` names, as `--device` does; by default the CPU. A device that is named and not there fails.
pub fn test_device() -> OpenDevice {
    let choice = std::env::var("DCODE_TEST_DEVICE").map_or(DeviceChoice::Cpu, |name| name.parse().unwrap());
    device::open(choice).unwrap()
}

/// The default model on the device of the test, or `None` with the reason printed when its files are not complete.
pub fn embedded_model() -> Option<LoadedModel> {
    model_with(None)
}

/// The default base with the adapter that the reference's vectors and outputs were made with.
pub fn reference_model() -> Option<LoadedModel> {
    model_with(Some(shared("weights/adapter.safetensors")?))
}

fn model_with(adapter: Option<PathBuf>) -> Option<LoadedModel> {
    let located = locate(None).map(|files| ModelFiles { adapter: adapter.or(files.adapter), ..files });
    match located {
        Ok(files) if files.adapter.is_some() => match load(&files, &test_device(), &mut |_| {}) {
            Ok(model) => Some(model),
            Err(error @ dcode::model::error::ModelError::Missing { .. }) => {
                eprintln!("skipped: the embedded model is not complete: {error}");
                None
            }
            Err(error) => panic!("the embedded model is there but does not load: {error}"),
        },
        Ok(_) => {
            eprintln!("skipped: the embedded model has no adapter yet");
            None
        }
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// Relative L2 error of `found` against `expected`.
pub fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let difference = square(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    difference / square(&mut expected.iter().map(|&value| f64::from(value)))
}
