//! The metrics against scikit-learn, against their own definitions, and on bad input.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use approx::assert_relative_eq;
use hitcast_core::Seed;
use hitcast_metrics::{
    Bootstrap, Direction, MeanBaseline, MedianBaseline, MetricsError, RegressionMetric, RegressionMetrics,
    by_group, mape_scikit_learn,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    actual: Vec<f64>,
    predicted: Vec<f64>,
    mse: f64,
    rmse: f64,
    mae: f64,
    r2: f64,
    mape: Option<f64>,
    mape_scikit_learn: f64,
    median_absolute_error: f64,
    max_error: f64,
    explained_variance: f64,
}

#[track_caller]
fn close(case: &str, metric: &str, got: f64, expected: f64) {
    // R² and its like are differences from 1, so their last digits are those of 1.
    let tolerance = 1e-12
        * expected.abs().max(if metric == "r2" || metric == "ev" {
            1.0
        } else {
            0.0
        });
    assert!(
        (got - expected).abs() <= tolerance,
        "{case}: {metric} is {got}, expected {expected}"
    );
}

#[test]
fn every_metric_agrees_with_scikit_learn() {
    let golden: Golden = serde_json::from_str(include_str!("golden/regression.json")).unwrap();
    assert!(golden.cases.len() > 10);
    for case in golden.cases {
        let m = RegressionMetrics::compute(&case.actual, &case.predicted).unwrap();
        close(&case.name, "mse", m.mse, case.mse);
        close(&case.name, "rmse", m.rmse, case.rmse);
        close(&case.name, "mae", m.mae, case.mae);
        close(&case.name, "r2", m.r2, case.r2);
        close(
            &case.name,
            "median",
            m.median_absolute_error,
            case.median_absolute_error,
        );
        close(&case.name, "max", m.max_error, case.max_error);
        close(&case.name, "ev", m.explained_variance, case.explained_variance);
        assert_eq!(m.mape.is_some(), case.mape.is_some(), "{}", case.name);
        if let (Some(got), Some(expected)) = (m.mape, case.mape) {
            close(&case.name, "mape", got, expected);
        }
        let own = mape_scikit_learn(&case.actual, &case.predicted).unwrap();
        close(&case.name, "mape_scikit_learn", own, case.mape_scikit_learn);
    }
}

#[test]
fn zero_targets_are_counted_and_left_out_of_mape_only() {
    let m = RegressionMetrics::compute(&[0.0, 10.0, -0.0, 20.0], &[5.0, 11.0, 0.0, 10.0]).unwrap();
    assert_eq!(m.n_zero_targets, 2);
    assert_relative_eq!(m.mape.unwrap(), (0.1 + 0.5) / 2.0);
    assert_relative_eq!(m.mae, 4.0);
    assert!(mape_scikit_learn(&[0.0, 10.0], &[5.0, 11.0]).unwrap() > 1e15);
    assert_eq!(RegressionMetrics::compute(&[0.0], &[1.0]).unwrap().mape, None);
}

#[test]
fn a_single_row_has_metrics() {
    let m = RegressionMetrics::compute(&[4.0], &[5.0]).unwrap();
    assert_eq!((m.n, m.mse, m.r2, m.explained_variance), (1, 1.0, 0.0, 1.0));
    assert_eq!(RegressionMetrics::compute(&[4.0], &[4.0]).unwrap().r2, 1.0);
}

#[test]
fn bad_input_is_an_error_that_says_where() {
    let text = |e: MetricsError| e.to_string();
    assert_eq!(
        text(RegressionMetrics::compute(&[1.0, 2.0], &[1.0]).unwrap_err()),
        "there are 1 predictions for 2 actual values: both need one value a row"
    );
    assert!(text(RegressionMetrics::compute(&[], &[]).unwrap_err()).contains("no rows"));
    assert!(
        text(RegressionMetrics::compute(&[1.0, 2.0], &[1.0, f64::NAN]).unwrap_err())
            .contains("predictions have NaN in row 1")
    );
    assert!(
        text(RegressionMetrics::compute(&[f64::INFINITY], &[1.0]).unwrap_err())
            .contains("actual values have inf")
    );
    assert!(matches!(
        RegressionMetrics::compute(&[1e200, -1e200], &[-1e200, 1e200]),
        Err(MetricsError::Overflow { metric: "mse", .. })
    ));
    assert!(matches!(MeanBaseline::fit(&[]), Err(MetricsError::NoRows { .. })));
    assert!(matches!(
        MedianBaseline::fit(&[f64::NAN]),
        Err(MetricsError::NotFinite { row: 0, .. })
    ));
    assert!(matches!(
        by_group(&[1.0], &[1.0], &[]),
        Err(MetricsError::Length { what: "groups", .. })
    ));
    assert!(matches!(
        mape_scikit_learn(&[1.0], &[]),
        Err(MetricsError::Length { .. })
    ));
}

#[test]
fn metric_names_come_back_and_a_slip_is_answered() {
    for metric in RegressionMetric::ALL {
        assert_eq!(metric.to_string().parse::<RegressionMetric>().unwrap(), metric);
        assert_eq!(serde_json::to_string(&metric).unwrap(), format!("\"{metric}\""));
    }
    assert_eq!(
        "Max-Error".parse::<RegressionMetric>().unwrap(),
        RegressionMetric::MaxError
    );
    let error = "rsme".parse::<RegressionMetric>().unwrap_err().to_string();
    assert!(error.contains("did you mean \"rmse\"?"), "{error}");
    assert_eq!(RegressionMetric::R2.direction(), Direction::Maximize);
    assert!(Direction::Minimize.is_better(1.0, 2.0) && !Direction::Maximize.is_better(1.0, 2.0));
    assert!(Direction::Minimize.is_better(1.0, f64::NAN) && !Direction::Minimize.is_better(f64::NAN, 1.0));
}

#[test]
fn metrics_survive_json_in_snake_case() {
    let m = RegressionMetrics::compute(&[0.0], &[1.5]).unwrap();
    let text = serde_json::to_string(&m).unwrap();
    assert!(
        text.contains("\"median_absolute_error\":1.5") && text.contains("\"mape\":null"),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<RegressionMetrics>(&text).unwrap(), m);
}

#[test]
fn the_missing_group_comes_last_under_its_own_name() {
    let groups = [Some("rock"), None, Some("folk"), Some("rock"), None];
    let (actual, predicted) = ([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 5.0, 5.0, 5.0]);
    let found = by_group(&actual, &predicted, &groups).unwrap();
    let shape: Vec<_> = found
        .iter()
        .map(|g| (g.group.as_deref(), g.metrics.n, g.metrics.mae))
        .collect();
    assert_eq!(
        shape,
        [(Some("folk"), 1, 2.0), (Some("rock"), 2, 0.5), (None, 2, 0.5)]
    );
}

#[test]
fn baselines_predict_the_best_constants() {
    let train = [1.0, 2.0, 9.0, 0.0];
    assert_eq!(MeanBaseline::fit(&train).unwrap().predict(2), [3.0, 3.0]);
    assert_eq!(MedianBaseline::fit(&train).unwrap().predict(1), [1.5]);
    assert_relative_eq!(
        MeanBaseline::fit(&train).unwrap().evaluate(&train).unwrap().r2,
        0.0
    );
    assert_relative_eq!(
        MedianBaseline::fit(&train).unwrap().evaluate(&train).unwrap().mae,
        2.5
    );
}

fn noisy(n: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut stream = Seed::new(seed).stream("data");
    let actual: Vec<f64> = (0..n).map(|_| 40.0 + 18.0 * stream.normal()).collect();
    let predicted = actual.iter().map(|a| a + 10.0 * stream.normal()).collect();
    (actual, predicted)
}

#[test]
fn intervals_do_not_depend_on_the_number_of_threads() {
    let (actual, predicted) = noisy(101, 1);
    let of = |threads| {
        Bootstrap {
            threads,
            resamples: 97,
            ..Bootstrap::default()
        }
        .intervals(&actual, &predicted, Seed::new(3))
        .unwrap()
    };
    assert_eq!(of(1), of(2));
    assert_eq!(of(1), of(7));
    assert_eq!(of(1), of(1000));
    let other = Bootstrap {
        resamples: 97,
        ..Bootstrap::default()
    };
    assert_ne!(
        other
            .intervals(&actual, &predicted, Seed::new(4))
            .unwrap()
            .intervals,
        of(1).intervals
    );
}

#[test]
fn a_95_percent_interval_holds_the_true_value_about_95_times_in_100() {
    // The true values of the data: MSE 100, MAE 10·√(2/π).
    let settings = Bootstrap {
        resamples: 400,
        ..Bootstrap::default()
    };
    let truth = [
        (RegressionMetric::Mse, 100.0),
        (RegressionMetric::Mae, 10.0 * (2.0 / std::f64::consts::PI).sqrt()),
    ];
    let mut covered = [0_u32; 2];
    for trial in 0..300 {
        let (actual, predicted) = noisy(200, 1000 + trial);
        let found = settings.intervals(&actual, &predicted, Seed::new(trial)).unwrap();
        for (count, (metric, value)) in covered.iter_mut().zip(truth) {
            let interval = found.intervals[&metric];
            *count += u32::from(interval.low <= value && value <= interval.high);
        }
    }
    // Three standard errors of 300 trials are 3.8 points; the percentile bootstrap is known to be a little narrow.
    assert!(
        covered.iter().all(|c| (270..=297).contains(c)),
        "{covered:?} of 300"
    );
}

#[test]
fn intervals_hold_the_estimate_and_leave_out_what_is_undefined() {
    let (actual, predicted) = noisy(500, 5);
    let found = Bootstrap::default()
        .intervals(&actual, &predicted, Seed::new(1))
        .unwrap();
    for (metric, interval) in &found.intervals {
        assert!(
            interval.low <= interval.estimate && interval.estimate <= interval.high,
            "{metric} {interval:?}"
        );
    }
    assert_eq!(found.intervals.len(), 8);
    let zeros = Bootstrap::default()
        .intervals(&[0.0, 0.0], &[1.0, 2.0], Seed::new(1))
        .unwrap();
    assert!(!zeros.intervals.contains_key(&RegressionMetric::Mape));
    assert_eq!(zeros.intervals[&RegressionMetric::R2].high, 0.0);
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(
        serde_json::from_str::<hitcast_metrics::RegressionIntervals>(&json).unwrap(),
        found
    );
}

#[test]
fn a_group_has_the_interval_it_has_alone() {
    let (actual, predicted) = noisy(60, 9);
    let groups: Vec<_> = (0..60).map(|row| [Some("a"), Some("b"), None][row % 3]).collect();
    let settings = Bootstrap {
        resamples: 50,
        ..Bootstrap::default()
    };
    let together = settings
        .by_group(&actual, &predicted, &groups, Seed::new(1))
        .unwrap();
    assert_eq!(
        together.iter().map(|g| g.group.as_deref()).collect::<Vec<_>>(),
        [Some("a"), Some("b"), None]
    );
    let only = |values: &[f64]| values.iter().copied().step_by(3).collect::<Vec<_>>();
    let alone = settings
        .by_group(&only(&actual), &only(&predicted), &[Some("a"); 20], Seed::new(1))
        .unwrap();
    assert_eq!(alone[0], together[0]);
}

#[test]
fn impossible_bootstrap_settings_are_named() {
    for (settings, name) in [
        (
            Bootstrap {
                resamples: 1,
                ..Bootstrap::default()
            },
            "resamples is 1",
        ),
        (
            Bootstrap {
                confidence: 1.0,
                ..Bootstrap::default()
            },
            "confidence is 1",
        ),
        (
            Bootstrap {
                confidence: f64::NAN,
                ..Bootstrap::default()
            },
            "confidence is NaN",
        ),
    ] {
        let error = settings
            .intervals(&[1.0, 2.0], &[1.0, 2.0], Seed::new(0))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(name), "{error}");
    }
}

proptest! {
    #[test]
    fn the_metrics_keep_their_bounds(rows in prop::collection::vec((-1e6..1e6_f64, -1e6..1e6_f64), 1..80)) {
        let (actual, predicted): (Vec<f64>, Vec<f64>) = rows.into_iter().unzip();
        let m = RegressionMetrics::compute(&actual, &predicted).unwrap();
        prop_assert!(m.mae <= m.rmse * (1.0 + 1e-12) && m.rmse <= m.max_error * (1.0 + 1e-12));
        prop_assert!(m.median_absolute_error <= m.max_error);
        prop_assert!(m.r2 <= 1.0 && m.r2 <= m.explained_variance + 1e-9 * (1.0 + m.r2.abs()));
    }

    #[test]
    fn the_order_of_rows_does_not_matter(
        rows in prop::collection::vec((-100.0..100.0_f64, -100.0..100.0_f64), 2..60), seed: u64,
    ) {
        let mut other = rows.clone();
        Seed::new(seed).stream("order").shuffle(&mut other);
        let of = |rows: Vec<(f64, f64)>| {
            let (a, p): (Vec<f64>, Vec<f64>) = rows.into_iter().unzip();
            RegressionMetrics::compute(&a, &p).unwrap()
        };
        let (one, two) = (of(rows), of(other));
        prop_assert!((one.mse - two.mse).abs() <= 1e-13 * one.mse);
        prop_assert_eq!(one.median_absolute_error, two.median_absolute_error);
        prop_assert_eq!(one.mape.is_some(), two.mape.is_some());
    }

    #[test]
    fn perfect_predictions_are_perfect(actual in prop::collection::vec(-1e9..1e9_f64, 1..50)) {
        let m = RegressionMetrics::compute(&actual, &actual).unwrap();
        prop_assert_eq!((m.mse, m.r2, m.explained_variance, m.max_error), (0.0, 1.0, 1.0, 0.0));
    }

    #[test]
    fn groups_weighted_by_size_give_the_whole(
        rows in prop::collection::vec((-50.0..50.0_f64, -50.0..50.0_f64, 0..4_usize), 1..80),
    ) {
        let names = [Some("a"), Some("b"), Some("c"), None];
        let actual: Vec<f64> = rows.iter().map(|r| r.0).collect();
        let predicted: Vec<f64> = rows.iter().map(|r| r.1).collect();
        let groups: Vec<_> = rows.iter().map(|r| names[r.2]).collect();
        let whole = RegressionMetrics::compute(&actual, &predicted).unwrap();
        let parts = by_group(&actual, &predicted, &groups).unwrap();
        prop_assert_eq!(parts.iter().map(|g| g.metrics.n).sum::<usize>(), whole.n);
        #[allow(clippy::cast_precision_loss)]
        let mse = parts.iter().map(|g| g.metrics.mse * g.metrics.n as f64).sum::<f64>() / whole.n as f64;
        prop_assert!((mse - whole.mse).abs() <= 1e-10 * whole.mse.max(1.0));
    }
}
