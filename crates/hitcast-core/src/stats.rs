//! Sums that do not lose the small parts, means and quantiles: the few statistics that several crates need.

/// Sums that are kept side by side, so that an addition need not wait for the one before it.
const LANES: usize = 8;

/// The sum with a running compensation (Neumaier 1974): its error does not grow with the number of values.
pub fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values = values.into_iter();
    let (mut sums, mut lost) = ([0.0_f64; LANES], [0.0_f64; LANES]);
    loop {
        let (mut next, mut filled) = ([0.0_f64; LANES], 0);
        for (place, value) in next.iter_mut().zip(&mut values) {
            *place = value;
            filled += 1;
        }
        for ((sum, lost), value) in sums.iter_mut().zip(&mut lost).zip(next) {
            add(sum, lost, value);
        }
        if filled < LANES {
            break;
        }
    }
    let (mut total, mut total_lost) = (0.0, lost.iter().sum());
    for sum in sums {
        add(&mut total, &mut total_lost, sum);
    }
    // The compensation of an overflowed sum is NaN; the overflow is what the caller should see.
    if total.is_finite() {
        total + total_lost
    } else {
        total
    }
}

#[inline]
fn add(sum: &mut f64, lost: &mut f64, value: f64) {
    let next = *sum + value;
    *lost += if sum.abs() >= value.abs() {
        (*sum - next) + value
    } else {
        (value - next) + *sum
    };
    *sum = next;
}

/// The mean; NaN if there are no values.
#[allow(clippy::cast_precision_loss)]
pub fn mean(values: &[f64]) -> f64 {
    sum(values.iter().copied()) / values.len() as f64
}

/// The mean, of values of these weights if there are any: exactly the common value of equal ones, whatever those of weight 0
/// are; NaN if there are no values or no weight is above 0.
#[allow(clippy::cast_precision_loss)]
pub fn weighted_mean(values: impl ExactSizeIterator<Item = f64> + Clone, weights: Option<&[f64]>) -> f64 {
    let Some(weights) = weights else {
        let Some(first) = values.clone().next() else {
            return f64::NAN;
        };
        let n = values.len();
        return first + sum(values.map(|value| value - first)) / n as f64;
    };
    // Relative to the largest, so that their sum is finite.
    let largest = weights
        .iter()
        .fold(0.0, |largest: f64, weight| largest.max(*weight));
    let counting = values.zip(weights).filter(|(_, weight)| **weight > 0.0);
    let Some((first, _)) = counting.clone().next() else {
        return f64::NAN;
    };
    let distances = counting
        .clone()
        .map(|(value, weight)| (value - first) * (weight / largest));
    first + sum(distances) / sum(counting.map(|(_, weight)| weight / largest))
}

/// The quantile at `share` (0 to 1) with linear interpolation between neighbours, as `NumPy` computes it by default.
///
/// Reorders the values, which must not be NaN. `None` if there are none or `share` lies outside 0 to 1.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    if values.is_empty() || !(0.0..=1.0).contains(&share) {
        return None;
    }
    let place = share * (values.len() - 1) as f64;
    let rank = (place.floor() as usize).min(values.len() - 1);
    let (_, lower, above) = values.select_nth_unstable_by(rank, f64::total_cmp);
    let lower = *lower;
    let upper = above.iter().copied().min_by(f64::total_cmp).unwrap_or(lower);
    let (step, part) = (upper - lower, place - place.floor());
    Some(if part >= 0.5 {
        upper - step * (1.0 - part)
    } else {
        lower + step * part
    })
}

/// The median, reordering the values, which must not be NaN; `None` if there are none.
pub fn median(values: &mut [f64]) -> Option<f64> {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_of_two_counts_as_two_rows() {
        let of = |values: &[f64], weights: Option<&[f64]>| weighted_mean(values.iter().copied(), weights);
        assert_eq!(
            of(&[1.0, 4.0, 7.0], Some(&[2.0, 1.0, 0.0])),
            of(&[1.0, 1.0, 4.0], None)
        );
        assert_eq!(of(&[0.1; 7], Some(&[0.3; 7])), 0.1);
        assert!(of(&[], None).is_nan());
        assert!(of(&[1.0], Some(&[0.0])).is_nan());
        // What does not count is not what the others are measured from.
        assert_eq!(of(&[3.0, 0.0, 0.0], Some(&[0.0, 0.1, 0.1])), 0.0);
        assert_eq!(of(&[1.0, 2.0], Some(&[1e308, 1e308])), 1.5);
    }

    #[test]
    fn a_small_value_beside_large_ones_is_not_lost() {
        assert_eq!(sum([1e16, 1.0, -1e16]), 1.0);
        assert_eq!(sum(std::iter::repeat_n(0.1, 10)), 1.0);
        assert_eq!(sum([f64::MAX, f64::MAX]), f64::INFINITY);
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(quantile(&mut [4.0, 1.0, 3.0, 2.0], 0.25), Some(1.75));
        assert_eq!(quantile(&mut [4.0, 1.0], 0.0), Some(1.0));
        assert_eq!(quantile(&mut [4.0, 1.0], 1.0), Some(4.0));
        assert_eq!(median(&mut []), None);
        assert_eq!(quantile(&mut [1.0], 1.5), None);
    }
}
