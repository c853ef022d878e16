//! What of a model is explained.

use std::fmt;

use hitcast_core::parallel::{map, threads_for};
use hitcast_core::{Features, Model, Predictions, Seed};
use ndarray::{Array2, ArrayView2, CowArray, Ix2};
use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, Result};

/// Rows that are predicted at once.
pub(crate) const BATCH: usize = 4096;

/// What is added to a probability before its logarithm is taken.
const TINY: f64 = 1e-12;

/// The number that is explained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Output {
    /// The predicted number, in the target's unit.
    #[default]
    Number,
    /// The probability of a class, from 0 to 1.
    Probability {
        /// The class, counted from 0.
        class: usize,
    },
    /// The natural logarithm of how much likelier a class is than all others, within ±27.7. Effects of features add up better
    /// in it than in probabilities.
    LogOdds {
        /// The class, counted from 0.
        class: usize,
    },
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number => f.write_str("the number"),
            Self::Probability { class } => write!(f, "the probability of class {class}"),
            Self::LogOdds { class } => write!(f, "the log-odds of class {class}"),
        }
    }
}

/// A model, and which of its numbers is explained.
#[derive(Clone, Copy)]
pub struct Explained<'a> {
    model: &'a dyn Model,
    output: Output,
    threads: usize,
}

impl fmt::Debug for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explained")
            .field("model", &self.model.kind())
            .field("output", &self.output)
            .field("threads", &self.threads)
            .finish()
    }
}

impl<'a> Explained<'a> {
    /// This number of this model, with predictions on all cores.
    pub fn new(model: &'a dyn Model, output: Output) -> Self {
        Self {
            model,
            output,
            threads: 0,
        }
    }

    /// Predicts on so many threads, 0 for all cores. Results do not depend on it.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The model.
    pub fn model(&self) -> &'a dyn Model {
        self.model
    }

    /// Which number is explained.
    pub fn output(&self) -> Output {
        self.output
    }

    /// The threads that were asked for, 0 for all cores.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Whether the model says how its output moves with each feature, which gradients are made of.
    pub fn has_gradients(&self) -> bool {
        let nothing = Array2::zeros((0, self.model.n_features()));
        self.model.gradients(nothing.view(), self.place()).is_some()
    }

    /// The explained number of each row, and its derivative with respect to each feature, `n × d`.
    pub(crate) fn gradients(&self, rows: ArrayView2<'_, f32>) -> Result<(Vec<f64>, Array2<f64>)> {
        let Some(gradients) = self.model.gradients(rows, self.place()) else {
            return Err(ExplainError::NoGradients {
                model: self.model.kind().to_owned(),
            });
        };
        let gradients = gradients?;
        let values = self.of(&gradients.predictions)?;
        if gradients.slopes.dim() != rows.dim() || values.len() != rows.nrows() {
            return Err(ExplainError::Length {
                what: "derivatives of the model",
                expected: rows.len(),
                got: gradients.slopes.len(),
            });
        }
        let mut slopes = gradients.slopes.as_standard_layout().mapv(f64::from);
        if let (Output::LogOdds { class }, Some(all)) = (self.output, gradients.predictions.probabilities()) {
            for (mut slopes, p) in slopes.rows_mut().into_iter().zip(all.column(class)) {
                slopes *= 1.0 / (p + TINY) + 1.0 / (1.0 - p + TINY);
            }
        }
        match values.iter().chain(&slopes).find(|value| !value.is_finite()) {
            Some(&value) => Err(ExplainError::NotFinite {
                what: format!("{} or a derivative of it", self.output),
                value,
            }),
            None => Ok((values, slopes)),
        }
    }

    /// The explained output among those of the model.
    fn place(&self) -> usize {
        match self.output {
            Output::Number => 0,
            Output::Probability { class } | Output::LogOdds { class } => class,
        }
    }

    /// The explained number of each row.
    ///
    /// # Errors
    /// [`ExplainError::Core`] if the model cannot predict these rows, [`ExplainError::WrongOutput`] if it does not predict such
    /// a number, [`ExplainError::NotFinite`].
    pub fn values(&self, features: &Features) -> Result<Vec<f64>> {
        self.evaluate(features.n_rows(), features.n_features(), |row, to| {
            features.write_row(row, to);
        })
    }

    /// The explained number of `n` rows of `width` features, each of which `fill` writes over zeros. Only some thousand rows
    /// are held at a time.
    pub(crate) fn evaluate(
        &self,
        n: usize,
        width: usize,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Result<Vec<f64>> {
        let n_batches = n.div_ceil(BATCH);
        let batches = map(n_batches, threads_for(self.threads, n_batches), |batch| {
            let rows = batch * BATCH..n.min((batch + 1) * BATCH);
            let mut matrix = Array2::zeros((rows.len(), width));
            for (row, mut to) in rows.zip(matrix.rows_mut()) {
                if let Some(to) = to.as_slice_mut() {
                    fill(row, to);
                }
            }
            let n = matrix.nrows();
            let values = self.of(&self.model.predict(matrix.view())?)?;
            if values.len() != n {
                return Err(ExplainError::Length {
                    what: "predictions of the model",
                    expected: n,
                    got: values.len(),
                });
            }
            match values.iter().find(|value| !value.is_finite()) {
                Some(&value) => Err(ExplainError::NotFinite {
                    what: self.output.to_string(),
                    value,
                }),
                None => Ok(values),
            }
        });
        let batches = batches.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(batches.concat())
    }

    fn of(&self, predictions: &Predictions) -> Result<Vec<f64>> {
        let wrong = |predicted: String| {
            Err(ExplainError::WrongOutput {
                wanted: self.output.to_string(),
                predicted,
            })
        };
        match (self.output, predictions.numbers(), predictions.probabilities()) {
            (Output::Number, Some(numbers), _) => Ok(numbers.to_vec()),
            (Output::Probability { class } | Output::LogOdds { class }, _, Some(all))
                if class < all.ncols() =>
            {
                let log_odds = matches!(self.output, Output::LogOdds { .. });
                let of = |p: &f64| {
                    if log_odds {
                        ((p + TINY) / (1.0 - p + TINY)).ln()
                    } else {
                        *p
                    }
                };
                Ok(all.column(class).iter().map(of).collect())
            }
            (_, Some(_), _) => wrong("numbers".to_owned()),
            (_, _, Some(all)) => wrong(format!(
                "the probabilities of {} classes, counted from 0",
                all.ncols()
            )),
            _ => wrong("something else".to_owned()),
        }
    }
}

/// At most `limit` rows, chosen at random if there are more, in their order.
pub(crate) fn sample_rows(n: usize, limit: usize, seed: Seed) -> Vec<usize> {
    if n <= limit {
        return (0..n).collect();
    }
    let mut order = seed.stream("sampled rows").permutation(n);
    order.truncate(limit);
    order.sort_unstable();
    order
}

/// The rows, of which only some are written out at a time.
pub(crate) fn batches(features: &Features) -> impl Iterator<Item = CowArray<'_, f32, Ix2>> {
    let n = features.n_rows();
    (0..n)
        .step_by(BATCH)
        .map(move |first| features.rows(first..n.min(first + BATCH)))
}

/// Some rows as a matrix.
pub(crate) fn matrix_of(features: &Features, rows: &[usize]) -> Array2<f32> {
    features.take(rows).matrix().into_owned()
}

/// The row of a matrix in standard layout.
pub(crate) fn row_of(matrix: &Array2<f32>, row: usize) -> &[f32] {
    let width = matrix.ncols();
    let all = matrix.as_slice().unwrap_or_default();
    all.get(row * width..(row + 1) * width).unwrap_or_default()
}

/// One row of the features.
pub(crate) fn one_row(features: &Features, row: usize) -> Result<Vec<f32>> {
    if row >= features.n_rows() {
        return Err(ExplainError::NoRow {
            row,
            n_rows: features.n_rows(),
        });
    }
    Ok(features.rows(row..row + 1).iter().copied().collect())
}
