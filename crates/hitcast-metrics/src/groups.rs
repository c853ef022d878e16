//! The metrics of each group of rows, as of each genre.

use std::collections::BTreeMap;

use ndarray::{ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::classification::{ClassificationMetrics, rows};
use crate::error::{MetricsError, Result};
use crate::regression::{RegressionMetrics, check};

/// The metrics of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupMetrics<M = RegressionMetrics> {
    /// Name of the group; `None` for the rows whose group is missing.
    pub group: Option<String>,
    /// Metrics over the group's rows. R² compares with the group's own mean.
    pub metrics: M,
}

/// Computes the metrics of each group, in the order of the groups' names; rows whose group is missing come last, as a
/// group of their own.
///
/// # Errors
/// As [`RegressionMetrics::compute`], and [`MetricsError::Length`] if there is not one group a row. Rows in errors are
/// those of the whole input.
pub fn by_group(actual: &[f64], predicted: &[f64], groups: &[Option<&str>]) -> Result<Vec<GroupMetrics>> {
    check(actual, predicted)?;
    members(actual.len(), groups)?
        .into_iter()
        .map(|(group, rows)| {
            let take = |values: &[f64]| rows.iter().map(|&row| values[row]).collect::<Vec<f64>>();
            let metrics = RegressionMetrics::compute(&take(actual), &take(predicted))?;
            Ok(GroupMetrics {
                group: group.map(str::to_owned),
                metrics,
            })
        })
        .collect()
}

/// Computes the metrics of each group from `actual` classes (length `n`) and `probabilities` (`n × k`), in the order of
/// [`by_group`]. With `predicted` classes those count; without, the likeliest ones.
///
/// # Errors
/// As [`ClassificationMetrics::compute_decided`], and [`MetricsError::Length`] if there is not one group a row. Rows in
/// errors are those of the whole input.
pub fn classes_by_group(
    actual: &[usize],
    predicted: Option<&[usize]>,
    probabilities: ArrayView2<'_, f64>,
    groups: &[Option<&str>],
) -> Result<Vec<GroupMetrics<ClassificationMetrics>>> {
    // For its checks, so that rows in errors are those of the whole input.
    rows::Rows::new(actual, predicted, probabilities)?;
    members(actual.len(), groups)?
        .into_iter()
        .map(|(group, rows)| {
            let take = |classes: &[usize]| rows.iter().map(|&row| classes[row]).collect::<Vec<usize>>();
            let (actual, predicted) = (take(actual), predicted.map(take));
            let probabilities = probabilities.select(Axis(0), &rows);
            let rows = rows::Rows::new(&actual, predicted.as_deref(), probabilities.view())?;
            Ok(GroupMetrics {
                group: group.map(str::to_owned),
                metrics: rows.metrics(None),
            })
        })
        .collect()
}

/// The rows of each group, the missing group last.
pub(crate) fn members<'a>(
    n_rows: usize,
    groups: &[Option<&'a str>],
) -> Result<Vec<(Option<&'a str>, Vec<usize>)>> {
    if groups.len() != n_rows {
        return Err(MetricsError::Length {
            what: "groups",
            expected: n_rows,
            got: groups.len(),
        });
    }
    let mut members: BTreeMap<(bool, &str), Vec<usize>> = BTreeMap::new();
    for (row, group) in groups.iter().enumerate() {
        members
            .entry((group.is_none(), group.unwrap_or_default()))
            .or_default()
            .push(row);
    }
    Ok(members
        .into_iter()
        .map(|((missing, name), rows)| ((!missing).then_some(name), rows))
        .collect())
}
