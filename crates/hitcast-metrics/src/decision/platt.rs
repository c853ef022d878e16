//! A sigmoid over log-odds (Platt 2000), found by Newton's method (Lin, Lin and Weng 2007).

use ndarray::ArrayView2;

use super::TINY;
use super::calibration::Sigmoid;

/// The logarithm of how much likelier a class is than the others, of each row; within ±27.7.
pub(super) fn log_odds(probabilities: ArrayView2<'_, f64>, class: usize) -> Vec<f64> {
    let of = |row: ndarray::ArrayView1<'_, f64>| {
        let others = row.iter().enumerate().filter(|(other, _)| *other != class);
        let rest: f64 = others.map(|(_, p)| p).sum();
        ((row[class] + TINY) / (rest + TINY)).ln()
    };
    probabilities.rows().into_iter().map(of).collect()
}

/// The sigmoid of the smallest log loss against smoothed targets: as if one more row of each kind had been seen, so that
/// there is a smallest one even if the log-odds tell the rows apart without a fault.
#[allow(clippy::cast_precision_loss)]
pub(super) fn fit(log_odds: &[f64], happened: &[bool]) -> Sigmoid {
    let positive = happened.iter().filter(|yes| **yes).count() as f64;
    let negative = happened.len() as f64 - positive;
    let (high, low) = ((positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0));
    let rows = || {
        let target = |yes: &bool| if *yes { high } else { low };
        log_odds.iter().copied().zip(happened.iter().map(target))
    };
    let loss = |sigmoid: &Sigmoid| -> f64 {
        let of = |(odds, target): (f64, f64)| {
            let raised = sigmoid.slope * odds + sigmoid.intercept;
            // ln(1 + exp(raised)) without overflow.
            raised.max(0.0) + (-raised.abs()).exp().ln_1p() - target * raised
        };
        rows().map(of).sum()
    };
    let mut best = Sigmoid {
        slope: 0.0,
        intercept: ((positive + 1.0) / (negative + 1.0)).ln(),
    };
    let mut lowest = loss(&best);
    for _ in 0..200 {
        let (mut slope, mut intercept) = (0.0, 0.0);
        // A little on the diagonal keeps equal log-odds solvable.
        let (mut ss, mut si, mut ii) = (1e-12, 0.0, 1e-12);
        for (odds, target) in rows() {
            let p = best.at(odds);
            let (error, weight) = (p - target, p * (1.0 - p));
            slope += error * odds;
            intercept += error;
            ss += weight * odds * odds;
            si += weight * odds;
            ii += weight;
        }
        if slope.abs() < 1e-11 && intercept.abs() < 1e-11 {
            break;
        }
        let determinant = ss * ii - si * si;
        let step = (
            -(ii * slope - si * intercept) / determinant,
            -(ss * intercept - si * slope) / determinant,
        );
        let falling = slope * step.0 + intercept * step.1;
        let mut length = 1.0;
        let improved = loop {
            let next = Sigmoid {
                slope: best.slope + length * step.0,
                intercept: best.intercept + length * step.1,
            };
            let reached = loss(&next);
            if reached < lowest + 1e-4 * length * falling {
                break Some((next, reached));
            }
            length /= 2.0;
            if length < 1e-10 {
                break None;
            }
        };
        match improved {
            Some(next) => (best, lowest) = next,
            None => break,
        }
    }
    best
}
