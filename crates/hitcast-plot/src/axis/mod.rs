//! Axes: what they span, and the panel that two of them make.
//!
//! - `ticks`: where the ticks are, and how numbers are written
//! - `panel`: a frame with axes, into which data is drawn
//! - `color_bar`: the axis of colours

pub(crate) mod color_bar;
pub(crate) mod panel;
pub(crate) mod ticks;

pub(crate) use color_bar::ColorBar;
pub(crate) use panel::Panel;

use crate::stats::density::widened;
use crate::stats::{float, range};
use crate::text::Fonts;

/// How the numbers of an axis are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Number,
    /// Whole numbers only, as counts of epochs.
    Integer,
    /// Whole numbers without separators.
    Year,
    /// Shares as percent.
    Percent,
}

/// What an axis is divided into.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Linear,
    Log,
    /// Names, from left to right or from top to bottom; the `i`-th stands at `i`.
    Categories(Vec<String>),
}

/// An axis before it has a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    pub(crate) kind: Kind,
    pub(crate) label: String,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) format: Format,
    pub(crate) grid: bool,
    /// Whether ticks and their labels are drawn.
    pub(crate) ticks: bool,
    /// Size of the ticks' labels, in pixels.
    pub(crate) tick_size: f64,
    /// Size of the label, in pixels.
    pub(crate) label_size: f64,
    /// Room for the ticks' labels beside the frame at least, in pixels.
    pub(crate) reserved: f64,
}

impl Axis {
    fn new(kind: Kind, min: f64, max: f64) -> Self {
        Self {
            kind,
            label: String::new(),
            min,
            max,
            format: Format::Number,
            grid: true,
            ticks: true,
            tick_size: 16.0,
            label_size: 18.0,
            reserved: 0.0,
        }
    }

    /// Exactly from `min` to `max`; widened if that is one place.
    pub(crate) fn span(min: f64, max: f64) -> Self {
        let (min, max) = widened(min.min(max), max.max(min));
        Self::new(Kind::Linear, min, max)
    }

    /// Around finite values, with a little room on both sides.
    pub(crate) fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let [min, max] = range(values.into_iter().filter(|v| v.is_finite())).unwrap_or([0.0, 1.0]);
        let (min, max) = widened(min, max);
        let room = (max - min) * 0.035;
        Self::new(Kind::Linear, min - room, max + room)
    }

    /// From 0 to the largest of finite values, with a little room above.
    pub(crate) fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let [_, max] = range(values.into_iter().filter(|v| v.is_finite())).unwrap_or([0.0, 1.0]);
        Self::new(Kind::Linear, 0.0, if max > 0.0 { max * 1.06 } else { 1.0 })
    }

    /// Powers of ten around values above 0; others are passed over.
    pub(crate) fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let positive = values.into_iter().filter(|v| v.is_finite() && *v > 0.0);
        let [min, max] = range(positive).unwrap_or([0.1, 10.0]);
        let (min, max) = if max / min < 1.5 {
            (min / 1.5, max * 1.5)
        } else {
            (min, max)
        };
        let room = (max / min).powf(0.03);
        Self::new(Kind::Log, (min / room).max(1e-300), (max * room).min(1e300))
    }

    /// One place for each name.
    pub(crate) fn categories(names: Vec<String>) -> Self {
        let max = float(names.len()) - 0.5;
        Self {
            grid: false,
            ..Self::new(Kind::Categories(names), -0.5, max)
        }
    }

    pub(crate) fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..self
        }
    }

    pub(crate) fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    pub(crate) fn no_grid(self) -> Self {
        Self { grid: false, ..self }
    }

    pub(crate) fn no_ticks(self) -> Self {
        Self {
            ticks: false,
            grid: false,
            ..self
        }
    }

    /// With smaller text, for one of several panels.
    pub(crate) fn small(self) -> Self {
        Self {
            tick_size: 13.5,
            label_size: 15.0,
            ..self
        }
    }

    /// Two axes with the same room for their ticks' labels, so that frames above each other begin at the same column.
    pub(crate) fn aligned(mut self, mut other: Self, fonts: &Fonts<'_>) -> [Self; 2] {
        let widest = |axis: &Self| {
            let texts = (1..=10).flat_map(|n| axis.numbers(n));
            let widths = texts.map(|(_, text)| fonts.width(&text, axis.tick_size));
            widths.fold(0.0, f64::max)
        };
        let reserved = widest(&self).max(widest(&other));
        self.reserved = reserved;
        other.reserved = reserved;
        [self, other]
    }

    /// Where a value lies, from 0 to 1 between the ends.
    pub(crate) fn place(&self, value: f64) -> f64 {
        match self.kind {
            Kind::Linear | Kind::Categories(_) => (value - self.min) / (self.max - self.min),
            Kind::Log => (value / self.min).ln() / (self.max / self.min).ln(),
        }
    }

    /// At most about `n` ticks with their labels.
    pub(crate) fn numbers(&self, n: usize) -> Vec<(f64, String)> {
        match self.kind {
            Kind::Categories(_) => Vec::new(),
            Kind::Log => {
                let ticks = ticks::logarithmic(self.min, self.max, n);
                ticks.into_iter().map(|v| (v, power(v))).collect()
            }
            Kind::Linear => {
                let (mut values, mut step) = ticks::linear(self.min, self.max, n);
                if matches!(self.format, Format::Integer | Format::Year) && step < 1.0 {
                    let (first, last) = (self.min.ceil(), self.max.floor());
                    let count = crate::stats::whole((last - first + 1.0).clamp(0.0, 50.0));
                    values = (0..count).map(|i| first + float(i)).collect();
                    step = 1.0;
                }
                let label = |v: f64| match self.format {
                    Format::Number | Format::Integer => ticks::label(v, step),
                    Format::Year => ticks::label(v, step).replace(',', ""),
                    Format::Percent => format!("{} %", ticks::label(v * 100.0, step * 100.0)),
                };
                values.into_iter().map(|v| (v, label(v))).collect()
            }
        }
    }
}

/// The label of a tick on an axis of powers.
fn power(value: f64) -> String {
    if (1e-3..1e6).contains(&value) {
        ticks::short(value, 1)
    } else {
        ticks::scientific(value, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_axis_has_a_length() {
        for axis in [
            Axis::around([]),
            Axis::around([5.0]),
            Axis::around([f64::NAN, f64::INFINITY]),
            Axis::from_zero([0.0]),
            Axis::from_zero([-3.0]),
            Axis::log([0.0, -1.0]),
            Axis::log([1e-3]),
            Axis::span(2.0, 2.0),
        ] {
            assert!(axis.max > axis.min, "{axis:?}");
            assert!(!axis.numbers(6).is_empty(), "{axis:?}");
        }
    }

    #[test]
    fn years_have_no_separators_and_epochs_no_halves() {
        let years = Axis::span(1990.0, 2020.0).format(Format::Year).numbers(4);
        assert_eq!(years[0].1, "1990");
        let epochs = Axis::span(1.0, 3.0).format(Format::Integer).numbers(10);
        assert_eq!(epochs.len(), 3);
        assert_eq!(
            Axis::span(0.0, 1.0).format(Format::Percent).numbers(2)[1].1,
            "50 %"
        );
    }
}
