//! The attributions of many rows.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::axis::{Axis, ColorBar, Panel, ticks};
use crate::classes::rows_shown;
use crate::color::{ColorMap, OTHER, SECONDARY};
use crate::error::{PlotError, Result, check_at_least, check_length};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::stats::summary::sorted_quantile;
use crate::stats::{drawable, float, whole};
use crate::table::{Table, cell};

const FIGURE: &str = "beeswarm";

/// A dot for each row and feature: how far the feature moved the prediction, coloured by the feature's own value. Dots that
/// would lie on each other are piled up. The features with the largest mean absolute attribution come first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Beeswarm {
    /// The words; `x` is what predictions are measured in.
    pub labels: Labels,
    /// Features that are shown at most (at least 1).
    pub max_features: usize,
    /// Rows that are shown at most (at least 10), at equal distances.
    pub max_rows: usize,
}

impl Default for Beeswarm {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_features: 14,
            max_rows: 800,
        }
    }
}

struct Feature {
    name: String,
    importance: f64,
    /// Attribution and value, the latter from 0 (low) to 1 (high).
    dots: Vec<(f64, f64)>,
}

impl Beeswarm {
    /// Of the `attributions` and the `values` of rows (`n × d` each) of the features `names` (length `d`). An attribution
    /// that is not finite is left out, a value that is not is grey.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a finite attribution, [`PlotError::Length`], [`PlotError::Setting`].
    pub fn figure(
        &self,
        names: &[impl AsRef<str>],
        attributions: ArrayView2<'_, f64>,
        values: ArrayView2<'_, f64>,
    ) -> Result<Figure> {
        check_at_least("max_features", self.max_features, 1, "at least 1")?;
        check_at_least("max_rows", self.max_rows, 10, "at least 10")?;
        check_length(
            FIGURE,
            "columns of attributions",
            names.len(),
            attributions.ncols(),
        )?;
        check_length(FIGURE, "columns of values", names.len(), values.ncols())?;
        check_length(FIGURE, "rows of values", attributions.nrows(), values.nrows())?;
        let n = attributions.nrows();
        let shown = n.min(self.max_rows);
        let rows: Vec<usize> = (0..shown).map(|i| i * n / shown).collect();
        let mut features = Vec::new();
        for (j, name) in names.iter().enumerate() {
            let column = attributions.column(j);
            let all: Vec<f64> = column
                .iter()
                .copied()
                .filter(|v| drawable(*v))
                .map(f64::abs)
                .collect();
            if all.is_empty() {
                continue;
            }
            let mut known: Vec<f64> = values
                .column(j)
                .iter()
                .copied()
                .filter(|v| drawable(*v))
                .collect();
            known.sort_by(f64::total_cmp);
            let (low, high) = (sorted_quantile(&known, 0.05), sorted_quantile(&known, 0.95));
            let place = |value: f64| {
                if !drawable(value) {
                    f64::NAN
                } else if high > low {
                    ((value - low) / (high - low)).clamp(0.0, 1.0)
                } else {
                    f64::from(u8::from(value > low)).max(if value == low { 0.5 } else { 0.0 })
                }
            };
            let dots = rows.iter().map(|row| (column[*row], place(values[(*row, j)])));
            features.push(Feature {
                name: name.as_ref().to_owned(),
                importance: hitcast_core::stats::mean(&all),
                dots: dots.filter(|dot| drawable(dot.0)).collect(),
            });
        }
        if features.is_empty() {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "attributions",
                least: 1,
            });
        }
        let mut table = Table::new(["row", "feature", "value", "attribution"]);
        for ((row, j), attribution) in attributions.indexed_iter() {
            let value = cell(values[(row, j)]);
            table.row([
                row.to_string(),
                names[j].as_ref().to_owned(),
                value,
                cell(*attribution),
            ]);
        }
        features.sort_by(|a, b| b.importance.total_cmp(&a.importance));
        let mut notes = vec![rows_shown(n)];
        if shown < n {
            notes.push(format!("{} rows drawn", ticks::count(shown)));
        }
        if features.len() > self.max_features {
            notes.push(format!(
                "the {} strongest of {} features",
                self.max_features,
                ticks::count(features.len())
            ));
            features.truncate(self.max_features);
        }
        let x = self.labels.x_or("Attribution (change of the prediction)");
        Ok(Figure::new(
            self.labels.title_or("What moved the predictions"),
            self.labels.notes(&notes),
            Vec::new(),
            table.finish(),
            move |canvas, body| {
                let mut bar = ColorBar::new(
                    ColorMap::LowHigh,
                    Axis::span(0.0, 1.0).label("Value of the feature"),
                );
                bar.ends = Some(["low".to_owned(), "high".to_owned()]);
                let body = bar.draw(canvas, body);
                let names = features.iter().map(|feature| feature.name.clone()).collect();
                let x_axis = Axis::around(
                    features
                        .iter()
                        .flat_map(|f| f.dots.iter().map(|d| d.0))
                        .chain([0.0]),
                );
                let panel = Panel::new(canvas, body, x_axis.label(&x), Axis::categories(names));
                canvas.hairline_y(panel.x(0.0), panel.frame.y, panel.frame.bottom(), SECONDARY);
                let radius = (panel.slot_height() * 0.07).clamp(1.2, 3.6);
                for (i, feature) in features.iter().enumerate() {
                    let y = panel.y(float(i));
                    canvas.hairline_x(panel.frame.x, panel.frame.right(), y, OTHER.alpha(0.22));
                    let xs: Vec<f64> = feature.dots.iter().map(|dot| panel.x(dot.0)).collect();
                    let offsets = piled(&xs, radius, panel.slot_height() * 0.42);
                    for ((x, offset), (_, value)) in xs.iter().zip(offsets).zip(&feature.dots) {
                        let color = bar.map.at(*value).alpha(0.85);
                        canvas.dot([*x, y + offset], radius, color);
                    }
                }
            },
        ))
    }
}

/// How far each dot is moved up or down, so that dots of one column stand on each other, never more than `reach`.
fn piled(xs: &[f64], radius: f64, reach: f64) -> Vec<f64> {
    let width = radius * 1.5;
    let left = xs.iter().copied().fold(f64::INFINITY, f64::min);
    let column = |x: f64| whole((x - left) / width);
    let most = xs.iter().map(|x| column(*x)).max().map_or(0, |most| most + 1);
    let mut totals = vec![0_usize; most];
    for x in xs {
        totals[column(*x)] += 1;
    }
    let mut placed = vec![0_usize; most];
    // One distance for all columns, so that piles show how many dots they hold.
    let highest = float(totals.iter().copied().max().unwrap_or(1).max(2) / 2);
    let step = (radius * 1.6).min(reach / highest);
    xs.iter()
        .map(|x| {
            let column = column(*x);
            let index = placed[column];
            placed[column] += 1;
            let level = float(index.div_ceil(2)) * step;
            if index % 2 == 1 { -level } else { level }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_of_one_place_are_piled_and_stay_in_their_row() {
        let offsets = piled(&[5.0; 101], 3.0, 20.0);
        assert!(offsets.iter().all(|offset| offset.abs() <= 20.0 + 1e-9));
        let mut sorted = offsets.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        assert_eq!(sorted.len(), offsets.len());
        assert_eq!(piled(&[0.0, 100.0], 3.0, 20.0), [0.0, 0.0]);
        assert!(piled(&[], 3.0, 20.0).is_empty());
    }
}
