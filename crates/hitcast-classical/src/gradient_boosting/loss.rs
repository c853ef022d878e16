//! What boosting makes small, and the predictions that it has made so far.

use hitcast_core::stats::weighted_mean;
use hitcast_core::{Dataset, Features, Task};

use crate::ensemble::{Link, Tree};
use crate::error::ClassicalError;
use crate::probability::{logistic, softmax};

/// What is made small.
pub(super) struct Loss {
    task: Task,
    /// The predictions before the first tree.
    pub(super) base: Vec<f64>,
}

/// The predictions so far for some rows, before the link, row by row.
pub(super) struct Scores {
    rows: Vec<f32>,
    d: usize,
    target: Vec<f64>,
    width: usize,
    values: Vec<f64>,
}

impl Scores {
    pub(super) fn new(data: &Dataset, loss: &Loss) -> Self {
        Self {
            rows: written(data.features()),
            d: data.n_features(),
            target: data.target().to_vec(),
            width: loss.width(),
            values: loss.base.repeat(data.n_rows()),
        }
    }

    /// The probability of each score's class, row by row; of numbers nothing.
    pub(super) fn shares(&self, loss: &Loss) -> Vec<f64> {
        match loss.link() {
            Link::Logistic => self.values.iter().map(|odds| logistic(*odds)[1]).collect(),
            Link::Softmax => {
                let mut shares = self.values.clone();
                shares.chunks_exact_mut(self.width).for_each(softmax);
                shares
            }
            Link::Identity => Vec::new(),
        }
    }

    /// The leaf of each row.
    pub(super) fn leaves(&self, tree: &Tree) -> Vec<usize> {
        if self.d == 0 {
            return vec![0; self.target.len()];
        }
        self.rows
            .chunks_exact(self.d)
            .map(|row| tree.leaf_of(row))
            .collect()
    }

    pub(super) fn add(&mut self, tree: &Tree, leaves: &[usize], output: usize) {
        for (scores, leaf) in self.values.chunks_exact_mut(self.width).zip(leaves) {
            scores[output] += tree.leaf_values()[*leaf];
        }
    }
}

/// All rows, row by row.
fn written(features: &Features) -> Vec<f32> {
    features.matrix().iter().copied().collect()
}

impl Loss {
    pub(super) fn of(train: &Dataset) -> Result<Self, ClassicalError> {
        let task = train.task();
        let Task::Classification { n_classes } = task else {
            let base = weighted_mean(train.target().iter().copied(), train.weights());
            return Ok(Self {
                task,
                base: vec![base],
            });
        };
        // Exact, as the numbers of classes are.
        #[allow(clippy::cast_precision_loss)]
        let share = |class: usize| {
            let of = |y: &f64| if *y == class as f64 { 1.0 } else { 0.0 };
            weighted_mean(train.target().iter().map(of), train.weights())
        };
        let shares: Vec<f64> = (0..n_classes).map(share).collect();
        if let Some(class) = shares.iter().position(|share| *share >= 1.0) {
            return Err(ClassicalError::OneClass { class });
        }
        // A class without rows has a logarithm too.
        let log = |share: &f64| share.max(f64::from(f32::EPSILON)).ln();
        let base = match shares[..] {
            [no, yes] => vec![log(&yes) - log(&no)],
            _ => shares.iter().map(log).collect(),
        };
        Ok(Self { task, base })
    }

    /// Predictions of a row before the link.
    pub(super) fn width(&self) -> usize {
        self.base.len()
    }

    pub(super) fn link(&self) -> Link {
        match self.task {
            Task::Classification { n_classes: 2 } => Link::Logistic,
            Task::Classification { .. } => Link::Softmax,
            _ => Link::Identity,
        }
    }

    /// Whether a row is of the class of an output: the one output of two classes is that of the second.
    #[allow(clippy::cast_precision_loss)]
    fn is_of(&self, target: f64, output: usize) -> bool {
        let class = if self.width() == 1 { 1 } else { output };
        target == class as f64
    }

    /// What an output of a row lacks.
    pub(super) fn residual(&self, scores: &Scores, shares: &[f64], row: usize, output: usize) -> f64 {
        let place = row * self.width() + output;
        match self.link() {
            Link::Identity => scores.target[row] - scores.values[place],
            _ => f64::from(u8::from(self.is_of(scores.target[row], output))) - shares[place],
        }
    }

    /// Puts into the leaves what lowers the loss most, by one Newton step; of squared error that is the mean they have.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn correct(
        &self,
        tree: &mut Tree,
        leaves: &[usize],
        residuals: &[f64],
        shares: &[f64],
        weights: &[f64],
        output: usize,
    ) {
        let width = self.width();
        let factor = match self.link() {
            Link::Identity => return,
            Link::Logistic => 1.0,
            Link::Softmax => (width - 1) as f64 / width as f64,
        };
        let mut sums = vec![(0.0, 0.0); tree.n_leaves()];
        for (row, (leaf, weight)) in leaves.iter().zip(weights).enumerate() {
            let share = shares[row * width + output];
            let (slope, curvature) = &mut sums[*leaf];
            *slope += weight * residuals[row];
            *curvature += weight * share * (1.0 - share);
        }
        for (value, (slope, curvature)) in tree.leaf_values_mut().iter_mut().zip(sums) {
            // Where all is certain there is nothing to correct.
            *value = if curvature < 1e-150 {
                0.0
            } else {
                factor * slope / curvature
            };
        }
    }

    /// The mean loss: squared error, or the negative logarithm of the probability of a row's class.
    pub(super) fn mean(&self, scores: &Scores, weights: Option<&[f64]>) -> f64 {
        let shares = scores.shares(self);
        let of = |row: usize| match self.link() {
            Link::Identity => (scores.target[row] - scores.values[row]).powi(2),
            Link::Logistic => {
                let odds = scores.values[row];
                let against = if scores.target[row] == 1.0 { -odds } else { odds };
                against.max(0.0) + (-against.abs()).exp().ln_1p()
            }
            Link::Softmax => {
                let own = (0..self.width()).find(|output| self.is_of(scores.target[row], *output));
                let share = own.map_or(0.0, |own| shares[row * self.width() + own]);
                -share.max(f64::MIN_POSITIVE).ln()
            }
        };
        let losses: Vec<f64> = (0..scores.target.len()).map(of).collect();
        weighted_mean(losses.into_iter(), weights)
    }
}
