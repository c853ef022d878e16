//! Rows of many columns that no file is needed for.

use hitcast_core::{Dataset, FeatureColumn, Features};
use ndarray::Array2;

use crate::peers::Result;

/// Rows of 50 columns by a generator (the finaliser of `SplitMix64`) that both sides have, with Friedman's first target.
///
/// # Errors
/// If the rows are none.
pub fn rows(n: usize) -> Result<Dataset> {
    const COLUMNS: usize = 51;
    let uniform = |place: usize| {
        let mut bits = (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // 24 bits are exact in 32.
        #[allow(clippy::cast_precision_loss)]
        let value = ((bits ^ (bits >> 31)) >> 40) as f32 / (1 << 24) as f32;
        value
    };
    let target = (0..n).map(|row| {
        let x = |column: usize| f64::from(uniform(row * COLUMNS + column));
        let curve = 10.0 * (std::f64::consts::PI * x(0) * x(1)).sin() + 20.0 * (x(2) - 0.5).powi(2);
        // The last column is noise that nobody sees.
        curve + 10.0 * x(3) + 5.0 * x(4) + 4.0 * x(COLUMNS - 1)
    });
    let target = target.collect();
    let matrix = Array2::from_shape_fn((n, COLUMNS - 1), |(row, column)| uniform(row * COLUMNS + column));
    let names = (1..COLUMNS).map(|column| FeatureColumn::plain(format!("x{column}")));
    Ok(Dataset::new(Features::new(matrix, names.collect())?, target)?)
}
