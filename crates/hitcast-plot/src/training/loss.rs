//! Losses by epoch.

use hitcast_core::EpochRecord;
use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Format, Panel, ticks};
use crate::color::{BLUE, INK, VERMILION};
use crate::draw::{Canvas, Stroke, TextStyle};
use crate::error::{PlotError, Result};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::{drawable, float};
use crate::table::{Table, cell};

const FIGURE: &str = "loss curves";

/// The losses of both splits after one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochLoss {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Loss on the training rows.
    pub train: f64,
    /// Loss on the validation rows, if there are any.
    pub validation: Option<f64>,
}

impl From<&EpochRecord> for EpochLoss {
    fn from(record: &EpochRecord) -> Self {
        Self {
            epoch: record.epoch,
            train: record.train_loss,
            validation: record.validation_loss,
        }
    }
}

/// The losses of both splits, with the best epoch marked: that of the smallest validation loss, or of the smallest training
/// loss where nothing was validated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossCurves {
    /// The words.
    pub labels: Labels,
    /// Whether the losses are drawn on an axis of powers of ten; losses that are not above 0 are then left out.
    pub log: bool,
    /// The best epoch, where it was chosen by something else than the loss.
    pub best_epoch: Option<usize>,
}

impl LossCurves {
    /// Of `epochs`, in any order. A loss that is NaN or infinite leaves a gap.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a finite loss; [`PlotError::Setting`] if `best_epoch` is none of the epochs.
    pub fn figure(&self, epochs: &[EpochLoss]) -> Result<Figure> {
        let mut epochs = epochs.to_vec();
        epochs.sort_by_key(|epoch| epoch.epoch);
        let keep = |loss: f64| {
            if drawable(loss) && (!self.log || loss > 0.0) {
                loss
            } else {
                f64::NAN
            }
        };
        let curve = |pick: fn(&EpochLoss) -> f64| -> Vec<[f64; 2]> {
            epochs
                .iter()
                .map(|epoch| [float(epoch.epoch), keep(pick(epoch))])
                .collect()
        };
        let train = curve(|epoch| epoch.train);
        let validation = curve(|epoch| epoch.validation.unwrap_or(f64::NAN));
        let known = |curve: &[[f64; 2]]| curve.iter().any(|p| p[1].is_finite());
        if !known(&train) && !known(&validation) {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "losses",
                least: 1,
            });
        }
        let judged = if known(&validation) { &validation } else { &train };
        let smallest = judged
            .iter()
            .filter(|p| p[1].is_finite())
            .min_by(|a, b| a[1].total_cmp(&b[1]))
            .copied();
        let best = match self.best_epoch {
            None => smallest,
            Some(best) => {
                let place = epochs.iter().position(|epoch| epoch.epoch == best);
                let place = place.ok_or_else(|| PlotError::Setting {
                    setting: "best_epoch",
                    value: best.to_string(),
                    allowed: "one of the epochs",
                })?;
                judged.get(place).copied().filter(|p| p[1].is_finite())
            }
        };
        let mut table = Table::new(["epoch", "train", "validation"]);
        for epoch in &epochs {
            let validation = epoch.validation.map_or_else(String::new, cell);
            table.row([epoch.epoch.to_string(), cell(epoch.train), validation]);
        }
        let mut legend = Vec::new();
        for (name, curve, color) in [("Training", &train, BLUE), ("Validation", &validation, VERMILION)] {
            if known(curve) {
                legend.push(Entry::new(name, Swatch::Line(Stroke::new(color, 3.0))));
            }
        }
        let notes = best.map_or_else(String::new, |[epoch, loss]| {
            format!(
                "best epoch {} of {}: loss {}",
                ticks::fixed(epoch, 0),
                epochs.len(),
                ticks::short(loss, 4)
            )
        });
        let (log, x, y) = (self.log, self.labels.x_or("Epoch"), self.labels.y_or("Loss"));
        Ok(Figure::new(
            self.labels.title_or("Losses while training"),
            self.labels.notes(&[notes]),
            legend,
            table.finish(),
            move |canvas, body| {
                let losses = || train.iter().chain(&validation).map(|p| p[1]);
                let y_axis = if log {
                    Axis::log(losses())
                } else {
                    Axis::around(losses())
                };
                let ends = train.iter().map(|p| p[0]);
                let x_axis = Axis::around(ends).format(Format::Integer).label(&x).no_grid();
                let panel = Panel::new(canvas, body, x_axis, y_axis.label(&y));
                if let Some([epoch, _]) = best {
                    let at = panel.x(epoch);
                    canvas.line(
                        [at, panel.frame.y],
                        [at, panel.frame.bottom()],
                        Stroke::new(INK, 1.4).dashed(),
                    );
                }
                for (curve, color) in [(&train, BLUE), (&validation, VERMILION)] {
                    draw_curve(canvas, &panel, curve, Stroke::new(color, 3.0));
                }
                if let Some([epoch, loss]) = best {
                    canvas.marker(panel.at(epoch, loss), 7.0, INK);
                    let text = format!("best: epoch {}", ticks::fixed(epoch, 0));
                    let room = canvas.measure(&text, 16.0) + 10.0;
                    let at = panel.x(epoch);
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

/// A line through points with gaps; a point alone is a dot.
pub(crate) fn draw_curve(canvas: &mut Canvas<'_>, panel: &Panel, curve: &[[f64; 2]], stroke: Stroke) {
    canvas.polyline(curve.iter().map(|[x, y]| panel.at(*x, *y)), stroke);
    let known = |i: Option<usize>| i.and_then(|i| curve.get(i)).is_some_and(|p| p[1].is_finite());
    for (i, [x, y]) in curve.iter().enumerate() {
        if y.is_finite() && !known(i.checked_sub(1)) && !known(Some(i + 1)) {
            canvas.dot(panel.at(*x, *y), 4.0, stroke.color);
        }
    }
}
