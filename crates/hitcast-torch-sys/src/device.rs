//! From the device that was asked for to one that is there.

use hitcast_core::DeviceChoice;
use tch::Device;

use crate::cuda::{cuda_device_count, cuda_is_available, load_cuda};
use crate::error::{Result, TorchError};
use crate::library::library_dir;

/// The device that `choice` means on this computer.
///
/// [`DeviceChoice::Auto`] never fails: it takes the first CUDA device, else the processor.
///
/// # Errors
/// [`TorchError::NoSuchDevice`] if a CUDA device was named and is not there, [`TorchError::BrokenCuda`] if that is
/// because libtorch's CUDA half cannot be loaded.
pub fn device(choice: DeviceChoice) -> Result<Device> {
    match choice {
        DeviceChoice::Auto if cuda_is_available() => Ok(Device::Cuda(0)),
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda(index) => {
            let has_cuda_half = load_cuda()?;
            let count = cuda_device_count();
            if index < count {
                Ok(Device::Cuda(index))
            } else {
                Err(TorchError::NoSuchDevice {
                    asked: choice,
                    found: found(has_cuda_half, count),
                })
            }
        }
    }
}

/// What is there, for the error about what is not.
fn found(has_cuda_half: bool, count: usize) -> String {
    match (has_cuda_half, count) {
        (false, _) => format!(
            "the libtorch in {} is for the processor only (`cargo xtask setup --cuda` brings the one with CUDA)",
            library_dir().display()
        ),
        (true, 0) => {
            "libtorch's CUDA half is loaded, but it finds no usable NVIDIA device or driver (does nvidia-smi list one?)"
                .to_owned()
        }
        (true, 1) => "the only CUDA device is cuda:0".to_owned(),
        (true, count) => format!("the CUDA devices are cuda:0 to cuda:{}", count - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_always_there() {
        assert_eq!(device(DeviceChoice::Cpu), Ok(Device::Cpu));
    }

    #[test]
    fn auto_takes_cuda_only_where_it_is() {
        let expected = if cuda_is_available() {
            Device::Cuda(0)
        } else {
            Device::Cpu
        };
        assert_eq!(device(DeviceChoice::Auto), Ok(expected));
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error_that_says_what_is() {
        let missing = DeviceChoice::Cuda(cuda_device_count() + 7);
        let message = device(missing).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("there is no device {missing}: ")),
            "{message}"
        );
        assert!(message.contains("--device auto"), "{message}");
    }

    #[test]
    fn what_was_found_is_said_for_each_case() {
        assert!(found(false, 0).contains("processor only"));
        assert!(found(true, 0).contains("driver"));
        assert!(found(true, 1).ends_with("cuda:0"));
        assert!(found(true, 4).ends_with("cuda:3"));
    }
}
