//! The head, a linear unit and a function of it, and the loss.

use hitcast_kernels::Level;
use hitcast_kernels::product::{Finish, times_vector, times_vector_back};
use hitcast_nn::{HeadFunction, Loss};

use super::stage::Factors;

/// The loss of one row.
#[derive(Debug, Clone, Copy)]
pub(super) enum LossFunction {
    Squared,
    Absolute,
    Huber { delta: f32 },
}

impl LossFunction {
    /// `None` for a loss that plans do not know.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn of(loss: Loss) -> Option<Self> {
        match loss {
            Loss::Mse => Some(Self::Squared),
            Loss::Mae => Some(Self::Absolute),
            Loss::Huber { delta } => Some(Self::Huber { delta: delta as f32 }),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Output {
    pub(super) head: HeadFunction,
    pub(super) loss: LossFunction,
    pub(super) weight: usize,
    pub(super) bias: usize,
    pub(super) units: usize,
}

impl Output {
    /// The linear unit.
    pub(super) fn forward(
        &self,
        level: Level,
        (input, stride): (&[f32], usize),
        parameters: &[f32],
        to: &mut [f32],
    ) {
        let weight = &parameters[self.weight..self.weight + self.units];
        times_vector(level, input, stride, weight, parameters[self.bias], to);
    }

    /// The head's function of each linear unit.
    pub(super) fn activate(&self, units: &mut [f32]) {
        for unit in units {
            (*unit, _) = self.head.value_and_slope(*unit);
        }
    }

    /// Turns the linear units into the gradient of `share` times the sum of their losses, weighted if there are weights;
    /// returns that sum.
    pub(super) fn loss_gradient(
        &self,
        units: &mut [f32],
        target: &[f32],
        weights: Option<&[f32]>,
        share: f32,
    ) -> f64 {
        match self.loss {
            LossFunction::Squared => self.each(units, target, weights, share, |e| (e * e, 2.0 * e)),
            LossFunction::Absolute => self.each(units, target, weights, share, |e| {
                (e.abs(), if e == 0.0 { 0.0 } else { e.signum() })
            }),
            LossFunction::Huber { delta } => self.each(units, target, weights, share, |e| {
                if e.abs() <= delta {
                    (0.5 * e * e, e)
                } else {
                    (delta * (e.abs() - 0.5 * delta), delta * e.signum())
                }
            }),
        }
    }

    fn each(
        &self,
        units: &mut [f32],
        target: &[f32],
        weights: Option<&[f32]>,
        share: f32,
        loss: impl Fn(f32) -> (f32, f32),
    ) -> f64 {
        let mut total = 0.0;
        for (row, (unit, target)) in units.iter_mut().zip(target).enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[row]);
            let (value, slope) = self.head.value_and_slope(*unit);
            let (loss, gradient) = loss(value - target);
            total += f64::from(loss * weight);
            *unit = gradient * slope * share * weight;
        }
        total
    }

    /// Adds the gradients of weight and bias, and writes that of the last stage, whose factors are given, to its buffer.
    pub(super) fn backward(
        &self,
        level: Level,
        units: &[f32],
        (input, stride): (&[f32], usize),
        before: Option<(Factors<'_>, &mut [f32])>,
        parameters: &[f32],
        gradient: &mut [f32],
    ) {
        let weight = self.weight..self.weight + self.units;
        gradient[self.bias] += units.iter().sum::<f32>();
        let (finish, before) = match before {
            Some((factors, before)) => (factors.finish(), Some(before)),
            None => (Finish::Store, None),
        };
        let of_weight = &mut gradient[weight.clone()];
        times_vector_back(
            level,
            units,
            input,
            stride,
            &parameters[weight],
            finish,
            before,
            of_weight,
        );
    }
}
