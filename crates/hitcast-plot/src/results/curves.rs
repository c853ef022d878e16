//! ROC and precision-recall curves.

use hitcast_metrics::{PrecisionRecallCurve, RocCurve};
use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Panel, ticks};
use crate::color::{Color, INK, MAX_CLASSES, palette};
use crate::draw::{Canvas, Rect, Stroke};
use crate::error::{PlotError, Result, check_length};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::drawable;
use crate::table::{Table, cell};

/// Receiver operating characteristics: what share of the positive rows is found against what share of the others is taken
/// for positive, with the area below each curve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RocFigure {
    /// The words.
    pub labels: Labels,
}

/// Precision against recall, with the average precision of each curve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrecisionRecallFigure {
    /// The words.
    pub labels: Labels,
    /// Share of positive rows (0 to 1), at which a line shows what guessing reaches.
    pub positive_share: Option<f64>,
}

struct Drawn {
    points: Vec<[f64; 2]>,
    color: Color,
    /// Whether the curve stays at a value until the next point.
    steps: bool,
}

impl RocFigure {
    /// Of the curves of up to 7 models or classes, each with its name.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a curve, [`PlotError::Length`] if a curve's rates are not of one length or there are
    /// more than 7, [`PlotError::Value`] if a rate is not finite.
    pub fn figure(&self, curves: &[(&str, &RocCurve)]) -> Result<Figure> {
        const FIGURE: &str = "ROC curves";
        let mut table = Table::new(["curve", "false_positive_rate", "true_positive_rate", "threshold"]);
        let (mut drawn, mut legend) = (Vec::new(), Vec::new());
        check_number(FIGURE, curves.len())?;
        for (i, (name, curve)) in curves.iter().enumerate() {
            let (x, y) = (&curve.false_positive_rate, &curve.true_positive_rate);
            check_curve(FIGURE, name, x, y)?;
            check_length(FIGURE, "thresholds", x.len(), curve.thresholds.len())?;
            for ((x, y), threshold) in x.iter().zip(y).zip(&curve.thresholds) {
                table.row([(*name).to_owned(), cell(*x), cell(*y), cell(*threshold)]);
            }
            let label = format!("{name} (area {})", ticks::fixed(curve.area(), 3));
            legend.push(Entry::new(label, Swatch::Line(Stroke::new(palette(i), 3.0))));
            drawn.push(Drawn {
                points: x.iter().zip(y).map(|(x, y)| [*x, *y]).collect(),
                color: palette(i),
                steps: false,
            });
        }
        let chance = Stroke::new(INK, 1.6).dashed();
        legend.push(Entry::new("Guessing", Swatch::Line(chance)));
        let labels = [
            self.labels.x_or("False positive rate"),
            self.labels.y_or("True positive rate"),
        ];
        Ok(Figure::new(
            self.labels.title_or("Receiver operating characteristic"),
            self.labels.notes(&[]),
            legend,
            table.finish(),
            move |canvas, body| draw(canvas, body, &drawn, &labels, [[0.0, 0.0], [1.0, 1.0]]),
        ))
    }
}

impl PrecisionRecallFigure {
    /// Of the curves of up to 7 models or classes, each with its name.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a curve, [`PlotError::Length`] if a curve's precision and recall are not of one length
    /// or there are more than 7, [`PlotError::Value`] if one is not finite, [`PlotError::Setting`].
    pub fn figure(&self, curves: &[(&str, &PrecisionRecallCurve)]) -> Result<Figure> {
        const FIGURE: &str = "precision-recall curves";
        if let Some(share) = self.positive_share.filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(PlotError::Setting {
                setting: "positive_share",
                value: share.to_string(),
                allowed: "0 to 1",
            });
        }
        let mut table = Table::new(["curve", "recall", "precision", "threshold"]);
        let (mut drawn, mut legend) = (Vec::new(), Vec::new());
        check_number(FIGURE, curves.len())?;
        for (i, (name, curve)) in curves.iter().enumerate() {
            check_curve(FIGURE, name, &curve.recall, &curve.precision)?;
            for (j, (recall, precision)) in curve.recall.iter().zip(&curve.precision).enumerate() {
                let threshold = curve.thresholds.get(j).copied().map_or_else(String::new, cell);
                table.row([(*name).to_owned(), cell(*recall), cell(*precision), threshold]);
            }
            let label = format!(
                "{name} (average precision {})",
                ticks::fixed(curve.average_precision(), 3)
            );
            legend.push(Entry::new(label, Swatch::Line(Stroke::new(palette(i), 3.0))));
            drawn.push(Drawn {
                points: curve
                    .recall
                    .iter()
                    .zip(&curve.precision)
                    .map(|(r, p)| [*r, *p])
                    .collect(),
                color: palette(i),
                steps: true,
            });
        }
        let level = self.positive_share.unwrap_or(-1.0);
        if self.positive_share.is_some() {
            let label = format!("Guessing ({} positive)", ticks::percent(level, 1));
            legend.push(Entry::new(label, Swatch::Line(Stroke::new(INK, 1.6).dashed())));
        }
        let labels = [self.labels.x_or("Recall"), self.labels.y_or("Precision")];
        Ok(Figure::new(
            self.labels.title_or("Precision and recall"),
            self.labels.notes(&[]),
            legend,
            table.finish(),
            move |canvas, body| draw(canvas, body, &drawn, &labels, [[0.0, level], [1.0, level]]),
        ))
    }
}

fn check_number(figure: &'static str, n: usize) -> Result<()> {
    if n == 0 {
        return Err(PlotError::NoData {
            figure,
            what: "curves",
            least: 1,
        });
    }
    check_length(
        figure,
        "curves; at most 7 can be told apart,",
        n.min(MAX_CLASSES),
        n,
    )
}

fn check_curve(figure: &'static str, name: &str, x: &[f64], y: &[f64]) -> Result<()> {
    check_length(figure, "rates", x.len(), y.len())?;
    if x.is_empty() {
        return Err(PlotError::NoData {
            figure,
            what: "points of a curve",
            least: 1,
        });
    }
    match x.iter().chain(y).find(|v| !drawable(**v)) {
        None => Ok(()),
        Some(value) => Err(PlotError::Value {
            figure,
            what: format!("a rate of {name:?}"),
            value: *value,
            allowed: "0 to 1",
        }),
    }
}

/// The largest square at the left of an area, which shares on both axes call for.
pub(crate) fn square(area: Rect, extra_width: f64) -> Rect {
    Rect {
        width: (area.height + extra_width).min(area.width),
        ..area
    }
}

fn draw(canvas: &mut Canvas<'_>, body: Rect, curves: &[Drawn], labels: &[String; 2], chance: [[f64; 2]; 2]) {
    let axis = || Axis::span(-0.012, 1.012);
    let area = square(body, body.height * 0.45);
    let area = Rect {
        x: body.x + (body.width - area.width) / 2.0,
        ..area
    };
    let panel = Panel::new(canvas, area, axis().label(&labels[0]), axis().label(&labels[1]));
    canvas.clip(panel.frame);
    let [from, to] = chance.map(|[x, y]| panel.at(x, y));
    canvas.line(from, to, Stroke::new(INK, 1.6).dashed());
    for curve in curves {
        let mut points: Vec<[f64; 2]> = Vec::with_capacity(curve.points.len());
        for [x, y] in &curve.points {
            let at = panel.at(*x, *y);
            if let Some(before) = points.last().copied().filter(|_| curve.steps) {
                // Recall falls along the curve; precision holds until the recall of the next point.
                points.push([before[0], at[1]]);
            }
            points.push(at);
        }
        canvas.polyline(thinned(&points), Stroke::new(curve.color, 3.0));
    }
    canvas.unclip();
}

/// Without points that lie within a third of a pixel of the one before.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut kept: Vec<[f64; 2]> = Vec::new();
    for (i, point) in points.iter().enumerate() {
        let near = kept
            .last()
            .is_some_and(|last| (last[0] - point[0]).hypot(last[1] - point[1]) < 0.33);
        if !near || i + 1 == points.len() {
            kept.push(*point);
        }
    }
    kept
}
