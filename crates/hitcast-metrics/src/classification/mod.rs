//! The metrics of predicted classes and their probabilities, one by one and all at once.
//!
//! Classes are numbers from 0; a row's probabilities stand in their order and sum to 1. A row's predicted class is the
//! one of the largest probability, the first of equal ones, unless the classes are given.
//!
//! - [`confusion`]: what was taken for what, and the metrics that follow from it
//! - [`ranking`]: receiver operating characteristic, precision and recall at every threshold, and their areas
//! - [`reliability`]: whether things that are predicted with 70 % come true in 70 of 100 cases
//! - [`metric`]: the name of each metric

pub mod confusion;
pub mod metric;
pub mod ranking;
pub mod reliability;
pub(crate) mod rows;

use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::{MetricsError, Result};
use rows::Rows;

/// All metrics of some predicted classes.
///
/// They agree with scikit-learn 1.9 on the same values. Where scikit-learn warns of a precision or recall without rows,
/// it is 0 here as there; where it gives NaN or fails, and where an average precision has only one
/// kind of rows, it is `None` here. Averages over classes (`_macro` plain,
/// `_weighted` by the number of rows) are taken over those that occur among the actual or the predicted ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct ClassificationMetrics {
    /// Number of rows.
    pub n: usize,
    /// Share of rows whose class is predicted.
    pub accuracy: f64,
    /// Mean of the recalls of the classes that occur: as accuracy, had all classes as many rows.
    pub balanced_accuracy: f64,
    /// Mean of the classes' precisions.
    pub precision_macro: f64,
    /// Mean of the classes' recalls; unlike the balanced accuracy a class that is only predicted counts, as 0.
    pub recall_macro: f64,
    /// Mean of the classes' F1.
    pub f1_macro: f64,
    /// Mean of the classes' precisions, weighted by their rows.
    pub precision_weighted: f64,
    /// Mean of the classes' recalls, weighted by their rows: the accuracy.
    pub recall_weighted: f64,
    /// Mean of the classes' F1, weighted by their rows.
    pub f1_weighted: f64,
    /// Matthews' correlation coefficient, from −1 to 1; 0 where one class is all there is or all that is predicted.
    pub matthews: f64,
    /// Cohen's kappa: how far the agreement is beyond chance; `None` if only one class occurs.
    pub cohen_kappa: Option<f64>,
    /// Mean negative logarithm of the actual class' probability, which is kept at least 2.2e-16 away from 0 and 1.
    pub log_loss: f64,
    /// Brier score: mean squared distance between probabilities and what happened; of two classes, half of it, from 0
    /// to 1.
    pub brier: f64,
    /// Area under the receiver operating characteristic; of more than two classes the mean of each against the rest.
    /// `None` unless every class occurs.
    pub roc_auc: Option<f64>,
    /// Average precision, a sum under the curve of precision and recall: of class 1 if there are two, else the mean of
    /// each against the rest. `None` unless every class occurs.
    pub average_precision: Option<f64>,
    /// Expected calibration error of the likeliest class in 15 bins of equal width (Guo et al. 2017), from 0 to 1.
    pub calibration_error: f64,
}

impl ClassificationMetrics {
    /// Computes all metrics of `probabilities` (`n × k`) against the `actual` classes (length `n`).
    ///
    /// # Errors
    /// [`MetricsError::NoRows`], [`MetricsError::Length`], [`MetricsError::Classes`] if `k` is below 2,
    /// [`MetricsError::UnknownClass`] if an actual class is not below `k`, [`MetricsError::Probability`] and
    /// [`MetricsError::ProbabilitySum`] for probabilities that cannot be.
    pub fn compute(actual: &[usize], probabilities: ArrayView2<'_, f64>) -> Result<Self> {
        Ok(Rows::new(actual, None, probabilities)?.metrics(None))
    }

    /// The same where the predicted classes are not the likeliest ones, as behind a threshold (length `n`). What is
    /// asked of probabilities alone stays the same, the calibration error too.
    ///
    /// # Errors
    /// As [`compute`](Self::compute), [`MetricsError::UnknownClass`] for a predicted class too.
    pub fn compute_decided(
        actual: &[usize],
        predicted: &[usize],
        probabilities: ArrayView2<'_, f64>,
    ) -> Result<Self> {
        Ok(Rows::new(actual, Some(predicted), probabilities)?.metrics(None))
    }
}

/// Each row's likeliest class, the first of equal ones (`n × k`).
pub fn likeliest(probabilities: ArrayView2<'_, f64>) -> Vec<usize> {
    probabilities.rows().into_iter().map(likeliest_of).collect()
}

/// The likeliest class of a row, the first of equal ones (`k`).
pub fn likeliest_of(row: ArrayView1<'_, f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (class, &p) in row.iter().enumerate() {
        if p > best.1 {
            best = (class, p);
        }
    }
    best.0
}

/// Share of rows whose actual class is among the `k` likeliest ones. Of equal probabilities the later class counts as the
/// likelier, as in scikit-learn.
///
/// # Errors
/// As [`ClassificationMetrics::compute`], and [`MetricsError::Setting`] if `k` is 0 or above the number of classes.
#[allow(clippy::cast_precision_loss)]
pub fn top_k_accuracy(actual: &[usize], probabilities: ArrayView2<'_, f64>, k: usize) -> Result<f64> {
    rows::check(actual, probabilities)?;
    if k == 0 || k > probabilities.ncols() {
        return Err(MetricsError::Setting {
            setting: "k",
            value: k.to_string(),
            allowed: "between 1 and the number of classes",
        });
    }
    let hits = actual.iter().zip(probabilities.rows()).filter(|(class, row)| {
        let class = **class;
        let p = row[class];
        let before = row.iter().enumerate();
        before
            .filter(|&(other, &q)| q > p || (q == p && other > class))
            .count()
            < k
    });
    Ok(hits.count() as f64 / actual.len() as f64)
}
