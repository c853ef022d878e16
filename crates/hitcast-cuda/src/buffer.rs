//! Numbers in the memory of the device.

use std::ops::Range;
use std::sync::Arc;

use cudarc::driver::sys::cudaError_enum;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DeviceRepr, DriverError, ValidAsZeroBits, result};

use crate::error::{CudaError, Result, describe};

/// Numbers that one stream works on. Without any it still has an address, which the driver gives to no empty buffer.
#[derive(Debug)]
pub(crate) struct Buffer<T> {
    slice: CudaSlice<T>,
    length: usize,
    stream: Arc<CudaStream>,
}

impl<T: DeviceRepr + ValidAsZeroBits> Buffer<T> {
    pub(crate) fn zeros(stream: &Arc<CudaStream>, length: usize) -> Result<Self> {
        let slice = stream
            .alloc_zeros(length.max(1))
            .map_err(no_room(length * size_of::<T>()))?;
        Ok(Self {
            slice,
            length,
            stream: stream.clone(),
        })
    }

    pub(crate) fn from(stream: &Arc<CudaStream>, values: &[T]) -> Result<Self> {
        let mut buffer = Self::zeros(stream, values.len())?;
        buffer.write(0, values)?;
        Ok(buffer)
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn address(&self) -> u64 {
        self.slice.device_ptr(&self.stream).0
    }

    /// Copies these numbers to places from `start` on, behind all that was queued before.
    pub(crate) fn write(&mut self, start: usize, values: &[T]) -> Result<()> {
        let end = start + values.len();
        if end > self.length {
            return CudaError::expect_length("numbers for the device", end, self.length);
        }
        if values.is_empty() {
            return Ok(());
        }
        let mut to = self.slice.slice_mut(start..end);
        self.stream
            .memcpy_htod(values, &mut to)
            .map_err(CudaError::while_("copying to the device"))
    }

    /// Copies these numbers, as many as there are.
    pub(crate) fn replace(&mut self, what: &'static str, values: &[T]) -> Result<()> {
        CudaError::expect_length(what, values.len(), self.length)?;
        self.write(0, values)
    }

    /// The numbers at these places once all that was queued is done.
    pub(crate) fn read(&self, places: Range<usize>) -> Result<Vec<T>> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let reading = CudaError::while_("working, or copying from the device");
        let from = self.slice.slice(places);
        let values = self.stream.clone_dtoh(&from).map_err(&reading)?;
        self.stream.synchronize().map_err(&reading)?;
        Ok(values)
    }

    /// Queues that all become zero.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.stream
            .memset_zeros(&mut self.slice)
            .map_err(CudaError::while_("working on the device"))
    }

    pub(crate) fn read_all(&self) -> Result<Vec<T>> {
        self.read(0..self.length)
    }

    /// Queues a copy of so many numbers of another buffer, from a place on.
    pub(crate) fn copy_from(&mut self, other: &Self, start: usize) -> Result<()> {
        if self.length == 0 {
            return Ok(());
        }
        let from = other.slice.slice(start..start + self.length);
        let mut to = self.slice.slice_mut(0..self.length);
        self.stream
            .memcpy_dtod(&from, &mut to)
            .map_err(CudaError::while_("copying on the device"))
    }
}

impl Buffer<u32> {
    /// Queues a copy of a few words without waiting for what is queued before.
    pub(crate) fn write_queued(&mut self, words: &[u32]) -> Result<()> {
        CudaError::expect_length("words", words.len(), self.length)?;
        let copying = CudaError::while_("queueing steps");
        self.stream.context().bind_to_thread().map_err(&copying)?;
        // SAFETY: there is room for the words. They are ordinary memory, which the driver copies away before it returns ("API
        // synchronization behavior" of the CUDA driver API), and the copy is queued behind whatever reads what stood there.
        unsafe { result::memcpy_htod_async(self.address(), words, self.stream.cu_stream()) }.map_err(&copying)
    }
}

fn no_room(bytes: usize) -> impl Fn(DriverError) -> CudaError {
    move |error| match error.0 {
        cudaError_enum::CUDA_ERROR_OUT_OF_MEMORY => CudaError::Memory {
            bytes,
            message: describe(&error),
        },
        _ => CudaError::while_("making room for numbers")(error),
    }
}
