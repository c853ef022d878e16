//! What was taken for what.

use serde::{Deserialize, Serialize};

use crate::error::{MetricsError, Result};

/// How many rows of each actual class were predicted as each class. As JSON it is a list of rows, one an actual class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Vec<u64>>", try_from = "Vec<Vec<u64>>")]
pub struct ConfusionMatrix {
    n_classes: usize,
    /// One actual class after another.
    counts: Vec<u64>,
}

/// How well one class is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Of the rows predicted as this class, the share that is; 0 if there are none.
    pub precision: f64,
    /// Of the rows of this class, the share that is predicted; 0 if there are none.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Rows of this class.
    pub support: u64,
    /// Rows predicted as this class.
    pub predicted: u64,
}

/// How the figures of several classes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// All classes that occur, actual or predicted, count the same.
    Macro,
    /// All rows count the same: hits and misses of all classes are added up first.
    Micro,
    /// Classes count by their rows.
    Weighted,
}

/// Precision, recall and F of several classes in one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AverageMetrics {
    /// Precision.
    pub precision: f64,
    /// Recall.
    pub recall: f64,
    /// F for the β that was asked for.
    pub f_beta: f64,
}

/// How much worse a distant class is than a near one, for ordered classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KappaWeights {
    /// Any other class is equally wrong.
    #[default]
    None,
    /// By the number of classes between.
    Linear,
    /// By its square.
    Quadratic,
}

impl ConfusionMatrix {
    /// Counts the rows by their actual and predicted class (length `n` each), both below `n_classes`.
    ///
    /// # Errors
    /// [`MetricsError::NoRows`], [`MetricsError::Length`], [`MetricsError::Classes`] below two classes,
    /// [`MetricsError::UnknownClass`].
    pub fn compute(actual: &[usize], predicted: &[usize], n_classes: usize) -> Result<Self> {
        if predicted.len() != actual.len() {
            return Err(MetricsError::Length {
                what: "predicted classes",
                expected: actual.len(),
                got: predicted.len(),
            });
        }
        check_classes("actual classes", actual, n_classes)?;
        check_classes("predicted classes", predicted, n_classes)?;
        let mut matrix = Self::empty(n_classes);
        for (&actual, &predicted) in actual.iter().zip(predicted) {
            matrix.add(actual, predicted, 1);
        }
        Ok(matrix)
    }

    /// The matrix of these counts, `k × k`: rows of each actual class (first) and predicted class.
    ///
    /// # Errors
    /// [`MetricsError::Length`] if they are no square, [`MetricsError::Classes`] below two classes,
    /// [`MetricsError::NoRows`] if all are 0.
    pub fn from_counts(counts: &[u64]) -> Result<Self> {
        let n_classes = counts.len().isqrt();
        if n_classes * n_classes != counts.len() {
            return Err(MetricsError::Length {
                what: "counts of classes",
                expected: n_classes * n_classes,
                got: counts.len(),
            });
        }
        let seen: Vec<usize> = (0..n_classes)
            .filter(|class| {
                counts[class * n_classes..][..n_classes]
                    .iter()
                    .any(|&count| count > 0)
            })
            .collect();
        check_classes("actual classes", &seen, n_classes)?;
        Ok(Self {
            n_classes,
            counts: counts.to_vec(),
        })
    }

    pub(crate) fn empty(n_classes: usize) -> Self {
        Self {
            n_classes,
            counts: vec![0; n_classes * n_classes],
        }
    }

    /// Both classes are below the number of classes.
    pub(crate) fn add(&mut self, actual: usize, predicted: usize, rows: u64) {
        self.counts[actual * self.n_classes + predicted] += rows;
    }

    /// Number of classes `k`.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Number of rows.
    pub fn n(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Rows of the one class that were predicted as the other; 0 for a class that there is not.
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        if actual < self.n_classes && predicted < self.n_classes {
            self.counts[actual * self.n_classes + predicted]
        } else {
            0
        }
    }

    /// Rows of a class.
    pub fn support(&self, class: usize) -> u64 {
        (0..self.n_classes)
            .map(|predicted| self.count(class, predicted))
            .sum()
    }

    /// Rows predicted as a class.
    pub fn predicted(&self, class: usize) -> u64 {
        (0..self.n_classes).map(|actual| self.count(actual, class)).sum()
    }

    /// Share of rows whose class is predicted.
    pub fn accuracy(&self) -> f64 {
        ratio(self.hits(), self.n())
    }

    /// Mean recall of the classes that have rows.
    pub fn balanced_accuracy(&self) -> f64 {
        let recalls = (0..self.n_classes)
            .filter(|&class| self.support(class) > 0)
            .map(|class| self.class(class).recall);
        mean(recalls)
    }

    /// How well a class is predicted.
    pub fn class(&self, class: usize) -> ClassMetrics {
        let (hits, support, predicted) = (
            self.count(class, class),
            self.support(class),
            self.predicted(class),
        );
        ClassMetrics {
            precision: ratio(hits, predicted),
            recall: ratio(hits, support),
            f1: self.f_beta(class, 1.0),
            support,
            predicted,
        }
    }

    /// F of a class: (1 + β²) hits ÷ ((1 + β²) hits + β² missed + wrongly predicted); β above 1 favours recall. 0 if the
    /// class does not occur.
    #[allow(clippy::cast_precision_loss)]
    pub fn f_beta(&self, class: usize, beta: f64) -> f64 {
        let hits = self.count(class, class) as f64;
        let (support, predicted) = (self.support(class) as f64, self.predicted(class) as f64);
        f_beta(hits, support, predicted, beta)
    }

    /// Precision, recall and F of all classes in one.
    #[allow(clippy::cast_precision_loss)]
    pub fn average(&self, average: Average, beta: f64) -> AverageMetrics {
        let occurring =
            || (0..self.n_classes).filter(|&class| self.support(class) + self.predicted(class) > 0);
        let n = self.n();
        let of = |figure: &dyn Fn(usize) -> f64| match average {
            Average::Weighted => {
                occurring()
                    .map(|class| figure(class) * self.support(class) as f64)
                    .sum::<f64>()
                    / n.max(1) as f64
            }
            Average::Macro | Average::Micro => mean(occurring().map(figure)),
        };
        if average == Average::Micro {
            let (hits, rows) = (self.hits() as f64, n as f64);
            return AverageMetrics {
                precision: self.accuracy(),
                recall: self.accuracy(),
                f_beta: f_beta(hits, rows, rows, beta),
            };
        }
        AverageMetrics {
            precision: of(&|class| self.class(class).precision),
            recall: of(&|class| self.class(class).recall),
            f_beta: of(&|class| self.f_beta(class, beta)),
        }
    }

    /// Matthews' correlation coefficient (Gorodkin 2004), from −1 to 1; 0 where one class is all there is or all that is
    /// predicted.
    #[allow(clippy::cast_precision_loss)]
    pub fn matthews(&self) -> f64 {
        let n = self.n() as f64;
        let margins =
            || (0..self.n_classes).map(|class| (self.support(class) as f64, self.predicted(class) as f64));
        let both: f64 = margins().map(|(actual, predicted)| actual * predicted).sum();
        let actual: f64 = margins().map(|(actual, _)| actual * actual).sum();
        let predicted: f64 = margins().map(|(_, predicted)| predicted * predicted).sum();
        let scale = (n * n - actual) * (n * n - predicted);
        if scale == 0.0 {
            0.0
        } else {
            (self.hits() as f64 * n - both) / scale.sqrt()
        }
    }

    /// Cohen's kappa (1960), weighted for ordered classes (1968): 1 for full agreement, 0 for that of chance; `None` if
    /// only one class occurs.
    #[allow(clippy::cast_precision_loss)]
    pub fn cohen_kappa(&self, weights: KappaWeights) -> Option<f64> {
        let n = self.n() as f64;
        let margins =
            |of: &dyn Fn(usize) -> u64| (0..self.n_classes).map(of).map(|n| n as f64).collect::<Vec<_>>();
        let supports = margins(&|class| self.support(class));
        let predictions = margins(&|class| self.predicted(class));
        let (mut seen, mut by_chance) = (0.0, 0.0);
        for (actual, support) in supports.iter().enumerate() {
            for (predicted, n_predicted) in predictions.iter().enumerate() {
                let distance = actual.abs_diff(predicted) as f64;
                let weight = match weights {
                    KappaWeights::None => distance.min(1.0),
                    KappaWeights::Linear => distance,
                    KappaWeights::Quadratic => distance * distance,
                };
                seen += weight * self.count(actual, predicted) as f64;
                by_chance += weight * support * n_predicted / n;
            }
        }
        (by_chance > 0.0).then(|| 1.0 - seen / by_chance)
    }

    fn hits(&self) -> u64 {
        (0..self.n_classes).map(|class| self.count(class, class)).sum()
    }
}

impl From<ConfusionMatrix> for Vec<Vec<u64>> {
    fn from(matrix: ConfusionMatrix) -> Self {
        let rows = matrix.counts.chunks(matrix.n_classes.max(1));
        rows.map(<[u64]>::to_vec).collect()
    }
}

impl TryFrom<Vec<Vec<u64>>> for ConfusionMatrix {
    type Error = MetricsError;

    fn try_from(rows: Vec<Vec<u64>>) -> Result<Self> {
        let n_classes = rows.len();
        match rows.iter().find(|row| row.len() != n_classes) {
            Some(row) => Err(MetricsError::Length {
                what: "counts in a row of the confusion matrix",
                expected: n_classes,
                got: row.len(),
            }),
            None if n_classes < 2 => Err(MetricsError::Classes { n_classes }),
            None => {
                let counts = rows.concat();
                let sum = counts
                    .iter()
                    .try_fold(0_u64, |sum, count| sum.checked_add(*count));
                let overflow = MetricsError::Overflow {
                    metric: "the sum of the confusion matrix",
                    value: f64::INFINITY,
                };
                sum.map(|_| Self { n_classes, counts }).ok_or(overflow)
            }
        }
    }
}

/// At least one row, at least two classes, each row's among them.
pub(crate) fn check_classes(what: &'static str, classes: &[usize], n_classes: usize) -> Result<()> {
    if n_classes < 2 {
        return Err(MetricsError::Classes { n_classes });
    }
    if classes.is_empty() {
        return Err(MetricsError::NoRows { what });
    }
    match classes.iter().position(|&class| class >= n_classes) {
        Some(row) => Err(MetricsError::UnknownClass {
            what,
            row,
            class: classes[row],
            n_classes,
        }),
        None => Ok(()),
    }
}

#[allow(clippy::cast_precision_loss)]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

fn f_beta(hits: f64, support: f64, predicted: f64, beta: f64) -> f64 {
    let whole = beta * beta * support + predicted;
    if whole == 0.0 {
        0.0
    } else {
        (1.0 + beta * beta) * hits / whole
    }
}

#[allow(clippy::cast_precision_loss)]
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    if n == 0 { 0.0 } else { sum / n as f64 }
}
