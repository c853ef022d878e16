//! Outlier bounds come from the training rows and drop no other rows.

#![allow(clippy::expect_used)]
#![allow(clippy::unwrap_used)]

use hitcast_data::clean::{OutlierAction, OutlierBounds};
use hitcast_data::{Column, FittedOutliers, OutlierRule, Table};
use proptest::prelude::*;

fn table(values: &[f64]) -> Table {
    Table::new([("tempo", Column::Number(values.to_vec()))]).unwrap()
}

fn rule(bounds: OutlierBounds, action: OutlierAction) -> OutlierRule {
    OutlierRule {
        columns: vec!["tempo".to_owned()],
        bounds,
        action,
    }
}

const VALUES: [f64; 9] = [3.0, 1.0, 4.0, 1.0, 5.0, f64::NAN, 9.0, 2.0, 60.0];

#[test]
fn bounds_are_those_of_numpy_without_missing_values() {
    // import numpy as np; v = [3, 1, 4, 1, 5, 9, 2, 60]
    // q1, q3 = np.quantile(v, [.25, .75])                         -> 1.75, 6.0
    // q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)                  -> -4.625, 12.375
    // np.quantile(v, [.1, .9])                                    -> 1.0, 24.3
    let training = table(&VALUES);
    let fences = rule(OutlierBounds::default(), OutlierAction::Drop)
        .fit(&training)
        .unwrap();
    assert_eq!((fences.bounds[0].lower, fences.bounds[0].upper), (-4.625, 12.375));
    let quantiles = OutlierBounds::Quantile {
        lower: 0.1,
        upper: 0.9,
    };
    let quantiles = rule(quantiles, OutlierAction::Clip).fit(&training).unwrap();
    assert_eq!(quantiles.bounds[0].lower, 1.0);
    assert!((quantiles.bounds[0].upper - 24.3).abs() < 1e-12);
}

#[test]
fn outliers_leave_the_training_rows_only() {
    let fitted = rule(OutlierBounds::default(), OutlierAction::Drop)
        .fit(&table(&VALUES))
        .unwrap();
    let (training, report) = fitted.apply_to_training(table(&VALUES)).unwrap();
    assert_eq!(training.source_rows(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(
        (report.rows_in, report.rows_dropped(), report.rows_out),
        (9, 1, 8)
    );
    let held_out = table(&[1e9, 2.0]);
    let (kept, report) = fitted.apply_to_held_out(held_out.clone()).unwrap();
    assert_eq!(kept, held_out);
    assert_eq!(report.rows_dropped(), 0);
}

#[test]
fn clipping_keeps_every_row_and_every_missing_value() {
    let bounds = OutlierBounds::Quantile {
        lower: 0.0,
        upper: 0.5,
    };
    let fitted = rule(bounds, OutlierAction::Clip).fit(&table(&VALUES)).unwrap();
    let (clipped, report) = fitted
        .apply_to_held_out(table(&[-5.0, 2.0, f64::NAN, 50.0]))
        .unwrap();
    let values = clipped.numbers("tempo").unwrap();
    assert_eq!((values[0], values[1], values[3]), (1.0, 2.0, 3.5));
    assert!(values[2].is_nan());
    assert_eq!((report.rows_out, report.values_changed()), (4, 2));
}

#[test]
fn a_rule_that_cannot_be_is_refused_when_it_is_fitted() {
    let refused = |bounds| {
        rule(bounds, OutlierAction::Drop)
            .fit(&table(&VALUES))
            .unwrap_err()
            .to_string()
    };
    let message = refused(OutlierBounds::Interquartile { factor: -1.0 });
    assert!(message.contains("factor is -1"), "{message}");
    let message = refused(OutlierBounds::Quantile {
        lower: 0.9,
        upper: 0.1,
    });
    assert!(message.contains("0.9 and 0.1"), "{message}");
    let nothing = rule(OutlierBounds::default(), OutlierAction::Drop)
        .fit(&table(&[f64::NAN]))
        .unwrap_err();
    assert!(
        nothing.to_string().contains("no values in the 1 rows"),
        "{nothing}"
    );
    assert!(OutlierRule::default().fit(&table(&VALUES)).is_err());
}

#[test]
fn a_fitted_rule_survives_json_and_a_rule_is_readable_toml() {
    let text = "columns = [\"tempo\"]\nbounds = { interquartile = { factor = 3.0 } }\naction = \"clip\"";
    let read: OutlierRule = toml::from_str(text).unwrap();
    assert_eq!(
        read,
        rule(OutlierBounds::Interquartile { factor: 3.0 }, OutlierAction::Clip)
    );
    let fitted = read.fit(&table(&VALUES)).unwrap();
    let again: FittedOutliers = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
    assert_eq!(again, fitted);
}

proptest! {
    #[test]
    fn held_out_rows_change_no_bound_and_are_never_dropped(
        training in prop::collection::vec(-1e6..1e6_f64, 1..60),
        held_out in prop::collection::vec(-1e9..1e9_f64, 0..60),
        clip: bool,
    ) {
        let action = if clip { OutlierAction::Clip } else { OutlierAction::Drop };
        let fitted = rule(OutlierBounds::default(), action).fit(&table(&training)).unwrap();
        let (after, _) = fitted.apply_to_held_out(table(&held_out)).unwrap();
        prop_assert_eq!(after.n_rows(), held_out.len());
        let (kept, report) = fitted.apply_to_training(table(&training)).unwrap();
        prop_assert_eq!(report.rows_in, report.rows_out + report.rows_dropped());
        let bounds = &fitted.bounds[0];
        prop_assert!(kept.numbers("tempo").unwrap().iter().all(|v| (bounds.lower..=bounds.upper).contains(v)));
    }
}
