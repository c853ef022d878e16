//! Matrix products, best for small shapes.
//!
//! A tile of the result, some rows by two vectors, is summed up in registers and then finished: bias, ReLU, dropout or a
//! derivative cost no pass of their own. The matrices of a small network stay in the first caches and are read as they
//! lie. A larger right one, or one that lies column by column, is gone through in panels, two vectors wide, that are copied
//! together first.

use crate::level::{Kernel, Level};
use crate::simd::Vector;

mod panels;
mod vector;

pub use panels::is_large;
pub use vector::{times_vector, times_vector_back};

/// `c = a · b`, with `a` of `rows × inner` and `b` of `inner × columns`.
#[derive(Debug, Clone, Copy)]
pub struct Product<'a> {
    /// Element (`i`, `k`) is at `i · a_row + k · a_column`, so that a transposed matrix is read as it lies.
    pub a: &'a [f32],
    /// Distance between rows of `a`.
    pub a_row: usize,
    /// Distance between columns of `a`.
    pub a_column: usize,
    /// Element (`k`, `j`) is at `k · b_row + j · b_column`.
    pub b: &'a [f32],
    /// Distance between rows of `b`.
    pub b_row: usize,
    /// Distance between columns of `b`; one of the two distances is 1.
    pub b_column: usize,
    /// Rows of `a` and `c`.
    pub rows: usize,
    /// Columns of `b` and `c`.
    pub columns: usize,
    /// Columns of `a`, rows of `b`.
    pub inner: usize,
}

/// What becomes of an element `s` of the product at row `i` and column `j` before it is stored in `c`.
#[derive(Debug, Clone, Copy)]
pub enum Finish<'a> {
    /// `c = s`
    Store,
    /// `c += s`
    Add,
    /// `c = s + bias[j]`; at least as many biases as columns.
    Bias(&'a [f32]),
    /// `c = max(0, s + bias[j])`
    BiasRelu(&'a [f32]),
    /// `c = max(0, s + bias[j]) · scale` where the bit is set, 0 elsewhere.
    BiasReluDropout {
        /// At least as many biases as columns.
        bias: &'a [f32],
        /// Bit `(i · stride + j) mod 8` of byte `(i · stride + j) / 8`, with the stride of `c`, a multiple of 8.
        bits: &'a [u8],
        /// What kept values are multiplied by.
        scale: f32,
    },
    /// `c = s · scale` where `of[i, j]` is above zero, 0 elsewhere: back through ReLU, and dropout behind it.
    WherePositive {
        /// With the stride of `c`.
        of: &'a [f32],
        /// What the others are multiplied by.
        scale: f32,
    },
    /// `c = s · by[i, j]`
    Times(
        /// With the stride of `c`.
        &'a [f32],
    ),
}

/// Elements that a matrix of these extents reaches over; no slice is as long as what a `usize` cannot count.
fn reach(rows: usize, row: usize, columns: usize, column: usize) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    let last_row = (rows - 1).checked_mul(row);
    let last_column = (columns - 1).checked_mul(column);
    let last = last_row
        .zip(last_column)
        .and_then(|(row, column)| row.checked_add(column));
    last.and_then(|last| last.checked_add(1)).unwrap_or(usize::MAX)
}

impl Product<'_> {
    /// Writes the finished product to `c`, row-major with this stride. What lies behind the columns is left alone.
    ///
    /// # Panics
    /// If a slice is too short for its extents.
    pub fn run(self, level: Level, c: &mut [f32], c_stride: usize, finish: Finish<'_>) {
        let Self {
            a,
            a_row,
            a_column,
            b,
            b_row,
            b_column,
            rows,
            columns,
            inner,
        } = self;
        assert!(a.len() >= reach(rows, a_row, inner, a_column), "a is too short");
        assert!(
            b_row == 1 || b_column == 1,
            "b lies neither in rows nor in columns"
        );
        assert!(
            b.len() >= reach(inner, b_row, columns, b_column),
            "b is too short"
        );
        let extent = reach(rows, c_stride, columns, 1);
        assert!(c_stride >= columns && c.len() >= extent, "c is too short");
        match finish {
            Finish::Store | Finish::Add => {}
            Finish::Bias(bias) | Finish::BiasRelu(bias) => assert!(bias.len() >= columns, "too few biases"),
            Finish::BiasReluDropout { bias, bits, .. } => {
                assert!(bias.len() >= columns, "too few biases");
                assert!(
                    c_stride.is_multiple_of(8) && bits.len() * 8 >= extent,
                    "too few bits"
                );
            }
            Finish::WherePositive { of: by, .. } | Finish::Times(by) => {
                assert!(by.len() >= extent, "too few factors");
            }
        }
        level.run(Run {
            product: self,
            c,
            c_stride,
            onto: false,
            finish,
        });
    }
}

struct Run<'a, 'c> {
    product: Product<'a>,
    c: &'c mut [f32],
    c_stride: usize,
    /// Whether `c` holds what the sums have come to so far.
    onto: bool,
    finish: Finish<'a>,
}

impl Kernel for Run<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        if self.product.wants_panels() {
            self.in_panels::<V>();
        } else {
            self.in_tiles::<V>();
        }
    }
}

impl Run<'_, '_> {
    #[inline(always)]
    fn in_tiles<V: Vector>(mut self) {
        let mut row = 0;
        while row < self.product.rows {
            // The rows that are left at the end take tiles of the sizes that add up to them.
            let left = self.product.rows - row;
            row += match left {
                _ if left >= V::TILE_ROWS => match V::TILE_ROWS {
                    8 => self.row_of_tiles::<V, 8>(row),
                    6 => self.row_of_tiles::<V, 6>(row),
                    _ => self.row_of_tiles::<V, 4>(row),
                },
                4.. => self.row_of_tiles::<V, 4>(row),
                2.. => self.row_of_tiles::<V, 2>(row),
                _ => self.row_of_tiles::<V, 1>(row),
            };
        }
    }

    #[inline(always)]
    fn row_of_tiles<V: Vector, const R: usize>(&mut self, row: usize) -> usize {
        let columns = self.product.columns;
        let mut column = 0;
        while columns - column >= 2 * V::LANES {
            self.tile::<V, R, 2>(row, column, V::LANES);
            column += 2 * V::LANES;
        }
        if columns - column >= V::LANES {
            self.tile::<V, R, 1>(row, column, V::LANES);
            column += V::LANES;
        }
        if column < columns {
            self.tile::<V, R, 1>(row, column, columns - column);
        }
        R
    }

    /// `R` rows by `N` vectors, of which the last has `width` columns.
    #[inline(always)]
    fn tile<V: Vector, const R: usize, const N: usize>(&mut self, row: usize, column: usize, width: usize) {
        let p = self.product;
        let whole = width == V::LANES;
        // SAFETY, of all blocks below: `Product::run` has checked that every slice reaches over its extents, the rows
        // row..row + R and the columns column..column + (N - 1) · LANES + width lie inside them, and a vector that
        // is not whole is loaded and stored with its width.
        let place = |r: usize, n: usize| (row + r) * self.c_stride + column + n * V::LANES;
        let c = self.c.as_mut_ptr();
        let mut sums = [[V::zero(); N]; R];
        for (r, sums) in sums.iter_mut().enumerate() {
            for (n, sum) in sums.iter_mut().enumerate() {
                if self.onto {
                    *sum = unsafe { load::<V>(c.add(place(r, n)), whole, width) };
                } else if matches!(self.finish, Finish::Add) {
                    fetch(c.wrapping_add(place(r, n)));
                }
            }
        }
        // With nothing to add up there may be nothing to point into.
        let mut a = p.a.as_ptr().wrapping_add(row * p.a_row);
        let mut b = p.b.as_ptr().wrapping_add(column);
        for _ in 0..p.inner {
            let mut of_b = [V::zero(); N];
            for (n, vector) in of_b.iter_mut().enumerate() {
                *vector = unsafe { load::<V>(b.add(n * V::LANES), whole, width) };
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let factor = V::splat(unsafe { *a.add(r * p.a_row) });
                for (sum, vector) in sums.iter_mut().zip(of_b) {
                    *sum = factor.mul_add(vector, *sum);
                }
            }
            a = a.wrapping_add(p.a_column);
            b = b.wrapping_add(p.b_row);
        }
        match self.finish {
            Finish::Store => {}
            Finish::Add => {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (n, sum) in sums.iter_mut().enumerate() {
                        *sum = sum.add(unsafe { load::<V>(c.add(place(r, n)), whole, width) });
                    }
                }
            }
            Finish::Bias(bias) | Finish::BiasRelu(bias) | Finish::BiasReluDropout { bias, .. } => {
                let floor = if matches!(self.finish, Finish::Bias(_)) {
                    V::splat(f32::NEG_INFINITY)
                } else {
                    V::zero()
                };
                let mut biases = [V::zero(); N];
                for (n, vector) in biases.iter_mut().enumerate() {
                    *vector = unsafe { load::<V>(bias.as_ptr().add(column + n * V::LANES), whole, width) };
                }
                for sums in &mut sums {
                    for (sum, bias) in sums.iter_mut().zip(biases) {
                        // In this order, so that NaN stays.
                        *sum = floor.max(sum.add(bias));
                    }
                }
                if let Finish::BiasReluDropout { bits, scale, .. } = self.finish {
                    let scale = V::splat(scale);
                    for (r, sums) in sums.iter_mut().enumerate() {
                        for (n, sum) in sums.iter_mut().enumerate() {
                            *sum = sum.mul(scale).keep(bits_at::<V>(bits, place(r, n)));
                        }
                    }
                }
            }
            Finish::WherePositive { of, scale } => {
                let scale = V::splat(scale);
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (n, sum) in sums.iter_mut().enumerate() {
                        let of = unsafe { load::<V>(of.as_ptr().add(place(r, n)), whole, width) };
                        *sum = sum.mul(scale).where_positive(of);
                    }
                }
            }
            Finish::Times(by) => {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (n, sum) in sums.iter_mut().enumerate() {
                        let by = unsafe { load::<V>(by.as_ptr().add(place(r, n)), whole, width) };
                        *sum = sum.mul(by);
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (n, sum) in sums.iter().enumerate() {
                if whole {
                    unsafe { sum.store_to(c.add(place(r, n))) };
                } else {
                    unsafe { sum.store_first_to(c.add(place(r, n)), width) };
                }
            }
        }
    }
}

/// Has what is there brought into the first cache meanwhile.
#[inline(always)]
fn fetch(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, and it may be told any address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// # Safety
/// `width` numbers can be read, at most `LANES`, and as many as `LANES` if `whole`.
#[inline(always)]
unsafe fn load<V: Vector>(from: *const f32, whole: bool, width: usize) -> V {
    // SAFETY: the caller's.
    unsafe {
        if whole {
            V::load_from(from)
        } else {
            V::load_first_from(from, width)
        }
    }
}

/// The bits of the lanes that begin at `place`, a multiple of 8.
#[inline(always)]
pub(crate) fn bits_at<V: Vector>(bits: &[u8], place: usize) -> u32 {
    let rest = bits.get(place / 8..).unwrap_or_default();
    match (V::LANES, rest.first_chunk::<2>(), rest.first()) {
        (..=8, _, Some(&low)) => u32::from(low),
        (_, Some(&pair), _) => u32::from(u16::from_le_bytes(pair)),
        (_, None, low) => low.copied().map_or(0, u32::from),
    }
}
