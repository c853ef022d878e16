//! How columns go together.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::axis::{Axis, ColorBar, Panel, ticks};
use crate::color::ColorMap;
use crate::draw::{Rect, TextStyle};
use crate::error::{PlotError, Result, check_at_least, check_length};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::stats::{float, summary};
use crate::table::{Table, cell};

const FIGURE: &str = "correlation heatmap";

/// A heatmap of correlations: blue for negative, red for positive, with the value in each cell as long as it fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorrelationHeatmap {
    /// The words.
    pub labels: Labels,
    /// Columns that are shown at most (at least 2); the first ones, in their order.
    pub max_columns: usize,
}

impl Default for CorrelationHeatmap {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_columns: 40,
        }
    }
}

impl CorrelationHeatmap {
    /// Of a matrix of correlations (`d × d`, values -1 to 1, NaN where there is none) between `names` (length `d`).
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a column, [`PlotError::Length`], [`PlotError::Value`] if a correlation lies outside
    /// -1 to 1, [`PlotError::Setting`].
    pub fn figure(&self, names: &[impl AsRef<str>], correlations: ArrayView2<'_, f64>) -> Result<Figure> {
        check_at_least("max_columns", self.max_columns, 2, "at least 2")?;
        if names.is_empty() {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "columns",
                least: 1,
            });
        }
        check_length(FIGURE, "rows of correlations", names.len(), correlations.nrows())?;
        check_length(
            FIGURE,
            "columns of correlations",
            names.len(),
            correlations.ncols(),
        )?;
        let mut table = Table::new(["row", "column", "correlation"]);
        for ((i, j), value) in correlations.indexed_iter() {
            if value.abs() > 1.0 + 1e-9 {
                return Err(PlotError::Value {
                    figure: FIGURE,
                    what: format!(
                        "the correlation of {:?} and {:?}",
                        names[i].as_ref(),
                        names[j].as_ref()
                    ),
                    value: *value,
                    allowed: "-1 to 1, or NaN where there is none",
                });
            }
            table.row([
                names[i].as_ref().to_owned(),
                names[j].as_ref().to_owned(),
                cell(*value),
            ]);
        }
        let shown = names.len().min(self.max_columns);
        let names: Vec<String> = names[..shown]
            .iter()
            .map(|name| name.as_ref().to_owned())
            .collect();
        let values = Array2::from_shape_fn((shown, shown), |place| correlations[place]);
        let mut notes = vec![];
        if shown < correlations.nrows() {
            notes.push(format!(
                "the first {shown} of {} columns",
                ticks::count(correlations.nrows())
            ));
        }
        Ok(Figure::new(
            self.labels.title_or("Correlation of the columns"),
            self.labels.notes(&notes),
            Vec::new(),
            table.finish(),
            move |canvas, body| {
                let bar = ColorBar::new(
                    ColorMap::Diverging,
                    Axis::span(-1.0, 1.0).label("Pearson's correlation"),
                );
                let body = bar.draw(canvas, body);
                let (x, y) = (Axis::categories(names.clone()), Axis::categories(names.clone()));
                let panel = Panel::new(canvas, body, x, y);
                for ((i, j), value) in values.indexed_iter() {
                    let [left, top] = panel.at(float(j) - 0.5, float(i) - 0.5);
                    let cell = Rect::new(left, top, panel.slot_width(), panel.slot_height());
                    let color = bar.color(*value);
                    let cell = cell.snapped();
                    let gap = if cell.width > 8.0 && cell.height > 8.0 {
                        1.0
                    } else {
                        0.0
                    };
                    canvas.rect(cell.inset(0.0, 0.0, gap, gap), color);
                    let size = (cell.height * 0.42).min(cell.width * 0.29).min(17.0);
                    if size >= 8.5 {
                        let text = if value.is_nan() {
                            "–".to_owned()
                        } else {
                            ticks::fixed(*value, 2)
                        };
                        let style = TextStyle::new(size, color.readable_on()).centered().middle();
                        canvas.text(cell.center(), &text, style);
                    }
                }
            },
        ))
    }

    /// Of columns (`d` of length `n` each): Pearson's correlations over the rows in which both values are finite.
    ///
    /// # Errors
    /// As [`figure`](Self::figure).
    pub fn of_columns(&self, names: &[impl AsRef<str>], columns: &[&[f64]]) -> Result<Figure> {
        check_length(FIGURE, "columns", names.len(), columns.len())?;
        for column in columns {
            check_length(FIGURE, "values of a column", columns[0].len(), column.len())?;
        }
        let d = columns.len();
        let mut matrix = Array2::from_elem((d, d), f64::NAN);
        for i in 0..d {
            for j in 0..=i {
                let value = summary::correlation(columns[i], columns[j]);
                matrix[(i, j)] = value;
                matrix[(j, i)] = value;
            }
        }
        self.figure(names, matrix.view())
    }
}
