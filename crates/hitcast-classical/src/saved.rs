//! What the models share when they are fitted, saved and loaded; the first part is for crates with further models.

use std::time::Instant;

use hitcast_core::{CoreError, EpochRecord, Event, Fit, FitContext, Model, ModelState, Result, StopReason};
use ndarray::ArrayView2;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a fit will take, as far as it is known beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows to learn from.
    pub rows: usize,
    /// Numbers that will be learned.
    pub parameters: usize,
    /// Bytes of memory.
    pub bytes: usize,
}

/// What a fit made.
#[derive(Debug)]
pub struct Outcome<M> {
    /// The fitted model.
    pub model: M,
    /// One record an epoch; empty for a model without epochs.
    pub history: Vec<EpochRecord>,
    /// The epoch that the model is of, from 1; `None` for a model without epochs.
    pub best_epoch: Option<usize>,
    /// Why the fit ended.
    pub stopped: StopReason,
}

impl<M> Outcome<M> {
    /// Of a fit without epochs that did all that it was to do.
    pub fn completed(model: M) -> Self {
        Self {
            model,
            history: Vec::new(),
            best_epoch: None,
            stopped: StopReason::Completed,
        }
    }
}

/// Runs a fit between its two events, [`Event::FitStarted`] and [`Event::FitEnded`]; `epochs` are those it has at most.
///
/// # Errors
/// Those of `fit`.
pub fn reported<M: Model + 'static>(
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
        rows: size.rows,
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

/// Refuses rows to be predicted that hold what is no number.
pub(crate) fn check_finite(features: ArrayView2<'_, f32>, what: &'static str) -> Result<()> {
    match features.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), value)) => Err(CoreError::NotFinite {
            what,
            row,
            column: format!("number {column}"),
            value: f64::from(*value),
        }),
        None => Ok(()),
    }
}

/// Refuses saved classes that do not rise, or are not at least two of so many.
pub(crate) fn check_classes(seen: &[usize], n_classes: usize) -> Result<()> {
    let rising = seen.windows(2).all(|pair| pair[0] < pair[1]);
    if seen.len() < 2 || !rising || seen.last().is_none_or(|last| *last >= n_classes) {
        return Err(CoreError::State(format!("classes {seen:?} of {n_classes}")));
    }
    // A row of probabilities is made for every row that is predicted.
    if n_classes > 1 << 24 {
        return Err(CoreError::State(format!("{n_classes} classes")));
    }
    Ok(())
}
