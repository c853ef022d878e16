//! From a network's last units to what it predicts, and back.

use hitcast_kernels::Level;
use hitcast_kernels::product::times_vector;

use super::BLOCK;
use crate::head::{ClassFunction, HeadFunction};

/// From the last units to the prediction.
#[derive(Debug, Clone)]
pub(super) enum End {
    Number {
        weight: Vec<f32>,
        bias: f32,
        function: HeadFunction,
    },
    /// One unit, whose logits are thresholds less it, or of two classes the unit itself.
    OneUnit {
        weight: Vec<f32>,
        bias: f32,
        thresholds: Option<Vec<f32>>,
    },
    /// The last pass gives the logits.
    Softmax { classes: usize },
}

impl End {
    /// Numbers predicted for a row.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Number { .. } => 1,
            Self::OneUnit { thresholds, .. } => {
                thresholds.as_ref().map_or(2, |thresholds| thresholds.len() + 1)
            }
            Self::Softmax { classes } => *classes,
        }
    }

    /// Numbers that it makes that of for a row: a unit, or logits.
    pub(super) fn n_units(&self) -> usize {
        match self {
            Self::Softmax { classes } => *classes,
            _ => 1,
        }
    }

    /// Adds what is predicted for `rows` rows of last units, row-major with this stride.
    pub(super) fn predict(
        &self,
        level: Level,
        from: &[f32],
        stride: usize,
        rows: usize,
        predictions: &mut Vec<f64>,
    ) {
        self.each(level, from, stride, rows, |number, row| match row {
            LastUnits::Number(function) => {
                predictions.push(f64::from(function.value_and_slope(number).0));
            }
            LastUnits::Classes(classes) => predictions.extend(classes.probabilities()),
        });
    }

    /// As [`predict`](Self::predict), and writes the derivatives of one output with respect to the
    /// [`n_units`](Self::n_units) of each row.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn differentiate(
        &self,
        level: Level,
        from: &[f32],
        stride: usize,
        rows: usize,
        output: usize,
        predictions: &mut Vec<f64>,
        slopes: &mut [f32],
    ) {
        let mut slopes = slopes.chunks_exact_mut(self.n_units());
        self.each(level, from, stride, rows, |number, row| {
            let to = slopes.next().unwrap_or_default();
            match row {
                LastUnits::Number(function) => {
                    let (value, slope) = function.value_and_slope(number);
                    predictions.push(f64::from(value));
                    to.fill(slope);
                }
                LastUnits::Classes(classes) => {
                    predictions.extend(classes.probabilities());
                    classes.slopes(output, to);
                }
            }
        });
    }

    /// Calls `work` with each row's unit (0 if there are several) and what it is put into.
    fn each(
        &self,
        level: Level,
        from: &[f32],
        stride: usize,
        rows: usize,
        mut work: impl FnMut(f32, LastUnits<'_>),
    ) {
        let mut units = [0.0; BLOCK];
        let units = &mut units[..rows];
        match self {
            Self::Number {
                weight,
                bias,
                function,
            } => {
                times_vector(level, from, stride, weight, *bias, units);
                for unit in units {
                    work(*unit, LastUnits::Number(*function));
                }
            }
            Self::OneUnit {
                weight,
                bias,
                thresholds,
            } => {
                times_vector(level, from, stride, weight, *bias, units);
                let mut classes = Classes::new(self.width(), thresholds.as_deref());
                for unit in units {
                    classes.read(&[*unit]);
                    work(*unit, LastUnits::Classes(&mut classes));
                }
            }
            Self::Softmax { classes: k } => {
                let mut classes = Classes {
                    function: ClassFunction::Softmax,
                    ..Classes::new(*k, None)
                };
                for row in from.chunks_exact(stride).take(rows) {
                    classes.read(&row[..*k]);
                    work(0.0, LastUnits::Classes(&mut classes));
                }
            }
        }
    }
}

/// What becomes of a row's last units.
enum LastUnits<'a> {
    Number(HeadFunction),
    Classes(&'a mut Classes),
}

/// One row's classes.
struct Classes {
    function: ClassFunction,
    thresholds: Vec<f32>,
    logits: Vec<f32>,
    /// Logarithms of the probabilities.
    logs: Vec<f32>,
    /// Derivatives with respect to these, then to the logits.
    of_logs: Vec<f32>,
    of_logits: Vec<f32>,
}

impl Classes {
    fn new(k: usize, thresholds: Option<&[f32]>) -> Self {
        Self {
            function: if thresholds.is_some() {
                ClassFunction::Cumulative
            } else {
                ClassFunction::Logistic
            },
            thresholds: thresholds.unwrap_or_default().to_vec(),
            logits: Vec::with_capacity(k),
            logs: vec![0.0; k],
            of_logs: vec![0.0; k],
            of_logits: vec![0.0; k],
        }
    }

    fn read(&mut self, units: &[f32]) {
        self.logits.clear();
        match (self.function, units) {
            (ClassFunction::Cumulative, &[unit]) => {
                let logits = self.thresholds.iter().map(|threshold| threshold - unit);
                self.logits.extend(logits);
            }
            _ => self.logits.extend_from_slice(units),
        }
        self.function.log_probabilities(&self.logits, &mut self.logs);
    }

    fn probabilities(&self) -> impl Iterator<Item = f64> {
        self.logs.iter().map(|log| f64::from(*log).exp())
    }

    /// Derivatives of a class' probability with respect to the unit, or to each logit.
    fn slopes(&mut self, class: usize, to: &mut [f32]) {
        self.of_logs.fill(0.0);
        self.of_logs[class] = self.logs[class].exp();
        let of_logits = &mut self.of_logits[..self.logits.len()];
        (self.function).chain(&self.logits, &self.logs, &self.of_logs, of_logits);
        match (self.function, &mut *to) {
            (ClassFunction::Cumulative, [to]) => *to = -of_logits.iter().sum::<f32>(),
            _ => to.copy_from_slice(of_logits),
        }
    }
}
