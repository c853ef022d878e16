//! Fitting many models at once: folds, seeds, trials, or the models of an experiment.

use std::num::NonZeroUsize;
use std::time::Instant;

use crate::dataset::Dataset;
use crate::error::{CoreError, Result};
use crate::estimator::{Estimator, Fit, FitContext};
use crate::parallel;

/// One of many fits.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// What is fitted.
    pub estimator: &'a dyn Estimator,
    /// Rows to learn from.
    pub train: &'a Dataset,
    /// Rows that are only looked at.
    pub validation: Option<&'a Dataset>,
    /// Name, seed, device, where events go. Jobs may share a progress display: each event names its fit.
    pub context: FitContext<'a>,
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("rows", &self.train.n_rows())
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// A fit that is done.
#[derive(Debug)]
pub struct Trained {
    /// The fit.
    pub fit: Fit,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Fits all jobs, each on one thread, as many at a time as there are threads; those of one estimator side by side on a GPU,
/// where it can do that ([`Estimator::fit_side_by_side`]). Results stand in the order of the jobs and do not depend on the
/// number of threads: each fit draws from its own seed and shares nothing with the others.
///
/// # Errors
/// Each job has its own result; one that fails leaves the others alone. A job that had not begun when its stop signal was
/// set has [`CoreError::NotBegun`].
///
/// # Panics
/// If a job panics.
pub fn train_many(jobs: &[Job<'_>], threads: NonZeroUsize) -> Vec<Result<Trained>> {
    let mut results: Vec<Option<Result<Trained>>> = jobs.iter().map(|_| None).collect();
    for group in of_one_estimator(jobs) {
        let own: Vec<Job<'_>> = group.iter().map(|&place| jobs[place]).collect();
        let together = own
            .first()
            .filter(|first| own.len() > 1 && !first.context.stop.is_requested())
            .filter(|first| first.estimator.prefers_side_by_side(first.context.device))
            .map(|first| first.estimator.fit_side_by_side(&own));
        for (place, result) in group.into_iter().zip(together.into_iter().flatten()) {
            results[place] = result;
        }
    }
    let left: Vec<usize> = (0..jobs.len())
        .filter(|&place| results[place].is_none())
        .collect();
    let done = parallel::map(left.len(), threads.get(), |nth| train(&jobs[left[nth]]));
    for (place, result) in left.into_iter().zip(done) {
        results[place] = Some(result);
    }
    results.into_iter().flatten().collect()
}

/// Places of jobs that have their estimator in common.
fn of_one_estimator(jobs: &[Job<'_>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (place, job) in jobs.iter().enumerate() {
        let same = |group: &&mut Vec<usize>| std::ptr::eq(jobs[group[0]].estimator, job.estimator);
        match groups.iter_mut().find(same) {
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    groups
}

fn train(job: &Job<'_>) -> Result<Trained> {
    if job.context.stop.is_requested() {
        return Err(not_begun(job));
    }
    let began = Instant::now();
    let fit = job.estimator.fit(job.train, job.validation, &job.context)?;
    Ok(Trained {
        fit,
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn not_begun(job: &Job<'_>) -> CoreError {
    CoreError::NotBegun(job.context.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{FeatureColumn, Features};
    use crate::estimator::{Model, Predictions, StopReason};
    use crate::progress::StopSignal;
    use crate::seed::Seed;
    use crate::state::ModelState;
    use ndarray::{Array2, ArrayView2};

    /// Learns nothing but its seed and its name; "broken" fails, "last" stops what comes after it.
    struct Named;

    struct Constant(f64);

    impl Model for Constant {
        fn kind(&self) -> &'static str {
            "constant"
        }

        fn n_features(&self) -> usize {
            1
        }

        fn n_parameters(&self) -> usize {
            1
        }

        fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
            Ok(Predictions::Regression(vec![self.0; features.nrows()]))
        }

        fn state(&self) -> Result<ModelState> {
            Ok(ModelState {
                settings: self.0.into(),
                tensors: std::collections::BTreeMap::new(),
            })
        }
    }

    impl Estimator for Named {
        fn fit(&self, _: &Dataset, _: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
            match context.name {
                "broken" => return Err(CoreError::State("broken".to_owned())),
                "last" => context.stop.request(),
                _ => {}
            }
            Ok(Fit {
                model: Box::new(Constant(context.seed.stream("value").uniform())),
                history: Vec::new(),
                best_epoch: None,
                stopped: StopReason::Completed,
                rows: 3,
            })
        }
    }

    fn run(names: &[&str], threads: usize) -> Vec<Result<serde_json::Value, String>> {
        let features = Features::new(Array2::zeros((3, 1)), vec![FeatureColumn::plain("a")]).unwrap();
        let data = Dataset::new(features, vec![0.0; 3]).unwrap();
        let stop = StopSignal::new();
        let job = |(place, name)| Job {
            estimator: &Named,
            train: &data,
            validation: None,
            context: FitContext::quiet(name, Seed::new(place as u64), &stop),
        };
        let jobs: Vec<Job<'_>> = names.iter().copied().enumerate().map(job).collect();
        train_many(&jobs, NonZeroUsize::new(threads).unwrap())
            .into_iter()
            .map(|result| match result {
                Ok(trained) => Ok(trained.fit.model.state().unwrap().settings),
                Err(error) => Err(error.to_string()),
            })
            .collect()
    }

    #[test]
    fn results_stand_in_order_whatever_the_number_of_threads() {
        let names = ["a", "b", "broken", "c", "d", "e", "f"];
        let alone = run(&names, 1);
        assert_eq!(alone.iter().filter(|result| result.is_ok()).count(), 6);
        assert!(alone[2].is_err());
        assert_ne!(alone[0], alone[1]);
        for threads in [2, 3, 50] {
            assert_eq!(run(&names, threads), alone);
        }
        assert!(run(&[], 2).is_empty());
    }

    #[test]
    fn what_has_not_begun_at_a_stop_is_told() {
        let results = run(&["a", "last", "b", "c"], 1);
        assert!(results[1].is_ok());
        assert_eq!(
            results[2].clone().unwrap_err(),
            "b was not begun: a stop was requested before"
        );
        assert!(results[3].is_err());
    }
}
