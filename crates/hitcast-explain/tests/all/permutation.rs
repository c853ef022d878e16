//! Permutation importance against scikit-learn, of groups of columns, and on bad input.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use hitcast_core::Seed;
use hitcast_explain::{
    ClassScore, ExplainError, NumberScore, PermutationImportance, PermutationImportances, Sources,
};
use hitcast_metrics::{ClassificationMetric, RegressionMetric};

use crate::support::{
    Formula, by_genre, features, genre_features, golden, golden_classes, golden_number, number,
};

fn repeats(repeats: usize) -> PermutationImportance {
    PermutationImportance {
        repeats,
        ..PermutationImportance::default()
    }
}

fn of_golden(settings: &PermutationImportance, metric: RegressionMetric) -> PermutationImportances {
    let features = features(&golden().x);
    let score = NumberScore {
        metric,
        actual: &golden().y,
    };
    let sources = Sources::by_source(&features);
    let model = number(5, golden_number);
    settings
        .compute(&model, &features, &sources, &score, Seed::new(1))
        .unwrap()
}

#[test]
fn importances_agree_with_scikit_learn_in_distribution() {
    let metrics = [
        ("neg_mean_squared_error", RegressionMetric::Mse),
        ("r2", RegressionMetric::R2),
    ];
    for (name, metric) in metrics {
        let got = of_golden(&repeats(600), metric);
        let expected = &golden().permutation[name];
        assert_eq!(got.importances.len(), 5);
        for ((importance, mean), std) in got.importances.iter().zip(&expected.mean).zip(&expected.std) {
            // Both are means of 600 draws, so that their difference has this standard error.
            let error = std * (2.0 / 600.0_f64).sqrt();
            assert!(
                (importance.mean - mean).abs() < 5.0 * error,
                "{importance:?}, {mean}"
            );
            assert!((importance.std / std - 1.0).abs() < 0.2, "{importance:?}, {std}");
            assert!(importance.low < importance.mean && importance.mean < importance.high);
            let inside = |drop: &&f64| (importance.low..=importance.high).contains(*drop);
            let share = importance.repeats.iter().filter(inside).count() as f64 / 600.0;
            assert!((share - 0.95).abs() < 0.01, "{share}");
        }
    }
}

#[test]
fn the_result_does_not_depend_on_threads_or_on_other_columns() {
    let on = |threads| PermutationImportance {
        threads,
        ..repeats(3)
    };
    let alone = of_golden(&on(1), RegressionMetric::Mae);
    for threads in [2, 7] {
        assert_eq!(of_golden(&on(threads), RegressionMetric::Mae), alone);
    }
    // The first repeats stay when more are asked for.
    let more = of_golden(&repeats(5), RegressionMetric::Mae);
    for (few, many) in alone.importances.iter().zip(&more.importances) {
        assert_eq!(few.repeats[..], many.repeats[..3]);
    }
}

#[test]
fn columns_of_one_source_are_moved_together() {
    let features = genre_features(&golden().genres);
    // A row that is of no genre, or of two, has no prediction.
    let strict = number(5, |x: &[f64]| {
        if x[1] + x[2] + x[3] == 1.0 {
            by_genre(x)
        } else {
            f64::NAN
        }
    });
    let actual: Vec<f64> = (features.matrix().rows().into_iter())
        .map(|row| by_genre(&row.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()))
        .collect();
    let score = NumberScore {
        metric: RegressionMetric::Mse,
        actual: &actual,
    };
    let compute = |sources: Sources| repeats(20).compute(&strict, &features, &sources, &score, Seed::new(2));
    let grouped = compute(Sources::by_source(&features)).unwrap();
    let names: Vec<&str> = grouped.importances.iter().map(|i| i.source.as_str()).collect();
    assert_eq!(names, ["a", "genre", "c"]);
    assert!(grouped.importances.iter().all(|i| i.mean > 0.0));
    assert!(grouped.baseline.abs() < 1e-12);
    let error = compute(Sources::by_column(&features)).unwrap_err();
    assert!(matches!(error, ExplainError::Score(_)), "{error}");
}

#[test]
fn a_column_that_the_model_does_not_use_has_no_importance() {
    let features = features(&golden().x);
    let sources = Sources::by_source(&features);
    let model = number(5, |x: &[f64]| x[0] + 2.0 * x[3]);
    let score = NumberScore {
        metric: RegressionMetric::Rmse,
        actual: &golden().y,
    };
    let importances = repeats(4)
        .compute(&model, &features, &sources, &score, Seed::new(3))
        .unwrap();
    for unused in [1, 2, 4] {
        assert_eq!(importances.importances[unused].repeats, [0.0; 4]);
    }
    assert_eq!(importances.ranked().len(), 5);
    let saved = serde_json::to_string(&importances).unwrap();
    assert_eq!(
        serde_json::from_str::<PermutationImportances>(&saved).unwrap(),
        importances
    );
}

#[test]
fn many_rows_are_permuted_across_batches() {
    // The squared error of a permuted column that is its own target is twice its variance.
    let n = 10_000;
    let mut stream = Seed::new(4).stream("rows");
    let rows: Vec<Vec<f64>> = (0..n).map(|_| vec![f64::from(stream.normal() as f32)]).collect();
    let features = features(&rows);
    let actual = rows.concat();
    let score = NumberScore {
        metric: RegressionMetric::Mse,
        actual: &actual,
    };
    let importances = repeats(3)
        .compute(
            &number(1, |x: &[f64]| x[0]),
            &features,
            &Sources::by_source(&features),
            &score,
            Seed::new(5),
        )
        .unwrap();
    let mean = importances.importances[0].mean;
    assert!((mean - 2.0).abs() < 0.1, "{mean}");
}

#[test]
fn classes_have_importances_too() {
    let features = features(&golden().x);
    let sources = Sources::by_source(&features);
    let likeliest = |x: &Vec<f64>| {
        let p = golden_classes(x);
        (0..3).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap()
    };
    let actual: Vec<usize> = golden().x.iter().map(likeliest).collect();
    let model = Formula {
        width: 5,
        of: golden_classes,
    };
    for metric in [ClassificationMetric::Accuracy, ClassificationMetric::LogLoss] {
        let score = ClassScore {
            metric,
            actual: &actual,
        };
        let found = repeats(10)
            .compute(&model, &features, &sources, &score, Seed::new(6))
            .unwrap();
        assert!(found.importances.iter().all(|i| i.mean > 0.0), "{found:?}");
    }
    let numbers = NumberScore {
        metric: RegressionMetric::Mse,
        actual: &golden().y,
    };
    let error = repeats(1)
        .compute(&model, &features, &sources, &numbers, Seed::new(6))
        .unwrap_err();
    assert!(error.to_string().contains("classes are predicted"), "{error}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let rows = features(&golden().x);
    let sources = Sources::by_source(&rows);
    let model = number(5, golden_number);
    let score = NumberScore {
        metric: RegressionMetric::Mse,
        actual: &golden().y,
    };
    let compute = |settings: &PermutationImportance, score: &NumberScore<'_>| {
        settings
            .compute(&model, &rows, &sources, score, Seed::new(1))
            .unwrap_err()
    };
    assert!(matches!(
        compute(&repeats(0), &score),
        ExplainError::Setting {
            setting: "repeats",
            ..
        }
    ));
    let sure = PermutationImportance {
        confidence: 1.0,
        ..repeats(2)
    };
    assert!(matches!(
        compute(&sure, &score),
        ExplainError::Setting {
            setting: "confidence",
            ..
        }
    ));
    let short = NumberScore {
        metric: RegressionMetric::Mse,
        actual: &golden().y[1..],
    };
    assert!(matches!(compute(&repeats(2), &short), ExplainError::Score(_)));
    let none = rows.take(&[]);
    let error = repeats(2).compute(&model, &none, &sources, &score, Seed::new(1));
    assert!(matches!(error, Err(ExplainError::NoRows { .. })));
    let narrow = number(4, |x: &[f64]| x[0]);
    let error = repeats(2).compute(&narrow, &rows, &sources, &score, Seed::new(1));
    assert!(matches!(error, Err(ExplainError::Core(_))));
}
