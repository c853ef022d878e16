//! What a trial came to.

use std::fmt;

use hitcast_metrics::Direction;
use hitcast_pipeline::{MetricName, Pipeline, TextTable};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::space::Assignment;

/// One choice of settings, and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Its number, from 1.
    pub number: usize,
    /// Its values by path; null for a setting that is left out.
    pub values: Assignment,
    /// How it ended.
    pub state: TrialState,
    /// The mean of its scores; of a trial that ended early `None`.
    pub score: Option<f64>,
    /// Its score on each fold, as far as it came.
    pub folds: Vec<FoldScore>,
    /// Seconds of its fits and predictions, summed over the folds.
    pub seconds: f64,
    /// Seconds of the whole search when it ended.
    pub elapsed_seconds: f64,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrialState {
    /// It has a score on every fold.
    Completed,
    /// It was hopeless.
    Pruned,
    /// A fold could not be fitted or judged.
    Failed {
        /// Why.
        cause: String,
    },
}

/// A trial on one fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldScore {
    /// The metric on the rows held out; `None` if the fit ended before.
    pub score: Option<f64>,
    /// Seconds of fit and prediction.
    pub seconds: f64,
    /// The loss of rows that were not learned from after each epoch; empty for a model without epochs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<f64>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Name of the model.
    pub model: String,
    /// What trials were judged by.
    pub metric: MetricName,
    /// Number of the best trial, from 1.
    pub best: usize,
    /// Its score: the best of many, and so too good for rows that the search has not seen.
    pub score: f64,
    /// The pipeline with its values.
    pub pipeline: Pipeline,
    /// Every trial, in order.
    pub trials: Vec<Trial>,
}

impl Trial {
    /// Its scores on the folds that came to one.
    pub(super) fn scores(&self) -> Vec<f64> {
        self.folds.iter().map_while(|fold| fold.score).collect()
    }
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| hitcast_core::stats::sum(values.iter().copied()) / values.len() as f64)
}

/// The best of the trials that are complete, the first of equals.
pub(super) fn best<'t>(
    trials: impl IntoIterator<Item = &'t Trial>,
    direction: Direction,
) -> Option<(&'t Trial, f64)> {
    let complete = trials
        .into_iter()
        .filter(|trial| trial.state == TrialState::Completed);
    let scored = complete.filter_map(|trial| Some((trial, trial.score?)));
    scored.reduce(|best, new| {
        if direction.is_better(new.1, best.1) {
            new
        } else {
            best
        }
    })
}

/// A trial's values in a line.
pub(super) fn described(values: &Assignment) -> String {
    let one = |(path, value): (&String, &Value)| {
        let name = path.strip_prefix("settings.").unwrap_or(path);
        match value {
            Value::Null => format!("{name} default"),
            Value::Number(number) => match number.as_f64().filter(|_| !number.is_i64()) {
                Some(float) => format!("{name} {float:.4}"),
                None => format!("{name} {number}"),
            },
            Value::String(text) => format!("{name} {text}"),
            other => format!("{name} {other}"),
        }
    };
    let all: Vec<String> = values.iter().map(one).collect();
    if all.is_empty() {
        "as it is".to_owned()
    } else {
        all.join(", ")
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        let count =
            |wanted: fn(&TrialState) -> bool| self.trials.iter().filter(|trial| wanted(&trial.state)).count();
        let completed = count(|state| matches!(state, TrialState::Completed));
        let pruned = count(|state| matches!(state, TrialState::Pruned));
        let failed = count(|state| matches!(state, TrialState::Failed { .. }));
        write!(f, "{}: {completed} trials", self.model)?;
        for (count, what) in [(pruned, "ended early as hopeless"), (failed, "failed")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        let seconds: f64 = self.trials.iter().map(|trial| trial.seconds).sum();
        writeln!(f, ", {seconds:.1} s of fits and predictions")?;
        let mut scored: Vec<(&Trial, f64)> = self
            .trials
            .iter()
            .filter_map(|trial| Some((trial, trial.score?)))
            .collect();
        let direction = self.metric.direction();
        scored.sort_by(|(_, a), (_, b)| match direction {
            Direction::Minimize => a.total_cmp(b),
            Direction::Maximize => b.total_cmp(a),
        });
        let name = self.metric.to_string();
        let mut table =
            TextTable::new(["trial", name.as_str(), "worst fold", "seconds", "settings"]).with_last_left();
        for (trial, score) in scored.into_iter().take(SHOWN) {
            let worst = (trial.scores().into_iter())
                .reduce(|a, b| if direction.is_better(a, b) { b } else { a })
                .unwrap_or(f64::NAN);
            table.row([
                trial.number.to_string(),
                format!("{score:.4}"),
                format!("{worst:.4}"),
                format!("{:.1}", trial.seconds),
                described(&trial.values),
            ]);
        }
        write!(f, "{table}")?;
        if let Some((number, cause)) = self.trials.iter().find_map(|trial| match &trial.state {
            TrialState::Failed { cause } => Some((trial.number, cause)),
            _ => None,
        }) {
            writeln!(f, "  trial {number} failed: {cause}")?;
        }
        Ok(())
    }
}
