//! What a fit of classes leaves: the support vectors of all pairs.

use std::collections::BTreeMap;
use std::ops::Range;

use hitcast_core::{CoreError, Model, ModelState, Predictions, Result, Task, TensorData, TensorValues};
use hitcast_kernels::similarity::weighted_sum;
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::pairs::{pairs, pairs_of, place_of};
use crate::saved::{check_classes, finite, from_settings, to_settings};
use crate::svm::kernel::KernelFunction;
use crate::svm::platt::{Coupling, Sigmoid};
use crate::svm::points::Points;
use crate::svm::vectors;

/// An [`Svc`](super::Svc) after its fit: rows near the boundaries, and how much each counts for each of its class's pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct SvcModel {
    pub(super) n_classes: usize,
    /// The classes that had training rows, rising.
    pub(super) seen: Vec<usize>,
    /// By class.
    pub(super) vectors: Points,
    /// Where the vectors of each class end.
    pub(super) ends: Vec<usize>,
    /// `(k − 1) × n`, for `k` seen classes: one row for each other class.
    pub(super) coefficients: Vec<f64>,
    /// One a pair.
    pub(super) intercepts: Vec<f64>,
    /// One a pair.
    pub(super) sigmoids: Vec<Sigmoid>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    function: KernelFunction,
    n_features: usize,
    n_classes: usize,
    seen: Vec<usize>,
    ends: Vec<usize>,
}

impl SvcModel {
    /// The kind under which it is saved.
    pub const KIND: &'static str = "svc";

    /// Loads a saved model.
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, or not finite.
    pub fn from_state(state: &ModelState) -> Result<Self> {
        let Facts {
            function,
            n_features,
            n_classes,
            seen,
            ends,
        } = from_settings(Self::KIND, state)?;
        check_classes(&seen, n_classes)?;
        let k = seen.len();
        if ends.len() != k || !ends.is_sorted() {
            return Err(CoreError::State(format!(
                "support vectors of {k} classes that end at {ends:?}"
            )));
        }
        let n_vectors = ends.last().copied().unwrap_or(0);
        let coefficients = state.f64("coefficients", &[k - 1, n_vectors])?.to_vec();
        if let Some(value) = coefficients.iter().find(|value| !value.is_finite()) {
            return Err(CoreError::State(format!("tensor \"coefficients\" holds {value}")));
        }
        let [slopes, offsets] = ["slopes", "offsets"].map(|name| finite(state, name, pairs_of(k)));
        let sigmoids = slopes?.into_iter().zip(offsets?);
        Ok(Self {
            n_classes,
            seen,
            vectors: vectors::load(state, function, n_vectors, n_features)?,
            ends,
            coefficients,
            intercepts: finite(state, "intercepts", pairs_of(k))?,
            sigmoids: sigmoids
                .map(|(slope, offset)| Sigmoid { slope, offset })
                .collect(),
        })
    }

    /// The classes that had training rows.
    pub fn seen_classes(&self) -> &[usize] {
        &self.seen
    }

    /// The scores of rows (`m × d`), of which probabilities are made: `m × p`, one for each of the `p` pairs of seen classes,
    /// in the order (0, 1), (0, 2), …, (1, 2), …. Above 0 a score speaks for the second class of its pair, as scikit-learn's
    /// `decision_function` does of two classes; of more, that one has the other sign.
    ///
    /// # Errors
    /// As [`predict`](Model::predict).
    pub fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f64>> {
        let width = self.intercepts.len();
        let scores = vectors::predict(&self.vectors, features, width, |rows, out| self.score(rows, out))?;
        Array2::from_shape_vec((features.nrows(), width), scores)
            .map_err(|error| CoreError::State(error.to_string()))
    }

    /// The vectors of a class.
    fn of_class(&self, class: usize) -> Range<usize> {
        let start = class.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[class]
    }

    /// Writes the scores of some rows.
    fn score(&self, rows: ArrayView2<'_, f32>, out: &mut [f64]) {
        let (k, level) = (self.seen.len(), self.vectors.level());
        let width = self.intercepts.len();
        for out in out.chunks_exact_mut(width) {
            out.copy_from_slice(&self.intercepts);
        }
        self.vectors.compare(rows, |row, first, values| {
            let out = &mut out[row * width..][..width];
            for (out, (a, b)) in out.iter_mut().zip(pairs(k)) {
                for (class, other) in [(a, b), (b, a)] {
                    let own = self.of_class(class);
                    let (start, end) = (own.start.max(first), own.end.min(first + values.len()));
                    if start < end {
                        let row = &self.coefficients[place_of(other, class) * self.vectors.len()..];
                        *out += weighted_sum(level, &row[start..end], &values[start - first..]);
                    }
                }
            }
        });
    }
}

impl Model for SvcModel {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn n_features(&self) -> usize {
        self.vectors.n_features()
    }

    fn n_parameters(&self) -> usize {
        let per_vector = self.vectors.n_features() + self.seen.len() - 1;
        self.vectors.len() * per_vector + 3 * self.intercepts.len()
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        let (k, width) = (self.seen.len(), self.intercepts.len());
        let values = vectors::predict(&self.vectors, features, self.n_classes, |rows, out| {
            let mut scores = vec![0.0; rows.nrows() * width];
            self.score(rows, &mut scores);
            let (mut coupling, mut probabilities) = (Coupling::new(k), vec![0.0; k]);
            for (scores, out) in scores
                .chunks_exact(width)
                .zip(out.chunks_exact_mut(self.n_classes))
            {
                for ((first, second), (score, sigmoid)) in pairs(k).zip(scores.iter().zip(&self.sigmoids)) {
                    coupling.set(first, second, sigmoid.probability(*score));
                }
                coupling.solve(&mut probabilities);
                for (class, probability) in self.seen.iter().zip(&probabilities) {
                    out[*class] = *probability;
                }
            }
        })?;
        let task = Task::Classification {
            n_classes: self.n_classes,
        };
        Predictions::from_values(task, values)
    }

    fn state(&self) -> Result<ModelState> {
        let facts = Facts {
            function: self.vectors.function(),
            n_features: self.vectors.n_features(),
            n_classes: self.n_classes,
            seen: self.seen.clone(),
            ends: self.ends.clone(),
        };
        let shape = vec![self.seen.len() - 1, self.vectors.len()];
        let coefficients = TensorData::new(shape, TensorValues::F64(self.coefficients.clone()))?;
        let vector = |values: Vec<f64>| TensorData::f64_vector(values);
        let slopes = self.sigmoids.iter().map(|sigmoid| sigmoid.slope).collect();
        let offsets = self.sigmoids.iter().map(|sigmoid| sigmoid.offset).collect();
        Ok(ModelState {
            settings: to_settings(Self::KIND, &facts)?,
            tensors: BTreeMap::from([
                ("vectors".to_owned(), vectors::tensor(&self.vectors)?),
                ("coefficients".to_owned(), coefficients),
                ("intercepts".to_owned(), vector(self.intercepts.clone())),
                ("slopes".to_owned(), vector(slopes)),
                ("offsets".to_owned(), vector(offsets)),
            ]),
        })
    }
}
