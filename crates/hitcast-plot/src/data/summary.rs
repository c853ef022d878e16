//! Skew and outliers.

use serde::{Deserialize, Serialize};

use crate::axis::ticks::{count, percent, short};
use crate::color::{BLUE, GRID, INK, SECONDARY, VERMILION};
use crate::draw::{Canvas, Rect, TextStyle};
use crate::error::{PlotError, Result, check_at_least};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::stats::density::Bins;
use crate::stats::summary::{BoxSummary, Moments};
use crate::stats::{float, only_drawable};
use crate::table::{Table, cell};

const FIGURE: &str = "summary table";

/// A table of columns: a small histogram, missing values, mean, spread, quartiles, skewness (third standardised moment) and
/// outliers (beyond `whisker` lengths of the box from it). Strong skew and many outliers stand out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SummaryTable {
    /// The words.
    pub labels: Labels,
    /// Distance from the box at which outliers begin, in lengths of the box; finite and above 0.
    pub whisker: f64,
    /// Columns that are shown at most (at least 1); the first ones.
    pub max_columns: usize,
}

impl Default for SummaryTable {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            whisker: 1.5,
            max_columns: 24,
        }
    }
}

struct Row {
    name: String,
    bars: Vec<f64>,
    cells: Vec<String>,
    skewed: bool,
    outlying: bool,
}

const HEAD: [&str; 9] = [
    "column",
    "",
    "missing",
    "mean",
    "std. dev.",
    "min.",
    "median",
    "max.",
    "skewness",
];

impl SummaryTable {
    /// Of `columns` (name and values each). A column without a finite value is listed with its missing ones.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a column, [`PlotError::Setting`].
    pub fn figure(&self, columns: &[(&str, &[f64])]) -> Result<Figure> {
        check_at_least("max_columns", self.max_columns, 1, "at least 1")?;
        if !(self.whisker > 0.0 && self.whisker.is_finite()) {
            return Err(PlotError::Setting {
                setting: "whisker",
                value: self.whisker.to_string(),
                allowed: "finite and above 0",
            });
        }
        if columns.is_empty() {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "columns",
                least: 1,
            });
        }
        let mut table = Table::new([
            "column",
            "rows",
            "missing",
            "mean",
            "standard_deviation",
            "min",
            "q1",
            "median",
            "q3",
            "max",
            "skewness",
            "outliers",
        ]);
        let mut rows: Vec<Row> = columns
            .iter()
            .map(|(name, values)| self.row(name, values, &mut table))
            .collect();
        let mut notes = vec![format!(
            "outliers lie more than {} box lengths outside the quartiles; skewness above 1 and outliers above 5 % in colour",
            short(self.whisker, 2)
        )];
        if rows.len() > self.max_columns {
            notes.push(format!(
                "the first {} of {} columns",
                self.max_columns,
                count(rows.len())
            ));
            rows.truncate(self.max_columns);
        }
        Ok(Figure::new(
            self.labels.title_or("Skew and outliers"),
            self.labels.notes(&notes),
            Vec::new(),
            table.finish(),
            move |canvas, body| draw(canvas, body, &rows),
        ))
    }

    fn row(&self, name: &str, values: &[f64], table: &mut Table) -> Row {
        let (kept, missing) = only_drawable(values);
        let missing_share = if values.is_empty() {
            0.0
        } else {
            float(missing) / float(values.len())
        };
        let missing_text = if missing == 0 {
            "0".to_owned()
        } else {
            percent(missing_share, 1)
        };
        let Some(summary) = BoxSummary::new(kept.clone(), self.whisker) else {
            let rows = [name.to_owned(), values.len().to_string(), missing.to_string()];
            table.row(rows.into_iter().chain(vec![String::new(); 9]));
            let mut cells = vec![missing_text];
            cells.resize(8, "–".to_owned());
            return Row {
                name: name.to_owned(),
                bars: Vec::new(),
                cells,
                skewed: false,
                outlying: false,
            };
        };
        let moments = Moments::new(&kept);
        let outlying = float(summary.outliers.len()) / float(kept.len());
        let outer = |own: Option<&f64>, whisker: f64, pick: fn(f64, f64) -> f64| {
            own.map_or(whisker, |v| pick(*v, whisker))
        };
        let min = outer(summary.outliers.first(), summary.low_whisker, f64::min);
        let max = outer(summary.outliers.last(), summary.high_whisker, f64::max);
        let numbers = [
            moments.mean,
            moments.standard_deviation,
            min,
            summary.q1,
            summary.median,
            summary.q3,
            max,
            moments.skewness,
        ];
        let counts = [name.to_owned(), values.len().to_string(), missing.to_string()];
        let outliers = summary.outliers.len().to_string();
        table.row(counts.into_iter().chain(numbers.map(cell)).chain([outliers]));
        let shown = [moments.mean, moments.standard_deviation, min, summary.median, max];
        let mut cells = vec![missing_text];
        cells.extend(shown.map(|v| short(v, 3)));
        cells.push(if moments.skewness.is_nan() {
            "–".to_owned()
        } else {
            crate::axis::ticks::fixed(moments.skewness, 2)
        });
        cells.push(percent(outlying, 1));
        let bins = Bins::new(&kept, Some(24));
        Row {
            name: name.to_owned(),
            bars: bins
                .map(|bins| bins.count(&kept).into_iter().map(float).collect())
                .unwrap_or_default(),
            cells,
            skewed: moments.skewness.abs() > 1.0,
            outlying: outlying > 0.05,
        }
    }
}

fn draw(canvas: &mut Canvas<'_>, body: Rect, rows: &[Row]) {
    let pitch = ((body.height - 34.0) / float(rows.len().max(1))).min(46.0);
    let size = (pitch * 0.44).clamp(7.0, 16.5);
    let name_width = rows
        .iter()
        .map(|row| canvas.measure(&row.name, size))
        .fold(60.0, f64::max)
        .min(body.width * 0.26);
    let picture = body.width * 0.13;
    let rest = (body.width - name_width - picture - 34.0) / 8.0;
    let column_end = |i: usize| body.x + name_width + picture + 34.0 + rest * float(i + 1);
    let heads = HEAD[2..].iter().chain(["outliers"].iter());
    canvas.text([body.x, body.y + 14.0], HEAD[0], TextStyle::new(15.0, SECONDARY));
    for (i, text) in heads.enumerate() {
        canvas.text_within(
            [column_end(i), body.y + 14.0],
            text,
            rest - 8.0,
            TextStyle::new(15.0, SECONDARY).right(),
        );
    }
    canvas.hairline_x(body.x, body.right(), body.y + 26.0, SECONDARY);
    for (i, row) in rows.iter().enumerate() {
        let top = body.y + 30.0 + pitch * float(i);
        let middle = top + pitch / 2.0;
        canvas.text_within(
            [body.x, middle],
            &row.name,
            name_width,
            TextStyle::new(size, INK).middle(),
        );
        let (left, n) = (body.x + name_width + 18.0, float(row.bars.len().max(1)));
        let tallest = row.bars.iter().copied().fold(1.0, f64::max);
        for (j, bar) in row.bars.iter().enumerate().filter(|(_, bar)| **bar > 0.0) {
            let height = (pitch * 0.72 * bar / tallest).max(0.8);
            let at = Rect::new(
                left + picture * float(j) / n,
                top + pitch * 0.88 - height,
                picture / n * 0.9,
                height,
            );
            canvas.rect(at, BLUE.alpha(0.75));
        }
        for (j, text) in row.cells.iter().enumerate() {
            let loud = (j == 6 && row.skewed) || (j == 7 && row.outlying);
            let color = if loud { VERMILION } else { INK };
            canvas.text_within(
                [column_end(j), middle],
                text,
                rest - 6.0,
                TextStyle::new(size, color).right().middle(),
            );
        }
        canvas.hairline_x(body.x, body.right(), top + pitch, GRID);
    }
}
