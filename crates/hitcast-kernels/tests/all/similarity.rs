use hitcast_kernels::similarity::{Similarity, weighted_sum};
use hitcast_kernels::{Level, padded};
use proptest::prelude::*;

use super::{assert_close, numbers};

const ALL: [Similarity; 6] = [
    Similarity::Linear,
    Similarity::Rbf { gamma: 0.3 },
    Similarity::Polynomial {
        gamma: 0.25,
        coef0: 0.5,
        degree: 3,
    },
    Similarity::Polynomial {
        gamma: 0.5,
        coef0: -1.0,
        degree: 1,
    },
    Similarity::Polynomial {
        gamma: 0.1,
        coef0: 1.0,
        degree: 6,
    },
    Similarity::Sigmoid {
        gamma: 0.3,
        coef0: -0.2,
    },
];

fn expected(similarity: Similarity, x: &[f32], y: &[f32]) -> f64 {
    let pairs = || x.iter().zip(y).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    let product: f64 = pairs().map(|(x, y)| x * y).sum();
    let squares: f64 = pairs().map(|(x, y)| (x - y).powi(2)).sum();
    match similarity {
        Similarity::Linear => product,
        Similarity::Rbf { gamma } => (-f64::from(gamma) * squares).exp(),
        Similarity::Polynomial { gamma, coef0, degree } => {
            (f64::from(gamma) * product + f64::from(coef0)).powf(f64::from(degree))
        }
        Similarity::Sigmoid { gamma, coef0 } => (f64::from(gamma) * product + f64::from(coef0)).tanh(),
    }
}

proptest! {
    #[test]
    fn similarities_are_those_of_plain_loops(n in 0_usize..150, d in 0_usize..12, values in numbers(150 * 12)) {
        let stride = padded(n);
        let columns = &values[..d * stride.min(150)];
        let stride = stride.min(150);
        let column = |place: usize| (0..d).map(|k| columns[k * stride + place]).collect::<Vec<f32>>();
        for similarity in ALL {
            for level in Level::available() {
                let filled = |place: usize| {
                    let mut to = vec![0.0; n];
                    similarity.fill(level, &column(place), columns, stride, &mut to);
                    to
                };
                for place in [0, n / 2, n.saturating_sub(1)].into_iter().filter(|place| *place < n) {
                    let to = filled(place);
                    let expected: Vec<f64> =
                        (0..n).map(|other| expected(similarity, &column(place), &column(other))).collect();
                    assert_close(&to, &expected, 2e-5, level.name());
                    // Bit for bit, whichever way, and however many are asked for.
                    prop_assert_eq!(to[n - 1 - place], filled(n - 1 - place)[place]);
                    let mut some = vec![0.0; n - place];
                    let rest = columns.get(place..).unwrap_or_default();
                    similarity.fill(level, &column(place), rest, stride, &mut some);
                    prop_assert_eq!(&some[..], &to[place..]);
                    if let Similarity::Rbf { .. } = similarity {
                        prop_assert_eq!(to[place], 1.0);
                    }
                }
            }
        }
    }

    #[test]
    fn weighted_sums_are_those_of_plain_loops(values in numbers(100), weights in numbers(100), n in 0_usize..=100) {
        let weights: Vec<f64> = weights.iter().map(|weight| f64::from(*weight) / 3.0).collect();
        let expected: f64 = weights[..n].iter().zip(&values).map(|(w, v)| w * f64::from(*v)).sum();
        for level in Level::available() {
            prop_assert!((weighted_sum(level, &weights[..n], &values) - expected).abs() < 1e-12);
            prop_assert!((weighted_sum(level, &weights, &values[..n]) - expected).abs() < 1e-12);
        }
    }
}

#[test]
fn points_that_are_far_apart_are_not_alike() {
    for level in Level::available() {
        let mut to = [0.0; 3];
        let columns = [f32::MAX, -f32::MAX, 1e4];
        Similarity::Rbf { gamma: 1.0 }.fill(level, &[f32::MAX], &columns, 3, &mut to);
        assert_eq!(to[0], 1.0);
        assert!(to[1..].iter().all(|value| (0.0..1e-37).contains(value)), "{to:?}");
    }
}

#[test]
#[should_panic(expected = "columns are too short")]
fn columns_that_are_not_there_are_refused() {
    Similarity::Linear.fill(Level::best(), &[1.0, 2.0], &[0.0; 7], 4, &mut [0.0; 4]);
}
