//! What can be fitted ([`Estimator`]) and what a fit returns ([`Fit`], [`Model`]).

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use ndarray::{Array2, Array3, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, FeatureBlock, Features};
use crate::device::DeviceChoice;
use crate::error::{CoreError, Result};
use crate::many::{Job, Trained};
use crate::progress::{EpochRecord, NoProgress, Progress, StopSignal};
use crate::seed::Seed;
use crate::state::ModelState;

/// What is predicted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Task {
    /// A number.
    #[default]
    Regression,
    /// One of some classes, by a probability for each.
    Classification {
        /// How many classes there are, at least 2; they are numbered from 0.
        n_classes: usize,
    },
}

impl Task {
    /// Numbers that a model predicts for a row: 1, or a probability for each class.
    pub const fn width(self) -> usize {
        match self {
            Self::Regression => 1,
            Self::Classification { n_classes } => n_classes,
        }
    }
}

/// A model's predictions for some rows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Predictions {
    /// One number a row, in the target's unit.
    Regression(Vec<f64>),
    /// The probability of each class, `n × k`; each row sums to 1.
    Classification(Array2<f64>),
}

impl Predictions {
    /// Predictions of such a task from their numbers, row by row.
    ///
    /// # Errors
    /// [`CoreError::Length`] if they are no whole rows.
    pub fn from_values(task: Task, values: Vec<f64>) -> Result<Self> {
        let Task::Classification { n_classes } = task else {
            return Ok(Self::Regression(values));
        };
        let (got, rows) = (values.len(), values.len() / n_classes.max(1));
        match Array2::from_shape_vec((rows, n_classes), values) {
            Ok(probabilities) => Ok(Self::Classification(probabilities)),
            Err(_) => Err(CoreError::Length {
                what: "probabilities",
                expected: rows * n_classes,
                got,
            }),
        }
    }

    /// As [`from_values`](Self::from_values) for a model that computes in 32 bits: the probabilities of each row are divided by
    /// their sum, so that only the rounding of 64 bits is left of the difference to 1.
    ///
    /// # Errors
    /// As [`from_values`](Self::from_values).
    pub fn from_rounded_values(task: Task, mut values: Vec<f64>) -> Result<Self> {
        if let Task::Classification { n_classes } = task {
            for row in values.chunks_exact_mut(n_classes.max(1)) {
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|probability| *probability /= sum);
            }
        }
        Self::from_values(task, values)
    }

    /// What is predicted.
    pub fn task(&self) -> Task {
        match self {
            Self::Regression(_) => Task::Regression,
            Self::Classification(probabilities) => Task::Classification {
                n_classes: probabilities.ncols(),
            },
        }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        match self {
            Self::Regression(values) => values.len(),
            Self::Classification(probabilities) => probabilities.nrows(),
        }
    }

    /// The predicted numbers, one a row; `None` for classes.
    pub fn numbers(&self) -> Option<&[f64]> {
        match self {
            Self::Regression(values) => Some(values),
            Self::Classification(_) => None,
        }
    }

    /// The probability of each class, `n × k`; `None` for numbers.
    pub fn probabilities(&self) -> Option<ArrayView2<'_, f64>> {
        match self {
            Self::Regression(_) => None,
            Self::Classification(probabilities) => Some(probabilities.view()),
        }
    }

    /// All that was predicted, row by row: one number each, or the probabilities of its classes.
    pub fn values(&self) -> Cow<'_, [f64]> {
        match self {
            Self::Regression(values) => Cow::Borrowed(values),
            Self::Classification(probabilities) => match probabilities.as_slice() {
                Some(values) => Cow::Borrowed(values),
                None => Cow::Owned(probabilities.iter().copied().collect()),
            },
        }
    }

    /// Adds the predictions for more rows by the same model.
    ///
    /// # Errors
    /// [`CoreError::WrongTask`] if they are of another task.
    pub fn append(&mut self, more: Self) -> Result<()> {
        let (expected, got) = (self.task(), more.task());
        match (self, more) {
            (Self::Regression(values), Self::Regression(more)) => values.extend(more),
            (Self::Classification(probabilities), Self::Classification(more)) => {
                let appended = probabilities.append(Axis(0), more.view());
                appended.map_err(|_| CoreError::WrongTask { expected, got })?;
            }
            _ => return Err(CoreError::WrongTask { expected, got }),
        }
        Ok(())
    }

    /// [`values`](Self::values) without a copy.
    pub fn into_values(self) -> Vec<f64> {
        match self {
            Self::Regression(values) => values,
            Self::Classification(probabilities) => {
                if probabilities.is_standard_layout() {
                    probabilities.into_raw_vec_and_offset().0
                } else {
                    probabilities.iter().copied().collect()
                }
            }
        }
    }
}

/// What a fit is given besides data.
#[derive(Clone, Copy)]
pub struct FitContext<'a> {
    /// Name under which the fit reports.
    pub name: &'a str,
    /// Where its randomness comes from.
    pub seed: Seed,
    /// Where a network runs.
    pub device: DeviceChoice,
    /// Where events go.
    pub progress: &'a dyn Progress,
    /// Asked between steps.
    pub stop: &'a StopSignal,
    /// Where a fit keeps what it needs to go on after it was killed; if there is something of the same fit, it goes on
    /// from there. `None`: nothing is kept.
    pub checkpoints: Option<Checkpoints<'a>>,
}

/// Where and how often a fit keeps what it needs to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoints<'a> {
    /// A folder for this fit alone, which takes it for as long as it runs ([`FolderLock`](crate::FolderLock)).
    pub folder: &'a Path,
    /// Time between two checkpoints at least; with none, they are made after every step.
    pub every: Duration,
    /// How many of the newest are kept, at least 1; that of the best epoch is kept besides, if there is one. Each holds the
    /// best weights so far.
    pub keep: usize,
}

impl<'a> Checkpoints<'a> {
    /// In this folder, every five seconds, the two newest and the best.
    pub const fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            every: Duration::from_secs(5),
            keep: 2,
        }
    }
}

impl<'a> FitContext<'a> {
    /// A context that shows nothing, on the processor or the device chosen automatically.
    pub fn quiet(name: &'a str, seed: Seed, stop: &'a StopSignal) -> Self {
        Self {
            name,
            seed,
            device: DeviceChoice::Auto,
            progress: &NoProgress,
            stop,
            checkpoints: None,
        }
    }
}

impl std::fmt::Debug for FitContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FitContext")
            .field("name", &self.name)
            .field("seed", &self.seed)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// Why a fit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// It did all that was asked for.
    Completed,
    /// The validation loss no longer improved.
    EarlyStopping,
    /// A stop was requested, as by Ctrl-C.
    Requested,
    /// A callback asked for it.
    Callback,
}

/// What a fit returns.
pub struct Fit {
    /// The fitted model, ready to predict.
    pub model: Box<dyn Model>,
    /// One record an epoch; empty for a model without epochs.
    pub history: Vec<EpochRecord>,
    /// The epoch whose weights the model has, from 1; `None` for a model without epochs.
    pub best_epoch: Option<usize>,
    /// Why the fit ended.
    pub stopped: StopReason,
    /// Rows that it learned from, those included that a sampler made.
    pub rows: usize,
}

impl std::fmt::Debug for Fit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fit")
            .field("model", &self.model.kind())
            .field("epochs", &self.history.len())
            .field("best_epoch", &self.best_epoch)
            .field("stopped", &self.stopped)
            .finish()
    }
}

/// What each feature adds to a model's outputs: Shapley values, exact in the model's own way.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributions {
    /// The outputs without any feature known, length `w`: 1, or the number of classes.
    pub base: Vec<f64>,
    /// What each feature adds, `n × d × w`: over the features they sum to the output less the base.
    pub values: Array3<f64>,
    /// What the outputs are.
    pub scale: ContributionScale,
}

/// What contributions add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContributionScale {
    /// What is predicted: a number, or the probability of each class.
    Prediction,
    /// The log odds of the second of two classes (`w` is 1), or a score for each class, of which softmax makes probabilities.
    LogOdds,
}

/// How one of a model's outputs moves with each feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// The predictions for the rows.
    pub predictions: Predictions,
    /// The derivative of the output with respect to each feature, `n × d`.
    pub slopes: Array2<f32>,
}

/// Settings of a model that can learn.
pub trait Estimator: Send + Sync {
    /// Learns from `train`. `validation` is only looked at, to stop early and to report; what is learned comes from
    /// `train` alone.
    ///
    /// # Errors
    /// [`CoreError::Model`] with the model's own error; the settings are checked here.
    fn fit(&self, train: &Dataset, validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit>;

    /// Whether several fits of these settings are better done at once by [`fit_side_by_side`](Self::fit_side_by_side) than one
    /// a thread, as on a GPU that has room for all. Asked before their rows are prepared. Default false.
    fn prefers_side_by_side(&self, _device: DeviceChoice) -> bool {
        false
    }

    /// Does several fits of these settings at once. Each result is the one that [`fit`](Self::fit) gives alone; `None`, or
    /// nothing at all, which is the default, for those that are to be fitted alone.
    fn fit_side_by_side(&self, _jobs: &[Job<'_>]) -> Vec<Option<Result<Trained>>> {
        Vec::new()
    }

    /// Whether what is fitted depends on the validation rows, as where they stop a fit early: rows that such a fit is judged on
    /// must be others than those. Default false.
    fn uses_validation(&self) -> bool {
        false
    }
}

/// A fitted model.
pub trait Model: Send + Sync {
    /// Kind of the model, under which its saved form is found again.
    fn kind(&self) -> &'static str;

    /// Number of features `d` that it was fitted on.
    fn n_features(&self) -> usize;

    /// Number of learned numbers.
    fn n_parameters(&self) -> usize;

    /// Predicts the rows of `features` (`n × d`).
    ///
    /// # Errors
    /// [`CoreError::WrongFeatures`] if `d` differs from the fit's, [`CoreError::Model`] if the model fails.
    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions>;

    /// What each feature adds to the predictions for the rows of `features` (`n × d`), of models that know it without being
    /// asked for many predictions; `None` for others.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    fn contributions(&self, features: ArrayView2<'_, f32>) -> Option<Result<Contributions>> {
        let _ = features;
        None
    }

    /// How the predicted number (`output` 0) or the probability of class `output` moves with each feature at the rows of
    /// `features` (`n × d`), of models that are differentiable; `None` for others.
    ///
    /// # Errors
    /// As [`predict`](Self::predict), and [`CoreError::NoOutput`] if there is no such output.
    fn gradients(&self, features: ArrayView2<'_, f32>, output: usize) -> Option<Result<Gradients>> {
        let _ = (features, output);
        None
    }

    /// How much of what the model learned each feature explains (length `d`, at least 0), of models that found that out while
    /// they learned, as trees do; `None` for others.
    fn learned_importances(&self) -> Option<&[f64]> {
        None
    }

    /// Predicts rows of features, encoded columns too, of which only some thousand rows are written out at a time.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    fn predict_features(&self, features: &Features) -> Result<Predictions> {
        const ROWS: usize = 8192;
        if let [FeatureBlock::Dense(matrix)] = features.blocks() {
            return self.predict(matrix.view());
        }
        let mut rows = 0..features.n_rows().min(ROWS);
        let mut predictions = self.predict(features.rows(rows.clone()).view())?;
        while rows.end < features.n_rows() {
            rows = rows.end..features.n_rows().min(rows.end + ROWS);
            predictions.append(self.predict(features.rows(rows.clone()).view())?)?;
        }
        Ok(predictions)
    }

    /// The saved form.
    ///
    /// # Errors
    /// [`CoreError::Model`] if its numbers cannot be read.
    fn state(&self) -> Result<ModelState>;
}

/// Checks that a matrix has the number of columns that a model was fitted on.
///
/// # Errors
/// [`CoreError::WrongFeatures`] if not.
pub fn check_features(expected: usize, features: ArrayView2<'_, f32>) -> Result<()> {
    if features.ncols() == expected {
        Ok(())
    } else {
        Err(CoreError::WrongFeatures {
            expected,
            got: features.ncols(),
        })
    }
}
