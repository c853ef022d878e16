//! The axis of colours.

use super::{Axis, Kind, ticks};
use crate::color::{AXIS, ColorMap, INK, SECONDARY};
use crate::draw::{Canvas, Rect, Stroke, TextStyle};
use crate::stats::float;
use crate::text::{LINE_HEIGHT, fit};

/// Which colour stands for which value.
#[derive(Debug, Clone)]
pub(crate) struct ColorBar {
    pub(crate) map: ColorMap,
    pub(crate) axis: Axis,
    /// Words at the ends instead of numbers.
    pub(crate) ends: Option<[String; 2]>,
}

impl ColorBar {
    pub(crate) fn new(map: ColorMap, axis: Axis) -> Self {
        Self {
            map,
            axis,
            ends: None,
        }
    }

    /// For counts from 1 on, in powers of ten once there are many.
    pub(crate) fn counts(label: &str, most: usize) -> Self {
        let most = float(most.max(2));
        let mut axis = Axis::span(if most > 30.0 { 1.0 } else { 0.0 }, most).label(label);
        if most > 30.0 {
            axis.kind = Kind::Log;
        }
        Self::new(ColorMap::Amount, axis)
    }

    pub(crate) fn color(&self, value: f64) -> crate::color::Color {
        self.map.at(self.axis.place(value))
    }

    /// Draws the bar at the right end of `area` and returns what is left of it.
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) -> Rect {
        const WIDTH: f64 = 16.0;
        const STEPS: usize = 64;
        let size = 14.0;
        let height = (area.height * 0.62).max(1.0);
        let numbers = match &self.ends {
            Some([low, high]) => vec![(self.axis.min, low.clone()), (self.axis.max, high.clone())],
            None if self.axis.kind == Kind::Log => {
                let shown = ticks::logarithmic(self.axis.min, self.axis.max, 6);
                shown.into_iter().map(|v| (v, ticks::short(v, 1))).collect()
            }
            None => self.axis.numbers(5),
        };
        let widest = numbers
            .iter()
            .map(|(_, text)| canvas.measure(text, size))
            .fold(0.0, f64::max);
        let label_room = if self.axis.label.is_empty() {
            0.0
        } else {
            size * LINE_HEIGHT + 6.0
        };
        let total = 26.0 + WIDTH + 7.0 + widest + label_room;
        let bar = Rect::new(
            area.right() - total + 26.0,
            area.y + (area.height - height) * 0.4,
            WIDTH,
            height,
        );
        for i in 0..STEPS {
            let (from, to) = (float(i) / float(STEPS), float(i + 1) / float(STEPS));
            let cell = Rect::new(bar.x, bar.bottom() - to * height, WIDTH, (to - from) * height);
            canvas.rect(cell.snapped(), self.map.at(from.midpoint(to)));
        }
        canvas.frame(bar.snapped(), Stroke::new(AXIS, 0.8));
        for (value, text) in numbers {
            let y = bar.bottom() - self.axis.place(value) * height;
            canvas.hairline_x(bar.right(), bar.right() + 4.0, y, AXIS);
            canvas.text([bar.right() + 7.0, y], &text, TextStyle::new(size, INK).middle());
        }
        let label = fit::shorten(canvas.fonts, &self.axis.label, size, area.height);
        let half = canvas.measure(&label, size) / 2.0;
        let y = bar.center()[1].clamp(area.y + half, (area.bottom() - half).max(area.y + half));
        let style = TextStyle::new(size, SECONDARY).centered().turned(-90.0);
        canvas.text([area.right() - 3.0, y], &label, style);
        area.inset(0.0, 0.0, total, 0.0)
    }
}
