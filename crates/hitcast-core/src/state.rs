//! The saved form of a fitted model: settings as JSON, numbers as named tensors.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{CoreError, Result};

/// Everything needed to build a fitted model again.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelState {
    /// The model's settings and small facts.
    pub settings: Value,
    /// Its learned numbers by name.
    pub tensors: BTreeMap<String, TensorData>,
}

/// A dense tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorData {
    shape: Vec<usize>,
    values: TensorValues,
}

/// The numbers of a [`TensorData`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TensorValues {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
}

impl TensorValues {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that they take.
    pub fn n_bytes(&self) -> usize {
        match self {
            Self::F32(values) => 4 * values.len(),
            Self::F64(values) => 8 * values.len(),
        }
    }
}

impl TensorData {
    /// A tensor of this shape.
    ///
    /// # Errors
    /// [`CoreError::State`] if the shape's product is not the number of values.
    pub fn new(shape: Vec<usize>, values: TensorValues) -> Result<Self> {
        let wanted = shape
            .iter()
            .try_fold(1_usize, |product, &n| product.checked_mul(n));
        if wanted != Some(values.len()) {
            return Err(CoreError::State(format!(
                "shape {shape:?} does not hold {} values",
                values.len()
            )));
        }
        Ok(Self { shape, values })
    }

    /// A vector of 32-bit floats.
    pub fn f32_vector(values: Vec<f32>) -> Self {
        Self {
            shape: vec![values.len()],
            values: TensorValues::F32(values),
        }
    }

    /// A vector of 64-bit floats.
    pub fn f64_vector(values: Vec<f64>) -> Self {
        Self {
            shape: vec![values.len()],
            values: TensorValues::F64(values),
        }
    }

    /// The length of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers, row-major.
    pub fn values(&self) -> &TensorValues {
        &self.values
    }
}

impl ModelState {
    /// The 32-bit tensor of this name, checked for its shape.
    ///
    /// # Errors
    /// [`CoreError::State`] if it is missing or of another type or shape.
    pub fn f32(&self, name: &str, shape: &[usize]) -> Result<&[f32]> {
        match self.shaped(name, shape)? {
            TensorValues::F32(values) => Ok(values),
            TensorValues::F64(_) => Err(CoreError::State(format!("tensor {name:?} is F64, not F32"))),
        }
    }

    /// The 64-bit tensor of this name, checked for its shape.
    ///
    /// # Errors
    /// [`CoreError::State`] if it is missing or of another type or shape.
    pub fn f64(&self, name: &str, shape: &[usize]) -> Result<&[f64]> {
        match self.shaped(name, shape)? {
            TensorValues::F64(values) => Ok(values),
            TensorValues::F32(_) => Err(CoreError::State(format!("tensor {name:?} is F32, not F64"))),
        }
    }

    fn shaped(&self, name: &str, shape: &[usize]) -> Result<&TensorValues> {
        let tensor = self
            .tensors
            .get(name)
            .ok_or_else(|| CoreError::State(format!("tensor {name:?} is missing")))?;
        if tensor.shape != shape {
            let got = &tensor.shape;
            return Err(CoreError::State(format!(
                "tensor {name:?} has shape {got:?}, expected {shape:?}"
            )));
        }
        Ok(&tensor.values)
    }
}
