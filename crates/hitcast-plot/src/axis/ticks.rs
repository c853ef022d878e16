//! Where an axis has its ticks, and how numbers are written.

use crate::stats::{float, whole};

/// The step of 1, 2 or 5 times a power of ten that divides a length into at most `n` parts.
pub(crate) fn step(length: f64, n: usize) -> f64 {
    let rough = length / float(n.max(1));
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0);
    factor * power
}

/// The multiples of [`step`] from `min` to `max`, at most about `n`; the step comes with them.
pub(crate) fn linear(min: f64, max: f64, n: usize) -> (Vec<f64>, f64) {
    let step = step(max - min, n);
    if !(step > 0.0 && step.is_finite()) {
        return (Vec::new(), 1.0);
    }
    let (first, last) = ((min / step - 1e-6).ceil(), (max / step + 1e-6).floor());
    let count = whole((last - first).clamp(-1.0, 200.0) + 1.0);
    // Adding 0 makes "-0" a 0.
    (
        (0..count).map(|i| (first + float(i)) * step + 0.0).collect(),
        step,
    )
}

/// Powers of ten within `min..=max` (both above 0), thinned to about `n`; a narrow range gets 2 and 5 between them.
pub(crate) fn logarithmic(min: f64, max: f64, n: usize) -> Vec<f64> {
    let (low, high) = ((min.log10() - 1e-6).ceil(), (max.log10() + 1e-6).floor());
    let decades = whole((high - low).max(-1.0) + 1.0);
    if decades < 3 {
        let start = min.log10().floor();
        let all = (0..4).flat_map(|i| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powf(start + float(i))));
        return all
            .filter(|v| (min * 0.999_999..=max * 1.000_001).contains(v))
            .collect();
    }
    let every = decades.div_ceil(n.max(2));
    (0..decades)
        .step_by(every)
        .map(|i| 10_f64.powf(low + float(i)))
        .collect()
}

/// A tick's number, with as many decimals as its step needs.
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn label(value: f64, step: f64) -> String {
    let magnitude = value.abs().max(step);
    if magnitude >= 1e9 || (step < 1e-5 && magnitude < 1e-3) {
        return scientific(value, 3);
    }
    let mut decimals = whole((-step.log10().floor()).max(0.0)).min(12);
    // A step such as 0.25 has more digits than its size tells.
    while decimals < 12
        && ((step * 10_f64.powi(decimals as i32)).round() / 10_f64.powi(decimals as i32) - step).abs()
            > step * 1e-6
    {
        decimals += 1;
    }
    fixed(value, decimals)
}

/// A number with so many decimals, thousands separated by commas, and a real minus sign.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(w, r)| (w, Some(r)));
    let mut out = String::new();
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    if value < 0.0 && !zero {
        out.push('−');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(rest) = rest {
        out.push('.');
        out.push_str(rest);
    }
    out
}

/// A number with about so many significant digits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn short(value: f64, digits: i32) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let size = value.abs().log10().floor() as i32;
    if !(-4..=8).contains(&size) {
        return scientific(value, digits);
    }
    fixed(value, (digits - 1 - size).clamp(0, 9) as usize)
}

/// A count, thousands separated.
pub(crate) fn count(value: usize) -> String {
    fixed(float(value), 0)
}

/// A share from 0 to 1 in percent.
pub(crate) fn percent(share: f64, decimals: usize) -> String {
    format!("{} %", fixed(share * 100.0, decimals))
}

/// As in 2.5×10⁻³.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn scientific(value: f64, digits: i32) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let exact = format!("{:.*e}", (digits - 1).max(0) as usize, value.abs());
    let (mantissa, exponent) = exact.split_once('e').unwrap_or((&exact, "0"));
    let mantissa = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        mantissa
    };
    let sign = if value < 0.0 { "−" } else { "" };
    let power: String = exponent.chars().map(superscript).collect();
    if mantissa == "1" {
        format!("{sign}10{power}")
    } else {
        format!("{sign}{mantissa}×10{power}")
    }
}

fn superscript(digit: char) -> char {
    match digit {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' | '4'..='9' => char::from_u32(0x2070 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_one_two_or_five() {
        assert_eq!(step(100.0, 5), 20.0);
        assert_eq!(step(1.0, 3), 0.5);
        assert_eq!(linear(0.0, 100.0, 5).0, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(linear(-1.2, 1.3, 5).0, [-1.0, -0.5, 0.0, 0.5, 1.0]);
    }

    #[test]
    fn any_range_has_a_bounded_number_of_ticks() {
        for (min, max) in [
            (0.0, 0.0),
            (1e15, 1e15 + 1.0),
            (-1e299, 1e299),
            (0.0, f64::INFINITY),
            (f64::NAN, 1.0),
            (0.0, 1e-300),
        ] {
            assert!(linear(min, max, 8).0.len() <= 201);
        }
        assert_eq!(logarithmic(1e-7, 10.0, 9).len(), 9);
        assert_eq!(logarithmic(1e-300, 1e300, 8).len(), 8);
        assert_eq!(logarithmic(1.0, 10.0, 8), [1.0, 2.0, 5.0, 10.0]);
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(label(0.30000000000000004, 0.1), "0.3");
        assert_eq!(label(-1500.0, 500.0), "−1,500");
        assert_eq!(label(1_000_000.0, 200_000.0), "1,000,000");
        assert_eq!(label(2e9, 1e9), "2×10⁹");
        assert_eq!(label(0.0, 1e9), "0");
        assert_eq!(label(0.000_01, 0.000_001), "10⁻⁵");
        assert_eq!(fixed(-0.001, 1), "0.0");
        assert_eq!(short(0.123_456, 3), "0.123");
        assert_eq!(short(1234.6, 3), "1,235");
        assert_eq!(short(-1.5e-7, 2), "−1.5×10⁻⁷");
        assert_eq!(short(f64::NAN, 3), "–");
        assert_eq!(percent(0.125, 1), "12.5 %");
    }
}
