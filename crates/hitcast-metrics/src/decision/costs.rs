//! The class that costs least.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::check_probabilities;
use crate::classification::confusion::check_classes;
use crate::error::{MetricsError, Result};

/// What it costs to decide for a class (column) where it is another (row), `k × k`; a gain is a cost below 0. Only
/// differences and their ratios matter. In an experiment a list of rows:
/// `costs = [[0, 1, 5], [1, 0, 1], [9, 3, 0]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<Vec<f64>>", try_from = "Vec<Vec<f64>>")]
pub struct CostMatrix {
    rows: Vec<Vec<f64>>,
}

impl CostMatrix {
    /// Costs by actual class (row) and decided class (column).
    ///
    /// # Errors
    /// [`MetricsError::Classes`] below two classes, [`MetricsError::Length`] if the matrix is not square,
    /// [`MetricsError::Cost`] if a cost is not finite, or a wrong decision costs less than the right one.
    pub fn new(rows: Vec<Vec<f64>>) -> Result<Self> {
        let n_classes = rows.len();
        if n_classes < 2 {
            return Err(MetricsError::Classes { n_classes });
        }
        for (actual, row) in rows.iter().enumerate() {
            if row.len() != n_classes {
                return Err(MetricsError::Length {
                    what: "costs in a row of the cost matrix",
                    expected: n_classes,
                    got: row.len(),
                });
            }
            let wrong = |cost: &f64| !(cost.is_finite() && *cost >= row[actual]);
            if let Some(decided) = row.iter().position(wrong) {
                return Err(MetricsError::Cost {
                    actual,
                    decided,
                    cost: row[decided],
                    right: row[actual],
                });
            }
        }
        Ok(Self { rows })
    }

    /// Number of classes `k`.
    pub fn n_classes(&self) -> usize {
        self.rows.len()
    }

    /// What a decision costs; `None` for a class that there is not.
    pub fn cost(&self, actual: usize, decided: usize) -> Option<f64> {
        self.rows.get(actual)?.get(decided).copied()
    }

    /// For each row (`m × k`) the class of the smallest expected cost; of equally cheap ones (to 1e-12 of the largest
    /// cost) the likeliest, of equally likely ones the first.
    ///
    /// # Errors
    /// [`MetricsError::WrongClasses`] if there are not `k` columns, [`MetricsError::Probability`],
    /// [`MetricsError::ProbabilitySum`].
    pub fn decide(&self, probabilities: ArrayView2<'_, f64>) -> Result<Vec<usize>> {
        check_probabilities("the cost matrix", self.n_classes(), probabilities)?;
        let largest = self
            .rows
            .iter()
            .flatten()
            .fold(0.0_f64, |most, cost| most.max(cost.abs()));
        let decide = |row: ndarray::ArrayView1<'_, f64>| {
            let expected = |decided: usize| -> f64 {
                let costs = self.rows.iter().map(|costs| costs[decided]);
                costs.zip(row).map(|(cost, p)| cost * p).sum()
            };
            let expected: Vec<f64> = (0..row.len()).map(expected).collect();
            let cheapest = expected.iter().copied().fold(f64::INFINITY, f64::min);
            let mut best = (0, f64::NEG_INFINITY);
            for (class, (&cost, &p)) in expected.iter().zip(row).enumerate() {
                if cost <= cheapest + 1e-12 * largest && p > best.1 {
                    best = (class, p);
                }
            }
            best.0
        };
        Ok(probabilities.rows().into_iter().map(decide).collect())
    }

    /// What a row's decision costs in the mean (length `n` each, both below `k`).
    ///
    /// # Errors
    /// [`MetricsError::NoRows`], [`MetricsError::Length`], [`MetricsError::UnknownClass`].
    #[allow(clippy::cast_precision_loss)]
    pub fn mean_cost(&self, actual: &[usize], decided: &[usize]) -> Result<f64> {
        if decided.len() != actual.len() {
            return Err(MetricsError::Length {
                what: "decided classes",
                expected: actual.len(),
                got: decided.len(),
            });
        }
        check_classes("actual classes", actual, self.n_classes())?;
        check_classes("decided classes", decided, self.n_classes())?;
        let costs = actual.iter().zip(decided).filter_map(|(a, d)| self.cost(*a, *d));
        Ok(hitcast_core::stats::sum(costs) / actual.len() as f64)
    }
}

impl From<CostMatrix> for Vec<Vec<f64>> {
    fn from(costs: CostMatrix) -> Self {
        costs.rows
    }
}

impl TryFrom<Vec<Vec<f64>>> for CostMatrix {
    type Error = MetricsError;

    fn try_from(rows: Vec<Vec<f64>>) -> Result<Self> {
        Self::new(rows)
    }
}
