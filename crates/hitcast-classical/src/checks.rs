//! Checks that the models share.

use crate::error::ClassicalError;

/// Refuses a count that is too small.
pub(crate) fn at_least(
    setting: &'static str,
    value: usize,
    least: usize,
    allowed: &'static str,
) -> Result<(), ClassicalError> {
    #[allow(clippy::cast_precision_loss)]
    expect(value >= least, setting, value as f64, allowed)
}

/// Refuses a number that is not above 0.
pub(crate) fn positive(setting: &'static str, value: f64) -> Result<(), ClassicalError> {
    expect(
        value.is_finite() && value > 0.0,
        setting,
        value,
        "finite and above 0",
    )
}

/// Refuses a number below 0.
pub(crate) fn not_negative(setting: &'static str, value: f64) -> Result<(), ClassicalError> {
    expect(
        value.is_finite() && value >= 0.0,
        setting,
        value,
        "finite and at least 0",
    )
}

/// Refuses what is no share.
pub(crate) fn share(setting: &'static str, value: f64) -> Result<(), ClassicalError> {
    expect(value > 0.0 && value <= 1.0, setting, value, "above 0 and up to 1")
}

/// Refuses a value that is not one of those allowed.
pub(crate) fn expect(
    is_allowed: bool,
    setting: &'static str,
    value: f64,
    allowed: &'static str,
) -> Result<(), ClassicalError> {
    if is_allowed {
        return Ok(());
    }
    Err(ClassicalError::Setting {
        setting,
        value,
        allowed,
    })
}

/// Refuses rows that 32 bits cannot number.
pub(crate) fn numbered(rows: usize) -> Result<(), ClassicalError> {
    match u32::try_from(rows) {
        Ok(_) => Ok(()),
        Err(_) => Err(ClassicalError::Rows {
            rows,
            needed: "fewer than 2³²".to_owned(),
        }),
    }
}
