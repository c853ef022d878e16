//! Copies in another order.

use crate::level::{Kernel, Level};
use crate::simd::Vector;

/// Writes the transpose of a row-major `rows × columns` matrix (without gaps) to `to`, row-major with this stride.
///
/// # Panics
/// If a slice is too short.
pub fn transpose(level: Level, from: &[f32], rows: usize, columns: usize, to: &mut [f32], stride: usize) {
    let fits = |n: Option<usize>, length: usize| n.is_some_and(|n| n <= length);
    assert!(
        stride >= rows
            && fits(rows.checked_mul(columns), from.len())
            && fits(columns.checked_mul(stride), to.len()),
        "a slice is too short"
    );
    level.run(Transpose {
        from,
        from_stride: columns,
        rows,
        columns,
        to,
        stride,
    });
}

/// Of a matrix with gaps, if its stride is larger. The slices have been checked to hold all rows and columns.
pub(crate) struct Transpose<'a, 't> {
    pub(crate) from: &'a [f32],
    pub(crate) from_stride: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) to: &'t mut [f32],
    pub(crate) stride: usize,
}

impl Kernel for Transpose<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        const ROWS: usize = 512;
        let Self {
            from,
            from_stride,
            rows,
            columns,
            to,
            stride,
        } = self;
        let whole = |n: usize| n - n % V::LANES;
        let (whole_rows, whole_columns) = (whole(rows), whole(columns));
        // Of a large matrix some rows at a time, so that their pages are at hand for the next column.
        for first in (0..whole_rows).step_by(ROWS) {
            for column in (0..whole_columns).step_by(V::LANES) {
                for row in (first..whole_rows.min(first + ROWS)).step_by(V::LANES) {
                    let (from, to) = (
                        &from[row * from_stride + column..],
                        &mut to[column * stride + row..],
                    );
                    // SAFETY: it has been checked that the slices hold all rows and columns, and the square lies inside.
                    unsafe { V::transpose(from.as_ptr(), from_stride, to.as_mut_ptr(), stride) };
                }
            }
        }
        // What is left of each row, and the rows that are left.
        for row in 0..rows {
            let first = if row < whole_rows { whole_columns } else { 0 };
            let values = &from[row * from_stride..][..columns];
            for (column, &value) in values.iter().enumerate().skip(first) {
                to[column * stride + row] = value;
            }
        }
    }
}

/// Copies rows of a row-major matrix with this stride to `to`, with the same stride, in the order of their numbers.
///
/// # Panics
/// If `to` is too short or a row is not there.
pub fn gather(from: &[f32], stride: usize, rows: &[u32], to: &mut [f32]) {
    assert!(to.len() >= rows.len() * stride);
    if stride == crate::WIDTH {
        // The usual case of few features: a row has a length that is known here.
        let (from, _) = from.as_chunks::<{ crate::WIDTH }>();
        let (to, _) = to.as_chunks_mut::<{ crate::WIDTH }>();
        for (to, &row) in to.iter_mut().zip(rows) {
            *to = from[row as usize];
        }
        return;
    }
    for (to, &row) in to.chunks_exact_mut(stride).zip(rows) {
        to.copy_from_slice(&from[row as usize * stride..][..stride]);
    }
}
