//! From which probability on a row counts as class 1.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::{check_occurring, check_probabilities};
use crate::classification::confusion::ConfusionMatrix;
use crate::classification::metric::ClassificationMetric;
use crate::classification::ranking::Ranking;
use crate::classification::rows;
use crate::error::{MetricsError, Result};

/// What of two classes makes a good threshold. In an experiment:
/// `threshold = { kind = "best", metric = "balanced_accuracy" }`.
///
/// Every threshold that decides the rows differently is looked at, in one pass over the sorted probabilities. Of equally good
/// ones (to a relative 1e-12) the nearest to 0.5 is taken, of two equally near the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ThresholdRule {
    /// This one; nothing is learned.
    Fixed {
        /// The threshold, from 0 to 1.
        value: f64,
    },
    /// The one of the best metric.
    Best {
        /// A metric of decided classes.
        metric: ThresholdMetric,
    },
    /// The one that costs least. Only the ratios of the figures matter.
    Costs {
        /// What it costs to decide for class 1 where it is class 0.
        false_positive: f64,
        /// What it costs to decide for class 0 where it is class 1.
        false_negative: f64,
        /// What is gained by deciding rightly for class 1. Default 0.
        #[serde(default)]
        true_positive: f64,
        /// What is gained by deciding rightly for class 0. Default 0.
        #[serde(default)]
        true_negative: f64,
    },
}

/// What a threshold is best for. In an experiment: `"matthews"`, `"youden_j"` or `{ f_beta = 2.0 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
#[non_exhaustive]
pub enum ThresholdMetric {
    /// A metric of decided classes; those of probabilities, as the log loss, are the same for each threshold.
    Metric(ClassificationMetric),
    /// Youden's J (1950): the recall of class 1 plus that of class 0, less 1.
    YoudenJ,
    /// F of class 1; a β above 1 favours its recall.
    FBeta(f64),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Named {
    Name(String),
    FBeta { f_beta: f64 },
}

impl From<ThresholdMetric> for Named {
    fn from(metric: ThresholdMetric) -> Self {
        match metric {
            ThresholdMetric::Metric(metric) => Self::Name(metric.name().to_owned()),
            ThresholdMetric::YoudenJ => Self::Name("youden_j".to_owned()),
            ThresholdMetric::FBeta(f_beta) => Self::FBeta { f_beta },
        }
    }
}

impl TryFrom<Named> for ThresholdMetric {
    type Error = MetricsError;

    fn try_from(named: Named) -> Result<Self> {
        match named {
            Named::Name(name) if name == "youden_j" => Ok(Self::YoudenJ),
            Named::Name(name) => Ok(Self::Metric(name.parse()?)),
            Named::FBeta { f_beta } => Ok(Self::FBeta(f_beta)),
        }
    }
}

/// How good a threshold is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ThresholdScore {
    /// The threshold: half way between two neighbouring probabilities; 0 lets all rows through, the largest one none.
    pub threshold: f64,
    /// The metric, or of costs what a row gains in the mean (below 0 where it costs). Larger is better.
    pub score: f64,
}

/// A threshold that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct FittedThreshold {
    /// Rows whose probability of class 1 is at least this count as class 1. From 0 to 1, or the next number above 1: never.
    pub value: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    value: f64,
}

impl TryFrom<Unchecked> for FittedThreshold {
    type Error = MetricsError;

    fn try_from(saved: Unchecked) -> Result<Self> {
        let fitted = Self { value: saved.value };
        fitted.check()?;
        Ok(fitted)
    }
}

impl ThresholdRule {
    /// Checks that the `classes` of some rows are such that [`fit`](Self::fit) can choose by them, before there are probabilities.
    ///
    /// # Errors
    /// [`MetricsError::MissingClass`].
    pub fn check_classes(&self, classes: &[usize]) -> Result<()> {
        match self {
            Self::Fixed { .. } => Ok(()),
            _ => check_occurring("a threshold", classes, 2, 2).map(|_| ()),
        }
    }

    /// Chooses by `probabilities` (`n × 2`) and the `classes` that came true (length `n`, 0 or 1), best of rows that the model
    /// did not learn from.
    ///
    /// # Errors
    /// [`MetricsError::Setting`], [`MetricsError::WrongClasses`] unless there are two classes (for more see
    /// [`CostMatrix`](super::costs::CostMatrix)), [`MetricsError::MissingClass`] if one has no rows, else as
    /// [`ClassificationMetrics::compute`](crate::ClassificationMetrics::compute).
    pub fn fit(&self, probabilities: ArrayView2<'_, f64>, classes: &[usize]) -> Result<FittedThreshold> {
        let scores = self.scores(probabilities, classes)?;
        if let Self::Fixed { value } = *self {
            return Ok(FittedThreshold { value });
        }
        let best = scores.iter().map(|s| s.score).fold(f64::NEG_INFINITY, f64::max);
        let enough = best - 1e-12 * best.abs();
        let from_half = |score: &ThresholdScore| (score.threshold - 0.5).abs();
        let good = scores.iter().filter(|score| score.score >= enough);
        let chosen = good.min_by(|a, b| from_half(a).total_cmp(&from_half(b)));
        let value = chosen.map(|score| score.threshold);
        value
            .map(|value| FittedThreshold { value })
            .ok_or(MetricsError::Overflow {
                metric: "the score of every threshold",
                value: best,
            })
    }

    /// How good each threshold is, in rising order; of a fixed one nothing is compared. For a figure.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    #[allow(clippy::cast_precision_loss)]
    pub fn scores(
        &self,
        probabilities: ArrayView2<'_, f64>,
        classes: &[usize],
    ) -> Result<Vec<ThresholdScore>> {
        self.check()?;
        rows::check(classes, probabilities)?;
        check_probabilities("a threshold", 2, probabilities)?;
        if matches!(self, Self::Fixed { .. }) {
            return Ok(Vec::new());
        }
        let counts = check_occurring("a threshold", classes, 2, 2)?;
        let (negative, positive) = (counts[0] as u64, counts[1] as u64);
        let scores = probabilities.column(1).to_vec();
        // What lies at or above each distinct probability, from the largest down.
        let mut steps: Vec<(f64, u64, u64)> = Vec::new();
        Ranking::new(&scores).each_tie(
            |row| (classes[row] == 1, 1),
            |row, hits, misses| steps.push((scores[row], hits, misses)),
        );
        let largest = steps.first().map_or(0.0, |step| step.0);
        let never = if largest < 1.0 {
            between(largest, 1.0)
        } else {
            1.0_f64.next_up()
        };
        let below = steps.iter().skip(1).map(|step| Some(step.0)).chain([None]);
        let thresholds = steps.iter().zip(below).map(|(&(p, hits, misses), below)| {
            let threshold = below.map_or(0.0, |below| between(below, p));
            (threshold, hits, misses)
        });
        let mut scored: Vec<ThresholdScore> = [(never, 0, 0)]
            .into_iter()
            .chain(thresholds)
            .filter_map(|(threshold, hits, misses)| {
                let score = self.score([[negative - misses, misses], [positive - hits, hits]])?;
                score.is_finite().then_some(ThresholdScore { threshold, score })
            })
            .collect();
        scored.reverse();
        Ok(scored)
    }

    /// How good a decision is by its counts, by actual and by decided class.
    #[allow(clippy::cast_precision_loss)]
    fn score(&self, counts: [[u64; 2]; 2]) -> Option<f64> {
        match *self {
            Self::Fixed { .. } => None,
            Self::Costs {
                false_positive,
                false_negative,
                true_positive,
                true_negative,
            } => {
                let [[tn, fp], [false_neg, tp]] = counts.map(|row| row.map(|n| n as f64));
                let gained = tp * true_positive + tn * true_negative;
                let lost = fp * false_positive + false_neg * false_negative;
                Some((gained - lost) / (tn + fp + false_neg + tp))
            }
            Self::Best { metric } => {
                let mut matrix = ConfusionMatrix::empty(2);
                for (actual, row) in counts.into_iter().enumerate() {
                    for (decided, rows) in row.into_iter().enumerate() {
                        matrix.add(actual, decided, rows);
                    }
                }
                match metric {
                    ThresholdMetric::Metric(metric) => metric.of_decided(&matrix),
                    ThresholdMetric::YoudenJ => Some(matrix.class(0).recall + matrix.class(1).recall - 1.0),
                    ThresholdMetric::FBeta(beta) => Some(matrix.f_beta(1, beta)),
                }
            }
        }
    }

    fn check(&self) -> Result<()> {
        let wrong = |setting, value: f64, allowed| {
            Err(MetricsError::Setting {
                setting,
                value: value.to_string(),
                allowed,
            })
        };
        match *self {
            Self::Fixed { value } if !(0.0..=1.0).contains(&value) => {
                wrong("threshold.value", value, "between 0 and 1")
            }
            Self::Best {
                metric: ThresholdMetric::FBeta(beta),
            } if !(beta > 0.0 && beta.is_finite()) => {
                wrong("threshold.metric.f_beta", beta, "finite and above 0")
            }
            Self::Best {
                metric: ThresholdMetric::Metric(metric),
            } if !metric.is_of_decided() => Err(MetricsError::Setting {
                setting: "threshold.metric",
                value: metric.to_string(),
                allowed: "a metric of decided classes: accuracy, balanced_accuracy, precision, recall or f1 (_macro or \
                          _weighted), matthews, cohen_kappa, youden_j or { f_beta = β }; the others do not depend on a threshold",
            }),
            Self::Costs {
                false_positive,
                false_negative,
                true_positive,
                true_negative,
            } => {
                for (setting, value) in [
                    ("threshold.true_positive", true_positive),
                    ("threshold.true_negative", true_negative),
                ] {
                    if !value.is_finite() {
                        return wrong(setting, value, "a finite number");
                    }
                }
                for (setting, value, gain) in [
                    ("threshold.false_positive", false_positive, true_negative),
                    ("threshold.false_negative", false_negative, true_positive),
                ] {
                    if !(value.is_finite() && value + gain > 0.0) {
                        return wrong(
                            setting,
                            value,
                            "finite, and dearer than deciding rightly: above 0 unless a right decision gains or costs \
                             something itself",
                        );
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A number above `low` and at most `high`, half way if there is one.
fn between(low: f64, high: f64) -> f64 {
    let middle = f64::midpoint(low, high);
    if middle > low { middle } else { high }
}

impl FittedThreshold {
    /// The class of each row (`m × 2`): 1 where its probability is at least the threshold, else 0.
    ///
    /// # Errors
    /// [`MetricsError::WrongClasses`] unless there are two columns, [`MetricsError::Probability`],
    /// [`MetricsError::ProbabilitySum`], [`MetricsError::Fitted`] if the threshold cannot be one.
    pub fn decide(&self, probabilities: ArrayView2<'_, f64>) -> Result<Vec<usize>> {
        self.check()?;
        check_probabilities("a threshold", 2, probabilities)?;
        let decide = |p: &f64| usize::from(*p >= self.value);
        Ok(probabilities.column(1).iter().map(decide).collect())
    }

    fn check(&self) -> Result<()> {
        if (0.0..=1.0_f64.next_up()).contains(&self.value) {
            return Ok(());
        }
        let value = self.value;
        Err(MetricsError::Fitted(format!(
            "the threshold is {value}, but must lie between 0 and 1"
        )))
    }
}
