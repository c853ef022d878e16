//! What is published for which system.

use crate::error::{Error, Result};

use super::{VERSION, Variant};

/// A Python wheel, which is where the libraries come from.
pub(crate) struct Wheel {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Size of the download in MB on Linux x86-64; elsewhere it is about the same.
    pub(crate) mb: u64,
}

/// What is published for this system.
pub(crate) struct Platform {
    pub(crate) name: &'static str,
    /// The tags of wheels that run here, by which pip chooses whatever Python it runs in.
    pub(crate) tags: &'static [&'static str],
    /// The libtorch archive of the PyTorch project, for the processor and with CUDA.
    archives: [Option<&'static str>; 2],
    torch_mb: u64,
    needs_nvidia: bool,
    /// The package with XGBoost for the processor alone.
    xgboost: &'static str,
}

const LINUX_X86_64: Platform = Platform {
    name: "linux-x86_64",
    tags: &[
        "manylinux_2_28_x86_64",
        "manylinux_2_27_x86_64",
        "manylinux_2_25_x86_64",
        "manylinux_2_24_x86_64",
        "manylinux_2_18_x86_64",
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
    ],
    archives: [
        Some("https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-2.11.0%2Bcpu.zip"),
        Some("https://download.pytorch.org/libtorch/cu130/libtorch-shared-with-deps-2.11.0%2Bcu130.zip"),
    ],
    torch_mb: 531,
    needs_nvidia: true,
    xgboost: "xgboost-cpu",
};

const LINUX_AARCH64: Platform = Platform {
    name: "linux-aarch64",
    tags: &[
        "manylinux_2_28_aarch64",
        "manylinux_2_27_aarch64",
        "manylinux_2_25_aarch64",
        "manylinux_2_24_aarch64",
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
    ],
    archives: [None, None],
    torch_mb: 420,
    needs_nvidia: true,
    xgboost: "xgboost-cpu",
};

const MACOS_ARM64: Platform = Platform {
    name: "macos-arm64",
    tags: &[
        "macosx_11_0_arm64",
        "macosx_12_0_arm64",
        "macosx_13_0_arm64",
        "macosx_14_0_arm64",
    ],
    archives: [
        Some("https://download.pytorch.org/libtorch/cpu/libtorch-macos-arm64-2.11.0.zip"),
        None,
    ],
    torch_mb: 81,
    needs_nvidia: false,
    xgboost: "xgboost",
};

/// What torch's library for the processor asks for where it is built with CUDA.
const NVIDIA_CPU: [Wheel; 2] = [
    Wheel {
        name: "nvidia-cuda-cupti",
        version: "13.0.85",
        mb: 11,
    },
    Wheel {
        name: "nvidia-cuda-runtime",
        version: "13.0.96",
        mb: 2,
    },
];

/// What torch 2.11.0 declares that it needs for CUDA 13.0, libraries only.
const NVIDIA_CUDA: [Wheel; 12] = [
    Wheel {
        name: "nvidia-cublas",
        version: "13.1.0.3",
        mb: 423,
    },
    Wheel {
        name: "nvidia-cuda-nvrtc",
        version: "13.0.88",
        mb: 90,
    },
    Wheel {
        name: "nvidia-cudnn-cu13",
        version: "9.19.0.56",
        mb: 366,
    },
    Wheel {
        name: "nvidia-cufft",
        version: "12.0.0.61",
        mb: 214,
    },
    Wheel {
        name: "nvidia-cufile",
        version: "1.15.1.6",
        mb: 1,
    },
    Wheel {
        name: "nvidia-curand",
        version: "10.4.0.35",
        mb: 60,
    },
    Wheel {
        name: "nvidia-cusolver",
        version: "12.0.4.66",
        mb: 201,
    },
    Wheel {
        name: "nvidia-cusparse",
        version: "12.6.3.3",
        mb: 146,
    },
    Wheel {
        name: "nvidia-cusparselt-cu13",
        version: "0.8.0",
        mb: 170,
    },
    Wheel {
        name: "nvidia-nccl-cu13",
        version: "2.28.9",
        mb: 197,
    },
    Wheel {
        name: "nvidia-nvjitlink",
        version: "13.0.88",
        mb: 41,
    },
    Wheel {
        name: "nvidia-nvshmem-cu13",
        version: "3.4.5",
        mb: 60,
    },
];

impl Platform {
    /// The system that this program was built for.
    pub(crate) fn this() -> Result<Self> {
        Self::named(std::env::consts::OS, std::env::consts::ARCH)
    }

    fn named(os: &str, arch: &str) -> Result<Self> {
        match (os, arch) {
            // musl's loader takes no library that was built for glibc.
            ("linux", _) if cfg!(target_env = "musl") => Err(Error::NoPlatform {
                platform: format!("{os} {arch} with musl"),
                version: VERSION,
            }),
            ("linux", "x86_64") => Ok(LINUX_X86_64),
            ("linux", "aarch64") => Ok(LINUX_AARCH64),
            ("macos", "aarch64") => Ok(MACOS_ARM64),
            _ => Err(Error::NoPlatform {
                platform: format!("{os} {arch}"),
                version: VERSION,
            }),
        }
    }

    /// The wheels to fetch, or `None` where there is no such variant.
    pub(crate) fn wheels(&self, variant: Variant) -> Option<Vec<Wheel>> {
        let torch = Wheel {
            name: "torch",
            version: VERSION,
            mb: self.torch_mb,
        };
        match (variant, self.needs_nvidia) {
            (Variant::Cpu, false) => Some(vec![torch]),
            (Variant::Cpu, true) => Some([torch].into_iter().chain(NVIDIA_CPU).collect()),
            (Variant::Cuda, true) => Some([torch].into_iter().chain(NVIDIA_CPU).chain(NVIDIA_CUDA).collect()),
            (Variant::Cuda, false) => None,
        }
    }

    /// The wheels with the libraries of XGBoost and LightGBM.
    pub(crate) fn boosters(&self) -> [Wheel; 2] {
        [
            Wheel {
                name: self.xgboost,
                version: "3.2.0",
                mb: 6,
            },
            Wheel {
                name: "lightgbm",
                version: "4.7.0",
                mb: 4,
            },
        ]
    }

    /// The PyTorch project's own archive, where there is one.
    pub(crate) fn archive(&self, variant: Variant) -> Option<&'static str> {
        match variant {
            Variant::Cpu => self.archives[0],
            Variant::Cuda => self.archives[1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_a_published_libtorch_is_told_what_to_set() {
        let message = Platform::named("freebsd", "riscv64").err().unwrap().to_string();
        assert!(
            message.contains("freebsd riscv64") && message.contains("LIBTORCH"),
            "{message}"
        );
    }

    #[test]
    fn the_libraries_of_cuda_are_fetched_only_where_they_are_wanted() {
        let linux = Platform::named("linux", "x86_64").unwrap();
        assert_eq!(linux.wheels(Variant::Cpu).unwrap().len(), 3);
        assert!(
            linux
                .wheels(Variant::Cuda)
                .unwrap()
                .iter()
                .any(|wheel| wheel.name == "nvidia-cublas")
        );
        let mac = Platform::named("macos", "aarch64").unwrap();
        assert_eq!(mac.wheels(Variant::Cpu).unwrap().len(), 1);
        assert!(mac.wheels(Variant::Cuda).is_none());
    }

    #[test]
    fn every_size_is_known() {
        let wheels = LINUX_X86_64.wheels(Variant::Cuda).unwrap();
        assert!(wheels.iter().all(|wheel| wheel.mb > 0));
    }
}
