//! Letters in the order in which they are seen, and Arabic letters in the form that their neighbours ask for.

use unicode_bidi::BidiInfo;

/// The characters of one line from left to right.
pub(crate) fn visual(text: &str) -> Vec<char> {
    let line: String = text
        .chars()
        .map(|c| if c == '\n' || c == '\r' { ' ' } else { c })
        .collect();
    if line.chars().all(|c| c < '\u{0590}') {
        return line.chars().collect();
    }
    let joined = join(&line);
    let info = BidiInfo::new(&joined, None);
    let mut seen = Vec::with_capacity(joined.len());
    for paragraph in &info.paragraphs {
        let (levels, runs) = info.visual_runs(paragraph, paragraph.range.clone());
        for run in runs {
            let Some(part) = joined.get(run.clone()) else {
                continue;
            };
            if levels.get(run.start).is_some_and(unicode_bidi::Level::is_rtl) {
                seen.extend(part.chars().rev().map(mirrored));
            } else {
                seen.extend(part.chars());
            }
        }
    }
    seen
}

fn mirrored(character: char) -> char {
    match character {
        '(' => ')',
        ')' => '(',
        '[' => ']',
        ']' => '[',
        '{' => '}',
        '}' => '{',
        '<' => '>',
        '>' => '<',
        '«' => '»',
        '»' => '«',
        other => other,
    }
}

/// The isolated form of an Arabic letter among the presentation forms of Unicode, and whether it joins the next letter.
/// The final form follows the isolated one; a letter that joins the next has its initial and medial forms after that.
fn forms(letter: char) -> Option<(u32, bool)> {
    Some(match letter {
        '\u{0622}' => (0xFE81, false),
        '\u{0623}' => (0xFE83, false),
        '\u{0624}' => (0xFE85, false),
        '\u{0625}' => (0xFE87, false),
        '\u{0626}' => (0xFE89, true),
        '\u{0627}' => (0xFE8D, false),
        '\u{0628}' => (0xFE8F, true),
        '\u{0629}' => (0xFE93, false),
        // Teh to khah, four forms each.
        '\u{062A}'..='\u{062E}' => (0xFE95 + 4 * (u32::from(letter) - 0x062A), true),
        // Dal to zain, two forms each.
        '\u{062F}'..='\u{0632}' => (0xFEA9 + 2 * (u32::from(letter) - 0x062F), false),
        // Seen to ghain.
        '\u{0633}'..='\u{063A}' => (0xFEB1 + 4 * (u32::from(letter) - 0x0633), true),
        // Feh to heh.
        '\u{0641}'..='\u{0647}' => (0xFED1 + 4 * (u32::from(letter) - 0x0641), true),
        '\u{0648}' => (0xFEED, false),
        '\u{0649}' => (0xFEEF, false),
        '\u{064A}' => (0xFEF1, true),
        // Letters of Persian and Urdu.
        '\u{067E}' => (0xFB56, true),
        '\u{0686}' => (0xFB7A, true),
        '\u{0698}' => (0xFB8A, false),
        '\u{06A9}' => (0xFB8E, true),
        '\u{06AF}' => (0xFB92, true),
        '\u{06CC}' => (0xFBFC, true),
        _ => return None,
    })
}

/// Marks above and below letters, which do not part them.
fn is_mark(character: char) -> bool {
    matches!(character, '\u{064B}'..='\u{065F}' | '\u{0670}')
}

fn join(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let before = |i: usize| letters[..i].iter().rev().copied().find(|c| !is_mark(*c));
    let after = |i: usize| letters[i + 1..].iter().copied().find(|c| !is_mark(*c));
    let mut joined = String::with_capacity(text.len());
    let mut i = 0;
    while let Some(&letter) = letters.get(i) {
        let from_before =
            before(i).is_some_and(|c| c == '\u{0640}' || forms(c).is_some_and(|(_, joins)| joins));
        // Lam and alef are written as one.
        let alef = letters.get(i + 1).copied().filter(|_| letter == '\u{0644}');
        if let Some(ligature) = alef.and_then(|alef| match alef {
            '\u{0622}' => Some(0xFEF5),
            '\u{0623}' => Some(0xFEF7),
            '\u{0625}' => Some(0xFEF9),
            '\u{0627}' => Some(0xFEFB_u32),
            _ => None,
        }) {
            joined.extend(char::from_u32(ligature + u32::from(from_before)));
            i += 2;
            continue;
        }
        let form = forms(letter).and_then(|(isolated, joins_next)| {
            let to_after = joins_next && after(i).is_some_and(|c| c == '\u{0640}' || forms(c).is_some());
            let offset = match (from_before, to_after) {
                (false, false) => 0,
                (true, false) => 1,
                (false, true) => 2,
                (true, true) => 3,
            };
            char::from_u32(isolated + offset)
        });
        joined.push(form.unwrap_or(letter));
        i += 1;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arabic_runs_from_right_to_left_in_joined_forms() {
        // Beh, alef, beh: initial, final, isolated; seen from the left in the opposite order.
        assert_eq!(visual("باب"), ['\u{FE8F}', '\u{FE8E}', '\u{FE91}']);
        // Lam with alef is one letter, here joined to the seen before it.
        assert_eq!(visual("سلا"), ['\u{FEFC}', '\u{FEB3}']);
    }

    #[test]
    fn latin_inside_hebrew_keeps_its_direction() {
        let seen: String = visual("שיר abc (1)").into_iter().collect();
        assert!(seen.contains("abc") && seen.ends_with("ריש"), "{seen}");
    }

    #[test]
    fn marks_do_not_part_letters() {
        assert_eq!(visual("بَب").len(), 3);
        assert!(visual("بَب").contains(&'\u{FE91}'));
        assert_eq!(visual(""), []);
    }
}
