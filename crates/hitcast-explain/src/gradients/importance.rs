//! How much an output moves with each column.

use hitcast_core::Features;
use hitcast_core::parallel::{map, threads_for};
use hitcast_core::stats::{mean, sum};

use crate::error::{ExplainError, Result};
use crate::explained::{BATCH, Explained};
use crate::source::Sources;

/// Gradient importance of each source over the rows of `features` (`n × d`): the mean magnitude of the output's derivative with
/// respect to a feature, times the standard deviation of the feature, added up over the features of the source. Sources stand in
/// the order of their features.
///
/// It is in the unit of what is explained: how far the output moves with one standard deviation, where the rows are.
///
/// # Errors
/// [`ExplainError::NoRows`], [`ExplainError::NoGradients`] if the model has none, else as [`Explained::values`].
pub fn gradient_importance(explained: &Explained<'_>, features: &Features) -> Result<Vec<(String, f64)>> {
    let (n, d) = (features.n_rows(), features.n_features());
    if n == 0 {
        return Err(ExplainError::NoRows {
            what: "gradient importance",
        });
    }
    let n_batches = n.div_ceil(BATCH);
    let threads = threads_for(explained.threads(), n_batches);
    let magnitudes = map(n_batches, threads, |batch| {
        let rows = features.rows(batch * BATCH..n.min((batch + 1) * BATCH));
        let slopes = explained.slopes(rows.view())?;
        let of = |column: ndarray::ArrayView1<'_, f64>| sum(column.iter().map(|slope| slope.abs()));
        Ok(slopes.columns().into_iter().map(of).collect())
    });
    let magnitudes = magnitudes.into_iter().collect::<Result<Vec<Vec<f64>>>>()?;
    let matrix = features.matrix();
    #[allow(clippy::cast_precision_loss)]
    let of = |column: usize| {
        let magnitude = sum(magnitudes.iter().map(|batch| batch[column])) / n as f64;
        let values: Vec<f64> = (matrix.column(column).iter())
            .map(|value| f64::from(*value))
            .collect();
        let middle = mean(&values);
        let squares: Vec<f64> = values.iter().map(|value| (value - middle).powi(2)).collect();
        magnitude * mean(&squares).sqrt()
    };
    let of_columns: Vec<f64> = (0..d).map(of).collect();
    let of_source = |source: &crate::source::Source| {
        let features = source.columns.iter().map(|&column| of_columns[column]);
        (source.name.clone(), sum(features))
    };
    Ok(Sources::by_source(features).iter().map(of_source).collect())
}
