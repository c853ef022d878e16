//! Histogram boosting: against scikit-learn, by what it must fulfil, and on bad input.

use std::sync::Mutex;

use hitcast_classical::{HistGradientBoosting, MaxFeatures, TreeKind, TreeModel, TreeNode};
use hitcast_core::{
    CoreError, Dataset, Estimator, Event, FeatureBlock, FeatureColumn, Features, FitContext, Indicators, Model,
    Progress, Seed, StopReason, StopSignal,
};
use ndarray::{Array2, array, s};
use serde::Deserialize;

use crate::support::{changed, classes, close, curve, fit, labels, numbers};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    n_classes: usize,
    settings: HistGradientBoosting,
    x: Vec<Vec<Option<f32>>>,
    y: Vec<f64>,
    new: Vec<Vec<Option<f32>>>,
    weights: Option<Vec<f64>>,
    predictions: Vec<f64>,
    train_loss: Vec<f64>,
}

fn with_missing(rows: &[Vec<Option<f32>>]) -> Array2<f32> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(row, column)| {
        rows[row][column].unwrap_or(f32::NAN)
    })
}

/// Features that may lack values.
fn lacking(x: Array2<f32>) -> Features {
    let names = (0..x.ncols()).map(|j| FeatureColumn::plain(format!("x{j}")));
    let names = names.collect();
    Features::with_missing(x, names).unwrap()
}

fn small() -> HistGradientBoosting {
    HistGradientBoosting {
        max_iter: 10,
        min_samples_leaf: 5,
        ..HistGradientBoosting::default()
    }
}

fn predicted(model: &TreeModel, x: &Array2<f32>) -> Vec<f64> {
    model.predict(x.view()).unwrap().into_values()
}

#[test]
fn iterations_on_all_rows_are_those_of_scikit_learn() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/hist_boosting.json")).unwrap();
    assert_eq!(golden.cases.len(), 10);
    for case in golden.cases {
        let features = lacking(with_missing(&case.x));
        let mut data = if case.n_classes > 0 {
            let classes: Vec<usize> = case.y.iter().map(|y| *y as usize).collect();
            Dataset::of_classes(features, &classes, case.n_classes).unwrap()
        } else {
            Dataset::new(features, case.y).unwrap()
        };
        if let Some(weights) = case.weights {
            data = data.with_weights(weights).unwrap();
        }
        let fit = fit(&case.settings, &data, 1).unwrap();
        let new = with_missing(&case.new);
        let predicted = fit.model.predict(new.view()).unwrap().into_values();
        close(&predicted, &case.predictions, 1e-6, &case.name);
        let losses: Vec<f64> = fit.history.iter().map(|record| record.train_loss).collect();
        close(&losses, &case.train_loss, 1e-6, &case.name);
        assert_eq!(fit.best_epoch, Some(case.settings.max_iter));
    }
}
