//! What predictions are off by.

use serde::{Deserialize, Serialize};

use super::predicted::both;
use crate::axis::ColorBar;
use crate::axis::{Axis, Panel, ticks};
use crate::classes::{left_out, rows_shown};
use crate::color::{BLUE, INK, VERMILION};
use crate::data::scatter::dots;
use crate::draw::{Canvas, Rect, Stroke, TextStyle};
use crate::error::{Result, check_at_least};
use crate::figure::Figure;
use crate::hexagons::Hexagons;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::density::{Bins, density};
use crate::stats::normal::normal_quantile;
use crate::stats::summary::{Moments, sorted_quantile};
use crate::stats::{float, range};
use crate::table::{Table, cell};

const FIGURE: &str = "residuals";

/// Residuals (actual minus predicted) in three panels: against the prediction with their running mean, as a histogram with the
/// normal curve of the same mean and spread, and their quantiles against those of a normal distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Residuals {
    /// The words; `x` is the prediction's name, `y` the residual's.
    pub labels: Labels,
    /// Dots at most; more rows become hexagons. At least 10.
    pub max_points: usize,
}

impl Default for Residuals {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_points: 1500,
        }
    }
}

struct Data {
    /// Prediction and residual of each row.
    rows: Vec<[f64; 2]>,
    running: Vec<[f64; 2]>,
    sorted: Vec<f64>,
    moments: Moments,
    dense: bool,
}

impl Residuals {
    /// Of `actual` and `predicted` values (length `n` each).
    ///
    /// # Errors
    /// [`PlotError::NoData`](crate::PlotError::NoData) without a row in which both are finite,
    /// [`PlotError::Length`](crate::PlotError::Length), [`PlotError::Setting`](crate::PlotError::Setting).
    pub fn figure(&self, actual: &[f64], predicted: &[f64]) -> Result<Figure> {
        check_at_least("max_points", self.max_points, 10, "at least 10")?;
        let pairs = both(FIGURE, actual, predicted)?;
        let mut table = Table::new(["predicted", "residual"]);
        for [a, p] in &pairs {
            table.row([cell(*p), cell(a - p)]);
        }
        let rows: Vec<[f64; 2]> = pairs.iter().map(|[a, p]| [*p, a - p]).collect();
        let mut sorted: Vec<f64> = rows.iter().map(|r| r[1]).collect();
        let moments = Moments::new(&sorted);
        sorted.sort_by(f64::total_cmp);
        let notes = [
            rows_shown(rows.len()),
            left_out(actual.len() - rows.len(), "missing or infinite"),
            format!("mean residual {}", ticks::short(moments.mean, 2)),
            format!(
                "standard deviation {}",
                ticks::short(moments.standard_deviation, 3)
            ),
        ];
        let data = Data {
            running: running_means(&rows),
            dense: rows.len() > self.max_points,
            rows,
            sorted,
            moments,
        };
        let legend = vec![
            Entry::new("Running mean", Swatch::Line(Stroke::new(VERMILION, 3.0))),
            Entry::new(
                "Normal distribution",
                Swatch::Line(Stroke::new(INK, 2.0).dashed()),
            ),
        ];
        let (x, y) = (
            self.labels.x_or("Predicted"),
            self.labels.y_or("Residual (actual − predicted)"),
        );
        Ok(Figure::new(
            self.labels.title_or("Residuals"),
            self.labels.notes(&notes),
            legend,
            table.finish(),
            move |canvas, body| {
                let left = Rect {
                    width: body.width * 0.57,
                    ..body
                };
                let right = Rect::new(left.right() + 28.0, body.y, body.width * 0.43 - 28.0, body.height);
                against_prediction(canvas, left, &data, [&x, &y]);
                let cells = right.grid(1, 2, [0.0, 18.0]);
                histogram(canvas, cells[0], &data);
                quantiles(canvas, cells[1], &data);
            },
        ))
    }
}

fn against_prediction(canvas: &mut Canvas<'_>, area: Rect, data: &Data, labels: [&str; 2]) {
    let x = Axis::around(data.rows.iter().map(|r| r[0])).label(labels[0]);
    let y = Axis::around(data.rows.iter().map(|r| r[1]).chain([0.0])).label(labels[1]);
    let panel = Panel::new(canvas, area, x, y);
    let points = data.rows.iter().map(|[x, y]| panel.at(*x, *y));
    if data.dense {
        let inside = points.map(|[x, y]| [x - panel.frame.x, y - panel.frame.y]);
        let hexagons = Hexagons::new(panel.frame.width, panel.frame.height, inside);
        hexagons.draw(canvas, &panel, &ColorBar::counts("Rows", hexagons.most()));
    } else {
        let (radius, alpha) = dots(data.rows.len());
        points.for_each(|at| canvas.dot(at, radius, BLUE.alpha(alpha)));
    }
    let [left, right] = panel.x_range();
    canvas.line(panel.at(left, 0.0), panel.at(right, 0.0), Stroke::new(INK, 1.6));
    canvas.polyline(
        data.running.iter().map(|[x, y]| panel.at(*x, *y)),
        Stroke::new(VERMILION, 3.0),
    );
}

fn histogram(canvas: &mut Canvas<'_>, area: Rect, data: &Data) {
    let Some(bins) = Bins::new(&data.sorted, None) else {
        return;
    };
    let heights: Vec<f64> = bins
        .count(&data.sorted)
        .into_iter()
        .map(|n| float(n) / (float(data.sorted.len()) * bins.width()))
        .collect();
    let (mean, deviation) = (data.moments.mean, data.moments.standard_deviation);
    let [low, high] = [bins.edges[0], bins.edges[bins.n()]];
    let normal: Vec<[f64; 2]> = (0..=120)
        .map(|i| low + (high - low) * float(i) / 120.0)
        .map(|x| {
            let z = (x - mean) / deviation;
            [
                x,
                (-0.5 * z * z).exp() / (deviation * std::f64::consts::TAU.sqrt()),
            ]
        })
        .filter(|p| deviation > 0.0 && p[1].is_finite())
        .collect();
    let curve = density(&data.sorted);
    let highest = heights
        .iter()
        .copied()
        .chain(normal.iter().chain(&curve).map(|p| p[1]));
    let x = Axis::span(low, high).small().no_grid().label("Residual");
    let panel = Panel::new(canvas, area, x, Axis::from_zero(highest).small().label("Density"));
    for (edges, height) in bins.edges.windows(2).zip(&heights) {
        let (from, to, top) = (panel.x(edges[0]), panel.x(edges[1]), panel.y(*height));
        canvas.rect(
            Rect::new(from, top, to - from - 0.6, panel.frame.bottom() - top),
            BLUE.alpha(0.7),
        );
    }
    canvas.polyline(
        normal.iter().map(|[x, y]| panel.at(*x, *y)),
        Stroke::new(INK, 2.0).dashed(),
    );
}

fn quantiles(canvas: &mut Canvas<'_>, area: Rect, data: &Data) {
    // More points than this lie on each other.
    let n = data.sorted.len().min(400);
    let points: Vec<[f64; 2]> = (0..n)
        .map(|i| (float(i) + 0.5) / float(n))
        .map(|share| {
            // The plotting position of Hazen; with all rows shown it is the row itself.
            let value = if n == data.sorted.len() {
                sorted_quantile(&data.sorted, (share * float(n) - 0.5) / float(n.max(2) - 1))
            } else {
                sorted_quantile(&data.sorted, share)
            };
            [normal_quantile(share), value]
        })
        .collect();
    let x = Axis::around(points.iter().map(|p| p[0]).chain([-1.0, 1.0]))
        .small()
        .label("Quantile of a normal distribution");
    let y = Axis::around(points.iter().map(|p| p[1]))
        .small()
        .label("Residual");
    let panel = Panel::new(canvas, area, x, y);
    canvas.clip(panel.frame);
    let deviation = if data.moments.standard_deviation.is_finite() {
        data.moments.standard_deviation
    } else {
        0.0
    };
    let ends = panel
        .x_range()
        .map(|z| panel.at(z, data.moments.mean + z * deviation));
    canvas.line(ends[0], ends[1], Stroke::new(INK, 2.0).dashed());
    for [x, y] in &points {
        canvas.dot(panel.at(*x, *y), 3.2, BLUE.alpha(0.6));
    }
    canvas.unclip();
    if data.sorted.len() < 3 {
        let [x, y] = panel.frame.center();
        canvas.text([x, y - 12.0], "few rows", TextStyle::new(13.0, INK).centered());
    }
}

/// The mean of y in up to 20 parts of equally many rows in the order of x; none if there are few rows.
fn running_means(rows: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let parts = (rows.len() / 15).min(20);
    let one_place = range(rows.iter().map(|r| r[0])).is_none_or(|[low, high]| low >= high);
    if parts < 3 || one_place {
        return Vec::new();
    }
    let mean = |part: &[[f64; 2]], i: usize| part.iter().map(|r| r[i]).sum::<f64>() / float(part.len());
    (0..parts)
        .map(|k| &rows[k * rows.len() / parts..(k + 1) * rows.len() / parts])
        .map(|part| [mean(part, 0), mean(part, 1)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_means_follow_a_trend() {
        let rows: Vec<[f64; 2]> = (0..300).map(|i| [f64::from(i), f64::from(i) * 2.0]).collect();
        let means = running_means(&rows);
        assert_eq!(means.len(), 20);
        assert!(means.iter().all(|[x, y]| (y - 2.0 * x).abs() < 1e-9));
        assert!(running_means(&rows[..20]).is_empty());
    }
}
