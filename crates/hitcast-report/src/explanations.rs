//! What matters to the chosen model, and what made up predictions.

use hitcast_data::Table;
use hitcast_explain::{Explained, Grid, Output, PartialDependence, Raw};
use hitcast_pipeline::{Bundle, ExplainSettings, grouped};
use hitcast_plot::{Beeswarm, Contribution, Estimate, ImportanceBars, Labels, Waterfall};
use ndarray::Array2;

use crate::data::axis;
use crate::error::Result;
use crate::page::Section;

/// Inputs whose dependence is drawn.
const DEPENDENCES: usize = 2;
/// Rows whose Shapley values are drawn.
const BEES: usize = 150;
/// Values of an input that the model is asked about.
const POINTS: usize = 30;

/// By rows that the model did not learn from.
pub(crate) fn section(bundle: &Bundle, rows: &Table) -> Result<Section> {
    let settings = ExplainSettings::default();
    let mut section = Section::new("Explanations");
    let importances = bundle.importances(rows, &settings)?;
    section.text(format!(
        "By the {} test rows that are complete. How much worse the {} gets when an input's values are put into random order, and Shapley values: how \
         far each input moves predictions from the usual one.",
        grouped(importances.rows),
        importances.metric
    ));
    let estimates: Vec<Estimate> = (importances.inputs.iter())
        .map(|input| {
            let one = &input.permutation;
            Estimate::new(&one.source, one.mean).between(one.low, one.high)
        })
        .collect();
    let bars = ImportanceBars {
        labels: Labels::new("Permutation importance").x(format!("{} worse by", importances.metric)),
        ..ImportanceBars::default()
    };
    section.figure("importance", bars.figure(&estimates));
    let complete = bundle.complete_rows(rows)?;
    let output = bundle.output();
    let mut chosen = settings.seed.stream("bees").permutation(complete.rows.len());
    chosen.truncate(bundle.affordable_rows(BEES));
    let some = complete.features.take(&chosen);
    let (_, own, explanations) = bundle.shapley(output, &some, &complete.features, &settings)?;
    let of = words(bundle, own);
    if let Some(first) = explanations.first() {
        let names: Vec<String> = first.attributions.iter().map(|one| one.source.clone()).collect();
        let shape = (explanations.len(), names.len());
        let attributions =
            Array2::from_shape_fn(shape, |(row, input)| explanations[row].attributions[input].value);
        let inputs = complete.inputs.take(&chosen);
        let columns: Vec<Option<Vec<f64>>> = (names.iter())
            .map(|name| inputs.column(name).ok().and_then(crate::data::numbers))
            .collect();
        let values = Array2::from_shape_fn(shape, |(row, input)| {
            columns[input].as_ref().map_or(f64::NAN, |values| values[row])
        });
        let bees = Beeswarm {
            labels: Labels::new("What moved the predictions").x(format!("moved the {of}")),
            ..Beeswarm::default()
        };
        section.figure("shapley", bees.figure(&names, attributions.view(), values.view()));
    }
    let explained = Explained::new(bundle.model(), output);
    let is_number = |name: &str| complete.inputs.numbers(name).is_ok();
    let numbers = importances
        .inputs
        .iter()
        .map(|input| input.permutation.source.as_str());
    for name in numbers.filter(|name| is_number(name)).take(DEPENDENCES) {
        let units = bundle.units();
        let grid = Grid::of_rows(&complete.features, name, POINTS, &units)?;
        let dependence =
            PartialDependence::default().compute(&explained, &complete.features, &grid, settings.seed)?;
        let points: Vec<f64> = (dependence.points.iter())
            .map(|raw| match raw {
                Raw::Number(number) => *number,
                Raw::Text(_) => f64::NAN,
            })
            .collect();
        let shape = (dependence.curves.len(), points.len());
        let curves = Array2::from_shape_fn(shape, |(row, point)| dependence.curves[row].values[point]);
        let figure = hitcast_plot::PartialDependence {
            labels: Labels::new(format!("How the prediction moves with {name}"))
                .x(axis(name))
                .y(words(bundle, output)),
            ..hitcast_plot::PartialDependence::default()
        };
        let values = complete.inputs.numbers(name)?;
        section.figure(
            &format!("dependence_{name}"),
            figure.figure(&points, curves.view(), values),
        );
    }
    // One prediction from baseline to value, of the row that lies in the middle of the chosen ones.
    if let Some(&row) = chosen.get(chosen.len() / 2) {
        let explained = bundle.explain_table_row(rows, complete.rows[row], &settings)?;
        let explanation = &explained.explanation;
        let contributions: Vec<Contribution> = (explanation.attributions.iter())
            .map(|one| Contribution {
                name: one.source.clone(),
                value: one.raw.to_string(),
                amount: one.value,
            })
            .collect();
        let waterfall = Waterfall {
            labels: Labels::new("What made up one prediction").x(explained.explained.clone()),
            ..Waterfall::default()
        };
        let figure = waterfall.figure(explanation.baseline, explanation.prediction, &contributions);
        section.figure("one_prediction", figure);
    }
    for warning in &importances.warnings {
        section.note(warning.clone());
    }
    Ok(section)
}

fn words(bundle: &Bundle, output: Output) -> String {
    let target = &bundle.manifest().target;
    let class = |class: usize| {
        let names = target.classes.as_ref().map(|classes| classes.rule.names());
        names
            .and_then(|names| names.get(class))
            .cloned()
            .unwrap_or_default()
    };
    match output {
        Output::Probability { class: number } => format!("probability of {}", class(number)),
        Output::LogOdds { class: number } => format!("log-odds of {}", class(number)),
        _ => match &target.unit {
            Some(unit) => format!("{} ({unit})", target.column),
            None => target.column.clone(),
        },
    }
}
