//! What the metrics need of each row, prepared once for any number of resamples.

use hitcast_core::stats::sum;
use ndarray::ArrayView2;

use super::confusion::{Average, ConfusionMatrix, KappaWeights, check_classes};
use super::ranking::Ranking;
use super::reliability::CalibrationError;
use super::{ClassificationMetrics, likeliest};
use crate::error::{MetricsError, Result};

/// How far from 1 the sum of a row's probabilities may be: what 32-bit floats lose.
const SUM_TOLERANCE: f64 = 1e-5;

/// Rows ready to be measured, each as often as one likes.
pub(crate) struct Rows<'a> {
    n_classes: usize,
    actual: &'a [usize],
    predicted: Vec<usize>,
    /// Whether the likeliest class is the actual one, and its probability.
    likeliest: Vec<(bool, f64)>,
    /// Negative logarithm of the actual class' probability.
    surprise: Vec<f64>,
    /// Squared distance between the probabilities and what happened.
    distance: Vec<f64>,
    /// The class that each ranking is of, and the rows by its probability.
    rankings: Vec<(usize, Ranking)>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(
        actual: &'a [usize],
        predicted: Option<&[usize]>,
        probabilities: ArrayView2<'_, f64>,
    ) -> Result<Self> {
        check(actual, probabilities)?;
        let n_classes = probabilities.ncols();
        let best = likeliest(probabilities);
        if let Some(predicted) = predicted {
            // For its checks: lengths and classes.
            ConfusionMatrix::compute(actual, predicted, n_classes)?;
        }
        let rows = || actual.iter().zip(probabilities.rows());
        let surprise = |(class, row): (&usize, ndarray::ArrayView1<'_, f64>)| {
            -row[*class].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
        };
        let distance = |(actual, row): (&usize, ndarray::ArrayView1<'_, f64>)| {
            let squares = row.iter().enumerate().map(|(class, p)| {
                let happened = f64::from(u8::from(class == *actual));
                (p - happened).powi(2)
            });
            squares.sum::<f64>() / if n_classes == 2 { 2.0 } else { 1.0 }
        };
        // Of two classes one ranking says it all, for average precision by convention that of class 1.
        let ranked = if n_classes == 2 { 1..2 } else { 0..n_classes };
        let rankings = ranked.map(|class| (class, Ranking::new(&probabilities.column(class).to_vec())));
        Ok(Self {
            n_classes,
            actual,
            likeliest: rows()
                .zip(&best)
                .map(|((actual, row), best)| (actual == best, row[*best]))
                .collect(),
            predicted: predicted.map_or(best, <[usize]>::to_vec),
            surprise: rows().map(surprise).collect(),
            distance: rows().map(distance).collect(),
            rankings: rankings.collect(),
        })
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.actual.len()
    }

    /// The metrics of the rows, each as often as `counts` says, at least one of them at all; without it once.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    pub(crate) fn metrics(&self, counts: Option<&[u32]>) -> ClassificationMetrics {
        let count = |row: usize| counts.map_or(1, |counts| u64::from(counts[row]));
        let mut confusion = ConfusionMatrix::empty(self.n_classes);
        let mut calibration = CalibrationError::default();
        for (row, (&actual, &predicted)) in self.actual.iter().zip(&self.predicted).enumerate() {
            confusion.add(actual, predicted, count(row));
            let (right, probability) = self.likeliest[row];
            calibration.add(probability, right, count(row));
        }
        let n = confusion.n();
        let mean = |values: &[f64]| {
            sum(values
                .iter()
                .enumerate()
                .map(|(row, value)| count(row) as f64 * value))
                / n as f64
        };
        let areas = self
            .rankings
            .iter()
            .map(|(class, ranking)| ranking.areas(|row| (self.actual[row] == *class, count(row))));
        let areas: Option<Vec<(f64, f64)>> = areas.collect();
        let mean_area = |of: fn(&(f64, f64)) -> f64| {
            areas
                .as_ref()
                .map(|areas| areas.iter().map(of).sum::<f64>() / areas.len() as f64)
        };
        let plain = confusion.average(Average::Macro, 1.0);
        let weighted = confusion.average(Average::Weighted, 1.0);
        ClassificationMetrics {
            n: n as usize,
            accuracy: confusion.accuracy(),
            balanced_accuracy: confusion.balanced_accuracy(),
            precision_macro: plain.precision,
            recall_macro: plain.recall,
            f1_macro: plain.f_beta,
            precision_weighted: weighted.precision,
            recall_weighted: weighted.recall,
            f1_weighted: weighted.f_beta,
            matthews: confusion.matthews(),
            cohen_kappa: confusion.cohen_kappa(KappaWeights::None),
            log_loss: mean(&self.surprise),
            brier: mean(&self.distance),
            roc_auc: mean_area(|areas| areas.0),
            average_precision: mean_area(|areas| areas.1),
            calibration_error: calibration.value(),
        }
    }
}

/// At least one row and two classes, the actual ones among them, and probabilities that are some.
pub(crate) fn check(actual: &[usize], probabilities: ArrayView2<'_, f64>) -> Result<()> {
    if probabilities.nrows() != actual.len() {
        return Err(MetricsError::Length {
            what: "rows of probabilities",
            expected: actual.len(),
            got: probabilities.nrows(),
        });
    }
    check_classes("actual classes", actual, probabilities.ncols())?;
    check_probabilities(probabilities)
}

/// Probabilities that are some, and of all classes.
pub(crate) fn check_probabilities(probabilities: ArrayView2<'_, f64>) -> Result<()> {
    for (row, values) in probabilities.rows().into_iter().enumerate() {
        // NaN lies in no range.
        if let Some(class) = values.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(MetricsError::Probability {
                row,
                class,
                value: values[class],
            });
        }
        let sum = values.sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(MetricsError::ProbabilitySum { row, sum });
        }
    }
    Ok(())
}
