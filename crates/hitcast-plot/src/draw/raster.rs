//! Pictures as pixels.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Mask, Paint, PathBuilder, Pixmap, Rect as SkRect, StrokeDash, Transform,
};

use super::{Canvas, Item, Rect, Segment, Stroke};
use crate::color::Color;
use crate::error::{PlotError, Result};

/// The picture in red, green and blue bytes, row by row, scaled to `width` x `height` pixels.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
pub(crate) fn paint(canvas: &Canvas<'_>, width: u32, height: u32) -> Result<Vec<u8>> {
    let mut pixels = Pixmap::new(width, height).ok_or(PlotError::Size { width, height })?;
    pixels.fill(tiny_skia::Color::WHITE);
    let scale = Transform::from_scale(
        (f64::from(width) / canvas.width) as f32,
        (f64::from(height) / canvas.height) as f32,
    );
    let mut masks: Vec<Mask> = Vec::new();
    for item in &canvas.items {
        let mask = masks.last();
        match item {
            Item::Rect(rect, fill, stroke) => {
                if let Some(path) = rectangle(*rect) {
                    draw(&mut pixels, &path, *fill, *stroke, scale, mask);
                }
            }
            Item::Circle([x, y], radius, fill, stroke) => {
                if let Some(path) = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32) {
                    draw(&mut pixels, &path, *fill, *stroke, scale, mask);
                }
            }
            Item::Path(segments, fill, stroke) => {
                let mut builder = PathBuilder::new();
                add(&mut builder, segments, |[x, y]| [x, y]);
                if let Some(path) = builder.finish() {
                    draw(&mut pixels, &path, *fill, *stroke, scale, mask);
                }
            }
            Item::Text {
                line,
                at,
                size,
                angle,
                color,
                ..
            } => {
                let (sin, cos) = angle.to_radians().sin_cos();
                let mut builder = PathBuilder::new();
                for glyph in &line.glyphs {
                    let outline = canvas.fonts.outline(glyph.face, glyph.id);
                    add(&mut builder, &outline, |[x, y]| {
                        let (x, y) = ((x + glyph.x) * size, y * size);
                        [at[0] + x * cos - y * sin, at[1] + x * sin + y * cos]
                    });
                }
                if let Some(path) = builder.finish() {
                    draw(&mut pixels, &path, Some(*color), None, scale, mask);
                }
            }
            Item::Clip(rect) => {
                let mut inside = Mask::new(width, height).ok_or(PlotError::Size { width, height })?;
                if let Some(path) = rectangle(*rect) {
                    inside.fill_path(&path, FillRule::Winding, true, scale);
                }
                masks.push(inside);
            }
            Item::Unclip => {
                masks.pop();
            }
        }
    }
    // The picture is opaque, so that its colours are as they are stored.
    Ok(pixels
        .data()
        .chunks_exact(4)
        .flat_map(|p| [p[0], p[1], p[2]])
        .collect())
}

#[allow(clippy::cast_possible_truncation)]
fn rectangle(rect: Rect) -> Option<tiny_skia::Path> {
    let sides = SkRect::from_xywh(
        rect.x as f32,
        rect.y as f32,
        rect.width as f32,
        rect.height as f32,
    )?;
    Some(PathBuilder::from_rect(sides))
}

#[allow(clippy::cast_possible_truncation)]
fn add(builder: &mut PathBuilder, segments: &[Segment], place: impl Fn([f64; 2]) -> [f64; 2]) {
    let at = |point: [f64; 2]| {
        let [x, y] = place(point);
        // Far outside is outside; a rasteriser may not get there.
        [x.clamp(-1e5, 1e5) as f32, y.clamp(-1e5, 1e5) as f32]
    };
    for segment in segments {
        match *segment {
            Segment::Move(to) => {
                let [x, y] = at(to);
                builder.move_to(x, y);
            }
            Segment::Line(to) => {
                let [x, y] = at(to);
                builder.line_to(x, y);
            }
            Segment::Quad(by, to) => {
                let ([x1, y1], [x, y]) = (at(by), at(to));
                builder.quad_to(x1, y1, x, y);
            }
            Segment::Cubic(by, and, to) => {
                let ([x1, y1], [x2, y2], [x, y]) = (at(by), at(and), at(to));
                builder.cubic_to(x1, y1, x2, y2, x, y);
            }
            Segment::Close => builder.close(),
        }
    }
}

#[allow(clippy::cast_possible_truncation)]
fn draw(
    pixels: &mut Pixmap,
    path: &tiny_skia::Path,
    fill: Option<Color>,
    stroke: Option<Stroke>,
    scale: Transform,
    mask: Option<&Mask>,
) {
    if let Some(color) = fill {
        pixels.fill_path(path, &solid(color), FillRule::Winding, scale, mask);
    }
    if let Some(Stroke { color, width, dash }) = stroke {
        let stroke = tiny_skia::Stroke {
            width: width as f32,
            line_join: LineJoin::Round,
            line_cap: LineCap::Butt,
            dash: dash.and_then(|[on, off]| StrokeDash::new(vec![on as f32, off as f32], 0.0)),
            ..tiny_skia::Stroke::default()
        };
        pixels.stroke_path(path, &solid(color), &stroke, scale, mask);
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn solid(color: Color) -> Paint<'static> {
    let mut paint = Paint::default();
    let alpha = (color.a.clamp(0.0, 1.0) * 255.0).round() as u8;
    paint.set_color_rgba8(color.r, color.g, color.b, alpha);
    paint.anti_alias = true;
    paint
}
