//! Sums.

use crate::level::{Kernel, Level};
use crate::simd::Vector;

/// Adds the sum of each column of a row-major matrix to `sums`, one for each column.
///
/// # Panics
/// If the stride is 0.
pub fn add_column_sums(level: Level, matrix: &[f32], stride: usize, sums: &mut [f32]) {
    level.run(ColumnSums { matrix, stride, sums });
}

struct ColumnSums<'a, 's> {
    matrix: &'a [f32],
    stride: usize,
    sums: &'s mut [f32],
}

impl Kernel for ColumnSums<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let (matrix, stride) = (self.matrix, self.stride);
        let mut column = 0;
        let mut wide = self.sums.chunks_exact_mut(2 * V::LANES);
        for sums in &mut wide {
            let (low, high) = sums.split_at_mut(V::LANES);
            let mut sum = [V::load(low), V::load(high)];
            for row in matrix.chunks_exact(stride) {
                if let Some(part) = row.get(column..column + 2 * V::LANES) {
                    sum[0] = sum[0].add(V::load(part));
                    sum[1] = sum[1].add(V::load(&part[V::LANES..]));
                }
            }
            sum[0].store(low);
            sum[1].store(high);
            column += 2 * V::LANES;
        }
        for sums in wide.into_remainder().chunks_mut(V::LANES) {
            let mut sum = V::load_first(sums);
            for row in matrix.chunks_exact(stride) {
                if let Some(part) = row.get(column..column + sums.len()) {
                    sum = sum.add(V::load_first(part));
                }
            }
            sum.store_first(sums);
            column += sums.len();
        }
    }
}

/// The sum of squares, added up in `f64` every few thousand numbers.
pub fn sum_of_squares(level: Level, values: &[f32]) -> f64 {
    level.run(Squares { values })
}

struct Squares<'a> {
    values: &'a [f32],
}

impl Kernel for Squares<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector>(self) -> f64 {
        let mut total = 0.0;
        for block in self.values.chunks(4096) {
            let mut sum = V::zero();
            let mut chunks = block.chunks_exact(V::LANES);
            for chunk in &mut chunks {
                let value = V::load(chunk);
                sum = value.mul_add(value, sum);
            }
            let rest = V::load_first(chunks.remainder());
            total += f64::from(rest.mul_add(rest, sum).sum());
        }
        total
    }
}
