//! Random forests and extra trees: against scikit-learn, by what they must fulfil, and on rows that teach nothing.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::support::{classes, close, curve, labels, matrix, numbers};
use hitcast_classical::{
    ExtraTrees, ForestSettings, MaxFeatures, RandomForest, SplitCriterion, TreeModel, TreeNode,
};
use hitcast_core::{
    Dataset, DeviceChoice, Estimator, Event, FitContext, Model, Progress, Seed, StopReason, StopSignal,
};
use ndarray::{Array2, Axis, array};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    errors: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    classifies: bool,
    settings: ForestSettings,
    x: Vec<Vec<f32>>,
    y: Vec<f64>,
    new: Vec<Vec<f32>>,
    weights: Option<Vec<f64>>,
    predictions: Vec<f64>,
    leaves: usize,
    depth: usize,
    importances: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/forest.json")).unwrap()
}

fn few(n_estimators: usize) -> ForestSettings {
    ForestSettings {
        n_estimators,
        ..ForestSettings::default()
    }
}

#[test]
fn a_tree_of_all_rows_and_features_is_that_of_scikit_learn() {
    let golden = golden();
    assert!(golden.cases.len() > 7);
    for case in golden.cases {
        let x = matrix(&case.x);
        let mut data = if case.classifies {
            let classes: Vec<usize> = case.y.iter().map(|y| *y as usize).collect();
            labels(x, &classes, 3)
        } else {
            numbers(x, case.y)
        };
        if let Some(weights) = case.weights {
            data = data.with_weights(weights).unwrap();
        }
        let settings = ForestSettings {
            n_estimators: 1,
            max_features: Some(MaxFeatures::All),
            bootstrap: Some(false),
            ..case.settings
        };
        let model = RandomForest(settings).fit_model(&data, Seed::new(3)).unwrap();
        let tree = &model.ensemble().trees()[0];
        assert_eq!(
            (tree.n_leaves(), tree.depth()),
            (case.leaves, case.depth),
            "{}",
            case.name
        );
        let predicted = model.predict(matrix(&case.new).view()).unwrap().into_values();
        close(&predicted, &case.predictions, 1e-9, &case.name);
        close(model.importances(), &case.importances, 1e-9, &case.name);
    }
}

/// The rows that the script beside the golden values draws.
pub(crate) fn friedman() -> (Array2<f32>, Vec<f64>, Vec<usize>) {
    let mut state = 7_u64;
    let mut uniform = || {
        state = state * 48_271 % 2_147_483_647;
        state as f64 / 2_147_483_647.0
    };
    let x = Array2::from_shape_fn((1500, 5), |_| uniform() as f32);
    let y: Vec<f64> = (x.rows().into_iter())
        .map(|row| {
            let row: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
            10.0 * (std::f64::consts::PI * row[0] * row[1]).sin()
                + 20.0 * (row[2] - 0.5).powi(2)
                + 10.0 * row[3]
                + 4.0 * uniform()
        })
        .collect();
    let classes = y
        .iter()
        .map(|y| usize::from(*y > 12.0) + usize::from(*y > 17.0))
        .collect();
    (x, y, classes)
}

#[test]
fn forests_err_as_little_as_those_of_scikit_learn() {
    let (x, y, classes) = friedman();
    let rows: Vec<usize> = (0..1000).collect();
    let train = numbers(x.clone(), y.clone());
    let train = Dataset::new(train.features().take(&rows), y[..1000].to_vec()).unwrap();
    let of_classes = Dataset::of_classes(train.features().clone(), &classes[..1000], 3).unwrap();
    let test = x.slice(ndarray::s![1000.., ..]);
    let of = |change: &dyn Fn(&mut ForestSettings)| {
        let mut settings = few(100);
        change(&mut settings);
        settings
    };
    let sqrt = of(&|s| s.max_features = Some(MaxFeatures::Sqrt));
    let leaf = of(&|s| s.min_samples_leaf = 4);
    let entropy = of(&|s| s.criterion = Some(SplitCriterion::Entropy));
    type Grow<'a> = &'a dyn Fn(Seed) -> TreeModel;
    let fits: [(&str, Grow<'_>); 6] = [
        ("random_forest", &|seed| {
            RandomForest(few(100)).fit_model(&train, seed).unwrap()
        }),
        ("random_forest, sqrt", &|seed| {
            RandomForest(sqrt.clone()).fit_model(&train, seed).unwrap()
        }),
        ("extra_trees", &|seed| {
            ExtraTrees(few(100)).fit_model(&train, seed).unwrap()
        }),
        ("extra_trees, leaf", &|seed| {
            ExtraTrees(leaf.clone()).fit_model(&train, seed).unwrap()
        }),
        ("classes", &|seed| {
            RandomForest(few(100)).fit_model(&of_classes, seed).unwrap()
        }),
        ("classes, entropy", &|seed| {
            RandomForest(entropy.clone())
                .fit_model(&of_classes, seed)
                .unwrap()
        }),
    ];
    let expected = golden().errors;
    assert_eq!(expected.len(), fits.len());
    for (name, fit) in fits {
        let mut squares = Vec::new();
        let mut errors = Vec::new();
        for seed in 0..3 {
            let predictions = fit(Seed::new(seed)).predict(test).unwrap();
            match predictions.probabilities() {
                None => {
                    let pairs = predictions
                        .values()
                        .iter()
                        .zip(&y[1000..])
                        .map(|(p, y)| (p - y).powi(2))
                        .sum::<f64>();
                    errors.push((pairs / 500.0).sqrt());
                }
                Some(shares) => {
                    for (row, class) in shares.rows().into_iter().zip(&classes[1000..]) {
                        let wanted = |other: usize| f64::from(u8::from(other == *class));
                        squares.extend(
                            row.iter()
                                .enumerate()
                                .map(|(other, p)| (p - wanted(other)).powi(2)),
                        );
                    }
                }
            }
        }
        if errors.is_empty() {
            errors.push((squares.iter().sum::<f64>() / squares.len() as f64).sqrt());
        }
        let error = errors.iter().sum::<f64>() / errors.len() as f64;
        // Three seeds here, ten there: between seeds they differ by about a hundredth.
        assert!(
            (error / expected[name] - 1.0).abs() < 0.015,
            "{name}: {error}, scikit-learn {}",
            expected[name]
        );
    }
}

#[test]
fn the_number_of_threads_changes_nothing_and_the_seed_does() {
    let (x, y) = curve(300, 4, 1);
    let sets = [numbers(x.clone(), y.clone()), labels(x, &classes(&y), 3)];
    for data in &sets {
        let fit = |threads: usize, seed: u64| {
            let settings = ForestSettings { threads, ..few(12) };
            (
                RandomForest(settings.clone())
                    .fit_model(data, Seed::new(seed))
                    .unwrap(),
                ExtraTrees(settings).fit_model(data, Seed::new(seed)).unwrap(),
            )
        };
        let alone = fit(1, 4);
        for threads in [0, 2, 5, 40] {
            assert_eq!(fit(threads, 4), alone);
        }
        let other = fit(1, 5);
        assert_ne!(other.0, alone.0);
        assert_ne!(other.1, alone.1);
        assert_ne!(alone.0.ensemble().trees()[0], alone.0.ensemble().trees()[1]);
    }
}

#[test]
fn a_full_tree_knows_every_training_row() {
    let (x, y) = curve(200, 3, 2);
    let settings = ForestSettings {
        bootstrap: Some(false),
        ..few(3)
    };
    let data = numbers(x.clone(), y.clone());
    for model in [
        RandomForest(settings.clone())
            .fit_model(&data, Seed::new(1))
            .unwrap(),
        ExtraTrees(settings).fit_model(&data, Seed::new(1)).unwrap(),
    ] {
        close(
            &model.predict(x.view()).unwrap().into_values(),
            &y,
            1e-12,
            "training rows",
        );
        assert!(model.ensemble().trees().iter().all(|tree| tree.n_leaves() == 200));
        assert_eq!(model.n_parameters(), 3 * (2 * 199 + 200));
        close(&[model.importances().iter().sum()], &[1.0], 1e-12, "shares");
        assert!(model.importances()[2] < model.importances()[0]);
    }
}

#[test]
fn limits_hold_in_every_tree() {
    let (x, y) = curve(400, 3, 3);
    let settings = ForestSettings {
        max_depth: Some(6),
        min_samples_leaf: 7,
        min_samples_split: 20,
        bootstrap: Some(false),
        ..few(4)
    };
    let data = numbers(x, y);
    for model in [
        RandomForest(settings.clone())
            .fit_model(&data, Seed::new(1))
            .unwrap(),
        ExtraTrees(settings).fit_model(&data, Seed::new(1)).unwrap(),
    ] {
        for tree in model.ensemble().trees() {
            assert!(tree.depth() <= 6);
            assert!(tree.leaf_covers().iter().all(|cover| *cover >= 7.0));
            let covers = tree.node_covers();
            assert_eq!(covers[0], 400.0);
            for (place, cover) in covers.iter().enumerate() {
                if matches!(tree.node(place), Some(TreeNode::Split { .. })) {
                    assert!(*cover >= 20.0);
                }
            }
        }
    }
}

#[test]
fn a_row_of_weight_zero_is_not_there_and_one_of_weight_two_is_there_twice() {
    let (x, y) = curve(120, 3, 4);
    let settings = ForestSettings {
        bootstrap: Some(false),
        max_features: Some(MaxFeatures::All),
        max_depth: Some(4),
        ..few(1)
    };
    let weights: Vec<f64> = (0..120).map(|row| f64::from(row % 3)).collect();
    let twice: Vec<usize> = (0..120).flat_map(|row| vec![row; row % 3]).collect();
    let data = numbers(x.clone(), y.clone());
    let repeated = Dataset::new(
        data.features().take(&twice),
        twice.iter().map(|&row| y[row]).collect(),
    )
    .unwrap();
    let forest = RandomForest(settings);
    let weighted = forest
        .fit_model(&data.with_weights(weights).unwrap(), Seed::new(1))
        .unwrap();
    let repeated = forest.fit_model(&repeated, Seed::new(1)).unwrap();
    // Where a row that is not there would go may hang on a tie.
    let there = x.select(Axis(0), &twice);
    close(
        &weighted.predict(there.view()).unwrap().into_values(),
        &repeated.predict(there.view()).unwrap().into_values(),
        1e-12,
        "weights",
    );
}

#[test]
fn a_bootstrap_draws_rows_in_proportion_to_their_weights() {
    let (x, _) = curve(100, 2, 5);
    let y = (0..100).map(f64::from).collect();
    let mut weights = vec![0.0; 100];
    weights[3] = 3.0;
    weights[60] = 1.0;
    let data = numbers(x.clone(), y).with_weights(weights).unwrap();
    let stumps = ForestSettings {
        max_depth: Some(1),
        ..few(200)
    };
    let model = RandomForest(stumps).fit_model(&data, Seed::new(1)).unwrap();
    let first: f64 = (model.ensemble().trees().iter())
        .filter(|tree| tree.n_leaves() == 2)
        .map(|tree| {
            if tree.leaf_values()[0] < 30.0 {
                tree.leaf_covers()[0]
            } else {
                tree.leaf_covers()[1]
            }
        })
        .sum();
    assert!((first / 200.0 - 75.0).abs() < 2.0, "{first}");
}

#[test]
fn missing_values_go_where_most_rows_went() {
    let x = array![[1.0], [2.0], [3.0], [10.0]];
    let settings = ForestSettings {
        bootstrap: Some(false),
        max_depth: Some(1),
        ..few(1)
    };
    let model = RandomForest(settings)
        .fit_model(&numbers(x, vec![1.0, 1.0, 1.0, 5.0]), Seed::new(1))
        .unwrap();
    let predicted = model
        .predict(array![[f32::NAN], [6.5], [6.6]].view())
        .unwrap()
        .into_values();
    assert_eq!(predicted, [1.0, 1.0, 5.0]);
}

#[test]
fn neighbouring_numbers_and_large_targets_are_told_apart() {
    let next = 1.0_f32.next_up();
    let settings = ForestSettings {
        bootstrap: Some(false),
        ..few(2)
    };
    let data = numbers(
        array![[1.0], [next], [-0.0], [0.0]],
        vec![1e9, 1e9 + 1.0, 1e9 + 2.0, 1e9 + 4.0],
    );
    for model in [
        RandomForest(settings.clone())
            .fit_model(&data, Seed::new(1))
            .unwrap(),
        ExtraTrees(settings).fit_model(&data, Seed::new(1)).unwrap(),
    ] {
        let predicted = model
            .predict(array![[1.0], [next], [-0.0], [0.0]].view())
            .unwrap()
            .into_values();
        assert_eq!(predicted, [1e9, 1e9 + 1.0, 1e9 + 3.0, 1e9 + 3.0]);
    }
}

#[test]
fn rows_that_teach_nothing_leave_a_constant() {
    let constant = |data: &Dataset, expected: &[f64]| {
        for model in [
            RandomForest(few(3)).fit_model(data, Seed::new(1)).unwrap(),
            ExtraTrees(few(3)).fit_model(data, Seed::new(1)).unwrap(),
        ] {
            let x = Array2::from_elem((1, data.n_features()), 0.3);
            close(
                &model.predict(x.view()).unwrap().into_values(),
                expected,
                1e-12,
                "constant",
            );
            assert!(model.ensemble().trees().iter().all(|tree| tree.n_leaves() == 1));
            assert!(model.importances().iter().all(|share| *share == 0.0));
        }
    };
    constant(&numbers(array![[1.0, 2.0]], vec![7.0]), &[7.0]);
    constant(&numbers(Array2::ones((9, 2)), vec![0.1; 9]), &[0.1]);
    constant(&numbers(curve(30, 2, 1).0, vec![0.1; 30]), &[0.1]);
    constant(&numbers(Array2::zeros((4, 0)), vec![0.1; 4]), &[0.1]);
    constant(&labels(curve(30, 2, 1).0, &[1; 30], 3), &[0.0, 1.0, 0.0]);
}

#[test]
fn impossible_settings_are_named() {
    let (x, y) = curve(20, 2, 1);
    let (data, of_classes) = (numbers(x.clone(), y.clone()), labels(x, &classes(&y), 3));
    let refused = |data: &Dataset, change: &dyn Fn(&mut ForestSettings), part: &str| {
        let mut settings = few(2);
        change(&mut settings);
        let error = crate::support::fit(&RandomForest(settings.clone()), data, 1)
            .unwrap_err()
            .to_string();
        let source = ExtraTrees(settings)
            .fit_model(data, Seed::new(1))
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{error}");
        assert!(source.contains(part), "{source}");
    };
    refused(&data, &|s| s.n_estimators = 0, "n_estimators is 0");
    refused(&data, &|s| s.min_samples_split = 1, "min_samples_split is 1");
    refused(&data, &|s| s.min_samples_leaf = 0, "min_samples_leaf is 0");
    refused(&data, &|s| s.max_depth = Some(0), "max_depth is 0");
    refused(
        &data,
        &|s| s.max_features = Some(MaxFeatures::Count(3)),
        "max_features is 3",
    );
    refused(
        &data,
        &|s| s.max_features = Some(MaxFeatures::Share(1.5)),
        "max_features is 1.5",
    );
    refused(
        &data,
        &|s| s.min_impurity_decrease = f64::NAN,
        "min_impurity_decrease is NaN",
    );
    refused(
        &data,
        &|s| s.criterion = Some(SplitCriterion::Gini),
        "criterion is",
    );
    refused(
        &of_classes,
        &|s| s.criterion = Some(SplitCriterion::SquaredError),
        "criterion is",
    );
    let huge = numbers(array![[1.0], [2.0], [3.0]], vec![f64::MAX; 3]);
    refused(&huge, &|_| {}, "leaf");
}

#[test]
fn settings_are_written_as_they_are_read() {
    let read = |text: &str| serde_json::from_str::<RandomForest>(text);
    let of = |text: &str| {
        read(&format!("{{\"max_features\": {text}}}"))
            .unwrap()
            .0
            .max_features
            .unwrap()
    };
    for (text, features, count) in [
        ("\"all\"", MaxFeatures::All, 10),
        ("\"sqrt\"", MaxFeatures::Sqrt, 3),
        ("\"log2\"", MaxFeatures::Log2, 3),
        ("4", MaxFeatures::Count(4), 4),
        ("0.25", MaxFeatures::Share(0.25), 2),
        ("1.0", MaxFeatures::Share(1.0), 10),
        ("0.01", MaxFeatures::Share(0.01), 1),
    ] {
        assert_eq!(of(text), features);
        assert_eq!(features.of(10).unwrap(), count);
        assert_eq!(serde_json::to_string(&features).unwrap(), text);
    }
    assert_eq!(read("{}").unwrap(), RandomForest::default());
    assert!(
        read("{\"max_features\": \"most\"}")
            .unwrap_err()
            .to_string()
            .contains("sqrt")
    );
    assert!(read("{\"max_features\": -1}").is_err());
    assert!(
        read("{\"n_trees\": 3}")
            .unwrap_err()
            .to_string()
            .contains("n_trees")
    );
    let settings = ForestSettings {
        max_depth: Some(3),
        criterion: Some(SplitCriterion::Entropy),
        ..few(7)
    };
    let text = serde_json::to_string(&ExtraTrees(settings.clone())).unwrap();
    assert_eq!(serde_json::from_str::<ExtraTrees>(&text).unwrap().0, settings);
}

/// Asks for a stop at the first event, and keeps the bytes that were told.
struct Stopping<'a>(&'a StopSignal, Mutex<Vec<usize>>);

impl Progress for Stopping<'_> {
    fn report(&self, event: &Event<'_>) {
        if let Event::FitStarted { bytes, .. } = event {
            self.0.request();
            self.1.lock().unwrap().push(*bytes);
        }
    }
}

#[test]
fn a_stop_keeps_the_trees_so_far_and_the_memory_is_told_before() {
    let (x, y) = curve(300, 4, 1);
    let data = numbers(x, y);
    let stop = StopSignal::new();
    let progress = Stopping(&stop, Mutex::default());
    let context = FitContext {
        name: "forest",
        seed: Seed::new(1),
        device: DeviceChoice::Auto,
        progress: &progress,
        stop: &stop,
        checkpoints: None,
    };
    let fit = RandomForest(few(50)).fit(&data, None, &context).unwrap();
    assert_eq!(fit.stopped, StopReason::Requested);
    let model = TreeModel::from_state(&fit.model.state().unwrap()).unwrap();
    assert_eq!(model.ensemble().trees().len(), 1);
    assert_eq!((fit.model.kind(), fit.model.n_features()), ("random_forest", 4));
    let told = progress.1.lock().unwrap()[0];
    // 300 × 4 numbers and orders, and at most 300 leaves in each of 50 trees.
    assert!((500_000..2_000_000).contains(&told), "{told}");
}
