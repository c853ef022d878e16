//! What the tests of the models share.

use hitcast_core::{
    Dataset, Estimator, FeatureColumn, Features, Fit, FitContext, Result, Seed, StopSignal, TensorData,
    TensorValues,
};
use ndarray::Array2;

pub(crate) fn matrix(rows: &[Vec<f32>]) -> Array2<f32> {
    let d = rows.first().map_or(0, Vec::len);
    Array2::from_shape_vec((rows.len(), d), rows.concat()).unwrap()
}

pub(crate) fn features(x: Array2<f32>) -> Features {
    let columns = (0..x.ncols())
        .map(|j| FeatureColumn::plain(format!("x{j}")))
        .collect();
    Features::new(x, columns).unwrap()
}

pub(crate) fn numbers(x: Array2<f32>, y: Vec<f64>) -> Dataset {
    Dataset::new(features(x), y).unwrap()
}

pub(crate) fn labels(x: Array2<f32>, classes: &[usize], n_classes: usize) -> Dataset {
    Dataset::of_classes(features(x), classes, n_classes).unwrap()
}

/// Rows of `d` features whose target is a curve with noise.
pub(crate) fn curve(n: usize, d: usize, seed: u64) -> (Array2<f32>, Vec<f64>) {
    let mut stream = Seed::new(seed).stream("rows");
    let x = Array2::from_shape_fn((n, d), |_| stream.normal() as f32);
    let y = x
        .rows()
        .into_iter()
        .map(|row| f64::from(row[0] * row[1 % d]) + f64::from(row[0]).sin() + 0.3 * stream.normal());
    let y = y.collect();
    (x, y)
}

/// The same rows in classes, by thirds of the target.
pub(crate) fn classes(y: &[f64]) -> Vec<usize> {
    y.iter()
        .map(|y| usize::from(*y > -0.5) + usize::from(*y > 0.5))
        .collect()
}

pub(crate) fn fit(estimator: &dyn Estimator, train: &Dataset, seed: u64) -> Result<Fit> {
    let stop = StopSignal::new();
    estimator.fit(train, None, &FitContext::quiet("test", Seed::new(seed), &stop))
}

/// The same tensor with one number changed.
pub(crate) fn changed(tensor: &TensorData, place: usize, to: f64) -> TensorData {
    let mut values = tensor.values().clone();
    match &mut values {
        TensorValues::F32(values) => values[place] = to as f32,
        TensorValues::F64(values) => values[place] = to,
        _ => panic!("a new type of tensor"),
    }
    TensorData::new(tensor.shape().to_vec(), values).unwrap()
}

pub(crate) fn close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (place, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (got - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{what}, {place}: {got}, expected {expected}"
        );
    }
}
