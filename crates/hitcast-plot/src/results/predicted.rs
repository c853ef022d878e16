//! Predictions against what was true.

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Panel, ticks};
use crate::classes::{left_out, rows_shown};
use crate::color::{BLUE, INK, WHITE};
use crate::data::scatter::{dots, draw_hexagons};
use crate::draw::{Rect, Stroke};
use crate::error::{PlotError, Result, check_at_least, check_length};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::{drawable, float, range};
use crate::table::{Table, cell};

const FIGURE: &str = "predicted against actual";

/// Predictions against actual values, with the line on which they are right. Many rows become hexagons that are darker where
/// more rows are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PredictedActual {
    /// The words.
    pub labels: Labels,
    /// Dots at most; more rows become hexagons. At least 10.
    pub max_points: usize,
}

impl Default for PredictedActual {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_points: 1500,
        }
    }
}

/// The rows in which both are finite.
pub(crate) fn both(figure: &'static str, actual: &[f64], predicted: &[f64]) -> Result<Vec<[f64; 2]>> {
    check_length(figure, "predictions", actual.len(), predicted.len())?;
    let rows = actual
        .iter()
        .zip(predicted)
        .filter(|(a, p)| drawable(**a) && drawable(**p));
    let rows: Vec<[f64; 2]> = rows.map(|(a, p)| [*a, *p]).collect();
    if rows.is_empty() {
        return Err(PlotError::NoData {
            figure,
            what: "rows",
            least: 1,
        });
    }
    Ok(rows)
}

impl PredictedActual {
    /// Of `actual` and `predicted` values (length `n` each).
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a row in which both are finite, [`PlotError::Length`], [`PlotError::Setting`].
    pub fn figure(&self, actual: &[f64], predicted: &[f64]) -> Result<Figure> {
        check_at_least("max_points", self.max_points, 10, "at least 10")?;
        let rows = both(FIGURE, actual, predicted)?;
        let mut table = Table::new(["actual", "predicted"]);
        for [a, p] in &rows {
            table.row([cell(*a), cell(*p)]);
        }
        let error = (rows.iter().map(|[a, p]| (a - p).powi(2)).sum::<f64>() / float(rows.len())).sqrt();
        let notes = [
            rows_shown(rows.len()),
            left_out(actual.len() - rows.len(), "missing or infinite"),
            format!("RMSE = {}", ticks::short(error, 3)),
        ];
        let right = Stroke::new(INK, 2.0).dashed();
        let legend = vec![Entry::new("Prediction = actual value", Swatch::Line(right))];
        let dense = rows.len() > self.max_points;
        let (x, y) = (self.labels.x_or("Actual"), self.labels.y_or("Predicted"));
        Ok(Figure::new(
            self.labels.title_or("Predicted against actual"),
            self.labels.notes(&notes),
            legend,
            table.finish(),
            move |canvas, body| {
                let area = body.inset(0.0, 0.0, if dense { 92.0 } else { 0.0 }, 0.0);
                let x_axis = Axis::around(rows.iter().map(|p| p[0])).label(&x);
                let y_axis = Axis::around(rows.iter().map(|p| p[1])).label(&y);
                let panel = Panel::new(canvas, area, x_axis, y_axis);
                let points = rows.iter().map(|[a, p]| panel.at(*a, *p));
                if dense {
                    let side = Rect {
                        x: area.right(),
                        width: 92.0,
                        ..area
                    };
                    draw_hexagons(canvas, &panel, side, points);
                } else {
                    let (radius, alpha) = dots(rows.len());
                    points.for_each(|at| canvas.dot(at, radius, BLUE.alpha(alpha)));
                }
                canvas.clip(panel.frame);
                let ends = panel.x_range().into_iter().chain(panel.y_range());
                if let Some([low, high]) = range(ends) {
                    let (from, to) = (panel.at(low, low), panel.at(high, high));
                    // Dashes can be seen on dark hexagons, too.
                    canvas.line(from, to, Stroke::new(WHITE.alpha(0.75), 4.5));
                    canvas.line(from, to, right);
                }
                canvas.unclip();
            },
        ))
    }
}
