//! The best place to divide a node, from the sums in the bins of its features.

use super::bins::BINS;

/// Kept from dividing by nothing, as in scikit-learn.
const TINY: f64 = 1e-15;

/// Sums over rows: of the first and second derivative of the loss by the score, and their number. In a histogram the second
/// derivative is left out if it is 1 for every row (`W` is 2 then, else 3).
pub(super) type Entry<const W: usize> = [f64; W];

/// Sums over the rows of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) slope: f64,
    pub(super) rows: f64,
    pub(super) curvature: f64,
}

/// What a split has to fulfil.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Rows of each side.
    pub(super) min_samples_leaf: f64,
    /// Sum of second derivatives of each side.
    pub(super) min_child_weight: f64,
    pub(super) l2_regularization: f64,
}

/// A place to divide the bins of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// How much lower the loss becomes, twice, by its second-order approximation; above 0.
    pub(super) gain: f64,
    /// The last bin that goes left, or the indicator whose rows go right.
    pub(super) place: usize,
    pub(super) missing_left: bool,
    pub(super) left: Sums,
}

impl Sums {
    #[inline(always)]
    fn add<const W: usize>(&mut self, entry: &Entry<W>) {
        self.slope += entry[0];
        self.rows += entry[1];
        // The number of rows, where each counts 1.
        self.curvature += entry[W - 1];
    }

    #[inline(always)]
    pub(super) fn less(&self, part: &Self) -> Self {
        Self {
            slope: self.slope - part.slope,
            rows: self.rows - part.rows,
            curvature: self.curvature - part.curvature,
        }
    }

    /// What a leaf of these rows adds to their scores: one Newton step.
    pub(super) fn step(&self, l2_regularization: f64) -> f64 {
        -self.slope / (self.curvature + l2_regularization + TINY)
    }
}

/// Whether a side is large enough; where it is not, moving on makes the one larger and the other smaller.
#[inline(always)]
fn allowed(side: &Sums, limits: &Limits) -> bool {
    side.rows >= limits.min_samples_leaf && side.curvature >= limits.min_child_weight
}

/// Keeps the best of the places that it is shown.
struct Best<'a> {
    limits: &'a Limits,
    best: Option<(usize, bool, Sums)>,
    /// What the sides of the best have together, or the node without a split, as a fraction: fractions are compared without
    /// being divided.
    have: (f64, f64),
    own: f64,
}

impl<'a> Best<'a> {
    fn of(node: &Sums, limits: &'a Limits) -> Self {
        let own = node.slope * node.slope / (node.curvature + limits.l2_regularization + TINY);
        Self {
            limits,
            best: None,
            have: (own, 1.0),
            own,
        }
    }

    #[inline(always)]
    fn see(&mut self, left: &Sums, right: &Sums, place: usize, missing_left: bool) {
        let kept = self.limits.l2_regularization + TINY;
        let (of_left, of_right) = (left.curvature + kept, right.curvature + kept);
        let top = left.slope * left.slope * of_right + right.slope * right.slope * of_left;
        let bottom = of_left * of_right;
        if top * self.have.1 > self.have.0 * bottom {
            self.have = (top, bottom);
            self.best = Some((place, missing_left, *left));
        }
    }

    fn place(self) -> Option<Place> {
        let (place, missing_left, left) = self.best?;
        let gain = self.have.0 / self.have.1 - self.own;
        (gain > 0.0).then_some(Place {
            gain,
            place,
            missing_left,
            left,
        })
    }
}

/// The best place among the bins of numbers; missing values go to the side where they fit better. Ties go to the first.
pub(super) fn in_ranges<const W: usize>(
    histogram: &[Entry<W>; BINS],
    ranges: usize,
    missing: bool,
    node: &Sums,
    limits: &Limits,
) -> Option<Place> {
    let mut best = Best::of(node, limits);
    // All numbers may go left if there are rows without one, which then go right.
    let last = ranges - usize::from(!missing);
    let mut left = Sums::default();
    for (place, entry) in histogram.iter().enumerate().take(last) {
        if entry[1] == 0.0 {
            continue;
        }
        left.add(entry);
        let right = node.less(&left);
        if !allowed(&right, limits) {
            break;
        }
        if allowed(&left, limits) {
            best.see(&left, &right, place, false);
        }
    }
    if missing {
        let mut right = Sums::default();
        for place in (0..ranges - 1).rev() {
            let entry = &histogram[(place + 1) % BINS];
            if entry[1] == 0.0 {
                continue;
            }
            right.add(entry);
            let left = node.less(&right);
            if !allowed(&left, limits) {
                break;
            }
            if allowed(&right, limits) {
                best.see(&left, &right, place, true);
            }
        }
    }
    best.place()
}

/// The best of some indicators: its zeros go left, its ones right.
pub(super) fn in_indicators<const W: usize>(
    histogram: &[Entry<W>],
    node: &Sums,
    limits: &Limits,
    is_drawn: impl Fn(usize) -> bool,
) -> Option<Place> {
    let mut best = Best::of(node, limits);
    for (place, entry) in histogram.iter().enumerate() {
        if entry[1] == 0.0 || !is_drawn(place) {
            continue;
        }
        let mut right = Sums::default();
        right.add(entry);
        let left = node.less(&right);
        if allowed(&left, limits) && allowed(&right, limits) {
            best.see(&left, &right, place, false);
        }
    }
    best.place()
}
