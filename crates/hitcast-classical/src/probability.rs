//! From scores to probabilities.

/// The probabilities of two classes.
pub(crate) fn logistic(odds: f64) -> [f64; 2] {
    // The smaller one is computed, so that it keeps its digits.
    let small = (-odds.abs()).exp();
    let (small, large) = (small / (1.0 + small), 1.0 / (1.0 + small));
    if odds > 0.0 {
        [small, large]
    } else {
        [large, small]
    }
}

/// Scores to probabilities, in place.
pub(crate) fn softmax(scores: &mut [f64]) {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores
        .iter_mut()
        .for_each(|score| *score = (*score - largest).exp());
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}
