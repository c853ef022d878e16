//! The head, linear units and a function of them, and the loss.

use hitcast_kernels::Level;
use hitcast_kernels::product::{Finish, times_vector, times_vector_back};
use hitcast_nn::head::{add_threshold_gradient, thresholds};
use hitcast_nn::{ClassFunction, ClassLoss, HeadFunction, Loss};

use super::stage::Factors;

/// The loss of one number.
#[derive(Debug, Clone, Copy)]
pub(super) enum NumberLoss {
    Squared,
    Absolute,
    Huber { delta: f32 },
}

impl NumberLoss {
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

/// What is behind the stages.
#[derive(Debug)]
pub(super) enum Output {
    /// One linear unit.
    Unit(Unit),
    /// The last stage gives the logit of each class.
    Softmax(ClassRows),
}

/// One linear unit, and what is made of it.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) weight: usize,
    /// Where its bias stands; of ordered classes the thresholds do that work.
    pub(super) bias: Option<usize>,
    pub(super) inputs: usize,
    pub(super) end: End,
}

#[derive(Debug)]
pub(super) enum End {
    Number {
        head: HeadFunction,
        loss: NumberLoss,
    },
    Binary(ClassRows),
    Ordinal {
        /// Where the learned numbers of the thresholds stand.
        thresholds: usize,
        rows: ClassRows,
    },
}

/// Buffers for one row of classes.
#[derive(Debug)]
pub(super) struct ClassRows {
    function: ClassFunction,
    loss: ClassLoss,
    logits: Vec<f32>,
    logs: Vec<f32>,
    slopes: Vec<f32>,
    of_logits: Vec<f32>,
}

impl ClassRows {
    pub(super) fn new(function: ClassFunction, loss: ClassLoss, logits: usize, classes: usize) -> Self {
        let zeros = |n| vec![0.0; n];
        Self {
            function,
            loss,
            logits: zeros(logits),
            logs: zeros(classes),
            slopes: zeros(classes),
            of_logits: zeros(logits),
        }
    }

    /// The loss of the row whose logits are set; leaves its derivatives in `of_logits`.
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn loss_and_gradient(&mut self, target: f32) -> f32 {
        self.function.log_probabilities(&self.logits, &mut self.logs);
        let class = target as usize;
        let loss = self.loss.value_and_slopes(&self.logs, class, &mut self.slopes);
        self.function
            .chain(&self.logits, &self.logs, &self.slopes, &mut self.of_logits);
        loss
    }

    /// The probabilities of the row whose logits are set.
    fn add_probabilities(&mut self, to: &mut Vec<f64>) {
        self.function.log_probabilities(&self.logits, &mut self.logs);
        to.extend(self.logs.iter().map(|log| f64::from(*log).exp()));
    }
}

impl Output {
    /// Numbers predicted for a row.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Unit(unit) => match &unit.end {
                End::Number { .. } => 1,
                End::Binary(rows) | End::Ordinal { rows, .. } => rows.logs.len(),
            },
            Self::Softmax(rows) => rows.logs.len(),
        }
    }

    /// The linear unit of each row, where the last stage does not give the logits.
    pub(super) fn forward(
        &self,
        level: Level,
        (input, stride): (&[f32], usize),
        parameters: &[f32],
        to: &mut [f32],
    ) {
        let Self::Unit(unit) = self else { return };
        let weight = &parameters[unit.weight..unit.weight + unit.inputs];
        let bias = unit.bias.map_or(0.0, |bias| parameters[bias]);
        times_vector(level, input, stride, weight, bias, to);
    }

    /// Adds the predictions for rows, given their linear units and what the last stage gave.
    pub(super) fn predict(
        &mut self,
        units: &[f32],
        (input, stride): (&[f32], usize),
        parameters: &[f32],
        to: &mut Vec<f64>,
    ) {
        match self {
            Self::Softmax(rows) => {
                for row in input.chunks_exact(stride).take(units.len()) {
                    rows.logits.copy_from_slice(&row[..rows.logs.len()]);
                    rows.add_probabilities(to);
                }
            }
            Self::Unit(unit) => match &mut unit.end {
                End::Number { head, .. } => {
                    to.extend(units.iter().map(|&unit| f64::from(head.value_and_slope(unit).0)));
                }
                End::Binary(rows) => {
                    for &unit in units {
                        rows.logits.fill(unit);
                        rows.add_probabilities(to);
                    }
                }
                End::Ordinal {
                    thresholds: place,
                    rows,
                } => {
                    let thresholds = thresholds(&parameters[*place..*place + rows.logits.len()]);
                    for &unit in units {
                        set_cumulative(&mut rows.logits, &thresholds, unit);
                        rows.add_probabilities(to);
                    }
                }
            },
        }
    }

    /// Puts the gradient of `share` times the sum of the rows' losses, weighted if there are weights, with respect to the
    /// linear units in their place, or with respect to the logits into `behind`; returns that sum.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn loss_gradient(
        &mut self,
        units: &mut [f32],
        (input, stride): (&[f32], usize),
        behind: &mut [f32],
        target: &[f32],
        weights: Option<&[f32]>,
        share: f32,
        parameters: &[f32],
        gradient: &mut [f32],
    ) -> f64 {
        match self {
            Self::Softmax(rows) => {
                let classes = rows.logs.len();
                let rows_of = input.chunks_exact(stride).zip(behind.chunks_exact_mut(stride));
                let mut total = 0.0;
                for (row, ((input, behind), target)) in rows_of.zip(target).enumerate() {
                    let weight = weights.map_or(1.0, |weights| weights[row]);
                    rows.logits.copy_from_slice(&input[..classes]);
                    total += f64::from(rows.loss_and_gradient(*target) * weight);
                    behind[classes..].fill(0.0);
                    for (to, slope) in behind.iter_mut().zip(&rows.of_logits) {
                        *to = slope * share * weight;
                    }
                }
                total
            }
            Self::Unit(unit) => match &mut unit.end {
                End::Number { head, loss } => number_gradient(*head, *loss, units, target, weights, share),
                End::Binary(rows) => each(units, target, weights, share, |unit, target, _| {
                    rows.logits.fill(unit);
                    let loss = rows.loss_and_gradient(target);
                    (loss, rows.of_logits[0])
                }),
                End::Ordinal {
                    thresholds: place,
                    rows,
                } => {
                    let learned = *place..*place + rows.logits.len();
                    let thresholds = thresholds(&parameters[learned.clone()]);
                    let mut of_thresholds = vec![0.0; thresholds.len()];
                    let total = each(units, target, weights, share, |unit, target, factor| {
                        set_cumulative(&mut rows.logits, &thresholds, unit);
                        let loss = rows.loss_and_gradient(target);
                        for (to, slope) in of_thresholds.iter_mut().zip(&rows.of_logits) {
                            *to += slope * factor;
                        }
                        (loss, -rows.of_logits.iter().sum::<f32>())
                    });
                    let learned_gradient = &mut gradient[learned.clone()];
                    add_threshold_gradient(&parameters[learned], &of_thresholds, learned_gradient);
                    total
                }
            },
        }
    }

    /// Adds the gradients of weight and bias, and writes that of the last stage, whose factors are given, to its buffer.
    /// Where the last stage gives the logits, nothing is left to do.
    pub(super) fn backward(
        &self,
        level: Level,
        units: &[f32],
        (input, stride): (&[f32], usize),
        before: Option<(Factors<'_>, &mut [f32])>,
        parameters: &[f32],
        gradient: &mut [f32],
    ) {
        let Self::Unit(unit) = self else { return };
        let weight = unit.weight..unit.weight + unit.inputs;
        if let Some(bias) = unit.bias {
            gradient[bias] += units.iter().sum::<f32>();
        }
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

fn set_cumulative(logits: &mut [f32], thresholds: &[f32], unit: f32) {
    for (logit, threshold) in logits.iter_mut().zip(thresholds) {
        *logit = threshold - unit;
    }
}

fn number_gradient(
    head: HeadFunction,
    loss: NumberLoss,
    units: &mut [f32],
    target: &[f32],
    weights: Option<&[f32]>,
    share: f32,
) -> f64 {
    let through = |loss: &dyn Fn(f32) -> (f32, f32), unit: f32, target: f32| {
        let (value, slope) = head.value_and_slope(unit);
        let (loss, gradient) = loss(value - target);
        (loss, gradient * slope)
    };
    match loss {
        NumberLoss::Squared => each(units, target, weights, share, |unit, target, _| {
            through(&|e| (e * e, 2.0 * e), unit, target)
        }),
        NumberLoss::Absolute => each(units, target, weights, share, |unit, target, _| {
            through(
                &|e: f32| (e.abs(), if e == 0.0 { 0.0 } else { e.signum() }),
                unit,
                target,
            )
        }),
        NumberLoss::Huber { delta } => each(units, target, weights, share, |unit, target, _| {
            let huber = |e: f32| {
                if e.abs() <= delta {
                    (0.5 * e * e, e)
                } else {
                    (delta * (e.abs() - 0.5 * delta), delta * e.signum())
                }
            };
            through(&huber, unit, target)
        }),
    }
}

/// Turns linear units into gradients by the loss and the derivative of each row, which are also told its factor.
fn each(
    units: &mut [f32],
    target: &[f32],
    weights: Option<&[f32]>,
    share: f32,
    mut loss: impl FnMut(f32, f32, f32) -> (f32, f32),
) -> f64 {
    let mut total = 0.0;
    for (row, (unit, target)) in units.iter_mut().zip(target).enumerate() {
        let weight = weights.map_or(1.0, |weights| weights[row]);
        let (loss, slope) = loss(*unit, *target, share * weight);
        total += f64::from(loss * weight);
        *unit = slope * share * weight;
    }
    total
}
