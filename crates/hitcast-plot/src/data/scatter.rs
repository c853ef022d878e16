//! Two columns and a line through them.

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, ColorBar, Panel, ticks};
use crate::classes::{ClassRows, by_class, left_out, rows_shown};
use crate::color::{BLUE, Color, ColorMap, INK, VERMILION};
use crate::draw::{Canvas, Rect, Stroke};
use crate::error::{PlotError, Result, check_at_least, check_length, check_share};
use crate::figure::Figure;
use crate::hexagons::Hexagons;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::line::LeastSquares;
use crate::stats::summary::sorted_quantile;
use crate::stats::{drawable, float, range};
use crate::table::{Table, cell};

const FIGURE: &str = "scatter";

/// Two columns as dots with a least-squares line and the band in which the mean lies, coloured by a third column or by
/// class. Rows with a missing value are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scatter {
    /// The words.
    pub labels: Labels,
    /// Name of the third column, with its unit.
    pub color_label: String,
    /// Dots at most (at least 10). More points without a colour become hexagons that are darker where more points are;
    /// with a colour, this many rows at equal distances are drawn. The line is always that of all rows.
    pub max_points: usize,
    /// Confidence of the band, between 0 and 1.
    pub confidence: f64,
    /// Whether the line and its band are drawn.
    pub line: bool,
}

impl Default for Scatter {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            color_label: String::new(),
            max_points: 4000,
            confidence: 0.95,
            line: true,
        }
    }
}

enum Colors {
    One,
    Number(Vec<f64>),
    Class(Vec<ClassRows>),
}

impl Scatter {
    /// Of `x` and `y` (length `n` each).
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a row in which both are finite, [`PlotError::Length`], [`PlotError::Setting`].
    pub fn figure(&self, x: &[f64], y: &[f64]) -> Result<Figure> {
        self.draw(x, y, Colors::One)
    }

    /// Coloured by a third column (length `n`), from its 2nd to its 98th percentile; a row without it is grey.
    ///
    /// # Errors
    /// As [`figure`](Self::figure).
    pub fn by_number(&self, x: &[f64], y: &[f64], color: &[f64]) -> Result<Figure> {
        check_length(FIGURE, "values for the colour", x.len(), color.len())?;
        self.draw(x, y, Colors::Number(color.to_vec()))
    }

    /// Coloured by class, with a line for each; `classes` (length `n`) index `names`.
    ///
    /// # Errors
    /// As [`figure`](Self::figure), and [`PlotError::UnknownClass`].
    pub fn by_class(
        &self,
        x: &[f64],
        y: &[f64],
        classes: &[usize],
        names: &[impl AsRef<str>],
    ) -> Result<Figure> {
        let found = by_class(FIGURE, x.len(), classes, names)?;
        self.draw(x, y, Colors::Class(found))
    }

    fn draw(&self, x: &[f64], y: &[f64], colors: Colors) -> Result<Figure> {
        check_at_least("max_points", self.max_points, 10, "at least 10")?;
        check_share("confidence", self.confidence)?;
        check_length(FIGURE, "values of y", x.len(), y.len())?;
        let rows: Vec<usize> = (0..x.len())
            .filter(|i| drawable(x[*i]) && drawable(y[*i]))
            .collect();
        if rows.is_empty() {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "rows",
                least: 1,
            });
        }
        let class_of = class_names(&colors, x.len());
        let mut table = Table::new(["x", "y", "color"]);
        for row in &rows {
            let color = match &colors {
                Colors::One => String::new(),
                Colors::Number(values) => cell(values[*row]),
                Colors::Class(_) => class_of[*row].clone(),
            };
            table.row([cell(x[*row]), cell(y[*row]), color]);
        }
        let mut notes = vec![
            rows_shown(rows.len()),
            left_out(x.len() - rows.len(), "missing or infinite"),
        ];
        let mut legend = Vec::new();
        let mut lines = Vec::new();
        let pick = |rows: &[usize]| -> Option<(LeastSquares, [f64; 2])> {
            let kept = rows.iter().filter(|row| drawable(x[**row]) && drawable(y[**row]));
            let (xs, ys): (Vec<f64>, Vec<f64>) = kept.map(|row| (x[*row], y[*row])).unzip();
            Some((LeastSquares::fit(&xs, &ys)?, range(xs)?))
        };
        if let Colors::Class(classes) = &colors {
            for class in classes {
                let line = pick(&class.rows);
                let r = line.map_or_else(String::new, |(line, _)| {
                    format!(", r = {}", ticks::fixed(line.correlation, 2))
                });
                legend.push(Entry::new(format!("{}{r}", class.name), Swatch::Dot(class.color)));
                lines.extend(line.map(|(line, ends)| (line, ends, class.color)));
            }
        } else if let Some((line, ends)) = pick(&rows) {
            notes.push(format!("r = {}", ticks::fixed(line.correlation, 2)));
            let color = if matches!(colors, Colors::One) {
                VERMILION
            } else {
                INK
            };
            let label = format!(
                "Least-squares line with its {} band",
                ticks::percent(self.confidence, 0)
            );
            if self.line {
                legend.push(Entry::new(label, Swatch::Band(color)));
            }
            lines.push((line, ends, color));
        }
        if !self.line {
            lines.clear();
        }
        let drawn = self.drawn(&rows, &colors, x, y, &mut notes);
        let hexagons = matches!(colors, Colors::One) && rows.len() > self.max_points;
        let bar = match &colors {
            Colors::Number(values) => Some(color_bar(values, &rows, &self.color_label)),
            _ => None,
        };
        let (confidence, labels) = (self.confidence, [self.labels.x_or("x"), self.labels.y_or("y")]);
        Ok(Figure::new(
            self.labels.title_or("Two columns"),
            self.labels.notes(&notes),
            legend,
            table.finish(),
            move |canvas, body| {
                let body = bar.as_ref().map_or(body, |bar| bar.draw(canvas, body));
                let area = if hexagons {
                    body.inset(0.0, 0.0, 92.0, 0.0)
                } else {
                    body
                };
                let x_axis = Axis::around(drawn.iter().map(|p| p.0[0])).label(&labels[0]);
                let y_axis = Axis::around(drawn.iter().map(|p| p.0[1])).label(&labels[1]);
                let panel = Panel::new(canvas, area, x_axis, y_axis);
                if hexagons {
                    let points = drawn.iter().map(|([x, y], _)| panel.at(*x, *y));
                    draw_hexagons(
                        canvas,
                        &panel,
                        Rect {
                            x: area.right(),
                            width: 92.0,
                            ..area
                        },
                        points,
                    );
                } else {
                    let (radius, alpha) = dots(drawn.len());
                    for ([x, y], color) in &drawn {
                        canvas.dot(panel.at(*x, *y), radius, color.alpha(alpha));
                    }
                }
                canvas.clip(panel.frame);
                for (line, ends, color) in &lines {
                    draw_band(canvas, &panel, line, *ends, *color, confidence);
                }
                for (line, ends, color) in &lines {
                    let ends = ends.map(|x| panel.at(x, line.at(x)));
                    canvas.polyline(ends, Stroke::new(*color, 3.0));
                }
                canvas.unclip();
            },
        ))
    }

    /// The points that are drawn, with their colours; of several colours none always lies on top.
    fn drawn(
        &self,
        rows: &[usize],
        colors: &Colors,
        x: &[f64],
        y: &[f64],
        notes: &mut Vec<String>,
    ) -> Vec<([f64; 2], Color)> {
        let color_of: Vec<Color> = match colors {
            Colors::One => vec![BLUE; x.len()],
            Colors::Number(values) => {
                let bar = color_bar(values, rows, "");
                values.iter().map(|value| bar.color(*value)).collect()
            }
            Colors::Class(classes) => {
                let mut all = vec![BLUE; x.len()];
                for class in classes {
                    for row in &class.rows {
                        all[*row] = class.color;
                    }
                }
                all
            }
        };
        let points: Vec<([f64; 2], Color)> = rows
            .iter()
            .map(|row| ([x[*row], y[*row]], color_of[*row]))
            .collect();
        if matches!(colors, Colors::One) || points.len() <= self.max_points {
            return points;
        }
        notes.push(format!("{} dots drawn", ticks::count(self.max_points)));
        let at = |i: usize| i * points.len() / self.max_points;
        (0..self.max_points)
            .filter_map(|i| points.get(at(i)).copied())
            .collect()
    }
}

fn class_names(colors: &Colors, n: usize) -> Vec<String> {
    let mut names = vec![String::new(); n];
    if let Colors::Class(classes) = colors {
        for class in classes {
            for row in &class.rows {
                names[*row].clone_from(&class.name);
            }
        }
    }
    names
}

fn color_bar(values: &[f64], rows: &[usize], label: &str) -> ColorBar {
    let mut known: Vec<f64> = rows
        .iter()
        .map(|row| values[*row])
        .filter(|v| drawable(*v))
        .collect();
    known.sort_by(f64::total_cmp);
    let ends = if known.is_empty() {
        [0.0, 1.0]
    } else {
        [0.02, 0.98].map(|s| sorted_quantile(&known, s))
    };
    ColorBar::new(ColorMap::Viridis, Axis::span(ends[0], ends[1]).label(label))
}

/// Draws points (in pixels) as hexagons, with their colours explained in `side`.
pub(crate) fn draw_hexagons(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    side: Rect,
    points: impl Iterator<Item = [f64; 2]>,
) {
    let frame = panel.frame;
    let inside = points.map(|[x, y]| [x - frame.x, y - frame.y]);
    let hexagons = Hexagons::new(frame.width, frame.height, inside);
    let bar = ColorBar::counts("Rows", hexagons.most());
    hexagons.draw(canvas, panel, &bar);
    bar.draw(canvas, side);
}

/// Radius and opacity of so many dots.
pub(crate) fn dots(n: usize) -> (f64, f32) {
    match n {
        0..=60 => (5.5, 0.85),
        61..=400 => (4.5, 0.7),
        401..=1500 => (3.6, 0.55),
        _ => (2.8, 0.42),
    }
}

fn draw_band(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    line: &LeastSquares,
    [from, to]: [f64; 2],
    color: Color,
    confidence: f64,
) {
    let xs = (0..=60).map(|i| from + (to - from) * float(i) / 60.0);
    let edge = |sign: f64| -> Vec<[f64; 2]> {
        let y = |x: f64| line.at(x) + sign * line.half_width(x, confidence);
        xs.clone().map(|x| panel.at(x, y(x))).collect()
    };
    canvas.band(&edge(-1.0), &edge(1.0), color.alpha(0.22));
    // A white rim keeps the line, which comes last, apart from dots of its colour.
    let ends = [panel.at(from, line.at(from)), panel.at(to, line.at(to))];
    canvas.polyline(ends, Stroke::new(crate::color::WHITE, 5.0));
}
