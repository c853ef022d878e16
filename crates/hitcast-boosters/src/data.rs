//! Rows as the libraries take them: 32-bit numbers, row by row.

use hitcast_classical::ClassicalError;
use hitcast_core::Dataset;
use hitcast_core::estimator::check_features;
use ndarray::{CowArray, Ix2};

use crate::error::{BoosterError, Result};

/// Rows that were checked.
pub(crate) struct Rows<'a> {
    matrix: CowArray<'a, f32, Ix2>,
    /// One number a row; of classes their numbers.
    pub(crate) target: Vec<f32>,
    /// One a row, of at least 0; `None` if all rows count the same.
    pub(crate) weights: Option<Vec<f32>>,
}

impl<'a> Rows<'a> {
    /// Rows to learn from.
    pub(crate) fn of_training(data: &'a Dataset) -> Result<Self> {
        if data.n_features() == 0 {
            return Err(BoosterError::NoFeatures);
        }
        if let Some(class) = only_class(data) {
            return Err(ClassicalError::OneClass { class }.into());
        }
        Self::of(data, data.n_features())
    }

    /// Rows that are checked to have `d` features.
    pub(crate) fn of(data: &'a Dataset, d: usize) -> Result<Self> {
        let matrix = data.features().matrix();
        check_features(d, matrix.view())?;
        Ok(Self {
            matrix,
            target: single("the target", data.target())?,
            weights: data.weights().map(weights).transpose()?,
        })
    }

    /// Number of rows.
    pub(crate) fn n(&self) -> usize {
        self.matrix.nrows()
    }

    /// Number of features, at least 1 in training rows.
    pub(crate) fn d(&self) -> usize {
        self.matrix.ncols()
    }

    /// The features, `n × d` row by row, as every matrix of [`Features`](hitcast_core::Features) lies.
    pub(crate) fn cells(&self) -> &[f32] {
        self.matrix.as_slice().unwrap_or_default()
    }

    /// Whether every feature is the same in all rows, so that no question divides them.
    pub(crate) fn are_alike(&self) -> bool {
        let same = |a: f32, b: f32| a == b || (a.is_nan() && b.is_nan());
        let mut rows = self.cells().chunks_exact(self.d().max(1));
        let Some(first) = rows.next() else { return true };
        rows.all(|row| row.iter().zip(first).all(|(a, b)| same(*a, *b)))
    }

    /// The features of the first rows, up to `rows`.
    pub(crate) fn first(&self, rows: usize) -> &[f32] {
        let cells = self.cells();
        &cells[..cells.len().min(rows.saturating_mul(self.d()))]
    }
}

fn single(what: &'static str, values: &[f64]) -> Result<Vec<f32>> {
    let narrow = |(row, &value): (usize, &f64)| {
        #[allow(clippy::cast_possible_truncation)]
        let single = value as f32;
        if single.is_finite() {
            Ok(single)
        } else {
            Err(BoosterError::TooLarge { what, row, value })
        }
    };
    values.iter().enumerate().map(narrow).collect()
}

/// Weights, none of which becomes nothing by being rounded to 32 bits.
fn weights(values: &[f64]) -> Result<Vec<f32>> {
    let single = single("the weight", values)?;
    match (0..values.len()).find(|row| values[*row] > 0.0 && single[*row] == 0.0) {
        Some(row) => Err(BoosterError::TooSmall {
            row,
            value: values[row],
        }),
        None => Ok(single),
    }
}

/// The class that all rows of weight are of.
fn only_class(data: &Dataset) -> Option<usize> {
    let classes = data.classes()?;
    let weight = |row: usize| data.weights().map_or(1.0, |weights| weights[row]);
    let mut seen = (0..classes.len())
        .filter(|row| weight(*row) > 0.0)
        .map(|row| classes[row]);
    let first = seen.next()?;
    seen.all(|class| class == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use hitcast_core::{FeatureColumn, Features};
    use ndarray::Array2;

    use super::*;

    #[test]
    fn rows_are_alike_if_no_feature_differs() {
        let alike = |cells: [f32; 4]| {
            let columns = vec![FeatureColumn::plain("a"), FeatureColumn::plain("b")];
            let matrix = Array2::from_shape_vec((2, 2), cells.to_vec()).unwrap();
            let features = Features::with_missing(matrix, columns).unwrap();
            let data = Dataset::new(features, vec![1.0, 2.0]).unwrap();
            Rows::of_training(&data).unwrap().are_alike()
        };
        assert!(alike([1.0, f32::NAN, 1.0, f32::NAN]) && alike([0.0, 2.0, -0.0, 2.0]));
        assert!(!alike([1.0, f32::NAN, 1.0, 2.0]) && !alike([1.0, 2.0, 1.5, 2.0]));
    }

    #[test]
    fn a_weight_that_32_bits_make_nothing_of_is_refused() {
        let features = Features::new(Array2::zeros((3, 1)), vec![FeatureColumn::plain("x")]).unwrap();
        let data = Dataset::new(features, vec![1.0; 3]).unwrap();
        let rows = |weights: [f64; 3]| {
            let data = data.clone().with_weights(weights.to_vec()).unwrap();
            Rows::of_training(&data).map(|rows| rows.weights)
        };
        assert_eq!(rows([0.0, 1.0, 0.5]).unwrap(), Some(vec![0.0, 1.0, 0.5]));
        let message = rows([0.0, 1e-60, 1.0]).unwrap_err().to_string();
        assert!(message.starts_with("the weight of row 1 is 1e-60"), "{message}");
    }
}
