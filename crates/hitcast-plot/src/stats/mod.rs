//! The statistics that figures show.
//!
//! - `density`: smooth densities and bins
//! - `line`: a least-squares line with its confidence band
//! - `normal`: quantiles of the normal and of Student's distribution
//! - `summary`: box plots, moments and correlation

pub(crate) mod density;
pub(crate) mod line;
pub(crate) mod normal;
pub(crate) mod summary;

/// Whether a value can be drawn. Values near the largest float would overflow in every axis.
pub(crate) fn drawable(value: f64) -> bool {
    value.abs() < 1e300
}

/// The drawable values, and how many others there are.
pub(crate) fn only_drawable(values: &[f64]) -> (Vec<f64>, usize) {
    let kept: Vec<f64> = values.iter().copied().filter(|v| drawable(*v)).collect();
    let left_out = values.len() - kept.len();
    (kept, left_out)
}

/// Smallest and largest; `None` if there are none.
pub(crate) fn range(values: impl IntoIterator<Item = f64>) -> Option<[f64; 2]> {
    values.into_iter().fold(None, |range, value| match range {
        None => Some([value, value]),
        Some([low, high]) => Some([f64::min(low, value), f64::max(high, value)]),
    })
}

/// A count as a number.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

/// The whole part of a number as a count; 0 for what is below or no number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn whole(value: f64) -> usize {
    // A float is cut off at both ends by the conversion.
    value.floor() as usize
}
