//! What rows are measured by after every epoch: sums over them, in one pass, wherever their predictions are.

use std::collections::BTreeMap;

use hitcast_core::Predictions;
use hitcast_metrics::{ConfusionMatrix, MetricsError, determination, likeliest_of};
use hitcast_nn::Loss;

use crate::error::Result;

/// Rows whose sums are taken before they are added to the others', so that small ones are not lost.
pub const PART_ROWS: usize = 1024;

/// Sums over the predictions for some rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sums {
    /// Rows.
    pub rows: usize,
    /// Losses, each times its row's weight, and the weights.
    pub loss: f64,
    /// See [`loss`](Self::loss).
    pub weight: f64,
    /// Of numbers: squared errors.
    pub squared_error: f64,
    /// Of numbers: absolute errors.
    pub absolute_error: f64,
    /// Of classes: rows of each actual (first) and likeliest class, `k × k`; empty for numbers.
    pub confusion: Vec<u64>,
    /// A prediction that is no finite number, if there is one: the other sums then mean nothing.
    pub not_finite: Option<f64>,
}

impl Sums {
    /// The sums over predictions for rows with these targets (of classes their numbers), and weights if there are any.
    pub fn of(loss: Loss, predicted: &Predictions, target: &[f64], weights: Option<&[f64]>) -> Self {
        let mut sums = Self::default();
        sums.add(loss, predicted, target, weights);
        sums
    }

    /// Adds the predictions for the next of such rows: those at once and those by [`PART_ROWS`] come to the same.
    pub(crate) fn add(
        &mut self,
        loss: Loss,
        predicted: &Predictions,
        target: &[f64],
        weights: Option<&[f64]>,
    ) {
        let first = self.rows;
        self.rows = target.len().min(first + predicted.n_rows());
        let target = target.get(first..self.rows).unwrap_or_default();
        let weight =
            |row: usize| weights.map_or(1.0, |weights| weights.get(first + row).copied().unwrap_or(0.0));
        match predicted {
            Predictions::Classification(probabilities) => {
                self.add_classes(loss, probabilities.view(), target, weight);
            }
            other => self.add_numbers(loss, &other.values(), target, weight),
        }
    }

    fn add_numbers(&mut self, loss: Loss, predicted: &[f64], target: &[f64], weight: impl Fn(usize) -> f64) {
        for (block, (predicted, target)) in predicted
            .chunks(PART_ROWS)
            .zip(target.chunks(PART_ROWS))
            .enumerate()
        {
            let [mut squares, mut absolutes, mut losses, mut weights] = [0.0; 4];
            for (place, (predicted, target)) in predicted.iter().zip(target).enumerate() {
                let error = (predicted - target).abs();
                squares += error * error;
                absolutes += error;
                let weight = weight(block * PART_ROWS + place);
                losses += weight * loss.of_error(error);
                weights += weight;
            }
            // NaN and infinity go through to the sum.
            if !absolutes.is_finite() {
                let of_block = || predicted.iter().copied().find(|value| !value.is_finite());
                self.not_finite = self.not_finite.or_else(of_block);
            }
            self.squared_error += squares;
            self.absolute_error += absolutes;
            self.loss += losses;
            self.weight += weights;
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn add_classes(
        &mut self,
        loss: Loss,
        probabilities: ndarray::ArrayView2<'_, f64>,
        target: &[f64],
        weight: impl Fn(usize) -> f64,
    ) {
        let k = probabilities.ncols();
        self.confusion.resize(k * k, 0);
        let (mut losses, mut weights) = (0.0, 0.0);
        for (row, (probabilities, &class)) in probabilities.rows().into_iter().zip(target).enumerate() {
            let of_row = || probabilities.iter().copied().find(|value| !value.is_finite());
            self.not_finite = self.not_finite.or_else(of_row);
            let predicted = likeliest_of(probabilities);
            if let Some(count) = self.confusion.get_mut(class as usize * k + predicted) {
                *count += 1;
            }
            losses += weight(row) * loss.of_class(probabilities, class);
            weights += weight(row);
            if row % PART_ROWS == PART_ROWS - 1 || row + 1 == target.len() {
                self.loss += std::mem::take(&mut losses);
                self.weight += std::mem::take(&mut weights);
            }
        }
    }

    /// The mean loss.
    pub(crate) fn mean_loss(&self) -> Result<f64> {
        finite("loss", self.loss / self.weight)
    }

    /// The metrics that are worth their time after every epoch; of numbers by the squared deviations of the targets.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn metrics(&self, target_deviations: f64) -> Result<BTreeMap<String, f64>> {
        let rows = self.rows as f64;
        let named = if self.confusion.is_empty() {
            vec![
                ("rmse", (self.squared_error / rows).sqrt()),
                ("mae", self.absolute_error / rows),
                ("r2", determination(self.squared_error, target_deviations)),
            ]
        } else {
            let confusion = ConfusionMatrix::from_counts(&self.confusion)?;
            vec![
                ("accuracy", confusion.accuracy()),
                ("balanced_accuracy", confusion.balanced_accuracy()),
            ]
        };
        let finite = |(name, value): (&'static str, f64)| Ok((name.to_owned(), finite(name, value)?));
        named.into_iter().map(finite).collect()
    }
}

/// What overflows would be lost in a checkpoint, and says nothing.
fn finite(metric: &'static str, value: f64) -> Result<f64> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(MetricsError::Overflow { metric, value }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitcast_core::{Seed, Task};
    use hitcast_metrics::{RegressionMetrics, likeliest, squared_deviations};

    #[test]
    fn sums_give_the_metrics_and_the_loss() {
        let mut stream = Seed::new(1).stream("rows");
        let target: Vec<f64> = (0..5000).map(|_| 40.0 + 10.0 * stream.normal()).collect();
        let predicted: Vec<f64> = target.iter().map(|value| 0.5 * value + stream.normal()).collect();
        let weights: Vec<f64> = target.iter().map(|_| stream.uniform()).collect();
        let metrics = RegressionMetrics::compute(&target, &predicted).unwrap();
        let predicted = Predictions::Regression(predicted);
        for (loss, weights) in [
            (Loss::Mse, None),
            (Loss::Huber { delta: 3.0 }, Some(&weights[..])),
        ] {
            let sums = Sums::of(loss, &predicted, &target, weights);
            let mut by_parts = Sums::default();
            for part in predicted.values().chunks(2 * PART_ROWS) {
                by_parts.add(loss, &Predictions::Regression(part.to_vec()), &target, weights);
            }
            assert_eq!(by_parts, sums);
            let exact = loss.mean_of(&predicted, &target, weights);
            assert!((sums.mean_loss().unwrap() / exact - 1.0).abs() < 1e-12);
            let ours = sums.metrics(squared_deviations(&target)).unwrap();
            for (name, theirs) in [("rmse", metrics.rmse), ("mae", metrics.mae), ("r2", metrics.r2)] {
                assert!((ours[name] - theirs).abs() < 1e-12, "{name}");
            }
        }
    }

    #[test]
    fn so_do_those_of_classes() {
        let mut stream = Seed::new(2).stream("rows");
        let actual: Vec<usize> = (0..3000).map(|_| stream.below(3)).collect();
        let values = actual
            .iter()
            .flat_map(|_| [(); 3].map(|()| 0.01 + stream.uniform()))
            .collect();
        let task = Task::Classification { n_classes: 3 };
        let predicted = Predictions::from_rounded_values(task, values).unwrap();
        #[allow(clippy::cast_precision_loss)]
        let target: Vec<f64> = actual.iter().map(|&class| class as f64).collect();
        let loss = Loss::Focal { gamma: 2.0 };
        let sums = Sums::of(loss, &predicted, &target, None);
        assert!((sums.mean_loss().unwrap() / loss.mean_of(&predicted, &target, None) - 1.0).abs() < 1e-12);
        let likeliest = likeliest(predicted.probabilities().unwrap());
        let confusion = ConfusionMatrix::compute(&actual, &likeliest, 3).unwrap();
        let ours = sums.metrics(squared_deviations(&target)).unwrap();
        assert_eq!(ours["accuracy"].to_bits(), confusion.accuracy().to_bits());
        assert_eq!(
            ours["balanced_accuracy"].to_bits(),
            confusion.balanced_accuracy().to_bits()
        );
    }

    #[test]
    fn what_overflows_is_an_error() {
        let sums = Sums::of(
            Loss::Mse,
            &Predictions::Regression(vec![0.0; 3]),
            &[1.0, 1e200, 2.0],
            None,
        );
        assert_eq!(sums.not_finite, None);
        assert!(sums.mean_loss().is_err());
        let message = sums
            .metrics(squared_deviations(&[1.0, 2.0]))
            .unwrap_err()
            .to_string();
        assert!(message.contains("rmse"), "{message}");
    }

    #[test]
    fn a_constant_target_and_predictions_that_are_not_finite() {
        let target = [0.1; 7];
        let exact = Sums::of(
            Loss::Mse,
            &Predictions::Regression(target.to_vec()),
            &target,
            None,
        );
        assert_eq!(
            exact.metrics(squared_deviations(&target)).unwrap()["r2"].to_bits(),
            1.0_f64.to_bits()
        );
        let mut predicted = target.to_vec();
        predicted[3] = f64::INFINITY;
        let sums = Sums::of(Loss::Mae, &Predictions::Regression(predicted), &target, None);
        assert_eq!(sums.not_finite, Some(f64::INFINITY));
    }
}
