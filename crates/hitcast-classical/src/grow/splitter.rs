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

/// Every split. Each feature has the rows in the order of its values, and dividing keeps the orders; features of two values,
/// as one-hot columns are, share one list of the rows, since they can be split in one way only.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    n: usize,
    /// For each feature the number of its order.
    ordered: Vec<Option<usize>>,
    /// One order after the other.
    entries: Vec<Entry>,
    /// The rows for features of two values, if there are any.
    rows: Vec<u32>,
    goes_left: Vec<bool>,
    spare: Vec<Entry>,
    spare_rows: Vec<u32>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Entry {
    value: f32,
    row: u32,
}

impl Sorted {
    /// The rows in the order of a feature; `None` if it has two values.
    fn of(&self, feature: usize, span: Span) -> Option<&[Entry]> {
        self.ordered[feature].map(|number| &self.entries[number * self.n..][span])
    }
}

impl Splitter for Sorted {
    const SORTED: bool = true;

    fn load(&mut self, columns: &Columns, weights: &[f64], n: usize) {
        self.n = n;
        self.goes_left.clear();
        self.goes_left.resize(columns.n_rows(), false);
        self.spare.resize(n + 1, Entry::default());
        self.ordered.clear();
        let mut n_ordered = 0;
        for column in columns.columns() {
            self.ordered.push(column.two.is_none().then_some(n_ordered));
            n_ordered += usize::from(column.two.is_none());
        }
        self.rows.clear();
        if n_ordered < columns.n_features() {
            self.rows.extend(in_bag(weights));
            self.spare_rows.resize(n + 1, 0);
        }
        self.entries.clear();
        self.entries.resize(n * n_ordered, Entry::default());
        if n == 0 {
            return;
        }
        let ordered = columns.columns().iter().filter(|column| column.two.is_none());
        for (column, entries) in ordered.zip(self.entries.chunks_exact_mut(n)) {
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
        columns: &Columns,
        feature: usize,
        span: Span,
        min_leaf: usize,
        criterion: &mut C,
        _: &mut Stream,
    ) -> Offer {
        let Some(entries) = self.of(feature, span.clone()) else {
            let column = &columns.columns()[feature];
            let Some((low, high)) = column.two.filter(|(low, high)| low < high) else {
                return Offer::Constant;
            };
            let threshold = between(low, high);
            return match moved(&column.values, &self.rows[span], threshold, criterion) {
                Divided { left: 0, .. } | Divided { right: 0, .. } => Offer::Constant,
                divided => divided.offer(threshold, min_leaf, criterion),
            };
        };
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
        let entries = self.of(feature, span.clone());
        let rows = if entries.is_none() { &self.rows[span] } else { &[] };
        let entries = entries.unwrap_or_default().iter().map(|entry| entry.row);
        entries.chain(rows.iter().copied())
    }

    fn divide(&mut self, columns: &Columns, feature: usize, cut: Cut, span: Span) {
        // Along the feature's own order they stand so already.
        if self.ordered[feature].is_none() {
            let values = &columns.columns()[feature].values;
            partition(&mut self.rows[span], &mut self.spare_rows, |row| {
                values[*row as usize] <= cut.threshold
            });
        }
    }

    fn prepare(&mut self, feature: usize, cut: Cut, span: Span, open: Open) {
        if !open.left && !open.right {
            return;
        }
        let middle = span.start + cut.n_left;
        let own = self.ordered[feature];
        for place in span.clone() {
            let row = match own {
                Some(number) => self.entries[number * self.n + place].row,
                None => self.rows[place],
            };
            self.goes_left[row as usize] = place < middle;
        }
        let (n, goes_left) = (self.n, &self.goes_left);
        for (number, entries) in self.entries.chunks_exact_mut(n).enumerate() {
            if own != Some(number) {
                partition(&mut entries[span.clone()], &mut self.spare, |entry| {
                    goes_left[entry.row as usize]
                });
            }
        }
        if own.is_some() && !self.rows.is_empty() {
            partition(&mut self.rows[span], &mut self.spare_rows, |row| {
                goes_left[*row as usize]
            });
        }
    }
}

/// The rows whose weight is above 0.
pub(super) fn in_bag(weights: &[f64]) -> impl Iterator<Item = u32> + '_ {
    let weighted = (0_u32..).zip(weights).filter(|(_, weight)| **weight > 0.0);
    weighted.map(|(row, _)| row)
}

/// Puts what goes left before what goes right, both in their order; `spare` is longer.
fn partition<T: Copy>(all: &mut [T], spare: &mut [T], goes_left: impl Fn(&T) -> bool) {
    // Both sides are written every time: where they go cannot be foreseen.
    let (mut left, mut right) = (0, 0);
    for place in 0..all.len() {
        let one = all[place];
        let is_left = goes_left(&one);
        all[left] = one;
        spare[right] = one;
        left += usize::from(is_left);
        right += usize::from(!is_left);
    }
    all[left..].copy_from_slice(&spare[..right]);
}

/// Rows on both sides of a threshold.
#[derive(Clone, Copy)]
struct Divided {
    left: usize,
    right: usize,
}

/// Moves the rows whose value is not above the threshold.
fn moved<C: Criterion>(values: &[f32], rows: &[u32], threshold: f32, criterion: &mut C) -> Divided {
    let mut left = 0;
    for &row in rows {
        if values[row as usize] <= threshold {
            criterion.to_left(row);
            left += 1;
        }
    }
    Divided {
        left,
        right: rows.len() - left,
    }
}

impl Divided {
    /// What it offers, once the criterion has been moved.
    fn offer<C: Criterion>(self, threshold: f32, min_leaf: usize, criterion: &C) -> Offer {
        if self.left < min_leaf || self.right < min_leaf {
            return Offer::Nothing;
        }
        Offer::Cut(Cut {
            score: criterion.score(),
            threshold,
            n_left: self.left,
        })
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
        self.rows.extend(in_bag(weights));
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
        moved(values, rows, threshold, criterion).offer(threshold, min_leaf, criterion)
    }

    fn rows(&self, _: usize, span: Span) -> impl Iterator<Item = u32> {
        self.rows[span].iter().copied()
    }

    fn divide(&mut self, columns: &Columns, feature: usize, cut: Cut, span: Span) {
        let values = &columns.columns()[feature].values;
        partition(&mut self.rows[span], &mut self.spare, |row| {
            values[*row as usize] <= cut.threshold
        });
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
