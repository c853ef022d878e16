//! An experiment as plain data: what to read, how to clean it, what to fit and how to judge it.
//!
//! On disk it is TOML; every setting that is left out has the default that its documentation names, and an unknown
//! setting is an error with the nearest name. [`Experiment::preset`] has two to start from.

mod check;
mod preset;

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use hitcast_core::{DeviceChoice, Seed, Task};
use hitcast_data::{Cleaning, OutlierRule};
use hitcast_metrics::Bootstrap;
use hitcast_preprocess::{ClassRule, Recipe, Sampler, SplitSettings, SplitStrategy};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::decision::DecisionSettings;
use crate::error::{PipelineError, Result};
use crate::imbalance::ClassWeights;
use crate::message::explained;
use crate::score::MetricName;

/// Everything that decides a [`Run`](crate::Run): the same experiment on the same file gives the same numbers on the same
/// machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name, for people.
    pub name: String,
    /// Where all randomness comes from. Default 42.
    #[serde(default = "default_seed")]
    pub seed: Seed,
    /// Where networks run. Default `auto`.
    #[serde(default)]
    pub device: DeviceChoice,
    /// What is read, predicted and learned from.
    pub data: DataSettings,
    /// How rows are divided. Default: 80 % to learn from, 10 % to choose by, 10 % to test on, at random.
    #[serde(default)]
    pub split: SplitSettings,
    /// How models are judged and the best is chosen.
    #[serde(default)]
    pub metrics: MetricsSettings,
    /// Steps that clean the table before it is split; none of them learns from the data.
    #[serde(default)]
    pub cleaning: Cleaning,
    /// What is done about outliers; bounds are learned on the training rows. Default: nothing.
    #[serde(default)]
    pub outliers: Vec<OutlierRule>,
    /// How the features become numbers near zero; learned on the training rows. Features that no entry names are taken
    /// as they are.
    #[serde(default)]
    pub recipe: Recipe,
    /// How classes are decided on, where the target is one.
    #[serde(default, skip_serializing_if = "DecisionSettings::is_default")]
    pub decision: DecisionSettings,
    /// Whether a model that does not need the validation rows is fitted again on training and validation rows together, once the
    /// models were measured on the latter. What it has to do with test rows, and the bundle, are then of that fit; calibration and
    /// threshold stay as they were learned before. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refit: bool,
    /// The models among which the best is chosen by its validation rows.
    pub models: Vec<ModelSpec>,
    /// Models that are fitted and shown beside the others, but never chosen. Default: one of kind `linear`, or `logistic` where
    /// the target is a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<Vec<ModelSpec>>,
}

/// What is read, predicted and learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// The file, CSV as it is or in `.gz` or `.zip`. A preset has none: give it with [`Experiment::with_data`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Name of a schema in the catalogue, or path of a schema in TOML. Default: recognised by the file's header, else
    /// inferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Whether a bad value costs its row instead of ending the run; such rows are listed in the report. Default false.
    #[serde(default)]
    pub skip_bad_rows: bool,
    /// Column that is predicted.
    pub target: String,
    /// How the target becomes classes: by a threshold, by bins, or by its own values. A split that is stratified by the target
    /// then keeps the shares of the classes. Default: none, it is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassRule>,
    /// Columns that are learned from.
    pub features: Vec<String>,
    /// Column that says how much a row counts while it is learned from, at least 0; only the ratios matter. What is judged
    /// counts once, the rows to choose by included. Default: none, all rows count the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// Column that is equal for rows that belong together, for the grouped split, as the one that the cleaning step
    /// `song_key` makes. A row that lacks it is a group of its own. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Columns by which the chosen model's test metrics are reported too. A column that the file lacks is passed over
    /// with a warning. Default: none.
    #[serde(default)]
    pub by: Vec<String>,
}

/// How models are judged and the best is chosen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// The metric of the validation rows that chooses the best model. Default `rmse`, of classes `log_loss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<MetricName>,
    /// The confidence intervals of the chosen model's test metrics.
    pub bootstrap: Bootstrap,
    /// Whether every model gets such intervals. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub every_model: bool,
}

/// A model to fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Name, unique in the experiment.
    pub name: String,
    /// Its kind, as in `network`: one of the [`Registry`](crate::Registry)'s.
    pub kind: String,
    /// What the kind calls its settings. Default: none, for the kind's defaults.
    #[serde(default = "no_settings", skip_serializing_if = "is_empty")]
    pub settings: Value,
    /// How much each class counts while it learns, where the target is a class. Default: each row counts the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
    /// What is done about rare classes in its training rows. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<Sampler>,
}

impl ModelSpec {
    /// A model of this kind with its default settings.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            settings: no_settings(),
            class_weights: None,
            sampler: None,
        }
    }
}

fn default_seed() -> Seed {
    Seed::new(42)
}

fn no_settings() -> Value {
    Value::Object(Map::new())
}

fn is_empty(settings: &Value) -> bool {
    settings.as_object().is_some_and(Map::is_empty)
}

impl Experiment {
    /// The models that are shown beside the others: those listed, or the default ones.
    pub fn reference_models(&self) -> Cow<'_, [ModelSpec]> {
        match &self.references {
            Some(references) => Cow::Borrowed(references),
            None => {
                let kind = if self.data.classes.is_some() {
                    "logistic"
                } else {
                    "linear"
                };
                Cow::Owned(vec![ModelSpec::new(kind, kind)])
            }
        }
    }

    /// The metric of the validation rows that chooses the best model: the one that is set, or the default one.
    pub fn selection(&self) -> MetricName {
        self.metrics.selection.unwrap_or_else(|| match self.data.classes {
            Some(_) => MetricName::default_of(Task::Classification { n_classes: 2 }),
            None => MetricName::default_of(Task::Regression),
        })
    }

    /// Reads an experiment from TOML.
    ///
    /// # Errors
    /// [`PipelineError::Setting`] with line and column, and the nearest name for an unknown setting.
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::parse(text, "experiment")
    }

    /// Reads an experiment from a file.
    ///
    /// # Errors
    /// [`PipelineError::File`] if it cannot be read, else as [`from_toml`](Self::from_toml).
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(PipelineError::file("read", path))?;
        Self::parse(&text, &path.display().to_string())
    }

    fn parse(text: &str, origin: &str) -> Result<Self> {
        let experiment: Self = toml::from_str(text)
            .map_err(|error| PipelineError::setting(origin, toml_message(text, &error)))?;
        experiment.check()?;
        Ok(experiment)
    }

    /// This experiment as TOML that [`from_toml`](Self::from_toml) reads back to the same.
    ///
    /// # Errors
    /// [`PipelineError::Setting`] on a value that TOML does not have, as a seed beyond 2⁶³ or a `null` among a model's
    /// settings.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|error| PipelineError::setting(&self.name, format!("cannot be TOML: {error}")))
    }

    /// This experiment on another file.
    #[must_use]
    pub fn with_data(mut self, path: impl Into<PathBuf>) -> Self {
        self.data.path = Some(path.into());
        self
    }

    /// This experiment with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: impl Into<Seed>) -> Self {
        self.seed = seed.into();
        self
    }

    /// This experiment with its rows divided by another strategy, by the same fractions.
    #[must_use]
    pub fn with_split(mut self, strategy: SplitStrategy) -> Self {
        self.split.strategy = strategy;
        self
    }

    /// This experiment with the rows of a group, as named by [`DataSettings::group`], kept in one part.
    ///
    /// # Errors
    /// [`PipelineError::Setting`] if there is no such column in the settings.
    pub fn with_grouped_split(self) -> Result<Self> {
        let Some(groups) = self.data.group.clone() else {
            let message = "is missing; name the column that is equal for rows that belong together";
            return Err(PipelineError::setting("data.group", message));
        };
        Ok(self.with_split(SplitStrategy::Grouped { groups }))
    }
}

/// What is wrong, on one line with its place, the line of the file below it.
fn toml_message(text: &str, error: &toml::de::Error) -> String {
    let message = explained(error.message());
    let Some(span) = error.span() else { return message };
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}: {message}")
}
