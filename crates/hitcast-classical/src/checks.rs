//! Checks of settings and losses that the models share, also those of other crates.

use crate::error::ClassicalError;

/// Refuses a count that is too small.
///
/// # Errors
/// [`ClassicalError::Setting`].
pub fn at_least(
    setting: &'static str,
    value: usize,
    least: usize,
    allowed: &'static str,
) -> Result<(), ClassicalError> {
    #[allow(clippy::cast_precision_loss)]
    expect(value >= least, setting, value as f64, allowed)
}

/// Refuses a number that is not above 0.
///
/// # Errors
/// [`ClassicalError::Setting`].
pub fn positive(setting: &'static str, value: f64) -> Result<(), ClassicalError> {
    expect(
        value.is_finite() && value > 0.0,
        setting,
        value,
        "finite and above 0",
    )
}

/// Refuses a number below 0.
///
/// # Errors
/// [`ClassicalError::Setting`].
pub fn not_negative(setting: &'static str, value: f64) -> Result<(), ClassicalError> {
    expect(
        value.is_finite() && value >= 0.0,
        setting,
        value,
        "finite and at least 0",
    )
}

/// Refuses what is no share.
///
/// # Errors
/// [`ClassicalError::Setting`].
pub fn share(setting: &'static str, value: f64) -> Result<(), ClassicalError> {
    expect(value > 0.0 && value <= 1.0, setting, value, "above 0 and up to 1")
}

/// Refuses a value that is not one of those allowed.
///
/// # Errors
/// [`ClassicalError::Setting`].
pub fn expect(
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
///
/// # Errors
/// [`ClassicalError::Rows`].
pub fn numbered(rows: usize) -> Result<(), ClassicalError> {
    match u32::try_from(rows) {
        Ok(_) => Ok(()),
        Err(_) => Err(ClassicalError::Rows {
            rows,
            needed: "fewer than 2³²".to_owned(),
        }),
    }
}

/// Refuses the losses of a round, of the training rows and of those for validation, that are not finite.
///
/// # Errors
/// [`ClassicalError::NotFinite`].
pub fn finite_losses(train: f64, validation: Option<f64>) -> Result<(), ClassicalError> {
    let losses = [
        ("the training loss", Some(train)),
        ("the validation loss", validation),
    ];
    for (what, value) in losses {
        if let Some(value) = value.filter(|value| !value.is_finite()) {
            return Err(ClassicalError::NotFinite { what, value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_refused_everywhere() {
        for check in [positive, not_negative, share] {
            let message = check("x", f64::NAN).unwrap_err().to_string();
            assert!(message.starts_with("x is NaN, but must be"), "{message}");
        }
        assert!(positive("x", 0.0).is_err() && not_negative("x", 0.0).is_ok() && share("x", 1.0).is_ok());
        assert!(share("x", 1.1).is_err() && positive("x", f64::INFINITY).is_err());
        assert!(finite_losses(1.0, None).is_ok() && finite_losses(1.0, Some(f64::NAN)).is_err());
    }
}
