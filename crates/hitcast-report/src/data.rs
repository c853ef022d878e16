//! What the rows look like.

use std::collections::BTreeMap;

use hitcast_data::{Column, Table, vocabulary};
use hitcast_pipeline::grouped;
use hitcast_plot::{
    BoxPlots, CorrelationHeatmap, Histogram, Labels, MissingColumn, MissingValues, Scatter, SummaryTable,
    TierDistributions, Timeline, WordCloud,
};

use crate::error::Result;
use crate::page::Section;

/// What is looked at in a table.
pub(crate) struct View<'a> {
    pub(crate) table: &'a Table,
    /// The column that is predicted, or would be.
    pub(crate) target: Option<&'a str>,
    /// What it is predicted from; all numbers if nothing is.
    pub(crate) features: Vec<&'a str>,
}

/// Ends of the classes of popularity from 0 to 100.
const TIERS: [f64; 2] = [31.0, 70.0];
const TIER_NAMES: [&str; 3] = ["below 31", "31 to 69", "70 and above"];

impl View<'_> {
    pub(crate) fn section(&self) -> Result<Section> {
        let mut section = Section::new("Data");
        let (rows, columns) = (self.table.n_rows(), self.table.n_columns());
        section.text(format!("{} rows of {columns} columns.", grouped(rows)));
        let labelled = |title: String| Labels::new(title);
        let target = self
            .target
            .and_then(|name| Some((name, numbers(self.table.column(name).ok()?)?)));
        if let Some((name, values)) = &target {
            let labels = labelled(format!("Distribution of {name}"))
                .x(axis(name))
                .y("Rows");
            let histogram = Histogram {
                labels,
                ..Histogram::default()
            };
            section.figure("distribution", histogram.figure(values));
        }
        let missing: Vec<MissingColumn> = (self.table.iter())
            .map(|(name, column)| MissingColumn {
                name: name.to_owned(),
                missing: column.n_missing(),
                rows,
            })
            .collect();
        if missing.iter().any(|column| column.missing > 0) {
            section.figure("missing_values", MissingValues::default().figure(&missing));
        } else {
            section.text("No value is missing.");
        }
        let columns = self.numbers();
        let named: Vec<(&str, &[f64])> = columns
            .iter()
            .map(|(name, values)| (*name, &values[..]))
            .collect();
        section.figure("columns", SummaryTable::default().figure(&named));
        let (names, values): (Vec<&str>, Vec<&[f64]>) = named.iter().copied().unzip();
        section.figure(
            "correlation",
            CorrelationHeatmap::default().of_columns(&names, &values),
        );
        if let Some((name, values)) = &target {
            self.by_target(&mut section, name, values, &named);
        }
        Ok(section)
    }

    /// Figures that ask how the target goes together with other columns.
    fn by_target(&self, section: &mut Section, target: &str, values: &[f64], named: &[(&str, &[f64])]) {
        if let Some(categories) = self.texts("genre") {
            let labels = Labels::new(format!("{target} by genre")).x(axis(target));
            let boxes = BoxPlots {
                labels,
                ..BoxPlots::default()
            };
            section.figure("by_genre", boxes.figure(values, &categories));
        }
        let find = |name: &str| {
            named
                .iter()
                .find(|(own, _)| *own == name)
                .map(|(_, values)| *values)
        };
        let is_popularity = target.contains("popularity")
            && values
                .iter()
                .all(|value| value.is_nan() || (0.0..=100.0).contains(value));
        if is_popularity {
            let tier = |value: &f64| TIERS.iter().filter(|end| value >= *end).count();
            let known: Vec<usize> = (0..values.len()).filter(|&row| !values[row].is_nan()).collect();
            let tiers: Vec<usize> = known.iter().map(|&row| tier(&values[row])).collect();
            let columns: Vec<(&str, Vec<f64>)> = (named.iter())
                .filter(|(name, _)| *name != target)
                .map(|(name, values)| (*name, known.iter().map(|&row| values[row]).collect()))
                .collect();
            let columns: Vec<(&str, &[f64])> = columns
                .iter()
                .map(|(name, values)| (*name, &values[..]))
                .collect();
            let distributions = TierDistributions {
                labels: Labels::new(format!("Features by {target}")),
                ..TierDistributions::default()
            };
            section.figure("tiers", distributions.figure(&columns, &tiers, &TIER_NAMES));
            if let (Some(energy), Some(danceability)) = (find("energy"), find("danceability")) {
                let of = |values: &[f64]| known.iter().map(|&row| values[row]).collect::<Vec<f64>>();
                let labels = Labels::new("Danceability against energy")
                    .x(axis("energy"))
                    .y(axis("danceability"));
                let scatter = Scatter {
                    labels,
                    ..Scatter::default()
                };
                let figure = scatter.by_class(&of(energy), &of(danceability), &tiers, &TIER_NAMES);
                section.figure("danceability_against_energy", figure);
            }
            if let Some(titles) = self.texts("track_name") {
                let hits = titles.iter().zip(values).filter(|(_, value)| **value >= TIERS[1]);
                let hits: Vec<&str> = hits.map(|(title, _)| title.as_str()).collect();
                if !hits.is_empty() {
                    let cloud = WordCloud {
                        labels: Labels::new(format!(
                            "Words in titles with a {target} of {} or more",
                            TIERS[1]
                        )),
                        ..WordCloud::default()
                    };
                    section.figure("words_of_hits", cloud.figure(hits));
                }
            }
        }
        if let Some(years) = self.years() {
            let timeline = Timeline {
                labels: Labels::new(format!("{target} over the years"))
                    .x("year")
                    .y(axis(target)),
                ..Timeline::default()
            };
            section.figure("over_the_years", timeline.figure(&years, values));
        }
    }

    /// The columns that hold numbers: the target, then the features.
    fn numbers(&self) -> Vec<(&str, Vec<f64>)> {
        let all: BTreeMap<&str, &Column> = self.table.iter().collect();
        let mut names: Vec<&str> = self
            .target
            .into_iter()
            .chain(self.features.iter().copied())
            .collect();
        if self.features.is_empty() {
            names.extend(self.table.names().filter(|name| Some(*name) != self.target));
        }
        let found = names.into_iter().filter_map(|name| {
            let (name, column) = all.get_key_value(name)?;
            Some((*name, numbers(column)?))
        });
        found.collect()
    }

    /// A column of texts, "(missing)" where one is missing.
    fn texts(&self, name: &str) -> Option<Vec<String>> {
        let column = self.table.texts(name).ok()?;
        let text = |text: Option<&str>| text.unwrap_or("(missing)").to_owned();
        Some(column.iter().map(text).collect())
    }

    fn years(&self) -> Option<Vec<f64>> {
        let column = ["release_year", "year", "release_date"]
            .iter()
            .find_map(|name| self.table.column(name).ok())?;
        let year = |row: usize| {
            column
                .display(row)
                .get(..4)?
                .parse::<f64>()
                .ok()
                .filter(|year| (1800.0..2200.0).contains(year))
        };
        let years: Vec<f64> = (0..column.len())
            .map(|row| year(row).unwrap_or(f64::NAN))
            .collect();
        years.iter().any(|year| year.is_finite()).then_some(years)
    }
}

/// A column's name with its unit, where that is known.
pub(crate) fn axis(name: &str) -> String {
    match vocabulary::feature(name).and_then(|feature| feature.unit) {
        Some(unit) => format!("{name} ({unit})"),
        None => name.to_owned(),
    }
}

/// A column's values as numbers; `None` of texts, and of columns without any value.
pub(crate) fn numbers(column: &Column) -> Option<Vec<f64>> {
    let values = column.as_numbers()?.into_owned();
    values.iter().any(|value| value.is_finite()).then_some(values)
}
