//! A value by category.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Panel, ticks};
use crate::classes::{left_out, rows_shown};
use crate::color::{BLUE, INK, SECONDARY, WHITE};
use crate::draw::{Rect, Stroke, TextStyle};
use crate::error::{PlotError, Result, check_at_least, check_length};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::stats::summary::BoxSummary;
use crate::stats::{drawable, float};
use crate::table::{Table, cell};

const FIGURE: &str = "box plots";

/// Box plots of a value by category, the highest median first.
///
/// A box reaches from the first to the third quartile with a line at the median, its whiskers to the last values within
/// `whisker` box lengths; values beyond are dots. The number of rows stands on the right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoxPlots {
    /// The words.
    pub labels: Labels,
    /// Categories that are shown at most (at least 1): those with the most rows.
    pub max_categories: usize,
    /// How far the whiskers may reach, in lengths of the box; finite and above 0.
    pub whisker: f64,
}

impl Default for BoxPlots {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_categories: 25,
            whisker: 1.5,
        }
    }
}

impl BoxPlots {
    /// Of `values` and their `categories` (length `n` each). Rows without a finite value are left out, and categories that
    /// have no other.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a finite value, [`PlotError::Length`], [`PlotError::Setting`].
    pub fn figure(&self, values: &[f64], categories: &[impl AsRef<str>]) -> Result<Figure> {
        check_at_least("max_categories", self.max_categories, 1, "at least 1")?;
        if !(self.whisker > 0.0 && self.whisker.is_finite()) {
            return Err(PlotError::Setting {
                setting: "whisker",
                value: self.whisker.to_string(),
                allowed: "finite and above 0",
            });
        }
        check_length(FIGURE, "categories", values.len(), categories.len())?;
        let mut groups: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (value, category) in values.iter().zip(categories).filter(|(v, _)| drawable(**v)) {
            groups.entry(category.as_ref()).or_default().push(*value);
        }
        let n = groups.values().map(Vec::len).sum::<usize>();
        let mut boxes: Vec<(String, BoxSummary)> = groups
            .into_iter()
            .filter_map(|(name, values)| Some((name.to_owned(), BoxSummary::new(values, self.whisker)?)))
            .collect();
        boxes.sort_by(|a, b| b.1.median.total_cmp(&a.1.median).then_with(|| a.0.cmp(&b.0)));
        if boxes.is_empty() {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "values",
                least: 1,
            });
        }
        let mut table = Table::new([
            "category",
            "rows",
            "low_whisker",
            "q1",
            "median",
            "q3",
            "high_whisker",
            "outliers",
        ]);
        for (name, s) in &boxes {
            let numbers = [s.low_whisker, s.q1, s.median, s.q3, s.high_whisker].map(cell);
            let counts = (s.n.to_string(), s.outliers.len().to_string());
            table.row(
                [name.clone(), counts.0]
                    .into_iter()
                    .chain(numbers)
                    .chain([counts.1]),
            );
        }
        let all = boxes.len();
        let mut notes = vec![rows_shown(n), left_out(values.len() - n, "missing or infinite")];
        if all > self.max_categories {
            let mut sizes: Vec<(usize, usize)> = boxes.iter().enumerate().map(|(i, b)| (b.1.n, i)).collect();
            sizes.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            let mut keep: Vec<usize> = sizes[..self.max_categories].iter().map(|(_, i)| *i).collect();
            keep.sort_unstable();
            boxes = keep.into_iter().map(|i| boxes[i].clone()).collect();
            notes.push(format!(
                "the {} largest of {} categories",
                self.max_categories,
                ticks::count(all)
            ));
        }
        let (x, y) = (self.labels.x_or("Value"), self.labels.y.clone());
        Ok(Figure::new(
            self.labels.title_or("Values by category"),
            self.labels.notes(&notes),
            Vec::new(),
            table.finish(),
            move |canvas, body| {
                let counts: Vec<String> = boxes.iter().map(|(_, s)| ticks::count(s.n)).collect();
                let size = 13.5;
                let count_width = counts
                    .iter()
                    .map(|c| canvas.measure(c, size))
                    .fold(canvas.measure("rows", size), f64::max);
                let names = boxes.iter().map(|(name, _)| shown_name(name)).collect();
                let ends = boxes.iter().flat_map(|(_, s)| {
                    let outliers = s.outliers.first().into_iter().chain(s.outliers.last()).copied();
                    [s.low_whisker, s.high_whisker].into_iter().chain(outliers)
                });
                let x_axis = Axis::around(ends).label(&x);
                let area = body.inset(0.0, 18.0, count_width + 12.0, 0.0);
                let panel = Panel::new(canvas, area, x_axis, Axis::categories(names).label(&y));
                let right = TextStyle::new(size, SECONDARY).right();
                canvas.text([body.right(), body.y + 10.0], "rows", right);
                let half = (panel.slot_height() * 0.34).min(26.0);
                for (i, (_, s)) in boxes.iter().enumerate() {
                    let y = panel.y(float(i));
                    let x = |v| panel.x(v);
                    for value in thinned(&s.outliers) {
                        canvas.dot(
                            [x(value), y],
                            (half * 0.28).clamp(1.0, 2.6),
                            SECONDARY.alpha(0.45),
                        );
                    }
                    let line = Stroke::new(SECONDARY, 1.4);
                    canvas.line([x(s.low_whisker), y], [x(s.q1), y], line);
                    canvas.line([x(s.q3), y], [x(s.high_whisker), y], line);
                    for end in [s.low_whisker, s.high_whisker] {
                        canvas.line([x(end), y - half * 0.5], [x(end), y + half * 0.5], line);
                    }
                    let width = (x(s.q3) - x(s.q1)).max(1.5);
                    let body = Rect::new(x(s.q1), y - half, width, half * 2.0);
                    canvas.rect(body, WHITE);
                    canvas.rect(body, BLUE.alpha(0.55));
                    canvas.frame(body, Stroke::new(BLUE.mix(INK, 0.3), 1.2));
                    canvas.line(
                        [x(s.median), y - half],
                        [x(s.median), y + half],
                        Stroke::new(INK, 2.6),
                    );
                    canvas.text([area.right() + count_width + 12.0, y], &counts[i], right.middle());
                }
            },
        ))
    }
}

/// The name of a category as it is shown: an empty one is seen.
pub(crate) fn shown_name(name: &str) -> String {
    if name.trim().is_empty() { "(empty)" } else { name }.to_owned()
}

/// At most some hundreds of sorted values, those at the ends among them: more cannot be told apart.
fn thinned(values: &[f64]) -> Vec<f64> {
    let every = values.len().div_ceil(400).max(1);
    let mut kept: Vec<f64> = values.iter().copied().step_by(every).collect();
    kept.extend(values.last().filter(|_| every > 1));
    kept
}
