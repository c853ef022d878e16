//! Histogram boosting: against scikit-learn, by what it must fulfil, and on bad input.

use std::sync::Mutex;

use hitcast_classical::{HistGradientBoosting, MaxFeatures, TreeKind, TreeModel, TreeNode};
use hitcast_core::{
    CoreError, Dataset, Estimator, Event, FeatureBlock, FeatureColumn, Features, FitContext, Indicators,
    Model, Progress, Seed, StopReason, StopSignal,
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

#[test]
fn threads_do_not_change_a_model() {
    let (x, y) = curve(3_000, 9, 3);
    let drawn = HistGradientBoosting {
        subsample: 0.6,
        colsample_bytree: 0.7,
        max_features: MaxFeatures::Count(3),
        ..small()
    };
    let three = labels(x.clone(), &classes(&y), 3);
    // More rows than are summed up at once, in fewer columns than threads.
    let (narrow, of_narrow) = curve(150_000, 1, 4);
    let narrow = numbers(narrow, of_narrow);
    let numbers = numbers(x, y);
    let part = HistGradientBoosting {
        subsample: 0.6,
        ..small()
    };
    let cases = [
        (small(), &numbers),
        (drawn, &three),
        (small(), &narrow),
        (part, &narrow),
    ];
    for (settings, data) in cases {
        let with = |threads| {
            let settings = HistGradientBoosting {
                threads,
                max_iter: 3,
                ..settings.clone()
            };
            let stop = StopSignal::new();
            let context = FitContext::quiet("test", Seed::new(1), &stop);
            let fit = settings.fit(data, Some(data), &context).unwrap();
            let losses: Vec<_> = (fit.history.iter())
                .map(|record| (record.train_loss, record.validation_loss))
                .collect();
            (fit.model.state().unwrap(), losses)
        };
        let alone = with(1);
        for (train, validation) in &alone.1 {
            // They are the same rows, those that were drawn and those that were not.
            close(&[validation.unwrap()], &[*train], 1e-9, "the two losses");
        }
        for threads in [2, 5] {
            assert_eq!(with(threads), alone, "{threads} threads");
        }
    }
}

#[test]
fn a_seed_decides_what_is_drawn() {
    let (x, y) = curve(400, 6, 1);
    let data = numbers(x, y);
    let all = small();
    let one = all.fit_model(&data, Seed::new(1)).unwrap();
    assert_eq!(all.fit_model(&data, Seed::new(2)).unwrap(), one);
    for drawn in [
        HistGradientBoosting {
            subsample: 0.5,
            ..small()
        },
        HistGradientBoosting {
            colsample_bytree: 0.5,
            ..small()
        },
        HistGradientBoosting {
            max_features: MaxFeatures::Count(2),
            ..small()
        },
    ] {
        let model = drawn.fit_model(&data, Seed::new(1)).unwrap();
        assert_eq!(drawn.fit_model(&data, Seed::new(1)).unwrap(), model);
        assert_ne!(drawn.fit_model(&data, Seed::new(2)).unwrap(), model);
        assert_ne!(model, one);
    }
}

#[test]
fn a_draw_bounds_the_rows_and_features_of_a_tree() {
    let (x, y) = curve(400, 6, 1);
    let data = numbers(x, y);
    let drawn = HistGradientBoosting {
        subsample: 0.5,
        colsample_bytree: 0.34,
        ..small()
    };
    let model = drawn.fit_model(&data, Seed::new(1)).unwrap();
    let mut asked = Vec::new();
    for tree in model.ensemble().trees() {
        assert_eq!(tree.leaf_covers().iter().sum::<f64>(), 200.0);
        let nodes = (0..tree.n_nodes()).filter_map(|place| tree.node(place));
        let mut features: Vec<u32> = nodes
            .filter_map(|node| match node {
                TreeNode::Split { feature, .. } => Some(feature),
                TreeNode::Leaf { .. } => None,
            })
            .collect();
        features.sort_unstable();
        features.dedup();
        assert!(!features.is_empty() && features.len() <= 2, "{features:?}");
        asked.extend(features);
    }
    asked.sort_unstable();
    asked.dedup();
    assert!(asked.len() > 2, "{asked:?}");
}

#[test]
fn leaves_and_depth_stay_within_their_limits() {
    let (x, y) = curve(600, 4, 2);
    let data = numbers(x, y);
    for (max_leaf_nodes, max_depth, min_samples_leaf) in [
        (Some(2), None, 1),
        (Some(7), None, 5),
        (None, Some(3), 20),
        (None, None, 50),
    ] {
        let settings = HistGradientBoosting {
            max_leaf_nodes,
            max_depth,
            min_samples_leaf,
            ..small()
        };
        let model = settings.fit_model(&data, Seed::new(1)).unwrap();
        for tree in model.ensemble().trees() {
            assert!(tree.n_leaves() > 1 && tree.n_leaves() <= max_leaf_nodes.unwrap_or(600));
            assert!(tree.depth() <= max_depth.unwrap_or(600));
            assert!(
                tree.leaf_covers()
                    .iter()
                    .all(|cover| *cover >= min_samples_leaf as f64)
            );
        }
    }
    // The order in which nodes are split is another without a limit, but not what comes out of it.
    let free = HistGradientBoosting {
        max_leaf_nodes: None,
        ..small()
    };
    let loose = HistGradientBoosting {
        max_leaf_nodes: Some(600),
        ..small()
    };
    let x = data.features().matrix().into_owned();
    let [free, loose] =
        [free, loose].map(|settings| predicted(&settings.fit_model(&data, Seed::new(1)).unwrap(), &x));
    close(&free, &loose, 1e-9, "without a limit");
}

#[test]
fn only_the_order_of_values_matters() {
    let (x, y) = curve(300, 3, 5);
    let rising = x.mapv(|value| (value * 0.5).exp() * 100.0 - 7.0);
    let settings = small();
    let of = |x: &Array2<f32>| {
        predicted(
            &settings
                .fit_model(&numbers(x.clone(), y.clone()), Seed::new(1))
                .unwrap(),
            x,
        )
    };
    assert_eq!(of(&x), of(&rising));
}

#[test]
fn the_unit_of_the_target_does_not_matter() {
    let (x, y) = curve(300, 3, 5);
    let of = |unit: f64| {
        let y = y.iter().map(|y| y * unit).collect();
        predicted(
            &small().fit_model(&numbers(x.clone(), y), Seed::new(1)).unwrap(),
            &x,
        )
    };
    let plain = of(1.0);
    for unit in [2.0_f64.powi(-300), 2.0_f64.powi(400)] {
        let scaled: Vec<f64> = of(unit).into_iter().map(|value| value / unit).collect();
        close(&scaled, &plain, 1e-12, "unit");
    }
}

#[test]
fn a_weight_of_two_is_a_row_twice_and_of_none_no_row() {
    let (x, y) = curve(200, 3, 6);
    let settings = HistGradientBoosting {
        min_samples_leaf: 1,
        max_leaf_nodes: Some(12),
        max_bins: 40,
        ..small()
    };
    let weights: Vec<f64> = (0..200).map(|row| f64::from(row % 3)).collect();
    let repeated: Vec<usize> = (0..200)
        .flat_map(|row| std::iter::repeat_n(row, row % 3))
        .collect();
    for n_classes in [0, 2] {
        let of = |rows: &[usize]| {
            let own = x.select(ndarray::Axis(0), rows);
            match n_classes {
                0 => numbers(own, rows.iter().map(|row| y[*row]).collect()),
                _ => labels(
                    own,
                    &rows
                        .iter()
                        .map(|row| usize::from(y[*row] > 0.0))
                        .collect::<Vec<_>>(),
                    2,
                ),
            }
        };
        let all: Vec<usize> = (0..200).collect();
        let weighted = of(&all).with_weights(weights.clone()).unwrap();
        let weighted = settings.fit_model(&weighted, Seed::new(1)).unwrap();
        let twice = settings.fit_model(&of(&repeated), Seed::new(1)).unwrap();
        close(&predicted(&weighted, &x), &predicted(&twice, &x), 1e-5, "twice");
    }
}

#[test]
fn encoded_columns_are_split_as_if_they_were_written_out() {
    let (x, y) = curve(500, 2, 7);
    let category = |row: usize| (row * 7 % 11) as u32;
    let y: Vec<f64> = (0..500)
        .map(|row| y[row] + f64::from(category(row) % 3))
        .collect();
    let names: Vec<FeatureColumn> = (0..12).map(|j| FeatureColumn::plain(format!("x{j}"))).collect();
    // Category 10 has no column.
    let encoded = Indicators::one_hot(10, (0..500).map(category));
    let blocks = vec![
        FeatureBlock::Dense(x.slice(s![.., ..1]).to_owned()),
        FeatureBlock::Indicators(encoded),
        FeatureBlock::Dense(x.slice(s![.., 1..]).to_owned()),
    ];
    let encoded = Features::from_blocks(500, blocks, names.clone()).unwrap();
    let written = Features::new(encoded.matrix().into_owned(), names).unwrap();
    let matrix = written.matrix().into_owned();
    let settings = HistGradientBoosting {
        max_features: MaxFeatures::Count(6),
        ..small()
    };
    let of = |features: &Features| Dataset::new(features.clone(), y.clone()).unwrap();
    let stop = StopSignal::new();
    let context = FitContext::quiet("test", Seed::new(1), &stop);
    for (train, validation) in [(&encoded, &written), (&written, &encoded)] {
        let error = settings
            .fit(&of(train), Some(&of(validation)), &context)
            .unwrap_err();
        assert!(error.to_string().contains("by the same recipe"), "{error}");
    }
    let [encoded, written] = [encoded, written].map(|features| {
        let train = of(&features);
        let fit = settings.fit(&train, Some(&train), &context).unwrap();
        let losses: Vec<f64> = fit
            .history
            .iter()
            .filter_map(|record| record.validation_loss)
            .collect();
        let model = TreeModel::from_state(&fit.model.state().unwrap()).unwrap();
        assert!(model.importances()[1..11].iter().sum::<f64>() > 0.1);
        (predicted(&model, &matrix), losses)
    });
    close(&encoded.0, &written.0, 1e-6, "encoded");
    close(&encoded.1, &written.1, 1e-6, "encoded");
    assert_eq!(encoded.1.len(), 10);
}

#[test]
fn missing_values_go_where_they_fit() {
    // Rows without a value are like those of high values, or of low ones.
    for like in [0.0_f32, 1.0] {
        let x = Array2::from_shape_fn((300, 1), |(row, _)| match row % 3 {
            0 => f32::NAN,
            1 => 0.0,
            _ => 1.0,
        });
        let y: Vec<f64> = x
            .iter()
            .map(|v| f64::from(if v.is_nan() { like } else { *v }))
            .collect();
        let data = Dataset::new(lacking(x), y).unwrap();
        let settings = HistGradientBoosting {
            learning_rate: 1.0,
            max_iter: 1,
            ..small()
        };
        let model = settings.fit_model(&data, Seed::new(1)).unwrap();
        let new = array![[f32::NAN], [0.0], [1.0]];
        close(
            &predicted(&model, &new),
            &[f64::from(like), 0.0, 1.0],
            1e-6,
            "missing",
        );
    }
    // That a value is missing may be all there is to know.
    let x = Array2::from_shape_fn(
        (300, 1),
        |(row, _)| if row % 3 == 0 { f32::NAN } else { row as f32 },
    );
    let y: Vec<f64> = x.iter().map(|v| f64::from(u8::from(v.is_nan()))).collect();
    let data = Dataset::new(lacking(x), y).unwrap();
    let model = HistGradientBoosting {
        learning_rate: 1.0,
        max_iter: 1,
        ..small()
    };
    let model = model.fit_model(&data, Seed::new(1)).unwrap();
    close(
        &predicted(&model, &array![[f32::NAN], [-9.0], [1e9]]),
        &[1.0, 0.0, 0.0],
        1e-6,
        "missing",
    );
    // Where none was missing, they go with the larger part.
    let x = Array2::from_shape_fn((300, 1), |(row, _)| if row < 100 { 0.0 } else { 1.0 });
    let y = x.iter().map(|v| f64::from(*v)).collect();
    let model = HistGradientBoosting {
        learning_rate: 1.0,
        max_iter: 1,
        ..small()
    };
    let model = model.fit_model(&numbers(x, y), Seed::new(1)).unwrap();
    close(
        &predicted(&model, &array![[f32::NAN]]),
        &[1.0],
        1e-6,
        "none missing",
    );
}

#[test]
fn other_models_refuse_missing_values() {
    let x = Array2::from_shape_fn((60, 1), |(row, _)| if row == 7 { f32::NAN } else { row as f32 });
    let y: Vec<f64> = (0..60).map(f64::from).collect();
    let data = Dataset::new(lacking(x.clone()), y).unwrap();
    let of_classes = Dataset::of_classes(lacking(x), &[vec![0; 30], vec![1; 30]].concat(), 2).unwrap();
    use hitcast_classical as models;
    let estimators: [(&dyn Estimator, &Dataset); 10] = [
        (&models::LinearRegression::default(), &data),
        (&models::Ridge::default(), &data),
        (&models::Lasso::default(), &data),
        (&models::ElasticNet::default(), &data),
        (&models::Neighbors::default(), &data),
        (&models::RandomForest::default(), &data),
        (&models::ExtraTrees::default(), &data),
        (&models::GradientBoosting::default(), &data),
        (&models::AdaBoost::default(), &data),
        (&models::LogisticRegression::default(), &of_classes),
    ];
    for (place, (estimator, data)) in estimators.into_iter().enumerate() {
        let error = fit(estimator, data, 1).unwrap_err();
        assert!(
            matches!(error, CoreError::NotFinite { row: 7, .. }),
            "{place}: {error}"
        );
    }
    for data in [&data, &of_classes] {
        assert!(fit(&small(), data, 1).is_ok());
    }
}

#[test]
fn more_trees_lower_the_training_loss() {
    let (x, y) = curve(500, 4, 8);
    for data in [
        numbers(x.clone(), y.clone()),
        labels(x.clone(), &classes(&y), 3),
        labels(
            x,
            &classes(&y)
                .iter()
                .map(|class| usize::from(*class > 1))
                .collect::<Vec<_>>(),
            2,
        ),
    ] {
        let history = fit(&small(), &data, 1).unwrap().history;
        assert_eq!(history.len(), 10);
        assert!(
            history
                .windows(2)
                .all(|pair| pair[1].train_loss < pair[0].train_loss)
        );
    }
}

#[test]
fn a_saved_model_predicts_and_explains_the_same() {
    let (x, y) = curve(300, 3, 1);
    let x = Array2::from_shape_fn((300, 3), |(row, column)| {
        if (row + column) % 7 == 0 {
            f32::NAN
        } else {
            x[[row, column]]
        }
    });
    let data = Dataset::new(lacking(x.clone()), y).unwrap();
    let data = data
        .with_weights((0..300).map(|row| 1.0 + f64::from(row % 4)).collect())
        .unwrap();
    let model = small().fit_model(&data, Seed::new(1)).unwrap();
    assert_eq!(
        (model.tree_kind(), model.kind()),
        (TreeKind::HistGradientBoosting, "hist_gradient_boosting")
    );
    close(&[model.importances().iter().sum()], &[1.0], 1e-12, "shares");
    assert!(model.importances()[2] < model.importances()[0]);
    let state = model.state().unwrap();
    assert_eq!(TreeModel::from_state(&state).unwrap(), model);
    let mut damaged = state.clone();
    let values = changed(&state.tensors["trees.values"], 0, f64::NAN);
    damaged.tensors.insert("trees.values".into(), values);
    assert!(TreeModel::from_state(&damaged).is_err());
    let contributions = model.contributions(x.view()).unwrap().unwrap();
    let sums: Vec<f64> = (0..300)
        .map(|row| contributions.base[0] + contributions.values.index_axis(ndarray::Axis(0), row).sum())
        .collect();
    close(&sums, &predicted(&model, &x), 1e-9, "contributions");
    // Covers are weights, so that the base is the weighted mean of what is predicted.
    let weights = data.weights().unwrap();
    let mean = predicted(&model, &x)
        .iter()
        .zip(weights)
        .map(|(p, w)| p * w)
        .sum::<f64>()
        / weights.iter().sum::<f64>();
    close(&contributions.base, &[mean], 1e-9, "base");
}

#[test]
fn rows_that_teach_nothing_leave_a_constant_or_are_refused() {
    for data in [
        numbers(array![[1.0, 2.0]], vec![7.0]),
        numbers(
            Array2::ones((90, 2)),
            (0..90).map(|row| f64::from(row % 2) * 14.0).collect(),
        ),
        numbers(curve(90, 2, 1).0, vec![7.0; 90]),
        numbers(Array2::zeros((90, 0)), vec![7.0; 90]),
        Dataset::new(lacking(Array2::from_elem((90, 2), f32::NAN)), vec![7.0; 90]).unwrap(),
    ] {
        let x = Array2::from_elem((1, data.n_features()), 0.3);
        for max_bins in [2, 255] {
            let settings = HistGradientBoosting { max_bins, ..small() };
            let model = settings.fit_model(&data, Seed::new(1)).unwrap();
            close(&predicted(&model, &x), &[7.0], 1e-12, "constant");
        }
    }
    let one = fit(&small(), &labels(Array2::ones((4, 1)), &[2; 4], 3), 1).unwrap_err();
    assert!(
        one.to_string().contains("all training rows are of class 2"),
        "{one}"
    );
    for target in [vec![f64::MAX, -f64::MAX], vec![f64::MAX, f64::MAX]] {
        let huge = numbers(array![[1.0], [2.0]], target);
        let settings = HistGradientBoosting {
            min_samples_leaf: 1,
            ..small()
        };
        match fit(&settings, &huge, 1) {
            Err(error) => assert!(error.to_string().contains("too large"), "{error}"),
            Ok(fit) => assert!(fit.model.predict(array![[1.0]].view()).unwrap().values()[0].is_finite()),
        }
    }
}

#[test]
fn impossible_settings_are_named() {
    let (x, y) = curve(20, 2, 1);
    let data = numbers(x, y);
    for (settings, part) in [
        (r#"{"max_iter": 0}"#, "max_iter is 0"),
        (r#"{"learning_rate": 0}"#, "learning_rate is 0"),
        (r#"{"max_leaf_nodes": 1}"#, "max_leaf_nodes is 1"),
        (r#"{"max_depth": 0}"#, "max_depth is 0"),
        (r#"{"min_samples_leaf": 0}"#, "min_samples_leaf is 0"),
        (r#"{"min_child_weight": -1}"#, "min_child_weight is -1"),
        (r#"{"l2_regularization": -1}"#, "l2_regularization is -1"),
        (r#"{"max_features": 3}"#, "max_features is 3"),
        (r#"{"colsample_bytree": 0}"#, "colsample_bytree is 0"),
        (r#"{"subsample": 1.5}"#, "subsample is 1.5"),
        (r#"{"max_bins": 256}"#, "max_bins is 256"),
        (r#"{"max_bins": 1}"#, "max_bins is 1"),
        (r#"{"n_iter_no_change": 0}"#, "n_iter_no_change is 0"),
        (r#"{"tol": -1}"#, "tol is -1"),
        (r#"{"early_stopping": true}"#, "there are no validation rows"),
    ] {
        let settings: HistGradientBoosting = serde_json::from_str(settings).unwrap();
        let error = fit(&settings, &data, 1).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(serde_json::from_str::<HistGradientBoosting>(r#"{"eta": 0.1}"#).is_err());
    let unlimited: HistGradientBoosting = serde_json::from_str(r#"{"max_leaf_nodes": null}"#).unwrap();
    assert_eq!(unlimited.max_leaf_nodes, None);
}

/// Training rows, and as many others.
fn halves() -> (Dataset, Dataset) {
    let (x, y) = curve(400, 3, 1);
    let of = |rows: std::ops::Range<usize>| {
        let own = x.slice(s![rows.clone(), ..]).to_owned();
        numbers(own, y[rows].to_vec())
    };
    (of(0..200), of(200..400))
}

#[test]
fn early_stopping_keeps_the_trees_of_the_best_iteration() {
    let (train, validation) = halves();
    let stop = StopSignal::new();
    let context = FitContext::quiet("test", Seed::new(1), &stop);
    let settings = HistGradientBoosting {
        learning_rate: 0.3,
        max_iter: 300,
        n_iter_no_change: 4,
        early_stopping: true,
        ..small()
    };
    let fit = settings.fit(&train, Some(&validation), &context).unwrap();
    let losses: Vec<f64> = fit
        .history
        .iter()
        .map(|record| record.validation_loss.unwrap())
        .collect();
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let best = fit.best_epoch.unwrap();
    assert_eq!(fit.stopped, StopReason::EarlyStopping);
    assert_eq!((losses.len(), losses[best - 1]), (best + 4, lowest));
    let cut = HistGradientBoosting {
        max_iter: best,
        early_stopping: false,
        ..settings.clone()
    };
    let cut = cut.fit(&train, Some(&validation), &context).unwrap();
    assert_eq!(fit.model.state().unwrap(), cut.model.state().unwrap());
    // The loss is that of the model.
    let predicted = fit
        .model
        .predict_features(validation.features())
        .unwrap()
        .into_values();
    let squares = predicted
        .iter()
        .zip(validation.target())
        .map(|(p, y)| (p - y).powi(2));
    close(
        &[lowest],
        &[squares.sum::<f64>() / 200.0],
        1e-9,
        "validation loss",
    );
    // Without it, validation rows change nothing but the record.
    let on = HistGradientBoosting {
        early_stopping: false,
        max_iter: 30,
        ..settings
    };
    let fit = on.fit(&train, Some(&validation), &context).unwrap();
    assert_eq!((fit.stopped, fit.best_epoch), (StopReason::Completed, Some(30)));
}

#[test]
fn a_loss_that_is_no_number_is_refused() {
    let (train, validation) = halves();
    let far: Vec<f64> = validation.target().iter().map(|y| 1e200 * y).collect();
    let far = Dataset::new(validation.features().clone(), far).unwrap();
    let stop = StopSignal::new();
    let context = FitContext::quiet("test", Seed::new(1), &stop);
    let error = small().fit(&train, Some(&far), &context).unwrap_err();
    assert!(
        error.to_string().contains("the validation loss came out as inf"),
        "{error}"
    );
}

#[test]
fn validation_rows_count_by_their_weights() {
    let (train, validation) = halves();
    let weights: Vec<f64> = (0..200).map(|row| f64::from(row % 3)).collect();
    let rows: Vec<usize> = (0..200)
        .flat_map(|row| std::iter::repeat_n(row, row % 3))
        .collect();
    let y: Vec<f64> = rows.iter().map(|row| validation.target()[*row]).collect();
    let repeated = Dataset::new(validation.features().take(&rows), y).unwrap();
    let weighted = validation.clone().with_weights(weights).unwrap();
    let stop = StopSignal::new();
    let losses = |estimator: &dyn Estimator, seen: &Dataset| -> Vec<f64> {
        let context = FitContext::quiet("test", Seed::new(1), &stop);
        let fit = estimator.fit(&train, Some(seen), &context).unwrap();
        fit.history
            .iter()
            .map(|record| record.validation_loss.unwrap())
            .collect()
    };
    let early = HistGradientBoosting {
        learning_rate: 0.3,
        n_iter_no_change: 4,
        early_stopping: true,
        ..small()
    };
    let stages = hitcast_classical::GradientBoosting {
        n_estimators: 5,
        ..Default::default()
    };
    for estimator in [&early as &dyn Estimator, &stages] {
        let one = losses(estimator, &weighted);
        close(
            &one,
            &losses(estimator, &repeated),
            1e-9,
            "a weight is a number of rows",
        );
        let plain = losses(estimator, &validation);
        assert!((one[4] - plain[4]).abs() > 1e-3 * plain[4]);
    }
}

/// Asks for a stop at the third iteration.
struct Stopping<'a>(&'a StopSignal, Mutex<usize>);

impl Progress for Stopping<'_> {
    fn report(&self, event: &Event<'_>) {
        match event {
            Event::EpochEnded { record, .. } if record.epoch == 3 => self.0.request(),
            Event::FitStarted { bytes, .. } => *self.1.lock().unwrap() = *bytes,
            _ => {}
        }
    }
}

#[test]
fn a_stop_keeps_the_iterations_so_far_and_the_memory_is_told() {
    let (train, validation) = halves();
    let stop = StopSignal::new();
    let stopping = Stopping(&stop, Mutex::new(0));
    let context = FitContext {
        progress: &stopping,
        ..FitContext::quiet("test", Seed::new(1), &stop)
    };
    let fit = small().fit(&train, Some(&validation), &context).unwrap();
    assert_eq!(
        (fit.stopped, fit.history.len(), fit.best_epoch),
        (StopReason::Requested, 3, Some(3))
    );
    // The bins alone are 600 bytes, the histograms of a node 12 KiB.
    let bytes = *stopping.1.lock().unwrap();
    assert!((12_000..2_000_000).contains(&bytes), "{bytes}");
    // Without the others, less by their bins and scores.
    small().fit(&train, None, &context).unwrap();
    assert_eq!(bytes - *stopping.1.lock().unwrap(), 200 * (3 + 8 * 3));
    let other = numbers(Array2::ones((3, 2)), vec![0.0; 3]);
    assert!(matches!(
        small().fit(&train, Some(&other), &context),
        Err(CoreError::WrongFeatures { .. })
    ));
    let of_classes = labels(Array2::ones((3, 3)), &[0, 1, 1], 2);
    assert!(matches!(
        small().fit(&train, Some(&of_classes), &context),
        Err(CoreError::WrongTask { .. })
    ));
}
