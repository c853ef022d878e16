//! Every kernel on every level of this processor, against plain loops in `f64`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::needless_range_loop
)]

mod mask;
mod norm;
mod optimizer;
mod pairs;
mod pointwise;
mod product;
mod reduce;
mod similarity;

use proptest::prelude::*;

/// Numbers around 1 in size, none of them denormal.
fn numbers(n: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-2.0_f32..2.0, n)
}

/// Close for sums of a few hundred such numbers.
#[track_caller]
fn assert_close(got: &[f32], expected: &[f64], tolerance: f64, level: &str) {
    assert_eq!(got.len(), expected.len());
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let difference = (f64::from(*got) - expected).abs();
        assert!(
            difference <= tolerance * expected.abs().max(1.0),
            "{level}: at {i} {got}, not {expected}"
        );
    }
}
