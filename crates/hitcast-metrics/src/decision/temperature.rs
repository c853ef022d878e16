//! One temperature for the logarithms of all probabilities.

use std::ops::RangeInclusive;

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::TINY;

/// Where the logarithm of the temperature is looked for: from −`LIMIT` to `LIMIT`, as in scikit-learn.
const LIMIT: f64 = 10.0;

/// What a temperature can be, from exp(−10) to exp(10) and a little more for rounding.
pub(super) const RANGE: RangeInclusive<f64> = 4.5e-5..=22_030.0;

/// The temperature that makes the log loss smallest.
///
/// The log loss is convex in the inverse temperature β, so the zero of its slope is looked for: by Newton's steps in log β,
/// and by halving the bracket where a step would leave it.
pub(super) fn fit(probabilities: ArrayView2<'_, f64>, classes: &[usize]) -> f64 {
    let logs = probabilities.mapv(|p| (p + TINY).ln());
    let level = |row: ArrayView1<'_, f64>| row.iter().all(|log| *log == row[0]);
    if logs.rows().into_iter().all(level) {
        // Any temperature is as good as another.
        return 1.0;
    }
    // Slope and curvature of the log loss by log β, divided by β.
    let derivatives = |log_beta: f64| {
        let beta = log_beta.exp();
        let (mut slope, mut curvature) = (0.0, 0.0);
        for (row, &class) in logs.rows().into_iter().zip(classes) {
            let top = row[class];
            let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let (mut weights, mut first, mut second) = (0.0, 0.0, 0.0);
            for log in row {
                let weight = (beta * (log - highest)).exp();
                let distance = log - top;
                weights += weight;
                first += weight * distance;
                second += weight * distance * distance;
            }
            let mean = first / weights;
            slope += mean;
            curvature += beta * (second / weights - mean * mean).max(0.0);
        }
        (slope, curvature)
    };
    let (mut low, mut high) = (-LIMIT, LIMIT);
    if derivatives(low).0 >= 0.0 {
        return LIMIT.exp();
    }
    if derivatives(high).0 <= 0.0 {
        return (-LIMIT).exp();
    }
    let mut log_beta = 0.0;
    for _ in 0..200 {
        let (slope, curvature) = derivatives(log_beta);
        if slope > 0.0 {
            high = log_beta;
        } else {
            low = log_beta;
        }
        let newton = log_beta - slope / curvature;
        // At the zero itself a step may end on the bracket, or beside it by a rounding.
        if (newton - log_beta).abs() < 1e-13 {
            break;
        }
        let next = if newton > low && newton < high {
            newton
        } else {
            f64::midpoint(low, high)
        };
        let step = (next - log_beta).abs();
        log_beta = next;
        if step < 1e-13 {
            break;
        }
    }
    (-log_beta).exp()
}

/// Softmax of the logarithms over the temperature.
pub(super) fn apply(temperature: f64, probabilities: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut result = probabilities.mapv(|p| (p + TINY).ln() / temperature);
    for mut row in result.rows_mut() {
        let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.mapv_inplace(|log| (log - highest).exp());
        let sum = row.sum();
        row /= sum;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newton's last step is smaller than the distance between two numbers here.
    #[test]
    fn a_zero_that_is_hit_exactly_is_kept() {
        let p = ndarray::array![[1.0 - 0.05, 0.05], [1.0 - 0.95, 0.95], [1.0 - 0.45, 0.45]];
        assert!((fit(p.view(), &[0, 1, 1]) - 0.749_623).abs() < 1e-5);
    }
}
