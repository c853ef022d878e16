//! What one feature does to the prediction.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Panel, ticks};
use crate::classes::rows_shown;
use crate::color::{BLUE, OTHER, SECONDARY};
use crate::draw::Stroke;
use crate::error::{PlotError, Result, check_at_least, check_length, check_rising};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::summary::sorted_quantile;
use crate::stats::{drawable, float};
use crate::table::{Table, cell};

const FIGURE: &str = "partial dependence";

/// Partial dependence (Friedman 2001) as a thick line over the individual curves (Goldstein et al. 2015) of single rows, with
/// the deciles of the feature as ticks below.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartialDependence {
    /// The words; `x` is the feature with its unit, `y` what predictions are measured in.
    pub labels: Labels,
    /// Individual curves that are shown at most, at equal distances; 0 for none.
    pub max_curves: usize,
    /// Whether every individual curve begins at 0, so that what is seen is only how predictions change.
    pub centered: bool,
}

impl Default for PartialDependence {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_curves: 120,
            centered: false,
        }
    }
}

impl PartialDependence {
    /// Of the predictions of rows (`n × g`) as the feature takes the `g` rising values of `grid`; the thick line is their
    /// mean. `feature` holds the feature's values in the data, for the ticks, and may be empty.
    ///
    /// # Errors
    /// [`PlotError::NoData`] with fewer than 2 values of the grid or without a row of finite predictions,
    /// [`PlotError::Length`], [`PlotError::Value`] if the grid does not rise.
    pub fn figure(&self, grid: &[f64], predictions: ArrayView2<'_, f64>, feature: &[f64]) -> Result<Figure> {
        check_at_least("max_curves", self.max_curves, 0, "at least 0")?;
        check_length(FIGURE, "columns of predictions", grid.len(), predictions.ncols())?;
        check_rising(FIGURE, grid)?;
        let whole = predictions
            .rows()
            .into_iter()
            .filter(|row| row.iter().all(|v| drawable(*v)));
        let mut rows: Vec<Vec<f64>> = whole.map(|row| row.to_vec()).collect();
        if grid.len() < 2 || rows.is_empty() {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: if rows.is_empty() {
                    "rows of predictions"
                } else {
                    "values of the grid"
                },
                least: if rows.is_empty() { 1 } else { 2 },
            });
        }
        if self.centered {
            for row in &mut rows {
                let first = row[0];
                row.iter_mut().for_each(|v| *v -= first);
            }
        }
        let n = rows.len();
        let mean: Vec<f64> = (0..grid.len())
            .map(|j| rows.iter().map(|row| row[j]).sum::<f64>() / float(n))
            .collect();
        let mut table = Table::new(["value", "mean", "q10", "q90"]);
        for (j, value) in grid.iter().enumerate() {
            let mut at: Vec<f64> = rows.iter().map(|row| row[j]).collect();
            at.sort_by(f64::total_cmp);
            let spread = [0.1, 0.9].map(|share| cell(sorted_quantile(&at, share)));
            table.row([cell(*value), cell(mean[j])].into_iter().chain(spread));
        }
        let shown = n.min(self.max_curves);
        let curves: Vec<Vec<f64>> = (0..shown).map(|i| rows[i * n / shown].clone()).collect();
        let mut known: Vec<f64> = feature.iter().copied().filter(|v| drawable(*v)).collect();
        known.sort_by(f64::total_cmp);
        let deciles: Vec<f64> = (1..10)
            .map(|i| sorted_quantile(&known, f64::from(i) / 10.0))
            .collect();
        let grid = grid.to_vec();
        let mut legend = vec![Entry::new(
            "Mean of all rows",
            Swatch::Line(Stroke::new(BLUE, 4.0)),
        )];
        let mut notes = vec![rows_shown(n)];
        if shown > 0 {
            legend.push(Entry::new(
                "Single rows",
                Swatch::Line(Stroke::new(OTHER.alpha(0.7), 1.5)),
            ));
            notes.push(format!("{} curves of single rows", ticks::count(shown)));
        }
        if !known.is_empty() {
            notes.push("ticks at the bottom are deciles of the data".to_owned());
        }
        let default = if self.centered {
            "Change of the prediction"
        } else {
            "Prediction"
        };
        let (x, y) = (
            self.labels.x_or("Value of the feature"),
            self.labels.y_or(default),
        );
        Ok(Figure::new(
            self.labels.title_or("Partial dependence"),
            self.labels.notes(&notes),
            legend,
            table.finish(),
            move |canvas, body| {
                let values = curves.iter().flatten().chain(&mean).copied();
                let x_axis = Axis::around(grid.iter().copied()).label(&x);
                let panel = Panel::new(canvas, body, x_axis, Axis::around(values).label(&y));
                let line = |curve: &[f64]| -> Vec<[f64; 2]> {
                    grid.iter().zip(curve).map(|(x, y)| panel.at(*x, *y)).collect()
                };
                let opacity = if curves.len() > 60 { 0.28 } else { 0.45 };
                for curve in &curves {
                    canvas.polyline(line(curve), Stroke::new(OTHER.alpha(opacity), 1.3));
                }
                canvas.polyline(line(&mean), Stroke::new(crate::color::WHITE, 7.0));
                canvas.polyline(line(&mean), Stroke::new(BLUE, 4.5));
                canvas.clip(panel.frame);
                for decile in deciles.iter().filter(|v| v.is_finite()) {
                    let x = panel.x(*decile);
                    let bottom = panel.frame.bottom();
                    canvas.line([x, bottom - 14.0], [x, bottom], Stroke::new(SECONDARY, 2.0));
                }
                canvas.unclip();
            },
        ))
    }
}
