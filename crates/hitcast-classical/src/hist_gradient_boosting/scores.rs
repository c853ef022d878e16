//! The scores of rows so far, their loss, and its derivatives.

use std::ops::Range;

use hitcast_core::Dataset;
use hitcast_core::stats::sum;

use crate::ensemble::Link;
use crate::error::ClassicalError;
use crate::loss::Loss;

/// Rows that are passed over together. It must not depend on the number of threads, as sums are rounded.
const PASS: usize = 1 << 13;

/// Rows whose loss is known.
pub(super) struct Rows<'a> {
    loss: &'a Loss,
    target: &'a [f64],
    weights: Option<&'a [f64]>,
    /// Sum of the weights.
    total: f64,
    /// What numbers are measured in, so that 32 bits can hold their derivatives: a power of two, which rounds nothing.
    unit: f64,
}

/// What a pass over some rows' scores finds.
pub(super) struct Pass {
    /// The derivatives of the loss, first and second, by each output's scores.
    pub(super) slopes: Vec<Vec<[f32; 2]>>,
    /// The part of these rows in the mean loss.
    pub(super) loss: f64,
}

impl<'a> Rows<'a> {
    /// Rows of a data set; `weights` have the mean 1.
    pub(super) fn new(data: &'a Dataset, loss: &'a Loss, weights: Option<&'a [f64]>) -> Self {
        #[allow(clippy::cast_precision_loss)]
        let total = match weights {
            Some(weights) => sum(weights.iter().copied()),
            None => data.n_rows() as f64,
        };
        Self {
            loss,
            target: data.target(),
            weights,
            total,
            unit: unit(data, loss),
        }
    }

    /// Refuses numbers so large that their mean or distances are not finite.
    pub(super) fn expect_finite(&self) -> Result<(), ClassicalError> {
        let what = "the distance of a target from the mean";
        let bases = self.loss.base.iter().copied();
        match bases.chain([self.unit]).find(|value| !value.is_finite()) {
            Some(value) => Err(ClassicalError::NotFinite { what, value }),
            None => Ok(()),
        }
    }

    pub(super) fn unit(&self) -> f64 {
        self.unit
    }

    /// Looks at some rows; `scores` are those of all.
    pub(super) fn pass(&self, scores: &[f64], rows: Range<usize>) -> Pass {
        match self.loss.width() {
            1 => self.pass_into([0.0], scores, rows),
            width => self.pass_into(vec![0.0; width], scores, rows),
        }
    }

    /// Looks at some rows, of as many scores each as there is room for predictions.
    #[allow(clippy::cast_possible_truncation)]
    fn pass_into(&self, mut predicted: impl AsMut<[f64]>, scores: &[f64], rows: Range<usize>) -> Pass {
        let predicted = predicted.as_mut();
        let mut slopes = vec![Vec::with_capacity(rows.len()); predicted.len()];
        let per_unit = 1.0 / self.unit;
        let loss = self.each(predicted, scores, rows, |target, weight, predicted| {
            for (output, (slopes, predicted)) in slopes.iter_mut().zip(predicted).enumerate() {
                let slope = (predicted - self.loss.wanted(target, output)) * per_unit;
                let curvature = match self.loss.link() {
                    Link::Identity => 1.0,
                    _ => predicted * (1.0 - predicted),
                };
                slopes.push([(weight * slope) as f32, (weight * curvature) as f32]);
            }
        });
        Pass { slopes, loss }
    }

    /// The part of some rows in the mean loss; `scores` are those of all.
    pub(super) fn loss(&self, scores: &[f64], rows: Range<usize>) -> f64 {
        self.each(&mut vec![0.0; self.loss.width()], scores, rows, |_, _, _| {})
    }

    /// Calls `see` with the target and the weight of some rows and what is predicted for them, for which there is room; their part
    /// in the mean loss.
    #[inline(always)]
    fn each(
        &self,
        predicted: &mut [f64],
        scores: &[f64],
        rows: Range<usize>,
        mut see: impl FnMut(f64, f64, &[f64]),
    ) -> f64 {
        let width = predicted.len();
        let mut loss = 0.0;
        let own = &scores[rows.start * width..rows.end * width];
        for (row, scores) in rows.zip(own.chunks_exact(width)) {
            let target = self.target[row];
            let weight = self.weights.map_or(1.0, |weights| weights[row]);
            predicted.copy_from_slice(scores);
            self.loss.predict(predicted);
            see(target, weight, predicted);
            loss += weight * self.loss.of_row(target, scores, predicted);
        }
        loss / self.total
    }
}

/// So many rows in the parts that are passed over together.
pub(super) fn parts(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n.div_ceil(PASS)).map(move |block| block * PASS..n.min((block + 1) * PASS))
}

/// The power of two below the largest distance of a number from the base; 1 for classes.
fn unit(data: &Dataset, loss: &Loss) -> f64 {
    let [base] = loss.base[..] else { return 1.0 };
    if loss.link() != Link::Identity {
        return 1.0;
    }
    let farthest = (data.target().iter()).fold(0.0, |most: f64, target| most.max((target - base).abs()));
    // The exponent alone.
    let unit = f64::from_bits(farthest.to_bits() & f64::INFINITY.to_bits());
    if unit > 0.0 { unit } else { 1.0 }
}
