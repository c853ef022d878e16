//! How much an output moves with each column.

use hitcast_core::Features;
use hitcast_core::parallel::{map, threads_for};
use hitcast_core::stats::sum;
use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::error::{ExplainError, Result};
use crate::explained::{BATCH, Explained, batches};
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
    let spreads = spreads(features, &sources);
    let n_batches = n.div_ceil(BATCH);
    let threads = threads_for(explained.threads(), n_batches);
    // The sum over the rows of each batch, for each source.
    let of_batches = map(n_batches, threads, |batch| {
        let rows = features.rows(batch * BATCH..n.min((batch + 1) * BATCH));
        let (_, slopes) = explained.gradients(rows.view())?;
        let of =
            |(source, spread): (&Source, &Spread)| spread.moves(&slopes.select(Axis(1), &source.columns));
        Ok(sources.iter().zip(&spreads).map(of).collect())
    });
    let of_batches = of_batches.into_iter().collect::<Result<Vec<Vec<f64>>>>()?;
    let of = |(place, source): (usize, &Source)| {
        let all = sum(of_batches.iter().map(|batch| batch[place]));
        (source.name.clone(), all / n as f64)
    };
    Ok(sources.iter().enumerate().map(of).collect())
}

/// How the features of a source vary over the rows.
enum Spread {
    /// Of features of which at most one is 1 and the others are 0: the share of the rows in which each is.
    Choice(Vec<f64>),
    /// Their covariance, `k × k`.
    Together(Array2<f64>),
}

impl Spread {
    /// The sum over rows of derivatives (`b × k`) of the standard deviation of the features' sum, each times its derivative.
    fn moves(&self, slopes: &Array2<f64>) -> f64 {
        match self {
            // The covariance is diag(p) - p pᵀ.
            Self::Choice(shares) => sum(slopes.rows().into_iter().map(|slopes| {
                let (mut mean, mut square) = (0.0, 0.0);
                for (share, slope) in shares.iter().zip(slopes) {
                    mean += share * slope;
                    square += share * slope * slope;
                }
                (square - mean * mean).max(0.0).sqrt()
            })),
            Self::Together(covariance) => {
                let variances = (slopes.dot(covariance) * slopes).sum_axis(Axis(1));
                sum(variances.iter().map(|variance| variance.max(0.0).sqrt()))
            }
        }
    }
}

/// How the features of each source vary. Only some rows are written out at a time, and products of two features are only formed
/// where a row can have both.
#[allow(clippy::cast_precision_loss)]
fn spreads(features: &Features, sources: &Sources) -> Vec<Spread> {
    let n = features.n_rows();
    let mut means = Array1::<f64>::zeros(features.n_features());
    let mut choices: Vec<bool> = sources.iter().map(|source| source.columns.len() > 1).collect();
    for batch in batches(features) {
        for row in batch.rows() {
            means.zip_mut_with(&row, |sum, value| *sum += f64::from(*value));
        }
        for (choice, source) in choices.iter_mut().zip(sources.iter()) {
            *choice = *choice && batch.rows().into_iter().all(|row| is_choice(row, source));
        }
    }
    means /= n as f64;
    let all = choices.iter().zip(sources.iter()).map(|(choice, source)| {
        let width = source.columns.len();
        if *choice {
            Spread::Choice(source.columns.iter().map(|&column| means[column]).collect())
        } else {
            Spread::Together(Array2::zeros((width, width)))
        }
    });
    let mut spreads: Vec<Spread> = all.collect();
    for batch in batches(features) {
        for (spread, source) in spreads.iter_mut().zip(sources.iter()) {
            if let Spread::Together(covariance) = spread {
                let mut values = batch.select(Axis(1), &source.columns).mapv(f64::from);
                values -= &means.select(Axis(0), &source.columns);
                covariance.scaled_add(1.0 / n as f64, &values.t().dot(&values));
            }
        }
    }
    spreads
}

fn is_choice(row: ArrayView1<'_, f32>, source: &Source) -> bool {
    let mut others = source
        .columns
        .iter()
        .map(|&column| row[column])
        .filter(|value| *value != 0.0);
    others.next().is_none_or(|value| value == 1.0) && others.next().is_none()
}
