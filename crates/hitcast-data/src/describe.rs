//! What the columns of a table look like: counts, moments, quantiles, correlation with a target.

use std::fmt;

use hitcast_core::stats;
use serde::{Deserialize, Serialize};

use crate::error::{DataError, Result};
use crate::table::{Column, ColumnKind, Table, TextColumn};

/// The columns of a table in figures. What there is no figure for is `None`, never NaN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Number of rows.
    pub rows: usize,
    /// The column that the others are correlated with.
    pub target: Option<String>,
    /// The columns in order.
    pub columns: Vec<ColumnDescription>,
}

/// A column in figures. A flag counts as 1 or 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDescription {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Number of values that are there.
    pub count: usize,
    /// Number of values that are missing.
    pub missing: usize,
    /// Mean of the numbers.
    pub mean: Option<f64>,
    /// Standard deviation of the numbers, dividing by n − 1 as pandas does.
    pub std: Option<f64>,
    /// Smallest number.
    pub min: Option<f64>,
    /// First quartile, interpolated linearly.
    pub quantile_25: Option<f64>,
    /// Median.
    pub median: Option<f64>,
    /// Third quartile, interpolated linearly.
    pub quantile_75: Option<f64>,
    /// Largest number.
    pub max: Option<f64>,
    /// Number of distinct texts.
    pub distinct: Option<usize>,
    /// The most frequent text, the first in the table of equally frequent ones.
    pub most_frequent: Option<String>,
    /// How often it stands.
    pub most_frequent_count: Option<usize>,
    /// Pearson's correlation with the target over the rows that have both; none if one of the two does not vary.
    pub correlation: Option<f64>,
}

/// Describes each column, with its correlation with `target` if one is named.
///
/// # Errors
/// [`DataError::NoColumn`] if there is no such target, [`DataError::ColumnKind`] if it holds texts.
pub fn describe(table: &Table, target: Option<&str>) -> Result<Description> {
    let target_values = match target {
        None => None,
        Some(name) => {
            let column = table.column(name)?;
            Some(
                column
                    .as_numbers()
                    .ok_or_else(|| DataError::column_kind(name, ColumnKind::Number, column.kind()))?,
            )
        }
    };
    let columns = table
        .iter()
        .map(|(name, column)| describe_column(name, column, target_values.as_deref()));
    Ok(Description {
        rows: table.n_rows(),
        target: target.map(str::to_owned),
        columns: columns.collect(),
    })
}

fn describe_column(name: &str, column: &Column, target: Option<&[f64]>) -> ColumnDescription {
    let missing = column.n_missing();
    let mut description = ColumnDescription {
        name: name.to_owned(),
        kind: column.kind(),
        count: column.len() - missing,
        missing,
        mean: None,
        std: None,
        min: None,
        quantile_25: None,
        median: None,
        quantile_75: None,
        max: None,
        distinct: None,
        most_frequent: None,
        most_frequent_count: None,
        correlation: None,
    };
    if let Some(values) = column.as_numbers() {
        let mut present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        description.mean = mean(&present).filter(|mean| mean.is_finite());
        description.std = description
            .mean
            .and_then(|mean| standard_deviation(&present, mean));
        let mut at = |share| stats::quantile(&mut present, share).filter(|value| value.is_finite());
        description.min = at(0.0);
        description.quantile_25 = at(0.25);
        description.median = at(0.5);
        description.quantile_75 = at(0.75);
        description.max = at(1.0);
        description.correlation = target.and_then(|target| correlation(&values, target));
    }
    if let Column::Text(texts) = column {
        let counts = counts(texts);
        description.distinct = Some(counts.iter().filter(|&&count| count > 0).count());
        // The dictionary is in the order of first sight; `max_by_key` would take the last of equals.
        if let Some((code, &count)) = counts.iter().enumerate().rev().max_by_key(|(_, count)| **count)
            && count > 0
        {
            let code = u32::try_from(code).unwrap_or(crate::table::MISSING);
            description.most_frequent = texts.dictionary().get(code).map(str::to_owned);
            description.most_frequent_count = Some(count);
        }
    }
    description
}

/// How often each text of the dictionary stands.
fn counts(texts: &TextColumn) -> Vec<usize> {
    let mut counts = vec![0; texts.dictionary().len()];
    for &code in texts.codes() {
        if let Some(count) = counts.get_mut(code as usize) {
            *count += 1;
        }
    }
    counts
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| stats::mean(values))
}

fn standard_deviation(values: &[f64], mean: f64) -> Option<f64> {
    let freedom = values.len().checked_sub(1).filter(|&freedom| freedom > 0)?;
    let squares = stats::sum(values.iter().map(|value| (value - mean).powi(2)));
    Some((squares / freedom as f64).sqrt()).filter(|std| std.is_finite())
}

/// Pearson's correlation over the pairs that are both there.
fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let (x, y): (Vec<f64>, Vec<f64>) = x
        .iter()
        .zip(y)
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .map(|(x, y)| (*x, *y))
        .unzip();
    let (mean_x, mean_y) = (mean(&x)?, mean(&y)?);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(&y) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    let correlation = xy / (xx.sqrt() * yy.sqrt());
    correlation.is_finite().then(|| correlation.clamp(-1.0, 1.0))
}

/// Widest name and text that are printed whole.
const WIDEST_NAME: usize = 20;
const WIDEST_TEXT: usize = 40;

impl fmt::Display for Description {
    /// Two tables, of numbers and flags and of texts, at most 120 columns wide.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} rows, {} columns", self.rows, self.columns.len())?;
        let (texts, numbers): (Vec<_>, Vec<_>) = self
            .columns
            .iter()
            .partition(|column| column.kind == ColumnKind::Text);
        let width = self
            .columns
            .iter()
            .map(|column| column.name.chars().count())
            .max()
            .unwrap_or(0);
        let width = width.clamp(4, WIDEST_NAME);
        if !numbers.is_empty() {
            write!(f, "\n{:<width$} {:>8} {:>8}", "name", "count", "missing")?;
            for title in ["mean", "std", "min", "25%", "median", "75%", "max"] {
                write!(f, " {title:>9}")?;
            }
            writeln!(f, "{}", if self.target.is_some() { "   corr" } else { "" })?;
            for column in numbers {
                write!(
                    f,
                    "{:<width$} {:>8} {:>8}",
                    shortened(&column.name, width),
                    column.count,
                    column.missing
                )?;
                let ColumnDescription {
                    mean,
                    std,
                    min,
                    quantile_25,
                    median,
                    quantile_75,
                    max,
                    ..
                } = column;
                for value in [mean, std, min, quantile_25, median, quantile_75, max] {
                    write!(f, " {:>9}", value.map_or_else(|| "-".to_owned(), short_number))?;
                }
                if self.target.is_some() {
                    let correlation = column
                        .correlation
                        .map_or_else(|| "-".to_owned(), |c| format!("{c:.2}"));
                    write!(f, " {correlation:>6}")?;
                }
                writeln!(f)?;
            }
            if let Some(target) = &self.target {
                writeln!(f, "corr: Pearson's correlation with {target}")?;
            }
        }
        if !texts.is_empty() {
            writeln!(
                f,
                "\n{:<width$} {:>8} {:>8} {:>8}  most frequent",
                "name", "count", "missing", "distinct"
            )?;
            for column in texts {
                let distinct = column.distinct.unwrap_or(0);
                write!(
                    f,
                    "{:<width$} {:>8} {:>8}",
                    shortened(&column.name, width),
                    column.count,
                    column.missing
                )?;
                write!(f, " {distinct:>8}")?;
                if let (Some(text), Some(count)) = (&column.most_frequent, column.most_frequent_count) {
                    write!(f, "  {} ({count})", shortened(text, WIDEST_TEXT))?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

/// A text without control characters, cut to a width in characters.
fn shortened(text: &str, width: usize) -> String {
    let clean = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character });
    if text.chars().count() <= width {
        clean.collect()
    } else {
        clean.take(width.saturating_sub(1)).chain(['…']).collect()
    }
}

/// A number in at most nine characters, with four significant digits unless it is a whole number that fits.
fn short_number(value: f64) -> String {
    let magnitude = value.abs();
    if value.fract() == 0.0 && magnitude < 1e8 {
        return format!("{value}");
    }
    if !(1e-4..1e7).contains(&magnitude) {
        return format!("{value:.2e}");
    }
    // `magnitude` lies in 1e-4..1e7, so its logarithm is small.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let decimals = (3.0 - magnitude.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}
