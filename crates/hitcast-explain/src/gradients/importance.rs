//! How much an output moves with each column.

use hitcast_core::Features;
use hitcast_core::parallel::{map, threads_for};
use hitcast_core::stats::sum;
use ndarray::{Array2, Axis};

use crate::error::{ExplainError, Result};
use crate::explained::{BATCH, Explained};
use crate::source::{Source, Sources};

/// Gradient importance of each source over the rows of `features` (`n × d`): the mean magnitude of the output's derivative with
/// respect to a feature, times the standard deviation of the feature. Sources stand in the order of their features.
///
/// It is in the unit of what is explained: how far the output moves with one standard deviation, where the rows are. Of a source
/// of several features it is the standard deviation of their sum, each times its derivative, so that columns of a one-hot encoding
/// count as the choice that they are.
///
/// # Errors
/// [`ExplainError::NoRows`], [`ExplainError::NoGradients`] if the model has none, else as [`Explained::values`].
#[allow(clippy::cast_precision_loss)]
pub fn gradient_importance(explained: &Explained<'_>, features: &Features) -> Result<Vec<(String, f64)>> {
    let n = features.n_rows();
    if n == 0 {
        return Err(ExplainError::NoRows {
            what: "gradient importance",
        });
    }
    let sources = Sources::by_source(features);
    let covariances: Vec<Array2<f64>> = (sources.iter())
        .map(|source| covariance(features, source))
        .collect();
    let n_batches = n.div_ceil(BATCH);
    let threads = threads_for(explained.threads(), n_batches);
    // The sum over the rows of each batch, for each source.
    let batches = map(n_batches, threads, |batch| {
        let rows = features.rows(batch * BATCH..n.min((batch + 1) * BATCH));
        let (_, slopes) = explained.gradients(rows.view())?;
        let of = |(source, covariance): (&Source, &Array2<f64>)| {
            let slopes = slopes.select(Axis(1), &source.columns);
            let products = slopes.dot(covariance) * &slopes;
            sum(products
                .sum_axis(Axis(1))
                .iter()
                .map(|variance| variance.max(0.0).sqrt()))
        };
        Ok(sources.iter().zip(&covariances).map(of).collect())
    });
    let batches = batches.into_iter().collect::<Result<Vec<Vec<f64>>>>()?;
    let of = |(place, source): (usize, &Source)| {
        let all = sum(batches.iter().map(|batch| batch[place]));
        (source.name.clone(), all / n as f64)
    };
    Ok(sources.iter().enumerate().map(of).collect())
}

/// The covariance of the features of a source, `k × k`.
#[allow(clippy::cast_precision_loss)]
fn covariance(features: &Features, source: &Source) -> Array2<f64> {
    let matrix = features.matrix();
    let mut values = matrix.select(Axis(1), &source.columns).mapv(f64::from);
    if let Some(middle) = values.mean_axis(Axis(0)) {
        values -= &middle;
    }
    values.t().dot(&values) / values.nrows() as f64
}
