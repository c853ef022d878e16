//! Probabilities that come true: of the rows that are predicted with 70 %, 70 of 100.

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::{check_occurring, check_probabilities, isotonic, platt, temperature};
use crate::classification::rows;
use crate::error::{MetricsError, Result};

/// A way to correct probabilities that are too sure or not sure enough. It agrees with scikit-learn's
/// `CalibratedClassifierCV` 1.9.
///
/// In an experiment: `calibration = { kind = "temperature" }`. The temperature is one number and hardly can overfit, so it is
/// the one for networks and for few rows; Platt's sigmoid has two numbers a class; isotonic regression follows any
/// rising curve and wants about a thousand rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Named", into = "Named")]
#[non_exhaustive]
pub enum Calibration {
    /// Divides the logarithms of the probabilities by the number that makes the log loss smallest (Guo et al. 2017). A row's
    /// likeliest class stays the same.
    Temperature,
    /// A sigmoid over the log-odds of each class, fitted to smoothed classes (Platt 2000).
    Platt,
    /// The rising curve with the smallest squared error, straight between its points (Zadrozny and Elkan 2002).
    Isotonic,
}

/// The form on disk, which unlike a plain enum refuses settings that there are not.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    kind: Kind,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Temperature,
    Platt,
    Isotonic,
}

impl From<Named> for Calibration {
    fn from(named: Named) -> Self {
        match named.kind {
            Kind::Temperature => Self::Temperature,
            Kind::Platt => Self::Platt,
            Kind::Isotonic => Self::Isotonic,
        }
    }
}

impl From<Calibration> for Named {
    fn from(calibration: Calibration) -> Self {
        let kind = match calibration {
            Calibration::Temperature => Kind::Temperature,
            Calibration::Platt => Kind::Platt,
            Calibration::Isotonic => Kind::Isotonic,
        };
        Self { kind }
    }
}

/// A [`Calibration`] after its [`fit`](Calibration::fit).
///
/// Of two classes class 1 is calibrated, and class 0 has the rest; of more, each class is calibrated against the others,
/// and a row's results are divided by their sum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", try_from = "Unchecked")]
#[non_exhaustive]
pub enum FittedCalibration {
    /// One temperature for all classes.
    Temperature {
        /// Number of classes `k`.
        n_classes: usize,
        /// What the logarithms are divided by: above 1 for a model that was too sure. Between 4.5e-5 and 22026.
        temperature: f64,
    },
    /// Sigmoids.
    Platt {
        /// That of class 1 if there are two classes, else one a class.
        sigmoids: Vec<Sigmoid>,
    },
    /// Rising curves.
    Isotonic {
        /// That of class 1 if there are two classes, else one a class.
        curves: Vec<RisingCurve>,
    },
}

/// `1 / (1 + exp(−(slope · log-odds + intercept)))`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sigmoid {
    /// 1 where the probabilities were right.
    pub slope: f64,
    /// 0 where the probabilities were right.
    pub intercept: f64,
}

/// A curve that never falls, straight between its points and level beyond them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RisingCurve {
    /// Probabilities as predicted, rising.
    pub predicted: Vec<f64>,
    /// What they become, as many, never falling.
    pub calibrated: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Unchecked {
    Temperature { n_classes: usize, temperature: f64 },
    Platt { sigmoids: Vec<Sigmoid> },
    Isotonic { curves: Vec<RisingCurve> },
}

impl TryFrom<Unchecked> for FittedCalibration {
    type Error = MetricsError;

    fn try_from(saved: Unchecked) -> Result<Self> {
        let fitted = match saved {
            Unchecked::Temperature {
                n_classes,
                temperature,
            } => Self::Temperature {
                n_classes,
                temperature,
            },
            Unchecked::Platt { sigmoids } => Self::Platt { sigmoids },
            Unchecked::Isotonic { curves } => Self::Isotonic { curves },
        };
        fitted.check()?;
        Ok(fitted)
    }
}

impl Calibration {
    /// Checks that the `classes` of some rows are such that [`fit`](Self::fit) can learn from them, before there are
    /// probabilities.
    ///
    /// # Errors
    /// [`MetricsError::MissingClass`].
    pub fn check_classes(&self, classes: &[usize], n_classes: usize) -> Result<()> {
        let (what, needed) = match self {
            Self::Temperature => ("calibration", 2),
            Self::Platt | Self::Isotonic => ("calibration (other than by temperature)", n_classes),
        };
        check_occurring(what, classes, n_classes, needed).map(|_| ())
    }

    /// Learns from `probabilities` (`n × k`) and the `classes` that came true (length `n`, each below `k`), best of rows that
    /// the model did not learn from.
    ///
    /// # Errors
    /// As [`ClassificationMetrics::compute`](crate::ClassificationMetrics::compute), and [`MetricsError::MissingClass`] if a
    /// class has no rows; the temperature is content with two classes that have some.
    pub fn fit(&self, probabilities: ArrayView2<'_, f64>, classes: &[usize]) -> Result<FittedCalibration> {
        rows::check(classes, probabilities)?;
        let n_classes = probabilities.ncols();
        self.check_classes(classes, n_classes)?;
        let happened =
            |class: usize| -> Vec<bool> { classes.iter().map(|actual| *actual == class).collect() };
        Ok(match self {
            Self::Temperature => FittedCalibration::Temperature {
                n_classes,
                temperature: temperature::fit(probabilities, classes),
            },
            Self::Platt => {
                let fit = |class| platt::fit(&platt::log_odds(probabilities, class), &happened(class));
                FittedCalibration::Platt {
                    sigmoids: calibrated_classes(n_classes).map(fit).collect(),
                }
            }
            Self::Isotonic => {
                let fit = |class| isotonic::fit(&probabilities.column(class).to_vec(), &happened(class));
                FittedCalibration::Isotonic {
                    curves: calibrated_classes(n_classes).map(fit).collect(),
                }
            }
        })
    }
}

/// Of two classes the second says it all.
fn calibrated_classes(n_classes: usize) -> std::ops::Range<usize> {
    if n_classes == 2 { 1..2 } else { 0..n_classes }
}

impl FittedCalibration {
    /// Number of classes `k`.
    pub fn n_classes(&self) -> usize {
        let of = |calibrated: usize| if calibrated == 1 { 2 } else { calibrated };
        match self {
            Self::Temperature { n_classes, .. } => *n_classes,
            Self::Platt { sigmoids } => of(sigmoids.len()),
            Self::Isotonic { curves } => of(curves.len()),
        }
    }

    /// Calibrates `probabilities` (`m × k`); each row of the result sums to 1. A row whose classes all become 0 is undecided:
    /// each class has `1 / k`.
    ///
    /// # Errors
    /// [`MetricsError::WrongClasses`] if there are not `k` columns, [`MetricsError::Probability`],
    /// [`MetricsError::ProbabilitySum`], [`MetricsError::Fitted`] if what was fitted cannot be.
    #[allow(clippy::cast_precision_loss)]
    pub fn apply(&self, probabilities: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        self.check()?;
        check_probabilities("the calibration", self.n_classes(), probabilities)?;
        let mut result = Array2::zeros(probabilities.raw_dim());
        match self {
            Self::Temperature { temperature, .. } => {
                return Ok(temperature::apply(*temperature, probabilities));
            }
            Self::Platt { sigmoids } => {
                for (class, sigmoid) in calibrated_classes(self.n_classes()).zip(sigmoids) {
                    let odds = platt::log_odds(probabilities, class);
                    for (to, odds) in result.column_mut(class).iter_mut().zip(odds) {
                        *to = sigmoid.at(odds);
                    }
                }
            }
            Self::Isotonic { curves } => {
                for (class, curve) in calibrated_classes(self.n_classes()).zip(curves) {
                    for (to, p) in result
                        .column_mut(class)
                        .iter_mut()
                        .zip(probabilities.column(class))
                    {
                        *to = curve.at(*p);
                    }
                }
            }
        }
        let k = result.ncols();
        for mut row in result.axis_iter_mut(Axis(0)) {
            if k == 2 {
                row[0] = 1.0 - row[1];
                continue;
            }
            let sum = row.sum();
            if sum > 0.0 {
                row /= sum;
            } else {
                row.fill(1.0 / k as f64);
            }
        }
        Ok(result)
    }

    fn check(&self) -> Result<()> {
        let damaged = |what: String| Err(MetricsError::Fitted(format!("calibration: {what}")));
        let classes = |calibrated: usize| match calibrated {
            0 => damaged("there are no classes".to_owned()),
            2 => damaged("of two classes only one is calibrated, but there are two entries".to_owned()),
            _ => Ok(()),
        };
        match self {
            Self::Temperature {
                n_classes,
                temperature,
            } => {
                if *n_classes < 2 {
                    return damaged(format!("there are {n_classes} classes"));
                }
                // Within what a fit can give, so that a quotient of a logarithm stays finite.
                if !temperature::RANGE.contains(temperature) {
                    return damaged(format!("the temperature is {temperature}"));
                }
            }
            Self::Platt { sigmoids } => {
                classes(sigmoids.len())?;
                let finite = |s: &Sigmoid| s.slope.is_finite() && s.intercept.is_finite();
                if let Some(bad) = sigmoids.iter().find(|sigmoid| !finite(sigmoid)) {
                    return damaged(format!(
                        "a sigmoid has slope {} and intercept {}",
                        bad.slope, bad.intercept
                    ));
                }
            }
            Self::Isotonic { curves } => {
                classes(curves.len())?;
                for curve in curves {
                    curve.check().or_else(|what| damaged(what.to_owned()))?;
                }
            }
        }
        Ok(())
    }
}

impl Sigmoid {
    /// The calibrated probability for these log-odds, finite ones.
    pub fn at(&self, log_odds: f64) -> f64 {
        let raised = self.slope * log_odds + self.intercept;
        1.0 / (1.0 + (-raised).exp())
    }
}

impl RisingCurve {
    /// The calibrated probability for a predicted one; NaN if there are no points.
    pub fn at(&self, predicted: f64) -> f64 {
        let after = self.predicted.partition_point(|x| *x < predicted);
        let point = |at: usize| Some((*self.predicted.get(at)?, *self.calibrated.get(at)?));
        match (after.checked_sub(1).and_then(point), point(after)) {
            (Some((x0, y0)), Some((x1, y1))) => (y0 + (y1 - y0) * ((predicted - x0) / (x1 - x0))).min(y1),
            (Some((_, y)), None) | (None, Some((_, y))) => y,
            (None, None) => f64::NAN,
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        let (xs, ys) = (&self.predicted, &self.calibrated);
        if xs.is_empty() || xs.len() != ys.len() {
            return Err("a curve has no points, or not as many predicted as calibrated probabilities");
        }
        // NaN lies in no range.
        if !xs.iter().chain(ys).all(|v| (0.0..=1.0).contains(v)) {
            return Err("a curve has a probability outside 0 to 1");
        }
        if !xs.windows(2).all(|pair| pair[0] < pair[1]) || !ys.windows(2).all(|pair| pair[0] <= pair[1]) {
            return Err("a curve does not rise");
        }
        Ok(())
    }
}
