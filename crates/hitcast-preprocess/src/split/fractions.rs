//! Three parts by fractions.

use hitcast_core::Seed;
use serde::{Deserialize, Serialize};

use super::{Codes, Split, assign, rows_of};
use crate::error::{PreprocessError, Result};

/// How large the parts are, as fractions of the rows that sum to 1. A part whose fraction is 0 is left out.
///
/// Sizes are rounded as by two calls of scikit-learn's `train_test_split`, first for the training rows, then for the
/// test rows among the rest: rest = ⌈n · (validation + test)⌉, test = ⌈rest · test ÷ (validation + test)⌉, and validation
/// gets what remains. 80/10/10 of 232,725 rows is 186,180/23,272/23,273.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fractions {
    /// Fraction of the training rows. Default 0.8.
    pub train: f64,
    /// Fraction of the validation rows. Default 0.1.
    pub validation: f64,
    /// Fraction of the test rows. Default 0.1.
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Self {
        Self {
            train: 0.8,
            validation: 0.1,
            test: 0.1,
        }
    }
}

impl Fractions {
    /// These fractions; they are checked when they are used.
    pub const fn new(train: f64, validation: f64, test: f64) -> Self {
        Self {
            train,
            validation,
            test,
        }
    }

    /// The sizes of the three parts of `n_rows` rows.
    ///
    /// # Errors
    /// [`PreprocessError::Fractions`] if one is negative, train is 0 or they do not sum to 1 (to within 1e-9),
    /// [`PreprocessError::EmptyPart`] if a part has no rows though its fraction is not 0.
    pub fn sizes(&self, n_rows: usize) -> Result<[usize; 3]> {
        let Self {
            train,
            validation,
            test,
        } = *self;
        let total = train + validation + test;
        if !(train > 0.0 && validation >= 0.0 && test >= 0.0 && (total - 1.0).abs() <= 1e-9) {
            return Err(PreprocessError::Fractions {
                train,
                validation,
                test,
            });
        }
        let held = validation + test;
        let n_held = ceiling(n_rows, held);
        let n_test = if test == 0.0 {
            0
        } else {
            ceiling(n_held, test / held)
        };
        let sizes = [n_rows - n_held, n_held - n_test, n_test];
        for (part, size, fraction) in [
            ("training", sizes[0], train),
            ("validation", sizes[1], validation),
            ("test", sizes[2], test),
        ] {
            if size == 0 && fraction > 0.0 {
                return Err(PreprocessError::EmptyPart { part, n_rows });
            }
        }
        Ok(sizes)
    }

    /// Divides `n_rows` rows, in proportion of their classes and by whole groups where these are given.
    ///
    /// With groups the sizes are as near to the fractions as was found by assigning whole groups and then moving and
    /// exchanging them while that helps; each part has at least one group.
    ///
    /// # Errors
    /// As [`sizes`](Self::sizes); [`PreprocessError::Length`] if there is not one class or group a row,
    /// [`PreprocessError::ClassTooSmall`] if a class has fewer rows (or, with groups, is in fewer groups) than there are
    /// parts, [`PreprocessError::TooFewGroups`].
    pub fn split(
        &self,
        n_rows: usize,
        classes: Option<&Codes>,
        groups: Option<&Codes>,
        seed: Seed,
    ) -> Result<Split> {
        let parts = assign(&self.sizes(n_rows)?, classes, groups, true, seed)?;
        let mut rows = rows_of(&parts, 3).into_iter();
        let mut next = || rows.next().unwrap_or_default();
        Ok(Split {
            train: next(),
            validation: next(),
            test: next(),
        })
    }
}

/// `n · fraction` rounded up, but not for the sake of a rounding error: 0.07 · 100 is 7, though it is 7.000000000000001
/// in floating point.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn ceiling(n: usize, fraction: f64) -> usize {
    let exact = n as f64 * fraction;
    let near = exact.round();
    let rounded = if (exact - near).abs() <= 1e-9 * exact.max(1.0) {
        near
    } else {
        exact.ceil()
    };
    (rounded as usize).min(n)
}
