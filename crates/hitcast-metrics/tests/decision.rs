//! Calibration against scikit-learn, thresholds against brute force, costs against their definition, and bad input.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use hitcast_core::Seed;
use hitcast_metrics::{
    Calibration, ClassificationMetric, ClassificationMetrics, ConfusionMatrix, CostMatrix, FittedCalibration,
    FittedThreshold, MetricsError, ThresholdMetric, ThresholdRule, likeliest,
};
use ndarray::{Array2, ArrayView2, array};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    classes: Vec<usize>,
    probabilities: Vec<Vec<f64>>,
    unseen: Vec<Vec<f64>>,
    temperature: Vec<Vec<f64>>,
    platt: Vec<Vec<f64>>,
    isotonic: Vec<Vec<f64>>,
    best: Option<Best>,
}

#[derive(Deserialize)]
struct Best {
    balanced_accuracy: f64,
    matthews: f64,
    f_2: f64,
    youden_j: f64,
}

fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn golden() -> Vec<Case> {
    let golden: Golden = serde_json::from_str(include_str!("golden/decision.json")).unwrap();
    assert!(golden.cases.len() > 7);
    golden.cases
}

const ALL: [Calibration; 3] = [
    Calibration::Temperature,
    Calibration::Platt,
    Calibration::Isotonic,
];

/// The probabilities of class 1 with the rest for class 0.
fn two(positive: &[f64]) -> Array2<f64> {
    Array2::from_shape_fn((positive.len(), 2), |(row, class)| {
        if class == 1 {
            positive[row]
        } else {
            1.0 - positive[row]
        }
    })
}

fn best(metric: ClassificationMetric) -> ThresholdRule {
    ThresholdRule::Best {
        metric: ThresholdMetric::Metric(metric),
    }
}

fn costs(false_positive: f64, false_negative: f64) -> ThresholdRule {
    ThresholdRule::Costs {
        false_positive,
        false_negative,
        true_positive: 0.0,
        true_negative: 0.0,
    }
}

#[test]
fn calibration_agrees_with_scikit_learn() {
    for case in golden() {
        let probabilities = matrix(&case.probabilities);
        let expected = [&case.temperature, &case.platt, &case.isotonic];
        for (calibration, expected) in ALL.into_iter().zip(expected) {
            let fitted = calibration.fit(probabilities.view(), &case.classes).unwrap();
            let got = fitted.apply(matrix(&case.unseen).view()).unwrap();
            for ((place, got), expected) in got.indexed_iter().zip(expected.concat()) {
                assert!(
                    (got - expected).abs() <= 1e-6,
                    "{}, {calibration:?} at {place:?}: {got}, expected {expected}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn the_best_thresholds_are_as_good_as_the_best_of_scikit_learn() {
    let mut compared = 0;
    for case in golden() {
        let Some(expected) = case.best else { continue };
        compared += 1;
        let probabilities = matrix(&case.probabilities);
        let reached = |rule: ThresholdRule| {
            let threshold = rule.fit(probabilities.view(), &case.classes).unwrap();
            let decided = threshold.decide(probabilities.view()).unwrap();
            ConfusionMatrix::compute(&case.classes, &decided, 2).unwrap()
        };
        let of = |metric| ThresholdRule::Best { metric };
        let youden = reached(of(ThresholdMetric::YoudenJ));
        for (got, expected) in [
            (
                reached(best(ClassificationMetric::BalancedAccuracy)).balanced_accuracy(),
                expected.balanced_accuracy,
            ),
            (
                reached(best(ClassificationMetric::Matthews)).matthews(),
                expected.matthews,
            ),
            (
                reached(of(ThresholdMetric::FBeta(2.0))).f_beta(1, 2.0),
                expected.f_2,
            ),
            (
                youden.class(1).recall + youden.class(0).recall - 1.0,
                expected.youden_j,
            ),
        ] {
            assert!((got - expected).abs() < 1e-12, "{}: {got} {expected}", case.name);
        }
    }
    assert_eq!(compared, 5);
}

#[test]
fn a_model_that_is_too_sure_by_a_factor_gets_that_temperature_back() {
    let mut stream = Seed::new(3).stream("rows");
    let n = 8000;
    let mut sure = Array2::zeros((n, 3));
    let mut classes = Vec::new();
    for mut row in sure.rows_mut() {
        let scores: Vec<f64> = (0..3).map(|_| stream.normal()).collect();
        let weights: Vec<f64> = scores.iter().map(|s| s.exp()).collect();
        let mut left = stream.uniform() * weights.iter().sum::<f64>();
        let drawn = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        classes.push(drawn.unwrap_or(2));
        let too_sure: Vec<f64> = scores.iter().map(|s| (3.0 * s).exp()).collect();
        let sum: f64 = too_sure.iter().sum();
        for (to, value) in row.iter_mut().zip(too_sure) {
            *to = value / sum;
        }
    }
    let fitted = Calibration::Temperature.fit(sure.view(), &classes).unwrap();
    let FittedCalibration::Temperature { temperature, .. } = fitted else {
        panic!("another kind")
    };
    assert!((temperature - 3.0).abs() < 0.12, "{temperature}");
    let before = ClassificationMetrics::compute(&classes, sure.view()).unwrap();
    for calibration in ALL {
        let fitted = calibration.fit(sure.view(), &classes).unwrap();
        let calibrated = fitted.apply(sure.view()).unwrap();
        let after = ClassificationMetrics::compute(&classes, calibrated.view()).unwrap();
        assert!(after.log_loss < before.log_loss - 0.1, "{calibration:?}");
        assert!(before.calibration_error > 0.1 && after.calibration_error < 0.03);
    }
}

#[test]
fn a_temperature_at_its_limits_stays_there() {
    let right = two(&[0.9, 0.8, 0.1, 0.3]);
    let wrong = [0, 0, 1, 1];
    let of = |p: ArrayView2<'_, f64>, classes: &[usize]| match Calibration::Temperature.fit(p, classes) {
        Ok(FittedCalibration::Temperature { temperature, .. }) => temperature,
        other => panic!("{other:?}"),
    };
    assert!((of(right.view(), &[1, 1, 0, 0]) - (-10.0_f64).exp()).abs() < 1e-12);
    assert!((of(right.view(), &wrong) - 10.0_f64.exp()).abs() < 1e-6);
    assert_eq!(of(two(&[0.5; 4]).view(), &wrong), 1.0);
    // Both can be saved and used, also on rows that are as sure as can be.
    for classes in [[1, 1, 0, 0], wrong] {
        let fitted = Calibration::Temperature.fit(right.view(), &classes).unwrap();
        let saved = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<FittedCalibration>(&saved).unwrap(), fitted);
        let applied = fitted.apply(two(&[0.0, 1.0, 0.5]).view()).unwrap();
        assert!(applied.iter().all(|p| (0.0..=1.0).contains(p)));
    }
}

#[test]
fn a_row_whose_classes_all_become_nothing_is_undecided() {
    // No class ever came true where it had a probability of at most 0.4.
    let fitted = FittedCalibration::Isotonic {
        curves: vec![
            hitcast_metrics::RisingCurve {
                predicted: vec![0.4, 0.9],
                calibrated: vec![0.0, 1.0],
            };
            3
        ],
    };
    let third = array![[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]];
    assert_eq!(fitted.apply(third.view()).unwrap(), third);
    let sure = array![[0.9, 0.05, 0.05]];
    assert_eq!(fitted.apply(sure.view()).unwrap(), array![[1.0, 0.0, 0.0]]);
}

#[test]
fn what_was_saved_is_not_trusted() {
    for damaged in [
        r#"{"kind":"temperature","n_classes":2,"temperature":0.0}"#,
        r#"{"kind":"temperature","n_classes":2,"temperature":-1.0}"#,
        r#"{"kind":"temperature","n_classes":2,"temperature":1e9}"#,
        r#"{"kind":"temperature","n_classes":1,"temperature":1.0}"#,
        r#"{"kind":"platt","sigmoids":[]}"#,
        r#"{"kind":"platt","sigmoids":[{"slope":1.0,"intercept":0.0},{"slope":1.0,"intercept":0.0}]}"#,
        r#"{"kind":"platt","sigmoids":[{"slope":1.0,"intercept":0.0,"more":1}]}"#,
        r#"{"kind":"isotonic","curves":[{"predicted":[],"calibrated":[]}]}"#,
        r#"{"kind":"isotonic","curves":[{"predicted":[0.1,0.2],"calibrated":[0.1]}]}"#,
        r#"{"kind":"isotonic","curves":[{"predicted":[0.2,0.2],"calibrated":[0.1,0.2]}]}"#,
        r#"{"kind":"isotonic","curves":[{"predicted":[0.1,0.2],"calibrated":[0.3,0.2]}]}"#,
        r#"{"kind":"isotonic","curves":[{"predicted":[0.1,0.2],"calibrated":[0.3,1.2]}]}"#,
        r#"{"kind":"magic"}"#,
    ] {
        assert!(
            serde_json::from_str::<FittedCalibration>(damaged).is_err(),
            "{damaged}"
        );
    }
    let sigmoid = hitcast_metrics::Sigmoid {
        slope: f64::NAN,
        intercept: 0.0,
    };
    let built = FittedCalibration::Platt {
        sigmoids: vec![sigmoid],
    };
    let error = built.apply(two(&[0.5]).view()).unwrap_err();
    assert!(matches!(error, MetricsError::Fitted(_)), "{error}");

    assert!(serde_json::from_str::<FittedThreshold>(r#"{"value":1.5}"#).is_err());
    assert!(serde_json::from_str::<FittedThreshold>(r#"{"value":0.5,"other":1}"#).is_err());
    let built = FittedThreshold { value: f64::NAN };
    assert!(built.decide(two(&[0.5]).view()).is_err());
}

#[test]
fn settings_read_as_an_experiment_writes_them() {
    let calibration = |text: &str| serde_json::from_str::<Calibration>(text);
    assert_eq!(
        calibration(r#"{"kind":"isotonic"}"#).unwrap(),
        Calibration::Isotonic
    );
    assert!(calibration(r#"{"kind":"isotonic","bins":3}"#).is_err());
    assert!(calibration(r#"{"kind":"isotonik"}"#).is_err());
    for calibration in ALL {
        let saved = serde_json::to_string(&calibration).unwrap();
        assert_eq!(serde_json::from_str::<Calibration>(&saved).unwrap(), calibration);
    }
    let rule = |text: &str| serde_json::from_str::<ThresholdRule>(text);
    let rules = [
        (
            r#"{"kind":"fixed","value":0.3}"#,
            ThresholdRule::Fixed { value: 0.3 },
        ),
        (
            r#"{"kind":"best","metric":"matthews"}"#,
            best(ClassificationMetric::Matthews),
        ),
        (
            r#"{"kind":"best","metric":"youden_j"}"#,
            ThresholdRule::Best {
                metric: ThresholdMetric::YoudenJ,
            },
        ),
        (
            r#"{"kind":"best","metric":{"f_beta":2.0}}"#,
            ThresholdRule::Best {
                metric: ThresholdMetric::FBeta(2.0),
            },
        ),
        (
            r#"{"kind":"costs","false_positive":1.0,"false_negative":5.0}"#,
            costs(1.0, 5.0),
        ),
    ];
    for (text, expected) in rules {
        assert_eq!(rule(text).unwrap(), expected);
        assert_eq!(
            rule(&serde_json::to_string(&expected).unwrap()).unwrap(),
            expected
        );
    }
    let error = rule(r#"{"kind":"best","metric":"mathews"}"#).unwrap_err();
    assert!(
        error.to_string().contains("did you mean \"matthews\"?"),
        "{error}"
    );
    assert!(rule(r#"{"kind":"costs","false_positive":1.0}"#).is_err());
    assert!(rule(r#"{"kind":"fixed","value":0.3,"more":1}"#).is_err());
}

#[test]
fn settings_that_cannot_be_are_named() {
    let (p, classes) = (two(&[0.2, 0.7, 0.6]), [0, 1, 0]);
    let gains = |true_positive, true_negative| ThresholdRule::Costs {
        false_positive: 1.0,
        false_negative: 1.0,
        true_positive,
        true_negative,
    };
    for (rule, named) in [
        (ThresholdRule::Fixed { value: 1.2 }, "threshold.value is 1.2"),
        (ThresholdRule::Fixed { value: f64::NAN }, "threshold.value is NaN"),
        (
            ThresholdRule::Best {
                metric: ThresholdMetric::FBeta(0.0),
            },
            "f_beta is 0",
        ),
        (
            best(ClassificationMetric::LogLoss),
            "threshold.metric is log_loss",
        ),
        (costs(0.0, 1.0), "threshold.false_positive is 0"),
        (costs(1.0, f64::INFINITY), "threshold.false_negative is inf"),
        (gains(-1.0, 0.0), "threshold.false_negative is 1"),
        (gains(0.0, f64::NAN), "threshold.true_negative is NaN"),
    ] {
        let error = rule.fit(p.view(), &classes).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    // A gain of deciding rightly can make a wrong decision free.
    let free = ThresholdRule::Costs {
        false_positive: 0.0,
        false_negative: 1.0,
        true_positive: 0.0,
        true_negative: 2.0,
    };
    assert!(free.fit(p.view(), &classes).is_ok());
}

#[test]
fn rows_that_nothing_can_be_learned_from_are_refused() {
    let p = two(&[0.2, 0.7, 0.6]);
    let three = array![[0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.4, 0.3, 0.3]];
    let youden = ThresholdRule::Best {
        metric: ThresholdMetric::YoudenJ,
    };
    for calibration in ALL {
        let fit = |p: ArrayView2<'_, f64>, classes: &[usize]| calibration.fit(p, classes).unwrap_err();
        assert!(matches!(
            fit(p.view(), &[0, 0, 0]),
            MetricsError::MissingClass {
                class: 1,
                occurring: 1,
                ..
            }
        ));
        assert!(matches!(fit(p.view(), &[0, 1]), MetricsError::Length { .. }));
        assert!(matches!(
            fit(p.view(), &[0, 1, 2]),
            MetricsError::UnknownClass { row: 2, .. }
        ));
        assert!(matches!(
            fit(Array2::zeros((0, 2)).view(), &[]),
            MetricsError::NoRows { .. }
        ));
        assert!(matches!(
            fit(array![[0.5, 0.6], [0.5, 0.5]].view(), &[0, 1]),
            MetricsError::ProbabilitySum { row: 0, .. }
        ));
        assert!(matches!(
            fit(array![[0.5, 0.5], [f64::NAN, 0.5]].view(), &[0, 1]),
            MetricsError::Probability { row: 1, .. }
        ));
        let fitted = calibration.fit(p.view(), &[0, 1, 0]).unwrap();
        assert_eq!(fitted.n_classes(), 2);
        assert!(matches!(
            fitted.apply(three.view()).unwrap_err(),
            MetricsError::WrongClasses {
                expected: 2,
                got: 3,
                ..
            }
        ));
        assert!(matches!(
            fitted.apply(array![[0.7, 0.7]].view()).unwrap_err(),
            MetricsError::ProbabilitySum { .. }
        ));
        assert_eq!(fitted.apply(Array2::zeros((0, 2)).view()).unwrap().dim(), (0, 2));
        // Without rows of the third class only the temperature can be found.
        let fitted = calibration.fit(three.view(), &[0, 1, 0]);
        assert_eq!(fitted.is_ok(), calibration == Calibration::Temperature);
    }
    let fit = |p: ArrayView2<'_, f64>, classes: &[usize]| youden.fit(p, classes).unwrap_err();
    assert!(matches!(
        fit(p.view(), &[1, 1, 1]),
        MetricsError::MissingClass { class: 0, .. }
    ));
    assert!(matches!(
        fit(three.view(), &[0, 1, 2]),
        MetricsError::WrongClasses { .. }
    ));
    assert!(matches!(
        fit(Array2::zeros((0, 2)).view(), &[]),
        MetricsError::NoRows { .. }
    ));
    let threshold = FittedThreshold { value: 0.5 };
    assert!(threshold.decide(three.view()).is_err());
    assert!(threshold.decide(array![[0.7, 0.7]].view()).is_err());
    assert_eq!(threshold.decide(p.view()).unwrap(), [0, 1, 1]);
}

#[test]
fn a_fixed_threshold_is_taken_as_it_is() {
    let rule = ThresholdRule::Fixed { value: 0.25 };
    let p = two(&[0.25, 0.2]);
    let fitted = rule.fit(p.view(), &[0, 0]).unwrap();
    assert_eq!(fitted, FittedThreshold { value: 0.25 });
    assert_eq!(fitted.decide(p.view()).unwrap(), [1, 0]);
    assert!(rule.scores(p.view(), &[0, 0]).unwrap().is_empty());
}

#[test]
fn of_equally_good_thresholds_the_nearest_to_a_half_is_taken() {
    // Anything above 0.2 and up to 0.9 tells the rows apart, 0.55 is half way.
    let p = two(&[0.1, 0.2, 0.9]);
    let fitted = best(ClassificationMetric::Accuracy)
        .fit(p.view(), &[0, 0, 1])
        .unwrap();
    assert!((fitted.value - 0.55).abs() < 1e-12);
    // One wrong row below 0.3, between 0.3 and 0.6, or above 0.6: 0.45 is nearer to a half than 0.2 or 0.75.
    let p = two(&[0.1, 0.3, 0.6, 0.9]);
    let fitted = best(ClassificationMetric::Accuracy)
        .fit(p.view(), &[0, 1, 0, 1])
        .unwrap();
    assert!((fitted.value - 0.75).abs() < 1e-12 || (fitted.value - 0.2).abs() < 1e-12);
    assert_eq!(fitted.value, 0.75, "0.25 from a half, against 0.3");
}

#[test]
fn never_and_always_are_thresholds_too() {
    // Even the surest row is no reason to decide for class 1 if that is so much dearer.
    let p = two(&[1.0, 1.0, 0.0, 0.5]);
    let classes = [0, 1, 0, 1];
    let never = costs(100.0, 1.0).fit(p.view(), &classes).unwrap();
    assert!(never.value > 1.0);
    assert_eq!(never.decide(p.view()).unwrap(), [0; 4]);
    let saved = serde_json::to_string(&never).unwrap();
    assert_eq!(serde_json::from_str::<FittedThreshold>(&saved).unwrap(), never);
    let always = costs(1.0, 100.0).fit(two(&[0.0, 1.0]).view(), &[1, 0]).unwrap();
    assert_eq!(always.decide(two(&[0.0, 1.0]).view()).unwrap(), [1, 1]);
}

#[test]
fn costs_decide_for_what_is_cheapest_in_expectation() {
    let matrix = CostMatrix::new(vec![
        vec![0.0, 1.0, 5.0],
        vec![1.0, 0.0, 1.0],
        vec![9.0, 3.0, 0.0],
    ])
    .unwrap();
    let p = array![[0.5, 0.3, 0.2], [0.6, 0.0, 0.4], [1.0, 0.0, 0.0]];
    // Expected costs by hand: 0.3 + 1.8, 0.5 + 0.6, 2.5 + 0.3; 3.6, 0.6 + 1.2, 3.0; 0, 1, 5.
    assert_eq!(matrix.decide(p.view()).unwrap(), [1, 1, 0]);
    assert_eq!(matrix.mean_cost(&[0, 2, 0], &[1, 1, 0]).unwrap(), 4.0 / 3.0);
    let text = serde_json::to_string(&matrix).unwrap();
    assert_eq!(text, "[[0.0,1.0,5.0],[1.0,0.0,1.0],[9.0,3.0,0.0]]");
    assert_eq!(serde_json::from_str::<CostMatrix>(&text).unwrap(), matrix);
}

#[test]
fn costs_that_cannot_be_are_refused() {
    let new = |rows: &[&[f64]]| CostMatrix::new(rows.iter().map(|row| row.to_vec()).collect());
    assert!(matches!(new(&[&[0.0]]), Err(MetricsError::Classes { .. })));
    assert!(matches!(
        new(&[&[0.0, 1.0], &[1.0]]),
        Err(MetricsError::Length { .. })
    ));
    let error = new(&[&[0.0, 1.0], &[1.0, 2.0]]).unwrap_err();
    assert!(
        matches!(
            error,
            MetricsError::Cost {
                actual: 1,
                decided: 0,
                ..
            }
        ),
        "{error}"
    );
    assert!(new(&[&[0.0, f64::NAN], &[1.0, 0.0]]).is_err());
    assert!(new(&[&[f64::NEG_INFINITY, 1.0], &[1.0, 0.0]]).is_err());
    let matrix = new(&[&[0.0, 1.0], &[1.0, 0.0]]).unwrap();
    assert!(matches!(
        matrix.decide(array![[0.2, 0.3, 0.5]].view()),
        Err(MetricsError::WrongClasses { .. })
    ));
    assert!(matches!(
        matrix.decide(array![[0.2, 0.3]].view()),
        Err(MetricsError::ProbabilitySum { .. })
    ));
    assert!(matrix.mean_cost(&[], &[]).is_err());
    assert!(matrix.mean_cost(&[0], &[0, 1]).is_err());
    assert!(matrix.mean_cost(&[0], &[2]).is_err());
}

/// Probabilities with ties, zeros and ones, and classes of both kinds.
fn rows() -> impl Strategy<Value = (Vec<f64>, Vec<usize>)> {
    let row = (0_u8..=20, 0_usize..2);
    prop::collection::vec(row, 2..40).prop_filter_map("both classes", |rows| {
        let (p, classes): (Vec<f64>, Vec<usize>) = rows
            .into_iter()
            .map(|(p, class)| (f64::from(p) / 20.0, class))
            .unzip();
        (classes.contains(&0) && classes.contains(&1)).then_some((p, classes))
    })
}

/// Rows of `k` probabilities that are not all 0.
fn distributions(k: usize) -> impl Strategy<Value = Array2<f64>> {
    prop::collection::vec(prop::collection::vec(0.0_f64..1.0, k), 1..30).prop_filter_map(
        "a sum",
        move |rows| {
            let mut matrix = matrix(&rows);
            for mut row in matrix.rows_mut() {
                let sum = row.sum();
                if sum < 0.01 {
                    return None;
                }
                row /= sum;
            }
            Some(matrix)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_threshold_is_better_than_the_chosen_one((p, classes) in rows(), fp in 0.1_f64..5.0, fn_ in 0.1_f64..5.0) {
        let p = two(&p);
        let score = |rule: &ThresholdRule, value: f64| {
            let decided: Vec<usize> = p.column(1).iter().map(|p| usize::from(*p >= value)).collect();
            match *rule {
                ThresholdRule::Costs { false_positive, false_negative, .. } => {
                    let costs = [[0.0, false_positive], [false_negative, 0.0]];
                    -classes.iter().zip(&decided).map(|(a, d)| costs[*a][*d]).sum::<f64>()
                }
                ThresholdRule::Best { metric: ThresholdMetric::Metric(metric) } => {
                    let all = ClassificationMetrics::compute_decided(&classes, &decided, p.view()).unwrap();
                    metric.of(&all).unwrap_or(f64::NEG_INFINITY)
                }
                ThresholdRule::Best { metric: ThresholdMetric::FBeta(beta) } => {
                    ConfusionMatrix::compute(&classes, &decided, 2).unwrap().f_beta(1, beta)
                }
                _ => ConfusionMatrix::compute(&classes, &decided, 2).unwrap().balanced_accuracy() * 2.0 - 1.0,
            }
        };
        let of_decided = ClassificationMetric::ALL.into_iter().filter(|metric| metric.is_of_decided()).map(best);
        let others = [costs(fp, fn_), ThresholdRule::Best { metric: ThresholdMetric::FBeta(fp) }];
        let youden = ThresholdRule::Best { metric: ThresholdMetric::YoudenJ };
        for rule in of_decided.chain(others).chain([youden]) {
            let fitted = rule.fit(p.view(), &classes).unwrap();
            let chosen = score(&rule, fitted.value);
            // Halves of twentieths: every way to divide the rows.
            for value in (0..=41).map(|step| f64::from(step) / 40.0) {
                prop_assert!(score(&rule, value) <= chosen + 1e-9, "{rule:?}: {value} beats {}", fitted.value);
            }
            let scores = rule.scores(p.view(), &classes).unwrap();
            prop_assert!(scores.windows(2).all(|pair| pair[0].threshold < pair[1].threshold));
            prop_assert_eq!(scores[0].threshold, 0.0);
        }
    }

    #[test]
    fn calibrated_rows_sum_to_one_and_the_temperature_leaves_the_order(
        p in distributions(4), unseen in distributions(4), seed: u64,
    ) {
        let mut stream = Seed::new(seed).stream("classes");
        let mut classes: Vec<usize> = (0..p.nrows()).map(|_| stream.below(4)).collect();
        for class in 0..4.min(classes.len()) {
            classes[class] = class;
        }
        for calibration in ALL {
            let Ok(fitted) = calibration.fit(p.view(), &classes) else {
                prop_assert!(classes.len() < 4);
                continue;
            };
            let applied = fitted.apply(unseen.view()).unwrap();
            for row in applied.rows() {
                prop_assert!((row.sum() - 1.0).abs() < 1e-12 && row.iter().all(|p| (0.0..=1.0).contains(p)));
            }
            if calibration == Calibration::Temperature {
                for (before, after) in unseen.rows().into_iter().zip(applied.rows()) {
                    for (a, b) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
                        prop_assert!(before[a] < before[b] || after[a] >= after[b]);
                    }
                }
            }
            let again: FittedCalibration =
                serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
            prop_assert_eq!(again, fitted);
        }
    }

    #[test]
    fn a_calibration_is_never_worse_on_its_own_rows((p, classes) in rows()) {
        let p = two(&p);
        let before = ClassificationMetrics::compute(&classes, p.view()).unwrap();
        let of = |calibration: Calibration| {
            let calibrated = calibration.fit(p.view(), &classes).unwrap().apply(p.view()).unwrap();
            ClassificationMetrics::compute(&classes, calibrated.view()).unwrap()
        };
        prop_assert!(of(Calibration::Temperature).log_loss <= before.log_loss + 1e-9);
        prop_assert!(of(Calibration::Isotonic).brier <= before.brier + 1e-12);
    }

    #[test]
    fn an_isotonic_curve_is_the_best_of_all_rising_ones((p, classes) in rows(), seed: u64) {
        // Against any other rising curve over the same points: one drawn at random, mixed with the fitted one.
        let fitted = Calibration::Isotonic.fit(two(&p).view(), &classes).unwrap();
        let FittedCalibration::Isotonic { curves } = &fitted else { panic!("another kind") };
        let mut stream = Seed::new(seed).stream("curve");
        let mut other: Vec<f64> = (0..=20).map(|_| stream.uniform()).collect();
        other.sort_by(f64::total_cmp);
        let loss = |curve: &dyn Fn(f64) -> f64| -> f64 {
            p.iter().zip(&classes).map(|(p, class)| (curve(*p) - *class as f64).powi(2)).sum()
        };
        let best = loss(&|p| curves[0].at(p));
        for share in [0.01, 0.1, 1.0] {
            let at = |p: f64| other[(0..=20).filter(|step| f64::from(*step) / 20.0 < p - 0.01).count()];
            let mixed = |p: f64| (1.0 - share) * curves[0].at(p) + share * at(p);
            prop_assert!(best <= loss(&mixed) + 1e-9);
        }
    }

    #[test]
    fn costs_of_two_classes_are_a_threshold(p in 0.0_f64..1.0, fp in 0.1_f64..5.0, fn_ in 0.1_f64..5.0) {
        prop_assume!((p - fp / (fp + fn_)).abs() > 1e-9);
        let matrix = CostMatrix::new(vec![vec![0.0, fp], vec![fn_, 0.0]]).unwrap();
        let threshold = FittedThreshold { value: fp / (fp + fn_) };
        prop_assert_eq!(matrix.decide(two(&[p]).view()).unwrap(), threshold.decide(two(&[p]).view()).unwrap());
    }

    #[test]
    fn equal_costs_decide_for_the_likeliest_class(p in distributions(5)) {
        let equal = (0..5).map(|a| (0..5).map(|d| f64::from(u8::from(a != d))).collect()).collect();
        prop_assert_eq!(CostMatrix::new(equal).unwrap().decide(p.view()).unwrap(), likeliest(p.view()));
    }
}
