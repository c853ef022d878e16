//! A feature matrix with the names of its columns, and the target that belongs to it.

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::error::{CoreError, Result};

/// Features as a model takes them: an `n × d` matrix in row-major order with a name for each column.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    matrix: Array2<f32>,
    columns: Vec<FeatureColumn>,
}

/// Where a column of a feature matrix comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureColumn {
    /// Name of the column, unique in its matrix.
    pub name: String,
    /// Name of the table's column that it was made from; several encoded columns can share one source.
    pub source: String,
}

impl FeatureColumn {
    /// A column that is its own source.
    pub fn plain(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            source: name.clone(),
            name,
        }
    }
}

impl Features {
    /// Joins a matrix (`n × d`) and its `d` columns.
    ///
    /// # Errors
    /// [`CoreError::Length`] if the numbers of columns differ, [`CoreError::NotFinite`] on NaN or infinity.
    pub fn new(matrix: Array2<f32>, columns: Vec<FeatureColumn>) -> Result<Self> {
        if matrix.ncols() != columns.len() {
            return Err(CoreError::Length {
                what: "names of feature columns",
                expected: matrix.ncols(),
                got: columns.len(),
            });
        }
        let matrix = if matrix.is_standard_layout() {
            matrix
        } else {
            matrix.as_standard_layout().into_owned()
        };
        for (row, values) in matrix.outer_iter().enumerate() {
            if let Some(column) = values.iter().position(|v| !v.is_finite()) {
                return Err(CoreError::NotFinite {
                    what: "the feature matrix",
                    row,
                    column: columns[column].name.clone(),
                    value: f64::from(values[column]),
                });
            }
        }
        Ok(Self { matrix, columns })
    }

    /// The matrix, `n × d`, row-major.
    pub fn matrix(&self) -> ArrayView2<'_, f32> {
        self.matrix.view()
    }

    /// The columns, length `d`.
    pub fn columns(&self) -> &[FeatureColumn] {
        &self.columns
    }

    /// Number of rows `n`.
    pub fn n_rows(&self) -> usize {
        self.matrix.nrows()
    }

    /// Number of columns `d`.
    pub fn n_features(&self) -> usize {
        self.matrix.ncols()
    }

    /// The rows with these indices, in this order.
    ///
    /// # Panics
    /// If an index is not below [`n_rows`](Self::n_rows).
    pub fn take(&self, rows: &[usize]) -> Self {
        Self {
            matrix: self.matrix.select(Axis(0), rows),
            columns: self.columns.clone(),
        }
    }
}

/// Rows to learn from: features, a target of the same length, and weights if some rows count more than others.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    features: Features,
    target: Vec<f64>,
    weights: Option<Vec<f64>>,
}

impl Dataset {
    /// Joins features (`n × d`) and a target (length `n`).
    ///
    /// # Errors
    /// [`CoreError::Length`] if the lengths differ, [`CoreError::NoRows`] if `n` is 0, [`CoreError::NotFinite`] if a
    /// target is NaN or infinite.
    pub fn new(features: Features, target: Vec<f64>) -> Result<Self> {
        if target.len() != features.n_rows() {
            return Err(CoreError::Length {
                what: "rows of the target",
                expected: features.n_rows(),
                got: target.len(),
            });
        }
        if target.is_empty() {
            return Err(CoreError::NoRows { what: "the data set" });
        }
        if let Some(row) = target.iter().position(|v| !v.is_finite()) {
            let column = "target".to_owned();
            return Err(CoreError::NotFinite {
                what: "the target",
                row,
                column,
                value: target[row],
            });
        }
        Ok(Self {
            features,
            target,
            weights: None,
        })
    }

    /// These rows with a weight for each (length `n`): a row of weight 2 counts as much as two rows of weight 1. Only
    /// the ratios matter. Weights are for learning; metrics count every row once.
    ///
    /// # Errors
    /// [`CoreError::Length`] if there are not as many as rows, [`CoreError::Weight`] if one is negative or not finite,
    /// or if all are 0.
    pub fn with_weights(self, weights: Vec<f64>) -> Result<Self> {
        if weights.len() != self.n_rows() {
            return Err(CoreError::Length {
                what: "sample weights",
                expected: self.n_rows(),
                got: weights.len(),
            });
        }
        let bad = weights.iter().position(|v| !(v.is_finite() && *v >= 0.0));
        let all_zero = weights.iter().all(|v| *v == 0.0).then_some(0);
        if let Some(row) = bad.or(all_zero) {
            let value = weights[row];
            return Err(CoreError::Weight { row, value });
        }
        Ok(Self {
            weights: Some(weights),
            ..self
        })
    }

    /// The features.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The target, one value a row.
    pub fn target(&self) -> &[f64] {
        &self.target
    }

    /// How much each row counts; `None` if all count the same.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.target.len()
    }

    /// Number of features.
    pub fn n_features(&self) -> usize {
        self.features.n_features()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_nan_is_refused_with_its_place() {
        let columns = vec![FeatureColumn::plain("energy"), FeatureColumn::plain("tempo")];
        let error = Features::new(array![[0.1, 1.0], [0.2, f32::NAN]], columns).unwrap_err();
        assert!(error.to_string().contains("row 1, column \"tempo\""), "{error}");
    }

    #[test]
    fn weights_that_cannot_be_are_refused_with_their_row() {
        let features = Features::new(array![[1.0], [2.0]], vec![FeatureColumn::plain("a")]).unwrap();
        let data = Dataset::new(features, vec![1.0, 2.0]).unwrap();
        assert_eq!(data.weights(), None);
        for (weights, row) in [
            ([1.0, -1.0], 1),
            ([f64::NAN, 1.0], 0),
            ([1.0, f64::INFINITY], 1),
            ([0.0, 0.0], 0),
        ] {
            let error = data.clone().with_weights(weights.to_vec()).unwrap_err();
            assert!(
                matches!(error, CoreError::Weight { row: found, .. } if found == row),
                "{error}"
            );
        }
        assert!(data.clone().with_weights(vec![1.0]).is_err());
        let weighted = data.with_weights(vec![0.0, 2.0]).unwrap();
        assert_eq!(weighted.weights(), Some(&[0.0, 2.0][..]));
    }

    #[test]
    fn a_target_of_another_length_is_refused() {
        let features = Features::new(array![[1.0], [2.0]], vec![FeatureColumn::plain("a")]).unwrap();
        assert!(matches!(
            Dataset::new(features, vec![1.0]),
            Err(CoreError::Length {
                expected: 2,
                got: 1,
                ..
            })
        ));
    }
}
