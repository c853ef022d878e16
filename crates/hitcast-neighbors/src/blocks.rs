//! The nearest of points of many columns: all of them are looked at, by matrix products in 32 bits, and those that may be among
//! the nearest again in 64.

use std::cmp::Ordering;

use hitcast_kernels::product::{Finish, Product};
use hitcast_kernels::{Buffer, Level, layout};
use ndarray::{ArrayView2, Axis};

use crate::{Found, Metric};

/// Points of a block.
const BLOCK: usize = 512;

/// Queries that are looked at together.
const QUERIES: usize = 64;

/// Scores that are passed over at a time if all are too high.
const LANES: usize = 32;

/// Squared distances up to which no sum overflows.
const LARGEST: f64 = 1e37;

/// Points around the mean of all, so that little is lost to rounding.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    center: Vec<f32>,
    /// As they were given, row by row.
    points: Vec<f32>,
    blocks: Vec<Block>,
    /// The largest distance from the center.
    radius: f64,
}

#[derive(Debug, Clone)]
struct Block {
    /// `d × BLOCK`
    columns: Buffer,
    /// The squared distance of each from the center.
    squares: Vec<f32>,
}

impl PartialEq for Blocks {
    fn eq(&self, other: &Self) -> bool {
        // All the rest is made of the points.
        self.points == other.points
    }
}

/// What may be among the nearest to a query: the squared distance less the same number for all points.
#[derive(Debug, Default)]
struct Candidates {
    all: Vec<(f32, u32)>,
    /// What is above it cannot be.
    limit: f32,
    /// How many there may be before the limit is lowered.
    room: usize,
    /// What scores may be off.
    error: f32,
}

impl Candidates {
    fn clear(&mut self, k: usize, error: f32) {
        self.all.clear();
        self.limit = f32::INFINITY;
        self.room = 4 * k + 64;
        self.error = error;
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation)] // there are fewer than 2³² points
    fn offer(&mut self, scores: &[f32], first: u32, k: usize) {
        for (part, scores) in scores.chunks(LANES).enumerate() {
            let least = scores
                .iter()
                .fold(f32::INFINITY, |a, &b| if b < a { b } else { a });
            // Where there are numbers beyond 32 bits, the limit is above all.
            if least > self.limit {
                continue;
            }
            let first = first + (part * LANES) as u32;
            for (point, &score) in (first..).zip(scores) {
                // What is no number may be anything.
                if score.partial_cmp(&self.limit) != Some(Ordering::Greater) {
                    self.all.push((score, point));
                }
            }
        }
        if self.all.len() > self.room {
            self.lower(k);
        }
    }

    fn lower(&mut self, k: usize) {
        if self.all.len() <= k {
            return;
        }
        let (_, (score, _), _) = self.all.select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0));
        self.limit = (*score + 2.0 * self.error).next_up();
        let limit = self.limit;
        self.all
            .retain(|(score, _)| score.partial_cmp(&limit) != Some(Ordering::Greater));
        self.room = self.room.max(2 * self.all.len());
    }
}

impl Blocks {
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    pub(crate) fn new(points: ArrayView2<'_, f32>) -> Self {
        let (n, d) = points.dim();
        let mean = |column: ndarray::ArrayView1<'_, f32>| {
            (column.iter().map(|value| f64::from(*value)).sum::<f64>() / n.max(1) as f64) as f32
        };
        let center: Vec<f32> = points.columns().into_iter().map(mean).collect();
        let mut radius = 0.0_f64;
        let blocks = points.axis_chunks_iter(Axis(0), BLOCK).map(|rows| {
            let mut centered = Vec::with_capacity(rows.len());
            for row in rows.rows() {
                centered.extend(row.iter().zip(&center).map(|(value, center)| value - center));
            }
            let mut columns = Buffer::zeros(d * BLOCK);
            if d > 0 {
                layout::transpose(Level::best(), &centered, rows.nrows(), d, &mut columns, BLOCK);
            }
            let squares = centered.chunks_exact(d.max(1)).map(square);
            let mut squares: Vec<f64> = squares.collect();
            squares.resize(rows.nrows(), 0.0);
            radius = squares.iter().map(|square| square.sqrt()).fold(radius, f64::max);
            Block {
                columns,
                squares: squares.into_iter().map(|square| square as f32).collect(),
            }
        });
        let blocks = blocks.collect();
        Self {
            center,
            points: points.iter().copied().collect(),
            blocks,
            radius,
        }
    }

    /// See [`Nearest::each`](crate::Nearest::each).
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    pub(crate) fn each(
        &self,
        queries: ArrayView2<'_, f32>,
        k: usize,
        mut found: impl FnMut(usize, &[Found]),
    ) {
        let d = self.center.len();
        let level = Level::best();
        let mut scores = Buffer::zeros(QUERIES * BLOCK);
        let mut factors = Vec::new();
        let mut candidates: Vec<Candidates> = (0..QUERIES).map(|_| Candidates::default()).collect();
        let mut nearest = Vec::new();
        for (chunk, rows) in queries.axis_chunks_iter(Axis(0), QUERIES).enumerate() {
            factors.clear();
            for (row, candidates) in rows.rows().into_iter().zip(&mut candidates) {
                let start = factors.len();
                factors.extend(row.iter().zip(&self.center).map(|(value, center)| value - center));
                let length = square(&factors[start..]).sqrt();
                factors[start..].iter_mut().for_each(|factor| *factor *= -2.0);
                // Each of the d products and sums, the squares and the differences from the center are rounded to 32 bits.
                let scale = (length + self.radius).powi(2);
                let error = (d + 8) as f64 * f64::from(f32::EPSILON) * scale;
                // Sums that are all but nothing are rounded to a multiple of the smallest number.
                let error = error + (d + 8) as f64 * f64::from(f32::MIN_POSITIVE);
                // Beyond what 32 bits hold, every point is a candidate.
                let error = if scale < LARGEST {
                    error as f32
                } else {
                    f32::INFINITY
                };
                candidates.clear(k, error);
            }
            for (number, block) in self.blocks.iter().enumerate() {
                let columns = block.squares.len();
                let product = Product {
                    a: &factors,
                    a_row: d,
                    a_column: 1,
                    b: &block.columns,
                    b_row: BLOCK,
                    b_column: 1,
                    rows: rows.nrows(),
                    columns,
                    inner: d,
                };
                product.run(level, &mut scores, BLOCK, Finish::Bias(&block.squares));
                for (scores, candidates) in scores.chunks_exact(BLOCK).zip(&mut candidates).take(rows.nrows())
                {
                    candidates.offer(&scores[..columns], (number * BLOCK) as u32, k);
                }
            }
            for (place, (row, candidates)) in rows.rows().into_iter().zip(&mut candidates).enumerate() {
                candidates.lower(k);
                nearest.clear();
                nearest.extend(candidates.all.iter().map(|&(_, point)| Found {
                    sum: self.exact(row, point),
                    point,
                }));
                nearest.sort_unstable_by(|a: &Found, b| a.sum.total_cmp(&b.sum).then(a.point.cmp(&b.point)));
                nearest.truncate(k);
                found(chunk * QUERIES + place, &nearest);
            }
        }
    }

    fn exact(&self, query: ndarray::ArrayView1<'_, f32>, point: u32) -> f64 {
        let d = self.center.len();
        let point = &self.points[point as usize * d..][..d];
        let parts = query.iter().zip(point);
        parts.fold(0.0, |sum, (a, b)| {
            sum + Metric::Euclidean.part(f64::from(*a) - f64::from(*b))
        })
    }
}

fn square(row: &[f32]) -> f64 {
    row.iter()
        .map(|value| f64::from(*value) * f64::from(*value))
        .sum()
}
