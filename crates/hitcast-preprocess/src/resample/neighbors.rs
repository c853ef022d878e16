//! The nearest rows, with categories among their columns (SMOTE-NC, Chawla et al. 2002).

use hitcast_core::parallel::{for_chunks, threads_for};
use hitcast_core::{FeatureBlock, Features};
use hitcast_neighbors::Metric;
use ndarray::{Array2, ArrayView2, Axis};

/// Queries that a thread takes at a time.
const BLOCK: usize = 256;

/// Rows with what their distances are computed from.
pub(super) struct Points {
    /// Numbers, and a column for each category and each label, whose ones are scaled.
    matrix: Array2<f32>,
    /// What stands for a one.
    #[cfg(test)]
    one: f32,
}

impl Points {
    /// These rows of the features; how far different categories are apart is taken from the rows `spread`: the median of the
    /// standard deviations of their numbers. `several` says of each block of features whether it has rows of several labels.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn new(features: &Features, several: &[bool], rows: &[usize], spread: &[usize]) -> Self {
        let (mut deviations, mut width) = (Vec::new(), 0);
        for (block, &several) in features.blocks().iter().zip(several) {
            width += block.width();
            match block {
                FeatureBlock::Dense(matrix) => {
                    for column in matrix.columns() {
                        deviations.push(deviation(spread.iter().map(|&row| f64::from(column[row]))));
                    }
                }
                // No category is one more category.
                _ => width += usize::from(!several),
            }
        }
        let median = hitcast_core::stats::median(&mut deviations).unwrap_or(1.0);
        // Two different categories, and so two different labels, are the square of the median apart, half of it for each of the
        // two columns in which they differ.
        let one = (median / std::f64::consts::SQRT_2) as f32;
        let mut matrix = Array2::zeros((rows.len(), width));
        for (&row, mut to) in rows.iter().zip(matrix.rows_mut()) {
            let mut start = 0;
            for (block, &several) in features.blocks().iter().zip(several) {
                match block {
                    FeatureBlock::Dense(from) => {
                        for (column, value) in from.row(row).iter().enumerate() {
                            to[start + column] = *value;
                        }
                        start += from.ncols();
                    }
                    FeatureBlock::Indicators(from) => {
                        let ones = from.row(row);
                        for &label in ones {
                            to[start + label as usize] = one;
                        }
                        start += from.width();
                        if !several {
                            to[start] = if ones.is_empty() { one } else { 0.0 };
                            start += 1;
                        }
                    }
                    _ => {}
                }
            }
        }
        Self {
            matrix,
            #[cfg(test)]
            one,
        }
    }

    fn n(&self) -> usize {
        self.matrix.nrows()
    }
}

#[allow(clippy::cast_precision_loss)]
fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (values.map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// The nearest points of some points, themselves left out, the nearest first; of equally near ones the first.
pub(super) struct Nearest {
    k: usize,
    places: Vec<u32>,
}

impl Nearest {
    /// Of every point. There are more than `k` points.
    pub(super) fn of_each(points: &Points, k: usize, threads: usize) -> Self {
        Self::of(points, &(0..points.n()).collect::<Vec<_>>(), k, threads)
    }

    /// Of the points at these places.
    pub(super) fn of(points: &Points, queries: &[usize], k: usize, threads: usize) -> Self {
        let nearest = hitcast_neighbors::Nearest::new(points.matrix.view(), Metric::Euclidean);
        let mut places = vec![0; queries.len() * k];
        let threads = threads_for(threads, queries.len().div_ceil(BLOCK));
        for_chunks(&mut places, BLOCK * k, threads, |block, places| {
            let queries = &queries[block * BLOCK..][..places.len() / k];
            let rows: ArrayView2<'_, f32> = points.matrix.view();
            let rows = rows.select(Axis(0), queries);
            nearest.each(rows.view(), k + 1, |query, found| {
                let others = found
                    .iter()
                    .filter(|found| found.point as usize != queries[query]);
                for (place, found) in places[query * k..][..k].iter_mut().zip(others) {
                    *place = found.point;
                }
            });
        });
        Self { k, places }
    }

    /// Of the query with this number: places among the points.
    pub(super) fn of_row(&self, query: usize) -> &[u32] {
        &self.places[query * self.k..(query + 1) * self.k]
    }

    /// How many of the nearest of a query are of another class than this; the points are all rows.
    pub(super) fn of_others(&self, query: usize, classes: &[usize], class: usize) -> usize {
        let other = |row: &&u32| classes[**row as usize] != class;
        self.of_row(query).iter().filter(other).count()
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use hitcast_core::{FeatureColumn, Indicators, Seed};
    use ndarray::Array2;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_nearest_are_those_of_a_full_sort(n in 8_usize..900, k in 1_usize..7, threads in 1_usize..4, seed: u64) {
            let mut stream = Seed::new(seed).stream("points");
            // Coarse, so that there are ties.
            let matrix = Array2::from_shape_fn((n, 3), |_| (stream.normal() * 4.0).round() as f32);
            let genres = Indicators::one_hot(4, (0..n).map(|_| stream.below(5) as u32).collect::<Vec<_>>());
            let mut labels = Indicators::new(3);
            for _ in 0..n {
                labels.push((0..3).filter(|_| stream.uniform() < 0.4).collect::<Vec<u32>>());
            }
            let blocks = vec![
                FeatureBlock::Indicators(genres.clone()), FeatureBlock::Dense(matrix), FeatureBlock::Indicators(labels),
            ];
            let columns = (0..10).map(|i| FeatureColumn::plain(i.to_string())).collect();
            let features = Features::from_blocks(n, blocks, columns).unwrap();
            let rows: Vec<usize> = (0..n).collect();
            let points = Points::new(&features, &[false, false, true], &rows, &rows);
            let nearest = Nearest::of_each(&points, k, threads);
            // The same by written-out columns, whose ones are scaled as in the paper.
            let one = f64::from(points.one);
            let matrix = features.matrix();
            let value = |row: usize, c: usize| {
                let value = f64::from(matrix[(row, c)]);
                if (4..7).contains(&c) { value } else { value * one }
            };
            let has_genre = |row: usize| !genres.row(row).is_empty();
            let distance = |a: usize, b: usize| {
                let numbers: f64 = (0..10).map(|c| (value(a, c) - value(b, c)).powi(2)).sum();
                // No category is one more category.
                numbers + if has_genre(a) == has_genre(b) { 0.0 } else { one * one }
            };
            for row in 0..n.min(40) {
                let mut sorted: Vec<f64> = (0..n).filter(|&other| other != row).map(|other| distance(row, other)).collect();
                sorted.sort_by(f64::total_cmp);
                let found: Vec<f64> = nearest.of_row(row).iter().map(|&other| distance(row, other as usize)).collect();
                prop_assert!(!nearest.of_row(row).contains(&(row as u32)));
                for (found, sorted) in found.iter().zip(&sorted) {
                    prop_assert!((found - sorted).abs() <= 1e-4 * sorted.max(1.0), "{} {}", found, sorted);
                }
            }
        }
    }
}
