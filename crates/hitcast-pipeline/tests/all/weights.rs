//! Rows that count more than others.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use hitcast_classical::{LinearRegression, LinearRegressionModel};
use hitcast_core::{BoxError, DeviceChoice, Estimator, Model, ModelState, StopSignal};
use hitcast_data::{Column, Table};
use hitcast_metrics::RegressionMetric;
use hitcast_pipeline::{Experiment, ModelKind, Registry, Run, RunContext, parse_settings};

struct Linear;

impl ModelKind for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn estimator(&self, settings: &serde_json::Value) -> Result<Box<dyn Estimator>, BoxError> {
        Ok(Box::new(parse_settings::<LinearRegression>(settings)?))
    }

    fn load(&self, state: &ModelState, _: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        Ok(Box::new(LinearRegressionModel::from_state(state)?))
    }
}

/// A line of slope 2, and every fifth row far off it with this weight.
fn run(weight_off_the_line: f64) -> hitcast_pipeline::Result<Run> {
    let experiment = Experiment::from_toml(
        r#"
        name = "line"
        references = []
        data = { target = "y", features = ["x"], weight = "counts" }

        [[models]]
        name = "straight"
        kind = "linear"
        "#,
    )
    .unwrap();
    let off = |row: u32| row.is_multiple_of(5);
    let x: Vec<f64> = (0..200).map(f64::from).collect();
    let y = (0..200).map(|row| 2.0 * f64::from(row) + if off(row) { 1e4 } else { 0.0 });
    let counts = (0..200).map(|row| if off(row) { weight_off_the_line } else { 3.0 });
    let table = Table::new([
        ("x", Column::Number(x)),
        ("y", Column::Number(y.collect())),
        ("counts", Column::Number(counts.collect())),
    ])
    .unwrap();
    let stop = StopSignal::new();
    experiment.run_on(
        table,
        None,
        &Registry::new().with(Linear),
        &RunContext::quiet(&stop),
    )
}

fn prediction_at_100(run: &Run) -> f64 {
    let row = [("x".to_owned(), 100.0.into())].into();
    run.bundle().predict_row(&row).unwrap().value.number().unwrap()
}

#[test]
fn rows_of_weight_zero_are_not_learned_from_but_judged() {
    let ignoring = run(0.0).unwrap();
    assert!((prediction_at_100(&ignoring) - 200.0).abs() < 1e-3);
    assert!(ignoring.report.metrics.test.get(RegressionMetric::MaxError) > Some(9e3));
    assert!(prediction_at_100(&run(3.0).unwrap()) > 1000.0);
}

#[test]
fn a_weight_that_is_none_is_an_error_that_names_the_column() {
    for (weight, expected) in [
        (-1.0, "holds -1"),
        (f64::INFINITY, "holds inf"),
        (f64::NAN, "missing in 40 rows"),
    ] {
        let error = run(weight).unwrap_err().to_string();
        assert!(
            error.contains("data.weight") && error.contains("\"counts\"") && error.contains(expected),
            "{error}"
        );
    }
}
