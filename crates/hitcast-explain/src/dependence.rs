//! How predictions move with one or two columns, the others left as they are (Friedman 2001; Goldstein and others 2015).

use hitcast_core::stats::mean;
use hitcast_core::{Features, Seed};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, Result};
use crate::explained::{Explained, matrix_of, row_of, sample_rows};
use crate::grid::Grid;
use crate::source::Raw;

/// Partial dependence: the mean prediction of rows that all get the same value of a column, for one value after the other.
///
/// Where columns go together it also asks about rows that cannot be; [`AccumulatedEffects`](crate::AccumulatedEffects) does
/// not. Agrees with scikit-learn's `partial_dependence` 1.9 (`method="brute"`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartialDependence {
    /// Rows that are used, at least 1; of more, some are chosen at random. Default 1000.
    pub rows: usize,
    /// Of how many of these the individual curve is kept; the first ones. Default 50.
    pub curves: usize,
}

/// How predictions move with one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dependence {
    /// Name of the source column.
    pub source: String,
    /// Its values, `g` of them.
    pub points: Vec<Raw>,
    /// The mean prediction at each value, length `g`.
    pub mean: Vec<f64>,
    /// Number of rows behind it.
    pub rows: usize,
    /// What single rows do.
    pub curves: Vec<IndividualCurve>,
}

/// How the prediction for one row moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndividualCurve {
    /// The row, counted from 0.
    pub row: usize,
    /// Its prediction at each value, length `g`.
    pub values: Vec<f64>,
}

/// How predictions move with two columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DependenceOfTwo {
    /// Names of the source columns.
    pub sources: [String; 2],
    /// Their values, `g` and `h` of them.
    pub points: [Vec<Raw>; 2],
    /// The mean prediction by the value of the first and of the second, `g × h`.
    pub mean: Vec<Vec<f64>>,
    /// Number of rows behind it.
    pub rows: usize,
}

impl Default for PartialDependence {
    fn default() -> Self {
        Self {
            rows: 1000,
            curves: 50,
        }
    }
}

impl PartialDependence {
    /// How predictions for rows of `features` (`n × d`) move with the grid's column.
    ///
    /// # Errors
    /// [`ExplainError::Setting`], [`ExplainError::NoRows`], [`ExplainError::UnknownSource`] and
    /// [`ExplainError::OtherColumns`] if the grid is not one of these features, else as [`Explained::values`].
    pub fn compute(
        &self,
        explained: &Explained<'_>,
        features: &Features,
        grid: &Grid,
        seed: Seed,
    ) -> Result<Dependence> {
        let (chosen, matrix) = self.rows(features, &[grid], seed)?;
        let n = chosen.len();
        let values = explained.evaluate(grid.points.len() * n, matrix.ncols(), |number, to| {
            to.copy_from_slice(row_of(&matrix, number % n));
            if let Some(point) = grid.points.get(number / n) {
                grid.source.write(&point.encoded, to);
            }
        })?;
        let curve = |(place, &row): (usize, &usize)| IndividualCurve {
            row,
            values: values.iter().skip(place).step_by(n).copied().collect(),
        };
        Ok(Dependence {
            source: grid.source.name.clone(),
            points: grid.raw(),
            mean: values.chunks(n).map(mean).collect(),
            rows: n,
            curves: chosen.iter().enumerate().take(self.curves).map(curve).collect(),
        })
    }

    /// How predictions for rows of `features` (`n × d`) move with the columns of two grids.
    ///
    /// # Errors
    /// As [`compute`](Self::compute), [`ExplainError::Setting`] also if both are of one column.
    pub fn compute_two(
        &self,
        explained: &Explained<'_>,
        features: &Features,
        grids: [&Grid; 2],
        seed: Seed,
    ) -> Result<DependenceOfTwo> {
        let [first, second] = grids;
        if first.source == second.source {
            let name = &first.source.name;
            return Err(ExplainError::setting(
                "the second column",
                name,
                "another than the first",
            ));
        }
        let (chosen, matrix) = self.rows(features, &grids, seed)?;
        let (n, h) = (chosen.len(), second.points.len());
        let values = explained.evaluate(first.points.len() * h * n, matrix.ncols(), |number, to| {
            to.copy_from_slice(row_of(&matrix, number % n));
            let pair = number / n;
            for (grid, point) in [(first, pair / h), (second, pair % h)] {
                if let Some(point) = grid.points.get(point) {
                    grid.source.write(&point.encoded, to);
                }
            }
        })?;
        let means: Vec<f64> = values.chunks(n).map(mean).collect();
        Ok(DependenceOfTwo {
            sources: grids.map(|grid| grid.source.name.clone()),
            points: grids.map(Grid::raw),
            mean: means.chunks(h).map(<[f64]>::to_vec).collect(),
            rows: n,
        })
    }

    fn rows(&self, features: &Features, grids: &[&Grid], seed: Seed) -> Result<(Vec<usize>, Array2<f32>)> {
        if self.rows == 0 {
            return Err(ExplainError::setting("rows", 0, "at least 1"));
        }
        if features.n_rows() == 0 {
            return Err(ExplainError::NoRows {
                what: "partial dependence",
            });
        }
        grids.iter().try_for_each(|grid| grid.check(features))?;
        let chosen = sample_rows(features.n_rows(), self.rows, seed.child("partial dependence"));
        let matrix = matrix_of(features, &chosen);
        Ok((chosen, matrix))
    }
}
