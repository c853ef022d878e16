//! The name of each metric, as experiments use it.

use serde::{Deserialize, Serialize};

use super::ClassificationMetrics;
use super::confusion::{Average, ConfusionMatrix, KappaWeights};
use crate::metric::{Direction, named_metric};

/// One metric of predicted classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassificationMetric {
    /// Share of rows whose class is predicted.
    Accuracy,
    /// Mean recall of the classes that occur.
    BalancedAccuracy,
    /// Mean precision of the classes.
    PrecisionMacro,
    /// Mean recall of the classes.
    RecallMacro,
    /// Mean F1 of the classes.
    F1Macro,
    /// Mean precision of the classes, weighted by rows.
    PrecisionWeighted,
    /// Mean recall of the classes, weighted by rows.
    RecallWeighted,
    /// Mean F1 of the classes, weighted by rows.
    F1Weighted,
    /// Matthews' correlation coefficient.
    Matthews,
    /// Cohen's kappa.
    CohenKappa,
    /// Mean negative logarithm of the actual class' probability.
    LogLoss,
    /// Brier score.
    Brier,
    /// Area under the receiver operating characteristic.
    RocAuc,
    /// Average precision.
    AveragePrecision,
    /// Expected calibration error.
    CalibrationError,
}

impl ClassificationMetric {
    /// Every metric.
    pub const ALL: [Self; 15] = [
        Self::Accuracy,
        Self::BalancedAccuracy,
        Self::PrecisionMacro,
        Self::RecallMacro,
        Self::F1Macro,
        Self::PrecisionWeighted,
        Self::RecallWeighted,
        Self::F1Weighted,
        Self::Matthews,
        Self::CohenKappa,
        Self::LogLoss,
        Self::Brier,
        Self::RocAuc,
        Self::AveragePrecision,
        Self::CalibrationError,
    ];

    /// Its name, the one that serde and [`FromStr`](std::str::FromStr) use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::BalancedAccuracy => "balanced_accuracy",
            Self::PrecisionMacro => "precision_macro",
            Self::RecallMacro => "recall_macro",
            Self::F1Macro => "f1_macro",
            Self::PrecisionWeighted => "precision_weighted",
            Self::RecallWeighted => "recall_weighted",
            Self::F1Weighted => "f1_weighted",
            Self::Matthews => "matthews",
            Self::CohenKappa => "cohen_kappa",
            Self::LogLoss => "log_loss",
            Self::Brier => "brier",
            Self::RocAuc => "roc_auc",
            Self::AveragePrecision => "average_precision",
            Self::CalibrationError => "calibration_error",
        }
    }

    /// Which way it gets better.
    pub const fn direction(self) -> Direction {
        match self {
            Self::LogLoss | Self::Brier | Self::CalibrationError => Direction::Minimize,
            _ => Direction::Maximize,
        }
    }

    /// This metric among all of them; `None` where it is not defined.
    pub fn of(self, metrics: &ClassificationMetrics) -> Option<f64> {
        match self {
            Self::Accuracy => Some(metrics.accuracy),
            Self::BalancedAccuracy => Some(metrics.balanced_accuracy),
            Self::PrecisionMacro => Some(metrics.precision_macro),
            Self::RecallMacro => Some(metrics.recall_macro),
            Self::F1Macro => Some(metrics.f1_macro),
            Self::PrecisionWeighted => Some(metrics.precision_weighted),
            Self::RecallWeighted => Some(metrics.recall_weighted),
            Self::F1Weighted => Some(metrics.f1_weighted),
            Self::Matthews => Some(metrics.matthews),
            Self::CohenKappa => metrics.cohen_kappa,
            Self::LogLoss => Some(metrics.log_loss),
            Self::Brier => Some(metrics.brier),
            Self::RocAuc => metrics.roc_auc,
            Self::AveragePrecision => metrics.average_precision,
            Self::CalibrationError => Some(metrics.calibration_error),
        }
    }

    /// Whether it depends on what was decided, and not only on probabilities.
    pub const fn is_of_decided(self) -> bool {
        !matches!(
            self,
            Self::LogLoss | Self::Brier | Self::RocAuc | Self::AveragePrecision | Self::CalibrationError
        )
    }

    /// This metric of decided classes; `None` where it is not defined, or depends on probabilities.
    pub(crate) fn of_decided(self, matrix: &ConfusionMatrix) -> Option<f64> {
        let average = |average| matrix.average(average, 1.0);
        match self {
            Self::Accuracy => Some(matrix.accuracy()),
            Self::BalancedAccuracy => Some(matrix.balanced_accuracy()),
            Self::PrecisionMacro => Some(average(Average::Macro).precision),
            Self::RecallMacro => Some(average(Average::Macro).recall),
            Self::F1Macro => Some(average(Average::Macro).f_beta),
            Self::PrecisionWeighted => Some(average(Average::Weighted).precision),
            Self::RecallWeighted => Some(average(Average::Weighted).recall),
            Self::F1Weighted => Some(average(Average::Weighted).f_beta),
            Self::Matthews => Some(matrix.matthews()),
            Self::CohenKappa => matrix.cohen_kappa(KappaWeights::None),
            Self::LogLoss | Self::Brier | Self::RocAuc | Self::AveragePrecision | Self::CalibrationError => {
                None
            }
        }
    }
}

named_metric!(ClassificationMetric, ClassificationMetrics);
