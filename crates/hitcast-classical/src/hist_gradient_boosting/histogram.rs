//! Sums over the rows of a node, for each bin of each feature.

use super::bins::{BINS, Binned, Bins, Column, Kind};
use super::split::{Entry, Limits, Place, Sums, in_indicators, in_ranges};

/// Rows that are summed up by themselves. It must not depend on the number of threads, as sums are rounded.
pub(super) const BLOCK: usize = 1 << 16;
/// Columns that are summed up side by side, so that an addition need not wait for the one before it.
const LANES: usize = 4;

/// Some columns of one kind whose histograms are made together.
#[derive(Debug, Clone)]
pub(super) enum Chunk {
    /// Columns of numbers, by their places.
    Numbers(Vec<usize>),
    /// One column of indicators, and how many there are.
    Indicators(usize, usize),
}

/// The derivatives of the loss by the scores of some rows, first and second, one after the other.
pub(super) type Slopes = [[f32; 2]];

/// The columns in chunks, for so many threads.
pub(super) fn chunks(bins: &Bins, threads: usize) -> Vec<Chunk> {
    let is_number = |column: &usize| matches!(bins.columns[*column].1, Kind::Numbers(_));
    let numbers: Vec<usize> = (0..bins.columns.len()).filter(is_number).collect();
    let d = numbers.len();
    let count = (2 * threads).max(d.div_ceil(2 * LANES)).min(d);
    let of_numbers = (0..count).map(|chunk| {
        let own = d * chunk / count..d * (chunk + 1) / count;
        Chunk::Numbers(numbers[own].to_vec())
    });
    let of_indicators = bins
        .columns
        .iter()
        .enumerate()
        .filter_map(|(place, (_, kind))| match kind {
            Kind::Indicators(width) => Some(Chunk::Indicators(place, *width)),
            Kind::Numbers(_) => None,
        });
    of_numbers.chain(of_indicators).collect()
}

impl Chunk {
    /// Entries of its histograms.
    pub(super) fn entries(&self) -> usize {
        match self {
            Self::Numbers(columns) => columns.len() * BINS,
            Self::Indicators(_, width) => *width,
        }
    }

    /// Sums up some rows, or all if they are not named, whose slopes are given in the same order. `histogram` is made empty
    /// first.
    pub(super) fn sum<const W: usize>(
        &self,
        binned: &Binned<'_>,
        rows: Option<&[u32]>,
        slopes: &Slopes,
        histogram: &mut Vec<Entry<W>>,
    ) {
        histogram.clear();
        histogram.resize(self.entries(), [0.0; W]);
        if slopes.len() <= BLOCK {
            return self.add(binned, rows, 0, slopes, histogram);
        }
        let mut own = vec![[0.0; W]; self.entries()];
        for block in 0..slopes.len().div_ceil(BLOCK) {
            own.fill([0.0; W]);
            self.add_block(binned, rows, slopes, block, &mut own);
            add(histogram, &own);
        }
    }

    /// Adds the rows of one block to sums that are 0.
    pub(super) fn add_block<const W: usize>(
        &self,
        binned: &Binned<'_>,
        rows: Option<&[u32]>,
        slopes: &Slopes,
        block: usize,
        histogram: &mut [Entry<W>],
    ) {
        let own = block * BLOCK..slopes.len().min((block + 1) * BLOCK);
        self.add(
            binned,
            rows.map(|rows| &rows[own.clone()]),
            own.start,
            &slopes[own],
            histogram,
        );
    }

    /// Adds some rows, or if they are not named those from `first` on.
    fn add<const W: usize>(
        &self,
        binned: &Binned<'_>,
        rows: Option<&[u32]>,
        first: usize,
        slopes: &Slopes,
        histogram: &mut [Entry<W>],
    ) {
        match self {
            Self::Numbers(columns) => {
                let bins = |column: &usize| match &binned.columns[*column] {
                    Column::Numbers(bins) => bins.as_slice(),
                    Column::Indicators(_) => &[],
                };
                let (histograms, _) = histogram.as_chunks_mut::<BINS>();
                for (columns, own) in columns.chunks(LANES).zip(histograms.chunks_mut(LANES)) {
                    match (columns, own) {
                        ([a, b, c, d], [e, f, g, h]) => {
                            add_numbers([a, b, c, d].map(bins), [e, f, g, h], rows, first, slopes);
                        }
                        ([a, b, c], [e, f, g]) => {
                            add_numbers([a, b, c].map(bins), [e, f, g], rows, first, slopes);
                        }
                        ([a, b], [e, f]) => add_numbers([a, b].map(bins), [e, f], rows, first, slopes),
                        ([a], [e]) => add_numbers([bins(a)], [e], rows, first, slopes),
                        _ => {}
                    }
                }
            }
            Self::Indicators(column, _) => {
                let Column::Indicators(indicators) = &binned.columns[*column] else {
                    return;
                };
                for (place, slopes) in slopes.iter().enumerate() {
                    let row = rows.map_or(first + place, |rows| rows[place] as usize);
                    for one in indicators.row(row) {
                        count(&mut histogram[*one as usize], *slopes);
                    }
                }
            }
        }
    }

    /// The best split of a node by one of these columns, and its column.
    pub(super) fn best<const W: usize>(
        &self,
        bins: &Bins,
        histogram: &[Entry<W>],
        node: &Sums,
        limits: &Limits,
        is_drawn: impl Fn(usize) -> bool,
    ) -> Option<(usize, Place)> {
        let mut best: Option<(usize, Place)> = None;
        let mut see = |column: usize, place: Option<Place>| {
            if let Some(place) = place
                && best.is_none_or(|(_, best)| place.gain > best.gain)
            {
                best = Some((column, place));
            }
        };
        match self {
            Self::Numbers(columns) => {
                for (column, histogram) in columns.iter().zip(histogram.as_chunks().0) {
                    if let (feature, Kind::Numbers(ranges)) = &bins.columns[*column]
                        && is_drawn(*feature)
                    {
                        see(
                            *column,
                            in_ranges(histogram, ranges.count(), ranges.missing, node, limits),
                        );
                    }
                }
            }
            Self::Indicators(column, _) => {
                let first = bins.columns[*column].0;
                see(
                    *column,
                    in_indicators(histogram, node, limits, |place| is_drawn(first + place)),
                );
            }
        }
        best
    }
}

#[inline(always)]
fn count<const W: usize>(entry: &mut Entry<W>, [slope, curvature]: [f32; 2]) {
    entry[0] += f64::from(slope);
    entry[1] += 1.0;
    if W > 2 {
        entry[W - 1] += f64::from(curvature);
    }
}

/// Adds some rows to the histograms of `K` columns.
#[inline(always)]
fn add_numbers<const K: usize, const W: usize>(
    bins: [&[u8]; K],
    histograms: [&mut [Entry<W>; BINS]; K],
    rows: Option<&[u32]>,
    first: usize,
    slopes: &Slopes,
) {
    match rows {
        Some(rows) => {
            // Said once, so that it need not be asked for each column.
            let n = bins.iter().map(|bins| bins.len()).min().unwrap_or(0);
            let bins = bins.map(|bins| &bins[..n]);
            for (row, slopes) in rows.iter().zip(slopes) {
                let row = *row as usize;
                for column in 0..K {
                    count(&mut histograms[column][usize::from(bins[column][row])], *slopes);
                }
            }
        }
        None => {
            let bins = bins.map(|bins| &bins[first..first + slopes.len()]);
            for (row, slopes) in slopes.iter().enumerate() {
                for column in 0..K {
                    count(&mut histograms[column][usize::from(bins[column][row])], *slopes);
                }
            }
        }
    }
}

/// Adds other sums.
pub(super) fn add<const W: usize>(histogram: &mut [Entry<W>], other: &[Entry<W>]) {
    for (own, other) in histogram.as_flattened_mut().iter_mut().zip(other.as_flattened()) {
        *own += other;
    }
}

/// Takes the sums of one child away, which leaves those of the other.
pub(super) fn subtract<const W: usize>(histogram: &mut [Entry<W>], child: &[Entry<W>]) {
    for (own, child) in histogram.as_flattened_mut().iter_mut().zip(child.as_flattened()) {
        *own -= child;
    }
}
