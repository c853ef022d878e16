//! How long models trained.

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Panel, ticks};
use crate::color::{BLUE, INK};
use crate::data::boxes::shown_name;
use crate::draw::{Rect, TextStyle};
use crate::error::{PlotError, Result, check_at_least};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::stats::{drawable, float};
use crate::table::{Table, cell};

const FIGURE: &str = "training times";

/// The training time of each model as bars, the fastest first; on an axis of powers of ten if they differ by more than 50
/// times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingTimes {
    /// The words.
    pub labels: Labels,
    /// Models that are shown at most (at least 1): the fastest ones.
    pub max_models: usize,
}

impl Default for TrainingTimes {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_models: 25,
        }
    }
}

impl TrainingTimes {
    /// Of the name and the seconds of each model.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a model, [`PlotError::Value`] if a time is negative or not finite,
    /// [`PlotError::Setting`].
    pub fn figure(&self, seconds: &[(&str, f64)]) -> Result<Figure> {
        check_at_least("max_models", self.max_models, 1, "at least 1")?;
        if let Some((name, value)) = seconds.iter().find(|(_, s)| !(drawable(*s) && *s >= 0.0)) {
            return Err(PlotError::Value {
                figure: FIGURE,
                what: format!("the time of {name:?}"),
                value: *value,
                allowed: "finite and at least 0 seconds",
            });
        }
        if seconds.is_empty() {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "models",
                least: 1,
            });
        }
        let mut times: Vec<(String, f64)> =
            seconds.iter().map(|(name, s)| ((*name).to_owned(), *s)).collect();
        times.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut table = Table::new(["model", "seconds"]);
        for (name, s) in &times {
            table.row([name.clone(), cell(*s)]);
        }
        let mut notes = Vec::new();
        if times.len() > self.max_models {
            notes.push(format!(
                "the {} fastest of {} models",
                self.max_models,
                ticks::count(times.len())
            ));
            times.truncate(self.max_models);
        }
        let shortest = times.iter().map(|t| t.1).find(|s| *s > 0.0);
        let longest = times.last().map_or(0.0, |t| t.1);
        let log = shortest.is_some_and(|s| longest / s > 50.0);
        let x = self.labels.x_or(if log {
            "Training time (s, powers of ten)"
        } else {
            "Training time (s)"
        });
        let y = self.labels.y.clone();
        Ok(Figure::new(
            self.labels.title_or("Training time by model"),
            self.labels.notes(&notes),
            Vec::new(),
            table.finish(),
            move |canvas, body| {
                let x_axis = if log {
                    let from = shortest.unwrap_or(1.0);
                    Axis::log([10_f64.powf((from * 0.8).log10().floor()), longest])
                } else {
                    Axis::from_zero([longest])
                };
                let names = times.iter().map(|(name, _)| shown_name(name)).collect();
                let height = (float(times.len()) * 60.0 + 70.0).min(body.height);
                let area = Rect { height, ..body }.inset(0.0, 0.0, 92.0, 0.0);
                let panel = Panel::new(canvas, area, x_axis.label(&x), Axis::categories(names).label(&y));
                let thick = (panel.slot_height() * 0.62).min(34.0);
                for (i, (_, s)) in times.iter().enumerate() {
                    let middle = panel.y(float(i));
                    // A time of 0 has no place on an axis of powers.
                    let end = panel.x(s.max(panel.x_range()[0]));
                    let bar = Rect::new(panel.frame.x, middle - thick / 2.0, end - panel.frame.x, thick);
                    canvas.rect(bar, BLUE.alpha(0.85));
                    let size = (panel.slot_height() * 0.8).min(14.5);
                    canvas.text(
                        [end + 8.0, middle],
                        &duration(*s),
                        TextStyle::new(size, INK).middle(),
                    );
                }
            },
        ))
    }
}

/// A time in the unit that people would say.
fn duration(seconds: f64) -> String {
    match seconds {
        0.0 => "0 s".to_owned(),
        s if s < 1.0 => format!("{} ms", ticks::short(s * 1000.0, 2)),
        s if s < 120.0 => format!("{} s", ticks::short(s, 3)),
        s if s < 7200.0 => format!("{} min", ticks::short(s / 60.0, 3)),
        s => format!("{} h", ticks::short(s / 3600.0, 3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_unit_that_people_would_say() {
        assert_eq!(duration(0.0), "0 s");
        assert_eq!(duration(0.0123), "12 ms");
        assert_eq!(duration(90.0), "90.0 s");
        assert_eq!(duration(600.0), "10.0 min");
        assert_eq!(duration(36_000.0), "10.0 h");
    }
}
