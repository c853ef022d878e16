//! Checks that the settings of the three share.

use hitcast_classical::checks::expect;
use hitcast_core::parallel::threads_for;
use hitcast_core::{Dataset, Seed};

use crate::error::{BoosterError, Result};

/// Refuses a count outside a range.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn count(
    setting: &'static str,
    value: usize,
    range: std::ops::RangeInclusive<usize>,
    allowed: &'static str,
) -> Result<()> {
    Ok(expect(range.contains(&value), setting, value as f64, allowed)?)
}

/// Refuses fits without rounds, or with more than the libraries can count.
pub(crate) fn rounds(setting: &'static str, value: usize) -> Result<()> {
    count(setting, value, 1..=MOST, "at least 1 and below 2³¹")
}

/// Refuses more threads than any machine gains by.
pub(crate) fn threads_asked(value: usize) -> Result<()> {
    count(
        "threads",
        value,
        0..=MOST_THREADS,
        "at most 1024; 0 for all cores",
    )
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

/// Threads at most: each costs the libraries memory, and no machine gains by more.
const MOST_THREADS: usize = 1024;

/// The threads for a fit: those asked for, or all cores; a share of them where fits run beside each other.
pub(crate) fn threads(asked: usize) -> usize {
    threads_for(asked, MOST_THREADS)
}

/// Rounds and leaves at most, so that they fit into the libraries' 32 bits.
pub(crate) const MOST: usize = i32::MAX as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_31_bits() {
        for seed in 0..100 {
            assert!(seed_of(Seed::new(seed), "xgboost") < 1 << 31);
        }
        assert_ne!(seed_of(Seed::new(1), "xgboost"), seed_of(Seed::new(2), "xgboost"));
    }
}
