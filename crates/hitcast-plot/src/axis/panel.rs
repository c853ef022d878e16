//! A frame with axes.

use super::{Axis, Kind};
use crate::color::{AXIS, GRID, INK, SECONDARY};
use crate::draw::{Canvas, Rect, TextStyle};
use crate::stats::{float, whole};
use crate::text::{LINE_HEIGHT, fit};

/// Length of a tick, in pixels.
const TICK: f64 = 5.0;
/// Between a tick and its label.
const GAP: f64 = 5.0;

/// A frame in which values have places.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    pub(crate) frame: Rect,
    x: Axis,
    y: Axis,
}

/// The labels of a horizontal axis of names.
enum Names {
    Level(Vec<Vec<String>>),
    /// Turned, with every how many-th shown.
    Turned(Vec<String>, usize),
}

impl Panel {
    /// Draws the axes into `area`, with all their labels inside it.
    pub(crate) fn new(canvas: &mut Canvas<'_>, area: Rect, x: Axis, y: Axis) -> Self {
        let y_names = match &y.kind {
            Kind::Categories(names) => {
                let most = area.width * 0.3;
                names
                    .iter()
                    .map(|name| fit::shorten(canvas.fonts, name, y.tick_size, most))
                    .collect()
            }
            _ => Vec::new(),
        };
        // The height is known well enough to count ticks before the width of their labels is.
        let y_numbers = y.numbers(ticks_for(area.height - 60.0, 58.0).max(2));
        let widest = |texts: &mut dyn Iterator<Item = &str>, size: f64| {
            texts.map(|text| canvas.measure(text, size)).fold(0.0, f64::max)
        };
        let y_texts = y_names
            .iter()
            .map(String::as_str)
            .chain(y_numbers.iter().map(|(_, text)| text.as_str()));
        let y_width = if y.ticks {
            widest(&mut y_texts.into_iter(), y.tick_size).max(y.reserved) + TICK + GAP
        } else {
            0.0
        };
        let y_label = if y.label.is_empty() {
            0.0
        } else {
            y.label_size * LINE_HEIGHT + 8.0
        };
        let mut x_numbers = x.numbers(ticks_for(area.width - y_width - y_label, x.tick_size * 5.5));
        let x_widest = widest(&mut x_numbers.iter().map(|(_, text)| text.as_str()), x.tick_size);
        let left = (y_label + y_width).max(x_widest / 2.0 - 4.0);
        let right = if x.ticks {
            (x_widest / 2.0 + 2.0).max(6.0)
        } else {
            4.0
        };
        let width = (area.width - left - right).max(1.0);
        if x_widest + 14.0 > width / float(x_numbers.len().max(1)) {
            x_numbers = x.numbers(ticks_for(width, x_widest + 24.0));
        }
        let names = match &x.kind {
            Kind::Categories(names) => Some(x_names(canvas, names, &x, width, left, area.height * 0.3)),
            _ => None,
        };
        let x_height = match (&names, x.ticks) {
            (_, false) => 0.0,
            (None, true) => TICK + GAP + x.tick_size,
            (Some(Names::Level(names)), true) => {
                let lines = names.iter().map(Vec::len).max().unwrap_or(1);
                TICK + GAP + x.tick_size * LINE_HEIGHT * float(lines)
            }
            (Some(Names::Turned(names, _)), true) => {
                let longest = widest(&mut names.iter().map(String::as_str), x.tick_size);
                TICK + GAP + longest * TURN.to_radians().sin() + x.tick_size
            }
        };
        let x_label = if x.label.is_empty() {
            0.0
        } else {
            x.label_size * LINE_HEIGHT + 6.0
        };
        let top = if y.ticks && y_names.is_empty() {
            y.tick_size * 0.4
        } else {
            2.0
        };
        let frame = area.inset(left, top, right, x_height + x_label);
        let panel = Self { frame, x, y };
        panel.draw_grid(canvas, &x_numbers, &y_numbers);
        panel.draw_ticks(canvas, &x_numbers, &y_numbers, &y_names);
        if let (Some(names), true) = (names, panel.x.ticks) {
            panel.draw_names(canvas, &names);
        }
        panel.draw_labels(canvas, area);
        panel
    }

    /// The pixel column of a value.
    pub(crate) fn x(&self, value: f64) -> f64 {
        self.frame.x + self.x.place(value) * self.frame.width
    }

    /// The pixel row of a value; names run downwards.
    pub(crate) fn y(&self, value: f64) -> f64 {
        let place = self.y.place(value);
        match self.y.kind {
            Kind::Categories(_) => self.frame.y + place * self.frame.height,
            _ => self.frame.bottom() - place * self.frame.height,
        }
    }

    pub(crate) fn at(&self, x: f64, y: f64) -> [f64; 2] {
        [self.x(x), self.y(y)]
    }

    /// The ends of the axis from left to right.
    pub(crate) fn x_range(&self) -> [f64; 2] {
        [self.x.min, self.x.max]
    }

    /// The ends of the axis from bottom to top.
    pub(crate) fn y_range(&self) -> [f64; 2] {
        [self.y.min, self.y.max]
    }

    /// How wide the place of one name is.
    pub(crate) fn slot_width(&self) -> f64 {
        self.frame.width / (self.x.max - self.x.min)
    }

    /// How high the place of one name is.
    pub(crate) fn slot_height(&self) -> f64 {
        self.frame.height / (self.y.max - self.y.min)
    }

    fn draw_grid(&self, canvas: &mut Canvas<'_>, x: &[(f64, String)], y: &[(f64, String)]) {
        let frame = self.frame;
        if self.x.grid {
            for (value, _) in x {
                canvas.hairline_y(self.x(*value), frame.y, frame.bottom(), GRID);
            }
        }
        if self.y.grid {
            for (value, _) in y {
                canvas.hairline_x(frame.x, frame.right(), self.y(*value), GRID);
            }
        }
        canvas.hairline_x(frame.x, frame.right(), frame.bottom(), AXIS);
        canvas.hairline_y(frame.x, frame.y, frame.bottom() + 1.0, AXIS);
    }

    fn draw_ticks(
        &self,
        canvas: &mut Canvas<'_>,
        x: &[(f64, String)],
        y: &[(f64, String)],
        y_names: &[String],
    ) {
        let frame = self.frame;
        if self.x.ticks {
            let style = TextStyle::new(self.x.tick_size, INK).centered().top();
            for (value, text) in x {
                let at = self.x(*value);
                canvas.hairline_y(at, frame.bottom(), frame.bottom() + TICK, AXIS);
                canvas.text([at, frame.bottom() + TICK + GAP], text, style);
            }
        }
        if self.y.ticks {
            let style = TextStyle::new(self.y.tick_size, INK).right().middle();
            for (value, text) in y {
                let at = self.y(*value);
                canvas.hairline_x(frame.x - TICK, frame.x, at, AXIS);
                canvas.text([frame.x - TICK - GAP, at], text, style);
            }
            let every = every(self.y.tick_size * 1.1, self.slot_height());
            for (i, name) in y_names.iter().enumerate().step_by(every) {
                canvas.text([frame.x - TICK - GAP, self.y(float(i))], name, style);
            }
        }
    }

    fn draw_names(&self, canvas: &mut Canvas<'_>, names: &Names) {
        let top = self.frame.bottom() + TICK + GAP;
        let size = self.x.tick_size;
        match names {
            Names::Level(names) => {
                for (i, lines) in names.iter().enumerate() {
                    for (row, line) in lines.iter().enumerate() {
                        let at = [self.x(float(i)), top + float(row) * size * LINE_HEIGHT];
                        canvas.text(at, line, TextStyle::new(size, INK).centered().top());
                    }
                }
            }
            Names::Turned(names, every) => {
                for (i, name) in names.iter().enumerate().step_by(*every) {
                    let at = [self.x(float(i)) + size * 0.3, top];
                    canvas.text(at, name, TextStyle::new(size, INK).right().top().turned(-TURN));
                }
            }
        }
    }

    fn draw_labels(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let [x, y] = self.frame.center();
        let style = TextStyle::new(self.x.label_size, SECONDARY).centered();
        // A label may be wider than the frame, but stays on the area.
        let half = canvas.measure(&self.x.label, self.x.label_size).min(area.width) / 2.0;
        let x = x.clamp(area.x + half, (area.right() - half).max(area.x + half));
        canvas.text_within(
            [x, area.bottom() - self.x.label_size * 0.3],
            &self.x.label,
            area.width,
            style,
        );
        let style = TextStyle::new(self.y.label_size, SECONDARY)
            .centered()
            .top()
            .turned(-90.0);
        let half = canvas.measure(&self.y.label, self.y.label_size).min(area.height) / 2.0;
        let y = y.clamp(area.y + half, (area.bottom() - half).max(area.y + half));
        canvas.text_within([area.x + 1.0, y], &self.y.label, area.height, style);
    }
}

/// Degrees by which names are turned that do not fit.
const TURN: f64 = 40.0;

fn x_names(canvas: &Canvas<'_>, names: &[String], x: &Axis, width: f64, left: f64, max_height: f64) -> Names {
    let slot = width / float(names.len().max(1));
    let wrapped = |lines| -> Vec<Vec<String>> {
        let wrap = |name: &String| fit::wrap(canvas.fonts, name, x.tick_size, slot - 8.0, lines);
        names.iter().map(wrap).collect()
    };
    for lines in [1, 2] {
        let level = wrapped(lines);
        // Words that were shortened can be read when they are turned.
        if level.iter().flatten().all(|line| !line.ends_with('…')) {
            return Names::Level(level);
        }
    }
    // The first name must not leave the picture on the left.
    let longest = (max_height / TURN.to_radians().sin()).min((left + slot / 2.0) / TURN.to_radians().cos());
    let shorten = |name: &String| fit::shorten(canvas.fonts, name, x.tick_size, longest);
    Names::Turned(
        names.iter().map(shorten).collect(),
        every(x.tick_size * 1.5, slot),
    )
}

/// Every how many-th label is shown, if each needs `size` and there is `slot` for one.
fn every(size: f64, slot: f64) -> usize {
    whole((size / slot.max(1e-3)).ceil().clamp(1.0, 1e6))
}

fn ticks_for(length: f64, each: f64) -> usize {
    whole((length / each).clamp(1.0, 10.0)).max(1)
}
