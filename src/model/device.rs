//! The choice of the device at run time.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

use crate::model::error::ModelError;

/// What the user asked for with `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A real GPU when there is one, the CPU otherwise.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU: the best one, or the one with this number.
    Gpu(Option<usize>),
    /// A GPU emulated on the CPU, for tests of the GPU path. Never chosen by itself.
    Software,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "gpu" => Ok(Self::Gpu(None)),
            Some(("gpu", "software")) => Ok(Self::Software),
            Some(("gpu", number)) => number.parse().map(|number| Self::Gpu(Some(number))).map_err(|_| unknown(text)),
            _ => Err(unknown(text)),
        }
    }
}

fn unknown(text: &str) -> String {
    format!("unknown device {text:?}; use auto, cpu, gpu, gpu:N or gpu:software")
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(None) => f.write_str("gpu"),
            Self::Gpu(Some(number)) => write!(f, "gpu:{number}"),
            Self::Software => f.write_str("gpu:software"),
        }
    }
}

/// A device that was opened, and how to call it in front of people.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// Burn's handle.
    pub device: Device,
    /// Such as `cpu` or `gpu (vulkan, discrete 0)`.
    pub name: String,
}

/// Opens the device. `auto` probes real GPUs and falls back to the CPU without a word of complaint.
///
/// # Errors
/// The device that was named is not there.
pub fn open(choice: DeviceChoice) -> Result<OpenDevice, ModelError> {
    let cpu = || OpenDevice { device: Device::flex(), name: "cpu".to_owned() };
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Auto => Ok(gpu::open_real(None).unwrap_or_else(|_| cpu())),
        DeviceChoice::Gpu(number) => gpu::open_real(number).map_err(ModelError::Device),
        DeviceChoice::Software => gpu::open_software().map_err(ModelError::Device),
    }
}

#[cfg(feature = "wgpu")]
mod gpu {
    use std::panic::catch_unwind;
    use std::sync::Mutex;
    use std::sync::PoisonError;

    use burn::cubecl::config::CubeClRuntimeConfig;
    use burn::cubecl::config::RuntimeConfig;
    use burn::cubecl::config::autotune::AutotuneLevel;
    use burn::cubecl::config::autotune::AutotuneLogLevel;
    use burn::cubecl::config::cache::CacheConfig;
    use burn::tensor::Device;
    use burn::tensor::DeviceKind;

    use super::OpenDevice;
    use crate::model::locate::data_dir;

    /// Keeps CubeCL to itself: its kernels are cached in dcode's own folder, never in the `target/` of the repository that is
    /// edited, and no `cubecl.toml` lying around there is read. `DCODE_KERNEL_LOG` names a file that gets what was tried and chosen.
    /// The first call counts.
    fn configure(kind: &DeviceKind) {
        let mut config = CubeClRuntimeConfig::default();
        if let Some(dir) = data_dir() {
            config.environment.path = CacheConfig::Directory(dir.join("kernels"));
        }
        if let Some(file) = std::env::var_os("DCODE_KERNEL_LOG").filter(|file| !file.is_empty()) {
            config.autotune.logger.file = Some(file.into());
            config.autotune.logger.level = AutotuneLogLevel::Full;
        }
        // A kernel takes half a second to compile, and a pass meets dozens of sizes: what is tried for each is kept to the least.
        config.autotune.level = AutotuneLevel::Minimal;
        if *kind == DeviceKind::Cpu {
            // Which kernel is the fastest on an emulated GPU tells nothing.
            config.autotune.bench.min_samples = 1;
            config.autotune.bench.max_samples = 1;
        }
        CubeClRuntimeConfig::try_set(config);
    }

    /// Tries discrete, integrated and virtual GPUs in this order. Software adapters count as CPUs and are not among them.
    pub(super) fn open_real(number: Option<usize>) -> Result<OpenDevice, String> {
        let index = number.unwrap_or(0);
        let kinds = [
            (DeviceKind::DiscreteGpu(index), "discrete"),
            (DeviceKind::IntegratedGpu(index), "integrated"),
            (DeviceKind::VirtualGpu(index), "virtual"),
        ];
        let opened = kinds.into_iter().find_map(|(kind, word)| init(kind, &format!("gpu ({word} {index})")).ok());
        opened.ok_or_else(|| match number {
            Some(number) => format!("no GPU {number} was found; `dcode doctor` lists what there is"),
            None => "no GPU was found; use --device cpu".to_owned(),
        })
    }

    pub(super) fn open_software() -> Result<OpenDevice, String> {
        init(DeviceKind::Cpu, "gpu (software)")
    }

    /// The devices of this process by their names: Burn opens each just once.
    static OPENED: Mutex<Vec<(String, Device)>> = Mutex::new(Vec::new());

    fn init(kind: DeviceKind, name: &str) -> Result<OpenDevice, String> {
        let mut known = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, device)) = known.iter().find(|(known, _)| known == name) {
            return Ok(OpenDevice { device: device.clone(), name: name.to_owned() });
        }
        configure(&kind);
        // Drivers are foreign code: a panic while probing one must not end the program.
        let opened = catch_unwind(|| Device::wgpu_options().device_kind(kind).init());
        match opened {
            Ok(Ok(device)) => {
                known.push((name.to_owned(), device.clone()));
                Ok(OpenDevice { device, name: name.to_owned() })
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("{name}: the driver failed")),
        }
    }
}

#[cfg(not(feature = "wgpu"))]
mod gpu {
    use super::OpenDevice;

    const ABSENT: &str = "this dcode was built without GPU support; use --device cpu";

    pub(super) fn open_real(_number: Option<usize>) -> Result<OpenDevice, String> {
        Err(ABSENT.to_owned())
    }

    pub(super) fn open_software() -> Result<OpenDevice, String> {
        Err(ABSENT.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_and_printed_back() {
        for text in ["auto", "cpu", "gpu", "gpu:0", "gpu:12", "gpu:software"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        for text in ["", "cuda", "gpu:", "gpu:-1", "cpu:0", "GPU"] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }
}
