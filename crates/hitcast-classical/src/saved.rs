//! What the models share when they are fitted, saved and loaded.

use std::time::Instant;

use hitcast_core::{CoreError, EpochRecord, Event, Fit, FitContext, Model, ModelState, Result, StopReason};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a fit will take, as far as it is known beforehand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Rows to learn from.
    pub(crate) rows: usize,
    /// Numbers that will be learned.
    pub(crate) parameters: usize,
    /// Bytes of memory.
    pub(crate) bytes: usize,
}

/// What a fit made.
pub(crate) struct Outcome<M> {
    pub(crate) model: M,
    pub(crate) history: Vec<EpochRecord>,
    /// The epoch whose state the model has, from 1, where it may be another than the last.
    pub(crate) best_epoch: Option<usize>,
    pub(crate) stopped: StopReason,
}

impl<M> Outcome<M> {
    /// Of a fit without epochs that did all that it was to do.
    pub(crate) fn completed(model: M) -> Self {
        Self {
            model,
            history: Vec::new(),
            best_epoch: None,
            stopped: StopReason::Completed,
        }
    }
}

/// Runs a fit between its two events.
pub(crate) fn reported<M: Model + 'static>(
    context: &FitContext<'_>,
    size: Size,
    epochs: usize,
    fit: impl FnOnce() -> Result<Outcome<M>>,
) -> Result<Fit> {
    let started = Instant::now();
    let model = context.name;
    context.progress.report(&Event::FitStarted {
        model,
        epochs,
        parameters: size.parameters,
        rows: size.rows,
        bytes: size.bytes,
    });
    let outcome = fit()?;
    let elapsed_seconds = started.elapsed().as_secs_f64();
    let seen = size.rows.saturating_mul(outcome.history.len());
    #[allow(clippy::cast_precision_loss)]
    let rows_per_second = if elapsed_seconds > 0.0 {
        seen as f64 / elapsed_seconds
    } else {
        0.0
    };
    let reason = match outcome.stopped {
        StopReason::Requested => "stop requested",
        StopReason::EarlyStopping => "early stopping",
        _ => "completed",
    };
    context.progress.report(&Event::FitEnded {
        model,
        reason,
        elapsed_seconds,
        rows_per_second,
    });
    Ok(Fit {
        model: Box::new(outcome.model),
        history: outcome.history,
        best_epoch: outcome.best_epoch,
        stopped: outcome.stopped,
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
