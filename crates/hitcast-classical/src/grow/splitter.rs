//! How a node's splits are found: all of them, along presorted values, or one at random for each feature.

use hitcast_core::Stream;

use super::columns::Columns;
use super::criterion::Criterion;

/// Rows of a node, as places from the first to before the last.
pub(crate) type Span = std::ops::Range<usize>;

/// A way to split a node at a feature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// How good it is; larger is better.
    pub(super) score: f64,
    /// Values up to this go left.
    pub(super) threshold: f32,
    /// Rows that go left.
    pub(super) n_left: usize,
}

/// What a feature offers to a node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Offer {
    /// All rows have the same value.
    Constant,
    /// No split leaves enough rows on both sides.
    Nothing,
    /// The best split, or a random one.
    Cut(Cut),
}

/// Which of a node's children will be split further.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    pub(super) left: bool,
    pub(super) right: bool,
}

/// Holds the rows of a tree so that those of a node stand together, and finds splits.
pub(crate) trait Splitter: Default {
    /// Whether the columns must be sorted.
    const SORTED: bool;

    /// Takes the rows of a tree: those whose weight is above 0, of which there are `n`.
    fn load(&mut self, columns: &Columns, weights: &[f64], n: usize);

    /// What a feature offers to the rows of a node that is open in `criterion`.
    fn offer<C: Criterion>(
        &mut self,
        columns: &Columns,
        feature: usize,
        span: Span,
        min_leaf: usize,
        criterion: &mut C,
        random: &mut Stream,
    ) -> Offer;

    /// The rows of the node that was last split at `feature`, or of the first node. They do not need
    /// [`divide`](Self::divide) to have been told of open children.
    fn rows(&self, feature: usize, span: Span) -> impl Iterator<Item = u32>;

    /// Puts the rows that go left before those that go right.
    fn divide(&mut self, columns: &Columns, feature: usize, cut: Cut, span: Span);

    /// Prepares the children for splits, if they are open.
    fn prepare(&mut self, feature: usize, cut: Cut, span: Span, open: Open);
}

/// Every split along presorted values: each feature has the rows in the order of its values, and dividing keeps the orders.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    n: usize,
    /// One feature after the other.
    entries: Vec<Entry>,
    goes_left: Vec<bool>,
    spare: Vec<Entry>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Entry {
    value: f32,
    row: u32,
}

impl Sorted {
    fn of(&self, feature: usize, span: Span) -> &[Entry] {
        &self.entries[feature * self.n..][span]
    }
}

impl Splitter for Sorted {
    const SORTED: bool = true;

    fn load(&mut self, columns: &Columns, weights: &[f64], n: usize) {
        self.n = n;
        self.goes_left.clear();
        self.goes_left.resize(columns.n_rows(), false);
        self.spare.resize(n + 1, Entry::default());
        self.entries.clear();
        self.entries.resize(n * columns.n_features(), Entry::default());
        if n == 0 {
            return;
        }
        for (column, entries) in columns.columns().iter().zip(self.entries.chunks_exact_mut(n)) {
            let mut filled = 0;
            for &row in &column.order {
                if weights[row as usize] > 0.0 {
                    entries[filled] = Entry {
                        value: column.values[row as usize],
                        row,
                    };
                    filled += 1;
                }
            }
        }
    }

    fn offer<C: Criterion>(
        &mut self,
        _: &Columns,
        feature: usize,
        span: Span,
        min_leaf: usize,
        criterion: &mut C,
        _: &mut Stream,
    ) -> Offer {
        let entries = self.of(feature, span);
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Offer::Constant;
        };
        if first.value == last.value {
            return Offer::Constant;
        }
        let mut best = Cut {
            score: f64::NEG_INFINITY,
            threshold: 0.0,
            n_left: 0,
        };
        let last_cut = entries.len() - min_leaf;
        let (mut next, skipped) = (entries[min_leaf - 1], &entries[..min_leaf - 1]);
        skipped.iter().for_each(|entry| criterion.to_left(entry.row));
        for (place, &entry) in entries[..=last_cut].iter().enumerate().skip(min_leaf) {
            criterion.to_left(next.row);
            if entry.value > next.value {
                let score = criterion.score();
                if score > best.score {
                    best.score = score;
                    best.n_left = place;
                }
            }
            next = entry;
        }
        if best.n_left == 0 {
            return Offer::Nothing;
        }
        best.threshold = between(entries[best.n_left - 1].value, entries[best.n_left].value);
        Offer::Cut(best)
    }

    fn rows(&self, feature: usize, span: Span) -> impl Iterator<Item = u32> {
        self.of(feature, span).iter().map(|entry| entry.row)
    }

    fn divide(&mut self, _: &Columns, _: usize, _: Cut, _: Span) {
        // Along the feature's own order they stand so already.
    }

    fn prepare(&mut self, feature: usize, cut: Cut, span: Span, open: Open) {
        if !open.left && !open.right {
            return;
        }
        let middle = span.start + cut.n_left;
        for place in span.clone() {
            let row = self.entries[feature * self.n + place].row;
            self.goes_left[row as usize] = place < middle;
        }
        let n = self.n;
        for (other, entries) in self.entries.chunks_exact_mut(n).enumerate() {
            if other == feature {
                continue;
            }
            let entries = &mut entries[span.clone()];
            // Both sides are written every time: where they go cannot be foreseen.
            let (mut left, mut right) = (0, 0);
            for place in 0..entries.len() {
                let entry = entries[place];
                let goes_left = self.goes_left[entry.row as usize];
                entries[left] = entry;
                self.spare[right] = entry;
                left += usize::from(goes_left);
                right += usize::from(!goes_left);
            }
            entries[left..].copy_from_slice(&self.spare[..right]);
        }
    }
}

/// One random split for each feature, as in extremely randomised trees (Geurts, Ernst and Wehenkel 2006).
#[derive(Debug, Default)]
pub(crate) struct Random {
    rows: Vec<u32>,
    spare: Vec<u32>,
}

impl Splitter for Random {
    const SORTED: bool = false;

    fn load(&mut self, _: &Columns, weights: &[f64], n: usize) {
        self.rows.clear();
        let rows = (0_u32..)
            .zip(weights)
            .filter(|(_, weight)| **weight > 0.0)
            .map(|(row, _)| row);
        self.rows.extend(rows);
        self.spare.resize(n + 1, 0);
    }

    fn offer<C: Criterion>(
        &mut self,
        columns: &Columns,
        feature: usize,
        span: Span,
        min_leaf: usize,
        criterion: &mut C,
        random: &mut Stream,
    ) -> Offer {
        let values = &columns.columns()[feature].values;
        let rows = &self.rows[span];
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for &row in rows {
            let value = values[row as usize];
            low = low.min(value);
            high = high.max(value);
        }
        if low >= high {
            return Offer::Constant;
        }
        let (from, to) = (f64::from(low), f64::from(high));
        let threshold = rounded_down(from + random.uniform() * (to - from)).clamp(low, high.next_down());
        let mut n_left = 0;
        for &row in rows {
            if values[row as usize] <= threshold {
                criterion.to_left(row);
                n_left += 1;
            }
        }
        if n_left < min_leaf || rows.len() - n_left < min_leaf {
            return Offer::Nothing;
        }
        Offer::Cut(Cut {
            score: criterion.score(),
            threshold,
            n_left,
        })
    }

    fn rows(&self, _: usize, span: Span) -> impl Iterator<Item = u32> {
        self.rows[span].iter().copied()
    }

    fn divide(&mut self, columns: &Columns, feature: usize, cut: Cut, span: Span) {
        let values = &columns.columns()[feature].values;
        let rows = &mut self.rows[span];
        let (mut left, mut right) = (0, 0);
        for place in 0..rows.len() {
            let row = rows[place];
            let goes_left = values[row as usize] <= cut.threshold;
            rows[left] = row;
            self.spare[right] = row;
            left += usize::from(goes_left);
            right += usize::from(!goes_left);
        }
        rows[left..].copy_from_slice(&self.spare[..right]);
    }

    fn prepare(&mut self, _: usize, _: Cut, _: Span, _: Open) {}
}

/// The middle between two values, at least the lower and below the upper.
fn between(lower: f32, upper: f32) -> f32 {
    rounded_down(f64::midpoint(f64::from(lower), f64::from(upper)))
}

/// The largest 32-bit number up to this one: no 32-bit number lies on another side of it.
fn rounded_down(value: f64) -> f32 {
    #[allow(clippy::cast_possible_truncation)]
    let near = value as f32;
    if f64::from(near) > value {
        near.next_down()
    } else {
        near
    }
}
