//! Choosing members one by one, each as often as it helps (Caruana, Niculescu-Mizil, Crew and Ksikes 2004).

use hitcast_core::stats::sum;
use hitcast_core::{Dataset, Task};

/// The smallest probability that a log loss is computed of.
const SMALLEST: f64 = 1e-15;

/// The weight of each member, from what each predicts for rows that it has not learned from (`n × w`, row by row). They sum to 1;
/// the first of equals is taken.
#[allow(clippy::cast_precision_loss)]
pub(super) fn weights(predicted: &[&[f64]], rows: &Dataset, rounds: usize) -> Vec<f64> {
    let mut counts = vec![0_usize; predicted.len()];
    let mut total = vec![0.0; predicted.first().map_or(0, |first| first.len())];
    let mut best: Option<(f64, Vec<usize>)> = None;
    for round in 1..=rounds {
        let with = |member: &&[f64]| {
            let mean = total
                .iter()
                .zip(*member)
                .map(|(sum, own)| (sum + own) / round as f64);
            loss(rows, mean)
        };
        let losses: Vec<f64> = predicted.iter().map(with).collect();
        let least = (0..losses.len()).reduce(|best, new| if losses[new] < losses[best] { new } else { best });
        let Some(chosen) = least else { break };
        counts[chosen] += 1;
        total
            .iter_mut()
            .zip(predicted[chosen])
            .for_each(|(sum, own)| *sum += own);
        if best.as_ref().is_none_or(|(least, _)| losses[chosen] < *least) {
            best = Some((losses[chosen], counts.clone()));
        }
    }
    let counts = best.map_or(counts, |(_, counts)| counts);
    let all: usize = counts.iter().sum();
    counts
        .iter()
        .map(|&count| count as f64 / all.max(1) as f64)
        .collect()
}

/// Mean squared error, or log loss, with the rows' weights.
fn loss(rows: &Dataset, predicted: impl Iterator<Item = f64>) -> f64 {
    let weight = |row: usize| rows.weights().map_or(1.0, |weights| weights[row]);
    match rows.task() {
        Task::Classification { n_classes } => {
            let target = rows.target();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let of_class = |(place, probability): (usize, f64)| {
                let (row, class) = (place / n_classes, place % n_classes);
                (target[row] as usize == class).then(|| -weight(row) * probability.max(SMALLEST).ln())
            };
            sum(predicted.enumerate().filter_map(of_class))
        }
        _ => {
            let errors = predicted.zip(rows.target()).enumerate();
            sum(errors.map(|(row, (predicted, actual))| weight(row) * (predicted - actual).powi(2)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitcast_core::{FeatureColumn, Features};
    use ndarray::Array2;

    fn rows(target: &[f64]) -> Dataset {
        let columns = vec![FeatureColumn::plain("x")];
        let features = Features::new(Array2::zeros((target.len(), 1)), columns).unwrap();
        Dataset::new(features, target.to_vec()).unwrap()
    }

    #[test]
    fn members_are_weighted_as_they_help_each_other() {
        let rows = rows(&[1.0, 2.0, 3.0, 4.0]);
        // The mean of three times the first and once the second is exact; the third only harms.
        let (first, second) = (vec![1.1, 2.1, 2.9, 3.9], vec![0.7, 1.7, 3.3, 4.3]);
        let weights = weights(&[&first, &second, &[9.0; 4]], &rows, 8);
        assert!(
            (weights[0] - 0.75).abs() < 1e-12 && (weights[1] - 0.25).abs() < 1e-12,
            "{weights:?}"
        );
        assert!(weights[2].abs() < 1e-12);
    }

    #[test]
    fn one_that_is_exact_stays_alone() {
        let rows = rows(&[1.0, -2.0]);
        assert_eq!(weights(&[&[0.0, 0.0], &[1.0, -2.0]], &rows, 20), [0.0, 1.0]);
    }
}
