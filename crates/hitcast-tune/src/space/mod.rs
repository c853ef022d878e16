//! What is searched: settings of a pipeline by their paths, each with a distribution.
//!
//! A path is that of a setting of the model (`settings.max_depth`, `sampler.k_neighbors`, `class_weights`, `kind`) or of what
//! comes before it (`recipe.columns.0.scale`, `outliers.0.factor`); list items have their numbers. In TOML:
//!
//! ```toml
//! "settings.n_estimators" = { kind = "integer", low = 50, high = 400, step = 50 }
//! "settings.max_depth" = { kind = "choice", values = [10, 20], unset = true }
//! "settings.kernel" = { kind = "choice", values = ["rbf", "poly"] }
//! "settings.c" = { kind = "log_uniform", low = 0.1, high = 1000.0 }
//! "settings.degree" = { kind = "integer", low = 2, high = 4, when = { "settings.kernel" = ["poly"] } }
//! ```

mod apply;
mod builtin;
pub(crate) mod distribution;

use std::collections::{BTreeMap, BTreeSet};

use hitcast_core::Stream;
use hitcast_core::suggest::did_you_mean;
use hitcast_pipeline::{Pipeline, Registry};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Result, TuneError};

pub use distribution::Distribution;

/// The values of one trial by path; null stands for a setting that is left out.
pub type Assignment = BTreeMap<String, Value>;

/// Settings to search, by path.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SearchSpace {
    /// The parameters.
    pub parameters: BTreeMap<String, Parameter>,
}

/// One setting to search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Value")]
pub struct Parameter {
    /// Where its values come from.
    pub distribution: Distribution,
    /// The values that other parameters must have for this one to be there, by path. Default: none.
    pub when: BTreeMap<String, Vec<Value>>,
}

impl From<Distribution> for Parameter {
    fn from(distribution: Distribution) -> Self {
        Self {
            distribution,
            when: BTreeMap::new(),
        }
    }
}

impl TryFrom<Map<String, Value>> for Parameter {
    type Error = String;

    fn try_from(mut map: Map<String, Value>) -> Result<Self, String> {
        let when = map.remove("when").unwrap_or_else(|| Value::Object(Map::new()));
        let when = serde_json::from_value(when).map_err(|error| format!("when: {error}"))?;
        let distribution = serde_json::from_value(Value::Object(map)).map_err(|error| error.to_string())?;
        Ok(Self { distribution, when })
    }
}

impl From<Parameter> for Value {
    fn from(parameter: Parameter) -> Self {
        let mut value = serde_json::to_value(&parameter.distribution).unwrap_or_default();
        if let Some(map) = value.as_object_mut().filter(|_| !parameter.when.is_empty()) {
            map.insert("when".to_owned(), serde_json::json!(parameter.when));
        }
        value
    }
}

impl SearchSpace {
    /// A space without parameters: every trial is the pipeline as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// This space with one more parameter; one of the same path is replaced.
    #[must_use]
    pub fn with(mut self, path: impl Into<String>, parameter: impl Into<Parameter>) -> Self {
        self.parameters.insert(path.into(), parameter.into());
        self
    }

    /// This space with a parameter that is only there where another has one of these values.
    #[must_use]
    pub fn with_when(
        self,
        path: impl Into<String>,
        distribution: Distribution,
        other: impl Into<String>,
        values: impl IntoIterator<Item = Value>,
    ) -> Self {
        let when = BTreeMap::from([(other.into(), values.into_iter().collect())]);
        self.with(path, Parameter { distribution, when })
    }

    /// The paths, each after those that it depends on.
    ///
    /// # Errors
    /// [`TuneError::Space`] if a condition names no parameter, or if parameters depend on each other in a circle.
    fn order(&self) -> Result<Vec<&str>> {
        let mut order: Vec<&str> = Vec::new();
        let mut placed: BTreeSet<&str> = BTreeSet::new();
        for (name, parameter) in &self.parameters {
            let is_unknown = |other: &&String| !self.parameters.contains_key(*other);
            if let Some(other) = parameter.when.keys().find(is_unknown) {
                let suggestion = did_you_mean(other, self.parameters.keys().map(String::as_str));
                let message = format!("depends on {other:?}, which is no parameter of the space{suggestion}");
                return Err(TuneError::space(name, message));
            }
        }
        while order.len() < self.parameters.len() {
            let is_ready = |name: &&String| {
                !placed.contains(name.as_str())
                    && self.parameters[*name]
                        .when
                        .keys()
                        .all(|other| placed.contains(other.as_str()))
            };
            let Some(next) = self.parameters.keys().find(is_ready) else {
                let stuck = self
                    .parameters
                    .keys()
                    .find(|name| !placed.contains(name.as_str()));
                let name = stuck.map_or("", String::as_str);
                return Err(TuneError::space(name, "depends on itself through its conditions"));
            };
            placed.insert(next);
            order.push(next);
        }
        Ok(order)
    }

    /// Checks the space against the pipeline that it changes: distributions, conditions, and that the pipeline has each setting.
    /// Values that a model refuses only when it is fitted make trials that fail.
    ///
    /// # Errors
    /// [`TuneError::Space`] with the parameter, and the nearest name for an unknown setting.
    pub fn check(&self, pipeline: &Pipeline, registry: &Registry) -> Result<()> {
        self.order()?;
        for (name, parameter) in &self.parameters {
            parameter
                .distribution
                .check()
                .map_err(|message| TuneError::space(name, message))?;
        }
        for (name, parameter) in &self.parameters {
            for (other, wanted) in &parameter.when {
                let possible = &self.parameters[other].distribution;
                let impossible = wanted.iter().find(|value| possible.place(value).is_none());
                let message = match impossible {
                    Some(value) => format!("depends on {other:?} being {value}, which it never is"),
                    None if wanted.is_empty() => {
                        format!("depends on {other:?}, but names none of its values")
                    }
                    None => continue,
                };
                return Err(TuneError::space(name, message));
            }
            for value in parameter.distribution.extremes() {
                let mut values = Assignment::new();
                self.settle(name, value, &mut values);
                self.apply(pipeline, &values)
                    .and_then(|tried| Ok(tried.model.estimator(registry).map(|_| ())?))
                    .map_err(|error| match error {
                        space @ TuneError::Space { .. } => space,
                        other => TuneError::space(name, other.to_string()),
                    })?;
            }
        }
        Ok(())
    }

    /// Sets a parameter, and those that it depends on so that it is there.
    fn settle(&self, name: &str, value: Value, values: &mut Assignment) {
        values.insert(name.to_owned(), value);
        for (other, wanted) in self.parameters.get(name).into_iter().flat_map(|one| &one.when) {
            if let Some(first) = wanted.first().filter(|_| !values.contains_key(other)) {
                self.settle(other, first.clone(), values);
            }
        }
    }

    /// Draws a value for each parameter that is there, by what `draw` says of its distribution.
    pub(crate) fn draw(&self, mut draw: impl FnMut(&str, &Distribution) -> Value) -> Result<Assignment> {
        let mut values = Assignment::new();
        for name in self.order()? {
            let parameter = &self.parameters[name];
            let is_there = (parameter.when.iter())
                .all(|(other, wanted)| values.get(other).is_some_and(|value| wanted.contains(value)));
            if is_there {
                values.insert(name.to_owned(), draw(name, &parameter.distribution));
            }
        }
        Ok(values)
    }

    /// Draws every parameter from its distribution.
    ///
    /// # Errors
    /// [`TuneError::Space`] as [`check`](Self::check).
    pub fn sample(&self, random: &mut Stream) -> Result<Assignment> {
        self.draw(|_, distribution| distribution.sample(random))
    }
}
