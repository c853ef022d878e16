//! What two features do to the prediction together.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::axis::{Axis, ColorBar, Panel, ticks};
use crate::color::ColorMap;
use crate::draw::{Rect, TextStyle};
use crate::error::{PlotError, Result, check_length, check_rising};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::stats::{drawable, float, range};
use crate::table::{Table, cell};

const FIGURE: &str = "dependence on two features";

/// Values of a feature along one side of a [`DependenceHeatmap`].
#[derive(Debug, Clone, PartialEq)]
pub enum Side {
    /// Rising numbers, at least 2; a cell reaches half way to the next ones.
    Numbers(Vec<f64>),
    /// Names of categories, at least 1.
    Names(Vec<String>),
}

/// Partial dependence on two features (Friedman 2001) as a heat map: the mean prediction of rows that all get both values, with
/// the number in each cell where the cells are large enough.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DependenceHeatmap {
    /// The words; `x` is the first feature with its unit, `y` the second.
    pub labels: Labels,
    /// What predictions are measured in, beside the colours.
    pub prediction: String,
    /// Number of rows behind it, for the note; 0 if that is not known.
    pub rows: usize,
}

impl DependenceHeatmap {
    /// Of the mean predictions (`g × h`) by the `g` values of the first feature and the `h` of the second. A prediction that is not
    /// finite is a grey cell without a number.
    ///
    /// # Errors
    /// [`PlotError::NoData`] with too few values or without a finite prediction, [`PlotError::Length`], [`PlotError::Value`] if
    /// numbers do not rise.
    pub fn figure(&self, sides: [Side; 2], predictions: ArrayView2<'_, f64>) -> Result<Figure> {
        sides.iter().try_for_each(Side::check)?;
        let [x_side, y_side] = &sides;
        check_length(FIGURE, "rows of predictions", x_side.len(), predictions.nrows())?;
        check_length(
            FIGURE,
            "columns of predictions",
            y_side.len(),
            predictions.ncols(),
        )?;
        let Some([low, high]) = range(predictions.iter().copied().filter(|v| drawable(*v))) else {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "finite predictions",
                least: 1,
            });
        };
        let mut table = Table::new(["first", "second", "mean"]);
        for ((i, j), value) in predictions.indexed_iter() {
            table.row([x_side.text(i), y_side.text(j), cell(*value)]);
        }
        let means = predictions.to_owned();
        let mut notes = Vec::new();
        if self.rows > 0 {
            notes.push(crate::classes::rows_shown(self.rows));
        }
        notes.push(format!(
            "mean prediction from {} to {}",
            ticks::short(low, 3),
            ticks::short(high, 3)
        ));
        let (x, y) = (
            self.labels.x_or("Value of the first feature"),
            self.labels.y_or("Value of the second feature"),
        );
        let label = if self.prediction.is_empty() {
            "Mean prediction".to_owned()
        } else {
            self.prediction.clone()
        };
        Ok(Figure::new(
            self.labels.title_or("Partial dependence on two features"),
            self.labels.notes(&notes),
            Vec::new(),
            table.finish(),
            move |canvas, body| {
                let bar = ColorBar::new(ColorMap::Viridis, Axis::span(low, high).label(&label));
                let body = bar.draw(canvas, body);
                let [x_side, y_side] = &sides;
                let panel = Panel::new(canvas, body, x_side.axis().label(&x), y_side.axis().label(&y));
                let (x_edges, y_edges) = (x_side.edges(), y_side.edges());
                for ((i, j), value) in means.indexed_iter() {
                    let (left, right) = (panel.x(x_edges[i]), panel.x(x_edges[i + 1]));
                    let (from, to) = (panel.y(y_edges[j]), panel.y(y_edges[j + 1]));
                    let cell = Rect::new(left, from.min(to), right - left, (to - from).abs()).snapped();
                    let color = bar.color(if drawable(*value) { *value } else { f64::NAN });
                    canvas.rect(cell, color);
                    if !drawable(*value) {
                        continue;
                    }
                    let text = ticks::short(*value, 3);
                    let size = (cell.height * 0.4).min(15.0);
                    if size >= 8.5 && canvas.measure(&text, size) < cell.width - 6.0 {
                        let style = TextStyle::new(size, color.readable_on()).centered().middle();
                        canvas.text(cell.center(), &text, style);
                    }
                }
            },
        ))
    }
}

impl Side {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Names(names) => names.len(),
        }
    }

    fn check(&self) -> Result<()> {
        let least = match self {
            Self::Numbers(_) => 2,
            Self::Names(_) => 1,
        };
        if self.len() < least {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "values of a feature",
                least,
            });
        }
        match self {
            Self::Numbers(numbers) => check_rising(FIGURE, numbers),
            Self::Names(_) => Ok(()),
        }
    }

    fn text(&self, place: usize) -> String {
        match self {
            Self::Numbers(numbers) => cell(numbers[place]),
            Self::Names(names) => names[place].clone(),
        }
    }

    fn axis(&self) -> Axis {
        match self {
            Self::Numbers(_) => {
                let edges = self.edges();
                Axis::span(edges[0], edges[edges.len() - 1]).no_grid()
            }
            Self::Names(names) => Axis::categories(names.clone()),
        }
    }

    /// Where cells begin and end, one more than there are values.
    fn edges(&self) -> Vec<f64> {
        match self {
            Self::Numbers(numbers) => {
                let n = numbers.len();
                let first = numbers[0] - (numbers[1] - numbers[0]) / 2.0;
                let last = numbers[n - 1] + (numbers[n - 1] - numbers[n - 2]) / 2.0;
                let between = numbers.windows(2).map(|pair| pair[0].midpoint(pair[1]));
                std::iter::once(first).chain(between).chain([last]).collect()
            }
            Self::Names(names) => (0..=names.len()).map(|place| float(place) - 0.5).collect(),
        }
    }
}
