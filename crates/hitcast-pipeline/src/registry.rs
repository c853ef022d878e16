//! The kinds of model that an experiment may name.
//!
//! This crate knows no model: whoever builds the program hands in the kinds. A kind makes estimators from settings
//! and brings saved models back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hitcast_core::suggest::did_you_mean;
use hitcast_core::{BoxError, DeviceChoice, Estimator, Model, ModelState};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{PipelineError, Result};
use crate::message::explained;

/// A kind of model: what an experiment calls `kind`, and a bundle too.
pub trait ModelKind: Send + Sync {
    /// Its name, as in `network`; equal to [`Model::kind`] of what its estimators fit.
    fn name(&self) -> &'static str;

    /// Whether its estimators divide the rows that they are given: a sampler must then work inside of what they divide. Default
    /// false.
    fn divides_rows(&self) -> bool {
        false
    }

    /// An estimator with these settings; an empty object stands for the defaults. [`parse_settings`] turns settings
    /// into a struct with errors that name the nearest setting.
    ///
    /// # Errors
    /// The kind's own error on settings that it does not know or that are out of range.
    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError>;

    /// A fitted model from its saved form, on this device. The state comes from a file and is not to be trusted: its
    /// settings, and the names and shapes of its tensors, are checked here; its numbers are known to be finite.
    ///
    /// # Errors
    /// The kind's own error on a state that is not one of its own.
    fn load(&self, state: &ModelState, device: DeviceChoice) -> Result<Box<dyn Model>, BoxError>;
}

/// The kinds of model by name.
#[derive(Clone, Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Arc<dyn ModelKind>>,
}

impl Registry {
    /// A registry without kinds.
    pub fn new() -> Self {
        Self::default()
    }

    /// This registry with one more kind; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, kind: impl ModelKind + 'static) -> Self {
        self.register(kind);
        self
    }

    /// Adds a kind; one of the same name is replaced.
    pub fn register(&mut self, kind: impl ModelKind + 'static) {
        self.kinds.insert(kind.name(), Arc::new(kind));
    }

    /// The names of the kinds, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.kinds.keys().copied()
    }

    /// Whether there is a kind of this name.
    pub fn contains(&self, kind: &str) -> bool {
        self.kinds.contains_key(kind)
    }

    /// The kind of this name, for the model called `model`.
    ///
    /// # Errors
    /// [`PipelineError::UnknownKind`] with the nearest name.
    pub fn get(&self, kind: &str, model: &str) -> Result<&dyn ModelKind> {
        self.kinds
            .get(kind)
            .map(|kind| &**kind)
            .ok_or_else(|| PipelineError::UnknownKind {
                model: model.to_owned(),
                kind: kind.to_owned(),
                suggestion: did_you_mean(kind, self.names()),
                available: if self.kinds.is_empty() {
                    "none: register one".to_owned()
                } else {
                    self.names().collect::<Vec<_>>().join(", ")
                },
            })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Settings as a struct. With `#[serde(default, deny_unknown_fields)]` on it, an empty object gives the defaults and an
/// unknown setting an error with the nearest name.
///
/// # Errors
/// An error in one sentence, naming the setting.
pub fn parse_settings<T: DeserializeOwned>(settings: &Value) -> Result<T, BoxError> {
    T::deserialize(settings).map_err(|error| format!("settings: {}", explained(&error.to_string())).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        learning_rate: f64,
        patience: usize,
    }

    #[test]
    fn an_unknown_setting_is_answered_with_the_nearest() {
        let error = parse_settings::<Settings>(&serde_json::json!({"learningrate": 0.1})).unwrap_err();
        assert!(
            error.to_string().contains("did you mean \"learning_rate\"?"),
            "{error}"
        );
        assert_eq!(
            parse_settings::<Settings>(&serde_json::json!({})).unwrap(),
            Settings::default()
        );
    }

    #[test]
    fn an_unknown_kind_in_an_empty_registry_says_so() {
        let error = Registry::new().get("network", "a").err().unwrap();
        assert!(error.to_string().contains("none: register one"), "{error}");
    }
}
