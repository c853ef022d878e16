use hitcast_kernels::Level;
use hitcast_kernels::pairs::{highest, partner, update};
use proptest::prelude::*;

use super::numbers;

/// Numbers of which many are the same, so that the first of equal ones matters.
fn coarse(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-8_i32..8).prop_map(|number| f64::from(number) / 4.0), n)
}

/// Slopes as machines have them: little, or none allowed.
fn slopes(n: usize, none: f64) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![Just(0.25), Just(-0.25), Just(none)], n)
}

/// The first of the largest.
fn first_largest(values: &[f64]) -> Option<usize> {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    values.iter().position(|value| *value == largest)
}

proptest! {
    #[test]
    fn the_highest_after_an_update_is_the_first_of_the_largest(
        n in 1_usize..600,
        residuals in coarse(600),
        rises in slopes(600, f64::NEG_INFINITY),
        rows in numbers(1200),
    ) {
        let (a, b) = rows.split_at(600);
        for level in Level::available() {
            let mut got = residuals[..n].to_vec();
            let rises = &rises[..n];
            let scores = |residuals: &[f64]| -> Vec<f64> {
                residuals.iter().zip(rises).map(|(residual, rise)| residual + rise).collect()
            };
            let found = highest(level, &got, rises);
            let expected = scores(&got);
            prop_assert_eq!(found.place, first_largest(&expected).unwrap());
            prop_assert_eq!(found.value, expected[found.place]);

            let found = update(level, &mut got, [(0.5, &a[..n]), (-0.25, &b[..n])], rises);
            for (place, got) in got.iter().enumerate() {
                let expected = residuals[place] - 0.5 * f64::from(a[place]) + 0.25 * f64::from(b[place]);
                prop_assert!((got - expected).abs() < 1e-14);
            }
            let expected = scores(&got);
            prop_assert_eq!(found.place, first_largest(&expected).unwrap());
            prop_assert_eq!(found.value, expected[found.place]);
        }
    }

    #[test]
    fn the_partner_gains_most(
        n in 1_usize..600,
        residuals in coarse(600),
        falls in slopes(600, f64::INFINITY),
        row in numbers(600),
        top in -1.0_f64..2.0,
    ) {
        let (residuals, falls, row) = (&residuals[..n], &falls[..n], &row[..n]);
        let diagonal: Vec<f32> = row.iter().map(|value| 2.0 + value.abs()).collect();
        let gain = |place: usize| {
            let distance = top - (residuals[place] + falls[place]);
            let curvature = 3.0 + f64::from(diagonal[place]) - 2.0 * f64::from(row[place]);
            if distance > 0.0 { distance.powi(2) / curvature } else { 0.0 }
        };
        let gains: Vec<f64> = (0..n).map(gain).collect();
        let most = gains.iter().copied().fold(0.0, f64::max);
        let scores = residuals.iter().zip(falls).map(|(residual, fall)| residual + fall);
        let lowest = scores.fold(f64::INFINITY, f64::min);
        for level in Level::available() {
            let found = partner(level, (top, 3.0), residuals, falls, row, &diagonal);
            prop_assert_eq!(found.lowest, lowest);
            prop_assert_eq!(found.place.is_some(), most > 0.0);
            if let Some(place) = found.place {
                prop_assert!(gains[place] >= most * (1.0 - 1e-5), "{} {most}", gains[place]);
            }
        }
    }
}

#[test]
fn nothing_may_rise_or_fall() {
    for level in Level::available() {
        assert_eq!(highest(level, &[], &[]).value, f64::NEG_INFINITY);
        let found = highest(level, &[1.0, 2.0], &[f64::NEG_INFINITY; 2]);
        assert_eq!(found.value, f64::NEG_INFINITY);
        let found = partner(
            level,
            (1.0, 1.0),
            &[0.0; 2],
            &[f64::INFINITY; 2],
            &[0.0; 2],
            &[1.0; 2],
        );
        assert_eq!((found.place, found.lowest), (None, f64::INFINITY));
        // Equal points have no curvature; the first of them is taken.
        let found = partner(
            level,
            (1.0, 1.0),
            &[0.0; 3],
            &[0.0; 3],
            &[0.5, 1.0, 1.0],
            &[1.0; 3],
        );
        assert_eq!(found.place, Some(1));
    }
}
