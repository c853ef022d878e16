//! Rows between neighbours, more of them where a class is hard to tell.

use hitcast_core::Seed;
use serde::{Deserialize, Serialize};

use super::neighbors::{Nearest, Points};
use super::smote::{between, check_neighbors};
use super::strategy::SamplingStrategy;
use super::{Made, Rows};
use crate::error::{PreprocessError, Result};

/// ADASYN (He et al. 2008): as SMOTE, but a row is made from the more often, the more of its nearest neighbours among all rows
/// belong to other classes. Because each row's number is rounded, a class gets about as many rows as it is to have.
///
/// Draws from the same distribution as imbalanced-learn 0.14.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adasyn {
    /// How many rows each class gets.
    pub strategy: SamplingStrategy,
    /// Number of neighbours, at least 1. A class that gets rows must have more rows than that. Default 5.
    pub n_neighbors: usize,
    /// Threads that look for neighbours, 0 for all. The result does not depend on it. Default 0.
    pub threads: usize,
}

impl Default for Adasyn {
    fn default() -> Self {
        Self {
            strategy: SamplingStrategy::Balance,
            n_neighbors: 5,
            threads: 0,
        }
    }
}

impl Adasyn {
    pub(super) fn resample(&self, rows: &Rows<'_>, seed: Seed) -> Result<Vec<Made>> {
        let all: Vec<usize> = (0..rows.classes.len()).collect();
        let mut made = Vec::new();
        for (class, more) in self.strategy.to_add(&rows.counts())?.into_iter().enumerate() {
            if more == 0 {
                continue;
            }
            let members = &rows.members[class];
            check_neighbors("sampler.n_neighbors", self.n_neighbors, class, members.len())?;
            let points = Points::new(rows.features, &rows.several, &all, members);
            let around = Nearest::of(&points, members, self.n_neighbors, self.threads);
            let others = |place: usize| around.of_others(place, rows.classes, class);
            let others: Vec<usize> = (0..members.len()).map(others).collect();
            let points = Points::new(rows.features, &rows.several, members, members);
            let nearest = Nearest::of_each(&points, self.n_neighbors, self.threads);
            let shares = shares(&others, more).ok_or(PreprocessError::NoBorder { class })?;
            if shares.iter().all(|share| *share == 0) {
                return Err(PreprocessError::SampleCount {
                    class,
                    rows: members.len(),
                    wanted: members.len() + more,
                    allowed: "no more, because each row's share rounds to 0; ask for more rows, or take `smote`",
                });
            }
            let mut stream = seed.nth(class as u64).stream("rows");
            for (place, n) in shares.into_iter().enumerate() {
                made.extend(
                    (0..n)
                        .map(|_| between(class, (place, members), (&nearest, members), &mut stream, |_| 1.0)),
                );
            }
        }
        Ok(made)
    }
}

/// How many of `more` rows are made from each, in proportion to these numbers; `None` if they are all 0.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn shares(others: &[usize], more: usize) -> Option<Vec<usize>> {
    let total: usize = others.iter().sum();
    // To even in the middle, as NumPy rounds.
    let share = |&n: &usize| (n as f64 / total as f64 * more as f64).round_ties_even() as usize;
    (total > 0).then(|| others.iter().map(share).collect())
}
