//! How the parts of predictions are found.

use std::fmt;
use std::str::FromStr;

use hitcast_core::Features;
use hitcast_core::suggest::did_you_mean;
use hitcast_explain::{
    Encoded, ExactShapley, ExpectedGradients, ExplainError, Explained, IntegratedGradients, LocalExplanation,
    Output, SampledShapley, Sources, own_shapley,
};
use serde::{Deserialize, Serialize};

use super::{ExplainSettings, Explainer};
use crate::bundle::Bundle;
use crate::error::{PipelineError, Result};

/// Columns up to which all their subsets are looked at.
const MOST_EXACT: usize = 10;

/// Learned numbers times features up to which a model's own Shapley values are asked for: those of trees are sums over all of
/// their nodes, of which large forests on wide rows have too many.
const MOST_OWN: usize = 200_000_000;

/// Learned numbers from which on fewer rows are explained.
const LARGE: usize = 1_000_000;

/// Rows that are explained of large models at least.
const FEWEST_EXPLAINED: usize = 10;

/// How the parts of predictions are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttributionMethod {
    /// Shapley values by the model's own structure, as trees have it: what is usual is what it was trained on.
    Model,
    /// Shapley values over all subsets of the inputs.
    Exact,
    /// Shapley values over some orders of the inputs.
    Sampled,
    /// Gradients on the ways from many rows, of models that can be differentiated.
    ExpectedGradients,
    /// Gradients on the way from the mean row, of models that can be differentiated.
    IntegratedGradients,
}

/// What made up the predictions for some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Attributions {
    /// How it was found.
    pub method: AttributionMethod,
    /// What is explained.
    pub output: Output,
    /// Places of the rows among the complete ones.
    pub places: Vec<usize>,
    /// One a row.
    pub explanations: Vec<LocalExplanation>,
}

impl AttributionMethod {
    const ALL: [Self; 5] = [
        Self::Model,
        Self::Exact,
        Self::Sampled,
        Self::ExpectedGradients,
        Self::IntegratedGradients,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Exact => "exact",
            Self::Sampled => "sampled",
            Self::ExpectedGradients => "expected_gradients",
            Self::IntegratedGradients => "integrated_gradients",
        }
    }

    /// A word for the head of a table.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Model | Self::Exact | Self::Sampled => "Shapley",
            Self::ExpectedGradients => "expected",
            Self::IntegratedGradients => "integrated",
        }
    }

    /// As part of a sentence.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Model => "Shapley values from the model's own trees",
            Self::Exact => "Shapley values over all subsets of the inputs",
            Self::Sampled => "sampled Shapley values",
            Self::ExpectedGradients => "expected gradients",
            Self::IntegratedGradients => "integrated gradients from the mean row",
        }
    }
}

impl fmt::Display for AttributionMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for AttributionMethod {
    type Err = PipelineError;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|method| method.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let suggestion = did_you_mean(text, names);
            let message = format!("is {text:?}{suggestion}, but must be one of {}", names.join(", "));
            PipelineError::setting("method", message)
        })
    }
}

impl Bundle {
    /// What made up the prediction for every row of `features`, compared with `usual` rows, by the method of the settings. A
    /// model's own Shapley values may be of the log-odds of the class whose probability was asked for.
    ///
    /// # Errors
    /// [`PipelineError::Explain`], also if the method is not one for this model.
    pub(super) fn attribute(
        &self,
        output: Output,
        features: &Features,
        usual: &Features,
        settings: &ExplainSettings,
    ) -> Result<(AttributionMethod, Output, Vec<LocalExplanation>)> {
        use AttributionMethod as Method;
        let explained = Explained::new(self.model(), output);
        let method = match settings.method {
            Some(Method::Model) => {
                let own = self.own_attributions(output, features)?;
                let Some((output, all)) = own else {
                    return Err(ExplainError::NoOwnShapley {
                        model: self.model().kind().to_owned(),
                    }
                    .into());
                };
                return Ok((Method::Model, output, all));
            }
            Some(method) => method,
            None => {
                let size = self.model().n_parameters().saturating_mul(features.n_features());
                if size <= MOST_OWN
                    && let Some((output, all)) = self.own_attributions(output, features)?
                {
                    return Ok((Method::Model, output, all));
                }
                if explained.has_gradients() {
                    Method::ExpectedGradients
                } else if Sources::by_source(features).len() <= MOST_EXACT {
                    Method::Exact
                } else {
                    Method::Sampled
                }
            }
        };
        let (background, seed) = (settings.background, settings.seed.child("local"));
        let rows = 0..features.n_rows();
        let all = match method {
            Method::ExpectedGradients => {
                let gradients = ExpectedGradients {
                    background,
                    ..ExpectedGradients::default()
                };
                gradients.explain(&explained, usual, features, &Encoded, seed)
            }
            Method::IntegratedGradients => {
                IntegratedGradients::default().explain(&explained, usual, features, &Encoded)
            }
            Method::Exact => {
                let exact = ExactShapley { background };
                rows.map(|row| exact.explain(&explained, usual, features, row, &Encoded, seed))
                    .collect()
            }
            Method::Sampled | Method::Model => {
                let sampled = SampledShapley {
                    background,
                    ..SampledShapley::default()
                };
                rows.map(|row| sampled.explain(&explained, usual, features, row, &Encoded, seed))
                    .collect()
            }
        };
        Ok((method, output, all?))
    }

    /// The model's own Shapley values of the output, or else of the log-odds of the class whose probability it is.
    fn own_attributions(
        &self,
        output: Output,
        features: &Features,
    ) -> Result<Option<(Output, Vec<LocalExplanation>)>> {
        let log_odds = match output {
            Output::Probability { class } => Some(Output::LogOdds { class }),
            _ => None,
        };
        for output in [Some(output), log_odds].into_iter().flatten() {
            let explained = Explained::new(self.model(), output);
            if let Some(all) = own_shapley(&explained, features, &Encoded)? {
                return Ok(Some((output, all)));
            }
        }
        Ok(None)
    }

    /// How many of so many rows should be explained: fewer where the model is large, and with it each prediction dear.
    fn affordable_rows(&self, wanted: usize) -> usize {
        let share = self.model().n_parameters().div_ceil(LARGE).max(1);
        (wanted / share).max(FEWEST_EXPLAINED.min(wanted))
    }
}

impl Explainer<'_> {
    /// What made up the predictions for some of the complete rows, chosen at random: as many as the settings say, fewer for large
    /// models. They are found once.
    ///
    /// # Errors
    /// [`PipelineError::Explain`].
    pub fn attributions(&self) -> Result<&Attributions> {
        if let Some(found) = self.attributions.get() {
            return Ok(found);
        }
        let Self {
            bundle,
            settings,
            ready,
            ..
        } = self;
        let n = ready.features.n_rows();
        let mut places = settings.seed.stream("explained rows").permutation(n);
        places.truncate(bundle.affordable_rows(settings.explained_rows.max(1)));
        let rows = ready.features.take(&places);
        let (method, output, explanations) =
            bundle.attribute(bundle.output(), &rows, &ready.features, settings)?;
        Ok(self.attributions.get_or_init(|| Attributions {
            method,
            output,
            places,
            explanations,
        }))
    }
}
