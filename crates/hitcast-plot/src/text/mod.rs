//! Text: which glyphs it takes, where they stand and how wide they are.
//!
//! - `shape`: the order and the joined forms of letters
//! - `fit`: shortening and wrapping

pub(crate) mod fit;
mod shape;

use std::sync::Arc;

use ttf_parser::{Face, GlyphId, OutlineBuilder};

use crate::draw::{Path, Segment};
use crate::error::{PlotError, Result};

/// Height of a capital letter, in sizes of the font.
pub(crate) const CAP_HEIGHT: f64 = 0.73;
/// Distance of two baselines, in sizes of the font.
pub(crate) const LINE_HEIGHT: f64 = 1.25;

/// The embedded font, then those that a user adds for what it lacks.
pub(crate) struct Fonts<'a> {
    faces: Vec<Face<'a>>,
}

/// A glyph on a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Glyph {
    /// Which of the fonts.
    pub(crate) face: usize,
    pub(crate) id: u16,
    /// Where it begins, in sizes of the font.
    pub(crate) x: f64,
}

/// A line of text, laid out for size 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Line {
    pub(crate) glyphs: Vec<Glyph>,
    pub(crate) width: f64,
}

/// Checks that bytes are a font.
pub(crate) fn check_font(bytes: &[u8]) -> Result<()> {
    match Face::parse(bytes, 0) {
        Ok(face) if face.units_per_em() > 0 => Ok(()),
        Ok(_) => Err(PlotError::Font {
            reason: "its em has no size".to_owned(),
        }),
        Err(error) => Err(PlotError::Font {
            reason: error.to_string(),
        }),
    }
}

impl<'a> Fonts<'a> {
    /// The embedded font and `more`, each checked by [`check_font`].
    pub(crate) fn new(more: &'a [Arc<[u8]>]) -> Self {
        let embedded = std::iter::once(dejavu::sans::regular());
        let bytes = embedded.chain(more.iter().map(|bytes| &**bytes));
        Self {
            faces: bytes.filter_map(|bytes| Face::parse(bytes, 0).ok()).collect(),
        }
    }

    /// The glyphs of a line. A character that no font has becomes a box; one that is not to be seen takes no room.
    pub(crate) fn line(&self, text: &str) -> Line {
        let mut line = Line::default();
        let mut previous: Option<(usize, GlyphId)> = None;
        for character in shape::visual(text) {
            if is_invisible(character) {
                continue;
            }
            let character = if character.is_whitespace() { ' ' } else { character };
            let (index, id) = self
                .faces
                .iter()
                .enumerate()
                .find_map(|(index, face)| Some((index, face.glyph_index(character)?)))
                .unwrap_or((0, GlyphId(0)));
            let Some(face) = self.faces.get(index) else {
                continue;
            };
            let em = f64::from(face.units_per_em());
            if let Some((same, before)) = previous
                && same == index
            {
                line.width += f64::from(kerning(face, before, id)) / em;
            }
            line.glyphs.push(Glyph {
                face: index,
                id: id.0,
                x: line.width,
            });
            line.width += f64::from(face.glyph_hor_advance(id).unwrap_or(0)) / em;
            previous = Some((index, id));
        }
        line
    }

    /// How wide a text is at this size.
    pub(crate) fn width(&self, text: &str, size: f64) -> f64 {
        self.line(text).width * size
    }

    /// The outline of a glyph, for size 1, with y downwards from the baseline.
    pub(crate) fn outline(&self, face: usize, id: u16) -> Path {
        let mut outline = Outline {
            path: Path::new(),
            scale: 1.0,
        };
        if let Some(face) = self.faces.get(face) {
            outline.scale = 1.0 / f64::from(face.units_per_em());
            face.outline_glyph(GlyphId(id), &mut outline);
        }
        outline.path
    }
}

fn kerning(face: &Face<'_>, left: GlyphId, right: GlyphId) -> i16 {
    let Some(kern) = face.tables().kern else {
        return 0;
    };
    let horizontal = kern
        .subtables
        .into_iter()
        .filter(|table| table.horizontal && !table.variable);
    horizontal
        .filter_map(|table| table.glyphs_kerning(left, right))
        .next()
        .unwrap_or(0)
}

/// Controls, joiners and selectors of variants.
fn is_invisible(character: char) -> bool {
    (character.is_control() && !character.is_whitespace())
        || matches!(character, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{00AD}' | '\u{E0000}'..='\u{E0FFF}')
}

struct Outline {
    path: Path,
    scale: f64,
}

impl Outline {
    fn point(&self, x: f32, y: f32) -> [f64; 2] {
        [f64::from(x) * self.scale, -f64::from(y) * self.scale]
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.push(Segment::Move(self.point(x, y)));
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.path.push(Segment::Line(self.point(x, y)));
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.path
            .push(Segment::Quad(self.point(x1, y1), self.point(x, y)));
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.path.push(Segment::Cubic(
            self.point(x1, y1),
            self.point(x2, y2),
            self.point(x, y),
        ));
    }
    fn close(&mut self) {
        self.path.push(Segment::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_script_has_a_width_and_what_has_no_glyph_is_a_box() {
        let fonts = Fonts::new(&[]);
        for text in ["Привет", "مرحبا", "Ελληνικά", "שלום", "naïve Ångström"] {
            let line = fonts.line(text);
            assert!(line.width > 1.0, "{text}");
            assert!(line.glyphs.iter().all(|glyph| glyph.id != 0), "{text}");
        }
        let japanese = fonts.line("夜に駆ける");
        assert!(japanese.width > 1.0 && japanese.glyphs.iter().all(|glyph| glyph.id == 0));
        assert!(!fonts.outline(0, 0).is_empty());
        assert_eq!(fonts.line("\u{200D}\u{FE0F}\u{0}").glyphs, []);
    }

    #[test]
    fn an_added_font_is_asked_for_what_the_embedded_one_lacks() {
        check_font(dejavu::serif::regular()).unwrap();
        let more = [Arc::from(dejavu::serif::regular())];
        let (fonts, alone) = (Fonts::new(&more), Fonts::new(&[]));
        assert_eq!(fonts.line("A"), alone.line("A"));
        let added = ('\u{2000}'..'\u{2FFF}').map(|c| c.to_string()).find(|c| {
            let without = alone.line(c);
            without.glyphs.first().is_some_and(|glyph| glyph.id == 0) && fonts.line(c).glyphs[0].face == 1
        });
        assert!(added.is_some());
        assert!(matches!(check_font(b"no font"), Err(PlotError::Font { .. })));
    }

    #[test]
    fn a_pair_that_is_kerned_is_narrower_than_its_letters() {
        let fonts = Fonts::new(&[]);
        assert!(fonts.width("AV", 10.0) < fonts.width("A", 10.0) + fonts.width("V", 10.0));
        assert_eq!(fonts.width("", 10.0), 0.0);
    }
}
