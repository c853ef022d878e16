//! From scores to probabilities: a logistic curve for each pair of classes (Platt 1999, fitted as by Lin, Lin and Weng 2007),
//! and probabilities of all classes from those of pairs (Wu, Lin and Weng 2004, second method).

use crate::probability::logistic;

/// Steps of the fit at most.
const STEPS: usize = 100;

/// What the slopes are smaller than at the end.
const FLAT: f64 = 1e-5;

/// What keeps the second derivatives from being nothing.
const RIDGE: f64 = 1e-12;

/// Probabilities of a pair are no nearer to 0 and 1 than this.
const EXTREME: f64 = 1e-7;

/// The odds `slope · score + offset` that a row is of the second of two classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sigmoid {
    pub(super) slope: f64,
    pub(super) offset: f64,
}

/// The loss of a curve, and what Newton's method wants of it.
#[derive(Default)]
struct Curve {
    loss: f64,
    slopes: [f64; 2],
    /// Of both parameters twice, and of one and the other.
    curvature: [f64; 3],
}

impl Sigmoid {
    /// The most likely one for rows with these scores, of which some are of the second class, and count so much.
    ///
    /// Where the classes are apart, the curve would be a step: therefore a row is taken to be of its class with the
    /// probability (n + 1) / (n + 2) only, where `n` is the weight of the class.
    pub(super) fn fit(rows: &[(f64, bool, f64)]) -> Self {
        let weight = |class: bool| -> f64 {
            let own = rows.iter().filter(|(_, second, _)| *second == class);
            own.map(|(.., weight)| weight).sum()
        };
        let (first, second) = (weight(false), weight(true));
        let wanted = |class: bool| {
            if class {
                (second + 1.0) / (second + 2.0)
            } else {
                1.0 / (first + 2.0)
            }
        };
        let mut own = Self {
            slope: 0.0,
            offset: ((second + 1.0) / (first + 1.0)).ln(),
        };
        let mut curve = own.curve(rows, wanted);
        for _ in 0..STEPS {
            if curve.slopes.iter().all(|slope| slope.abs() < FLAT) {
                break;
            }
            let [aa, bb, ab] = curve.curvature;
            let [a, b] = curve.slopes;
            let determinant = aa * bb - ab * ab;
            let step = [-(bb * a - ab * b) / determinant, -(aa * b - ab * a) / determinant];
            let descent = a * step[0] + b * step[1];
            let mut size = 1.0;
            let better = loop {
                let next = Self {
                    slope: own.slope + size * step[0],
                    offset: own.offset + size * step[1],
                };
                let at = next.curve(rows, wanted);
                if at.loss < curve.loss + 1e-4 * size * descent {
                    break Some((next, at));
                }
                size /= 2.0;
                if size < 1e-10 {
                    break None;
                }
            };
            let Some((next, at)) = better else { break };
            own = next;
            curve = at;
        }
        own
    }

    fn curve(self, rows: &[(f64, bool, f64)], wanted: impl Fn(bool) -> f64) -> Curve {
        let mut curve = Curve {
            curvature: [RIDGE, RIDGE, 0.0],
            ..Curve::default()
        };
        for &(score, second, weight) in rows {
            let odds = self.slope * score + self.offset;
            let [without, with] = logistic(odds);
            let wanted = wanted(second);
            // −w ln p − (1 − w) ln (1 − p), without the logarithm of what is nearly 0.
            let loss = (1.0 + (-odds.abs()).exp()).ln() + odds.max(0.0) - wanted * odds;
            let (off, bent) = (with - wanted, with * without);
            curve.loss += weight * loss;
            curve.slopes[0] += weight * off * score;
            curve.slopes[1] += weight * off;
            curve.curvature[0] += weight * bent * score * score;
            curve.curvature[1] += weight * bent;
            curve.curvature[2] += weight * bent * score;
        }
        curve
    }

    /// The probability of the second class.
    pub(super) fn probability(self, score: f64) -> f64 {
        let [_, second] = logistic(self.slope * score + self.offset);
        second.clamp(EXTREME, 1.0 - EXTREME)
    }
}

/// Finds the probabilities of `k` classes that agree best with those of pairs.
#[derive(Debug)]
pub(super) struct Coupling {
    k: usize,
    /// `k × k`: the probability of one class against another.
    against: Vec<f64>,
    products: Vec<f64>,
}

impl Coupling {
    pub(super) fn new(k: usize) -> Self {
        Self {
            k,
            against: vec![0.0; k * k],
            products: vec![0.0; k],
        }
    }

    /// Says how likely the second of two classes is if it is one of both.
    pub(super) fn set(&mut self, first: usize, second: usize, probability: f64) {
        self.against[second * self.k + first] = probability;
        self.against[first * self.k + second] = 1.0 - probability;
    }

    /// Writes the probabilities: the minimum of `Σ (r_ji p_i − r_ij p_j)²`, where `r_ij` is that of `i` against `j`, over those that
    /// sum to 1, by changing one class after the other.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn solve(&mut self, probabilities: &mut [f64]) {
        const PASSES: usize = 1000;
        const ENOUGH: f64 = 1e-9;
        let k = self.k;
        if let [first, second] = probabilities {
            (*first, *second) = (self.against[1], self.against[2]);
            return;
        }
        probabilities.fill(1.0 / k as f64);
        let against = &self.against;
        let entry = |row: usize, column: usize| match row == column {
            true => (0..k)
                .filter(|other| *other != row)
                .map(|other| against[other * k + row].powi(2))
                .sum(),
            false => -against[column * k + row] * against[row * k + column],
        };
        let matrix: Vec<f64> = (0..k * k).map(|place| entry(place / k, place % k)).collect();
        for _ in 0..PASSES {
            let products = &mut self.products;
            for (row, product) in products.iter_mut().enumerate() {
                let terms = matrix[row * k..][..k].iter().zip(&*probabilities);
                *product = terms.map(|(a, b)| a * b).sum();
            }
            let mut whole: f64 = products.iter().zip(&*probabilities).map(|(a, b)| a * b).sum();
            if products.iter().all(|product| (product - whole).abs() < ENOUGH) {
                break;
            }
            for class in 0..k {
                let own = matrix[class * k + class];
                let change = (whole - products[class]) / own;
                probabilities[class] += change;
                let scale = 1.0 + change;
                // What the product with the matrix comes to after the change, without computing it anew.
                whole = (whole + change * (change * own + 2.0 * products[class])) / (scale * scale);
                for (other, product) in products.iter_mut().enumerate() {
                    *product = (*product + change * matrix[class * k + other]) / scale;
                }
                probabilities
                    .iter_mut()
                    .for_each(|probability| *probability /= scale);
            }
        }
        let sum: f64 = probabilities.iter().sum();
        probabilities
            .iter_mut()
            .for_each(|probability| *probability /= sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Golden {
        curves: Vec<Known>,
    }

    #[derive(Deserialize)]
    struct Known {
        scores: Vec<f64>,
        y: Vec<u8>,
        weights: Vec<f64>,
        slope: f64,
        offset: f64,
    }

    #[test]
    fn curves_are_those_of_scikit_learn() {
        let golden: Golden = serde_json::from_str(include_str!("../../tests/golden/svm.json")).unwrap();
        assert!(golden.curves.len() > 3);
        for Known {
            scores,
            y,
            weights,
            slope,
            offset,
        } in golden.curves
        {
            let rows = scores.iter().zip(&y).zip(&weights);
            let rows: Vec<_> = rows
                .map(|((score, y), weight)| (*score, *y == 1, *weight))
                .collect();
            let found = Sigmoid::fit(&rows);
            assert!(
                (found.slope - slope).abs() < 1e-3 * slope.abs(),
                "{found:?}, {slope}"
            );
            assert!(
                (found.offset - offset).abs() < 1e-3 * offset.abs(),
                "{found:?}, {offset}"
            );
        }
    }

    #[test]
    fn scores_that_say_nothing_give_the_share_of_the_class() {
        let rows: Vec<_> = (0..100).map(|row| (0.0, row < 30, 1.0)).collect();
        let share = Sigmoid::fit(&rows).probability(0.0);
        assert!((share - 0.3).abs() < 0.01, "{share}");
        // One class alone, and none at all.
        let one = Sigmoid::fit(&[(1.0, true, 1.0), (2.0, true, 1.0)]);
        assert!(one.probability(1.5) > 0.5);
        assert!(Sigmoid::fit(&[]).probability(1.0).is_finite());
    }

    proptest! {
        #[test]
        fn pairs_that_agree_give_the_probabilities_that_they_come_from(
            shares in prop::collection::vec(0.05_f64..1.0, 2..8),
        ) {
            let sum: f64 = shares.iter().sum();
            let mut coupling = Coupling::new(shares.len());
            for (second, b) in shares.iter().enumerate() {
                for (first, a) in shares.iter().enumerate().take(second) {
                    coupling.set(first, second, b / (a + b));
                }
            }
            let mut found = vec![0.0; shares.len()];
            coupling.solve(&mut found);
            for (found, share) in found.iter().zip(&shares) {
                prop_assert!((found - share / sum).abs() < 1e-6, "{found} {}", share / sum);
            }
        }

        #[test]
        fn no_other_probabilities_agree_better_with_pairs(
            pairs in prop::collection::vec(1e-7_f64..1.0 - 1e-7, 6),
            move_by in prop::collection::vec(0.0_f64..1.0, 4),
        ) {
            let mut coupling = Coupling::new(4);
            let places: Vec<(usize, usize)> = (0..4).flat_map(|b| (0..b).map(move |a| (a, b))).collect();
            for (&(a, b), share) in places.iter().zip(&pairs) {
                coupling.set(a, b, *share);
            }
            let off = |p: &[f64]| -> f64 {
                let part = |(&(a, b), second): (&(usize, usize), &f64)| {
                    (second * p[a] - (1.0 - second) * p[b]).powi(2)
                };
                places.iter().zip(&pairs).map(part).sum()
            };
            let mut found = vec![0.0; 4];
            coupling.solve(&mut found);
            prop_assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(found.iter().all(|p| (0.0..=1.0).contains(p)), "{found:?}");
            let sum: f64 = move_by.iter().sum::<f64>() + 1e-9;
            let other: Vec<f64> = found.iter().zip(&move_by).map(|(p, m)| 0.9 * p + 0.1 * m / sum).collect();
            prop_assert!(off(&found) <= off(&other) + 1e-9);
        }
    }
}
