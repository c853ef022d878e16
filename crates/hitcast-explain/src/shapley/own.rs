//! What made up predictions of a model that knows it itself, as trees do.

use hitcast_core::stats::sum;
use hitcast_core::{ContributionScale, Features};

use super::{Attribution, LocalExplanation};
use crate::error::Result;
use crate::explained::{Explained, Output};
use crate::source::{Sources, Units};

/// The Shapley values that the model has for each row of `features`, exactly and without a background: what is usual is what
/// the model has seen in training. `None` if it has none for what is explained.
///
/// # Errors
/// As [`Explained::values`].
pub fn own_shapley(
    explained: &Explained<'_>,
    features: &Features,
    units: &dyn Units,
) -> Result<Option<Vec<LocalExplanation>>> {
    let matrix = features.matrix();
    let Some(contributions) = explained.model().contributions(matrix.view()) else {
        return Ok(None);
    };
    let contributions = contributions?;
    let width = contributions.base.len();
    let (output, sign) = match (explained.output(), contributions.scale, width) {
        (Output::Number, ContributionScale::Prediction, 1)
        | (Output::LogOdds { class: 1 }, ContributionScale::LogOdds, 1) => (0, 1.0),
        (Output::Probability { class }, ContributionScale::Prediction, _) if class < width => (class, 1.0),
        (Output::LogOdds { class: 0 }, ContributionScale::LogOdds, 1) => (0, -1.0),
        _ => return Ok(None),
    };
    let sources = Sources::by_source(features);
    let predictions = explained.values(features)?;
    let baseline = sign * contributions.base[output];
    let explanation = |(row, prediction): (usize, f64)| {
        let cells = matrix.row(row).to_vec();
        let attribution = |source: &crate::source::Source| Attribution {
            source: source.name.clone(),
            raw: units.raw(source, &source.of(&cells)),
            value: sign
                * sum(source
                    .columns
                    .iter()
                    .map(|&column| contributions.values[(row, column, output)])),
            standard_error: None,
            beyond_background: false,
        };
        let attributions: Vec<Attribution> = sources.iter().map(attribution).collect();
        let values = attributions.iter().map(|attribution| attribution.value);
        let reached = sum(std::iter::once(baseline).chain(values));
        LocalExplanation {
            baseline,
            prediction,
            gap: prediction - reached,
            attributions,
        }
    };
    Ok(Some(
        predictions.into_iter().enumerate().map(explanation).collect(),
    ))
}
