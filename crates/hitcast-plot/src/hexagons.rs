//! Many points as hexagons, the darker the more points lie in them.

use std::collections::BTreeMap;

use crate::axis::{ColorBar, Panel};
use crate::draw::Canvas;
use crate::stats::{float, whole};

/// Counts of points in hexagons over a panel.
pub(crate) struct Hexagons {
    radius: f64,
    /// Column and row of each hexagon with points.
    counts: BTreeMap<(usize, usize), usize>,
}

impl Hexagons {
    /// Counts finite points inside a panel's frame, with about 60 hexagons from left to right.
    pub(crate) fn new(width: f64, height: f64, points: impl Iterator<Item = [f64; 2]>) -> Self {
        let radius = (width.max(height) / 60.0 / 3.0_f64.sqrt()).max(2.0);
        let mut counts = BTreeMap::new();
        for [x, y] in points {
            if (0.0..=width).contains(&x) && (0.0..=height).contains(&y) {
                *counts.entry(nearest(x, y, radius)).or_insert(0) += 1;
            }
        }
        Self { radius, counts }
    }

    pub(crate) fn most(&self) -> usize {
        self.counts.values().copied().max().unwrap_or(0)
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, panel: &Panel, bar: &ColorBar) {
        canvas.clip(panel.frame);
        for (place, count) in &self.counts {
            let [x, y] = center(*place, self.radius);
            // A little larger than they are, so that no white shows between them.
            let corner = |i: usize| {
                let angle = (float(i) * 60.0 + 30.0).to_radians();
                let reach = self.radius * 1.02;
                [
                    panel.frame.x + x + reach * angle.cos(),
                    panel.frame.y + y + reach * angle.sin(),
                ]
            };
            canvas.polygon((0..6).map(corner), bar.color(float(*count)));
        }
        canvas.unclip();
    }
}

fn center((column, row): (usize, usize), radius: f64) -> [f64; 2] {
    let width = 3.0_f64.sqrt() * radius;
    let shift = if row % 2 == 1 { 0.5 } else { 0.0 };
    [(float(column) + shift) * width, float(row) * 1.5 * radius]
}

/// The hexagon whose centre is nearest, which is the one that holds the point.
fn nearest(x: f64, y: f64, radius: f64) -> (usize, usize) {
    let width = 3.0_f64.sqrt() * radius;
    let row = whole(y / (1.5 * radius));
    let candidates = (row..=row + 1).flat_map(|row| {
        let shift = if row % 2 == 1 { 0.5 } else { 0.0 };
        let column = whole((x / width - shift).max(0.0));
        [(column, row), (column + 1, row)]
    });
    let distance = |place: &(usize, usize)| {
        let [cx, cy] = center(*place, radius);
        (cx - x).powi(2) + (cy - y).powi(2)
    };
    candidates
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap_or((0, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_in_the_hexagon_around_it() {
        let points: Vec<[f64; 2]> = (0..2000)
            .map(|i| [f64::from(i * 37 % 600), f64::from(i * 91 % 400)])
            .collect();
        let hexagons = Hexagons::new(600.0, 400.0, points.iter().copied());
        assert_eq!(hexagons.counts.values().sum::<usize>(), points.len());
        for [x, y] in points {
            let [cx, cy] = center(nearest(x, y, hexagons.radius), hexagons.radius);
            // Left of the first column of an odd row there is none.
            assert!((cx - x).hypot(cy - y) <= hexagons.radius * 1.8);
        }
        assert_eq!(Hexagons::new(10.0, 10.0, [[f64::NAN, 1.0]].into_iter()).most(), 0);
    }
}
