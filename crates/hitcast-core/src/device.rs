//! Where a network runs.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::CoreError;

/// The device asked for; whether it is there is found out at the fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DeviceChoice {
    /// The first CUDA device if there is one, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The CUDA device with this number; an error if it is not there.
    Cuda(usize),
}

impl DeviceChoice {
    /// How many fits go on at the same time, of so many that the processor has threads for: networks beside each other on one
    /// GPU would wait for each other, and need its memory together. `finds_gpu` says what [`Auto`](Self::Auto) comes to.
    pub fn fits_at_once(self, threads: NonZeroUsize, finds_gpu: impl FnOnce() -> bool) -> NonZeroUsize {
        let is_gpu = match self {
            Self::Cpu => false,
            Self::Cuda(_) => true,
            Self::Auto => finds_gpu(),
        };
        if is_gpu { NonZeroUsize::MIN } else { threads }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = CoreError;

    fn from_str(text: &str) -> Result<Self, CoreError> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| CoreError::UnknownDevice(text.to_owned())),
        }
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = CoreError;

    fn try_from(text: String) -> Result<Self, CoreError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_gpu_one_fit_goes_on_at_a_time() {
        let at_once = |choice: DeviceChoice, finds_gpu| {
            let threads = NonZeroUsize::new(8).unwrap();
            choice.fits_at_once(threads, || finds_gpu).get()
        };
        assert_eq!([false, true].map(|gpu| at_once(DeviceChoice::Cpu, gpu)), [8, 8]);
        assert_eq!(
            [false, true].map(|gpu| at_once(DeviceChoice::Cuda(1), gpu)),
            [1, 1]
        );
        assert_eq!([false, true].map(|gpu| at_once(DeviceChoice::Auto, gpu)), [8, 1]);
    }

    #[test]
    fn every_spelling_comes_back() {
        for choice in [
            DeviceChoice::Auto,
            DeviceChoice::Cpu,
            DeviceChoice::Cuda(0),
            DeviceChoice::Cuda(3),
        ] {
            assert_eq!(choice.to_string().parse::<DeviceChoice>().unwrap(), choice);
        }
        assert_eq!("CUDA".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(0));
        assert!("gpu".parse::<DeviceChoice>().is_err());
    }
}
