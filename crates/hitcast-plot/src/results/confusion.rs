//! What was taken for what.

use hitcast_metrics::ConfusionMatrix;
use serde::{Deserialize, Serialize};

use crate::axis::{Axis, ColorBar, Format, Panel, ticks};
use crate::color::ColorMap;
use crate::draw::{Rect, TextStyle};
use crate::error::{PlotError, Result, check_length};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::stats::float;
use crate::table::{Table, cell};

const FIGURE: &str = "confusion matrix";

/// A confusion matrix: in each cell the number of rows and their share among the rows of the actual class, which is also the
/// colour.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfusionHeatmap {
    /// The words.
    pub labels: Labels,
}

/// More classes than this cannot be told apart on a page.
const MOST: usize = 60;

impl ConfusionHeatmap {
    /// Of a `matrix` of up to 60 classes with their `names`.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a row, [`PlotError::Length`] if there is not a name for each class, or more than 60.
    pub fn figure(&self, matrix: &ConfusionMatrix, names: &[impl AsRef<str>]) -> Result<Figure> {
        let k = matrix.n_classes();
        check_length(FIGURE, "names of classes", k, names.len())?;
        check_length(FIGURE, "classes; at most 60 can be told apart,", k.min(MOST), k)?;
        if matrix.n() == 0 {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "rows",
                least: 1,
            });
        }
        let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        let mut table = Table::new(["actual", "predicted", "rows", "share_of_actual"]);
        let mut cells = Vec::new();
        for actual in 0..k {
            let support = as_float(matrix.support(actual));
            for predicted in 0..k {
                let count = matrix.count(actual, predicted);
                let share = if support > 0.0 {
                    as_float(count) / support
                } else {
                    f64::NAN
                };
                table.row([
                    names[actual].clone(),
                    names[predicted].clone(),
                    count.to_string(),
                    cell(share),
                ]);
                cells.push((actual, predicted, count, share));
            }
        }
        let notes = [
            format!("n = {}", ticks::fixed(as_float(matrix.n()), 0)),
            format!("accuracy {}", ticks::percent(matrix.accuracy(), 1)),
        ];
        let (x, y) = (
            self.labels.x_or("Predicted class"),
            self.labels.y_or("Actual class"),
        );
        Ok(Figure::new(
            self.labels.title_or("Confusion matrix"),
            self.labels.notes(&notes),
            Vec::new(),
            table.finish(),
            move |canvas, body| {
                let axis = Axis::span(0.0, 1.0)
                    .format(Format::Percent)
                    .label("Share of the actual class");
                let bar = ColorBar::new(ColorMap::Amount, axis);
                let body = bar.draw(canvas, body);
                let x_axis = Axis::categories(names.clone()).label(&x);
                let panel = Panel::new(canvas, body, x_axis, Axis::categories(names.clone()).label(&y));
                let (width, height) = (panel.slot_width(), panel.slot_height());
                for (actual, predicted, count, share) in &cells {
                    let [left, top] = panel.at(float(*predicted) - 0.5, float(*actual) - 0.5);
                    let cell = Rect::new(left, top, width, height).snapped();
                    let color = if share.is_nan() {
                        crate::color::GRID
                    } else {
                        bar.color(*share)
                    };
                    let gap = if width > 8.0 && height > 8.0 { 1.5 } else { 0.0 };
                    canvas.rect(cell.inset(0.0, 0.0, gap, gap), color);
                    let size = (height * 0.26).min(width * 0.2).min(26.0);
                    if size < 7.0 {
                        continue;
                    }
                    let [x, y] = cell.center();
                    let style = TextStyle::new(size, color.readable_on()).centered().middle();
                    let text = ticks::fixed(as_float(*count), 0);
                    canvas.text_within([x, y - size * 0.6], &text, width - 4.0, style);
                    let share = if share.is_nan() {
                        "–".to_owned()
                    } else {
                        ticks::percent(*share, 0)
                    };
                    let style = TextStyle {
                        size: size * 0.75,
                        ..style
                    };
                    canvas.text_within([x, y + size * 0.7], &share, width - 4.0, style);
                }
            },
        ))
    }
}

#[allow(clippy::cast_precision_loss)]
fn as_float(count: u64) -> f64 {
    count as f64
}
