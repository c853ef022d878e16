//! From a model's probabilities to the class that is decided on; learned from validation rows, saved in the bundle.

use hitcast_core::{Dataset, Predictions, Task};
use hitcast_metrics::decision::costs::CostMatrix;
use hitcast_metrics::{Calibration, FittedCalibration, FittedThreshold, ThresholdRule, likeliest};
use serde::{Deserialize, Serialize};

use crate::error::{PipelineError, Result};
use crate::score::{Predicted, class_numbers};

/// How classes are decided on. What has to be learned for it is learned from the validation rows of each model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionSettings {
    /// How probabilities are made to come true. Default: they stay as the model gives them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// From which probability on the second of two classes is decided for. Default: the likeliest class is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<ThresholdRule>,
    /// What each decision costs, a row for each actual class and in it a number for each class that is decided for: the
    /// class that costs least is decided for. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub costs: Option<CostMatrix>,
}

/// How one model's classes are decided on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What is done to its probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<FittedCalibration>,
    /// From which probability on the second of two classes is decided for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<FittedThreshold>,
    /// What decisions cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs: Option<CostMatrix>,
}

impl DecisionSettings {
    /// Whether everything is left as it is by default.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks what can be checked before rows are read.
    pub(crate) fn check(&self, is_of_classes: bool) -> Result<()> {
        if !is_of_classes && !self.is_default() {
            let message =
                "is about classes, but the target is a number; say how it becomes classes with data.classes";
            return Err(PipelineError::setting("decision", message));
        }
        if self.threshold.is_some() && self.costs.is_some() {
            let message = "a threshold and costs decide the same thing; keep one of them";
            return Err(PipelineError::setting("decision", message));
        }
        Ok(())
    }

    /// Checks what depends on the number of classes.
    pub(crate) fn check_for(&self, n_classes: usize) -> Result<()> {
        if self.threshold.is_some() && n_classes != 2 {
            let message = format!("divides two classes, but there are {n_classes}; use decision.costs");
            return Err(PipelineError::setting("decision.threshold", message));
        }
        match &self.costs {
            Some(costs) if costs.n_classes() != n_classes => {
                let message = format!(
                    "are of {} classes, but there are {n_classes}; give a row and a column for each",
                    costs.n_classes()
                );
                Err(PipelineError::setting("decision.costs", message))
            }
            _ => Ok(()),
        }
    }

    /// Checks the validation rows, before the hours of a training rather than after them.
    pub(crate) fn check_rows(&self, rows: &Dataset) -> Result<()> {
        let (Some(classes), Task::Classification { n_classes }) = (rows.classes(), rows.task()) else {
            return Ok(());
        };
        let calibration = self.calibration.map_or(Ok(()), |calibration| {
            calibration.check_classes(&classes, n_classes)
        });
        let threshold = self
            .threshold
            .map_or(Ok(()), |threshold| threshold.check_classes(&classes));
        calibration.and(threshold).map_err(|error| {
            let message = format!("validation rows: {error}, or stratify the split by the target");
            PipelineError::setting("decision", message)
        })
    }

    /// Learns from what a model predicts for validation rows, and what they are.
    pub(crate) fn fit(&self, predictions: &Predictions, actual: &[f64]) -> Result<Decision> {
        let Some(probabilities) = predictions.probabilities() else {
            return Ok(Decision::default());
        };
        let actual = class_numbers(actual);
        let calibration = self
            .calibration
            .map(|calibration| calibration.fit(probabilities, &actual))
            .transpose()?;
        let calibrated = match &calibration {
            Some(calibration) => calibration.apply(probabilities)?,
            None => probabilities.to_owned(),
        };
        let threshold = self
            .threshold
            .map(|threshold| threshold.fit(calibrated.view(), &actual))
            .transpose()?;
        Ok(Decision {
            calibration,
            threshold,
            costs: self.costs.clone(),
        })
    }
}

impl Decision {
    /// Calibrates predictions, and decides.
    pub(crate) fn apply(&self, predictions: Predictions) -> Result<Predicted> {
        let Some(probabilities) = predictions.probabilities() else {
            return Ok(Predicted {
                predictions,
                classes: None,
            });
        };
        let probabilities = match &self.calibration {
            Some(calibration) => calibration.apply(probabilities)?,
            None => probabilities.to_owned(),
        };
        let view = probabilities.view();
        let classes = match (&self.threshold, &self.costs) {
            (Some(threshold), _) => threshold.decide(view)?,
            (None, Some(costs)) => costs.decide(view)?,
            (None, None) => likeliest(view),
        };
        Ok(Predicted {
            predictions: Predictions::Classification(probabilities),
            classes: Some(classes),
        })
    }

    /// What does not fit a model of this task; `None` if all does.
    pub(crate) fn misfit(&self, task: Task) -> Option<&'static str> {
        let Task::Classification { n_classes } = task else {
            return (*self != Self::default()).then_some("a decision about numbers");
        };
        let other = |n: usize| n != n_classes;
        match self {
            Self {
                calibration: Some(calibration),
                ..
            } if other(calibration.n_classes()) => Some("a calibration of another number of classes"),
            Self {
                costs: Some(costs), ..
            } if other(costs.n_classes()) => Some("costs of another number of classes"),
            Self {
                threshold: Some(_), ..
            } if other(2) => Some("a threshold between more than two classes"),
            _ => None,
        }
    }
}
