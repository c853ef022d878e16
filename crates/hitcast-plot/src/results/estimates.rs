//! Numbers with intervals.

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Panel, ticks};
use crate::color::{BLUE, INK, OTHER, SECONDARY, VERMILION};
use crate::data::boxes::shown_name;
use crate::draw::{Canvas, Rect, Stroke, TextStyle};
use crate::error::{PlotError, Result, check_at_least};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::{drawable, float};
use crate::table::{Table, cell};

/// A number with its interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// What it is the number of: a model, a group, a feature.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Both ends of its confidence interval, if it has one.
    pub interval: Option<[f64; 2]>,
    /// The rows it was computed from, if that is to be shown.
    pub rows: Option<usize>,
}

impl Estimate {
    /// A number alone.
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self {
            name: name.into(),
            value,
            ..Self::default()
        }
    }

    /// With the ends of its interval.
    #[must_use]
    pub fn between(self, low: f64, high: f64) -> Self {
        Self {
            interval: Some([low.min(high), high.max(low)]),
            ..self
        }
    }

    /// With the number of rows it was computed from.
    #[must_use]
    pub fn of_rows(self, rows: usize) -> Self {
        Self {
            rows: Some(rows),
            ..self
        }
    }

    fn ends(&self) -> impl Iterator<Item = f64> {
        std::iter::once(self.value).chain(self.interval.into_iter().flatten())
    }
}

/// In which order estimates stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Order {
    /// The largest first.
    #[default]
    Falling,
    /// The smallest first.
    Rising,
    /// As they were given.
    Given,
}

impl Order {
    fn sort(self, estimates: &mut [Estimate]) {
        match self {
            Self::Falling => estimates.sort_by(|a, b| b.value.total_cmp(&a.value)),
            Self::Rising => estimates.sort_by(|a, b| a.value.total_cmp(&b.value)),
            Self::Given => {}
        }
    }
}

/// The error of each group as a dot with its interval, beside the error over all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupErrors {
    /// The words; `x` is the metric with its unit.
    pub labels: Labels,
    /// In which order the groups stand.
    pub order: Order,
    /// Groups that are shown at most (at least 1): those with the most rows.
    pub max_groups: usize,
}

impl Default for GroupErrors {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            order: Order::Falling,
            max_groups: 26,
        }
    }
}

impl GroupErrors {
    /// Of `groups`, and the error over all rows, if that is to be shown. A group whose error is not finite is left out.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a finite error, [`PlotError::Setting`].
    pub fn figure(&self, groups: &[Estimate], overall: Option<f64>) -> Result<Figure> {
        const FIGURE: &str = "error by group";
        check_at_least("max_groups", self.max_groups, 1, "at least 1")?;
        let mut kept = finite(FIGURE, groups)?;
        let table = table(&kept);
        let mut notes = Vec::new();
        if kept.len() > self.max_groups {
            notes.push(format!(
                "the {} largest of {} groups",
                self.max_groups,
                ticks::count(kept.len())
            ));
            kept.sort_by_key(|group| std::cmp::Reverse(group.rows));
            kept.truncate(self.max_groups);
        }
        self.order.sort(&mut kept);
        let reference = overall
            .filter(|v| drawable(*v))
            .map(|value| ("All rows".to_owned(), value));
        let look = Look {
            x: self.labels.x_or("Error"),
            y: self.labels.y.clone(),
            reference: reference.clone(),
            digits: 3,
        };
        Ok(Figure::new(
            self.labels.title_or("Error by group"),
            self.labels.notes(&notes),
            reference_legend(reference.as_ref()),
            table,
            move |canvas, body| draw_dots(canvas, body, &kept, &look),
        ))
    }
}

/// Models beside each other: the metric of each as a dot with its interval, and the baseline as a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelComparison {
    /// The words; `x` is the metric with its unit.
    pub labels: Labels,
    /// In which order the models stand: the best first means `Rising` for errors, `Falling` for scores.
    pub order: Order,
    /// Models that are shown at most (at least 1): the first ones in that order.
    pub max_models: usize,
}

impl Default for ModelComparison {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            order: Order::Rising,
            max_models: 24,
        }
    }
}

impl ModelComparison {
    /// Of `models`, and what a baseline reaches, if that is to be shown. A model whose metric is not finite is left out.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a finite metric, [`PlotError::Setting`].
    pub fn figure(&self, models: &[Estimate], baseline: Option<f64>) -> Result<Figure> {
        check_at_least("max_models", self.max_models, 1, "at least 1")?;
        let mut kept = finite("model comparison", models)?;
        self.order.sort(&mut kept);
        let table = table(&kept);
        let mut notes = Vec::new();
        if kept.iter().any(|model| model.interval.is_some()) {
            notes.push("dots with their intervals".to_owned());
        }
        if kept.len() > self.max_models {
            notes.push(format!(
                "the first {} of {} models",
                self.max_models,
                ticks::count(kept.len())
            ));
            kept.truncate(self.max_models);
        }
        let reference = baseline
            .filter(|v| drawable(*v))
            .map(|value| ("Baseline".to_owned(), value));
        let look = Look {
            x: self.labels.x_or("Metric"),
            y: self.labels.y.clone(),
            reference: reference.clone(),
            digits: 4,
        };
        Ok(Figure::new(
            self.labels.title_or("Models beside each other"),
            self.labels.notes(&notes),
            reference_legend(reference.as_ref()),
            table,
            move |canvas, body| draw_dots(canvas, body, &kept, &look),
        ))
    }
}

/// Importances of features as bars with intervals, the largest first; a negative one points to the left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportanceBars {
    /// The words; `x` is what importance is measured in.
    pub labels: Labels,
    /// Features that are shown at most (at least 1): the most important ones.
    pub max_features: usize,
}

impl Default for ImportanceBars {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_features: 20,
        }
    }
}

impl ImportanceBars {
    /// Of `features`. One whose importance is not finite is left out.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a finite importance, [`PlotError::Setting`].
    pub fn figure(&self, features: &[Estimate]) -> Result<Figure> {
        check_at_least("max_features", self.max_features, 1, "at least 1")?;
        let mut kept = finite("importance bars", features)?;
        Order::Falling.sort(&mut kept);
        let table = table(&kept);
        let mut notes = Vec::new();
        if kept.len() > self.max_features {
            notes.push(format!(
                "the {} most important of {} features",
                self.max_features,
                ticks::count(kept.len())
            ));
            kept.truncate(self.max_features);
        }
        let (x, y) = (self.labels.x_or("Importance"), self.labels.y.clone());
        Ok(Figure::new(
            self.labels.title_or("Importance of the features"),
            self.labels.notes(&notes),
            Vec::new(),
            table,
            move |canvas, body| draw_bars(canvas, body, &kept, [&x, &y]),
        ))
    }
}

fn finite(figure: &'static str, estimates: &[Estimate]) -> Result<Vec<Estimate>> {
    let mut kept: Vec<Estimate> = estimates.iter().filter(|e| drawable(e.value)).cloned().collect();
    for estimate in &mut kept {
        estimate.interval = estimate
            .interval
            .filter(|ends| ends.iter().all(|end| drawable(*end)));
    }
    if kept.is_empty() {
        return Err(PlotError::NoData {
            figure,
            what: "numbers",
            least: 1,
        });
    }
    Ok(kept)
}

fn table(estimates: &[Estimate]) -> String {
    let mut table = Table::new(["name", "value", "low", "high", "rows"]);
    for e in estimates {
        let [low, high] = e
            .interval
            .map_or([String::new(), String::new()], |ends| ends.map(cell));
        let rows = e.rows.map_or_else(String::new, |rows| rows.to_string());
        table.row([e.name.clone(), cell(e.value), low, high, rows]);
    }
    table.finish()
}

fn reference_legend(reference: Option<&(String, f64)>) -> Vec<Entry> {
    let line = Swatch::Line(Stroke::new(VERMILION, 2.2).dashed());
    let entry =
        |(name, value): &(String, f64)| Entry::new(format!("{name}: {}", ticks::short(*value, 4)), line);
    reference.into_iter().map(entry).collect()
}

struct Look {
    x: String,
    y: String,
    reference: Option<(String, f64)>,
    /// Significant digits of the numbers on the right.
    digits: i32,
}

fn draw_dots(canvas: &mut Canvas<'_>, body: Rect, estimates: &[Estimate], look: &Look) {
    let size = 14.5;
    let numbers: Vec<String> = estimates
        .iter()
        .map(|e| ticks::short(e.value, look.digits))
        .collect();
    let rows: Vec<String> = estimates
        .iter()
        .map(|e| e.rows.map_or_else(String::new, ticks::count))
        .collect();
    let with_rows = rows.iter().any(|text| !text.is_empty());
    let widest = |canvas: &Canvas<'_>, texts: &[String], head: &str| {
        texts
            .iter()
            .map(|text| canvas.measure(text, size))
            .fold(canvas.measure(head, size), f64::max)
            + 16.0
    };
    let number_width = widest(canvas, &numbers, "value");
    let rows_width = if with_rows {
        widest(canvas, &rows, "rows")
    } else {
        0.0
    };
    let ends = estimates
        .iter()
        .flat_map(Estimate::ends)
        .chain(look.reference.iter().map(|r| r.1));
    let x = Axis::around(ends).label(&look.x);
    let names = estimates.iter().map(|e| shown_name(&e.name)).collect();
    // A few rows need not fill the page.
    let height = (float(estimates.len()) * 74.0 + 80.0).min(body.height);
    let area = Rect { height, ..body }.inset(0.0, 20.0, number_width + rows_width, 0.0);
    let panel = Panel::new(canvas, area, x, Axis::categories(names).label(&look.y));
    let head = TextStyle::new(size, SECONDARY).right();
    canvas.text([area.right() + number_width, body.y + 11.0], "value", head);
    if with_rows {
        canvas.text([body.right(), body.y + 11.0], "rows", head);
    }
    if let Some((_, value)) = &look.reference {
        let at = panel.x(*value);
        canvas.line(
            [at, panel.frame.y],
            [at, panel.frame.bottom()],
            Stroke::new(VERMILION, 2.2).dashed(),
        );
    }
    let radius = (panel.slot_height() * 0.24).clamp(2.0, 6.5);
    for (i, e) in estimates.iter().enumerate() {
        let y = panel.y(float(i));
        canvas.hairline_x(panel.frame.x, panel.frame.right(), y, OTHER.alpha(0.22));
        if let Some([low, high]) = e.interval {
            let (from, to) = (panel.x(low), panel.x(high));
            canvas.line(
                [from, y],
                [to, y],
                Stroke::new(BLUE.alpha(0.6), (radius * 0.55).max(1.5)),
            );
            for end in [from, to] {
                canvas.line(
                    [end, y - radius * 0.8],
                    [end, y + radius * 0.8],
                    Stroke::new(BLUE, 1.6),
                );
            }
        }
        canvas.marker([panel.x(e.value), y], radius, BLUE);
        let style = TextStyle::new(size.min(panel.slot_height() * 0.8), INK)
            .right()
            .middle();
        canvas.text([area.right() + number_width, y], &numbers[i], style);
        canvas.text(
            [body.right(), y],
            &rows[i],
            TextStyle {
                color: SECONDARY,
                ..style
            },
        );
    }
}

fn draw_bars(canvas: &mut Canvas<'_>, body: Rect, estimates: &[Estimate], labels: [&str; 2]) {
    let size = 14.5;
    let numbers: Vec<String> = estimates.iter().map(|e| ticks::short(e.value, 3)).collect();
    let number_width = numbers
        .iter()
        .map(|text| canvas.measure(text, size))
        .fold(0.0, f64::max)
        + 14.0;
    let mut x = Axis::around(estimates.iter().flat_map(Estimate::ends).chain([0.0])).label(labels[0]);
    if estimates.iter().flat_map(Estimate::ends).all(|v| v >= 0.0) {
        x.min = 0.0;
    }
    let names = estimates.iter().map(|e| shown_name(&e.name)).collect();
    let height = (float(estimates.len()) * 60.0 + 70.0).min(body.height);
    let area = Rect { height, ..body }.inset(0.0, 0.0, number_width, 0.0);
    let panel = Panel::new(canvas, area, x, Axis::categories(names).label(labels[1]));
    let thick = (panel.slot_height() * 0.62).min(34.0);
    let zero = panel.x(0.0);
    for (i, e) in estimates.iter().enumerate() {
        let y = panel.y(float(i));
        let end = panel.x(e.value);
        let color = if e.value < 0.0 { OTHER } else { BLUE };
        canvas.rect(
            Rect::new(zero.min(end), y - thick / 2.0, (end - zero).abs().max(1.0), thick),
            color.alpha(0.85),
        );
        if let Some([low, high]) = e.interval {
            let line = Stroke::new(INK, 1.8);
            canvas.line([panel.x(low), y], [panel.x(high), y], line);
            for end in [low, high] {
                canvas.line(
                    [panel.x(end), y - thick * 0.2],
                    [panel.x(end), y + thick * 0.2],
                    line,
                );
            }
        }
        let style = TextStyle::new(size.min(panel.slot_height() * 0.8), INK)
            .right()
            .middle();
        canvas.text([body.right(), y], &numbers[i], style);
    }
    canvas.hairline_y(zero, panel.frame.y, panel.frame.bottom(), SECONDARY);
}
