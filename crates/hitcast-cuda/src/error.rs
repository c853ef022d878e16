//! What can go wrong with a GPU.

use cudarc::driver::DriverError;

/// A [`std::result::Result`] with [`CudaError`].
pub type Result<T> = std::result::Result<T, CudaError>;

/// Why a GPU cannot be used, or no longer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// A library is not there or cannot be loaded.
    #[error("{library} cannot be loaded: {reason}")]
    Library {
        /// Which one.
        library: &'static str,
        /// What is missing, and what would bring it.
        reason: String,
    },
    /// The kernels did not compile.
    #[error(
        "the kernels for this network do not compile (please report it; `--device cpu` trains without them): {0}"
    )]
    Compile(String),
    /// The device has no room for what it should hold.
    #[error(
        "the GPU has no room for {bytes} bytes: {message}; take fewer rows or a smaller network, or train with `--device cpu`"
    )]
    Memory {
        /// What was asked for.
        bytes: usize,
        /// What the driver said.
        message: String,
    },
    /// The driver refused something, or the device is gone.
    #[error(
        "the GPU failed while {doing}: {message}; what was saved is not lost: with checkpoints, `--resume` goes on from the \
         last one once the GPU is back (`nvidia-smi` says whether it is), and `--device cpu` trains without it"
    )]
    Driver {
        /// What was being done.
        doing: &'static str,
        /// What the driver said.
        message: String,
    },
    /// A target names a class that there is not.
    #[error("the target of row {row} is {value}, which is none of the classes 0 to {}", n_classes - 1)]
    Class {
        /// The row, from 0.
        row: usize,
        /// Its target.
        value: f32,
        /// Classes of the network.
        n_classes: usize,
    },
    /// A buffer of the wrong length was handed in.
    #[error("{what} are {found} numbers where {expected} belong")]
    Length {
        /// Which numbers.
        what: &'static str,
        /// How many came.
        found: usize,
        /// How many belong there.
        expected: usize,
    },
}

impl CudaError {
    /// Turns what the driver said into an error that says what was being done.
    pub(crate) fn while_(doing: &'static str) -> impl Fn(DriverError) -> Self {
        move |error| Self::Driver {
            doing,
            message: describe(&error),
        }
    }

    pub(crate) fn expect_length(what: &'static str, found: usize, expected: usize) -> Result<()> {
        if found == expected {
            Ok(())
        } else {
            Err(Self::Length {
                what,
                found,
                expected,
            })
        }
    }
}

/// The driver's name for the error and its sentence about it.
pub(crate) fn describe(error: &DriverError) -> String {
    let word = |text: std::result::Result<&std::ffi::CStr, DriverError>| {
        text.ok().map(|text| text.to_string_lossy().into_owned())
    };
    match (word(error.error_name()), word(error.error_string())) {
        (Some(name), Some(text)) => format!("{text} ({name})"),
        _ => format!("error {}", error.0 as u32),
    }
}
