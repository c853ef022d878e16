//! Text that must fit: shortened, or broken into lines.

use super::Fonts;

const ELLIPSIS: char = '…';

/// The text, or as much of its beginning as fits, with an ellipsis.
pub(crate) fn shorten(fonts: &Fonts<'_>, text: &str, size: f64, max_width: f64) -> String {
    // No label holds more; this keeps texts of megabytes cheap.
    const LONGEST: usize = 400;
    let mut characters: Vec<char> = text.chars().take(LONGEST + 1).collect();
    let cut = characters.len() > LONGEST;
    characters.truncate(LONGEST);
    let whole: String = characters.iter().collect();
    if !cut && fonts.width(&whole, size) <= max_width {
        return whole;
    }
    let candidate = |n: usize| {
        let kept: String = characters[..n].iter().collect();
        format!("{}{ELLIPSIS}", kept.trim_end())
    };
    let (mut fits, mut too_long) = (0, characters.len() + 1);
    while too_long - fits > 1 {
        let middle = fits.midpoint(too_long);
        if fonts.width(&candidate(middle), size) <= max_width {
            fits = middle;
        } else {
            too_long = middle;
        }
    }
    candidate(fits)
}

/// The text in at most `max_lines` lines, broken at spaces; what does not fit is shortened.
pub(crate) fn wrap(
    fonts: &Fonts<'_>,
    text: &str,
    size: f64,
    max_width: f64,
    max_lines: usize,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<&str> = text.split_whitespace().take(400).collect();
    while !rest.is_empty() && lines.len() < max_lines {
        if lines.len() + 1 == max_lines {
            lines.push(shorten(fonts, &rest.join(" "), size, max_width));
            break;
        }
        let mut n = 1;
        let mut line = rest[0].to_owned();
        while let Some(word) = rest.get(n) {
            let longer = format!("{line} {word}");
            if fonts.width(&longer, size) > max_width {
                break;
            }
            line = longer;
            n += 1;
        }
        lines.push(shorten(fonts, &line, size, max_width));
        rest.drain(..n);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_left_as_it_is_and_what_does_not_ends_in_an_ellipsis() {
        let fonts = Fonts::new(&[]);
        assert_eq!(shorten(&fonts, "jazz", 10.0, 100.0), "jazz");
        let long = shorten(&fonts, &"jazz ".repeat(100_000), 10.0, 100.0);
        assert!(long.ends_with('…') && fonts.width(&long, 10.0) <= 100.0, "{long}");
        assert_eq!(shorten(&fonts, "jazz", 10.0, 0.0), "…");
    }

    #[test]
    fn lines_break_at_spaces() {
        let fonts = Fonts::new(&[]);
        assert_eq!(
            wrap(&fonts, "progressive rock", 10.0, 70.0, 2),
            ["progressive", "rock"]
        );
        let lines = wrap(&fonts, "one two three four five six", 10.0, 45.0, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with('…'));
        assert!(wrap(&fonts, " ", 10.0, 45.0, 2).is_empty());
    }
}
