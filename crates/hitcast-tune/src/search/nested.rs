//! A score that was not searched for: outer folds, each with a search of its own inside of its training rows (Varma and Simon
//! 2006).

use std::fmt;

use hitcast_core::Event;
use hitcast_pipeline::{MetricName, Registry, RunContext, TextTable};
use serde::{Deserialize, Serialize};

use super::folds::{Cache, FoldContext, FoldEnd, fit_folds};
use super::trial::{described, mean};
use super::{Search, SearchTask};
use crate::error::{Result, TuneError};
use crate::space::Assignment;

/// What a search is worth on rows that it has not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nested {
    /// Name of the model.
    pub model: String,
    /// What was measured.
    pub metric: MetricName,
    /// The mean over the outer folds.
    pub score: f64,
    /// The standard deviation over the outer folds, with n − 1.
    pub deviation: f64,
    /// The mean of the scores that the inner searches found, which is too good.
    pub searched: f64,
    /// The outer folds.
    pub folds: Vec<NestedFold>,
}

/// One outer fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NestedFold {
    /// The values that the inner search found.
    pub values: Assignment,
    /// Their score in the inner search.
    pub searched: f64,
    /// Their score on the rows of the outer fold, which the inner search has not seen.
    pub score: f64,
}

impl Search {
    /// Searches inside of each of some outer folds, fits what is found on all of the fold's training rows, and scores its test
    /// rows. The folds are divided as the experiment's split is.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`TuneError::Setting`] on fewer than 2 outer folds.
    pub fn nested(
        &self,
        outer_folds: usize,
        task: SearchTask<'_>,
        registry: &Registry,
        context: &RunContext<'_>,
    ) -> Result<Nested> {
        if outer_folds < 2 {
            return Err(TuneError::Setting {
                setting: "outer folds",
                value: outer_folds.to_string(),
                allowed: "at least 2",
            });
        }
        let SearchTask {
            sample,
            rows,
            pipeline,
            ..
        } = task;
        let experiment = sample.experiment();
        let name = &pipeline.model.name;
        // The same folds for every model.
        let seed = experiment.seed.child("nested");
        let metric = self.metric.unwrap_or_else(|| experiment.selection());
        let mut folds = Vec::new();
        let outer = sample.folds(rows, outer_folds, seed.child("folds"))?;
        for (number, fold) in outer.iter().enumerate() {
            let note = format!("{name}: outer fold {} of {outer_folds}", number + 1);
            context.progress.report(&Event::Note(&note));
            let inner = SearchTask {
                rows: &fold.train,
                ..task
            };
            let found = self.run(inner, registry, context, None)?;
            let fold_context = FoldContext {
                sample,
                registry,
                metric,
                device: context.device.unwrap_or(experiment.device),
                stop: context.stop,
                seed,
            };
            let cache = Cache::new(pipeline, 0);
            let ends = fit_folds(
                &fold_context,
                &cache,
                &found.pipeline,
                &[(number, fold)],
                &|_, _| false,
            );
            let score = match ends.into_iter().next() {
                Some(FoldEnd::Scored(fold)) => fold.score,
                Some(FoldEnd::Failed(cause)) => {
                    return Err(TuneError::AllFailed {
                        model: name.clone(),
                        trials: 1,
                        first: 1,
                        cause,
                    });
                }
                Some(FoldEnd::Hopeless(_) | FoldEnd::Stopped) | None => None,
            };
            let best = found.trials.iter().find(|trial| trial.number == found.best);
            folds.push(NestedFold {
                values: best.map(|trial| trial.values.clone()).unwrap_or_default(),
                searched: found.score,
                score: score.ok_or_else(|| TuneError::Stopped(name.clone()))?,
            });
        }
        let of = |part: fn(&NestedFold) -> f64| folds.iter().map(part).collect::<Vec<f64>>();
        let (scores, searched) = (of(|fold| fold.score), of(|fold| fold.searched));
        let score = mean(&scores).unwrap_or(f64::NAN);
        let squares: Vec<f64> = scores.iter().map(|one| (one - score).powi(2)).collect();
        #[allow(clippy::cast_precision_loss)]
        let spread = scores.len() as f64 / (scores.len() as f64 - 1.0);
        Ok(Nested {
            model: name.clone(),
            metric,
            score,
            deviation: mean(&squares).map_or(f64::NAN, |variance| (variance * spread).sqrt()),
            searched: mean(&searched).unwrap_or(f64::NAN),
            folds,
        })
    }
}

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model,
            metric,
            score,
            deviation,
            searched,
            folds,
        } = self;
        writeln!(
            f,
            "{model}: {metric} {score:.4} ± {deviation:.4} on {} outer folds that the searches had not seen ({searched:.4} in the \
             searches)",
            folds.len()
        )?;
        let mut table = TextTable::new(["fold", "unseen", "searched", "settings"]).with_last_left();
        for (number, fold) in folds.iter().enumerate() {
            table.row([
                (number + 1).to_string(),
                format!("{:.4}", fold.score),
                format!("{:.4}", fold.searched),
                described(&fold.values),
            ]);
        }
        write!(f, "{table}")
    }
}
