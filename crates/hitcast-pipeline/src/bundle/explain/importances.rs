//! What matters to a bundle's model.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use hitcast_data::{Column, Table};
use hitcast_explain::{
    ClassScore, Explained, Importance, NumberScore, Output, PermutationImportance, RankAgreement, Score,
    Sources, gradient_importance, mean_magnitudes, rank_agreement,
};
use serde::{Deserialize, Serialize};

use super::{AttributionMethod, ExplainSettings, Explainer};
use crate::bundle::Bundle;
use crate::error::Result;
use crate::score::{MetricName, class_numbers};

/// What matters to a bundle's model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BundleImportances {
    /// Name of the model.
    pub model: String,
    /// The metric that gets worse.
    pub metric: MetricName,
    /// Its value for the rows as they are.
    pub baseline: f64,
    /// Complete rows.
    pub rows: usize,
    /// How the parts of predictions were found.
    pub method: AttributionMethod,
    /// What they are parts of.
    pub output: Output,
    /// The same in words, as [`Bundle::describe_output`] has them: the target and its unit, or the probability or log-odds of a
    /// class.
    pub explained: String,
    /// What gradients are of, in such words, where the model can be differentiated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differentiated: Option<String>,
    /// Each input, the most important first.
    pub inputs: Vec<InputImportance>,
    /// Whether the ways to look at it rank the inputs alike; `None` for fewer than two inputs.
    pub agreement: Option<RankAgreement>,
    /// What the reader of the figures should know.
    pub warnings: Vec<String>,
}

/// How much one input matters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputImportance {
    /// Permutation importance: by how much the metric gets worse without what the input says.
    #[serde(flatten)]
    pub permutation: Importance,
    /// How far it moves what is [`explained`](BundleImportances::explained) in the mean: the mean magnitude of its parts of some
    /// predictions.
    pub attribution: f64,
    /// How much of what the model learned it explains, from 0 to 1, where the model knows that: of trees the mean decrease of
    /// impurity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<f64>,
    /// How far what is [`differentiated`](BundleImportances::differentiated) moves with one standard deviation of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient: Option<f64>,
    /// Pearson's correlation with the target; `None` for texts, and where one does not vary.
    pub correlation: Option<f64>,
}

impl Bundle {
    /// What matters to the model, by the complete rows of a table that has the target. Take rows that the model did not learn
    /// from: a warning says when it did.
    ///
    /// # Errors
    /// As [`explainer`](Self::explainer) and [`Explainer::importances`].
    pub fn importances(&self, table: &Table, settings: &ExplainSettings) -> Result<BundleImportances> {
        self.explainer(table, settings)?.importances()
    }
}

impl Explainer<'_> {
    /// What matters to the model, by the rows that have the target.
    ///
    /// # Errors
    /// [`PipelineError::Data`](crate::PipelineError::Data) if the target is missing or of another type,
    /// [`PipelineError::TooFewRows`](crate::PipelineError::TooFewRows) if no complete row has it,
    /// [`PipelineError::Explain`](crate::PipelineError::Explain) on an impossible setting, or if the metric is not defined for
    /// the rows.
    pub fn importances(&self) -> Result<BundleImportances> {
        let Self {
            bundle,
            settings,
            ready,
            ..
        } = self;
        let manifest = &bundle.manifest;
        let actual = manifest.goal().actual(self.table)?;
        let known: Vec<usize> = (0..ready.rows.len())
            .filter(|&place| !actual[ready.rows[place]].is_nan())
            .collect();
        if known.is_empty() {
            return Err(super::no_rows("give rows that have the target and every input"));
        }
        let actual: Vec<f64> = known.iter().map(|&place| actual[ready.rows[place]]).collect();
        let (features, inputs) = if known.len() == ready.rows.len() {
            (Cow::Borrowed(&ready.features), Cow::Borrowed(&ready.inputs))
        } else {
            let features = ready.features.take(&known);
            (Cow::Owned(features), Cow::Owned(ready.inputs.take(&known)))
        };
        let classes = class_numbers(&actual);
        let metric = MetricName::default_of(manifest.target.task());
        let score: Box<dyn Score> = match metric {
            MetricName::Regression(metric) => Box::new(NumberScore {
                metric,
                actual: &actual,
            }),
            MetricName::Classification(metric) => Box::new(ClassScore {
                metric,
                actual: &classes,
            }),
        };
        let sources = Sources::by_source(&features);
        let permutation = PermutationImportance {
            repeats: settings.repeats,
            ..PermutationImportance::default()
        };
        let seed = settings.seed.child("importances");
        let permutation = permutation.compute(bundle.model(), &features, &sources, &*score, seed)?;
        let attributions = self.attributions()?;
        let parts: BTreeMap<String, f64> = mean_magnitudes(&attributions.explanations).into_iter().collect();
        let explained = Explained::new(bundle.model(), bundle.output());
        let differentiated = (explained.has_gradients()).then(|| bundle.describe_output(explained.output()));
        let gradients: BTreeMap<String, f64> = match differentiated {
            Some(_) => gradient_importance(&explained, &features)?.into_iter().collect(),
            None => BTreeMap::new(),
        };
        let learned = learned_importances(bundle, &sources);
        let correlations = correlations(&inputs, &actual)?;
        let (baseline, n) = (permutation.baseline, actual.len());
        let importance = |permutation: Importance| {
            let name = &permutation.source;
            InputImportance {
                attribution: parts.get(name).copied().unwrap_or(0.0),
                learned: learned.get(name).copied(),
                gradient: gradients.get(name).copied(),
                correlation: correlations.get(name).copied().flatten(),
                permutation,
            }
        };
        let mut of_inputs: Vec<InputImportance> =
            permutation.importances.into_iter().map(importance).collect();
        of_inputs.sort_by(|a, b| b.permutation.mean.total_cmp(&a.permutation.mean));
        let agreement = agreement(&of_inputs, attributions.method)?;
        let seen = (manifest.learned_rows).share_of(&inputs, &bundle.preparation.inputs, &actual)?;
        let warnings = seen.filter(|share| *share > 0.0).map(|share| {
            format!(
                "about {:.0} % of these rows were learned from, so inputs may seem to matter that only helped to learn them by heart",
                (100.0 * share).max(1.0)
            )
        });
        Ok(BundleImportances {
            model: manifest.model.name.clone(),
            metric,
            baseline,
            rows: n,
            method: attributions.method,
            output: attributions.output,
            explained: bundle.describe_output(attributions.output),
            differentiated,
            inputs: of_inputs,
            agreement,
            warnings: warnings.into_iter().collect(),
        })
    }
}

impl BundleImportances {
    /// Whether the model knows of an input how much of what it learned that explains.
    pub fn has_learned(&self) -> bool {
        self.inputs.iter().any(|input| input.learned.is_some())
    }

    /// Whether the model could be differentiated.
    pub fn has_gradient(&self) -> bool {
        self.inputs.iter().any(|input| input.gradient.is_some())
    }
}

/// What the model learned from each input, where it knows.
fn learned_importances(bundle: &Bundle, sources: &Sources) -> BTreeMap<String, f64> {
    let Some(learned) = bundle.model().learned_importances() else {
        return BTreeMap::new();
    };
    let of = |source: &hitcast_explain::Source| {
        let features = source.columns.iter().filter_map(|&column| learned.get(column));
        (source.name.clone(), features.sum())
    };
    sources.iter().map(of).collect()
}

/// Pearson's correlation of each input with the target.
fn correlations(inputs: &Table, actual: &[f64]) -> Result<BTreeMap<String, Option<f64>>> {
    const TARGET: &str = "(target)";
    let table = inputs
        .clone()
        .set_column(TARGET, Column::Number(actual.to_vec()))?;
    let described = hitcast_data::describe(&table, Some(TARGET))?;
    let columns = described.columns.into_iter();
    Ok(columns.map(|column| (column.name, column.correlation)).collect())
}

fn agreement(inputs: &[InputImportance], method: AttributionMethod) -> Result<Option<RankAgreement>> {
    if inputs.len() < 2 {
        return Ok(None);
    }
    let of =
        |value: fn(&InputImportance) -> Option<f64>| inputs.iter().map(value).collect::<Option<Vec<f64>>>();
    let all = [
        ("permutation", of(|input| Some(input.permutation.mean))),
        (method.word(), of(|input| Some(input.attribution))),
        ("impurity", of(|input| input.learned)),
        ("gradient", of(|input| input.gradient)),
        ("correlation", of(|input| input.correlation.map(f64::abs))),
    ];
    // Only of those that say something of each input.
    let methods: Vec<(&str, &[f64])> = (all.iter())
        .filter_map(|(name, values)| Some((*name, values.as_deref()?)))
        .collect();
    Ok(Some(rank_agreement(&methods)?))
}

impl fmt::Display for BundleImportances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model,
            metric,
            baseline,
            rows,
            method,
            explained,
            differentiated,
            inputs,
            agreement,
            warnings,
            ..
        } = self;
        let names = inputs
            .iter()
            .map(|input| input.permutation.source.chars().count());
        let width = names.max().unwrap_or(0).max("input".len());
        writeln!(
            f,
            "{model}, {} rows, {metric} {baseline:.3}; how much worse without what an input says:\n",
            crate::text::grouped(*rows)
        )?;
        let word = method.word();
        let (has_learned, has_gradient) = (self.has_learned(), self.has_gradient());
        write!(
            f,
            "  {:width$}  {:>9}  {:>19}  {word:>10}",
            "input", "worse by", "repeats between"
        )?;
        for (name, _) in [("impurity", has_learned), ("gradient", has_gradient)]
            .iter()
            .filter(|one| one.1)
        {
            write!(f, "  {name:>9}")?;
        }
        writeln!(f, "  {:>11}", "correlation")?;
        for input in inputs {
            let Importance {
                source,
                mean,
                low,
                high,
                ..
            } = &input.permutation;
            let between = format!("{low:.4} and {high:.4}");
            write!(
                f,
                "  {source:width$}  {mean:>9.4}  {between:>19}  {:>10.4}",
                input.attribution
            )?;
            let shown = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
            };
            for (value, _) in [(input.learned, has_learned), (input.gradient, has_gradient)]
                .iter()
                .filter(|one| one.1)
            {
                write!(f, "  {:>9}", shown(*value, 4))?;
            }
            writeln!(f, "  {:>11}", shown(input.correlation, 2))?;
        }
        writeln!(
            f,
            "\n{word}: how far it moves the {explained} in the mean, by {}",
            method.describe()
        )?;
        if let Some(output) = differentiated {
            writeln!(
                f,
                "gradient: how far one standard deviation of it moves the {output}"
            )?;
        }
        if let Some(agreement) = agreement {
            writeln!(f, "\nWhether these rank the inputs alike, 1 for the same order:")?;
            for line in agreement.to_string().lines() {
                writeln!(f, "  {line}")?;
            }
        }
        for warning in warnings {
            writeln!(f, "\nNote: {warning}")?;
        }
        Ok(())
    }
}
