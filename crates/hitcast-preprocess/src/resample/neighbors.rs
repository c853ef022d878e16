//! The nearest rows, by looking at all of them a block at a time: up to some ten thousand rows of a few dozen columns, that
//! is faster than any tree.

use hitcast_core::parallel::{for_chunks, threads_for};
use hitcast_core::{FeatureBlock, Features};

use crate::error::{PreprocessError, Result};

/// Points whose distances are compared at a time, so that their columns stay in the nearest cache.
const BLOCK: usize = 512;

/// Distances that are passed over at a time if all are too large.
const LANES: usize = 16;

/// Rows with what their distances are computed from.
pub(super) struct Points {
    n: usize,
    /// Numbers, a column at a time.
    columns: Vec<Vec<f32>>,
    /// The category of each row, `u32::MAX` for none, a column at a time.
    categories: Vec<Vec<u32>>,
    /// What two different categories add to the squared distance.
    mismatch: f32,
}

impl Points {
    /// These rows of the features; how far different categories are apart is taken from the rows `spread`: the median of the
    /// standard deviations of their numbers. `several` says of each block of features whether it has rows of several labels.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn new(features: &Features, several: &[bool], rows: &[usize], spread: &[usize]) -> Self {
        let mut points = Self {
            n: rows.len(),
            columns: Vec::new(),
            categories: Vec::new(),
            mismatch: 0.0,
        };
        let mut deviations = Vec::new();
        for block in features.blocks() {
            if let FeatureBlock::Dense(matrix) = block {
                for column in matrix.columns() {
                    points.columns.push(rows.iter().map(|&row| column[row]).collect());
                    deviations.push(deviation(spread.iter().map(|&row| f64::from(column[row]))));
                }
            }
        }
        let median = hitcast_core::stats::median(&mut deviations).unwrap_or(1.0);
        points.mismatch = (median * median) as f32;
        // Half of it for a label that only one of two rows has, so that two different labels are a mismatch.
        let label = (points.mismatch / 2.0).sqrt();
        for (block, &several) in features.blocks().iter().zip(several) {
            let FeatureBlock::Indicators(indicators) = block else {
                continue;
            };
            if several {
                let mut columns = vec![vec![0.0; rows.len()]; indicators.width()];
                for (place, &row) in rows.iter().enumerate() {
                    for &one in indicators.row(row) {
                        columns[one as usize][place] = label;
                    }
                }
                points.columns.extend(columns);
            } else {
                let category = |&row: &usize| indicators.row(row).first().copied().unwrap_or(u32::MAX);
                points.categories.push(rows.iter().map(category).collect());
            }
        }
        points
    }

    /// Squared distances of a point from those from `first` on.
    fn distances(&self, point: usize, first: usize, to: &mut [f32]) {
        to.fill(0.0);
        for column in &self.columns {
            let own = column[point];
            for (to, other) in to.iter_mut().zip(&column[first..]) {
                let difference = other - own;
                *to += difference * difference;
            }
        }
        for column in &self.categories {
            let own = column[point];
            for (to, other) in to.iter_mut().zip(&column[first..]) {
                *to += if *other == own { 0.0 } else { self.mismatch };
            }
        }
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
    ///
    /// # Errors
    /// [`PreprocessError::Distances`] if numbers are too far apart for 32 bits.
    pub(super) fn of_each(points: &Points, k: usize, threads: usize) -> Result<Self> {
        Self::of(points, &(0..points.n).collect::<Vec<_>>(), k, threads)
    }

    /// Of the points at these places.
    ///
    /// # Errors
    /// As [`of_each`](Self::of_each).
    pub(super) fn of(points: &Points, queries: &[usize], k: usize, threads: usize) -> Result<Self> {
        let threads = threads_for(threads, queries.len());
        let share = queries.len().div_ceil(threads).max(1);
        let mut found = vec![(f32::INFINITY, u32::MAX); queries.len() * k];
        for_chunks(&mut found, share * k, threads, |chunk, found| {
            let queries = &queries[chunk * share..][..found.len() / k];
            search(points, queries, k, found);
        });
        let places: Vec<u32> = found.into_iter().map(|(_, place)| place).collect();
        // What is infinitely far, or NaN, is never found.
        if places.contains(&u32::MAX) {
            return Err(PreprocessError::Distances);
        }
        Ok(Self { k, places })
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

/// Fills in the nearest `k` of each query, in rising order of distance.
fn search(points: &Points, queries: &[usize], k: usize, found: &mut [(f32, u32)]) {
    let mut distances = [0.0; BLOCK];
    for first in (0..points.n).step_by(BLOCK) {
        let distances = &mut distances[..BLOCK.min(points.n - first)];
        for (&query, found) in queries.iter().zip(found.chunks_exact_mut(k)) {
            points.distances(query, first, distances);
            if let Some(own) = query.checked_sub(first).and_then(|own| distances.get_mut(own)) {
                *own = f32::INFINITY;
            }
            for (part, lanes) in distances.chunks(LANES).enumerate() {
                let nearest = lanes
                    .iter()
                    .fold(f32::INFINITY, |a, &b| if b < a { b } else { a });
                if nearest >= found[k - 1].0 {
                    continue;
                }
                for (lane, &distance) in lanes.iter().enumerate() {
                    if distance < found[k - 1].0 {
                        let at = found.partition_point(|(known, _)| *known <= distance);
                        found[at..].rotate_right(1);
                        let place = u32::try_from(first + part * LANES + lane).unwrap_or(u32::MAX);
                        found[at] = (distance, place);
                    }
                }
            }
        }
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
            let nearest = Nearest::of_each(&points, k, threads).unwrap();
            // The same by written-out columns, whose ones are scaled as in the paper.
            let one = f64::from(points.mismatch / 2.0).sqrt();
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
