//! Whether probabilities come true.

use hitcast_metrics::classification::reliability::ReliabilityBin;
use serde::{Deserialize, Serialize};

use super::curves::square;
use crate::axis::{Axis, Format, Panel, ticks};
use crate::color::{INK, MAX_CLASSES, palette};
use crate::draw::{Rect, Stroke};
use crate::error::{PlotError, Result, check_length};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::float;
use crate::table::{Table, cell};

const FIGURE: &str = "reliability diagram";

/// How often what was predicted with some probability came true, with the number of rows in each bin below. Points on the
/// line are honest; below it the model is too sure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReliabilityDiagram {
    /// The words.
    pub labels: Labels,
}

impl ReliabilityDiagram {
    /// Of the bins of up to 7 models or classes, each with its name.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a bin, [`PlotError::Length`] if there are more than 7 curves, [`PlotError::Value`] if a
    /// bin's share lies outside 0 to 1.
    pub fn figure(&self, curves: &[(&str, &[ReliabilityBin])]) -> Result<Figure> {
        check_length(
            FIGURE,
            "curves; at most 7 can be told apart,",
            curves.len().min(MAX_CLASSES),
            curves.len(),
        )?;
        let mut table = Table::new(["curve", "mean_predicted", "fraction_positive", "rows"]);
        let mut legend = Vec::new();
        let mut shown: Vec<Vec<([f64; 2], usize)>> = Vec::new();
        for (i, (name, bins)) in curves.iter().enumerate() {
            for bin in *bins {
                for value in [bin.mean_predicted, bin.fraction_positive] {
                    if !(0.0..=1.0).contains(&value) {
                        return Err(PlotError::Value {
                            figure: FIGURE,
                            what: format!("a share of {name:?}"),
                            value,
                            allowed: "0 to 1",
                        });
                    }
                }
                let shares = [cell(bin.mean_predicted), cell(bin.fraction_positive)];
                table.row(
                    std::iter::once((*name).to_owned())
                        .chain(shares)
                        .chain([bin.n.to_string()]),
                );
            }
            let n: usize = bins.iter().map(|bin| bin.n).sum();
            let label = format!("{name} (n = {})", ticks::count(n));
            legend.push(Entry::new(label, Swatch::Line(Stroke::new(palette(i), 3.0))));
            shown.push(
                bins.iter()
                    .map(|b| ([b.mean_predicted, b.fraction_positive], b.n))
                    .collect(),
            );
        }
        if shown.iter().all(Vec::is_empty) {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "bins",
                least: 1,
            });
        }
        let honest = Stroke::new(INK, 1.6).dashed();
        legend.push(Entry::new("As often as predicted", Swatch::Line(honest)));
        let (x, y) = (
            self.labels.x_or("Mean predicted probability"),
            self.labels.y_or("Share that came true"),
        );
        Ok(Figure::new(
            self.labels.title_or("Reliability"),
            self.labels.notes(&[]),
            legend,
            table.finish(),
            move |canvas, body| {
                let area = square(body, body.height * 0.3);
                let area = Rect {
                    x: body.x + (body.width - area.width) / 2.0,
                    ..area
                };
                let strip = area.height * 0.2;
                let axis = || Axis::span(-0.015, 1.015);
                let most = shown.iter().flatten().map(|(_, n)| float(*n)).fold(1.0, f64::max);
                let counts = Axis::from_zero([most]).format(Format::Integer).label("Rows");
                let [shares, counts] = axis().label(&y).aligned(counts, canvas.fonts);
                let top = Rect {
                    height: area.height - strip - 12.0,
                    ..area
                };
                let panel = Panel::new(canvas, top, axis(), shares);
                canvas.line(panel.at(0.0, 0.0), panel.at(1.0, 1.0), honest);
                for (i, curve) in shown.iter().enumerate() {
                    canvas.polyline(
                        curve.iter().map(|([x, y], _)| panel.at(*x, *y)),
                        Stroke::new(palette(i), 3.0),
                    );
                    for ([x, y], _) in curve {
                        canvas.marker(panel.at(*x, *y), 6.0, palette(i));
                    }
                }
                let bottom = Rect::new(area.x, area.bottom() - strip, area.width, strip);
                let panel = Panel::new(canvas, bottom, axis().label(&x).no_grid(), counts);
                let width = (panel.frame.width / 40.0 / float(shown.len().max(1))).clamp(2.0, 16.0);
                for (i, curve) in shown.iter().enumerate() {
                    let shift = (float(i) - float(shown.len().saturating_sub(1)) / 2.0) * width;
                    for ([x, _], n) in curve {
                        let (left, top) = (panel.x(*x) + shift - width / 2.0, panel.y(float(*n)));
                        let bar = Rect::new(left, top, width, panel.frame.bottom() - top);
                        canvas.rect(bar, palette(i).alpha(0.7));
                    }
                }
            },
        ))
    }
}
