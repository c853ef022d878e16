//! The second fit, on training and validation rows together.

use hitcast_core::{CoreError, Event, Job, StopReason, train_many};

use super::RunContext;
use super::fit::{Candidate, Fitted, checkpoint_folders, failure, fit_context};
use super::rows::Parts;

/// Fits each model that does not need the validation rows again on the training rows of `whole`, which hold them. One that
/// fails, or that a stop comes before, stays as it was fitted first.
pub(super) fn refit(
    candidates: &[Candidate<'_>],
    fitted: &mut [Fitted],
    whole: &Parts<'_>,
    context: &RunContext<'_>,
    warnings: &mut Vec<String>,
) {
    let experiment = whole.sample.experiment();
    // Beside those of the first fit, which a run that is taken up again takes its result from.
    let folders = checkpoint_folders(candidates, context, "-again");
    let (again, jobs): (Vec<&mut Fitted>, Vec<Job<'_>>) = (fitted.iter_mut())
        .filter(|one| !candidates[one.place].estimator.uses_validation())
        .map(|one| {
            let candidate = &candidates[one.place];
            let job = Job {
                estimator: &*candidate.estimator,
                train: whole.prepared.train(),
                validation: None,
                context: fit_context(experiment, candidate, folders[one.place].as_deref(), context),
            };
            (one, job)
        })
        .unzip();
    let note = "fitting again on training and validation rows together";
    context.progress.report(&Event::Note(note));
    for (one, result) in again
        .into_iter()
        .zip(train_many(&jobs, context.fits_at_once(experiment)))
    {
        let name = &one.report.name;
        match result {
            Err(CoreError::NotBegun(_)) => {
                warnings.push(format!("a stop was requested before {name} was fitted again"));
            }
            // Half a fit is worth less than the whole one that there is.
            Ok(trained) if trained.fit.stopped == StopReason::Requested => {
                warnings.push(format!(
                    "a stop was requested while {name} was fitted again; it stays as it was"
                ));
            }
            Err(error) => {
                let error = failure(&candidates[one.place], error.into());
                warnings.push(format!("{error}, while it was fitted again; it stays as it was"));
            }
            Ok(trained) => {
                if let Err(error) = one.replace(trained, whole) {
                    let error = failure(&candidates[one.place], error);
                    warnings.push(format!("{error}, after it was fitted again; it stays as it was"));
                }
            }
        }
    }
}
