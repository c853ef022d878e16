//! Search over a pipeline's settings by cross-validation.

mod folds;
mod history;
mod nested;
mod pruner;
mod run;
mod tpe;
mod trial;

use hitcast_metrics::Direction;
use hitcast_pipeline::{MetricName, Pipeline, Sample};
use serde::{Deserialize, Serialize};

use crate::error::{Result, TuneError};
use crate::space::SearchSpace;

pub use nested::{Nested, NestedFold};
pub use pruner::Pruner;
pub use tpe::Tpe;
pub use trial::{FoldScore, Found, Trial, TrialState};

/// How settings are searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Search {
    /// How the next trial is chosen. Default TPE.
    pub method: Method,
    /// Trials at most, from 1 to 100,000. Default 20. A space of few values ends sooner: no trial is made twice, and a search ends
    /// when two hundred draws bring none that is new.
    pub trials: usize,
    /// Seconds after which no trial begins any more, those of former sittings included. Default: no limit.
    pub time_limit_seconds: Option<f64>,
    /// Folds that each trial is judged on, 2 to 10; divided as the experiment's split is. Default 5.
    pub folds: usize,
    /// What trials are judged by: the mean over the folds. Classes are judged by their probabilities and the likeliest of
    /// them. Default: the experiment's `metrics.selection`.
    pub metric: Option<MetricName>,
    /// What ends hopeless trials early. Default: nothing. With a pruner the folds of a trial are fitted one after another.
    pub pruner: Option<Pruner>,
    /// Trials that may be under way at once, at least 1: the choice of a trial knows all that came so many before it or earlier.
    /// Results depend on it, and not on the number of threads. Default 4.
    pub parallel_trials: usize,
}

/// How the next trial is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Method {
    /// Every parameter is drawn from its distribution (Bergstra and Bengio 2012).
    Random,
    /// Values are preferred that good trials have and others have not.
    Tpe(Tpe),
}

impl Default for Search {
    fn default() -> Self {
        Self {
            method: Method::Tpe(Tpe::default()),
            trials: 20,
            time_limit_seconds: None,
            folds: 5,
            metric: None,
            pruner: None,
            parallel_trials: 4,
        }
    }
}

impl Search {
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |setting, value: &dyn std::fmt::Display, allowed| {
            Err(TuneError::Setting {
                setting,
                value: value.to_string(),
                allowed,
            })
        };
        if !(1..=100_000).contains(&self.trials) {
            return refuse("trials", &self.trials, "from 1 to 100,000");
        }
        if !(2..=10).contains(&self.folds) {
            return refuse("folds", &self.folds, "from 2 to 10");
        }
        if self.parallel_trials == 0 {
            return refuse("parallel_trials", &self.parallel_trials, "at least 1");
        }
        if let Some(seconds) = self
            .time_limit_seconds
            .filter(|seconds| seconds.is_nan() || *seconds <= 0.0)
        {
            return refuse("time_limit_seconds", &seconds, "above 0");
        }
        if let Method::Tpe(tpe) = &self.method {
            tpe.check()?;
        }
        self.pruner.as_ref().map_or(Ok(()), Pruner::check)
    }
}

/// What is searched, and by which rows.
#[derive(Debug, Clone, Copy)]
pub struct SearchTask<'a> {
    /// The sample that the rows are of.
    pub sample: &'a Sample<'a>,
    /// The rows to learn from and to be judged by, as places in the sample. No others are looked at.
    pub rows: &'a [usize],
    /// The pipeline whose settings are searched.
    pub pipeline: &'a Pipeline,
    /// The settings.
    pub space: &'a SearchSpace,
}

/// What all trials of a search have in common.
struct Plan<'a> {
    search: &'a Search,
    task: SearchTask<'a>,
    metric: MetricName,
}

impl Plan<'_> {
    fn direction(&self) -> Direction {
        self.metric.direction()
    }
}
