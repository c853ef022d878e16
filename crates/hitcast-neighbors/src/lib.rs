//! The nearest of many points, exactly: distances are compared in 64 bits, and of equally near points the one with the smaller
//! number is nearer.
//!
//! ```
//! use hitcast_neighbors::{Metric, Nearest};
//! use ndarray::array;
//!
//! let points = array![[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]];
//! let nearest = Nearest::new(points.view(), Metric::Euclidean);
//! nearest.each(array![[0.9, 0.0]].view(), 2, |_query, found| {
//!     assert_eq!(found.iter().map(|found| found.point).collect::<Vec<_>>(), [2, 0]);
//!     assert!((Metric::Euclidean.distance(found[1].sum) - 0.9).abs() < 1e-6);
//! });
//! ```

#![forbid(unsafe_code)]

mod blocks;
mod tree;

use ndarray::ArrayView2;

use blocks::Blocks;
use tree::{KdTree, Search};

/// Columns that spread alike from which on a tree looks at most points anyhow, more slowly than all are looked at.
const WIDE: f64 = 6.0;

/// How distances are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// The sum of the distances along each column.
    Manhattan,
    /// The root of the sum of their squares; compared without the root.
    Euclidean,
}

impl Metric {
    #[inline(always)]
    fn part(self, distance: f64) -> f64 {
        match self {
            Self::Manhattan => distance.abs(),
            Self::Euclidean => distance * distance,
        }
    }

    /// The distance from the sum over the columns.
    pub fn distance(self, sum: f64) -> f64 {
        match self {
            Self::Manhattan => sum,
            Self::Euclidean => sum.sqrt(),
        }
    }
}

/// A point that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The sum over the columns, of Euclidean distances their square: see [`Metric::distance`].
    pub sum: f64,
    /// The point's number.
    pub point: u32,
}

impl Found {
    fn is_nearer(self, other: Self) -> bool {
        self.sum < other.sum || (self.sum == other.sum && self.point < other.point)
    }
}

/// Points, arranged for searches by one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    n: usize,
    d: usize,
    metric: Metric,
    index: Index,
}

#[derive(Debug, Clone, PartialEq)]
enum Index {
    Tree(KdTree),
    /// By Euclidean distance.
    Blocks(Blocks),
}

/// As how many columns that spread alike the columns spread: the square of the sum of their variances over the sum of the
/// squares. Where one column's unit is the smallest by far, that is little more than 1.
#[allow(clippy::cast_precision_loss)]
fn breadth(points: ArrayView2<'_, f32>) -> f64 {
    let n = points.nrows() as f64;
    let (mut sum, mut squares) = (0.0, 0.0);
    for column in points.columns() {
        let mean = column.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
        let variance = column
            .iter()
            .map(|value| (f64::from(*value) - mean).powi(2))
            .sum::<f64>()
            / n;
        sum += variance;
        squares += variance * variance;
    }
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

impl Nearest {
    /// Arranges finite points (`n × d`), of which there are fewer than 2³².
    pub fn new(points: ArrayView2<'_, f32>, metric: Metric) -> Self {
        let index = if metric != Metric::Euclidean || breadth(points) < WIDE {
            Index::Tree(KdTree::new(points))
        } else {
            Index::Blocks(Blocks::new(points))
        };
        let (n, d) = points.dim();
        Self { n, d, metric, index }
    }

    /// How distances are measured.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Hands over each finite query's (`m × d`) number and its `k` nearest points in rising order; fewer if there are fewer.
    ///
    /// # Panics
    /// If the queries have another number of columns than the points.
    pub fn each(&self, queries: ArrayView2<'_, f32>, k: usize, mut found: impl FnMut(usize, &[Found])) {
        assert_eq!(queries.ncols(), self.d, "another number of columns");
        let k = k.min(self.n);
        if k == 0 {
            (0..queries.nrows()).for_each(|query| found(query, &[]));
            return;
        }
        match &self.index {
            Index::Tree(tree) => {
                let (mut search, mut query) = (Search::default(), vec![0.0; queries.ncols()]);
                for (number, row) in queries.rows().into_iter().enumerate() {
                    query.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
                    found(number, tree.nearest(&query, k, self.metric, &mut search));
                }
            }
            Index::Blocks(blocks) => blocks.each(queries, k, found),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use hitcast_core::Seed;
    use ndarray::Array2;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nearest_are_those_of_a_full_sort_ties_included(
            seed: u64, n in 1_usize..1300, d in 0_usize..30, k in 0_usize..40, steps in 2_usize..40, far in 0..2,
        ) {
            let mut stream = Seed::new(seed).stream("points");
            // Few steps make many ties; far from zero, differences lose digits.
            #[allow(clippy::cast_precision_loss)]
            let mut draw = |rows| Array2::from_shape_fn((rows, d), |(_, column)| {
                stream.below(steps) as f32 * 0.37 + far as f32 * (1000.0 + 1e5 * column as f32)
            });
            let (points, queries) = (draw(n), draw(5));
            for metric in [Metric::Manhattan, Metric::Euclidean] {
                let expected = |query: usize| {
                    let query = queries.row(query);
                    let mut all: Vec<Found> = (0_u32..).zip(points.rows()).map(|(point, row)| {
                        let parts = query.iter().zip(row).map(|(a, b)| metric.part(f64::from(*a) - f64::from(*b)));
                        Found { sum: parts.fold(0.0, |sum, part| sum + part), point }
                    }).collect();
                    all.sort_by(|a, b| a.sum.total_cmp(&b.sum).then(a.point.cmp(&b.point)));
                    all.truncate(k);
                    all
                };
                let mut count = 0;
                let mut compare = |query: usize, found: &[Found]| {
                    count += 1;
                    assert_eq!(found, expected(query));
                };
                let mut indices = vec![Index::Tree(KdTree::new(points.view()))];
                if metric == Metric::Euclidean {
                    indices.push(Index::Blocks(Blocks::new(points.view())));
                }
                let expected_count = 5 * indices.len();
                for index in indices {
                    Nearest { n, d, metric, index }.each(queries.view(), k, &mut compare);
                }
                prop_assert_eq!(count, expected_count);
            }
        }
    }
}
