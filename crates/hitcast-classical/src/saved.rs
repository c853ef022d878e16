//! What the models share when they are fitted, saved and loaded.

use std::time::Instant;

use hitcast_core::{CoreError, Event, Fit, FitContext, Model, ModelState, Result, StopReason};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Runs a fit without epochs between its two events.
pub(crate) fn reported<M: Model + 'static>(
    context: &FitContext<'_>,
    rows: usize,
    parameters: usize,
    fit: impl FnOnce() -> Result<M>,
) -> Result<Fit> {
    let started = Instant::now();
    let model = context.name;
    context.progress.report(&Event::FitStarted {
        model,
        epochs: 0,
        parameters,
        rows,
        bytes: 0,
    });
    let fitted = fit()?;
    let elapsed_seconds = started.elapsed().as_secs_f64();
    context.progress.report(&Event::FitEnded {
        model,
        reason: "completed",
        elapsed_seconds,
        rows_per_second: 0.0,
    });
    Ok(Fit {
        model: Box::new(fitted),
        history: Vec::new(),
        best_epoch: None,
        stopped: StopReason::Completed,
    })
}

/// Facts as the settings of a saved model.
pub(crate) fn to_settings(kind: &str, facts: &impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(facts).map_err(|error| CoreError::model(kind, error))
}

/// Facts from the settings of a saved model.
pub(crate) fn from_settings<T: DeserializeOwned>(kind: &str, state: &ModelState) -> Result<T> {
    serde_json::from_value(state.settings.clone())
        .map_err(|error| CoreError::State(format!("settings of a {kind} model: {error}")))
}

/// The values of a saved vector, all finite.
pub(crate) fn finite(state: &ModelState, name: &str, length: usize) -> Result<Vec<f64>> {
    let values = state.f64(name, &[length])?;
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(CoreError::State(format!("tensor {name:?} holds {value}"))),
        None => Ok(values.to_vec()),
    }
}
