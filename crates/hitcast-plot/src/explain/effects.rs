//! What one feature does to predictions near each row.

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Panel};
use crate::classes::rows_shown;
use crate::color::{BLUE, SECONDARY};
use crate::draw::Stroke;
use crate::error::{PlotError, Result, check_length, check_rising};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::stats::drawable;
use crate::table::{Table, cell};

const FIGURE: &str = "accumulated local effects";

/// Accumulated local effects (Apley and Zhu 2020) of one feature as a line around 0, the mean effect, with the edges of the
/// intervals as dots on it and as ticks at the bottom: between two of them lie about as many rows as between two others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EffectsFigure {
    /// The words; `x` is the feature with its unit, `y` what predictions are measured in.
    pub labels: Labels,
}

impl EffectsFigure {
    /// Of the `effects` at the rising `edges` of the intervals, and the number of `rows` in each interval, one fewer than edges.
    ///
    /// # Errors
    /// [`PlotError::NoData`] with fewer than 2 edges, [`PlotError::Length`], [`PlotError::Value`] if the edges do not rise or an
    /// effect is not finite.
    pub fn figure(&self, edges: &[f64], effects: &[f64], rows: &[usize]) -> Result<Figure> {
        if edges.len() < 2 {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "edges",
                least: 2,
            });
        }
        check_length(FIGURE, "effects", edges.len(), effects.len())?;
        check_length(FIGURE, "numbers of rows", edges.len() - 1, rows.len())?;
        check_rising(FIGURE, edges)?;
        if let Some((place, &value)) = effects.iter().enumerate().find(|(_, effect)| !drawable(**effect)) {
            return Err(PlotError::Value {
                figure: FIGURE,
                what: format!("effect {place}"),
                value,
                allowed: "finite",
            });
        }
        let mut table = Table::new(["edge", "effect", "rows_below"]);
        let below = std::iter::once(String::new()).chain(rows.iter().map(usize::to_string));
        for ((edge, effect), rows) in edges.iter().zip(effects).zip(below) {
            table.row([cell(*edge), cell(*effect), rows]);
        }
        let notes = [
            rows_shown(rows.iter().sum()),
            format!("{} intervals, their edges as ticks at the bottom", rows.len()),
        ];
        let (x, y) = (
            self.labels.x_or("Value of the feature"),
            self.labels.y_or("Change of the prediction from its mean"),
        );
        let (edges, effects) = (edges.to_vec(), effects.to_vec());
        Ok(Figure::new(
            self.labels.title_or("Accumulated local effects"),
            self.labels.notes(&notes),
            Vec::new(),
            table.finish(),
            move |canvas, body| {
                let x_axis = Axis::around(edges.iter().copied()).label(&x);
                let y_axis = Axis::around(effects.iter().copied().chain([0.0])).label(&y);
                let panel = Panel::new(canvas, body, x_axis, y_axis);
                canvas.hairline_x(panel.frame.x, panel.frame.right(), panel.y(0.0), SECONDARY);
                let line: Vec<[f64; 2]> = edges
                    .iter()
                    .zip(&effects)
                    .map(|(x, y)| panel.at(*x, *y))
                    .collect();
                canvas.polyline(line.clone(), Stroke::new(BLUE, 4.0));
                for at in line {
                    canvas.dot(at, 4.5, BLUE);
                    let bottom = panel.frame.bottom();
                    canvas.line(
                        [at[0], bottom - 14.0],
                        [at[0], bottom],
                        Stroke::new(SECONDARY, 2.0),
                    );
                }
            },
        ))
    }
}
