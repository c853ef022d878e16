//! Where a run was made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Machine and libraries of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Operating system and architecture, as in `linux x86_64`.
    pub os: String,
    /// Name of the processor, where the system tells it.
    pub cpu: Option<String>,
    /// Threads that the system grants this process.
    pub threads: usize,
    /// Versions of libraries by name; `hitcast` is always among them.
    pub versions: BTreeMap<String, String>,
    /// The device that networks ran on, where the caller knows it.
    pub device: Option<String>,
}

impl Environment {
    /// What can be found out without libtorch.
    pub fn detect() -> Self {
        Self {
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cpu: cpu_name(),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            versions: BTreeMap::from([("hitcast".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
            device: None,
        }
    }

    /// This environment with the version of one more library.
    #[must_use]
    pub fn with_version(mut self, library: impl Into<String>, version: impl Into<String>) -> Self {
        self.versions.insert(library.into(), version.into());
        self
    }

    /// This environment with the name of the device that networks run on.
    #[must_use]
    pub fn with_device(mut self, device: impl Into<String>) -> Self {
        self.device = Some(device.into());
        self
    }
}

fn cpu_name() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
