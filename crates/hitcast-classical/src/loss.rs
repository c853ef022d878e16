//! What boosting makes small: squared error of numbers, the negative logarithm of the probability of classes.

use hitcast_core::stats::weighted_mean;
use hitcast_core::{Dataset, Task};

use crate::ensemble::Link;
use crate::error::ClassicalError;
use crate::probability::{logistic, softmax};

/// What is made small. The scores of a row are its predictions before the link, one for each output.
pub(crate) struct Loss {
    task: Task,
    /// The scores before the first tree.
    pub(crate) base: Vec<f64>,
}

impl Loss {
    pub(crate) fn of(train: &Dataset) -> Result<Self, ClassicalError> {
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

    /// Scores of a row.
    pub(crate) fn width(&self) -> usize {
        self.base.len()
    }

    pub(crate) fn link(&self) -> Link {
        Link::of_scores(self.task)
    }

    /// From the scores of a row to what they predict, in place: a number, or the probability of each output's class.
    #[inline]
    pub(crate) fn predict(&self, scores: &mut [f64]) {
        match (self.link(), &mut *scores) {
            (Link::Logistic, [odds]) => *odds = logistic(*odds)[1],
            (Link::Softmax, scores) => softmax(scores),
            _ => {}
        }
    }

    /// What an output of a row should predict. The one output of two classes is that of the second.
    #[allow(clippy::cast_precision_loss)]
    #[inline]
    pub(crate) fn wanted(&self, target: f64, output: usize) -> f64 {
        match self.link() {
            Link::Identity => target,
            _ => {
                let class = if self.width() == 1 { 1 } else { output };
                f64::from(u8::from(target == class as f64))
            }
        }
    }

    /// The loss of a row, from its scores and what they predict.
    #[inline]
    pub(crate) fn of_row(&self, target: f64, scores: &[f64], predicted: &[f64]) -> f64 {
        match (self.link(), scores) {
            (Link::Identity, [score]) => (target - score).powi(2),
            (Link::Logistic, [odds]) => {
                let against = if target == 1.0 { -odds } else { *odds };
                against.max(0.0) + (-against.abs()).exp().ln_1p()
            }
            _ => {
                let own = (0..self.width()).find(|output| self.wanted(target, *output) > 0.0);
                let share = own.map_or(0.0, |own| predicted[own]);
                -share.max(f64::MIN_POSITIVE).ln()
            }
        }
    }
}
