//! Training rows divided further: in proportion of their classes, and whole groups together where the rows have groups.

use hitcast_core::{Dataset, Seed};
use hitcast_preprocess::split::Codes;
use hitcast_preprocess::{Fold, Fractions, KFold};

use crate::error::Result;

/// The share of the rows to learn from that a model is given to stop by, where it needs such rows.
pub(crate) const INNER_SHARE: f64 = 0.2;

/// The folds of some rows.
pub(crate) fn folds(rows: &Dataset, folds: usize, seed: Seed) -> Result<Vec<Fold>> {
    let settings = KFold {
        folds,
        ..KFold::default()
    };
    let (classes, groups) = codes(rows, folds);
    Ok(settings.split_rows(rows.n_rows(), classes.as_ref(), groups.as_ref(), seed)?)
}

/// Rows to learn from, and a share of the rows to stop by.
pub(crate) fn hold_out(rows: &Dataset, seed: Seed) -> Result<(Dataset, Dataset)> {
    let fractions = Fractions::new(1.0 - INNER_SHARE, INNER_SHARE, 0.0);
    let (classes, groups) = codes(rows, 2);
    let split = fractions.split(rows.n_rows(), classes.as_ref(), groups.as_ref(), seed)?;
    Ok((rows.take(&split.train)?, rows.take(&split.validation)?))
}

/// Classes and groups. Where a class has too few rows to be in every part, none is kept in proportion.
fn codes(rows: &Dataset, parts: usize) -> (Option<Codes>, Option<Codes>) {
    let of = |codes: &[usize]| Codes::new(&codes.iter().map(|&code| code as u64).collect::<Vec<_>>());
    let is_enough = |codes: &Codes| codes.counts().iter().all(|&count| count >= parts);
    let classes = rows.classes().as_deref().map(of).filter(is_enough);
    // Of whole groups it is not known how many a class is in.
    (classes.filter(|_| rows.groups().is_none()), rows.groups().map(of))
}
