//! Where words stand: each on the first free place of a spiral from the middle, the largest first.

use crate::draw::Rect;
use crate::stats::float;
use crate::text::Fonts;

/// The middle of a word and the size of its letters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spot {
    pub(crate) center: [f64; 2],
    pub(crate) size: f64,
}

/// Places for words and their shares (1 for the most frequent one, falling); none for a word that found no room. If much
/// finds none, all words get smaller.
pub(crate) fn place(fonts: &Fonts<'_>, words: &[(String, f64)], area: Rect) -> Vec<Option<Spot>> {
    const SMALLEST: f64 = 11.0;
    let mut largest = area.height * 0.24;
    let mut best: Vec<Option<Spot>> = Vec::new();
    for _ in 0..12 {
        let sizes = words.iter().map(|(word, share)| {
            let fitting = area.width * 0.7 / fonts.width(word, 1.0).max(0.1);
            // The root makes areas, not heights, follow the shares a little more.
            (largest * share.max(0.0).powf(0.62)).min(fitting).max(SMALLEST)
        });
        let spots = spiral(fonts, words, sizes, area);
        let placed = |spots: &[Option<Spot>]| spots.iter().flatten().count();
        if best.is_empty() || placed(&spots) > placed(&best) {
            best = spots;
        }
        if placed(&best) == words.len() {
            break;
        }
        largest *= 0.86;
    }
    best
}

fn spiral(
    fonts: &Fonts<'_>,
    words: &[(String, f64)],
    sizes: impl Iterator<Item = f64>,
    area: Rect,
) -> Vec<Option<Spot>> {
    let middle = area.center();
    let stretch = area.width / area.height.max(1.0);
    let mut taken: Vec<Rect> = Vec::new();
    let mut spots = Vec::with_capacity(words.len());
    for ((word, _), size) in words.iter().zip(sizes) {
        let width = fonts.width(word, size) + size * 0.22;
        // Letters with descenders reach below the middle of the capitals by about as much as capitals above it.
        let height = size * 1.16;
        let mut found = None;
        for step in 0..3600 {
            let angle = float(step) * 0.21;
            let radius = 0.9 * angle;
            let center = [
                middle[0] + radius * angle.cos() * stretch,
                middle[1] + radius * angle.sin(),
            ];
            let frame = Rect::new(center[0] - width / 2.0, center[1] - height / 2.0, width, height);
            let inside = frame.x >= area.x
                && frame.y >= area.y
                && frame.right() <= area.right()
                && frame.bottom() <= area.bottom();
            if inside && !taken.iter().any(|other| overlap(*other, frame)) {
                taken.push(frame);
                found = Some(Spot { center, size });
                break;
            }
        }
        spots.push(found);
    }
    spots
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_lies_on_another_or_outside() {
        let fonts = Fonts::new(&[]);
        let words: Vec<(String, f64)> = (0..150)
            .map(|i| (format!("word{i}"), 1.0 / f64::from(i + 1)))
            .collect();
        let area = Rect::new(20.0, 90.0, 1100.0, 680.0);
        let spots = place(&fonts, &words, area);
        assert_eq!(spots, place(&fonts, &words, area));
        assert!(spots.iter().flatten().count() > 140);
        let frames: Vec<Rect> = spots
            .iter()
            .zip(&words)
            .filter_map(|(spot, (word, _))| {
                let Spot { center: [x, y], size } = (*spot)?;
                let (width, height) = (fonts.width(word, size), size);
                Some(Rect::new(x - width / 2.0, y - height / 2.0, width, height))
            })
            .collect();
        for (i, a) in frames.iter().enumerate() {
            assert!(a.x >= area.x && a.right() <= area.right() && a.bottom() <= area.bottom());
            assert!(frames[..i].iter().all(|b| !overlap(*a, *b)));
        }
    }
}
