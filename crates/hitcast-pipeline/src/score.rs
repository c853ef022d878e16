//! What numbers and classes are measured by: their metrics, intervals and baselines behind one form each.

use std::fmt;

use hitcast_core::{Predictions, Seed, Task};
use hitcast_metrics::{
    Bootstrap, ClassificationIntervals, ClassificationMetric, ClassificationMetrics, Direction, GroupMetrics,
    Interval, MeanBaseline, PriorBaseline, RegressionIntervals, RegressionMetric, RegressionMetrics,
    by_group, classes_by_group,
};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// The metrics of predicted numbers, or those of predicted classes. As JSON the metrics themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Metrics {
    /// Of numbers.
    Regression(RegressionMetrics),
    /// Of classes.
    Classification(ClassificationMetrics),
}

/// Name of a metric of numbers or of classes, as in `rmse` or `roc_auc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum MetricName {
    /// Of numbers.
    Regression(RegressionMetric),
    /// Of classes.
    Classification(ClassificationMetric),
}

/// The confidence intervals of the metrics of numbers or of classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum MetricIntervals {
    /// Of numbers.
    Regression(RegressionIntervals),
    /// Of classes.
    Classification(ClassificationIntervals),
}

/// What a prediction without features is: the mean of the training rows, or the shares of their classes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Baseline {
    Mean(MeanBaseline),
    Prior(PriorBaseline),
}

/// Predictions, and of classes what was decided on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Predicted {
    pub(crate) predictions: Predictions,
    /// The class of each row; `None` for numbers.
    pub(crate) classes: Option<Vec<usize>>,
}

impl Metrics {
    /// The number of rows.
    pub fn n(&self) -> usize {
        match self {
            Self::Regression(metrics) => metrics.n,
            Self::Classification(metrics) => metrics.n,
        }
    }

    /// One of them; `None` if it is one of the other task, or not defined for these rows.
    pub fn get(&self, metric: impl Into<MetricName>) -> Option<f64> {
        match (self, metric.into()) {
            (Self::Regression(metrics), MetricName::Regression(metric)) => metric.of(metrics),
            (Self::Classification(metrics), MetricName::Classification(metric)) => metric.of(metrics),
            _ => None,
        }
    }

    /// The metrics of numbers; `None` for classes.
    pub fn regression(&self) -> Option<&RegressionMetrics> {
        match self {
            Self::Regression(metrics) => Some(metrics),
            Self::Classification(_) => None,
        }
    }

    /// The metrics of classes; `None` for numbers.
    pub fn classification(&self) -> Option<&ClassificationMetrics> {
        match self {
            Self::Regression(_) => None,
            Self::Classification(metrics) => Some(metrics),
        }
    }

    /// Measures predictions against the target, of classes their numbers.
    pub(crate) fn compute(actual: &[f64], predicted: &Predicted) -> Result<Self> {
        Ok(match predicted.predictions.probabilities() {
            Some(probabilities) => {
                let actual = class_numbers(actual);
                Self::Classification(match &predicted.classes {
                    Some(classes) => ClassificationMetrics::compute_decided(&actual, classes, probabilities)?,
                    None => ClassificationMetrics::compute(&actual, probabilities)?,
                })
            }
            None => Self::Regression(RegressionMetrics::compute(
                actual,
                &predicted.predictions.values(),
            )?),
        })
    }

    /// The metrics of each group of rows.
    pub(crate) fn by_group(
        actual: &[f64],
        predicted: &Predicted,
        groups: &[Option<&str>],
    ) -> Result<Vec<GroupMetrics<Self>>> {
        Ok(match predicted.predictions.probabilities() {
            Some(probabilities) => {
                let actual = class_numbers(actual);
                let classes = predicted.classes.as_deref();
                let all = classes_by_group(&actual, classes, probabilities, groups)?;
                all.into_iter()
                    .map(|one| GroupMetrics {
                        group: one.group,
                        metrics: Self::Classification(one.metrics),
                    })
                    .collect()
            }
            None => by_group(actual, &predicted.predictions.values(), groups)?
                .into_iter()
                .map(|one| GroupMetrics {
                    group: one.group,
                    metrics: Self::Regression(one.metrics),
                })
                .collect(),
        })
    }
}

impl MetricName {
    /// The metric that chooses the best model unless another is asked for: root mean squared error, or log loss.
    pub const fn default_of(task: Task) -> Self {
        match task {
            Task::Classification { .. } => Self::Classification(ClassificationMetric::LogLoss),
            _ => Self::Regression(RegressionMetric::Rmse),
        }
    }

    /// The metrics that tables of models show, of classes or of numbers.
    pub fn of_tables(is_of_classes: bool) -> impl Iterator<Item = Self> {
        Self::shown(is_of_classes).iter().map(|(metric, _)| *metric)
    }

    /// The metrics that a table of models shows.
    pub(crate) fn shown(is_of_classes: bool) -> &'static [(Self, &'static str)] {
        use ClassificationMetric as C;
        use RegressionMetric as R;
        const NUMBERS: [(MetricName, &str); 3] = [
            (MetricName::Regression(R::Rmse), "RMSE"),
            (MetricName::Regression(R::Mae), "MAE"),
            (MetricName::Regression(R::R2), "R²"),
        ];
        const CLASSES: [(MetricName, &str); 5] = [
            (MetricName::Classification(C::Accuracy), "accuracy"),
            (MetricName::Classification(C::BalancedAccuracy), "balanced"),
            (MetricName::Classification(C::F1Macro), "macro F1"),
            (MetricName::Classification(C::RocAuc), "AUC"),
            (MetricName::Classification(C::LogLoss), "log loss"),
        ];
        if is_of_classes { &CLASSES } else { &NUMBERS }
    }

    /// Whether it is a metric of classes.
    pub const fn is_of_classes(self) -> bool {
        matches!(self, Self::Classification(_))
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regression(metric) => metric.name(),
            Self::Classification(metric) => metric.name(),
        }
    }

    /// Which way it gets better.
    pub const fn direction(self) -> Direction {
        match self {
            Self::Regression(metric) => metric.direction(),
            Self::Classification(metric) => metric.direction(),
        }
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<RegressionMetric> for MetricName {
    fn from(metric: RegressionMetric) -> Self {
        Self::Regression(metric)
    }
}

impl From<ClassificationMetric> for MetricName {
    fn from(metric: ClassificationMetric) -> Self {
        Self::Classification(metric)
    }
}

impl From<MetricName> for String {
    fn from(metric: MetricName) -> Self {
        metric.name().to_owned()
    }
}

impl TryFrom<String> for MetricName {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let numbers = RegressionMetric::ALL.into_iter().map(Self::Regression);
        let classes = ClassificationMetric::ALL.into_iter().map(Self::Classification);
        let mut all = numbers.chain(classes);
        if let Some(found) = all.clone().find(|metric| metric.name() == text) {
            return Ok(found);
        }
        let names: Vec<&str> = all.by_ref().map(Self::name).collect();
        // In the form of serde, from which the nearest name is found.
        let expected = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        Err(format!(
            "unknown variant `{text}`, expected one of {}",
            expected.join(", ")
        ))
    }
}

impl MetricIntervals {
    /// The intervals of predictions' metrics.
    pub(crate) fn compute(
        bootstrap: &Bootstrap,
        actual: &[f64],
        predicted: &Predicted,
        seed: Seed,
    ) -> Result<Self> {
        Ok(match predicted.predictions.probabilities() {
            Some(probabilities) => {
                let (actual, classes) = (class_numbers(actual), predicted.classes.as_deref());
                Self::Classification(bootstrap.class_intervals(&actual, classes, probabilities, seed)?)
            }
            None => Self::Regression(bootstrap.intervals(actual, &predicted.predictions.values(), seed)?),
        })
    }

    /// Share of the resamples that lies in each interval.
    pub fn confidence(&self) -> f64 {
        match self {
            Self::Regression(all) => all.confidence,
            Self::Classification(all) => all.confidence,
        }
    }

    /// The interval of a metric; `None` if it is one of the other task, or not defined for these rows.
    pub fn get(&self, metric: impl Into<MetricName>) -> Option<&Interval> {
        match (self, metric.into()) {
            (Self::Regression(all), MetricName::Regression(metric)) => all.intervals.get(&metric),
            (Self::Classification(all), MetricName::Classification(metric)) => all.intervals.get(&metric),
            _ => None,
        }
    }
}

impl Baseline {
    /// Of the training rows' target, of classes their numbers.
    pub(crate) fn fit(train: &[f64], task: Task) -> Result<Self> {
        Ok(match task {
            Task::Classification { n_classes } => {
                Self::Prior(PriorBaseline::fit(&class_numbers(train), n_classes)?)
            }
            _ => Self::Mean(MeanBaseline::fit(train)?),
        })
    }

    pub(crate) fn predict(&self, n: usize) -> Predicted {
        match self {
            Self::Mean(mean) => Predicted {
                predictions: Predictions::Regression(mean.predict(n)),
                classes: None,
            },
            Self::Prior(prior) => Predicted {
                predictions: Predictions::Classification(prior.predict(n)),
                classes: Some(vec![prior.majority(); n]),
            },
        }
    }

    /// What it is called in tables.
    pub(crate) fn name(is_of_classes: bool) -> &'static str {
        if is_of_classes {
            "the majority class"
        } else {
            "predict the mean"
        }
    }
}

impl Predicted {
    /// The rows with these places.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let predictions = match &self.predictions {
            Predictions::Classification(all) => {
                Predictions::Classification(all.select(ndarray::Axis(0), rows))
            }
            other => {
                let values = other.values();
                Predictions::Regression(rows.iter().map(|&row| values[row]).collect())
            }
        };
        let classes = self.classes.as_ref();
        Self {
            predictions,
            classes: classes.map(|classes| rows.iter().map(|&row| classes[row]).collect()),
        }
    }

    /// What is predicted for each row: a number, or the number of the class that was decided on.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn decided(&self) -> Vec<f64> {
        match &self.classes {
            Some(classes) => classes.iter().map(|&class| class as f64).collect(),
            None => self.predictions.values().into_owned(),
        }
    }

    /// The probabilities of a row's classes; none for numbers.
    pub(crate) fn probabilities_of(&self, row: usize) -> Vec<f64> {
        let all = self.predictions.probabilities();
        all.map(|all| all.row(row).to_vec()).unwrap_or_default()
    }
}

/// The name of the class with this number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn class_name(names: &[String], class: f64) -> Option<&str> {
    names.get(class as usize).map(String::as_str)
}

/// Classes that a data set has as numbers.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn class_numbers(target: &[f64]) -> Vec<usize> {
    target.iter().map(|&class| class as usize).collect()
}
