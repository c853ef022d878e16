//! Which rows a tree learns from.

use hitcast_core::{Dataset, Stream};

/// Which rows a tree learns from.
pub(crate) struct Draws {
    n: usize,
    weights: Option<Vec<f64>>,
    /// Where each row's part of the sum of weights ends.
    ends: Option<Vec<f64>>,
    bootstrap: bool,
}

impl Draws {
    /// As many rows as there are, in proportion to their weights.
    pub(crate) fn bootstrap(weights: &[f64]) -> Self {
        Self::new(weights.len(), Some(weights.to_vec()), true)
    }

    pub(crate) fn of(train: &Dataset, bootstrap: bool) -> Self {
        Self::new(train.n_rows(), train.weights().map(<[f64]>::to_vec), bootstrap)
    }

    fn new(n: usize, weights: Option<Vec<f64>>, bootstrap: bool) -> Self {
        let ends = weights.as_ref().filter(|_| bootstrap).map(|weights| {
            let largest = weights.iter().copied().fold(0.0, f64::max);
            let mut end = 0.0;
            let add = |weight: &f64| {
                end += weight / largest;
                end
            };
            weights.iter().map(add).collect()
        });
        Self {
            n,
            weights,
            ends,
            bootstrap,
        }
    }

    /// The weight of each row in a tree: how often it was drawn, or its own.
    pub(crate) fn fill(&self, weights: &mut Vec<f64>, random: &mut Stream) {
        weights.clear();
        if !self.bootstrap {
            match &self.weights {
                Some(own) => weights.extend(own),
                None => weights.resize(self.n, 1.0),
            }
            return;
        }
        weights.resize(self.n, 0.0);
        for _ in 0..self.n {
            let row = match &self.ends {
                None => random.below(self.n),
                Some(ends) => {
                    let end = ends.last().copied().unwrap_or_default();
                    // Rounded up to the end, it would be no row's.
                    let place = (random.uniform() * end).min(end.next_down());
                    ends.partition_point(|end| *end <= place)
                }
            };
            if let Some(weight) = weights.get_mut(row) {
                *weight += 1.0;
            }
        }
    }
}
