//! Checks that the settings of the three share.

use hitcast_classical::ClassicalError;
use hitcast_core::{Dataset, Seed};

use crate::error::{BoosterError, Result};

/// Refuses a number that is not as it must be.
pub(crate) fn must(fulfilled: bool, setting: &'static str, value: f64, allowed: &'static str) -> Result<()> {
    if fulfilled {
        return Ok(());
    }
    Err(ClassicalError::Setting {
        setting,
        value,
        allowed,
    }
    .into())
}

/// Refuses a count outside a range.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn count(
    setting: &'static str,
    value: usize,
    range: std::ops::RangeInclusive<usize>,
    allowed: &'static str,
) -> Result<()> {
    must(range.contains(&value), setting, value as f64, allowed)
}

/// Refuses what is no finite number above 0.
pub(crate) fn positive(setting: &'static str, value: f64) -> Result<()> {
    must(
        value.is_finite() && value > 0.0,
        setting,
        value,
        "finite and above 0",
    )
}

/// Refuses what is no finite number of at least 0.
pub(crate) fn at_least_zero(setting: &'static str, value: f64) -> Result<()> {
    must(
        value.is_finite() && value >= 0.0,
        setting,
        value,
        "finite and at least 0",
    )
}

/// Refuses what is no share.
pub(crate) fn share(setting: &'static str, value: f64) -> Result<()> {
    must(value > 0.0 && value <= 1.0, setting, value, "above 0 and up to 1")
}

/// Refuses early stopping without rows, or after no round.
pub(crate) fn early_stopping(rounds: Option<usize>, validation: Option<&Dataset>) -> Result<()> {
    let Some(rounds) = rounds else {
        return Ok(());
    };
    count("early_stopping_rounds", rounds, 1..=usize::MAX, "at least 1")?;
    match validation {
        Some(_) => Ok(()),
        None => Err(BoosterError::NoValidation { rounds }),
    }
}

/// A seed as the libraries take it: a whole number below 2³¹.
pub(crate) fn seed_of(seed: Seed, kind: &str) -> u64 {
    seed.child(kind).value() >> 33
}

/// Rounds and leaves at most, so that they fit into the libraries' 32 bits.
pub(crate) const MOST: usize = i32::MAX as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_refused_everywhere() {
        for check in [positive, at_least_zero, share] {
            let message = check("x", f64::NAN).unwrap_err().to_string();
            assert!(message.starts_with("x is NaN, but must be"), "{message}");
        }
        assert!(positive("x", 0.0).is_err() && at_least_zero("x", 0.0).is_ok() && share("x", 1.0).is_ok());
        assert!(share("x", 1.1).is_err() && positive("x", f64::INFINITY).is_err());
    }

    #[test]
    fn a_seed_has_31_bits() {
        for seed in 0..100 {
            assert!(seed_of(Seed::new(seed), "xgboost") < 1 << 31);
        }
        assert_ne!(seed_of(Seed::new(1), "xgboost"), seed_of(Seed::new(2), "xgboost"));
    }
}
