//! What a head makes of its linear units, with the derivative.

use tch::{Kind, Tensor};

use crate::error::Result;
use crate::spec::Head;

/// The least distance between two cumulative logits whose logarithm of the difference is taken.
const LEAST_STEP: f32 = 1e-6;

/// The function of a [`Head`] for numbers, in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum HeadFunction {
    /// The unit itself.
    Identity,
    /// A sigmoid from `min` on.
    Bounded {
        /// The smallest prediction.
        min: f32,
        /// The largest prediction less the smallest.
        range: f32,
    },
    /// `ln(1 + exp(unit))`
    Softplus,
}

impl HeadFunction {
    /// The function of a head; `None` if it is one for classes.
    #[allow(clippy::cast_possible_truncation)]
    pub fn of(head: Head) -> Option<Self> {
        match head {
            Head::Linear => Some(Self::Identity),
            Head::Bounded { min, max } => Some(Self::Bounded {
                min: min as f32,
                range: (max - min) as f32,
            }),
            Head::Positive => Some(Self::Softplus),
            Head::Binary | Head::Softmax { .. } | Head::Ordinal { .. } => None,
        }
    }

    /// The prediction and its derivative.
    pub fn value_and_slope(self, unit: f32) -> (f32, f32) {
        match self {
            Self::Identity => (unit, 1.0),
            Self::Bounded { min, range } => {
                let sigmoid = sigmoid(unit);
                (sigmoid.mul_add(range, min), range * sigmoid * (1.0 - sigmoid))
            }
            Self::Softplus => (softplus(unit), sigmoid(unit)),
        }
    }
}

/// The function of a [`Head`] for classes: from a row's logits to the logarithm of each class's probability, in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClassFunction {
    /// One logit, that of class 1 of two.
    Logistic,
    /// A logit for each class.
    Softmax,
    /// A logit of "this class or one below it" for each class but the last, rising.
    Cumulative,
}

impl ClassFunction {
    /// The function of a head; `None` if it is one for numbers.
    pub fn of(head: Head) -> Option<Self> {
        match head {
            Head::Binary => Some(Self::Logistic),
            Head::Softmax { .. } => Some(Self::Softmax),
            Head::Ordinal { .. } => Some(Self::Cumulative),
            Head::Linear | Head::Bounded { .. } | Head::Positive => None,
        }
    }

    /// Writes the logarithm of each class's probability (length `k`).
    #[inline]
    pub fn log_probabilities(self, logits: &[f32], to: &mut [f32]) {
        match (self, logits, &mut *to) {
            (Self::Logistic, &[logit], [no, yes]) => {
                *no = -softplus(logit);
                *yes = logit + *no;
            }
            (Self::Softmax, ..) => {
                let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
                let shift = largest + sum.ln();
                for (to, logit) in to.iter_mut().zip(logits) {
                    *to = logit - shift;
                }
            }
            _ => {
                to.fill(0.0);
                for (class, &logit) in logits.iter().enumerate() {
                    to[class] -= softplus(-logit);
                    to[class + 1] -= softplus(logit);
                }
                for (class, pair) in logits.windows(2).enumerate() {
                    let step = (pair[1] - pair[0]).max(LEAST_STEP);
                    to[class + 1] += (-(-step).exp_m1()).ln();
                }
            }
        }
    }

    /// From derivatives with respect to the logarithms (length `k`) to derivatives with respect to the logits.
    #[inline]
    pub fn chain(self, logits: &[f32], log_probabilities: &[f32], slopes: &[f32], to: &mut [f32]) {
        match (self, log_probabilities, slopes, &mut *to) {
            (Self::Logistic, &[no, yes], &[of_no, of_yes], [to]) => {
                *to = of_yes * no.exp() - of_no * yes.exp();
            }
            (Self::Softmax, ..) => {
                let sum: f32 = slopes.iter().sum();
                for ((to, slope), log) in to.iter_mut().zip(slopes).zip(log_probabilities) {
                    *to = slope - log.exp() * sum;
                }
            }
            _ => {
                for (class, (to, &logit)) in to.iter_mut().zip(logits).enumerate() {
                    *to = slopes[class] * sigmoid(-logit) - slopes[class + 1] * sigmoid(logit);
                }
                for (class, pair) in logits.windows(2).enumerate() {
                    let step = pair[1] - pair[0];
                    if step > LEAST_STEP {
                        let push = slopes[class + 1] / step.exp_m1();
                        to[class + 1] += push;
                        to[class] -= push;
                    }
                }
            }
        }
    }
}

/// The rising thresholds of an ordinal head from its learned numbers: the first, and what each next one lies above the one
/// before it, through softplus (both of length `k − 1`).
pub fn thresholds(learned: &[f32]) -> Vec<f32> {
    let mut sum = 0.0;
    let rising = learned.iter().enumerate().map(|(place, &number)| {
        sum += if place == 0 { number } else { softplus(number) };
        sum
    });
    rising.collect()
}

/// Adds the derivatives with respect to the learned numbers, given those with respect to the thresholds.
pub fn add_threshold_gradient(learned: &[f32], of_thresholds: &[f32], to: &mut [f32]) {
    let mut sum: f32 = of_thresholds.iter().sum();
    for (place, (number, to)) in learned.iter().zip(to).enumerate() {
        *to += sum * if place == 0 { 1.0 } else { sigmoid(*number) };
        sum -= of_thresholds[place];
    }
}

/// Learned numbers whose thresholds give each class the same probability where the unit is 0.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
pub(crate) fn even_thresholds(classes: usize) -> Vec<f32> {
    let logit = |class: usize| {
        let share = class as f64 / classes as f64;
        (share / (1.0 - share)).ln()
    };
    let learned = (1..classes).map(|class| {
        if class == 1 {
            logit(1)
        } else {
            // The inverse of softplus.
            (logit(class) - logit(class - 1)).exp_m1().ln()
        }
    });
    learned.map(|number| number as f32).collect()
}

impl Head {
    /// What the head predicts from what goes into it: numbers (`n`) or probabilities (`n × k`).
    ///
    /// # Errors
    /// [`NnError::Torch`](crate::NnError::Torch) on a wrong shape.
    pub fn predict(&self, units: &Tensor) -> Result<Tensor> {
        Ok(match *self {
            Self::Linear => units.shallow_clone(),
            Self::Bounded { min, max } => units.f_sigmoid()?.f_mul_scalar(max - min)?.f_add_scalar(min)?,
            Self::Positive => units.f_softplus()?,
            Self::Binary | Self::Softmax { .. } | Self::Ordinal { .. } => {
                self.log_probabilities(units)?.f_exp()?
            }
        })
    }

    /// The logarithm of each class's probability, `n × k`, for a head of classes. What goes in: the logits, `n` of the
    /// binary head, `n × k` of softmax, `n × (k − 1)` cumulative ones of the ordinal head.
    ///
    /// # Errors
    /// [`NnError::Torch`](crate::NnError::Torch) on a wrong shape.
    pub fn log_probabilities(&self, units: &Tensor) -> Result<Tensor> {
        match *self {
            Self::Binary => Ok(Tensor::f_stack(
                &[units.f_neg()?.f_log_sigmoid()?, units.f_log_sigmoid()?],
                1,
            )?),
            Self::Ordinal { .. } => {
                let last = units.size2()?.1 - 1;
                let below = units.f_log_sigmoid()?;
                let above = units.f_neg()?.f_log_sigmoid()?;
                let mut columns = vec![below.f_narrow(1, 0, 1)?];
                if last > 0 {
                    let steps = units.f_narrow(1, 1, last)?.f_sub(&units.f_narrow(1, 0, last)?)?;
                    let steps = steps.f_clamp_min(f64::from(LEAST_STEP))?;
                    let log_steps = steps.f_neg()?.f_expm1()?.f_neg()?.f_log()?;
                    let between = below.f_narrow(1, 1, last)?.f_add(&above.f_narrow(1, 0, last)?)?;
                    columns.push(between.f_add(&log_steps)?);
                }
                columns.push(above.f_narrow(1, last, 1)?);
                Ok(Tensor::f_cat(&columns, 1)?)
            }
            _ => Ok(units.f_log_softmax(1, None::<Kind>)?),
        }
    }
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The logits of a row of so many classes: rising for cumulative ones.
    fn logits(function: ClassFunction, numbers: &[f32]) -> Vec<f32> {
        match function {
            ClassFunction::Logistic => numbers[..1].to_vec(),
            ClassFunction::Softmax => numbers.to_vec(),
            ClassFunction::Cumulative => thresholds(&numbers[1..])
                .iter()
                .map(|threshold| threshold - numbers[0])
                .collect(),
        }
    }

    proptest! {
        #[test]
        fn probabilities_and_their_derivatives_are_those_of_libtorch(
            numbers in prop::collection::vec(-6.0_f32..6.0, 2..6),
            slopes in prop::collection::vec(-2.0_f32..2.0, 6),
        ) {
            let k = numbers.len();
            for (function, head, k) in [
                (ClassFunction::Logistic, Head::Binary, 2),
                (ClassFunction::Softmax, Head::Softmax { classes: k }, k),
                (ClassFunction::Cumulative, Head::Ordinal { classes: k }, k),
            ] {
                let logits = logits(function, &numbers);
                let (mut logs, mut gradient) = (vec![0.0; k], vec![0.0; logits.len()]);
                function.log_probabilities(&logits, &mut logs);
                let total: f32 = logs.iter().map(|log| log.exp()).sum();
                prop_assert!((total - 1.0).abs() < 1e-5, "{function:?}: {total}");
                function.chain(&logits, &logs, &slopes[..k], &mut gradient);

                let leaf = Tensor::from_slice(&logits).to_kind(Kind::Double).set_requires_grad(true);
                let units = if k == 2 && head == Head::Binary { leaf.shallow_clone() } else { leaf.unsqueeze(0) };
                let theirs = head.log_probabilities(&units).unwrap().reshape([-1]);
                let weights = Tensor::from_slice(&slopes[..k]).to_kind(Kind::Double);
                let loss = (&theirs * weights).sum(Kind::Double);
                let exact = Tensor::run_backward(&[&loss], &[&leaf], false, false);
                let exact = Vec::<f64>::try_from(&exact[0]).unwrap();
                for (ours, theirs) in logs.iter().zip(Vec::<f64>::try_from(theirs.detach()).unwrap()) {
                    prop_assert!((f64::from(*ours) - theirs).abs() < 1e-4 * theirs.abs().max(1.0), "{function:?}");
                }
                for (ours, theirs) in gradient.iter().zip(&exact) {
                    prop_assert!((f64::from(*ours) - theirs).abs() < 1e-3 * theirs.abs().max(1.0), "{function:?}: {ours} {theirs}");
                }
            }
        }
    }

    #[test]
    fn thresholds_rise_and_begin_even() {
        let learned = even_thresholds(4);
        let rising = thresholds(&learned);
        let mut logs = [0.0; 4];
        ClassFunction::Cumulative.log_probabilities(&rising, &mut logs);
        for log in logs {
            assert!((log.exp() - 0.25).abs() < 1e-6, "{log}");
        }
        assert!(
            thresholds(&[3.0, -50.0, -50.0])
                .windows(2)
                .all(|pair| pair[0] <= pair[1])
        );
        // By differences: the gradient of a weighted sum of the thresholds.
        let weights = [0.3, -1.0, 2.0];
        let mut gradient = [0.0; 3];
        add_threshold_gradient(&learned, &weights, &mut gradient);
        for place in 0..3 {
            let of = |shift: f32| {
                let mut moved = learned.clone();
                moved[place] += shift;
                thresholds(&moved)
                    .iter()
                    .zip(weights)
                    .map(|(t, w)| t * w)
                    .sum::<f32>()
            };
            let slope = (of(0.01) - of(-0.01)) / 0.02;
            assert!(
                (slope - gradient[place]).abs() < 1e-3,
                "{slope} {}",
                gradient[place]
            );
        }
    }

    #[test]
    fn logits_far_out_give_no_nan() {
        for logit in [-1e4_f32, 1e4, 200.0] {
            let mut logs = [0.0; 2];
            ClassFunction::Logistic.log_probabilities(&[logit], &mut logs);
            assert!(logs.iter().all(|log| log.is_finite()), "{logs:?}");
            ClassFunction::Softmax.log_probabilities(&[logit, 0.0], &mut logs);
            assert!(logs.iter().all(|log| log.is_finite()), "{logs:?}");
            let (mut logs, mut to) = ([0.0; 3], [0.0; 2]);
            let logits = [logit, logit];
            ClassFunction::Cumulative.log_probabilities(&logits, &mut logs);
            ClassFunction::Cumulative.chain(&logits, &logs, &[-1.0, 0.5, 0.5], &mut to);
            assert!(
                logs.iter().chain(&to).all(|number| number.is_finite()),
                "{logs:?} {to:?}"
            );
        }
    }
}
