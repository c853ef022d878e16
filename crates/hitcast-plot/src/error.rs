//! The errors of this crate.

use hitcast_core::CoreError;
use thiserror::Error;

use crate::stats::drawable;

/// A result with [`PlotError`].
pub type Result<T, E = PlotError> = std::result::Result<T, E>;

/// What can go wrong with figures.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlotError {
    /// There is nothing to draw.
    #[error("{figure}: there are no {what} to draw; pass at least {least} with finite values")]
    NoData {
        /// The figure.
        figure: &'static str,
        /// What is missing, as in "values".
        what: &'static str,
        /// How many it takes.
        least: usize,
    },
    /// Two things that belong together differ in length.
    #[error("{figure}: there are {got} {what}, but {expected} are needed")]
    Length {
        /// The figure.
        figure: &'static str,
        /// What has the wrong length, as in "predictions".
        what: &'static str,
        /// The length wanted.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// A class without a name.
    #[error("{figure}: row {row} has class {class}, but there are {n_classes} names, numbered from 0")]
    UnknownClass {
        /// The figure.
        figure: &'static str,
        /// Row, counted from 0.
        row: usize,
        /// The class found.
        class: usize,
        /// The number of names.
        n_classes: usize,
    },
    /// A value that the figure cannot do without is not what it must be.
    #[error("{figure}: {what} is {value}, but must be {allowed}")]
    Value {
        /// The figure.
        figure: &'static str,
        /// Which value, as in "the baseline".
        what: String,
        /// The value found.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// A setting has a value that it may not have.
    #[error("{setting} is {value}, but must be {allowed}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// The value it got.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A size in which no figure can be drawn.
    #[error(
        "a figure of {width} x {height} pixels cannot be drawn: each side must be 16 to 16,384, and neither longer than 4 times the other"
    )]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Bytes that are no font.
    #[error("the font cannot be read: {reason}; pass the bytes of a TrueType or OpenType file")]
    Font {
        /// What is wrong with it.
        reason: String,
    },
    /// A name that cannot be that of a file.
    #[error("{name:?} cannot be the name of a figure's files: use a plain name without folders")]
    FileName {
        /// The name.
        name: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] CoreError),
}

/// Errors unless `got` is `expected`.
pub(crate) fn check_length(
    figure: &'static str,
    what: &'static str,
    expected: usize,
    got: usize,
) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    Err(PlotError::Length {
        figure,
        what,
        expected,
        got,
    })
}

/// Errors unless each class has a name.
pub(crate) fn check_classes(figure: &'static str, classes: &[usize], n_classes: usize) -> Result<()> {
    match classes.iter().position(|class| *class >= n_classes) {
        None => Ok(()),
        Some(row) => Err(PlotError::UnknownClass {
            figure,
            row,
            class: classes[row],
            n_classes,
        }),
    }
}

/// Errors unless `value` lies between 0 and 1, both excluded.
pub(crate) fn check_share(setting: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(PlotError::Setting {
        setting,
        value: value.to_string(),
        allowed: "between 0 and 1",
    })
}

/// Errors unless `value` is at least `least`.
pub(crate) fn check_at_least(
    setting: &'static str,
    value: usize,
    least: usize,
    allowed: &'static str,
) -> Result<()> {
    if value >= least {
        return Ok(());
    }
    Err(PlotError::Setting {
        setting,
        value: value.to_string(),
        allowed,
    })
}

/// Whether the values along an axis rise.
pub(crate) fn check_rising(figure: &'static str, values: &[f64]) -> Result<()> {
    let falls = |i: &usize| !drawable(values[*i]) || (*i > 0 && values[*i] <= values[*i - 1]);
    match (0..values.len()).find(falls) {
        Some(i) => Err(PlotError::Value {
            figure,
            what: format!("value {i} of the grid"),
            value: values[i],
            allowed: "finite and above the one before",
        }),
        None => Ok(()),
    }
}
