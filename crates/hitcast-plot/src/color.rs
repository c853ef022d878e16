//! Colours: a palette that colour-blind people can tell apart, and maps that get evenly darker, computed in `OKLab`
//! (Ottosson 2020) so that equal steps look equal.

/// An sRGB colour with opacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Color {
    pub(crate) r: u8,
    pub(crate) g: u8,
    pub(crate) b: u8,
    /// Opacity, 0 to 1.
    pub(crate) a: f32,
}

pub(crate) const INK: Color = Color::hex(0x0022_2222);
pub(crate) const SECONDARY: Color = Color::hex(0x0059_5959);
pub(crate) const AXIS: Color = Color::hex(0x0066_6666);
pub(crate) const GRID: Color = Color::hex(0x00E4_E4E4);
pub(crate) const OTHER: Color = Color::hex(0x0099_9999);
pub(crate) const WHITE: Color = Color::hex(0x00FF_FFFF);
pub(crate) const BLUE: Color = Color::hex(0x0000_72B2);
pub(crate) const VERMILION: Color = Color::hex(0x00D5_5E00);
pub(crate) const GREEN: Color = Color::hex(0x0000_9E73);
pub(crate) const SKY: Color = Color::hex(0x0056_B4E9);

/// The colours of Okabe and Ito (2008) that stand out from white, the most different first.
const PALETTE: [Color; 7] = [
    BLUE,
    Color::hex(0x00E6_9F00),
    GREEN,
    VERMILION,
    Color::hex(0x00CC_79A7),
    SKY,
    Color::hex(0x0044_4444),
];

/// As many classes as a figure tells apart by colour.
pub(crate) const MAX_CLASSES: usize = PALETTE.len();

/// The colour of the class `index`; they repeat after [`MAX_CLASSES`].
pub(crate) fn palette(index: usize) -> Color {
    PALETTE[index % PALETTE.len()]
}

impl Color {
    /// From `0xRRGGBB`.
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) const fn hex(rgb: u32) -> Self {
        Self {
            r: (rgb >> 16) as u8,
            g: (rgb >> 8) as u8,
            b: rgb as u8,
            a: 1.0,
        }
    }

    /// The same with this opacity.
    pub(crate) const fn alpha(self, a: f32) -> Self {
        Self { a, ..self }
    }

    /// Between this (`t` = 0) and another (`t` = 1).
    pub(crate) fn mix(self, other: Self, t: f64) -> Self {
        let between = |a: u8, b: u8| byte(f64::from(a) + (f64::from(b) - f64::from(a)) * t);
        Self {
            r: between(self.r, other.r),
            g: between(self.g, other.g),
            b: between(self.b, other.b),
            a: self.a,
        }
    }

    /// Black or white, whichever can be read on this colour.
    pub(crate) fn readable_on(self) -> Self {
        // Relative luminance as in WCAG 2; the threshold gives both the same contrast.
        let luminance = 0.2126 * linear(self.r) + 0.7152 * linear(self.g) + 0.0722 * linear(self.b);
        if luminance > 0.22 { INK } else { WHITE }
    }
}

/// A colour for each number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColorMap {
    /// Pale to dark, for amounts on white.
    Amount,
    /// Dark violet over teal to yellow, for points.
    Viridis,
    /// Blue over white to red, for signed values with 0.5 as nothing.
    Diverging,
    /// Blue to red without white, for low and high values of points.
    LowHigh,
}

impl ColorMap {
    /// The colour at `t`, which is taken into 0 to 1; NaN is grey.
    pub(crate) fn at(self, t: f64) -> Color {
        if t.is_nan() {
            return OTHER;
        }
        let t = t.clamp(0.0, 1.0);
        // Lightness, chroma and hue (degrees) at equal distances.
        let stops: &[[f64; 3]] = match self {
            Self::Amount => &[
                [0.965, 0.022, 130.0],
                [0.85, 0.075, 175.0],
                [0.68, 0.105, 215.0],
                [0.48, 0.12, 250.0],
                [0.27, 0.09, 270.0],
            ],
            Self::Viridis => &[
                [0.28, 0.13, 305.0],
                [0.44, 0.105, 262.0],
                [0.58, 0.105, 195.0],
                [0.74, 0.16, 150.0],
                [0.90, 0.175, 106.0],
            ],
            Self::Diverging if t < 0.5 => {
                return lch(stop(
                    &[[0.40, 0.125, 252.0], [0.66, 0.105, 245.0], [0.985, 0.0, 245.0]],
                    t * 2.0,
                ));
            }
            Self::Diverging => {
                return lch(stop(
                    &[[0.985, 0.0, 45.0], [0.69, 0.135, 42.0], [0.44, 0.155, 34.0]],
                    t * 2.0 - 1.0,
                ));
            }
            Self::LowHigh => &[[0.58, 0.16, 250.0], [0.56, 0.17, 305.0], [0.60, 0.21, 375.0]],
        };
        lch(stop(stops, t))
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn stop(stops: &[[f64; 3]], t: f64) -> [f64; 3] {
    let place = t * (stops.len() - 1) as f64;
    let index = (place.floor() as usize).min(stops.len() - 2);
    let part = place - index as f64;
    std::array::from_fn(|i| stops[index][i] + (stops[index + 1][i] - stops[index][i]) * part)
}

/// sRGB of lightness, chroma and hue in `OKLab`; what lies outside sRGB is cut off.
fn lch([lightness, chroma, hue]: [f64; 3]) -> Color {
    let (a, b) = (chroma * hue.to_radians().cos(), chroma * hue.to_radians().sin());
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    Color {
        r: encoded(4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s),
        g: encoded(-1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s),
        b: encoded(-0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s),
        a: 1.0,
    }
}

fn encoded(value: f64) -> u8 {
    byte(if value <= 0.003_130_8 {
        12.92 * value * 255.0
    } else {
        (1.055 * value.powf(1.0 / 2.4) - 0.055) * 255.0
    })
}

fn linear(value: u8) -> f64 {
    let value = f64::from(value) / 255.0;
    if value <= 0.040_45 {
        value / 12.92
    } else {
        ((value + 0.055) / 1.055).powf(2.4)
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn byte(value: f64) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(color: Color) -> f64 {
        0.2126 * linear(color.r) + 0.7152 * linear(color.g) + 0.0722 * linear(color.b)
    }

    #[test]
    fn an_amount_map_only_gets_darker_and_viridis_only_lighter() {
        for step in 0..50 {
            let (t, next) = (f64::from(step) / 50.0, f64::from(step + 1) / 50.0);
            assert!(luminance(ColorMap::Amount.at(t)) > luminance(ColorMap::Amount.at(next)));
            assert!(luminance(ColorMap::Viridis.at(t)) < luminance(ColorMap::Viridis.at(next)));
        }
    }

    #[test]
    fn nothing_is_white_in_a_diverging_map_and_out_of_range_is_its_end() {
        let middle = ColorMap::Diverging.at(0.5);
        assert!(middle.r > 245 && middle.g > 245 && middle.b > 245);
        let (low, high) = (ColorMap::Diverging.at(-3.0), ColorMap::Diverging.at(7.0));
        assert!(low.b > low.r && high.r > high.b);
        assert_eq!(ColorMap::Diverging.at(f64::NAN), OTHER);
    }

    #[test]
    fn text_on_a_colour_has_contrast() {
        for map in [ColorMap::Amount, ColorMap::Viridis, ColorMap::Diverging] {
            for step in 0..=20 {
                let color = map.at(f64::from(step) / 20.0);
                let (a, b) = (luminance(color), luminance(color.readable_on()));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast > 3.7, "{map:?} {step}: {contrast}");
            }
        }
    }
}
