//! From a model's probabilities to better ones, and to a decision. All of it learns from rows that the model did not learn
//! from, as the validation rows.
//!
//! ```
//! use hitcast_metrics::{Calibration, ThresholdRule};
//! use ndarray::array;
//!
//! // Validation rows: probabilities of both classes, and what came true.
//! let probabilities = array![[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]];
//! let classes = [0, 1, 0, 1];
//! let calibration = Calibration::Platt.fit(probabilities.view(), &classes)?;
//! let calibrated = calibration.apply(probabilities.view())?;
//! let dear_misses = ThresholdRule::Costs {
//!     false_positive: 1.0,
//!     false_negative: 5.0,
//!     true_positive: 0.0,
//!     true_negative: 0.0,
//! };
//! let threshold = dear_misses.fit(calibrated.view(), &classes)?;
//! assert_eq!(threshold.decide(calibrated.view())?, [0, 1, 0, 1]);
//! # Ok::<(), hitcast_metrics::MetricsError>(())
//! ```
//!
//! - [`calibration`]: probabilities that come true
//! - [`threshold`]: from which probability on a row counts as class 1, for two classes
//! - [`costs`]: the class that costs least, for any number of classes

pub mod calibration;
pub mod costs;
mod isotonic;
mod platt;
mod temperature;
pub mod threshold;

use ndarray::ArrayView2;

use crate::classification::rows;
use crate::error::{MetricsError, Result};

/// What is added to a probability before its logarithm is taken, as in scikit-learn.
pub(crate) const TINY: f64 = 1e-12;

/// Probabilities of as many classes as what is asked was made for.
fn check_probabilities(
    what: &'static str,
    n_classes: usize,
    probabilities: ArrayView2<'_, f64>,
) -> Result<()> {
    if probabilities.ncols() != n_classes {
        return Err(MetricsError::WrongClasses {
            what,
            expected: n_classes,
            got: probabilities.ncols(),
        });
    }
    rows::check_probabilities(probabilities)
}

/// How many rows each class has; an error if one that is needed has none.
fn check_occurring(
    what: &'static str,
    classes: &[usize],
    n_classes: usize,
    needed: usize,
) -> Result<Vec<usize>> {
    let mut counts = vec![0; n_classes];
    for &class in classes {
        if let Some(count) = counts.get_mut(class) {
            *count += 1;
        }
    }
    let occurring = counts.iter().filter(|count| **count > 0).count();
    match counts.iter().position(|count| *count == 0) {
        Some(class) if occurring < needed => Err(MetricsError::MissingClass {
            what,
            class,
            occurring,
            needed,
        }),
        _ => Ok(counts),
    }
}
