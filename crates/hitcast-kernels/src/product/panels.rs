//! Products with a matrix that the first caches do not hold, piece by piece.
//!
//! Each element is summed up in the same order as without pieces, so that a row's result does not depend on how many rows
//! there are; only what is added to what was there is added once for each piece.

use super::{Finish, Product, Run, fetch};
use crate::buffer::Buffer;
use crate::layout::Transpose;
use crate::level::Kernel;
use crate::simd::Vector;

/// Whether a product of many rows copies a `b` of so many rows with this stride, because reading it as it lies, the whole of
/// it for each few rows, would take longer. Such a matrix may as well lie column by column.
///
/// Measured (`cargo bench -p hitcast-benches --bench product`): narrow matrices are fetched ahead until they outgrow the
/// second cache, those whose rows lie a page or so apart only as long as they leave most of it free.
pub fn is_large(rows: usize, stride: usize) -> bool {
    const NARROW: usize = 256;
    let most = if stride > NARROW { 1 << 16 } else { 1 << 19 };
    rows.saturating_mul(stride) > most
}

impl Product<'_> {
    /// Whether `b` cannot be read as it lies, or had better not be.
    pub(super) fn wants_panels(&self) -> bool {
        const ROWS: usize = 32;
        let is_transposed = self.b_column != 1;
        self.inner > 0 && (is_transposed || self.rows >= ROWS && is_large(self.inner, self.b_row))
    }
}

impl Run<'_, '_> {
    /// So many rows at a time as leave the sums so far in the second cache.
    #[inline(always)]
    pub(super) fn in_panels<V: Vector>(self) {
        const ROWS: usize = 512;
        let p = self.product;
        for row in (0..p.rows).step_by(ROWS) {
            let place = row * self.c_stride;
            Run {
                product: Product {
                    a: &p.a[row * p.a_row..],
                    rows: ROWS.min(p.rows - row),
                    ..p
                },
                c: &mut self.c[place..],
                finish: self.finish.from(0, place),
                ..self
            }
            .band_in_panels::<V>();
        }
    }

    /// Copies a slab of `b` together in panels of two vectors, so deep that the sums so far are seldom taken up again, and
    /// as many of them as fill a quarter of the second cache; of a transposed `a`, whose tiles would be scattered, also
    /// some tiles at a time. All pieces lie inside the extents that `Product::run` has checked.
    #[inline(always)]
    fn band_in_panels<V: Vector>(self) {
        const SLAB: usize = 1 << 16;
        const TILES: usize = 16;
        let p = self.product;
        let copies_a = p.a_row == 1 && p.a_column != 1;
        let width = 2 * V::LANES;
        let depth = p.inner.min(if copies_a { 256 } else { 512 });
        let (panel, tile) = (depth * width, depth * V::TILE_ROWS);
        let slab_width = SLAB / panel * width;
        let block_rows = V::TILE_ROWS * TILES;
        let tile_rows = if copies_a { V::TILE_ROWS } else { block_rows };
        let mut slab = Buffer::zeros(depth * slab_width.min(p.columns.next_multiple_of(width)));
        let mut block = Buffer::zeros(if copies_a { tile * TILES } else { 0 });
        for left in (0..p.columns).step_by(slab_width) {
            let columns = (p.columns - left).min(slab_width);
            for first in (0..p.inner).step_by(depth) {
                let inner = depth.min(p.inner - first);
                let of_b = &p.b[first * p.b_row + left * p.b_column..];
                if p.b_column == 1 {
                    copy_in_panels(of_b, p.b_row, inner, columns, &mut slab, panel, width);
                } else {
                    transpose_in_panels::<V>(of_b, p.b_column, inner, columns, &mut slab, panel);
                }
                for top in (0..p.rows).step_by(block_rows) {
                    let rows = (p.rows - top).min(block_rows);
                    if copies_a {
                        let of_a = &p.a[first * p.a_column + top..];
                        copy_in_panels(of_a, p.a_column, inner, rows, &mut block, tile, tile_rows);
                    }
                    for (panel, column) in slab.chunks_exact(panel).zip((0..columns).step_by(width)) {
                        for row in (0..rows).step_by(tile_rows) {
                            let (a, a_row, a_column) = if copies_a {
                                (&block[row / tile_rows * tile..], 1, tile_rows)
                            } else {
                                (
                                    &p.a[(top + row) * p.a_row + first * p.a_column..],
                                    p.a_row,
                                    p.a_column,
                                )
                            };
                            let place = (top + row) * self.c_stride + left + column;
                            let (onto, finish) = match self.finish {
                                Finish::Add => (false, Finish::Add),
                                finish if first + inner == p.inner => {
                                    (first > 0, finish.from(left + column, place))
                                }
                                _ => (first > 0, Finish::Store),
                            };
                            Run {
                                product: Product {
                                    a,
                                    a_row,
                                    a_column,
                                    b: panel,
                                    b_row: width,
                                    b_column: 1,
                                    rows: tile_rows.min(rows - row),
                                    columns: width.min(columns - column),
                                    inner,
                                },
                                c: &mut self.c[place..],
                                c_stride: self.c_stride,
                                onto,
                                finish,
                            }
                            .in_tiles::<V>();
                        }
                    }
                }
            }
        }
    }
}

impl<'a> Finish<'a> {
    /// What is left of it from this column on, and from this place of `c`, a multiple of 8.
    fn from(self, column: usize, place: usize) -> Self {
        let biases = |all: &'a [f32]| all.get(column..).unwrap_or_default();
        let numbers = |all: &'a [f32]| all.get(place..).unwrap_or_default();
        match self {
            Finish::Store | Finish::Add => self,
            Finish::Bias(bias) => Finish::Bias(biases(bias)),
            Finish::BiasRelu(bias) => Finish::BiasRelu(biases(bias)),
            Finish::BiasReluDropout { bias, bits, scale } => Finish::BiasReluDropout {
                bias: biases(bias),
                bits: bits.get(place / 8..).unwrap_or_default(),
                scale,
            },
            Finish::WherePositive { of, scale } => Finish::WherePositive {
                of: numbers(of),
                scale,
            },
            Finish::Times(by) => Finish::Times(numbers(by)),
        }
    }
}

/// Copies a matrix to panels of so many columns, each of which begins so many numbers behind the one before; row by row, for
/// the processor fetches ahead what lies in sequence. Of the rows to come it has to be told.
#[inline(always)]
fn copy_in_panels(
    from: &[f32],
    stride: usize,
    rows: usize,
    columns: usize,
    to: &mut [f32],
    panel: usize,
    width: usize,
) {
    const AHEAD: usize = 8;
    const LINE: usize = 16;
    let whole = columns / width;
    for row in 0..rows {
        for column in (0..columns).step_by(LINE) {
            fetch(from.as_ptr().wrapping_add((row + AHEAD) * stride + column));
        }
        let from = &from[row * stride..][..columns];
        let mut panels = to.chunks_exact_mut(panel);
        // Of a length that is known where this is inlined.
        let (pieces, rest) = (
            from.chunks_exact(width),
            from.get(whole * width..).unwrap_or_default(),
        );
        for (from, to) in pieces.zip(&mut panels) {
            to[row * width..][..width].copy_from_slice(&from[..width]);
        }
        if let Some(to) = panels.next() {
            to[row * width..][..rest.len()].copy_from_slice(rest);
        }
    }
}

/// Copies a matrix that lies column by column, with this distance, to panels of two vectors.
#[inline(always)]
fn transpose_in_panels<V: Vector>(
    from: &[f32],
    stride: usize,
    rows: usize,
    columns: usize,
    to: &mut [f32],
    panel: usize,
) {
    let width = 2 * V::LANES;
    for (to, column) in to.chunks_exact_mut(panel).zip((0..columns).step_by(width)) {
        Transpose {
            from: &from[column * stride..],
            from_stride: stride,
            rows: width.min(columns - column),
            columns: rows,
            to,
            stride: width,
        }
        .run::<V>();
    }
}
