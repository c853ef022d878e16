//! Pictures as SVG. Text is written as outlines of the embedded font, so that it looks the same everywhere; each text and
//! the whole picture carry their words as labels for programs that read aloud or search.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Canvas, Item, Rect, Segment, Stroke};
use crate::color::Color;

/// The picture as an SVG document. `id` must be its own where several pictures stand on one page.
pub(crate) fn write(canvas: &Canvas<'_>, id: &str, title: &str, description: &str) -> String {
    let mut out = String::with_capacity(1 << 16);
    let (width, height) = (number(canvas.width), number(canvas.height));
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\n\
         <title id=\"{id}-t\">{}</title>\n<desc id=\"{id}-d\">{}</desc>\n<defs>\n",
        escaped(title),
        escaped(description)
    );
    for (face, glyph) in glyphs(canvas) {
        let outline = path(&canvas.fonts.outline(face, glyph), 1000.0);
        if !outline.is_empty() {
            let _ = writeln!(out, "<path id=\"{id}-{face}-{glyph}\" d=\"{outline}\"/>");
        }
    }
    out.push_str("</defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    let mut clips = 0;
    let mut open = 0;
    for item in &canvas.items {
        match item {
            Item::Rect(rect, fill, stroke) => {
                let _ = writeln!(out, "<rect {}{}/>", sides(*rect), paint(*fill, *stroke));
            }
            Item::Circle([x, y], radius, fill, stroke) => {
                let (x, y, radius) = (number(*x), number(*y), number(*radius));
                let _ = writeln!(
                    out,
                    "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"{}/>",
                    paint(*fill, *stroke)
                );
            }
            Item::Path(segments, fill, stroke) => {
                let _ = writeln!(
                    out,
                    "<path d=\"{}\"{}/>",
                    path(segments, 1.0),
                    paint(*fill, *stroke)
                );
            }
            Item::Text {
                text,
                line,
                at,
                size,
                angle,
                color,
            } => {
                let turn = if *angle == 0.0 {
                    String::new()
                } else {
                    format!(" rotate({})", number(*angle))
                };
                let _ = write!(
                    out,
                    "<g aria-label=\"{}\" transform=\"translate({} {}){turn} scale({})\"{}>",
                    escaped(text),
                    number(at[0]),
                    number(at[1]),
                    (size * 10.0).round() / 10_000.0,
                    paint(Some(*color), None)
                );
                for glyph in &line.glyphs {
                    let _ = write!(
                        out,
                        "<use href=\"#{id}-{}-{}\" x=\"{}\"/>",
                        glyph.face,
                        glyph.id,
                        (glyph.x * 1000.0).round()
                    );
                }
                out.push_str("</g>\n");
            }
            Item::Clip(rect) => {
                let _ = writeln!(
                    out,
                    "<clipPath id=\"{id}-c{clips}\"><rect {}/></clipPath>\n<g clip-path=\"url(#{id}-c{clips})\">",
                    sides(*rect)
                );
                clips += 1;
                open += 1;
            }
            Item::Unclip => {
                if open > 0 {
                    out.push_str("</g>\n");
                    open -= 1;
                }
            }
        }
    }
    out.push_str(&"</g>\n".repeat(open));
    out.push_str("</svg>\n");
    out
}

fn glyphs(canvas: &Canvas<'_>) -> BTreeSet<(usize, u16)> {
    let lines = canvas.items.iter().filter_map(|item| match item {
        Item::Text { line, .. } => Some(line),
        _ => None,
    });
    lines
        .flat_map(|line| line.glyphs.iter().map(|glyph| (glyph.face, glyph.id)))
        .collect()
}

fn sides(rect: Rect) -> String {
    format!(
        "x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
        number(rect.x),
        number(rect.y),
        number(rect.width),
        number(rect.height)
    )
}

fn paint(fill: Option<Color>, stroke: Option<Stroke>) -> String {
    let mut out = match fill {
        Some(color) => format!(" fill=\"{}\"{}", hex(color), opacity("fill", color)),
        None => " fill=\"none\"".to_owned(),
    };
    if let Some(Stroke { color, width, dash }) = stroke {
        let _ = write!(
            out,
            " stroke=\"{}\"{} stroke-width=\"{}\" stroke-linejoin=\"round\"",
            hex(color),
            opacity("stroke", color),
            number(width)
        );
        if let Some([dash, gap]) = dash {
            let _ = write!(out, " stroke-dasharray=\"{} {}\"", number(dash), number(gap));
        }
    }
    out
}

fn opacity(what: &str, color: Color) -> String {
    if color.a >= 1.0 {
        return String::new();
    }
    format!(" {what}-opacity=\"{}\"", number(f64::from(color.a)))
}

fn hex(color: Color) -> String {
    format!("#{:02x}{:02x}{:02x}", color.r, color.g, color.b)
}

fn path(segments: &[Segment], scale: f64) -> String {
    let mut out = String::new();
    let point = |[x, y]: [f64; 2]| format!("{} {}", number(x * scale), number(y * scale));
    for segment in segments {
        let _ = match segment {
            Segment::Move(to) => write!(out, "M{}", point(*to)),
            Segment::Line(to) => write!(out, "L{}", point(*to)),
            Segment::Quad(by, to) => write!(out, "Q{} {}", point(*by), point(*to)),
            Segment::Cubic(by, and, to) => write!(out, "C{} {} {}", point(*by), point(*and), point(*to)),
            Segment::Close => write!(out, "Z"),
        };
    }
    out
}

/// A coordinate to a hundredth of a pixel.
fn number(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    // Neither "-0" nor what SVG does not know.
    if rounded == 0.0 || !rounded.is_finite() {
        return "0".to_owned();
    }
    rounded.to_string()
}

/// Text for XML; characters that XML does not allow become spaces.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{FFFE}' | '\u{FFFF}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::INK;
    use crate::draw::TextStyle;
    use crate::text::Fonts;

    #[test]
    fn markup_in_a_text_stays_text() {
        let fonts = Fonts::new(&[]);
        let mut canvas = Canvas::new(&fonts, 100.0, 50.0);
        canvas.text([5.0, 20.0], "<script>\"&\u{1}", TextStyle::new(10.0, INK));
        canvas.clip(Rect::new(0.0, 0.0, 5.0, 5.0));
        let svg = write(&canvas, "x", "a < b", "");
        assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;&quot;&amp; "));
        assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count());
    }

    #[test]
    fn a_coordinate_is_short_and_never_what_svg_does_not_know() {
        assert_eq!(number(1.0 / 3.0), "0.33");
        assert_eq!(number(-0.001), "0");
        assert_eq!(number(f64::NAN), "0");
        assert_eq!(number(12.0), "12");
    }
}
