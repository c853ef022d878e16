//! Features in bins: a number is replaced by the number of the range that it lies in, of 255 at most, so that it takes a byte
//! and a split has few places to be.

use std::ops::Range;

use hitcast_core::parallel::{map, threads_for};
use hitcast_core::{FeatureBlock, Features, Indicators};
use ndarray::ArrayView2;

/// The bins of a column that a histogram has room for, that of missing values included.
pub(super) const BINS: usize = 256;
/// The bin of missing values.
pub(super) const MISSING: u8 = u8::MAX;
/// Columns that are read side by side, as they stand in a line of the cache.
const SIDE_BY_SIDE: usize = 8;

/// The ranges of a column of numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranges {
    /// The largest value of each range but the last, rising.
    ends: Vec<f32>,
    /// Whether values were missing.
    pub(super) missing: bool,
}

/// What a column is.
#[derive(Debug)]
pub(super) enum Kind {
    Numbers(Ranges),
    /// Zeros and ones, so many columns together.
    Indicators(usize),
}

/// How features become bins, as learned from the training rows.
#[derive(Debug)]
pub(super) struct Bins {
    /// Each with the number of its first feature.
    pub(super) columns: Vec<(usize, Kind)>,
}

/// Some rows in bins; columns stand in the order of [`Bins`].
pub(super) struct Binned<'a> {
    pub(super) columns: Vec<Column<'a>>,
}

pub(super) enum Column<'a> {
    /// The bin of each row.
    Numbers(Vec<u8>),
    Indicators(&'a Indicators),
}

/// A question that divides rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    pub(super) column: usize,
    /// The last bin that goes left; of indicators the one whose rows go right.
    pub(super) place: usize,
    pub(super) missing_left: bool,
}

impl Ranges {
    /// The ranges of values, of which each row has one, and a weight if rows have such.
    fn of(values: &[f32], rows: &[u32], weights: Option<&[f64]>, max_bins: usize) -> Self {
        let mut known: Vec<(f32, f64)> = (rows.iter())
            .map(|row| *row as usize)
            .filter(|row| !values[*row].is_nan())
            .map(|row| (values[row], weights.map_or(1.0, |weights| weights[row])))
            .collect();
        known.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut distinct: Vec<f32> = known.iter().map(|(value, _)| *value).collect();
        distinct.dedup();
        let mut ends: Vec<f32> = if distinct.len() <= max_bins {
            distinct
                .windows(2)
                .map(|pair| between(pair[0], pair[1]))
                .collect()
        } else if weights.is_none() {
            shares(max_bins).map(|share| quantile(&known, share)).collect()
        } else {
            let mut sum = 0.0;
            let sums: Vec<f64> = (known.iter())
                .map(|(_, weight)| {
                    sum += weight;
                    sum
                })
                .collect();
            shares(max_bins)
                .map(|share| weighted_quantile(&known, &sums, share * sum))
                .collect()
        };
        ends.dedup();
        Self {
            ends,
            missing: values.iter().any(|value| value.is_nan()),
        }
    }

    /// Number of ranges.
    pub(super) fn count(&self) -> usize {
        self.ends.len() + 1
    }

    /// The largest value of a range: of the last any.
    pub(super) fn end(&self, range: usize) -> f32 {
        self.ends.get(range).copied().unwrap_or(f32::MAX)
    }

    fn bin(&self, value: f32) -> u8 {
        if value.is_nan() {
            return MISSING;
        }
        // There are 255 ranges at most.
        #[allow(clippy::cast_possible_truncation)]
        let bin = self.ends.partition_point(|end| *end < value) as u8;
        bin
    }
}

/// The shares of the rows at which ranges end, as `NumPy` rounds them.
#[allow(clippy::cast_precision_loss)]
fn shares(max_bins: usize) -> impl Iterator<Item = f64> {
    (1..max_bins).map(move |end| end as f64 * (100.0 / max_bins as f64) / 100.0)
}

/// The largest number of 32 bits that is not above the middle of two.
fn between(low: f32, high: f32) -> f32 {
    let middle = f64::midpoint(f64::from(low), f64::from(high));
    #[allow(clippy::cast_possible_truncation)]
    let rounded = middle as f32;
    if f64::from(rounded) > middle {
        rounded.next_down()
    } else {
        rounded
    }
}

/// The value below which a share of sorted ones lies, or the middle of two (the averaged inverse of the distribution; Hyndman
/// and Fan 1996, definition 2).
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn quantile(sorted: &[(f32, f64)], share: f64) -> f32 {
    let last = sorted.len() - 1;
    let place = (sorted.len() as f64 * share - 1.0).max(0.0);
    let low = (place as usize).min(last);
    let above = sorted[(low + 1).min(last)].0;
    if place.fract() == 0.0 {
        between(sorted[low].0, above)
    } else {
        above
    }
}

/// As [`quantile`], where each value counts by its weight.
fn weighted_quantile(sorted: &[(f32, f64)], sums: &[f64], sum: f64) -> f32 {
    let last = sorted.len() - 1;
    let place = sums.partition_point(|own| *own < sum).min(last);
    if sums[place] - sum > f64::EPSILON {
        sorted[place].0
    } else {
        between(sorted[place].0, sorted[(place + 1).min(last)].0)
    }
}

impl Bins {
    /// Learns the bins from some of the rows, and puts all of them in.
    pub(super) fn learn<'a>(
        features: &'a Features,
        rows: &[u32],
        weights: Option<&[f64]>,
        max_bins: usize,
        threads: usize,
    ) -> (Self, Binned<'a>) {
        let mut columns = Vec::new();
        let mut binned = Vec::new();
        let mut first = 0;
        for block in features.blocks() {
            match block {
                FeatureBlock::Dense(matrix) => {
                    let own = by_column(matrix.view(), threads, |_, values| {
                        let ranges = Ranges::of(values, rows, weights, max_bins);
                        let bins = values.iter().map(|value| ranges.bin(*value)).collect();
                        (ranges, bins)
                    });
                    for (number, (ranges, bins)) in own.into_iter().enumerate() {
                        columns.push((first + number, Kind::Numbers(ranges)));
                        binned.push(Column::Numbers(bins));
                    }
                }
                FeatureBlock::Indicators(indicators) => {
                    columns.push((first, Kind::Indicators(indicators.width())));
                    binned.push(Column::Indicators(indicators));
                }
                _ => {}
            }
            first += block.width();
        }
        let binned = Binned { columns: binned };
        (Self { columns }, binned)
    }

    /// Puts other rows into the same bins; `None` if other columns of them are encoded.
    pub(super) fn put<'a>(&self, features: &'a Features, threads: usize) -> Option<Binned<'a>> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for block in features.blocks() {
            let own = &self.columns[columns.len()..];
            match (block, own) {
                (FeatureBlock::Dense(matrix), own) => {
                    let bins = by_column(matrix.view(), threads, |number, values| match own.get(number) {
                        Some((_, Kind::Numbers(ranges))) => {
                            let bins = values.iter().map(|value| ranges.bin(*value));
                            Some(Column::Numbers(bins.collect()))
                        }
                        _ => None,
                    });
                    columns.extend(bins.into_iter().collect::<Option<Vec<_>>>()?);
                }
                (FeatureBlock::Indicators(indicators), [(_, Kind::Indicators(width)), ..])
                    if *width == indicators.width() =>
                {
                    columns.push(Column::Indicators(indicators));
                }
                _ => return None,
            }
        }
        (columns.len() == self.columns.len()).then_some(Binned { columns })
    }

    /// The feature that a cut asks for.
    pub(super) fn feature(&self, cut: &Cut) -> usize {
        match &self.columns[cut.column] {
            (first, Kind::Numbers(_)) => *first,
            (first, Kind::Indicators(_)) => first + cut.place,
        }
    }

    /// The largest value that goes left at a cut.
    pub(super) fn threshold(&self, cut: &Cut) -> f32 {
        match &self.columns[cut.column].1 {
            Kind::Numbers(ranges) => ranges.end(cut.place),
            Kind::Indicators(_) => 0.5,
        }
    }

    /// Whether training rows lacked what a cut asks for.
    pub(super) fn missing(&self, cut: &Cut) -> bool {
        matches!(&self.columns[cut.column].1, Kind::Numbers(ranges) if ranges.missing)
    }
}

/// The result of `work` for each column of a matrix, from its number and its values.
fn by_column<T: Send>(
    matrix: ArrayView2<'_, f32>,
    threads: usize,
    work: impl Fn(usize, &[f32]) -> T + Sync,
) -> Vec<T> {
    let (n, d) = matrix.dim();
    let threads = threads_for(threads, d);
    let width = d.div_ceil(threads).clamp(1, SIDE_BY_SIDE);
    let several = |number: usize| {
        let own: Range<usize> = number * width..d.min((number + 1) * width);
        let mut columns = vec![Vec::with_capacity(n); own.len()];
        for row in matrix.outer_iter() {
            for (column, value) in columns.iter_mut().zip(row.iter().skip(own.start)) {
                // A negative zero is a zero: they are equal, but would be sorted apart.
                column.push(value + 0.0);
            }
        }
        let numbered = own.zip(&columns);
        numbered
            .map(|(column, values)| work(column, values))
            .collect::<Vec<T>>()
    };
    map(d.div_ceil(width), threads, several)
        .into_iter()
        .flatten()
        .collect()
}

impl Binned<'_> {
    /// The rows that go left at a cut, and those that go right, both in their order.
    pub(super) fn divide(&self, cut: &Cut, rows: &[u32]) -> (Vec<u32>, Vec<u32>) {
        match &self.columns[cut.column] {
            Column::Numbers(bins) => divided(rows, |row| {
                let bin = bins[row];
                usize::from(bin) <= cut.place && bin != MISSING || cut.missing_left && bin == MISSING
            }),
            Column::Indicators(indicators) => divided(rows, |row| {
                !indicators.row(row).iter().any(|one| *one as usize == cut.place)
            }),
        }
    }
}

/// Both sides are written to for every row, which is faster than to guess which it will be.
fn divided(rows: &[u32], goes_left: impl Fn(usize) -> bool) -> (Vec<u32>, Vec<u32>) {
    let (mut left, mut right) = (vec![0; rows.len()], vec![0; rows.len()]);
    let (mut n_left, mut n_right) = (0, 0);
    for row in rows {
        let is_left = goes_left(*row as usize);
        left[n_left] = *row;
        right[n_right] = *row;
        n_left += usize::from(is_left);
        n_right += usize::from(!is_left);
    }
    left.truncate(n_left);
    right.truncate(n_right);
    (left, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(values: &[f32], weights: Option<&[f64]>, max_bins: usize) -> Vec<f32> {
        let rows: Vec<u32> = (0..u32::try_from(values.len()).unwrap()).collect();
        Ranges::of(values, &rows, weights, max_bins).ends
    }

    #[test]
    fn few_values_have_a_range_each() {
        assert_eq!(ranges(&[3.0, 1.0, f32::NAN, 1.0, 2.0], None, 3), [1.5, 2.5]);
        assert!(ranges(&[7.0; 4], None, 255).is_empty());
        assert!(ranges(&[f32::NAN; 2], None, 255).is_empty());
        let next = 1.0_f32.next_up();
        assert_eq!(ranges(&[1.0, next], None, 255), [1.0]);
        assert_eq!(ranges(&[f32::MIN, f32::MAX], None, 255), [0.0]);
    }

    #[test]
    fn many_values_share_ranges_of_as_many_rows() {
        // numpy.percentile(range(10), [25, 50, 75], method="averaged_inverted_cdf")
        let values: Vec<f32> = (0_u8..10).map(f32::from).collect();
        assert_eq!(ranges(&values, None, 4), [2.0, 4.5, 7.0]);
        assert_eq!(ranges(&values, Some(&[0.5; 10]), 4), [2.0, 4.5, 7.0]);
        // A row of weight 2 is two rows.
        let mut twice = values.clone();
        twice.extend(&values[..5]);
        let weights: Vec<f64> = (0..10).map(|row| if row < 5 { 2.0 } else { 1.0 }).collect();
        assert_eq!(ranges(&values, Some(&weights), 4), ranges(&twice, None, 4));
        // Ranges that would be empty are none.
        assert_eq!(ranges(&[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0], None, 2), [0.0]);
    }

    #[test]
    fn a_value_lies_up_to_the_end_of_its_range() {
        let ranges = Ranges {
            ends: vec![-1.0, 2.0],
            missing: false,
        };
        let bins: Vec<u8> = [-5.0, -1.0, -0.5, 2.0, 2.5, f32::NAN]
            .iter()
            .map(|value| ranges.bin(*value))
            .collect();
        assert_eq!(bins, [0, 0, 1, 1, 2, MISSING]);
    }
}
