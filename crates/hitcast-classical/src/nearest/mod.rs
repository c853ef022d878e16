//! The nearest of many points. Distances are exact in 64 bits, and of equally near points the one with the smaller number is
//! nearer.

mod blocks;
mod tree;

use ndarray::ArrayView2;

use blocks::Blocks;
use tree::{KdTree, Search};

/// Columns from which on a tree looks at most points anyhow, more slowly than all are looked at.
const WIDE: usize = 20;

/// How distances are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    /// The sum of the distances along each column.
    Manhattan,
    /// The root of the sum of their squares; compared without the root.
    Euclidean,
}

impl Metric {
    #[inline(always)]
    pub(super) fn part(self, distance: f64) -> f64 {
        match self {
            Self::Manhattan => distance.abs(),
            Self::Euclidean => distance * distance,
        }
    }

    /// The distance from the sum over the columns.
    pub(crate) fn distance(self, sum: f64) -> f64 {
        match self {
            Self::Manhattan => sum,
            Self::Euclidean => sum.sqrt(),
        }
    }
}

/// A point that was found: the sum over its columns, and its number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    pub(crate) sum: f64,
    pub(crate) point: u32,
}

impl Found {
    pub(super) fn is_nearer(self, other: Self) -> bool {
        self.sum < other.sum || (self.sum == other.sum && self.point < other.point)
    }
}

/// Points, arranged for searches by one metric.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Nearest {
    Tree(KdTree, Metric),
    /// By Euclidean distance.
    Blocks(Blocks),
}

impl Nearest {
    /// Arranges finite points (`n × d`), of which there are fewer than 2³².
    pub(crate) fn new(points: ArrayView2<'_, f32>, metric: Metric) -> Self {
        if points.ncols() < WIDE || metric != Metric::Euclidean {
            Self::Tree(KdTree::new(points), metric)
        } else {
            Self::Blocks(Blocks::new(points))
        }
    }

    /// Hands over each finite query's (`m × d`) number and its `k` nearest points in rising order; fewer if there are fewer.
    pub(crate) fn each(
        &self,
        queries: ArrayView2<'_, f32>,
        k: usize,
        mut found: impl FnMut(usize, &[Found]),
    ) {
        match self {
            Self::Tree(tree, metric) => {
                let (mut search, mut query) = (Search::default(), vec![0.0; queries.ncols()]);
                for (number, row) in queries.rows().into_iter().enumerate() {
                    query.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
                    found(number, tree.nearest(&query, k, *metric, &mut search));
                }
            }
            Self::Blocks(blocks) => blocks.each(queries, k, found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitcast_core::Seed;
    use ndarray::Array2;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nearest_are_those_of_a_full_sort_ties_included(
            seed: u64, n in 1_usize..1300, d in 0_usize..30, k in 1_usize..40, steps in 2_usize..40, far in 0..2,
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
                let mut compare = |query, found: &[Found]| {
                    count += 1;
                    assert_eq!(found, expected(query));
                };
                Nearest::new(points.view(), metric).each(queries.view(), k, &mut compare);
                if metric == Metric::Euclidean {
                    Blocks::new(points.view()).each(queries.view(), k, compare);
                    prop_assert_eq!(count, 10);
                } else {
                    prop_assert_eq!(count, 5);
                }
            }
        }
    }
}
