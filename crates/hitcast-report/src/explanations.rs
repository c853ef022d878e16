//! What matters to a model, and what made up predictions.

use hitcast_explain::{AccumulatedEffects, Explained, Grid, PartialDependence, Raw};
use hitcast_pipeline::{Attributions, BundleImportances, Counterfactual, Explainer, RowExplanation, grouped};
use hitcast_plot::{
    Beeswarm, Contribution, DependenceHeatmap, EffectsFigure, Estimate, Figure, ImportanceBars, Labels, Side,
    Waterfall,
};
use ndarray::Array2;

use crate::data::axis;
use crate::error::Result;
use crate::page::Section;

/// Inputs whose dependence is drawn.
const DEPENDENCES: usize = 2;
/// Values of an input that the model is asked about.
const POINTS: usize = 30;
/// The same of each of two inputs.
const POINTS_OF_TWO: usize = 12;

/// What matters, by the rows of the explainer, which are called `rows`.
pub(crate) fn section(
    explainer: &Explainer<'_>,
    importances: &BundleImportances,
    rows: &str,
) -> Result<Section> {
    let mut section = Section::new("Explanations");
    add_importances(&mut section, importances, rows);
    let attributions = explainer.attributions()?;
    add_attributions(&mut section, explainer, attributions);
    add_dependences(&mut section, explainer, importances)?;
    // One prediction from baseline to value, of the row that lies in the middle of the chosen ones.
    if let Some(&place) = attributions.places.get(attributions.places.len() / 2) {
        let explained = explainer.explain_table_row(explainer.rows().rows[place])?;
        section.figure("one_prediction", waterfall(&explained));
    }
    for warning in &importances.warnings {
        section.note(warning.clone());
    }
    Ok(section)
}

/// What made up one prediction, and what would have to be otherwise for another one.
pub(crate) fn row_section(explained: &RowExplanation, wanted: Option<&Counterfactual>) -> Section {
    let mut section = Section::new("One prediction");
    section.lines(explained.to_string().trim_end());
    section.figure("one_prediction", waterfall(explained));
    if let Some(wanted) = wanted {
        section.lines(wanted.to_string().trim_end());
    }
    section
}

fn add_importances(section: &mut Section, importances: &BundleImportances, rows_are: &str) {
    let BundleImportances {
        metric,
        rows,
        method,
        explained,
        differentiated,
        inputs,
        agreement,
        ..
    } = importances;
    section.text(format!(
        "By the {} {rows_are} that are complete. How much worse the {metric} gets when an input's values are put into random order, and \
         how far each input moves the {explained} from the usual one in the mean, by {}.",
        grouped(*rows),
        method.describe()
    ));
    let estimates: Vec<Estimate> = (inputs.iter())
        .map(|input| {
            let one = &input.permutation;
            Estimate::new(&one.source, one.mean).between(one.low, one.high)
        })
        .collect();
    let bars = ImportanceBars {
        labels: Labels::new("Permutation importance").x(format!("{metric} worse by")),
        ..ImportanceBars::default()
    };
    section.figure("importance", bars.figure(&estimates));
    let mut head = vec![
        "input".to_owned(),
        format!("{metric} worse by"),
        format!("moves the {explained} by"),
    ];
    let (has_learned, has_gradient) = (importances.has_learned(), importances.has_gradient());
    if has_learned {
        head.push("decrease of impurity".to_owned());
    }
    if has_gradient {
        let output = differentiated.as_ref().unwrap_or(explained);
        head.push(format!("one standard deviation moves the {output} by"));
    }
    head.push("correlation with the target".to_owned());
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    let rows = inputs.iter().map(|input| {
        let mut row = vec![
            input.permutation.source.clone(),
            number(Some(input.permutation.mean)),
            number(Some(input.attribution)),
        ];
        if has_learned {
            row.push(number(input.learned));
        }
        if has_gradient {
            row.push(number(input.gradient));
        }
        row.push(number(input.correlation));
        row
    });
    section.table(head, rows.collect());
    if let Some(agreement) = agreement {
        section.text("Whether these rank the inputs alike, 1 for the same order:");
        section.lines(agreement.to_string());
    }
}

fn add_attributions(section: &mut Section, explainer: &Explainer<'_>, attributions: &Attributions) {
    let explanations = &attributions.explanations;
    let Some(first) = explanations.first() else {
        return;
    };
    let names: Vec<String> = first.attributions.iter().map(|one| one.source.clone()).collect();
    let shape = (explanations.len(), names.len());
    let moved = Array2::from_shape_fn(shape, |(row, input)| explanations[row].attributions[input].value);
    let inputs = explainer.rows().inputs.take(&attributions.places);
    let columns: Vec<Option<Vec<f64>>> = (names.iter())
        .map(|name| inputs.column(name).ok().and_then(crate::data::numbers))
        .collect();
    let values = Array2::from_shape_fn(shape, |(row, input)| {
        columns[input].as_ref().map_or(f64::NAN, |values| values[row])
    });
    let of = explainer.bundle().describe_output(attributions.output);
    let bees = Beeswarm {
        labels: Labels::new("What moved the predictions").x(format!("moved the {of}")),
        ..Beeswarm::default()
    };
    section.figure("attributions", bees.figure(&names, moved.view(), values.view()));
}

/// How predictions move with the inputs that matter most, of those that are numbers.
fn add_dependences(
    section: &mut Section,
    explainer: &Explainer<'_>,
    importances: &BundleImportances,
) -> Result<()> {
    let bundle = explainer.bundle();
    let (rows, seed, output) = (explainer.rows(), explainer.settings().seed, bundle.output());
    let explained = Explained::new(bundle.model(), output);
    let units = bundle.units();
    let of = bundle.describe_output(output);
    let names = (importances.inputs.iter()).map(|input| input.permutation.source.as_str());
    let numbers = names.filter(|name| rows.inputs.numbers(name).is_ok());
    let numbers: Vec<&str> = numbers.take(DEPENDENCES).collect();
    for name in &numbers {
        let grid = Grid::of_rows(&rows.features, name, POINTS, &units)?;
        let dependence = PartialDependence::default().compute(&explained, &rows.features, &grid, seed)?;
        let points = as_numbers(&dependence.points);
        let shape = (dependence.curves.len(), points.len());
        let curves = Array2::from_shape_fn(shape, |(row, point)| dependence.curves[row].values[point]);
        let figure = hitcast_plot::PartialDependence {
            labels: Labels::new(format!("How the prediction moves with {name}"))
                .x(axis(name))
                .y(of.clone()),
            ..hitcast_plot::PartialDependence::default()
        };
        let figure = figure.figure(&points, curves.view(), rows.inputs.numbers(name)?);
        section.figure(&format!("dependence_{name}"), figure);
        // Not of a column that becomes several features, as a cyclic one.
        if grid.source().columns.len() == 1 {
            let effects = AccumulatedEffects::default().compute(&explained, &rows.features, name, &units)?;
            let figure = EffectsFigure {
                labels: Labels::new(format!("The same near each row: local effects of {name}"))
                    .x(axis(name))
                    .y(format!("change of {of}")),
            };
            let figure = figure.figure(&as_numbers(&effects.edges), &effects.effects, &effects.rows);
            section.figure(&format!("effects_{name}"), figure);
        }
    }
    if let [first, second] = numbers[..] {
        let grid = |name: &str| Grid::of_rows(&rows.features, name, POINTS_OF_TWO, &units);
        let grids = [grid(first)?, grid(second)?];
        let [a, b] = &grids;
        let both = PartialDependence::default().compute_two(&explained, &rows.features, [a, b], seed)?;
        let shape = (both.points[0].len(), both.points[1].len());
        let means = Array2::from_shape_fn(shape, |(i, j)| both.mean[i][j]);
        let figure = DependenceHeatmap {
            labels: Labels::new(format!("How the prediction moves with {first} and {second}"))
                .x(axis(first))
                .y(axis(second)),
            prediction: of,
            rows: both.rows,
        };
        let sides = both.points.map(|points| Side::Numbers(as_numbers(&points)));
        section.figure(
            &format!("dependence_{first}_{second}"),
            figure.figure(sides, means.view()),
        );
    }
    Ok(())
}

fn waterfall(explained: &RowExplanation) -> hitcast_plot::Result<Figure> {
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
    waterfall.figure(explanation.baseline, explanation.prediction, &contributions)
}

fn as_numbers(points: &[Raw]) -> Vec<f64> {
    let number = |raw: &Raw| match raw {
        Raw::Number(number) => *number,
        Raw::Text(_) => f64::NAN,
    };
    points.iter().map(number).collect()
}
