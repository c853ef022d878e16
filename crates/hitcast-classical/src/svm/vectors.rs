//! Support vectors of both machines: how they are saved, and predicted with.

use hitcast_core::estimator::check_features;
use hitcast_core::parallel::{for_chunks, threads_for};
use hitcast_core::{CoreError, ModelState, Result, TensorData, TensorValues};
use ndarray::{ArrayView2, Axis, Slice};

use super::kernel::KernelFunction;
use super::points::Points;
use crate::saved::check_finite;

/// Rows that a thread predicts at a time.
const BLOCK: usize = 64;

/// The rows of support vectors, `n × d`.
pub(super) fn tensor(vectors: &Points) -> Result<TensorData> {
    let shape = vec![vectors.len(), vectors.n_features()];
    let cells = (0..vectors.len()).flat_map(|place| vectors.point(place));
    TensorData::new(shape, TensorValues::F32(cells.collect()))
}

/// The support vectors of a saved model.
pub(super) fn load(state: &ModelState, function: KernelFunction, n: usize, d: usize) -> Result<Points> {
    let damaged = |what: String| CoreError::State(what);
    function.check().map_err(|error| damaged(error.to_string()))?;
    let cells = state.f32("vectors", &[n, d])?;
    if let Some(value) = cells.iter().find(|value| !value.is_finite()) {
        return Err(damaged(format!("tensor \"vectors\" holds {value}")));
    }
    let rows = ArrayView2::from_shape((n, d), cells).map_err(|error| damaged(error.to_string()))?;
    let all: Vec<usize> = (0..n).collect();
    Ok(Points::of(function, rows, &all))
}

/// Calls `predict` with blocks of rows and room for so many numbers for each, over all cores; what that writes must be finite.
pub(super) fn predict(
    vectors: &Points,
    features: ArrayView2<'_, f32>,
    width: usize,
    predict: impl Fn(ArrayView2<'_, f32>, &mut [f64]) + Sync,
) -> Result<Vec<f64>> {
    check_features(vectors.n_features(), features)?;
    check_finite(features, "the rows that are compared with support vectors")?;
    let mut values = vec![0.0; features.nrows() * width];
    let threads = threads_for(0, features.nrows() / BLOCK);
    for_chunks(&mut values, BLOCK * width, threads, |number, out| {
        let first = number * BLOCK;
        let rows = features.slice_axis(Axis(0), Slice::from(first..first + out.len() / width));
        predict(rows, out);
    });
    if let Some(place) = values.iter().position(|value| !value.is_finite()) {
        return Err(CoreError::NotFinite {
            what: "the machine's output",
            row: place / width,
            column: "score".to_owned(),
            value: values[place],
        });
    }
    Ok(values)
}
