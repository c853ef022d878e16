//! What all figures have in common: the title, a note below it, the legend, and the room that is left.

use crate::color::{Color, INK, SECONDARY};
use crate::draw::{Canvas, Rect, Stroke, TextStyle};
use crate::text::{LINE_HEIGHT, fit};

/// Free on all sides, in pixels.
const MARGIN: f64 = 28.0;
const TITLE: f64 = 25.0;
const NOTE: f64 = 16.0;
const LEGEND: f64 = 16.0;

/// How an entry of a legend looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Swatch {
    Line(Stroke),
    /// A line inside its band.
    Band(Color),
    Patch(Color),
    Dot(Color),
}

/// What a colour stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) label: String,
    pub(crate) swatch: Swatch,
}

impl Entry {
    pub(crate) fn new(label: impl Into<String>, swatch: Swatch) -> Self {
        Self {
            label: label.into(),
            swatch,
        }
    }
}

/// Draws title, note and legend, one below the other, and returns the room below them.
pub(crate) fn head(canvas: &mut Canvas<'_>, title: &str, note: &str, legend: &[Entry]) -> Rect {
    let width = (canvas.width - 2.0 * MARGIN).max(1.0);
    let mut y = MARGIN - 4.0;
    let title_lines = fit::wrap(canvas.fonts, title, TITLE, width, 2);
    for line in &title_lines {
        canvas.text([MARGIN, y], line, TextStyle::new(TITLE, INK).top());
        y += TITLE * LINE_HEIGHT;
    }
    for line in fit::wrap(canvas.fonts, note, NOTE, width, 2) {
        canvas.text([MARGIN, y], &line, TextStyle::new(NOTE, SECONDARY).top());
        y += NOTE * LINE_HEIGHT + 2.0;
    }
    if !legend.is_empty() {
        y += 4.0;
        y = draw_legend(canvas, legend, y, width);
    }
    y += 12.0;
    Rect::new(MARGIN, y, width, (canvas.height - y - MARGIN + 6.0).max(1.0))
}

fn draw_legend(canvas: &mut Canvas<'_>, legend: &[Entry], top: f64, width: f64) -> f64 {
    const SWATCH: f64 = 26.0;
    let (mut x, mut y) = (MARGIN, top + LEGEND * 0.4);
    for entry in legend {
        let label = fit::shorten(canvas.fonts, &entry.label, LEGEND, width * 0.45);
        let entry_width = SWATCH + 8.0 + canvas.measure(&label, LEGEND);
        if x > MARGIN && x + entry_width > MARGIN + width {
            x = MARGIN;
            y += LEGEND * LINE_HEIGHT + 4.0;
        }
        match entry.swatch {
            Swatch::Line(stroke) => canvas.line([x, y], [x + SWATCH, y], stroke),
            Swatch::Band(color) => {
                canvas.rect(Rect::new(x, y - 7.0, SWATCH, 14.0), color.alpha(0.2));
                canvas.line([x, y], [x + SWATCH, y], Stroke::new(color, 2.5));
            }
            Swatch::Patch(color) => canvas.rect(Rect::new(x + 5.0, y - 7.5, 16.0, 15.0), color),
            Swatch::Dot(color) => canvas.dot([x + SWATCH / 2.0, y], 5.5, color),
        }
        canvas.text(
            [x + SWATCH + 8.0, y],
            &label,
            TextStyle::new(LEGEND, INK).middle(),
        );
        x += entry_width + 26.0;
    }
    y + LEGEND * 0.6
}
