//! Whether two methods rank the columns alike.

use std::fmt;

use hitcast_core::stats::mean;
use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, Result};

/// How far several methods rank the columns alike. It prints as a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankAgreement {
    /// Names of the methods, `m` of them.
    pub methods: Vec<String>,
    /// Spearman's correlation of each two, `m × m`; `None` where a method says the same of all columns.
    pub spearman: Vec<Vec<Option<f64>>>,
    /// Kendall's τ-b of each two, `m × m`.
    pub kendall: Vec<Vec<Option<f64>>>,
}

/// Compares methods by the importances that they give to the same columns, in the same order. Pass magnitudes where the sign
/// means a direction.
///
/// # Errors
/// As [`spearman`].
pub fn rank_agreement(methods: &[(&str, &[f64])]) -> Result<RankAgreement> {
    let each = |of: fn(&[f64], &[f64]) -> Result<Option<f64>>| {
        let row = |(_, a): &(&str, &[f64])| methods.iter().map(|(_, b)| of(a, b)).collect::<Result<Vec<_>>>();
        methods.iter().map(row).collect::<Result<Vec<Vec<_>>>>()
    };
    Ok(RankAgreement {
        methods: methods.iter().map(|(name, _)| (*name).to_owned()).collect(),
        spearman: each(spearman)?,
        kendall: each(kendall)?,
    })
}

/// Spearman's rank correlation (1904), equal values sharing their mean rank, from −1 to 1; `None` if one side is all the same.
///
/// # Errors
/// [`ExplainError::Length`] if the lengths differ or are below 2, [`ExplainError::NotFinite`].
pub fn spearman(a: &[f64], b: &[f64]) -> Result<Option<f64>> {
    check(a, b)?;
    let (a, b) = (ranks(a), ranks(b));
    let (mean_a, mean_b) = (mean(&a), mean(&b));
    let product = |x: &[f64], mean_x: f64, y: &[f64], mean_y: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum()
    };
    let scale = (product(&a, mean_a, &a, mean_a) * product(&b, mean_b, &b, mean_b)).sqrt();
    let together = product(&a, mean_a, &b, mean_b);
    Ok((scale > 0.0).then(|| (together / scale).clamp(-1.0, 1.0)))
}

/// Kendall's τ-b (1945), from −1 to 1; `None` if one side is all the same.
///
/// # Errors
/// As [`spearman`].
#[allow(clippy::cast_precision_loss)]
pub fn kendall(a: &[f64], b: &[f64]) -> Result<Option<f64>> {
    check(a, b)?;
    let (mut together, mut in_a, mut in_b) = (0_i64, 0_i64, 0_i64);
    let sign = |x: f64, y: f64| x.partial_cmp(&y).map_or(0, |order| order as i64);
    for i in 0..a.len() {
        for j in 0..i {
            let (sign_a, sign_b) = (sign(a[i], a[j]), sign(b[i], b[j]));
            together += sign_a * sign_b;
            in_a += sign_a.abs();
            in_b += sign_b.abs();
        }
    }
    let scale = (in_a as f64 * in_b as f64).sqrt();
    Ok((scale > 0.0).then(|| together as f64 / scale))
}

fn check(a: &[f64], b: &[f64]) -> Result<()> {
    if a.len() != b.len() {
        return Err(ExplainError::Length {
            what: "importances of two methods",
            expected: a.len(),
            got: b.len(),
        });
    }
    if a.len() < 2 {
        return Err(ExplainError::Length {
            what: "importances to rank",
            expected: 2,
            got: a.len(),
        });
    }
    match a.iter().chain(b).find(|value| !value.is_finite()) {
        Some(&value) => Err(ExplainError::NotFinite {
            what: "an importance".to_owned(),
            value,
        }),
        None => Ok(()),
    }
}

/// The place of each value, from 1 for the smallest; equal ones share the mean of their places.
#[allow(clippy::cast_precision_loss)]
fn ranks(values: &[f64]) -> Vec<f64> {
    let of = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        below as f64 + (equal as f64 + 1.0) / 2.0
    };
    values.iter().map(of).collect()
}

impl fmt::Display for RankAgreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .methods
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0);
        let width = width.max("Spearman".len());
        write!(f, "{:width$}", "Spearman")?;
        for name in &self.methods {
            write!(f, "  {name:>width$}")?;
        }
        for (name, row) in self.methods.iter().zip(&self.spearman) {
            write!(f, "\n{name:width$}")?;
            for value in row {
                match value {
                    Some(value) => write!(f, "  {value:>width$.2}")?,
                    None => write!(f, "  {:>width$}", "-")?,
                }
            }
        }
        Ok(())
    }
}
