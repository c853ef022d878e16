//! The forms of values: from a field's bytes to a number, a flag or a text.
//!
//! Each function gets a field without its quotes. A blank field (empty, or only spaces) is a missing value.

use std::borrow::Cow;

use crate::read::word::{nonzero_bytes, repeated};
use crate::schema::ValueFormat;

/// A value that has not the form it should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bad;

/// What a format expects, in words that fit behind "expected".
pub(crate) fn expected(format: ValueFormat) -> &'static str {
    match format {
        ValueFormat::Number => "a finite number",
        ValueFormat::Flag => "True, False, 1 or 0",
        ValueFormat::Text | ValueFormat::Label | ValueFormat::Skip => "text in UTF-8",
        ValueFormat::Key => "a note name (as C# or Db), a number from 0 to 11, or -1 for none",
        ValueFormat::Mode => "Major, Minor, 1 or 0",
        ValueFormat::TimeSignature => "beats in a bar, as 4/4 or 4",
        ValueFormat::TextList => "a list, as ['A', 'B'] or A;B",
        ValueFormat::Date => "a date, as 1969, 1969-12 or 1969-12-16",
    }
}

/// Whether a field holds nothing but spaces.
pub(crate) fn is_blank(field: &[u8]) -> bool {
    // Almost every field begins with a letter or a digit, so that the loop is rarely entered.
    match field.first() {
        None => true,
        Some(b) if *b > b' ' => false,
        Some(_) => field.iter().all(u8::is_ascii_whitespace),
    }
}

const POWERS_OF_TEN: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// A finite decimal number, rounded to the nearest `f64`; NaN for a blank.
#[inline]
pub(crate) fn number(field: &[u8]) -> Result<f64, Bad> {
    match word_decimal(field) {
        Some(value) => Ok(value),
        None => any_number(field),
    }
}

fn any_number(field: &[u8]) -> Result<f64, Bad> {
    if let Some(value) = short_decimal(field) {
        return Ok(value);
    }
    if is_blank(field) {
        return Ok(f64::NAN);
    }
    match fast_float2::parse::<f64, _>(field.trim_ascii()) {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(Bad),
    }
}

/// What [`short_decimal`] reads, of eight characters at most behind the sign: all of them at a time, in one word.
#[inline]
fn word_decimal(field: &[u8]) -> Option<f64> {
    const HIGH_HALVES: u64 = repeated(0xf0);
    let (negative, digits) = match field {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, field),
    };
    let length = digits.len();
    // The first character in the lowest byte; the parts may overlap.
    let word = match *digits {
        [a, b, c, d, ..] if length <= 8 => {
            let last = digits.last_chunk::<4>()?;
            let last = u64::from(u32::from_le_bytes(*last)) << (8 * (length - 4));
            u64::from(u32::from_le_bytes([a, b, c, d])) | last
        }
        [a] => u64::from(a),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
        _ => return None,
    };
    // Zeros before the first, so that the last one is in the highest byte.
    let empty = 64 - 8 * length;
    let word = (word << empty) | (repeated(b'0') & ((1 << empty) - 1));
    let points = !nonzero_bytes(word ^ repeated(b'.')) & repeated(0x80);
    let (word, decimals) = if points == 0 {
        (word, 0)
    } else {
        if length == 1 {
            return None;
        }
        // What stands before the point moves up by one; a second point is no digit.
        let place = points.trailing_zeros() / 8;
        let before = word & ((1 << (8 * place)) - 1);
        let behind = word & ((u64::MAX << (8 * place)) << 8);
        (behind | (before << 8) | 0x30, 7 - place)
    };
    // Digits are 0x30 to 0x39: their upper half is 3, also after adding 6.
    let sixes = word.wrapping_add(repeated(6));
    if (word & HIGH_HALVES) | ((sixes & HIGH_HALVES) >> 4) != repeated(0x33) {
        return None;
    }
    // Neighbours put together, three times: one digit, two, four.
    let ones = word & repeated(0x0f);
    let twos = (ones.wrapping_mul(2561) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
    let mantissa = fours.wrapping_mul(42_949_672_960_001) >> 32;
    #[allow(clippy::cast_precision_loss)] // below 10^8, so exact
    let magnitude = mantissa as f64 / POWERS_OF_TEN.get(decimals as usize)?;
    Some(if negative { -magnitude } else { magnitude })
}

/// Digits with at most one point, 15 digits at most. Their mantissa and their power of ten are exact as `f64`, so one
/// division rounds correctly (Clinger 1990); anything else is left to `fast-float2`.
fn short_decimal(field: &[u8]) -> Option<f64> {
    let (negative, digits) = match field.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, field),
    };
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut mantissa = 0_u64;
    let mut decimals: Option<usize> = None;
    for (i, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa * 10 + u64::from(digit);
        } else if byte == b'.' && decimals.is_none() {
            decimals = Some(digits.len() - 1 - i);
        } else {
            return None;
        }
    }
    let n_digits = digits.len() - usize::from(decimals.is_some());
    if n_digits == 0 || n_digits > 15 {
        return None;
    }
    #[allow(clippy::cast_precision_loss)] // below 10^15, so exact
    let magnitude = mantissa as f64 / POWERS_OF_TEN.get(decimals.unwrap_or(0))?;
    Some(if negative { -magnitude } else { magnitude })
}

/// `True`/`False` in any case, or the numbers 1 and 0; `None` for a blank.
pub(crate) fn flag(field: &[u8]) -> Result<Option<bool>, Bad> {
    match field {
        b"True" | b"true" | b"1" => return Ok(Some(true)),
        b"False" | b"false" | b"0" => return Ok(Some(false)),
        _ => {}
    }
    match flag_word(field) {
        Some(flag) => Ok(Some(flag)),
        // A column of flags with missing values is often written as 1.0 and 0.0.
        None => match number(field)? {
            value if value.is_nan() => Ok(None),
            1.0 => Ok(Some(true)),
            0.0 => Ok(Some(false)),
            _ => Err(Bad),
        },
    }
}

/// `True` or `False` in any case.
pub(crate) fn flag_word(field: &[u8]) -> Option<bool> {
    let field = field.trim_ascii();
    if field.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if field.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

/// The pitch class 0 (C) to 11 (B) of a note name or a number; NaN for a blank and for -1.
pub(crate) fn key(field: &[u8]) -> Result<f64, Bad> {
    let field = field.trim_ascii();
    let natural = match field.first() {
        None => return Ok(f64::NAN),
        Some(b'C' | b'c') => 0,
        Some(b'D' | b'd') => 2,
        Some(b'E' | b'e') => 4,
        Some(b'F' | b'f') => 5,
        Some(b'G' | b'g') => 7,
        Some(b'A' | b'a') => 9,
        Some(b'B' | b'b') => 11,
        Some(_) => {
            return match number(field)? {
                -1.0 => Ok(f64::NAN),
                value if (0.0..=11.0).contains(&value) && value.fract() == 0.0 => Ok(value),
                _ => Err(Bad),
            };
        }
    };
    let shift = match field.get(1..).unwrap_or_default() {
        b"" => 0,
        b"#" | b"\xe2\x99\xaf" => 1,
        b"b" | b"\xe2\x99\xad" => 11,
        _ => return Err(Bad),
    };
    Ok(f64::from((natural + shift) % 12))
}

/// 1 for major, 0 for minor; NaN for a blank.
pub(crate) fn mode(field: &[u8]) -> Result<f64, Bad> {
    let field = field.trim_ascii();
    if field.eq_ignore_ascii_case(b"major") {
        return Ok(1.0);
    }
    if field.eq_ignore_ascii_case(b"minor") {
        return Ok(0.0);
    }
    match number(field)? {
        value if value == 0.0 || value == 1.0 || value.is_nan() => Ok(value),
        _ => Err(Bad),
    }
}

/// The beats of a bar, a whole number: the 3 of `3/4`, or a number alone; NaN for a blank.
pub(crate) fn time_signature(field: &[u8]) -> Result<f64, Bad> {
    let field = field.trim_ascii();
    let beats = match memchr::memchr(b'/', field) {
        None => field,
        Some(slash) => {
            let unit = number(field.get(slash + 1..).unwrap_or_default())?;
            if !(unit >= 1.0 && unit.fract() == 0.0) {
                return Err(Bad);
            }
            let beats = field.get(..slash).unwrap_or_default();
            if is_blank(beats) {
                return Err(Bad);
            }
            beats
        }
    };
    match number(beats)? {
        value if value.is_nan() || (value >= 0.0 && value.fract() == 0.0) => Ok(value),
        _ => Err(Bad),
    }
}

/// A text with plain apostrophes and without spaces at its ends.
pub(crate) fn label(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.is_ascii() || !text.contains(is_typographic_apostrophe) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(is_typographic_apostrophe, "'"))
}

fn is_typographic_apostrophe(c: char) -> bool {
    matches!(
        c,
        '\u{2019}' | '\u{2018}' | '\u{201b}' | '\u{02bc}' | '\u{00b4}' | '\u{ff07}'
    )
}

/// A list as texts joined by `;`; `None` for a list without items.
///
/// A list in brackets is taken for a Python literal only if its first item is quoted: there are artists whose name
/// begins with a bracket.
pub(crate) fn text_list(text: &str) -> Result<Option<Cow<'_, str>>, Bad> {
    let text = text.trim();
    if let Some(inside) = text.strip_prefix('[') {
        let inside = inside.trim_start();
        if inside.starts_with(['\'', '"']) {
            return python_list(inside).map(|items| (!items.is_empty()).then_some(Cow::Owned(items)));
        }
        if inside == "]" {
            return Ok(None);
        }
    }
    if !text.contains(';') {
        return Ok((!text.is_empty()).then_some(Cow::Borrowed(text)));
    }
    let pieces = text.split(';').map(str::trim);
    if pieces.clone().all(|piece| !piece.is_empty())
        && pieces.clone().map(str::len).sum::<usize>() + pieces.clone().count() == text.len() + 1
    {
        return Ok(Some(Cow::Borrowed(text)));
    }
    let joined = join(pieces);
    Ok((!joined.is_empty()).then_some(Cow::Owned(joined)))
}

fn join<'a>(pieces: impl Iterator<Item = &'a str>) -> String {
    let mut joined = String::new();
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        if !joined.is_empty() {
            joined.push(';');
        }
        joined.push_str(piece);
    }
    joined
}

/// The items of a Python list literal, from its first quote to its closing bracket, joined by `;`.
fn python_list(inside: &str) -> Result<String, Bad> {
    let mut joined = String::new();
    let mut item = String::new();
    let mut chars = inside.chars();
    let mut next = chars.next();
    loop {
        let Some(quote @ ('\'' | '"')) = next else {
            return Err(Bad);
        };
        item.clear();
        loop {
            match chars.next().ok_or(Bad)? {
                '\\' => escaped(&mut chars, &mut item)?,
                c if c == quote => break,
                c => item.push(c),
            }
        }
        let trimmed = item.trim();
        if !trimmed.is_empty() {
            if !joined.is_empty() {
                joined.push(';');
            }
            joined.push_str(trimmed);
        }
        match chars.by_ref().find(|c| !c.is_whitespace()) {
            Some(',') => next = chars.by_ref().find(|c| !c.is_whitespace()),
            other => next = other,
        }
        if next == Some(']') {
            return if chars.next().is_none() {
                Ok(joined)
            } else {
                Err(Bad)
            };
        }
    }
}

/// What stands behind a backslash in a Python literal.
fn escaped(chars: &mut std::str::Chars<'_>, item: &mut String) -> Result<(), Bad> {
    let digits = match chars.next().ok_or(Bad)? {
        'n' => return push(item, '\n'),
        't' => return push(item, '\t'),
        'r' => return push(item, '\r'),
        c @ ('\\' | '\'' | '"') => return push(item, c),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        other => {
            // Python keeps a backslash that begins no escape.
            item.push('\\');
            return push(item, other);
        }
    };
    let mut code = 0_u32;
    for _ in 0..digits {
        let digit = chars.next().and_then(|c| c.to_digit(16)).ok_or(Bad)?;
        code = code
            .checked_mul(16)
            .and_then(|code| code.checked_add(digit))
            .ok_or(Bad)?;
    }
    push(item, char::from_u32(code).ok_or(Bad)?)
}

fn push(item: &mut String, c: char) -> Result<(), Bad> {
    item.push(c);
    Ok(())
}

/// A year, a month or a day of the Gregorian calendar, as it stands there.
pub(crate) fn date(text: &str) -> Result<&str, Bad> {
    let text = text.trim();
    let digits = |part: &str, length: usize| -> Result<u32, Bad> {
        if part.len() != length || !part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Bad);
        }
        part.parse().map_err(|_| Bad)
    };
    let mut parts = text.split('-');
    let year = digits(parts.next().unwrap_or_default(), 4)?;
    let Some(month) = parts.next() else {
        return Ok(text);
    };
    let month = digits(month, 2)?;
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return Err(Bad),
    };
    let Some(day) = parts.next() else { return Ok(text) };
    let day = digits(day, 2)?;
    if day == 0 || day > days || parts.next().is_some() {
        return Err(Bad);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_the_one_the_standard_library_reads(text in "-?[0-9]{0,17}(\\.[0-9]{0,17})?(e-?[0-9]{1,3})?") {
            let wanted = text.parse::<f64>().ok().filter(|v| v.is_finite());
            let got = number(text.as_bytes()).ok().filter(|v| !v.is_nan());
            prop_assert_eq!(got.map(f64::to_bits), wanted.map(f64::to_bits), "{}", text);
        }

        #[test]
        fn so_is_one_that_fits_in_a_word(text in "-?[0-9.]{0,9}|[-0-9./:;a]{0,9}") {
            let wanted = text.parse::<f64>().ok().filter(|v| v.is_finite());
            let got = number(text.as_bytes()).ok().filter(|v| !v.is_nan());
            prop_assert_eq!(got.map(f64::to_bits), wanted.map(f64::to_bits), "{}", text);
            if let Some(value) = word_decimal(text.as_bytes()) {
                prop_assert_eq!(Some(value.to_bits()), wanted.map(f64::to_bits), "{}", text);
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = (number(text.as_bytes()), flag(text.as_bytes()), key(text.as_bytes()), mode(text.as_bytes()));
            let _ = (time_signature(text.as_bytes()), date(&text), label(&text), text_list(&text));
        }

        #[test]
        fn a_python_list_gives_its_items(items in prop::collection::vec("[a-z'\" ,é\\[\\]]{0,6}x", 1..4)) {
            let literal: Vec<String> = items
                .iter()
                .map(|item| if item.contains('\'') { format!("\"{}\"", item.replace('"', "\\\"")) } else { format!("'{item}'") })
                .collect();
            let wanted: Vec<&str> = items.iter().map(|item| item.trim()).collect();
            let text = format!("[{}]", literal.join(", "));
            prop_assert_eq!(text_list(&text).unwrap().unwrap(), wanted.join(";"));
        }
    }

    #[test]
    fn numbers_are_finite_or_missing() {
        assert_eq!(number(b"2.33e-5"), Ok(2.33e-5));
        assert_eq!(number(b" -17.235 "), Ok(-17.235));
        assert_eq!(number(b"+3"), Ok(3.0));
        assert!(number(b"").unwrap().is_nan());
        assert!(number(b"  ").unwrap().is_nan());
        for bad in [
            "nan", "NaN", "inf", "-inf", "Infinity", "1e999", "1,5", "0x10", "-", ".", "1.2.3", "12a", "1 2",
        ] {
            assert_eq!(number(bad.as_bytes()), Err(Bad), "{bad}");
        }
    }

    #[test]
    fn flags_come_as_words_and_as_numbers() {
        for yes in ["True", "TRUE", "true", "1", "1.0", " true"] {
            assert_eq!(flag(yes.as_bytes()), Ok(Some(true)), "{yes}");
        }
        for no in ["False", "FALSE", "0", "0.0"] {
            assert_eq!(flag(no.as_bytes()), Ok(Some(false)), "{no}");
        }
        assert_eq!(flag(b""), Ok(None));
        for bad in ["yes", "2", "T", "nan"] {
            assert_eq!(flag(bad.as_bytes()), Err(Bad), "{bad}");
        }
    }

    #[test]
    fn keys_come_as_notes_and_as_numbers() {
        let notes = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
        for (number, note) in (0_u8..).zip(notes) {
            assert_eq!(key(note.as_bytes()), Ok(f64::from(number)));
            assert_eq!(key(number.to_string().as_bytes()), Ok(f64::from(number)));
        }
        assert_eq!(
            (key(b"Db"), key("B\u{266d}".as_bytes()), key(b"Cb")),
            (Ok(1.0), Ok(10.0), Ok(11.0))
        );
        assert!(key(b"-1").unwrap().is_nan() && key(b"").unwrap().is_nan());
        for bad in ["H", "12", "1.5", "-2", "C##", "Cm"] {
            assert_eq!(key(bad.as_bytes()), Err(Bad), "{bad}");
        }
    }

    #[test]
    fn modes_and_time_signatures_come_in_two_spellings() {
        assert_eq!(
            (mode(b"Major"), mode(b"minor"), mode(b"1"), mode(b"0")),
            (Ok(1.0), Ok(0.0), Ok(1.0), Ok(0.0))
        );
        assert!(mode(b"").unwrap().is_nan());
        assert_eq!((mode(b"dorian"), mode(b"2")), (Err(Bad), Err(Bad)));
        assert_eq!(
            (
                time_signature(b"4/4"),
                time_signature(b"3/4"),
                time_signature(b"5")
            ),
            (Ok(4.0), Ok(3.0), Ok(5.0))
        );
        assert!(time_signature(b"").unwrap().is_nan());
        for bad in ["4/", "/4", "4/4/4", "1.5", "-4", "four", "4/0"] {
            assert_eq!(time_signature(bad.as_bytes()), Err(Bad), "{bad}");
        }
    }

    #[test]
    fn two_spellings_of_a_label_become_one() {
        assert_eq!(label("Children\u{2019}s Music"), "Children's Music");
        assert_eq!(label("Children's Music"), "Children's Music");
        assert_eq!(label(" été "), "été");
    }

    #[test]
    fn lists_come_as_python_literals_and_joined() {
        let list = |text| text_list(text).map(|list| list.map(Cow::into_owned));
        assert_eq!(list(r#"['A', "B's"]"#), Ok(Some("A;B's".to_owned())));
        assert_eq!(
            list(r"['Don\'t', 'caf\u00e9']"),
            Ok(Some("Don't;café".to_owned()))
        );
        assert_eq!(list("A; B;"), Ok(Some("A;B".to_owned())));
        assert_eq!(list("A;B"), Ok(Some("A;B".to_owned())));
        assert_eq!(list("[bsd.u];A"), Ok(Some("[bsd.u];A".to_owned())));
        assert_eq!(
            (list("[]"), list("['']"), list(" ; ")),
            (Ok(None), Ok(None), Ok(None))
        );
        for bad in ["['A'", "['A', B]", "['A'] x", "['A", r"['\x4']"] {
            assert_eq!(list(bad), Err(Bad), "{bad}");
        }
    }

    #[test]
    fn dates_are_checked_against_the_calendar() {
        for good in ["1969", "1969-12", "1969-12-16", "2000-02-29"] {
            assert_eq!(date(good), Ok(good));
        }
        for bad in [
            "69",
            "1969-13",
            "1969-00",
            "1900-02-29",
            "1969-12-32",
            "1969-12-00",
            "1969-1",
            "1969-12-16-1",
            "16.12.1969",
        ] {
            assert_eq!(date(bad), Err(Bad), "{bad}");
        }
    }
}
