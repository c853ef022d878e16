//! The smallest change of a row that reaches a wanted prediction.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hitcast_core::stats::mean;
use hitcast_core::suggest::did_you_mean;
use hitcast_data::{Column, ColumnKind, Table};
use hitcast_explain::{CounterfactualSearch, Movable, Raw};
use hitcast_preprocess::{Category, FittedEncoder};
use serde::{Deserialize, Serialize};

use super::{ExplainSettings, Explainer, Wish, raw};
use crate::bundle::row::{RowPrediction, RowValue};
use crate::bundle::{Bundle, InputInfo};
use crate::error::{PipelineError, Result};
use crate::prepare::as_numbers;
use crate::score::Predicted;

/// The smallest change that was found, or the nearest to what is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counterfactual {
    /// What was wanted; of a number at least or at most so much.
    pub wish: Wish,
    /// The unit of the target, if it has one.
    pub unit: Option<String>,
    /// Whether it is reached.
    pub reached: bool,
    /// The prediction for the row as it is.
    pub before: RowPrediction,
    /// The prediction for the changed row.
    pub after: RowPrediction,
    /// What is changed, the furthest first.
    pub changes: Vec<Change>,
    /// Size of the change: the sum over the columns.
    pub distance: f64,
    /// Inputs that were not moved because they cannot be, where none were named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<FixedInput>,
}

/// An input that cannot be moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedInput {
    /// The input.
    pub column: String,
    /// Why, as part of a sentence.
    pub why: String,
}

/// A value that is changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The input.
    pub column: String,
    /// Its unit, if it has one.
    pub unit: Option<String>,
    /// What it was.
    pub from: Raw,
    /// What it becomes.
    pub to: Raw,
    /// Whether these are categories, not numbers on a line.
    pub category: bool,
    /// How far that is: in standard deviations of a number among the usual rows, 1 for another category. A number on a circle, as
    /// the hour of a day, goes the way between the ends of its range, not over them.
    pub distance: f64,
}

/// An input that may be changed.
struct Allowed<'b> {
    input: &'b InputInfo,
    movable: Movable,
    /// What a category's number stands for; empty of numbers.
    categories: Vec<Category>,
    /// The row's own value.
    start: f64,
}

impl Bundle {
    /// The smallest change of a row given by name, as [`predict_row`](Self::predict_row) takes it, that reaches what is wanted;
    /// `usual` are rows that say how far values vary.
    ///
    /// # Errors
    /// As [`explainer`](Self::explainer) and [`Explainer::counterfactual`].
    pub fn counterfactual<S: AsRef<str>>(
        &self,
        row: &BTreeMap<String, RowValue>,
        usual: &Table,
        wish: &Wish,
        allow: &[S],
    ) -> Result<Counterfactual> {
        self.explainer(usual, &ExplainSettings::default())?
            .counterfactual(row, wish, allow)
    }
}

impl Explainer<'_> {
    /// The smallest change of a row given by name, as [`Bundle::predict_row`] takes it, that reaches what is wanted. Only the
    /// inputs `allow` are changed, all if there are none: numbers within the training rows' range, whole ones if they all are,
    /// categories to others of the training rows. Values that are missing stay so, as do inputs of several labels, those that are
    /// derived from the same column as another one, and those that are the same in all of these rows, whose standard deviations
    /// distances are measured in: the result names them. Numbers of a cyclic encoder move on a line.
    ///
    /// # Errors
    /// [`PipelineError::Row`] if the row lacks an input, on a wish that is none for this bundle, and if an input is allowed that is
    /// none, or cannot be changed.
    pub fn counterfactual<S: AsRef<str>>(
        &self,
        row: &BTreeMap<String, RowValue>,
        wish: &Wish,
        allow: &[S],
    ) -> Result<Counterfactual> {
        let (inputs, notes) = self.bundle.read_row(row)?;
        self.change_inputs(&inputs, notes, wish, allow)
    }

    /// As [`counterfactual`](Self::counterfactual) for one of these rows, by its place in the table, counted from 0.
    ///
    /// # Errors
    /// As [`counterfactual`](Self::counterfactual), and as [`explain_table_row`](Self::explain_table_row).
    pub fn counterfactual_of_table_row<S: AsRef<str>>(
        &self,
        row: usize,
        wish: &Wish,
        allow: &[S],
    ) -> Result<Counterfactual> {
        let inputs = self.ready.inputs.take(&[self.place_of(row)?]);
        let notes = self.bundle.notes_of(&inputs)?;
        self.change_inputs(&inputs, notes, wish, allow)
    }

    fn change_inputs<S: AsRef<str>>(
        &self,
        inputs: &Table,
        notes: Vec<String>,
        wish: &Wish,
        allow: &[S],
    ) -> Result<Counterfactual> {
        let bundle = self.bundle;
        let before = bundle.predict_features(&bundle.preparation.features(inputs)?)?;
        let wish = wish.with_side(&before);
        let (allowed, fixed) = self.allowed(inputs, allow)?;
        let (start, columns): (Vec<f64>, Vec<Movable>) =
            allowed.iter().map(|one| (one.start, one.movable)).unzip();
        let predict = |rows: &[Vec<f64>]| -> Result<Predicted> {
            let changed = changed(inputs, &allowed, rows)?;
            bundle.predict_features(&bundle.preparation.features(&changed)?)
        };
        let found = CounterfactualSearch::default()
            .search(&start, &columns, |rows| bundle.lacking_of(&wish, &predict(rows)?))?;
        let after = changed(inputs, &allowed, std::slice::from_ref(&found.values))?;
        let mut changes = Vec::new();
        for ((one, value), column) in allowed.iter().zip(&found.values).zip(&columns) {
            if *value != one.start {
                let name = &one.input.column;
                changes.push(Change {
                    column: name.clone(),
                    unit: one.input.unit.clone(),
                    from: raw(inputs.column(name)?),
                    to: raw(after.column(name)?),
                    category: !one.categories.is_empty(),
                    distance: column.distance(one.start, *value),
                });
            }
        }
        changes.sort_by(|a, b| b.distance.total_cmp(&a.distance));
        let predicted = predict(std::slice::from_ref(&found.values))?;
        Ok(Counterfactual {
            wish,
            unit: bundle.manifest.target.unit.clone(),
            reached: found.is_reached(),
            before: bundle.prediction(&before, notes)?,
            after: bundle.prediction(&predicted, bundle.notes_of(&after)?)?,
            changes,
            distance: found.distance,
            fixed,
        })
    }

    /// The inputs that may be changed; all that can be if none are named, and those that cannot.
    fn allowed<S: AsRef<str>>(
        &self,
        row: &Table,
        allow: &[S],
    ) -> Result<(Vec<Allowed<'_>>, Vec<FixedInput>)> {
        let inputs = &self.bundle.manifest.inputs;
        let source = |input: &InputInfo| {
            self.bundle
                .preparation
                .source_of(&input.column)
                .map(str::to_owned)
        };
        let named =
            |input: &InputInfo, name: &str| input.column == name || source(input).is_some_and(|s| s == name);
        if let Some(name) =
            (allow.iter().map(AsRef::as_ref)).find(|name| !inputs.iter().any(|input| named(input, name)))
        {
            let sources = inputs.iter().filter_map(source);
            let known: BTreeSet<String> = inputs.iter().map(|i| i.column.clone()).chain(sources).collect();
            let suggestion = did_you_mean(name, known.iter().map(String::as_str));
            let names: Vec<&str> = inputs.iter().map(|input| input.column.as_str()).collect();
            return Err(PipelineError::Row(format!(
                "no input {name:?}{suggestion} to change; the inputs are {}",
                names.join(", ")
            )));
        }
        let (mut allowed, mut fixed) = (Vec::new(), Vec::new());
        for input in inputs {
            let name = allow.iter().map(AsRef::as_ref).find(|name| named(input, name));
            if name.is_none() && !allow.is_empty() {
                continue;
            }
            match self.movable(input, row)? {
                Ok(one) => allowed.push(one),
                Err(why) if name.is_some() => {
                    return Err(PipelineError::Row(format!(
                        "{} cannot be changed: {why}",
                        input.column
                    )));
                }
                Err(why) => fixed.push(FixedInput {
                    column: input.column.clone(),
                    why: why.to_owned(),
                }),
            }
        }
        Ok((allowed, fixed))
    }

    /// Where an input of the row can go, or why it cannot.
    fn movable<'b>(&'b self, input: &'b InputInfo, row: &Table) -> Result<Result<Allowed<'b>, &'static str>> {
        let preparation = &self.bundle.preparation;
        let column = row.column(&input.column)?;
        let root = |input: &InputInfo| {
            preparation
                .source_of(&input.column)
                .unwrap_or(&input.column)
                .to_owned()
        };
        let others = self
            .bundle
            .manifest
            .inputs
            .iter()
            .filter(|other| other.column != input.column);
        if others.map(root).any(|other| other == root(input)) {
            return Ok(Err("another input is derived from the same column"));
        }
        if column.is_missing(0) {
            return Ok(Err("the row lacks it"));
        }
        let encoder = preparation.preprocessor.encoder(&input.column);
        if matches!(encoder, Some(FittedEncoder::MultiLabel(_))) {
            return Ok(Err(
                "a row can have several of its labels, and only one value is chosen",
            ));
        }
        if let Some(known) = encoder.and_then(FittedEncoder::categories) {
            let own = category(column);
            let mut categories: Vec<Category> =
                known.into_iter().filter(|c| !is_missing(c)).cloned().collect();
            let place = categories.iter().position(|category| *category == own);
            let place = place.unwrap_or_else(|| {
                categories.push(own);
                categories.len() - 1
            });
            return Ok(Ok(Allowed {
                input,
                movable: Movable::Category { n: categories.len() },
                categories,
                start: as_float(place),
            }));
        }
        if input.kind == ColumnKind::Flag {
            let own = category(column);
            let categories = vec![Category::Flag(false), Category::Flag(true)];
            let start = as_float(usize::from(own == Category::Flag(true)));
            return Ok(Ok(Allowed {
                input,
                movable: Movable::Category { n: 2 },
                categories,
                start,
            }));
        }
        let (Some(training), Some(&start)) = (input.training, as_numbers(column).first()) else {
            return Ok(Err("it has no range"));
        };
        let mut usual = as_numbers(self.ready.inputs.column(&input.column)?);
        usual.retain(|value| value.is_finite());
        let middle = mean(&usual);
        let squares: Vec<f64> = usual.iter().map(|value| (value - middle).powi(2)).collect();
        let spread = mean(&squares).sqrt();
        if !(spread.is_finite() && spread > 0.0) {
            return Ok(Err("it is the same in all rows that it is compared with"));
        }
        let valid = input.valid.unwrap_or(training);
        let (min, max) = (training.min.max(valid.min), training.max.min(valid.max));
        if min > max {
            return Ok(Err("it has no valid range"));
        }
        Ok(Ok(Allowed {
            input,
            movable: Movable::Number {
                min,
                max,
                spread,
                whole: usual.iter().chain([&start]).all(|value| value.fract() == 0.0),
            },
            categories: Vec::new(),
            start,
        }))
    }
}

/// The inputs of a row, as many times as there are rows of values for the allowed ones.
fn changed(inputs: &Table, allowed: &[Allowed<'_>], rows: &[Vec<f64>]) -> Result<Table> {
    let mut table = inputs.take(&vec![0; rows.len()]);
    for (place, one) in allowed.iter().enumerate() {
        let values = rows.iter().map(|row| row.get(place).copied().unwrap_or(f64::NAN));
        let column = match &one.movable {
            Movable::Category { .. } => {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let chosen: Vec<Option<&Category>> =
                    values.map(|value| one.categories.get(value as usize)).collect();
                of_categories(one.input.kind, &chosen)
            }
            _ => Column::Number(values.collect()),
        };
        table = table.set_column(one.input.column.as_str(), column)?;
    }
    Ok(table)
}

fn of_categories(kind: ColumnKind, chosen: &[Option<&Category>]) -> Column {
    match kind {
        ColumnKind::Flag => Column::Flag(
            chosen
                .iter()
                .map(|category| match category {
                    Some(Category::Flag(on)) => Some(*on),
                    _ => None,
                })
                .collect(),
        ),
        ColumnKind::Number => Column::Number(
            chosen
                .iter()
                .map(|category| match category {
                    Some(Category::Number(number)) => *number,
                    _ => f64::NAN,
                })
                .collect(),
        ),
        _ => Column::text(chosen.iter().map(|category| category.map(ToString::to_string))),
    }
}

/// The category of a column's only row.
fn category(column: &Column) -> Category {
    match column {
        Column::Flag(flags) => Category::Flag(flags.first().copied().flatten().unwrap_or_default()),
        Column::Number(numbers) => Category::Number(numbers.first().copied().unwrap_or(f64::NAN)),
        other => Category::Text(other.display(0)),
    }
}

fn is_missing(category: &Category) -> bool {
    matches!(category, Category::Missing(()))
}

#[allow(clippy::cast_precision_loss)]
fn as_float(place: usize) -> f64 {
    place as f64
}

impl fmt::Display for Counterfactual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            wish,
            unit,
            reached,
            before,
            after,
            changes,
            distance,
            fixed,
        } = self;
        let is_number = before.value.number().is_some();
        let unit = spaced(unit.as_deref().filter(|_| is_number));
        let shown = |prediction| shown(wish, prediction, &unit);
        writeln!(f, "{} {}, wanted {wish}{unit}", before.target, shown(before))?;
        match (reached, changes.is_empty()) {
            (true, true) => writeln!(f, "It is so already.")?,
            (true, false) => writeln!(f, "The smallest change found leads to {}:", shown(after))?,
            (false, true) => writeln!(f, "No change of what may be changed leads nearer to it.")?,
            (false, false) => writeln!(
                f,
                "Not reached within the ranges of the training rows. The nearest is {}:",
                shown(after)
            )?,
        }
        let names = changes.iter().map(|change| change.column.chars().count());
        let width = names.max().unwrap_or(0);
        for change in changes {
            let unit = spaced(change.unit.as_deref());
            let far = if change.category {
                "another category".to_owned()
            } else {
                format!("{:.2} standard deviations", change.distance)
            };
            let (from, to) = (exact(&change.from), exact(&change.to));
            writeln!(f, "  {:width$}  {from} → {to}{unit}  ({far})", change.column)?;
        }
        if changes.len() > 1 {
            writeln!(f, "Size of the change, of all together: {distance:.2}")?;
        }
        if !fixed.is_empty() {
            let each = fixed.iter().map(|one| format!("{} ({})", one.column, one.why));
            writeln!(f, "Not moved: {}", each.collect::<Vec<_>>().join(", "))?;
        }
        for note in &after.notes {
            writeln!(f, "Note: {note}")?;
        }
        Ok(())
    }
}

fn spaced(unit: Option<&str>) -> String {
    unit.map(|unit| format!(" {unit}")).unwrap_or_default()
}

/// With all digits, so that what was printed can be entered and leads to the same.
fn exact(value: &Raw) -> String {
    match value {
        Raw::Number(number) => number.to_string(),
        Raw::Text(text) => text.clone(),
    }
}

/// A prediction in the terms of a wish.
fn shown(wish: &Wish, prediction: &RowPrediction, unit: &str) -> String {
    let all = prediction.probabilities.iter().flatten();
    let probability = |wanted: &String| {
        let found = all.clone().find(|one| one.class == *wanted);
        found.map_or(f64::NAN, |one| one.probability)
    };
    match (wish, prediction.value.number()) {
        (_, Some(number)) => format!("{number:.2}{unit}"),
        (Wish::Class { name } | Wish::Probability { name, .. }, None) => {
            format!(
                "{} (probability of {name} {:.3})",
                prediction.value,
                probability(name)
            )
        }
        _ => prediction.value.to_string(),
    }
}
