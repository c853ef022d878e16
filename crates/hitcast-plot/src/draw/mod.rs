//! What a picture consists of, before it is written as SVG or PNG.
//!
//! - `svg`: as text
//! - `raster`: as pixels
//! - `png`: pixels as a file

pub(crate) mod png;
pub(crate) mod raster;
pub(crate) mod svg;

use crate::color::Color;
use crate::text::{CAP_HEIGHT, Fonts, Line, fit};

/// A part of an outline, in pixels with y downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Segment {
    Move([f64; 2]),
    Line([f64; 2]),
    Quad([f64; 2], [f64; 2]),
    Cubic([f64; 2], [f64; 2], [f64; 2]),
    Close,
}

/// An outline.
pub(crate) type Path = Vec<Segment>;

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Rect {
    pub(crate) fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self {
            x,
            y,
            width: width.max(0.0),
            height: height.max(0.0),
        }
    }

    pub(crate) fn right(self) -> f64 {
        self.x + self.width
    }

    pub(crate) fn bottom(self) -> f64 {
        self.y + self.height
    }

    pub(crate) fn center(self) -> [f64; 2] {
        [self.x + self.width / 2.0, self.y + self.height / 2.0]
    }

    /// Without as much from the left, the top, the right and the bottom; never below one pixel.
    pub(crate) fn inset(self, left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Self::new(
            self.x + left,
            self.y + top,
            (self.width - left - right).max(1.0),
            (self.height - top - bottom).max(1.0),
        )
    }

    /// The cells of a grid over this rectangle, row by row.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn grid(self, columns: usize, rows: usize, gap: [f64; 2]) -> Vec<Self> {
        let (columns, rows) = (columns.max(1), rows.max(1));
        let width = ((self.width - gap[0] * (columns - 1) as f64) / columns as f64).max(1.0);
        let height = ((self.height - gap[1] * (rows - 1) as f64) / rows as f64).max(1.0);
        let cell = |row: usize, column: usize| {
            let (x, y) = ((width + gap[0]) * column as f64, (height + gap[1]) * row as f64);
            Self::new(self.x + x, self.y + y, width, height)
        };
        (0..rows)
            .flat_map(|row| (0..columns).map(move |column| (row, column)))
            .map(|(row, column)| cell(row, column))
            .collect()
    }

    /// With all sides on whole pixels, so that neighbours share a sharp edge.
    pub(crate) fn snapped(self) -> Self {
        let (x, y) = (self.x.round(), self.y.round());
        Self::new(x, y, self.right().round() - x, self.bottom().round() - y)
    }
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) color: Color,
    pub(crate) width: f64,
    /// Lengths of a dash and of the gap after it.
    pub(crate) dash: Option<[f64; 2]>,
}

impl Stroke {
    pub(crate) const fn new(color: Color, width: f64) -> Self {
        Self {
            color,
            width,
            dash: None,
        }
    }

    pub(crate) const fn dashed(self) -> Self {
        Self {
            dash: Some([self.width * 3.5, self.width * 2.5]),
            ..self
        }
    }
}

/// One thing on the picture.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Rect(Rect, Option<Color>, Option<Stroke>),
    Circle([f64; 2], f64, Option<Color>, Option<Stroke>),
    Path(Path, Option<Color>, Option<Stroke>),
    Text {
        text: String,
        line: Line,
        /// Where the baseline begins.
        at: [f64; 2],
        size: f64,
        /// Degrees, clockwise.
        angle: f64,
        color: Color,
    },
    /// What follows is seen only inside the rectangle, until `Unclip`.
    Clip(Rect),
    Unclip,
}

/// Which part of a text stands at its x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
}

/// Which part of a text stands at its y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Line,
    Middle,
    Top,
}

/// How a text is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TextStyle {
    pub(crate) size: f64,
    pub(crate) color: Color,
    pub(crate) align: Align,
    pub(crate) base: Base,
    /// Degrees, clockwise.
    pub(crate) angle: f64,
}

impl TextStyle {
    pub(crate) const fn new(size: f64, color: Color) -> Self {
        Self {
            size,
            color,
            align: Align::Left,
            base: Base::Line,
            angle: 0.0,
        }
    }

    pub(crate) const fn centered(self) -> Self {
        Self {
            align: Align::Center,
            ..self
        }
    }

    pub(crate) const fn right(self) -> Self {
        Self {
            align: Align::Right,
            ..self
        }
    }

    pub(crate) const fn middle(self) -> Self {
        Self {
            base: Base::Middle,
            ..self
        }
    }

    pub(crate) const fn top(self) -> Self {
        Self {
            base: Base::Top,
            ..self
        }
    }

    pub(crate) const fn turned(self, angle: f64) -> Self {
        Self { angle, ..self }
    }
}

/// A picture that is being drawn.
pub(crate) struct Canvas<'a> {
    pub(crate) fonts: &'a Fonts<'a>,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) items: Vec<Item>,
}

impl<'a> Canvas<'a> {
    pub(crate) fn new(fonts: &'a Fonts<'a>, width: f64, height: f64) -> Self {
        Self {
            fonts,
            width,
            height,
            items: Vec::new(),
        }
    }

    pub(crate) fn measure(&self, text: &str, size: f64) -> f64 {
        self.fonts.width(text, size)
    }

    pub(crate) fn rect(&mut self, rect: Rect, fill: Color) {
        self.items.push(Item::Rect(rect, Some(fill), None));
    }

    pub(crate) fn frame(&mut self, rect: Rect, stroke: Stroke) {
        self.items.push(Item::Rect(rect, None, Some(stroke)));
    }

    pub(crate) fn dot(&mut self, at: [f64; 2], radius: f64, fill: Color) {
        self.items.push(Item::Circle(at, radius, Some(fill), None));
    }

    /// A dot with a white rim, which stands out from what is below it.
    pub(crate) fn marker(&mut self, at: [f64; 2], radius: f64, fill: Color) {
        let rim = Stroke::new(crate::color::WHITE, 1.5);
        self.items.push(Item::Circle(at, radius, Some(fill), Some(rim)));
    }

    pub(crate) fn line(&mut self, from: [f64; 2], to: [f64; 2], stroke: Stroke) {
        self.items.push(Item::Path(
            vec![Segment::Move(from), Segment::Line(to)],
            None,
            Some(stroke),
        ));
    }

    /// A horizontal line of one sharp pixel row.
    pub(crate) fn hairline_x(&mut self, x1: f64, x2: f64, y: f64, color: Color) {
        let y = y.floor() + 0.5;
        self.line([x1, y], [x2, y], Stroke::new(color, 1.0));
    }

    /// A vertical line of one sharp pixel column.
    pub(crate) fn hairline_y(&mut self, x: f64, y1: f64, y2: f64, color: Color) {
        let x = x.floor() + 0.5;
        self.line([x, y1], [x, y2], Stroke::new(color, 1.0));
    }

    /// A line through points; it is broken where one is not finite.
    pub(crate) fn polyline(&mut self, points: impl IntoIterator<Item = [f64; 2]>, stroke: Stroke) {
        let mut path = Path::new();
        let mut down = false;
        for point in points {
            if !point.iter().all(|v| v.is_finite()) {
                down = false;
            } else if down {
                path.push(Segment::Line(point));
            } else {
                path.push(Segment::Move(point));
                down = true;
            }
        }
        if path.len() > 1 {
            self.items.push(Item::Path(path, None, Some(stroke)));
        }
    }

    pub(crate) fn polygon(&mut self, points: impl IntoIterator<Item = [f64; 2]>, fill: Color) {
        let mut path = Path::new();
        for point in points.into_iter().filter(|p| p.iter().all(|v| v.is_finite())) {
            path.push(if path.is_empty() {
                Segment::Move(point)
            } else {
                Segment::Line(point)
            });
        }
        if path.len() > 2 {
            path.push(Segment::Close);
            self.items.push(Item::Path(path, Some(fill), None));
        }
    }

    /// The area between two lines of the same x.
    pub(crate) fn band(&mut self, low: &[[f64; 2]], high: &[[f64; 2]], fill: Color) {
        self.polygon(low.iter().copied().chain(high.iter().rev().copied()), fill);
    }

    pub(crate) fn clip(&mut self, rect: Rect) {
        self.items.push(Item::Clip(rect));
    }

    pub(crate) fn unclip(&mut self) {
        self.items.push(Item::Unclip);
    }

    pub(crate) fn text(&mut self, at: [f64; 2], text: &str, style: TextStyle) {
        let line = self.fonts.line(text);
        if line.glyphs.is_empty() || !at.iter().all(|v| v.is_finite()) {
            return;
        }
        let back = style.size
            * line.width
            * match style.align {
                Align::Left => 0.0,
                Align::Center => 0.5,
                Align::Right => 1.0,
            };
        let down = style.size
            * CAP_HEIGHT
            * match style.base {
                Base::Line => 0.0,
                Base::Middle => 0.5,
                Base::Top => 1.0,
            };
        let (sin, cos) = style.angle.to_radians().sin_cos();
        self.items.push(Item::Text {
            text: text.to_owned(),
            line,
            at: [at[0] - back * cos - down * sin, at[1] - back * sin + down * cos],
            size: style.size,
            angle: style.angle,
            color: style.color,
        });
    }

    /// A text that is shortened to a width.
    pub(crate) fn text_within(&mut self, at: [f64; 2], text: &str, max_width: f64, style: TextStyle) {
        let shown = fit::shorten(self.fonts, text, style.size, max_width);
        self.text(at, &shown, style);
    }
}
