//! Every feature by tier.

use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Panel, ticks};
use crate::classes::{ClassRows, by_class, of_rows, rows_shown};
use crate::color::{Color, INK, SECONDARY};
use crate::draw::{Rect, Stroke, TextStyle};
use crate::error::{PlotError, Result, check_at_least};
use crate::figure::Figure;
use crate::labels::Labels;
use crate::page::{Entry, Swatch};
use crate::stats::density::density;
use crate::stats::{float, range, whole};
use crate::table::{Table, cell};
use crate::text::fit;

const FIGURE: &str = "distributions by tier";

/// A small panel for each feature with the smooth density of each tier (class, group of rows). Each density has area 1, so
/// that tiers of different size can be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TierDistributions {
    /// The words.
    pub labels: Labels,
    /// Features that are shown at most (at least 1); the first ones.
    pub max_features: usize,
}

impl Default for TierDistributions {
    fn default() -> Self {
        Self {
            labels: Labels::default(),
            max_features: 16,
        }
    }
}

struct Feature {
    name: String,
    /// Colour, density and median of each tier.
    tiers: Vec<(Color, Vec<[f64; 2]>, f64)>,
}

impl TierDistributions {
    /// Of `features` (name and `n` values each) by `tiers` (length `n`), which index `names`.
    ///
    /// # Errors
    /// [`PlotError::NoData`] without a feature that has a finite value, [`PlotError::Length`],
    /// [`PlotError::UnknownClass`], [`PlotError::Setting`].
    pub fn figure(
        &self,
        features: &[(&str, &[f64])],
        tiers: &[usize],
        names: &[impl AsRef<str>],
    ) -> Result<Figure> {
        check_at_least("max_features", self.max_features, 1, "at least 1")?;
        let found = by_class(FIGURE, tiers.len(), tiers, names)?;
        let mut table = Table::new(["feature", "tier", "rows", "value", "density"]);
        let mut shown = Vec::new();
        for (name, values) in features {
            crate::error::check_length(FIGURE, "values of a feature", tiers.len(), values.len())?;
            shown.extend(feature(name, values, &found, &mut table));
        }
        if shown.is_empty() {
            return Err(PlotError::NoData {
                figure: FIGURE,
                what: "features",
                least: 1,
            });
        }
        let mut notes = vec![
            rows_shown(tiers.len()),
            "each tier has area 1; a line marks its median".to_owned(),
        ];
        if shown.len() > self.max_features {
            notes.push(format!(
                "the first {} of {} features",
                self.max_features,
                ticks::count(shown.len())
            ));
            shown.truncate(self.max_features);
        }
        let entry = |class: &ClassRows| {
            let label = format!("{} ({})", class.name, rows_shown(class.rows.len()));
            Entry::new(label, Swatch::Band(class.color))
        };
        Ok(Figure::new(
            self.labels.title_or("Features by tier"),
            self.labels.notes(&notes),
            found.iter().map(entry).collect(),
            table.finish(),
            move |canvas, body| {
                let n = shown.len();
                let columns = whole((float(n) * body.width / body.height / 1.6).sqrt().round()).clamp(1, n);
                let cells = body.grid(columns, n.div_ceil(columns), [26.0, 16.0]);
                for (cell, feature) in cells.into_iter().zip(&shown) {
                    let title = fit::shorten(canvas.fonts, &feature.name, 15.0, cell.width);
                    canvas.text([cell.x, cell.y], &title, TextStyle::new(15.0, INK).top());
                    draw(canvas, cell.inset(0.0, 22.0, 0.0, 0.0), feature);
                }
            },
        ))
    }
}

fn feature(name: &str, values: &[f64], tiers: &[ClassRows], table: &mut Table) -> Option<Feature> {
    let mut drawn = Vec::new();
    for tier in tiers {
        let mut own = of_rows(values, &tier.rows);
        let curve = density(&own);
        for [x, y] in &curve {
            let (tier, rows) = (tier.name.clone(), own.len().to_string());
            table.row([name.to_owned(), tier, rows, cell(*x), cell(*y)]);
        }
        if let Some(median) = hitcast_core::stats::median(&mut own) {
            drawn.push((tier.color, curve, median));
        }
    }
    (!drawn.is_empty()).then(|| Feature {
        name: name.to_owned(),
        tiers: drawn,
    })
}

fn draw(canvas: &mut crate::draw::Canvas<'_>, area: Rect, feature: &Feature) {
    let ends = feature.tiers.iter().flat_map(|(_, curve, median)| {
        curve
            .first()
            .into_iter()
            .chain(curve.last())
            .map(|p| p[0])
            .chain([*median])
    });
    let [low, high] = range(ends).unwrap_or([0.0, 1.0]);
    let highest = feature
        .tiers
        .iter()
        .flat_map(|(_, curve, _)| curve.iter().map(|p| p[1]));
    let panel = Panel::new(
        canvas,
        area,
        Axis::span(low, high).small(),
        Axis::from_zero(highest).no_ticks(),
    );
    let all_constant = feature.tiers.iter().all(|(_, curve, _)| curve.is_empty());
    for (color, curve, _) in &feature.tiers {
        let line: Vec<[f64; 2]> = curve.iter().map(|[x, y]| panel.at(*x, *y)).collect();
        if let (Some(first), Some(last)) = (line.first(), line.last()) {
            let floor = [[first[0], panel.frame.bottom()], [last[0], panel.frame.bottom()]];
            canvas.polygon(
                line.iter().copied().chain([floor[1], floor[0]]),
                color.alpha(0.16),
            );
        }
        canvas.polyline(line, Stroke::new(*color, 2.2));
    }
    // On top of all areas, so that their colours are those of the legend.
    for (color, _, median) in &feature.tiers {
        let (x, bottom) = (panel.x(*median), panel.frame.bottom());
        canvas.line([x, bottom], [x, bottom - 14.0], Stroke::new(*color, 3.0));
    }
    if all_constant {
        let [x, y] = panel.frame.center();
        canvas.text(
            [x, y],
            "too few different values",
            TextStyle::new(13.0, SECONDARY).centered(),
        );
    }
}
