//! The prediction of one row, step by step.

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Panel, ticks};
use crate::color::{BLUE, INK, OTHER, SECONDARY, VERMILION};
use crate::draw::{Rect, Segment, Stroke, TextStyle};
use crate::error::{PlotError, Result, check_at_least};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::{drawable, float};
use crate::table::{Table, cell};

const FIGURE: &str = "waterfall";

/// What one feature added to the prediction of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// Name of the feature.
    pub name: String,
    /// Its value in this row, as people write it; may be empty.
    pub value: String,
    /// By how much it moved the prediction.
    pub amount: f64,
}

/// From the baseline to the prediction of one row: what each feature added or took away, the largest first, with small ones
/// together at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Waterfall {
    /// The words; `x` is what predictions are measured in.
    pub labels: Labels,
    /// Features that are shown one by one at most (at least 1).
    pub max_features: usize,
}

impl Default for Waterfall {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_features: 12,
        }
    }
}

struct Step {
    name: String,
    from: f64,
    amount: f64,
}

impl Waterfall {
    /// From `baseline` over `contributions` to `prediction`. What they lack or exceed it by is shown as a step of its own if
    /// it is more than a thousandth of all that moved.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a contribution, [`PlotError::Value`] if a number is not finite,
    /// [`PlotError::Setting`].
    pub fn figure(&self, baseline: f64, prediction: f64, contributions: &[Contribution]) -> Result<Figure> {
        check_at_least("max_features", self.max_features, 1, "at least 1")?;
        let named = contributions
            .iter()
            .map(|c| (format!("the contribution of {:?}", c.name), c.amount));
        let ends = [
            ("the baseline".to_owned(), baseline),
            ("the prediction".to_owned(), prediction),
        ];
        if let Some((what, value)) = ends.into_iter().chain(named).find(|(_, value)| !drawable(*value)) {
            return Err(PlotError::Value {
                figure: FIGURE,
                what,
                value,
                allowed: "finite",
            });
        }
        if contributions.is_empty() {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "contributions",
                least: 1,
            });
        }
        let mut table = Table::new(["feature", "value", "contribution"]);
        table.row(["(baseline)".to_owned(), String::new(), cell(baseline)]);
        for c in contributions {
            table.row([c.name.clone(), c.value.clone(), cell(c.amount)]);
        }
        table.row(["(prediction)".to_owned(), String::new(), cell(prediction)]);
        let steps = self.steps(baseline, prediction, contributions);
        let notes = [
            format!("baseline {}", ticks::short(baseline, 3)),
            format!("prediction {}", ticks::short(prediction, 3)),
        ];
        let legend = vec![
            Entry::new("Raises the prediction", Swatch::Patch(VERMILION)),
            Entry::new("Lowers it", Swatch::Patch(BLUE)),
        ];
        let x = self.labels.x_or("Prediction");
        Ok(Figure::new(
            self.labels.title_or("Why this prediction"),
            self.labels.notes(&notes),
            legend,
            table.finish(),
            move |canvas, body| {
                let values = steps
                    .iter()
                    .flat_map(|s| [s.from, s.from + s.amount])
                    .chain([baseline, prediction]);
                let mut x_axis = Axis::around(values).label(&x);
                // Room for the numbers beside the bars.
                let room = (x_axis.max - x_axis.min) * 0.09;
                x_axis.min -= room;
                x_axis.max += room;
                let names = steps.iter().map(|step| step.name.clone()).collect();
                let height = (float(steps.len()) * 62.0 + 110.0).min(body.height);
                let area = Rect { height, ..body }.inset(0.0, 26.0, 0.0, 0.0);
                let panel = Panel::new(canvas, area, x_axis, Axis::categories(names));
                let thick = (panel.slot_height() * 0.62).min(34.0);
                for (value, name) in [(baseline, "baseline"), (prediction, "prediction")] {
                    let at = panel.x(value);
                    canvas.line(
                        [at, panel.frame.y],
                        [at, panel.frame.bottom()],
                        Stroke::new(OTHER, 1.6).dashed(),
                    );
                    // The two words must not lie on each other.
                    let style = TextStyle::new(14.5, SECONDARY);
                    let left_one = (value <= if name == "baseline" { prediction } else { baseline })
                        && (baseline != prediction || name == "baseline");
                    let style = if left_one { style.right() } else { style };
                    let shift = if left_one { 4.0 } else { -4.0 };
                    let width = canvas.measure(name, 14.5);
                    let (low, high) = if left_one {
                        (area.x + width, area.right())
                    } else {
                        (area.x, area.right() - width)
                    };
                    canvas.text(
                        [(at + shift).clamp(low, high.max(low)), panel.frame.y - 8.0],
                        name,
                        style,
                    );
                }
                for (i, step) in steps.iter().enumerate() {
                    let y = panel.y(float(i));
                    let (from, to) = (panel.x(step.from), panel.x(step.from + step.amount));
                    let color = if step.amount < 0.0 { BLUE } else { VERMILION };
                    canvas.items.push(crate::draw::Item::Path(
                        arrow(from, to, y, thick / 2.0),
                        Some(color),
                        None,
                    ));
                    if i + 1 < steps.len() {
                        let next = panel.y(float(i + 1));
                        canvas.hairline_y(to, y + thick / 2.0, next - thick / 2.0, OTHER);
                    }
                    let text = format!(
                        "{}{}",
                        if step.amount > 0.0 { "+" } else { "" },
                        ticks::short(step.amount, 3)
                    );
                    let size = (panel.slot_height() * 0.7).min(15.0);
                    let style = TextStyle::new(size, INK).middle();
                    if step.amount < 0.0 {
                        canvas.text([to - 7.0, y], &text, style.right());
                    } else {
                        canvas.text([to + 7.0, y], &text, style);
                    }
                }
            },
        ))
    }

    fn steps(&self, baseline: f64, prediction: f64, contributions: &[Contribution]) -> Vec<Step> {
        let mut sorted: Vec<&Contribution> = contributions.iter().collect();
        sorted.sort_by(|a, b| b.amount.abs().total_cmp(&a.amount.abs()));
        let (shown, rest) = sorted.split_at(sorted.len().min(self.max_features));
        let mut amounts: Vec<(String, f64)> = shown
            .iter()
            .map(|c| {
                let value = if c.value.is_empty() {
                    String::new()
                } else {
                    format!(" = {}", c.value)
                };
                (format!("{}{value}", c.name), c.amount)
            })
            .collect();
        if !rest.is_empty() {
            let sum = hitcast_core::stats::sum(rest.iter().map(|c| c.amount));
            amounts.push((format!("{} other features", rest.len()), sum));
        }
        let gap = prediction - baseline - hitcast_core::stats::sum(contributions.iter().map(|c| c.amount));
        let moved: f64 = contributions.iter().map(|c| c.amount.abs()).sum();
        if gap.abs() > moved.max((prediction - baseline).abs()) * 1e-3 {
            amounts.push(("not explained".to_owned(), gap));
        }
        let mut at = baseline;
        let mut next = |(name, amount): (String, f64)| {
            let from = at;
            at += amount;
            Step { name, from, amount }
        };
        amounts.drain(..).map(&mut next).collect()
    }
}

/// A bar with a point at its end.
fn arrow(from: f64, to: f64, y: f64, half: f64) -> Vec<Segment> {
    let tip = (half * 0.45).min((to - from).abs());
    let shoulder = if to >= from { to - tip } else { to + tip };
    vec![
        Segment::Move([from, y - half]),
        Segment::Line([shoulder, y - half]),
        Segment::Line([to, y]),
        Segment::Line([shoulder, y + half]),
        Segment::Line([from, y + half]),
        Segment::Close,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contribution(name: &str, amount: f64) -> Contribution {
        Contribution {
            name: name.to_owned(),
            value: String::new(),
            amount,
        }
    }

    #[test]
    fn the_steps_lead_from_the_baseline_to_the_prediction() {
        let all: Vec<Contribution> = (0..30)
            .map(|i| contribution(&format!("f{i}"), f64::from(i) - 10.0))
            .collect();
        let settings = Waterfall::default();
        let steps = settings.steps(5.0, 140.0, &all);
        assert_eq!(steps.len(), 13);
        let last = steps.last().unwrap();
        assert!((last.from + last.amount - 140.0).abs() < 1e-9);
        assert!(
            steps
                .windows(2)
                .take(11)
                .all(|w| w[0].amount.abs() >= w[1].amount.abs())
        );
    }

    #[test]
    fn what_the_contributions_lack_is_a_step_of_its_own() {
        let steps = Waterfall::default().steps(0.0, 10.0, &[contribution("a", 7.0)]);
        assert_eq!(steps.len(), 2);
        assert_eq!((steps[1].name.as_str(), steps[1].amount), ("not explained", 3.0));
    }
}
