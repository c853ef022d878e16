//! Rank correlations against SciPy, and on bad input.

#![allow(clippy::unwrap_used)]

use hitcast_explain::{ExplainError, kendall, rank_agreement, spearman};

use crate::support::{close, golden};

#[test]
fn rank_correlations_agree_with_scipy() {
    assert_eq!(golden().ranks.len(), 3);
    for case in &golden().ranks {
        let got = spearman(&case.a, &case.b).unwrap().unwrap();
        close("Spearman's correlation", got, case.spearman, 1e-12);
        let got = kendall(&case.a, &case.b).unwrap().unwrap();
        close("Kendall's tau", got, case.kendall, 1e-12);
    }
}

#[test]
fn methods_are_compared_two_by_two() {
    let (a, b, level) = ([0.1, 0.5, 0.3], [3.0, 1.0, 2.0], [1.0; 3]);
    let agreement = rank_agreement(&[("permutation", &a), ("shapley", &b), ("level", &level)]).unwrap();
    assert_eq!(agreement.spearman[0], [Some(1.0), Some(-1.0), None]);
    assert_eq!(agreement.kendall[1], [Some(-1.0), Some(1.0), None]);
    let table = agreement.to_string();
    assert_eq!(table.lines().count(), 4);
    assert!(
        table.contains("-1.00") && table.contains("permutation"),
        "{table}"
    );
}

#[test]
fn what_cannot_be_ranked_is_refused() {
    assert!(matches!(
        spearman(&[1.0, 2.0], &[1.0]),
        Err(ExplainError::Length { .. })
    ));
    assert!(matches!(
        kendall(&[1.0], &[1.0]),
        Err(ExplainError::Length { .. })
    ));
    assert!(matches!(
        rank_agreement(&[("a", &[1.0, f64::NAN])]),
        Err(ExplainError::NotFinite { .. })
    ));
}
