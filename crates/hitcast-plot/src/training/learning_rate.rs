//! The learning rate.

use serde::{Deserialize, Serialize};

use super::loss::draw_curve;
use crate::axis::{Axis, Format, Panel, ticks};
use crate::color::{BLUE, INK, VERMILION};
use crate::draw::{Stroke, TextStyle};
use crate::error::{PlotError, Result, check_length};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::{drawable, float};
use crate::table::{Table, cell};

/// The learning rate over epochs or steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LearningRateSchedule {
    /// The words; `x` is "Epoch" unless it says something else.
    pub labels: Labels,
    /// Whether the rates are drawn on an axis of powers of ten; rates of 0 are then left out.
    pub log: bool,
}

impl LearningRateSchedule {
    /// Of the `rates` of steps or epochs, the first being number 1.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a finite rate (above 0 if `log`).
    pub fn figure(&self, rates: &[f64]) -> Result<Figure> {
        let keep = |rate: f64| {
            if drawable(rate) && (!self.log || rate > 0.0) {
                rate
            } else {
                f64::NAN
            }
        };
        let curve: Vec<[f64; 2]> = rates
            .iter()
            .enumerate()
            .map(|(i, rate)| [float(i + 1), keep(*rate)])
            .collect();
        if !curve.iter().any(|p| p[1].is_finite()) {
            return Err(PlotError::NoData {
                figure: "learning rate schedule",
                what: "learning rates",
                least: 1,
            });
        }
        let mut table = Table::new(["step", "learning_rate"]);
        for (i, rate) in rates.iter().enumerate() {
            table.row([(i + 1).to_string(), cell(*rate)]);
        }
        let (log, x, y) = (
            self.log,
            self.labels.x_or("Epoch"),
            self.labels.y_or("Learning rate"),
        );
        Ok(Figure::new(
            self.labels.title_or("Learning rate"),
            self.labels.notes(&[]),
            Vec::new(),
            table.finish(),
            move |canvas, body| {
                let rates = || curve.iter().map(|p| p[1]);
                let y_axis = if log {
                    Axis::log(rates())
                } else {
                    Axis::from_zero(rates())
                };
                let x_axis = Axis::around(curve.iter().map(|p| p[0]))
                    .format(Format::Integer)
                    .label(&x)
                    .no_grid();
                let panel = Panel::new(canvas, body, x_axis, y_axis.label(&y));
                draw_curve(canvas, &panel, &curve, Stroke::new(BLUE, 3.0));
            },
        ))
    }
}

/// The loss against the learning rate of a range test (Smith 2017), on an axis of powers of ten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LearningRateFinder {
    /// The words.
    pub labels: Labels,
    /// Losses above this many times the range between the first and the smallest loss are cut off, so that divergence at the
    /// end does not flatten the rest; above 0.
    pub cut: f64,
    /// Weight of the past in the smoothed line, 0 to below 1; 0 for none.
    pub smoothing: f64,
}

impl Default for LearningRateFinder {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            cut: 1.5,
            smoothing: 0.8,
        }
    }
}

impl LearningRateFinder {
    /// Of `rates` (above 0) and the `losses` there (length `n` each), with the rate that is `suggested`, if one is.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a step that has both, [`PlotError::Length`], [`PlotError::Value`] if the suggested
    /// rate is not above 0, [`PlotError::Setting`].
    pub fn figure(&self, rates: &[f64], losses: &[f64], suggested: Option<f64>) -> Result<Figure> {
        const FIGURE: &str = "learning-rate finder";
        let setting = |setting, value: f64, allowed| PlotError::Setting {
            setting,
            value: value.to_string(),
            allowed,
        };
        if !(self.cut > 0.0 && self.cut.is_finite()) {
            return Err(setting("cut", self.cut, "finite and above 0"));
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err(setting("smoothing", self.smoothing, "0 to below 1"));
        }
        check_length(FIGURE, "losses", rates.len(), losses.len())?;
        if let Some(value) = suggested.filter(|rate| !(*rate > 0.0 && drawable(*rate))) {
            return Err(PlotError::Value {
                figure: FIGURE,
                what: "the suggested learning rate".to_owned(),
                value,
                allowed: "finite and above 0",
            });
        }
        let mut curve: Vec<[f64; 2]> = rates
            .iter()
            .zip(losses)
            .filter(|(rate, loss)| **rate > 0.0 && drawable(**rate) && drawable(**loss))
            .map(|(rate, loss)| [*rate, *loss])
            .collect();
        curve.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let Some(first) = curve.first().copied() else {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "steps",
                least: 1,
            });
        };
        let smooth = smoothed(&curve, self.smoothing);
        let mut table = Table::new(["learning_rate", "loss", "smoothed"]);
        for ([rate, loss], [_, smooth]) in curve.iter().zip(&smooth) {
            table.row([cell(*rate), cell(*loss), cell(*smooth)]);
        }
        let smallest = smooth.iter().map(|p| p[1]).fold(first[1], f64::min);
        let fall = first[1] - smallest;
        let top = if fall > 0.0 {
            smallest + fall * self.cut
        } else {
            f64::INFINITY
        };
        let mut legend = vec![Entry::new(
            "Loss of a batch",
            Swatch::Line(Stroke::new(BLUE.alpha(0.35), 2.0)),
        )];
        if self.smoothing > 0.0 {
            legend.push(Entry::new("Smoothed", Swatch::Line(Stroke::new(BLUE, 3.0))));
        }
        let note = suggested.map_or_else(String::new, |rate| {
            format!("suggested: {}", ticks::short(rate, 2))
        });
        if suggested.is_some() {
            legend.push(Entry::new("Suggested", Swatch::Dot(VERMILION)));
        }
        let smoothing = self.smoothing;
        let (x, y) = (self.labels.x_or("Learning rate"), self.labels.y_or("Loss"));
        Ok(Figure::new(
            self.labels.title_or("Learning-rate finder"),
            self.labels.notes(&[note]),
            legend,
            table.finish(),
            move |canvas, body| {
                let shown = curve.iter().map(|p| p[1]).filter(|loss| *loss <= top);
                let x_axis = Axis::log(curve.iter().map(|p| p[0]).chain(suggested)).label(&x);
                let panel = Panel::new(canvas, body, x_axis, Axis::around(shown).label(&y));
                canvas.clip(panel.frame);
                let thin = if smoothing > 0.0 {
                    Stroke::new(BLUE.alpha(0.35), 1.8)
                } else {
                    Stroke::new(BLUE, 3.0)
                };
                draw_curve(canvas, &panel, &curve, thin);
                if smoothing > 0.0 {
                    draw_curve(canvas, &panel, &smooth, Stroke::new(BLUE, 3.0));
                }
                canvas.unclip();
                if let Some(rate) = suggested {
                    let at = panel.x(rate);
                    canvas.line(
                        [at, panel.frame.y],
                        [at, panel.frame.bottom()],
                        Stroke::new(INK, 1.4).dashed(),
                    );
                    let loss = loss_at(&smooth, rate).clamp(panel.y_range()[0], panel.y_range()[1]);
                    canvas.marker([at, panel.y(loss)], 8.0, VERMILION);
                    let text = ticks::short(rate, 2);
                    let room = canvas.measure(&text, 16.0) + 10.0;
                    let left = if at + room > panel.frame.right() {
                        at - room
                    } else {
                        at + 8.0
                    };
                    canvas.text(
                        [left, panel.frame.y + 4.0],
                        &text,
                        TextStyle::new(16.0, INK).top(),
                    );
                }
            },
        ))
    }
}

/// The loss at a rate, on the straight line between its neighbours on an axis of powers.
fn loss_at(curve: &[[f64; 2]], rate: f64) -> f64 {
    let after = curve.partition_point(|p| p[0] < rate);
    let (before, next) = (curve.get(after.saturating_sub(1)), curve.get(after));
    match (before.or(next), next.or(before)) {
        (Some([from, low]), Some([to, high])) if to > from && rate > *from => {
            low + (high - low) * (rate / from).ln() / (to / from).ln()
        }
        (Some([_, loss]), _) => *loss,
        _ => 0.0,
    }
}

/// An exponential mean whose beginning is not drawn to 0 (as Adam's moments are corrected).
fn smoothed(curve: &[[f64; 2]], weight: f64) -> Vec<[f64; 2]> {
    let (mut mean, mut total) = (0.0, 0.0);
    let next = |[rate, loss]: &[f64; 2]| {
        mean = weight * mean + (1.0 - weight) * loss;
        total = weight * total + (1.0 - weight);
        [*rate, mean / total]
    };
    curve.iter().map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suggested_rate_lies_on_the_line() {
        let curve = [[1e-4, 4.0], [1e-2, 2.0]];
        assert!((loss_at(&curve, 1e-3) - 3.0).abs() < 1e-12);
        assert_eq!((loss_at(&curve, 1e-9), loss_at(&curve, 1.0)), (4.0, 2.0));
    }

    #[test]
    fn smoothing_a_constant_changes_nothing() {
        let curve: Vec<[f64; 2]> = (1..9).map(|i| [f64::from(i), 2.0]).collect();
        for (a, b) in smoothed(&curve, 0.9).iter().zip(&curve) {
            assert!((a[1] - b[1]).abs() < 1e-12);
        }
        assert_eq!(smoothed(&curve, 0.0), curve);
    }
}
