//! Predicting by the nearest training rows (Fix and Hodges 1951).

use std::collections::BTreeMap;

use hitcast_core::estimator::check_features;
use hitcast_core::parallel::{for_chunks, threads_for};
use hitcast_core::{
    CoreError, Dataset, Estimator, Event, Fit, FitContext, Model, ModelState, Predictions, Result, Task,
    TensorData, TensorValues,
};
use hitcast_neighbors::{Found, Metric, Nearest};
use ndarray::{Array2, ArrayView2, Axis, Slice};
use serde::{Deserialize, Serialize};

use crate::checks::{at_least, numbered};
use crate::error::ClassicalError;
use crate::saved::{Outcome, Size, check_finite, finite, from_settings, reported, to_settings};

/// Rows that a thread takes at a time.
const BLOCK: usize = 256;

/// How much each neighbour counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NeighborWeights {
    /// All the same.
    #[default]
    Uniform,
    /// The inverse of its distance; if some are at distance 0, only those count.
    Distance,
}

/// Predicts the mean of the nearest training rows' targets, or the shares of their classes.
///
/// Agrees with scikit-learn's `KNeighborsRegressor` and `KNeighborsClassifier` 1.9; where several rows are equally far, those
/// that stand first are taken. Sample weights are not used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Neighbors {
    /// Number of neighbours, from 1 to the number of training rows. Default 5.
    pub n_neighbors: usize,
    /// How much each counts. Default uniform.
    pub weights: NeighborWeights,
    /// How distances are measured: 1 for the sum along the features, 2 for the straight line. Default 2.
    pub p: usize,
}

impl Default for Neighbors {
    fn default() -> Self {
        Self {
            n_neighbors: 5,
            weights: NeighborWeights::Uniform,
            p: 2,
        }
    }
}

/// [`Neighbors`] after their fit: the training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct NeighborsModel {
    settings: Neighbors,
    task: Task,
    rows: Array2<f32>,
    target: Vec<f64>,
    nearest: Nearest,
}

impl Neighbors {
    /// Keeps the training rows.
    ///
    /// # Errors
    /// [`CoreError::Model`] with [`ClassicalError::Setting`] on an impossible setting, or with [`ClassicalError::Rows`] if
    /// there are fewer rows than neighbours.
    pub fn fit_model(&self, train: &Dataset) -> Result<NeighborsModel> {
        train.features().expect_complete()?;
        let rows = train.features().matrix().into_owned();
        NeighborsModel::new(self.clone(), train.task(), rows, train.target().to_vec())
            .map_err(|error| CoreError::model(NeighborsModel::KIND, error))
    }
}

impl Estimator for Neighbors {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        let (rows, d) = (train.n_rows(), train.n_features());
        let size = Size {
            rows,
            parameters: rows * (d + 1),
            bytes: rows * (8 * d + 16),
        };
        if train.weights().is_some() {
            let note = "neighbors: sample weights are not used";
            context.progress.report(&Event::Note(note));
        }
        reported(context, size, 0, || self.fit_model(train).map(Outcome::completed))
    }
}

impl NeighborsModel {
    /// The kind under which it is saved.
    pub const KIND: &'static str = "neighbors";

    fn new(
        settings: Neighbors,
        task: Task,
        rows: Array2<f32>,
        target: Vec<f64>,
    ) -> Result<Self, ClassicalError> {
        at_least("n_neighbors", settings.n_neighbors, 1, "at least 1")?;
        let metric = match settings.p {
            1 => Metric::Manhattan,
            2 => Metric::Euclidean,
            p => {
                #[allow(clippy::cast_precision_loss)]
                return Err(ClassicalError::Setting {
                    setting: "p",
                    value: p as f64,
                    allowed: "1 or 2",
                });
            }
        };
        numbered(rows.nrows())?;
        if rows.nrows() < settings.n_neighbors {
            return Err(ClassicalError::Rows {
                rows: rows.nrows(),
                needed: format!("at least as many as neighbours, {}", settings.n_neighbors),
            });
        }
        Ok(Self {
            nearest: Nearest::new(rows.view(), metric),
            settings,
            task,
            rows,
            target,
        })
    }

    /// Loads a saved model.
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, not finite, or no class.
    pub fn from_state(state: &ModelState) -> Result<Self> {
        let damaged = |what: String| CoreError::State(what);
        let Facts {
            settings,
            task,
            n_rows,
            n_features,
        } = from_settings(Self::KIND, state)?;
        let rows = state.f32("rows", &[n_rows, n_features])?;
        if let Some(value) = rows.iter().find(|value| !value.is_finite()) {
            return Err(damaged(format!("tensor \"rows\" holds {value}")));
        }
        let target = finite(state, "target", n_rows)?;
        if let Task::Classification { n_classes } = task {
            if !(2..1 << 24).contains(&n_classes) {
                return Err(damaged(format!("{n_classes} classes")));
            }
            if let Some(class) = target.iter().find(|class| class_of(**class, n_classes).is_none()) {
                return Err(damaged(format!("class {class} of {n_classes}")));
            }
        }
        let rows = Array2::from_shape_vec((n_rows, n_features), rows.to_vec());
        let rows = rows.map_err(|error| damaged(error.to_string()))?;
        Self::new(settings, task, rows, target).map_err(|error| damaged(error.to_string()))
    }

    /// The settings.
    pub fn settings(&self) -> &Neighbors {
        &self.settings
    }

    /// The prediction from the neighbours of a row.
    #[allow(clippy::cast_precision_loss)]
    fn vote(&self, found: &[Found], out: &mut [f64]) {
        let touching = found
            .first()
            .is_some_and(|first| self.nearest.metric().distance(first.sum) == 0.0);
        let weight = |found: &Found| match self.settings.weights {
            NeighborWeights::Uniform => 1.0,
            NeighborWeights::Distance => {
                let distance = self.nearest.metric().distance(found.sum);
                match touching {
                    true => f64::from(u8::from(distance == 0.0)),
                    false => 1.0 / distance,
                }
            }
        };
        let mut total = 0.0;
        for found in found {
            let (weight, target) = (weight(found), self.target[found.point as usize]);
            total += weight;
            match self.task {
                Task::Classification { n_classes } => {
                    if let Some(out) = class_of(target, n_classes).and_then(|class| out.get_mut(class)) {
                        *out += weight;
                    }
                }
                _ => out.iter_mut().for_each(|out| *out += weight * target),
            }
        }
        out.iter_mut().for_each(|out| *out /= total);
    }
}

/// The class that a target stands for.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn class_of(target: f64, n_classes: usize) -> Option<usize> {
    let class = target as usize;
    (class as f64 == target && class < n_classes).then_some(class)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    settings: Neighbors,
    task: Task,
    n_rows: usize,
    n_features: usize,
}

impl Model for NeighborsModel {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn n_features(&self) -> usize {
        self.rows.ncols()
    }

    fn n_parameters(&self) -> usize {
        self.rows.len() + self.target.len()
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        check_features(self.n_features(), features)?;
        check_finite(features, "the rows whose neighbours are wanted")?;
        let width = self.task.width();
        let mut values = vec![0.0; features.nrows() * width];
        let threads = threads_for(0, features.nrows() / BLOCK);
        for_chunks(&mut values, BLOCK * width, threads, |number, out| {
            let first = number * BLOCK;
            let rows = features.slice_axis(Axis(0), Slice::from(first..first + out.len() / width));
            self.nearest.each(rows, self.settings.n_neighbors, |row, found| {
                self.vote(found, &mut out[row * width..][..width]);
            });
        });
        Predictions::from_values(self.task, values)
    }

    fn state(&self) -> Result<ModelState> {
        let facts = Facts {
            settings: self.settings.clone(),
            task: self.task,
            n_rows: self.rows.nrows(),
            n_features: self.rows.ncols(),
        };
        let cells = self.rows.iter().copied().collect();
        let rows = TensorData::new(
            vec![self.rows.nrows(), self.rows.ncols()],
            TensorValues::F32(cells),
        )?;
        Ok(ModelState {
            settings: to_settings(Self::KIND, &facts)?,
            tensors: BTreeMap::from([
                ("rows".to_owned(), rows),
                ("target".to_owned(), TensorData::f64_vector(self.target.clone())),
            ]),
        })
    }
}
