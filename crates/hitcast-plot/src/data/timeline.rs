//! A value over the years.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Format, Panel};
use crate::classes::{left_out, rows_shown};
use crate::color::{BLUE, OTHER};
use crate::draw::{Rect, Stroke};
use crate::error::{PlotError, Result, check_at_least, check_length};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::normal::student_half_width;
use crate::stats::summary::{Moments, sorted_quantile};
use crate::stats::{drawable, float};
use crate::table::{Table, cell};

const FIGURE: &str = "timeline";

/// What the line and the band of a [`Timeline`] are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Center {
    /// The median, with the quartiles.
    #[default]
    Median,
    /// The mean, with its 95 % confidence interval (Student's).
    Mean,
}

/// A value over the years: a line through the median or the mean of each, a band around it, and the number of rows below.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeline {
    /// The words.
    pub labels: Labels,
    /// What the line and the band are.
    pub center: Center,
    /// Rows that a year needs to be drawn; at least 1.
    pub min_rows: usize,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            center: Center::default(),
            min_rows: 5,
        }
    }
}

struct Year {
    year: f64,
    n: usize,
    value: f64,
    low: f64,
    high: f64,
}

impl Timeline {
    /// Of `values` in their `years` (length `n` each; a fraction of a year is cut off).
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a year that has enough rows, [`PlotError::Length`], [`PlotError::Setting`].
    pub fn figure(&self, years: &[f64], values: &[f64]) -> Result<Figure> {
        check_at_least("min_rows", self.min_rows, 1, "at least 1")?;
        check_length(FIGURE, "values", years.len(), values.len())?;
        let mut groups: BTreeMap<i32, Vec<f64>> = BTreeMap::new();
        for (year, value) in years.iter().zip(values) {
            // Not a year of any calendar.
            if year.abs() < 1e6 && drawable(*value) {
                #[allow(clippy::cast_possible_truncation)]
                groups.entry(year.floor() as i32).or_default().push(*value);
            }
        }
        let known: usize = groups.values().map(Vec::len).sum();
        groups.retain(|_, values| values.len() >= self.min_rows);
        let points: Vec<Year> = groups
            .into_iter()
            .map(|(year, values)| self.year(year, values))
            .collect();
        let shown: usize = points.iter().map(|point| point.n).sum();
        if points.is_empty() {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "years with enough rows",
                least: 1,
            });
        }
        let (value, low, high) = match self.center {
            Center::Median => ("median", "q1", "q3"),
            Center::Mean => ("mean", "low", "high"),
        };
        let mut table = Table::new(["year", "rows", value, low, high]);
        for point in &points {
            let numbers = [point.value, point.low, point.high].map(cell);
            table.row([cell(point.year), point.n.to_string()].into_iter().chain(numbers));
        }
        let notes = [
            rows_shown(shown),
            left_out(years.len() - known, "missing or infinite"),
            left_out(known - shown, "years of few rows"),
        ];
        let label = match self.center {
            Center::Median => "Median with quartiles",
            Center::Mean => "Mean with its 95 % confidence interval",
        };
        let legend = vec![
            Entry::new(label, Swatch::Band(BLUE)),
            Entry::new("Rows per year", Swatch::Patch(OTHER.alpha(0.5))),
        ];
        let (x, y) = (self.labels.x_or("Year"), self.labels.y_or("Value"));
        Ok(Figure::new(
            self.labels.title_or("Over the years"),
            self.labels.notes(&notes),
            legend,
            table.finish(),
            move |canvas, body| {
                let ends = || points.iter().map(|p| p.year);
                let x_axis = || Axis::around(ends()).format(Format::Year);
                let strip = (body.height * 0.2).min(130.0);
                let y_axis = Axis::around(points.iter().flat_map(|p| [p.low, p.high])).label(&y);
                let counts = Axis::from_zero(points.iter().map(|p| float(p.n)))
                    .format(Format::Integer)
                    .label("Rows");
                let [y_axis, counts] = y_axis.aligned(counts, canvas.fonts);
                let top = Rect {
                    height: body.height - strip - 10.0,
                    ..body
                };
                let panel = Panel::new(canvas, top, x_axis(), y_axis);
                let edge = |pick: fn(&Year) -> f64| -> Vec<[f64; 2]> {
                    points.iter().map(|p| panel.at(p.year, pick(p))).collect()
                };
                canvas.band(&edge(|p| p.low), &edge(|p| p.high), BLUE.alpha(0.2));
                let line = edge(|p| p.value);
                if line.len() < 60 {
                    for at in &line {
                        canvas.dot(*at, 3.5, BLUE);
                    }
                }
                if let [Year { year, low, high, .. }] = points.as_slice() {
                    canvas.line(
                        panel.at(*year, *low),
                        panel.at(*year, *high),
                        Stroke::new(BLUE, 2.0),
                    );
                }
                canvas.polyline(line, Stroke::new(BLUE, 3.0));
                let bottom = Rect::new(body.x, body.bottom() - strip, body.width, strip);
                let below = Panel::new(canvas, bottom, x_axis().label(&x).no_grid(), counts);
                let width = (below.x(1.0) - below.x(0.0)).abs().min(40.0) * 0.8;
                for p in &points {
                    let top = below.y(float(p.n));
                    let bar = Rect::new(
                        below.x(p.year) - width / 2.0,
                        top,
                        width,
                        below.frame.bottom() - top,
                    );
                    canvas.rect(bar, OTHER.alpha(0.6));
                }
            },
        ))
    }

    fn year(&self, year: i32, mut values: Vec<f64>) -> Year {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let [low, value, high] = match self.center {
            Center::Median => [0.25, 0.5, 0.75].map(|share| sorted_quantile(&values, share)),
            Center::Mean => {
                let moments = Moments::new(&values);
                let half = if n > 1 {
                    student_half_width(0.95, n - 1) * moments.standard_deviation / float(n).sqrt()
                } else {
                    0.0
                };
                [moments.mean - half, moments.mean, moments.mean + half]
            }
        };
        Year {
            year: f64::from(year),
            n,
            value,
            low,
            high,
        }
    }
}
