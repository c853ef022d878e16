//! Quantiles of numbers.

/// The numbers that are not missing, in ascending order.
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The `q`-quantile (`q` in [0, 1]) of ascending numbers, `None` if there are none.
///
/// Between two numbers it is interpolated linearly: type 7 of Hyndman and Fan (1996), the default of NumPy, pandas and R.
pub fn quantile(ascending: &[f64], q: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    // `position` lies in 0..=last, so the cast loses only the fraction that is added below.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let index = position as usize;
    let (low, high) = (*ascending.get(index)?, *ascending.get((index + 1).min(last))?);
    let fraction = position - index as f64;
    Some(if fraction == 0.0 { low } else { low + (high - low) * fraction })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([3, 1, 4, 1, 5, 9, 2, 6], [0, 0.1, 0.25, 0.5, 0.9, 1])
        let values = sorted([3.0, 1.0, f64::NAN, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]);
        let expected = [(0.0, 1.0), (0.1, 1.0), (0.25, 1.75), (0.5, 3.5), (0.9, 6.9), (1.0, 9.0)];
        for (q, wanted) in expected {
            let got = quantile(&values, q).unwrap();
            assert!((got - wanted).abs() < 1e-12, "{q}: {got} for {wanted}");
        }
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(quantile(&[], 0.5), None);
    }
}
